"""Calibration of probabilities: the errors that follow from bins of them, and proper scores.

`calibration_bins` goes once over probabilities and reference; all that is here follows from its record, which `merge`
adds up over cases. With labels every label is judged against the rest, and the class-wise error is the mean over the
labels; `top_label=True` judges the largest probability of each voxel instead.
"""

import math
from typing import NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.probability_bins import CalibrationBins, calibration_bins
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array

__all__ = [
    "BrierDecomposition",
    "ReliabilityCurve",
    "average_calibration_error",
    "brier_decomposition",
    "brier_score",
    "expected_calibration_error",
    "maximum_calibration_error",
    "negative_log_likelihood",
    "reliability_curve",
    "root_mean_square_calibration_error",
]


class BrierDecomposition(NamedTuple):
    """The parts of a Brier score, which is reliability - resolution + uncertainty + within_bins."""

    reliability: Array
    resolution: Array
    uncertainty: Array
    within_bins: Array


class ReliabilityCurve(NamedTuple):
    """What a reliability diagram shows of each bin: mean probability, frequency of the label, and voxels."""

    probability: Array
    frequency: Array
    counts: Array


_from_bins = derived_from(calibration_bins, CalibrationBins)


def _float(array: Array, model: Array) -> Array:
    """Return counts as floats of the dtype of a field of floats."""
    return _array.array_namespace(model).astype(array, model.dtype)


def _bin_gaps(record: CalibrationBins) -> tuple[Array, Array]:
    """Return |frequency - mean probability| of each bin, 0 where it is empty, and the voxels, as floats."""
    counts = _float(record.counts, record.probability)
    apart = _float(record.positives, record.probability) - record.probability
    return _array.ratio(_array.absolute(apart), counts, zero_division=0), counts


