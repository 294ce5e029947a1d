"""Two masks or label maps compared as partitions of the voxels: pair counting and information.

Each metric takes `ConfusionCounts`, or the pair `(prediction, reference)` and the options of `confusion_counts`: with
labels, every label is a partition in two. All but the global consistency error take a `ConfusionMatrix` as well, as
one partition into all its classes. The formulas work on proportions of all voxels, so that no product of counts can
overflow and float32 is enough. The result has the shape of the counts and is float64, or the widest float of the
library.
"""

import math
from typing import NamedTuple

from mia_functional import _array
from mia_functional.metrics.confusion import ConfusionCounts, from_counts, proportions
from mia_functional.metrics.contingency import (
    ConfusionMatrix,
    CountsOrMatrix,
    float_matrix,
    from_counts_or_matrix,
    sums_of_others,
)
from mia_functional.typing import Array

__all__ = [
    "adjusted_rand_index",
    "global_consistency_error",
    "mutual_information",
    "rand_index",
    "variation_of_information",
]


class _Cells(NamedTuple):
    """The cells of a contingency table as shares of all voxels, and what lies beside each: arrays (..., L, L).

    Sums of others are not differences from a total, which would cancel where one class is nearly all.
    """

    shared: Array
    row: Array
    column: Array
    neither: Array


def _shares_around(matrix: ConfusionMatrix) -> tuple[_Cells, Array]:
    """Return the cells of a matrix, and the number of voxels."""
    counts = float_matrix(matrix)
    xp = _array.array_namespace(counts)
    number = xp.sum(counts, axis=(-2, -1), keepdims=True)
    shared = _array.ratio(counts, xp.zeros_like(counts) + number)
    above = sums_of_others(shared, -2)
    return _Cells(shared, sums_of_others(shared, -1), above, sums_of_others(above, -1)), number[..., 0, 0]


def _over_cells(terms: Array) -> Array:
    """Return the sum over the cells of a table."""
    return _array.array_namespace(terms).sum(terms, axis=(-2, -1))


@from_counts
def global_consistency_error(counts: ConfusionCounts) -> Array:
    """Return the global consistency error (GCE): how far the partitions are from one refining the other.

    Formula: 1 / n min(FN (FN + 2 TP) / (TP + FN) + FP (FP + 2 TN) / (TN + FP),
    FP (FP + 2 TP) / (TP + FP) + FN (FN + 2 TN) / (TN + FN)); a term of an empty class is 0.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.

    Returns:
        Array of the shape of the counts, from 0 to 1; lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(global_consistency_error(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.555556

    Source:
        Martin et al. 2001, doi 10.1109/ICCV.2001.937655; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Differs from:
        Martin's error of a voxel that only one mask has, which is the share of its region in one mask that its region
        in the other lacks; here, as in Taha and Hanbury, it is 1.
    """
    tp, fp, fn, tn, _ = proportions(counts)

    # The refinement errors of classes that are split into two parts: those of the prediction, then of the reference.
    splits = ((fn, tp), (fp, tn), (fp, tp), (fn, tn))
    errors = [stray * _array.ratio(stray + 2 * same, stray + same, zero_division=0) for stray, same in splits]
    return _array.array_namespace(tp).minimum(errors[0] + errors[1], errors[2] + errors[3])


@from_counts_or_matrix
def rand_index(counts: CountsOrMatrix) -> Array:
    """Return the Rand index: the share of voxel pairs on which both partitions agree, together or apart.

    Formula: (a + d) / (a + b + c + d) over all pairs of voxels; computed as (s (s - 1) + e (e - 1)) / (n (n - 1)) with
    s = TP + TN and e = FP + FN.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.

    Returns:
        Array of the shape of the counts, or one number per matrix, from 0 to 1; higher is better.

    Undefined:
        Fewer than two voxels: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(rand_index(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.466667

    Source:
        Rand 1971, doi 10.1080/01621459.1971.10482356; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `rand_score`.
    """
    if isinstance(counts, ConfusionMatrix):
        cells, number = _shares_around(counts)
        xp = _array.array_namespace(number)
        # No voxel is paired with itself: of n voxels there are n^2 (1 - 1 / n) ordered pairs.
        pairs = 1 - _array.ratio(xp.ones_like(number), number)
        return 1 - _array.ratio(_over_cells(cells.shared * (cells.row + cells.column)), pairs)
    tp, fp, fn, tn, number = proportions(counts, zero_division=0.0)
    right, wrong = tp + tn, fp + fn
    xp = _array.array_namespace(number)
    others = xp.where(number == 0, xp.zeros_like(number), number - 1)
    return _array.ratio(right * (right * number - 1) + wrong * (wrong * number - 1), others)


