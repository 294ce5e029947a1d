"""Percentiles of distances: of areas the smallest distance that covers a share, of counts NumPy's linear rule.

Entries of weight zero do not take part; that is how arrays of fixed shape hold a number of elements that is not known
when the function is compiled. Both rules ask for order statistics: the smallest distance within which a given weight
lies. Nothing is interpolated between areas, so that their percentile is always one of the distances.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from mia_functional import _array
from mia_functional.typing import Array, HostArray

_BINS = 4096
"""How many bins the distances are sorted into before the one bin that matters is sorted itself."""

_SLACK = 0.75
"""The power of the machine epsilon by which the area may miss the share: sums in another order still reach it."""

_LARGEST_DENOMINATOR = 30000
"""A denominator whose square 32-bit integers hold."""


def distance_percentiles(distances: Array, weights: Array, percents: Sequence[float]) -> Array:
    """Return percentiles of weighted distances.

    Args:
        distances: Distances, not negative; all or none may be inf.
        weights: Areas, or booleans where elements are counted, of the same shape.
        percents: Numbers from 0 to 100.

    Returns:
        One entry per percentile. Areas: the smallest distance at which the cumulative area reaches the share; a
        rounding error of the sum is forgiven, and 100 is the largest distance. Counts: NumPy's linear rule. Without any
        weight: any value.

    Example:
        >>> distances = np.array([0.0, 1.0, 2.0])
        >>> distance_percentiles(distances, np.array([1.0, 2.0, 1.0]), (75, 100)).tolist()
        [1.0, 2.0]
        >>> distance_percentiles(distances, np.array([True, True, True]), (75,)).tolist()
        [1.5]
    """
    xp = _array.array_namespace(distances)
    distances, weights = xp.reshape(distances, (-1,)), xp.reshape(weights, (-1,))
    if distances.shape[0] == 0:
        return _array.zeros(xp, (len(percents),), distances.dtype, distances)
    # The maximum is the commonest percentile and needs no order; it is exact, where a sum of areas may round.
    top = _array.weighted_max(distances, weights)
    # By its decimal text 99.9 is 999/1000, not the binary fraction beside it, so that whole ranks come out whole.
    shares = [Fraction(str(float(percent))) / 100 for percent in percents]
    inner = [share for share in shares if share < 1]
    # If the largest is 0 all are equal, if it is inf the other surface is empty. Traced values cannot be looked at.
    if not inner or (_array.is_numpy(top) and top in (0.0, math.inf)):
        return xp.stack([top] * len(shares))
    counted = _array.dtype_kind(weights) == "bool"
    values = (_percentiles_of_counts if counted else _percentiles_of_areas)(distances, weights, inner)
    positions = {share: position for position, share in enumerate(inner)}
    return xp.stack([values[positions[share], ...] if share < 1 else top for share in shares])


def _percentiles_of_areas(distances: Array, weights: Array, shares: Sequence[Fraction]) -> Array:
    """Return for each share the smallest distance within which this share of the area lies."""
    xp = _array.array_namespace(distances)
    # Libraries add areas in different orders. Where a share falls on the edge of a tie of equal distances, the last bit
    # of the sum would choose between two distances that lie far apart: a little less than the share is enough.
    factor = 1 - float(xp.finfo(distances.dtype).eps) ** _SLACK
    whole = _array.reduce_weighted(lambda _, areas: _array.pairwise_sum(areas), distances, weights)
    return _order_statistics(distances, weights, xp.stack([whole * (float(share) * factor) for share in shares]))


def _percentiles_of_counts(distances: Array, weights: Array, shares: Sequence[Fraction]) -> Array:
    """Return NumPy's linear percentiles of the distances that count."""
    xp = _array.array_namespace(distances)
    last = xp.count_nonzero(weights) - 1
    below, between = [], []
    for share in shares:
        # `last * share` as a whole part and a rest, in integers: in single precision positions beyond 2^24 would be
        # wrong, and the plain product of count and numerator could leave 32 bits.
        ratio = share.limit_denominator(_LARGEST_DENOMINATOR)
        rest = last % ratio.denominator * ratio.numerator
        below.append(last // ratio.denominator * ratio.numerator + rest // ratio.denominator)
        between.append(xp.astype(rest % ratio.denominator, distances.dtype) / ratio.denominator)
    ranks, weight = xp.stack(below), xp.stack(between)
    found = _order_statistics(distances, weights, xp.concat([ranks + 1, xp.minimum(ranks + 2, last + 1)]))
    low, high = found[: len(shares)], found[len(shares) :]
    # All or no distances are infinite, and inf - inf would be NaN.
    gap = xp.where(high < math.inf, high, 0.0) - xp.where(high < math.inf, low, 0.0)
    # From the nearer end, as NumPy does: then both ends are met exactly.
    return xp.where(weight < 0.5, low + gap * weight, high - gap * (1 - weight))


def _order_statistics(distances: Array, weights: Array, targets: Array) -> Array:
    """Return for each target the smallest distance within which the weight reaches it; zero asks for any weight."""
    xp = _array.array_namespace(distances)
    if _array.is_numpy(distances):
        lengths, sizes, wanted = map(_array.to_numpy, (distances, weights, targets))
        if sizes.dtype != np.bool_:
            return _binned_ranks(lengths, sizes, wanted)
        # Where elements are counted a target is a rank, and a partial sort has it.
        positions = np.maximum(wanted, 1) - 1
        ranked: HostArray = np.partition(lengths if sizes.all() else lengths[sizes], positions)[positions]
        return ranked
    # XLA sorts slowly on CPUs, and under `jit` there is an entry per grid point: 3 s for 4 million. Bisecting the bits
    # of the answer takes 0.2 s and is exact as well, for counts and for areas.
    if _array.is_jax(distances):
        return _array.weighted_quantiles(distances, weights, targets)
    order = xp.argsort(distances)
    sized = weights if _array.dtype_kind(weights) == "float" else xp.astype(weights, targets.dtype)
    mass = xp.cumulative_sum(xp.take(sized, order))[:-1]
    missed = (mass < xp.expand_dims(targets, axis=1)) | (mass <= 0)
    return xp.take(distances, xp.take(order, xp.count_nonzero(missed, axis=1)))


def _binned_ranks(distances: HostArray, weights: HostArray, targets: HostArray) -> HostArray:
    """Return order statistics of areas: one pass adds them up in bins, and only a bin with an answer is sorted.

    That takes less time and memory than to sort all. Equal distances share a bin, so that ties stay together.
    """
    bins = (distances * (_BINS / distances.max())).astype(np.intp)
    mass = np.cumsum(np.bincount(bins, weights=weights))
    # The smallest positive number instead of zero: the 0th percentile is the smallest distance that has any area.
    targets = np.maximum(targets, math.ulp(0.0))
    ranked = np.empty(targets.shape, dtype=distances.dtype)
    # Rounding may leave the last sum below a target; the last bin, and in it the last entry, answer then.
    for number, chosen in enumerate(np.minimum(np.searchsorted(mass, targets), bins.max())):
        members = np.flatnonzero(bins == chosen)
        members = members[np.argsort(distances[members])]
        within = np.cumsum(weights[members], dtype=np.float64) + (mass[chosen - 1] if chosen else 0.0)
        rank = min(int(np.searchsorted(within, targets[number])), members.size - 1)
        ranked[number] = distances[members[rank]]
    return ranked
