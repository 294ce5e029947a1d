"""Errors and correlations of images: how far the values of the prediction are from those of the reference.

Each metric takes `PairedMoments`, or the pair `(prediction, reference)` and the options of `paired_moments`. Integers
are promoted before they are subtracted. The result has the shape and dtype of the moments. P and R are the values of
the two images, n is the number of voxels.
"""

import math
from collections.abc import Callable

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.moments import PairedMoments, error_scale, from_moments
from mia_functional.typing import Array

__all__ = [
    "concordance_correlation",
    "mean_absolute_error",
    "mean_squared_error",
    "normalized_mean_squared_error",
    "normalized_root_mean_squared_error",
    "pearson_correlation",
    "r_squared",
    "reference_mean",
    "reference_norm",
    "reference_range",
    "root_mean_squared_error",
]


@from_moments
def mean_absolute_error(moments: PairedMoments) -> Array:
    """Return the mean absolute error (MAE).

    Formula: sum |P - R| / n.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.

    Returns:
        Array of the shape of the moments, at least 0, in the unit of the images; lower is better.

    Example:
        >>> import numpy as np
        >>> float(mean_absolute_error(np.array([1, 2, 6], dtype=np.uint8), np.array([2, 2, 4], dtype=np.uint8)))
        1.0

    Source:
        Willmott and Matsuura 2005, doi 10.3354/cr030079.

    Agrees with:
        scikit-learn's `mean_absolute_error`.
    """
    return _array.ratio(moments.absolute_error, moments.count) * error_scale(moments)


@from_moments
def mean_squared_error(moments: PairedMoments) -> Array:
    """Return the mean squared error (MSE).

    Formula: sum (P - R)^2 / n.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.

    Returns:
        Array of the shape of the moments, at least 0, in the squared unit of the images; lower is better.

    Example:
        >>> import numpy as np
        >>> float(mean_squared_error(np.array([1, 2, 7], dtype=np.uint8), np.array([3, 2, 4], dtype=np.uint8)))
        4.333333333333333

    Source:
        Hyndman and Koehler 2006, doi 10.1016/j.ijforecast.2006.03.001.

    Agrees with:
        scikit-learn's `mean_squared_error`.
    """
    scale = error_scale(moments)
    return _array.ratio(moments.squared_error, moments.count) * scale * scale


@from_moments
def root_mean_squared_error(moments: PairedMoments) -> Array:
    """Return the root mean squared error (RMSE).

    Formula: sqrt(sum (P - R)^2 / n).

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.

    Returns:
        Array of the shape of the moments, at least 0, in the unit of the images; lower is better.

    Example:
        >>> import numpy as np
        >>> float(root_mean_squared_error(np.array([1.0, 2.0, 6.0, 4.0]), np.array([1.0, 2.0, 2.0, 4.0])))
        2.0

    Source:
        Hyndman and Koehler 2006, doi 10.1016/j.ijforecast.2006.03.001.

    Agrees with:
        scikit-learn's `root_mean_squared_error`.
    """
    return _array.root(_array.ratio(moments.squared_error, moments.count)) * error_scale(moments)


@_array.one_node
def reference_range(moments: PairedMoments) -> Array:
    """Return the range of the reference, its largest minus its smallest value; pass it as `normalization`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0])
        >>> float(normalized_root_mean_squared_error(one, other, normalization=reference_range).round(3))
        1.155
    """
    return moments.reference_maximum - moments.reference_minimum


@_array.one_node
def reference_mean(moments: PairedMoments) -> Array:
    """Return the mean of the reference; pass it as `normalization`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0])
        >>> float(normalized_root_mean_squared_error(one, other, normalization=reference_mean).round(3))
        0.693
    """
    return moments.reference_mean


@_array.one_node
def reference_norm(moments: PairedMoments) -> Array:
    """Return the root mean square of the reference, its Euclidean norm over sqrt(n); pass it as `normalization`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 2.0])
        >>> float(normalized_root_mean_squared_error(one, other, normalization=reference_norm).round(3))
        0.667
    """
    return _array.root(_array.ratio(_energy(moments), moments.count)) * moments.reference_scale


@from_moments
def normalized_root_mean_squared_error(
    moments: PairedMoments,
    *,
    normalization: Callable[[PairedMoments], Array] = reference_range,
    zero_division: float = math.nan,
) -> Array:
    """Return the normalized root mean squared error (NRMSE): the error in terms of the reference.

    Formula: sqrt(sum (P - R)^2 / n) / N, with N the range of the reference or what `normalization` gives.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        normalization: `reference_range`, `reference_mean`, `reference_norm`, or a function of the moments like these.
        zero_division: The value where N is 0.

    Returns:
        Array of the shape of the moments, at least 0 for a positive N; lower is better.

    Undefined:
        N is 0 (for the range: the reference is constant): NaN.

    Example:
        >>> import numpy as np
        >>> float(normalized_root_mean_squared_error(np.array([1.0, 2.0, 6.0, 4.0]), np.array([0.0, 3.0, 5.0, 5.0])))
        0.2

    Source:
        Fienup 1997, doi 10.1364/AO.36.008352.

    Agrees with:
        scikit-image's `normalized_root_mse`, whose default is `reference_norm`.
    """
    error, divisor = root_mean_squared_error(moments), normalization(moments)
    xp = _array.array_namespace(divisor)
    # In a unit in which the square of the divisor, which derivatives are divided by, neither vanishes nor overflows.
    unit = xp.where(divisor == 0, 1.0, _array.binary_scale(xp.abs(divisor)))
    return _array.ratio(error / unit, divisor / unit, zero_division=zero_division)