@from_counts_or_matrix
def adjusted_rand_index(counts: CountsOrMatrix) -> Array:
    """Return the adjusted Rand index (ARI): the Rand index corrected for chance, 0 for random partitions.

    Formula: 2 (a d - b c) / ((a + b) (b + d) + (a + c) (c + d)) over all pairs of voxels, computed from proportions.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.

    Returns:
        Array of the shape of the counts, or one number per matrix, at most 1; higher is better.

    Undefined:
        No voxels: NaN. A single class in both masks: 1.

    Example:
        >>> import numpy as np
        >>> round(float(adjusted_rand_index(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        -0.111111

    Source:
        Hubert and Arabie 1985, doi 10.1007/BF01908075; Steinley 2004, doi 10.1037/1082-989X.9.3.386.

    Agrees with:
        scikit-learn's `adjusted_rand_score`.
    """
    if isinstance(counts, ConfusionMatrix):
        cells, number = _shares_around(counts)
        xp = _array.array_namespace(number)
        pairs = 1 - _array.ratio(xp.ones_like(number), number)
        both = _over_cells(cells.shared * cells.neither)
        predicted = both + _over_cells(cells.shared * cells.column)
        referenced = both + _over_cells(cells.shared * cells.row)
        # The pairs apart that chance expects; of pairs apart rather than together, as classes may be small.
        chance = _array.ratio(predicted * referenced, pairs, zero_division=0)
        return _array.ratio(both - chance, (predicted + referenced) / 2 - chance, zero_division=1)
    tp, fp, fn, tn, number = proportions(counts)
    # No voxel is paired with itself: of n voxels there are n^2 (1 - 1 / n) ordered pairs.
    single = _array.ratio(_array.array_namespace(tp).ones_like(tp), number)
    excess = (tp * tn - fp * fn) * (tp**2 + tn**2 - fp**2 - fn**2) - (tp * tn + fp * fn) * single

    p, not_p, r, not_r = tp + fp, fn + tn, tp + fn, fp + tn
    # The pairs together in one mask times the pairs apart in the other, as proportions.
    spread = (p**2 + not_p**2 - single) * r * not_r + (r**2 + not_r**2 - single) * p * not_p
    return _array.ratio(2 * excess, spread, zero_division=1)


@from_counts_or_matrix
def mutual_information(counts: CountsOrMatrix) -> Array:
    """Return the mutual information: how many bits of information one mask gives about the other.

    Formula: H(P) + H(R) - H(P, R) = sum p_ij log2(p_ij / (p_i p_j)), with 0 log 0 = 0.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.

    Returns:
        Array of the shape of the counts, or one number per matrix, from 0 to 1 bit (log2 L of L classes);
        higher is better.

    Undefined:
        No voxels: NaN. A constant mask: 0.

    Example:
        >>> import numpy as np
        >>> round(float(mutual_information(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        0.081704

    Source:
        Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-learn's `mutual_info_score`, which is in nats.
    """
    if isinstance(counts, ConfusionMatrix):
        (shared, row, column, neither), _ = _shares_around(counts)
        surplus = shared * neither - row * column
        information = _over_cells(_information(shared, (shared + row) * (shared + column), surplus))
        return _array.clip_rounding(information, 0.0, math.inf)
    tp, fp, fn, tn, _ = proportions(counts)
    cross = tp * tn - fp * fn
    # Each cell with its neighbours in the table. All four differ from what chance expects by the same amount.
    cells = ((tp, fp, fn, 1), (fp, tp, tn, -1), (fn, tn, tp, -1), (tn, fn, fp, 1))
    terms = [_information(cell, (cell + row) * (cell + column), sign * cross) for cell, row, column, sign in cells]
    # Rounding of nearly independent masks may lead below 0.
    return _array.clip_rounding(terms[0] + terms[1] + terms[2] + terms[3], 0.0, 1.0)


def _information(joint: Array, expected: Array, surplus: Array) -> Array:
    """Return joint log2(joint / expected), with surplus = joint - expected; precise where the two are close."""
    xp = _array.array_namespace(joint)
    filled = joint > 0
    relative = _array.ratio(surplus, expected, zero_division=0)
    near = xp.abs(relative) < 0.5
    quotient = _array.ratio(xp.where(filled, joint, expected), expected, zero_division=1)
    logarithm = xp.where(near, xp.log1p(xp.where(near, relative, xp.zeros_like(relative))), xp.log(quotient))
    return xp.where(filled, joint * logarithm / math.log(2), joint)


@from_counts_or_matrix
def variation_of_information(counts: CountsOrMatrix) -> Array:
    """Return the variation of information: how many bits it takes to know each mask from the other.

    Formula: H(P) + H(R) - 2 MI = H(P | R) + H(R | P), base 2, with 0 log 0 = 0.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`, or a `ConfusionMatrix`.

    Returns:
        Array of the shape of the counts, or one number per matrix, from 0 to 2 bits (2 log2 L of L classes);
        lower is better.

    Undefined:
        No voxels: NaN.

    Example:
        >>> import numpy as np
        >>> round(float(variation_of_information(np.array([1, 1, 1, 0, 0, 0]), np.array([1, 1, 0, 1, 0, 0]))), 6)
        1.836592

    Source:
        Meila 2003, doi 10.1007/978-3-540-45167-9_14; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.

    Agrees with:
        scikit-image's `variation_of_information`, the sum of its two entries.
    """
    if isinstance(counts, ConfusionMatrix):
        (shared, row, column, _), _ = _shares_around(counts)
        log1p = _array.array_namespace(shared).log1p
        ahead, across = (log1p(_array.ratio(rest, shared, zero_division=0)) for rest in (row, column))
        return _over_cells(shared * (ahead + across)) / math.log(2)
    tp, fp, fn, tn, _ = proportions(counts)
    log1p = _array.array_namespace(tp).log1p
    # Each share of a split adds -share log(share / (share + rest)), and 0 where it is 0.
    splits = ((tp, fp), (fp, tp), (fn, tn), (tn, fn), (tp, fn), (fn, tp), (fp, tn), (tn, fp))
    terms = [share * log1p(_array.ratio(rest, share, zero_division=0)) for share, rest in splits]
    pairs = [one + other for one, other in zip(terms[::2], terms[1::2], strict=True)]
    return (pairs[0] + pairs[1] + pairs[2] + pairs[3]) / math.log(2)
