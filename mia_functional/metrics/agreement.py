"""Agreement of two masks beyond plain overlap: informedness, correlation, kappa and their kin.

Each metric takes `ConfusionCounts`, or the pair `(prediction, reference)` and the options of `confusion_counts`. The
formulas work on proportions of all voxels, TP / n and so on, so that no product of counts can overflow and float32 is
enough. The result has the shape of the counts and is float64, or the widest float of the library.
"""

import math

from mia_functional import _array
from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts, float_counts, from_counts, proportions
from mia_functional.metrics.contingency import ConfusionMatrix, CountsOrMatrix, from_counts_or_matrix, one_against_rest
from mia_functional.metrics.moments import PairedMoments, error_scale, in_units
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array

__all__ = [
    "area_under_curve",
    "balanced_accuracy",
    "cohen_kappa",
    "interclass_correlation",
    "intraclass_correlation",
    "matthews_correlation",
    "probabilistic_distance",
    "youden_index",
]

_from_counts_or_moments = derived_from(confusion_counts, ConfusionCounts, PairedMoments)


@from_counts
def youden_index(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return Youden's index (bookmaker informedness): sensitivity plus specificity minus one.

    Formula: TP / (TP + FN) + TN / (TN + FP) - 1.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, from -1 to 1, 0 for chance; higher is better.

    Undefined:
        Reference empty or full: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(youden_index(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.333333

    Source:
        Youden 1950, doi 10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.

    Agrees with:
        scikit-learn's `balanced_accuracy_score` with `adjusted=True`.
    """
    tp, fp, fn, tn = float_counts(counts)
    # Sensitivity minus fallout is sensitivity + specificity - 1, with one rounding less.
    difference = _array.ratio(tp, tp + fn) - _array.ratio(fp, fp + tn)
    return _filled(difference, ((tp + fn) == 0) | ((fp + tn) == 0), zero_division)


@from_counts_or_matrix
def balanced_accuracy(counts: CountsOrMatrix, *, zero_division: float = math.nan) -> Array:
    """Return the balanced accuracy: the mean of sensitivity and specificity, or of the sensitivities of all classes.

    Formula: (TP / (TP + FN) + TN / (TN + FP)) / 2; of a matrix, the mean of TP / (TP + FN) over its classes.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, or one number per matrix, from 0 to 1; chance has 1 over the number of
        classes; higher is better.

    Undefined:
        Reference empty or full, or a class of the matrix not in the reference: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(balanced_accuracy(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.666667

    Source:
        Brodersen et al. 2010, doi 10.1109/ICPR.2010.764.

    Agrees with:
        scikit-learn's `balanced_accuracy_score`.
    """
    if isinstance(counts, ConfusionMatrix):
        tp, _, fn, _ = one_against_rest(counts)
        xp = _array.array_namespace(tp)
        return _filled(xp.mean(_array.ratio(tp, tp + fn), axis=-1), xp.any(tp + fn == 0, axis=-1), zero_division)
    tp, fp, fn, tn = float_counts(counts)
    mean = (_array.ratio(tp, tp + fn) + _array.ratio(tn, tn + fp)) / 2
    return _filled(mean, ((tp + fn) == 0) | ((fp + tn) == 0), zero_division)


@from_counts
def area_under_curve(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the area under the ROC curve (AUC) of ONE threshold, (TPR - FPR + 1) / 2, not of a curve of thresholds.

    Formula: (TPR - FPR + 1) / 2, with the rates TPR = TP / (TP + FN) and FPR = FP / (FP + TN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, from 0 to 1, 0.5 for chance; higher is better.

    Undefined:
        Reference empty or full: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(area_under_curve(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.666667

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `roc_auc_score` of the two masks; equal to `balanced_accuracy`.
    """
    return balanced_accuracy(counts, zero_division=zero_division)


@from_counts_or_matrix
def matthews_correlation(counts: CountsOrMatrix, *, zero_division: float = math.nan) -> Array:
    """Return the Matthews correlation coefficient (MCC, phi): the correlation of the two masks.

    Formula: (TP TN - FP FN) / sqrt((TP + FP) (TN + FN) (TP + FN) (TN + FP)), on proportions; of a matrix, each of the
    three terms is summed over the classes against the rest, sum (TP TN - FP FN) and so on (Gorodkin's R_K).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, or one number per matrix, from -1 to 1, 0 for chance; higher is better.

    Undefined:
        A mask empty or full, or a single class on one side of the matrix: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(matthews_correlation(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.333333

    Source:
        Matthews 1975, doi 10.1016/0005-2795(75)90109-9; Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006.

    Agrees with:
        scikit-learn's `matthews_corrcoef`, which gives 0 where ours is undefined.
    """
    tp, fp, fn, tn, _ = proportions(one_against_rest(counts))
    predicted = _array.root(_over_classes(counts, (tp + fp) * (fn + tn)))
    referenced = _array.root(_over_classes(counts, (tp + fn) * (fp + tn)))
    shared = _over_classes(counts, tp * tn - fp * fn)
    value = _array.ratio(shared, predicted * referenced, zero_division=0)
    # Rounding may lead beyond 1.
    return _filled(_array.clip_rounding(value, -1.0, 1.0), predicted * referenced == 0, zero_division)


@from_counts_or_matrix
def cohen_kappa(counts: CountsOrMatrix, *, zero_division: float = math.nan) -> Array:
    """Return Cohen's kappa: the agreement beyond what chance alone would produce.

    Formula: (p_o - p_e) / (1 - p_e), with the observed and the expected share of equal voxels; computed as
    2 (TP TN - FP FN) / ((TP + FP) (FP + TN) + (FN + TN) (TP + FN)) on proportions, which is the same and cannot cancel;
    of a matrix, both terms are summed over the classes against the rest.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, or one number per matrix, from -1 to 1, 0 for chance; higher is better.

    Undefined:
        Both masks empty, or both full, or all voxels in one class on both sides of the matrix: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(cohen_kappa(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.333333

    Source:
        Cohen 1960, doi 10.1177/001316446002000104.

    Agrees with:
        scikit-learn's `cohen_kappa_score`.
    """
    tp, fp, fn, tn, _ = proportions(one_against_rest(counts))
    chance = _over_classes(counts, (tp + fp) * (fp + tn) + (fn + tn) * (tp + fn))
    shared = _over_classes(counts, tp * tn - fp * fn)
    return _array.ratio(2 * shared, chance, zero_division=zero_division)


@_from_counts_or_moments
def intraclass_correlation(counts: ConfusionCounts | PairedMoments, *, zero_division: float = math.nan) -> Array:
    """Return the one-way intraclass correlation (ICC) of the two images, seen as two raters of every voxel.

    Formula: (MSb - MSw) / (MSb + MSw), with m = (P + R) / 2 and mu its mean over the n voxels:
    MSb = 2 / (n - 1) sum (m - mu)^2, MSw = 1 / n sum ((P - m)^2 + (R - m)^2).

    Args:
        counts: Counts of any shape, or the pair of masks with the options of `confusion_counts`. For real-valued
            images, `paired_moments` of the pair.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, from -1 to 1; higher is better.

    Undefined:
        Both images constant and equal, or fewer than two voxels: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(intraclass_correlation(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.411765

    Source:
        Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    between, within, number = _variances(counts)
    # Variances are proportions; this factor makes that between voxels the one of a sample of n.
    between = 2 * between * _array.ratio(number, number - 1, zero_division=0)
    whole = _filled(between + within, number < 2, 0.0)
    return _array.ratio(between - within, whole, zero_division=zero_division)


interclass_correlation = intraclass_correlation
"""The name that pymia gives it; an alias."""


def _variances(pair: ConfusionCounts | PairedMoments) -> tuple[Array, Array, Array]:
    """Return the variance of the mean image, the mean square within voxels, and the number of voxels."""
    if isinstance(pair, PairedMoments):
        unit = error_scale(pair)
        same = in_units(pair, unit, unit)
        scatter = same.prediction_scatter + same.reference_scatter + 2 * same.cross_scatter
        return _array.ratio(scatter / 4, pair.count), _array.ratio(pair.squared_error / 2, pair.count), pair.count
    tp, fp, fn, tn, number = proportions(pair, zero_division=0.0)
    single = fp + fn
    mean = tp + single / 2
    return tp * (1 - mean) ** 2 + single * (0.5 - mean) ** 2 + tn * mean**2, single / 2, number


@from_counts
def probabilistic_distance(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the probabilistic distance between two masks, which may be fuzzy.

    Formula: sum |P - R| / (2 sum P R) = (FP + FN) / (2 TP).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`. For probabilities,
            `soft_confusion_counts` of the pair.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, at least 0; lower is better.

    Undefined:
        No overlap: inf. Both masks empty: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(probabilistic_distance(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.5

    Source:
        Gerig et al. 2001, doi 10.1007/3-540-45468-3_62; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    tp, fp, fn, _ = float_counts(counts)
    apart = fp + fn
    return _filled(_array.ratio(apart, 2 * tp, zero_division=math.inf), (apart == 0) & (tp == 0), zero_division)


def _over_classes(counts: CountsOrMatrix, term: Array) -> Array:
    """Return the sum of a term over the classes of a matrix; the term of counts as it is."""
    if isinstance(counts, ConfusionMatrix):
        return _array.array_namespace(term).sum(term, axis=-1)
    return term


def _filled(value: Array, undefined: Array, zero_division: float) -> Array:
    """Return the value, and `zero_division` where it is undefined."""
    xp = _array.array_namespace(value)
    return xp.where(undefined, zero_division, value)
