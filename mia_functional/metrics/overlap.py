"""How far two structures overlap: Dice, Jaccard, F-measure, and the similarity of their volumes.

Each metric takes `ConfusionCounts`, or the pair `(prediction, reference)` and the options of `confusion_counts`. The
result has the shape of the counts and is float64, or the widest float of the library.
"""

import math

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import ConfusionCounts, float_counts, from_counts
from mia_functional.typing import Array

__all__ = ["dice", "f_measure", "generalized_dice", "jaccard", "volume_similarity"]


@from_counts
def dice(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the Dice similarity coefficient (DSC, F1 score): twice the overlap over the sum of the sizes.

    Formula: 2 TP / (2 TP + FP + FN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Both masks empty: NaN. One empty: 0.

    Example:
        >>> import numpy as np
        >>> float(dice(np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0])))
        0.5

    Source:
        Dice 1945, doi 10.2307/1932409.

    Agrees with:
        scikit-learn's `f1_score`.
    """
    tp, fp, fn, _ = float_counts(counts)
    return _array.ratio(2 * tp, 2 * tp + fp + fn, zero_division=zero_division)


@from_counts
def jaccard(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the Jaccard index (IoU): the intersection over the union.

    Formula: TP / (TP + FP + FN).

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Both masks empty: NaN. One empty: 0.

    Example:
        >>> import numpy as np
        >>> float(jaccard(np.array([1, 1, 1, 1]), np.array([1, 0, 0, 0])))
        0.25

    Source:
        Jaccard 1912, doi 10.1111/j.1469-8137.1912.tb05611.x.

    Agrees with:
        scikit-learn's `jaccard_score`.
    """
    tp, fp, fn, _ = float_counts(counts)
    return _array.ratio(tp, tp + fp + fn, zero_division=zero_division)


@from_counts
def f_measure(counts: ConfusionCounts, *, beta: float = 1.0, zero_division: float = math.nan) -> Array:
    """Return the F-measure: the harmonic mean of precision and sensitivity, the latter weighted by beta squared.

    Formula: (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), with b = `beta`.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        beta: How many times as important sensitivity is as precision; positive.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Both masks empty: NaN. One empty: 0.

    Raises:
        ValueError: `beta` is not positive and finite.

    Example:
        >>> import numpy as np
        >>> float(f_measure(np.array([1, 1, 1, 1]), np.array([1, 0, 0, 0]), beta=2))
        0.625

    Source:
        van Rijsbergen 1979, Information Retrieval, chapter 7.

    Agrees with:
        scikit-learn's `fbeta_score`.
    """
    weight = checks.positive("f_measure", "beta", beta) ** 2
    tp, fp, fn, _ = float_counts(counts)
    hits = (1 + weight) * tp
    return _array.ratio(hits, hits + weight * fn + fp, zero_division=zero_division)


@from_counts
def volume_similarity(counts: ConfusionCounts, *, zero_division: float = math.nan) -> Array:
    """Return the volume similarity: one minus the relative difference of the sizes, whatever the positions.

    Formula: 1 - |FN - FP| / (2 TP + FP + FN), computed as 2 (TP + min(FN, FP)) / (2 TP + FP + FN), which cannot cancel.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Both masks empty: NaN. One empty: 0.

    Example:
        >>> import numpy as np
        >>> float(volume_similarity(np.array([0, 0, 0, 1]), np.array([1, 1, 1, 0])))
        0.5

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.
    """
    tp, fp, fn, _ = float_counts(counts)
    smaller = _array.array_namespace(fp).minimum(fp, fn)
    return _array.ratio(2 * (tp + smaller), 2 * tp + fp + fn, zero_division=zero_division)


@from_counts
def generalized_dice(counts: ConfusionCounts, *, power: float = 2.0, zero_division: float = math.nan) -> Array:
    """Return the generalized Dice coefficient (GDS): one Dice of all labels, in which small structures weigh more.

    Formula: 2 sum w_l TP_l / sum w_l (2 TP_l + FP_l + FN_l), with the weights w_l = 1 / (TP_l + FN_l)^power; a label
    that is not in the reference has the largest weight of the others, or 1 if there are none.

    Args:
        counts: Counts whose last axis is the labels, or the pair with `labels` and the options of `confusion_counts`.
        power: 2 for the inverse squared volume, 1 for the inverse volume, 0 for equal weights; not negative.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts without the last axis, from 0 to 1; higher is better.

    Undefined:
        All labels empty in both: NaN. In the reference alone: 0.

    Raises:
        ValueError: `power` is negative or not finite, or the counts have no axis of labels.

    Example:
        >>> import numpy as np
        >>> round(float(generalized_dice(np.array([1, 1, 2, 2, 2]), np.array([1, 2, 2, 2, 2]), labels=(1, 2))), 6)
        0.690909

    Source:
        Crum et al. 2006, doi 10.1109/TMI.2006.880587; Sudre et al. 2017, doi 10.1007/978-3-319-67558-9_28.

    Agrees with:
        MONAI's `GeneralizedDiceScore`.
    """
    name = "generalized_dice"
    if not 0 <= checks.number(name, "power", power) < math.inf:
        checks.invalid_value(name, "power", "be finite and not negative", power)
    tp, fp, fn, _ = float_counts(counts)
    if tp.ndim == 0:
        checks.invalid_value(name, "counts", "have a last axis of labels", "no axis")
    xp = _array.array_namespace(tp)
    size = tp + fn
    # Weights are relative to that of the smallest label, so that no power of a large volume overflows float32.
    smallest = xp.min(xp.where(size > 0, size, xp.full_like(size, math.inf)), axis=-1, keepdims=True)
    smallest = xp.where(xp.isinf(smallest), xp.ones_like(smallest), smallest)
    weights = (smallest / xp.where(size > 0, size, smallest)) ** float(power)
    shared, whole = xp.sum(weights * tp, axis=-1), xp.sum(weights * (2 * tp + fp + fn), axis=-1)
    return _array.ratio(2 * shared, whole, zero_division=zero_division)
