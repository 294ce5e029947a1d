"""Percentiles of distances: of areas the smallest distance that covers a share, of counts NumPy's linear rule.

Entries of weight zero do not take part; that is how arrays of fixed shape hold a number of elements that is not known
when the function is compiled.
"""

import math
from collections.abc import Sequence
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


def percentiles(distances: Array, weights: Array, percents: Sequence[float]) -> Array:
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
        >>> percentiles(distances, np.array([1.0, 2.0, 1.0]), (75, 100)).tolist()
        [1.0, 2.0]
        >>> percentiles(distances, np.array([True, True, True]), (75,)).tolist()
        [1.5]
    """
    xp = _array.array_namespace(distances)
    distances, weights = xp.reshape(distances, (-1,)), xp.reshape(weights, (-1,))
    if distances.shape[0] == 0:
        return _array.zeros(xp, (len(percents),), distances.dtype, distances)
    counted = _array.dtype_kind(weights) == "bool"
    top = _array.weighted_max(distances, weights)
    shares = [Fraction(str(float(percent))) / 100 for percent in percents]
    inner = [share for share in shares if share < 1]
    if not inner or (_array.is_numpy(top) and top in (0.0, math.inf)):
        return xp.stack([top] * len(shares))
    values = (_linear if counted else _covering)(distances, weights, inner)
    positions = {share: position for position, share in enumerate(inner)}
    return xp.stack([values[positions[share]] if share < 1 else top for share in shares])


def _covering(distances: Array, weights: Array, shares: Sequence[Fraction]) -> Array:
    """Return for each share the smallest distance within which this share of the weight lies."""
    xp = _array.array_namespace(distances)
    forgiven = float(xp.finfo(distances.dtype).eps) ** SLACK
    whole = _array.reduce_weighted(lambda _, masses: _array.pairwise_sum(masses), distances, weights)
    return _ranks(distances, weights, xp.stack([whole * (float(share) * (1 - forgiven)) for share in shares]))


def _linear(distances: Array, weights: Array, shares: Sequence[Fraction]) -> Array:
    """Return NumPy's linear percentiles of the distances that count; whole numbers keep the positions exact."""
    xp = _array.array_namespace(distances)
    last = xp.count_nonzero(weights) - 1
    positions = [_position(last, share.limit_denominator(30000)) for share in shares]
    below = xp.stack([whole for whole, _ in positions])
    between = xp.stack([xp.astype(part, distances.dtype) / base for _, (part, base) in positions])
    found = _ranks(distances, weights, xp.concat([below + 1, xp.minimum(below + 2, last + 1)]))
    low, high = found[: len(shares)], found[len(shares) :]
    gap = xp.where(high < math.inf, high, 0.0) - xp.where(high < math.inf, low, 0.0)
    return xp.where(between < 0.5, low + gap * between, high - gap * (1 - between))


def _position(last: Array, share: Fraction) -> tuple[Array, tuple[Array, int]]:
    """Return `last * share` as its whole part, and the numerator and the denominator of the rest."""
    base = share.denominator
    rest = last % base * share.numerator
    return last // base * share.numerator + rest // base, (rest % base, base)


def _ranks(distances: Array, weights: Array, targets: Array) -> Array:
    """Return for each target the smallest distance within which the weight reaches it; zero asks for any weight."""
    xp = _array.array_namespace(distances)
    if _array.is_numpy(distances):
        rule = _counted_ranks if weights.dtype == np.bool_ else _binned_ranks
        return rule(distances, weights, targets)
    if _array.is_jax(distances):
        return _array.weighted_quantiles(distances, weights, targets)
    order = xp.argsort(distances)
    sized = weights if _array.dtype_kind(weights) == "float" else xp.astype(weights, targets.dtype)
    mass = xp.cumulative_sum(xp.take(sized, order))[:-1]
    missed = (mass < xp.expand_dims(targets, axis=1)) | (mass <= 0)
    return xp.take(distances, xp.take(order, xp.count_nonzero(missed, axis=1)))


def _counted_ranks(distances: NDArray[Any], weights: NDArray[np.bool_], targets: NDArray[Any]) -> NDArray[Any]:
    """Return what `_ranks` does for counted distances: those in certain places of their order."""
    places = np.maximum(targets, 1) - 1
    ranked: NDArray[Any] = np.partition(distances if weights.all() else distances[weights], places)[places]
    return ranked


def _binned_ranks(distances: NDArray[Any], weights: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return what `_ranks` does: one pass sorts into bins, and only a bin that holds an answer is sorted itself."""
    bins = (distances * (BINS / distances.max())).astype(np.intp)
    mass = np.cumsum(np.bincount(bins, weights=weights))
    targets = np.maximum(targets, math.ulp(0.0))
    found = np.empty(targets.shape, dtype=distances.dtype)
    for number, chosen in enumerate(np.minimum(np.searchsorted(mass, targets), bins.max())):
        members = np.flatnonzero(bins == chosen)
        members = members[np.argsort(distances[members])]
        within = np.cumsum(weights[members], dtype=np.float64) + (mass[chosen - 1] if chosen else 0.0)
        rank = min(int(np.searchsorted(within, targets[number])), members.size - 1)
        found[number] = distances[members[rank]]
    return found