@from_moments
def normalized_mean_squared_error(moments: PairedMoments, *, zero_division: float = math.nan) -> Array:
    """Return the normalized mean squared error (NMSE) of image reconstruction.

    Formula: sum (P - R)^2 / sum R^2.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        zero_division: The value where the reference is 0 everywhere.

    Returns:
        Array of the shape of the moments, at least 0; lower is better.

    Undefined:
        Reference 0 everywhere: NaN.

    Example:
        >>> import numpy as np
        >>> float(normalized_mean_squared_error(np.array([1.0, 2.0]), np.array([0.0, 2.0])))
        0.25

    Source:
        Zbontar et al. 2018, fastMRI, arXiv 1811.08839.
    """
    energy = _energy(moments)
    return _array.ratio(_squared_error(moments, energy), energy, zero_division=zero_division)


@from_moments
def r_squared(moments: PairedMoments, *, zero_division: float = math.nan) -> Array:
    """Return the coefficient of determination (R2, R squared).

    Formula: 1 - sum (P - R)^2 / sum (R - mean R)^2.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        zero_division: The value where the reference is constant.

    Returns:
        Array of the shape of the moments, at most 1, 0 for the mean as prediction; higher is better.

    Undefined:
        Reference constant: NaN.

    Example:
        >>> import numpy as np
        >>> float(r_squared(np.array([1.0, 2.0, 4.0]), np.array([1.0, 3.0, 5.0])))
        0.75

    Source:
        Wright 1921, Correlation and causation.

    Agrees with:
        scikit-learn's `r2_score`.
    """
    explained = moments.reference_scatter - _squared_error(moments, moments.reference_scatter)
    return _array.ratio(explained, moments.reference_scatter, zero_division=zero_division)


@from_moments
def pearson_correlation(moments: PairedMoments, *, zero_division: float = math.nan) -> Array:
    """Return the Pearson correlation coefficient (PCC, normalized cross-correlation).

    Formula: sum p r / sqrt(sum p^2 sum r^2), with the differences from the mean p = P - mean P and r = R - mean R.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        zero_division: The value where an image is constant.

    Returns:
        Array of the shape of the moments, from -1 to 1; higher is better.

    Undefined:
        An image constant: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(pearson_correlation(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))), 6)
        0.5

    Source:
        Pearson 1895, doi 10.1098/rspl.1895.0041.

    Agrees with:
        scipy's `pearsonr`.
    """
    # The product of the roots, as the product of two large scatters would overflow.
    spread = _array.root(moments.prediction_scatter) * _array.root(moments.reference_scatter)
    value = _array.clip_rounding(_array.ratio(moments.cross_scatter, spread, zero_division=0), -1.0, 1.0)
    xp = _array.array_namespace(value)
    return xp.where(spread == 0, zero_division, value)


@from_moments
def concordance_correlation(
    moments: PairedMoments, *, sample_covariance: bool = False, zero_division: float = math.nan
) -> Array:
    """Return Lin's concordance correlation coefficient (CCC): correlation that a shift or a scale lowers.

    Formula: 2 cov(P, R) / (var P + var R + (mean P - mean R)^2), with moments over n; computed as 2 c / (e + 2 c) with
    the sums c = sum (P - mean P) (R - mean R) and e = sum (P - R)^2, which is the same and needs no means.

    Args:
        moments: Moments of any shape, or the pair with the options of `paired_moments`.
        sample_covariance: Whether variances and covariance are over n - 1, as of a sample; Lin's are over n.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the moments, from -1 to 1; higher is better.

    Undefined:
        An image constant: NaN.

    Raises:
        TypeError: `sample_covariance` is neither true nor false.

    Example:
        >>> import numpy as np
        >>> round(float(concordance_correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))), 6)
        0.571429

    Source:
        Lin 1989, doi 10.2307/2532051.

    Agrees with:
        With `sample_covariance=True` torchmetrics' `concordance_corrcoef`.
    """
    checks.booleans("concordance_correlation", sample_covariance=sample_covariance)
    xp = _array.array_namespace(moments.cross_scatter)
    unit = error_scale(moments)
    shared = 2 * moments.cross_scatter * (moments.prediction_scale / unit) * (moments.reference_scale / unit)
    whole = moments.squared_error + shared
    if sample_covariance:
        # Of the n squares of the difference of the means that are in e, n - 1 stay: at least half of e where n > 1.
        whole = whole - (moments.prediction_mean / unit - moments.reference_mean / unit) ** 2
    value = _array.clip_rounding(_array.ratio(shared, whole, zero_division=0), -1.0, 1.0)
    # The denominator is not 0 for two different constants, but their correlation is undefined all the same.
    constant = (moments.prediction_scatter == 0) | (moments.reference_scatter == 0)
    return xp.where(constant, zero_division, value)


def _energy(moments: PairedMoments) -> Array:
    """Return the sum of the squared values of the reference, in the unit of its scatter."""
    return moments.reference_scatter + moments.count * (moments.reference_mean / moments.reference_scale) ** 2


def _squared_error(moments: PairedMoments, divisor: Array) -> Array:
    """Return the sum of the squared errors in the unit of the reference's scatter, unless its divisor is 0."""
    # A reference of zeros has the smallest unit, in which an error may be infinite.
    xp = _array.array_namespace(divisor)
    change = xp.where(divisor == 0, 1.0, error_scale(moments) / moments.reference_scale)
    return moments.squared_error * change * change
