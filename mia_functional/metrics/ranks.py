"""Percentiles of distances: of areas the smallest distance that covers a share, of counts NumPy's linear rule.

Entries of weight zero do not take part; that is how arrays of fixed shape hold a number of elements that is not known
when the function is compiled.
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.typing import Array

BINS = 4096
"""How many bins the distances are sorted into before the one bin that matters is sorted itself."""


SLACK = 0.75
"""The power of the machine epsilon by which the area may miss the share: sums in another order still reach it."""


def percentile(distances: Array, weights: Array, percent: float) -> Array:
    """Return a percentile of weighted distances.

    Args:
        distances: Distances, not negative; all or none may be inf.
        weights: Areas, or booleans where elements are counted, of the same shape.
        percent: 0 to 100.

    Returns:
        A scalar. Areas: the smallest distance at which the cumulative area reaches the share; a rounding error of the
        sum is forgiven, and 100 is the largest distance. Counts: NumPy's linear rule. Without any weight: any value.

    Example:
        >>> import numpy as np
        >>> distances = np.array([0.0, 1.0, 2.0])
        >>> float(percentile(distances, np.array([1.0, 2.0, 1.0]), 75))
        1.0
        >>> float(percentile(distances, np.array([True, True, True]), 75))
        1.5
    """
    xp = _array.library(distances)
    distances, weights = xp.reshape(distances, (-1,)), xp.reshape(weights, (-1,))
    if distances.shape[0] == 0:
        return _array.zeros(xp, (), distances.dtype, distances)
    counted = _array.dtype_kind(weights) == "bool"
    if percent == 100:
        return xp.max(xp.where(weights if counted else weights > 0, distances, xp.zeros_like(distances)))
    if _array.is_numpy(distances) and (top := distances.max()) in (0.0, math.inf):
        return top
    rule = _linear if counted else _covering
    return rule(distances, weights, Fraction(str(float(percent))) / 100)


def _covering(distances: Array, weights: Array, share: Fraction) -> Array:
    """Return the smallest distance within which the share of the weight lies."""
    xp = _array.library(distances)
    forgiven = float(xp.finfo(distances.dtype).eps) ** SLACK
    return _rank(distances, weights, xp.sum(weights) * (float(share) * (1 - forgiven)))


def _linear(distances: Array, weights: Array, share: Fraction) -> Array:
    """Return NumPy's linear percentile of the distances that count; whole numbers keep the position exact."""
    xp = _array.library(distances)
    share = share.limit_denominator(30000)
    last = xp.count_nonzero(weights) - 1
    rest = last % share.denominator * share.numerator
    below = last // share.denominator * share.numerator + rest // share.denominator
    between = xp.astype(rest % share.denominator, distances.dtype) / share.denominator
    low = _rank(distances, weights, below + 1)
    high = _rank(distances, weights, xp.minimum(below + 2, last + 1))
    gap = xp.where(high == low, xp.zeros_like(low), high - low)
    return xp.where(between < 0.5, low + gap * between, high - gap * (1 - between))


def _rank(distances: Array, weights: Array, target: Array) -> Array:
    """Return the smallest distance within which the weight reaches a target; a target of zero asks for any weight."""
    xp = _array.library(distances)
    if _array.is_numpy(distances):
        return _binned_rank(distances, weights, target)
    if _array.is_jax(distances):

        def reached(bound: Array) -> Array:
            inside = xp.sum(xp.where(distances <= bound, weights, xp.zeros_like(weights)))
            return (inside >= target) & (inside > 0)

        return _array.smallest_float(distances.dtype, reached)
    order = xp.argsort(distances)
    sized = weights if _array.dtype_kind(weights) == "float" else xp.astype(weights, target.dtype)
    mass = xp.cumulative_sum(xp.take(sized, order))
    index = xp.count_nonzero(((mass < target) | (mass <= 0))[:-1])
    return xp.take(distances, xp.take(order, xp.reshape(index, (1,))))[0]


def _binned_rank(distances: NDArray[Any], weights: NDArray[Any], target: Any) -> Any:
    """Return what `_rank` does: one pass sorts into bins, and only the bin that holds the answer is sorted itself."""
    bins = (distances * (BINS / distances.max())).astype(np.intp)
    mass = np.cumsum(np.bincount(bins, weights=weights))
    target = max(target, math.ulp(0.0))
    chosen = min(int(np.searchsorted(mass, target)), int(bins.max()))
    members = np.flatnonzero(bins == chosen)
    members = members[np.argsort(distances[members])]
    within = np.cumsum(weights[members], dtype=np.float64) + (mass[chosen - 1] if chosen else 0.0)
    return distances[members[min(int(np.searchsorted(within, target)), members.size - 1)]]
