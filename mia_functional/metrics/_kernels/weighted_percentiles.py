"""Percentiles of distances: of areas the smallest distance that covers a share, of counts NumPy's linear rule.

Entries of weight zero do not take part; that is how arrays of fixed shape hold a number of elements that is not known
when the function is compiled. Both rules ask for order statistics: the smallest distance within which a given weight
lies. Nothing is interpolated between areas, so that their percentile is always one of the distances.
"""

import math
from collections.abc import Sequence

import numpy as np

from mia_functional import _array
from mia_functional.typing import Array, HostArray

_BINS = 4096
"""How many bins, at most one for each, the distances are sorted into before the one that matters is sorted itself."""

_SLACK = 0.75
"""The power of the machine epsilon by which the area may miss the share: sums in another order still reach it."""


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
    inner = [float(percent) for percent in percents if percent < 100]
    # If the largest is 0 all are equal, if it is inf the other surface is empty. Traced values cannot be looked at.
    if not inner or (_array.is_numpy(top) and top in (0.0, math.inf)):
        return xp.stack([top] * len(percents))
    counted = _array.dtype_kind(weights) == "bool"
    values = (_percentiles_of_counts if counted else _percentiles_of_areas)(distances, weights, inner)
    positions = {percent: position for position, percent in enumerate(inner)}
    return xp.stack([values[positions[percent], ...] if percent < 100 else top for percent in percents])


def _percentiles_of_areas(distances: Array, weights: Array, percents: Sequence[float]) -> Array:
    """Return for each percentage the smallest distance within which this share of the area lies."""
    xp = _array.array_namespace(distances)
    # Libraries add areas in different orders. Where a share falls on the edge of a tie of equal distances, the last bit
    # of the sum would choose between two distances that lie far apart: a little less than the share is enough.
    factor = 1 - float(xp.finfo(distances.dtype).eps) ** _SLACK
    whole = _array.reduce_weighted(lambda _, areas: _array.pairwise_sum(areas), distances, weights)
    return _order_statistics(distances, weights, xp.stack([whole * (percent / 100 * factor) for percent in percents]))


def _percentiles_of_counts(distances: Array, weights: Array, percents: Sequence[float]) -> Array:
    """Return NumPy's linear percentiles of the distances that count."""
    xp = _array.array_namespace(distances)
    last = xp.count_nonzero(weights) - 1
    ranks, weight = (xp.stack(column) for column in zip(*(_array.linear_rank(last, p) for p in percents), strict=True))
    weight = xp.astype(weight, distances.dtype)
    found = _order_statistics(distances, weights, xp.concat([ranks + 1, xp.minimum(ranks + 2, last + 1)]))
    low, high = found[: len(percents)], found[len(percents) :]
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
    # Running sums of many areas need more digits than theirs.
    wide = _array.widest_float(xp, weights) if _array.dtype_kind(weights) == "float" else targets.dtype
    sized = xp.astype(weights, wide)
    mass = xp.cumulative_sum(xp.take(sized, order))[:-1]
    missed = (mass < xp.expand_dims(targets, axis=1)) | (mass <= 0)
    found = xp.expand_dims(xp.take(distances, xp.take(order, xp.count_nonzero(missed, axis=1))), axis=1)
    # Chosen by its value, so that equal distances share the derivative, whatever order they are sorted in.
    chosen = (distances == found) & xp.astype(weights, xp.bool)
    return xp.max(xp.where(chosen, distances, xp.full_like(distances, -1.0)), axis=1)


def _binned_ranks(distances: HostArray, weights: HostArray, targets: HostArray) -> HostArray:
    """Return order statistics of areas: one pass adds them up in bins, and only a bin with an answer is sorted.

    That takes less time and memory than to sort all. Equal distances share a bin, so that ties stay together.
    """
    if not weights.all():
        # What has no weight must not answer, neither before the first area nor after the last.
        distances, weights = distances[weights > 0], weights[weights > 0]
    bins = (distances * (min(_BINS, distances.size) / distances.max())).astype(np.intp)
    mass = np.bincount(bins, weights=weights).cumsum()
    ranked = np.empty(targets.shape, dtype=distances.dtype)
    # The first bin with any area has the 0th percentile. Rounding may leave the last sum below a target; the last bin,
    # and in it the last entry, answer then.
    first = int(mass.searchsorted(0.0, side="right"))
    for number, bin_of_target in enumerate(mass.searchsorted(targets).tolist()):
        chosen = min(max(bin_of_target, first), mass.size - 1)
        (members,) = (bins == chosen).nonzero()
        lengths = distances[members]
        if lengths.min() == lengths.max():  # as most bins of whole steps are: there is nothing to sort
            ranked[number] = lengths[0]
            continue
        members = members[lengths.argsort()]
        within = weights[members].cumsum(dtype=np.float64) + (mass[chosen - 1] if chosen else 0.0)
        rank = min(int(within.searchsorted(targets[number])), members.size - 1)
        ranked[number] = distances[members[rank]]
    return ranked