@_from_bins
def expected_calibration_error(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the expected calibration error (ECE): how far frequencies are from what the probabilities say.

    Formula: sum n_k / n |o_k - p_k|, with the number n_k of voxels in bin k, their mean probability p_k and the
    frequency o_k of the label among them.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1; lower is better. The class-wise error is their mean.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> probabilities = np.array([0.25, 0.25, 0.75, 0.75])
        >>> float(expected_calibration_error(probabilities, np.array([0, 0, 1, 1]), bins=2))
        0.25

    Source:
        Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv 1706.04599.

    Agrees with:
        torchmetrics' `calibration_error` with `norm="l1"`, and netcal's `ECE`, with `closed="left"`.
    """
    gaps, counts = _bin_gaps(record)
    xp = _array.array_namespace(counts)
    # A sum of the means weighted by counts is that of absolute differences.
    return _array.ratio(xp.sum(gaps * counts, axis=-1), xp.sum(counts, axis=-1), zero_division=zero_division)


@_from_bins
def maximum_calibration_error(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the maximum calibration error (MCE): the largest difference of any bin.

    Formula: max |o_k - p_k|, over the bins k that hold a voxel, with their mean probability p_k and the frequency o_k
    of the label in them.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1; lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> probabilities = np.array([0.25, 0.25, 0.25, 1.0])
        >>> float(maximum_calibration_error(probabilities, np.array([0, 0, 1, 0]), bins=2))
        1.0

    Source:
        Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602.

    Agrees with:
        torchmetrics' `calibration_error` with `norm="max"` and `closed="left"`.
    """
    gaps, counts = _bin_gaps(record)
    xp = _array.array_namespace(counts)
    return xp.where(xp.sum(counts, axis=-1) > 0, xp.max(gaps, axis=-1), zero_division)


@_from_bins
def average_calibration_error(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the average calibration error (ACE): the mean difference over the bins, however many voxels they hold.

    Formula: mean |o_k - p_k|, over the bins k that hold a voxel, with their mean probability p_k and the frequency o_k
    of the label in them.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`; with `by="mass"` this is
            the adaptive calibration error, also called ACE.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1; lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> probabilities = np.array([0.25, 0.25, 0.25, 0.25, 1.0])
        >>> float(average_calibration_error(probabilities, np.array([0, 0, 1, 1, 1]), bins=2))
        0.125

    Source:
        Neumann, Zisserman and Vedaldi 2018, Relaxed softmax; Nixon et al. 2019, arXiv 1904.01685.

    Agrees with:
        MONAI's `calibration_binning` with its reduction `average`.
    """
    gaps, counts = _bin_gaps(record)
    xp = _array.array_namespace(counts)
    filled = _float(counts > 0, counts)
    return _array.ratio(xp.sum(gaps * filled, axis=-1), xp.sum(filled, axis=-1), zero_division=zero_division)


@_from_bins
def root_mean_square_calibration_error(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the root mean square calibration error (RMSCE): in which large differences weigh more.

    Formula: sqrt(sum n_k / n (o_k - p_k)^2), with the number n_k of voxels in bin k, their mean probability p_k and the
    frequency o_k of the label among them.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1; lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> probabilities = np.array([0.25, 0.25, 1.0, 1.0])
        >>> float(root_mean_square_calibration_error(probabilities, np.array([0, 0, 1, 1]), bins=2))
        0.1767766952966369

    Source:
        Hendrycks, Mazeika and Dietterich 2019, arXiv 1812.04606.

    Agrees with:
        torchmetrics' `calibration_error` with `norm="l2"`, with `closed="left"`.
    """
    gaps, counts = _bin_gaps(record)
    xp = _array.array_namespace(counts)
    total = xp.sum(counts, axis=-1)
    mean = _array.ratio(xp.sum(gaps * gaps * counts, axis=-1), total, zero_division=0)
    return xp.where(total > 0, _array.root(mean), zero_division)


@_from_bins
def brier_score(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the Brier score: the mean squared difference of probability and truth.

    Formula: sum (p - r)^2 / n, with the probability p of a voxel and r = 1 where it has the label, else 0.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`. With `top_label=True`, the
            squares of all labels are added, which is Brier's own score of several classes, up to 2.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 to 1; lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> float(brier_score(np.array([0.5, 0.0, 1.0, 0.5]), np.array([0, 0, 1, 1])))
        0.125

    Source:
        Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.

    Agrees with:
        scikit-learn's `brier_score_loss`.
    """
    return _per_voxel(record, record.squared_error, zero_division)


@_from_bins
def negative_log_likelihood(record: CalibrationBins, *, zero_division: float = math.nan) -> Array:
    """Return the negative log likelihood (NLL, log loss, cross-entropy) of the reference by the probabilities.

    Formula: -sum log q / n, with the probability q of what is so: p where a voxel has the label, else 1 - p, and no
    less than the floor.

    Args:
        record: Bins, or probabilities and reference with the options of `calibration_bins`. With `top_label=True`, q is
            the probability of the label that a voxel has, as in the cross-entropy of several classes.
        zero_division: The value where the metric is undefined.

    Returns:
        Array with a value for each label, from 0 on, in natural units; lower is better.

    Undefined:
        No voxels: NaN. A probability of 0 of what is so, without a floor: inf.

    Example:
        >>> import numpy as np
        >>> float(negative_log_likelihood(np.array([0.5, 0.5]), np.array([0, 1])))
        0.6931471805599453

    Source:
        Good 1952, doi 10.1111/j.2517-6161.1952.tb00104.x.

    Agrees with:
        scikit-learn's `log_loss`, but for its floor: the epsilon of the dtype.
    """
    return _per_voxel(record, record.log_loss, zero_division)


def _per_voxel(record: CalibrationBins, total: Array, zero_division: float) -> Array:
    """Return a sum over all voxels divided by their number."""
    number = _array.array_namespace(record.counts).sum(record.counts, axis=-1)
    return _array.ratio(total, _float(number, total), zero_division=zero_division)


def brier_decomposition(record: CalibrationBins) -> BrierDecomposition:
    """Return the parts of the Brier score: reliability (0 if calibrated), resolution (more is better), uncertainty.

    Formula: reliability sum n_k / n (p_k - o_k)^2, resolution sum n_k / n (o_k - o)^2 and uncertainty o (1 - o), with
    the number n_k of voxels in bin k, their mean probability p_k, the frequency o_k of the label among them and o among
    all. What the probabilities differ by within bins is the rest, so that the score is exactly reliability - resolution
    + uncertainty + within_bins.

    Args:
        record: Bins of a mask or of labels; those of top labels have no such parts.

    Returns:
        Arrays with a value for each label; NaN where there are no voxels.

    Raises:
        TypeError: `record` is no `CalibrationBins`.

    Example:
        >>> import numpy as np
        >>> record = calibration_bins(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 0, 1, 1]), bins=2)
        >>> [float(part) for part in brier_decomposition(record)]
        [0.0625, 0.25, 0.25, 0.0]

    Source:
        Murphy 1973, doi 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2; Stephenson, Coelho and Jolliffe 2008, doi
        10.1175/2007WAF2006116.1.
    """
    checks.require_instance("brier_decomposition", "record", record, CalibrationBins, "CalibrationBins")
    xp = _array.array_namespace(record.probability)
    counts, positives = (_float(field, record.probability) for field in (record.counts, record.positives))
    total = xp.sum(counts, axis=-1)
    base = _array.ratio(xp.sum(positives, axis=-1), total)
    share = _array.ratio(counts, xp.expand_dims(total, axis=-1) + xp.zeros_like(counts))
    gaps = _array.ratio(record.probability - positives, counts, zero_division=0)
    apart = _array.ratio(positives, counts, zero_division=0) - xp.expand_dims(base, axis=-1)
    reliability, resolution = xp.sum(share * gaps * gaps, axis=-1), xp.sum(share * apart * apart, axis=-1)
    uncertainty = base * (1 - base)
    score = _array.ratio(record.squared_error, total)
    return BrierDecomposition(reliability, resolution, uncertainty, score - (reliability - resolution + uncertainty))


def reliability_curve(record: CalibrationBins) -> ReliabilityCurve:
    """Return the points of a reliability diagram, for `reporting.plot_reliability` and tables.

    Args:
        record: Bins of any kind.

    Returns:
        Mean probability and frequency of the label in each bin, NaN where it is empty, and the voxels: (..., B).

    Raises:
        TypeError: `record` is no `CalibrationBins`.

    Example:
        >>> import numpy as np
        >>> curve = reliability_curve(calibration_bins(np.array([0.25, 0.75, 0.75]), np.array([0, 0, 1]), bins=2))
        >>> curve.probability.tolist(), curve.frequency.tolist()
        ([0.25, 0.75], [0.0, 0.5])

    Source:
        DeGroot and Fienberg 1983, doi 10.2307/2987588.
    """
    checks.require_instance("reliability_curve", "record", record, CalibrationBins, "CalibrationBins")
    counts, positives = (_float(field, record.probability) for field in (record.counts, record.positives))
    return ReliabilityCurve(_array.ratio(record.probability, counts), _array.ratio(positives, counts), record.counts)
