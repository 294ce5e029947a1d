"""One record of components matched anew at many thresholds, and the area under a metric as a function of them.

Of greedy matching, what passes a threshold is matched as without one: the best pairs come first, whatever is left out
behind them. So pairs are matched once, and each threshold keeps those that reach it.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.instance_matching import Candidates, greedy
from mia_functional.metrics.instances import InstanceMatches, InstancePairs, Instances, from_instances
from mia_functional.metrics.lesions import panoptic_quality
from mia_functional.typing import Array

__all__ = ["area_under_threshold_curve", "matches_at_thresholds"]

_TENTHS = tuple(step / 10 for step in range(1, 11))


@_array.one_node
def matches_at_thresholds(matches: InstanceMatches, *, thresholds: Sequence[float] = _TENTHS) -> InstanceMatches:
    """Return what `instance_matches` gives at each of several thresholds of the IoU, from the pairs of one record.

    Whatever rule made the record, the pairs are matched by `greedy`, with `>=`.

    Args:
        matches: Components and all pairs that share voxels; several records are pooled by `merge`.
        thresholds: Ascending numbers from 0 to 1.

    Returns:
        A record whose arrays have one more axis in front, of the thresholds: metrics of it have a value for each.

    Raises:
        TypeError: The argument is not a record of `instance_matches`, or the thresholds are no numbers.
        ValueError: The thresholds do not ascend from 0 to 1; the record is one of several thresholds or of a batch.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches, lesion_f1
        >>> found = instance_matches(np.array([1, 1, 0, 1]), np.array([1, 1, 1, 0]), spacing=(1.0,), connectivity=1)
        >>> lesion_f1(matches_at_thresholds(found, thresholds=(0.5, 0.7))).round(3).tolist()
        [0.667, 0.0]

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.
    """
    name = "matches_at_thresholds"
    checks.require_instance(name, "matches", matches, InstanceMatches, "a record of `instance_matches`")
    if matches.shared.ndim != 1:
        checks.invalid_value(name, "matches", "be a record of one threshold", tuple(matches.shared.shape))
    limits = _checked_thresholds(name, thresholds)
    pairs = matches.pairs
    xp = _array.array_namespace(pairs.iou)
    column = xp.astype(_array.from_numpy(np.asarray(limits)[:, None], xp, pairs.iou), pairs.iou.dtype)
    best = _best_matches(matches)
    prediction, reference, paired = (levels[None, :] >= column for levels in best[:3])

    def at_all(fields: tuple[Array, ...]) -> list[Array]:
        return [xp.broadcast_to(field[None, ...], (len(limits), *field.shape)) for field in fields]

    return InstanceMatches(
        Instances(*at_all(matches.prediction))._replace(matched=prediction),
        Instances(*at_all(matches.reference))._replace(matched=reference),
        InstancePairs(*at_all(pairs))._replace(matched=paired),
        *(xp.where(reference, field[None, :], xp.zeros_like(field[None, :])) for field in best[3:]),
        *at_all(matches[5:]),
    )


def _checked_thresholds(function: str, thresholds: object) -> tuple[float, ...]:
    """Return thresholds that ascend from 0 to 1."""
    limits = checks.float_tuple(function, "thresholds", thresholds)
    ascend = all(low < high for low, high in itertools.pairwise(limits))
    if not (limits and ascend and limits[0] >= 0 and limits[-1] <= 1):
        checks.invalid_value(function, "thresholds", "be numbers that ascend from 0 to 1", thresholds)
    return limits


class _BestMatches(NamedTuple):
    """Greedy matches without a threshold.

    Attributes:
        prediction: The IoU at which each predicted component is matched, shape (P,); -1 if none is.
        reference: That of each reference component, shape (R,).
        pairs: That of each pair, shape (K,).
        shared: For every reference component, the voxels that it shares with its match.
        claimed: For every reference component, the voxels of its match.
    """

    prediction: Array
    reference: Array
    pairs: Array
    shared: Array
    claimed: Array


def _best_matches(matches: InstanceMatches) -> _BestMatches:
    """Return the greedy matches of all pairs of a record, found on the host or in a program of JAX."""
    pairs = matches.pairs
    given = *pairs[:4], matches.prediction.sizes, matches.reference.sizes
    if _array.is_traced(pairs.iou):
        return _match_all(*given)
    lengths = [array.shape[0] for array in (given[4], given[5], pairs.iou, matches.shared, matches.claimed)]
    if _array.is_unknown(pairs.iou):
        form = {"shape": (sum(lengths),), "dtype": pairs.iou.dtype}
        packed = _array.call_opaquely("matches_at_thresholds", _packed_matches, *given, **form)
    else:
        packed = _packed_matches(*given)
    bounds = itertools.pairwise([0, *itertools.accumulate(lengths)])
    best = _BestMatches(*(packed[low:high] for low, high in bounds))
    xp = _array.array_namespace(packed)
    shared, claimed = (xp.astype(voxels, matches.shared.dtype) for voxels in best[3:])
    return best._replace(shared=shared, claimed=claimed)


def _packed_matches(*given: Array) -> Array:
    """Return the greedy matches of all pairs in one array, found on the host."""
    flat = np.concatenate([_array.to_numpy(field) for field in _match_all(*map(_array.to_numpy, given))])
    return _array.from_numpy(flat, _array.array_namespace(given[3]), given[3])


def _match_all(
    prediction: Array, reference: Array, intersection: Array, iou: Array, first_sizes: Array, second_sizes: Array
) -> _BestMatches:
    """Return the greedy matches of all pairs, given as in a record, with arrays of NumPy or JAX."""
    xp = _array.array_namespace(iou)
    shares = (prediction >= 0) & (intersection > 0)
    candidates = Candidates(
        prediction, reference, intersection, iou, shares, first_sizes, second_sizes, lambda shared, *_: shared > 0
    )
    matched = greedy(candidates)
    places = [xp.maximum(index, xp.zeros_like(index)) for index in (prediction, reference)]
    sides = list(zip(places, (first_sizes, second_sizes), strict=True))
    if 0 in (iou.shape[0], first_sizes.shape[0], second_sizes.shape[0]):
        first, second = (xp.zeros_like(sizes, dtype=iou.dtype) - 1 for sizes in (first_sizes, second_sizes))
        return _BestMatches(first, second, iou[:0], xp.zeros_like(second_sizes), xp.zeros_like(second_sizes))
    # The smallest of negative values is that of the one pair that is matched.
    reached = xp.where(matched, -iou, xp.ones_like(iou))
    first, second = (-_array.lower_at(xp.ones_like(sizes, dtype=iou.dtype), index, reached) for index, sizes in sides)
    shared, claimed = (
        _array.add_at(xp.zeros_like(second_sizes), places[1], xp.where(matched, voxels, xp.zeros_like(voxels)))
        for voxels in (intersection, xp.take(first_sizes, places[0]))
    )
    return _BestMatches(first, second, -reached, shared, claimed)


@from_instances
def area_under_threshold_curve(
    matches: InstanceMatches,
    *,
    of: Callable[[InstanceMatches], Array] = panoptic_quality,
    thresholds: Sequence[float] = _TENTHS,
    zero_division: float = math.nan,
) -> Array:
    """Return the area under the threshold curve (AUTC): a metric of lesions for all IoUs that a match may need.

    Formula: m_1 t_1 + sum (m_k + m_(k-1)) (t_k - t_(k-1)) / 2, with the values m of the metric, 0 where it is
    undefined, at ascending thresholds t, greedily matched.

    Args:
        matches: Components that were matched, or the pair with the options of `instance_matches`, of which those of
            matching do not matter; several records are pooled by `merge`.
        of: Metric of such a record from 0 to 1: `panoptic_quality`, `recognition_quality`, `segmentation_quality`,
            `lesion_f1`.
        thresholds: Ascending numbers from 0 to 1; below the first, the metric is taken to be what it is there.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component in either: NaN, or `zero_division`. In one only: 0.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 1, 1, 0, 0, 1])
        >>> round(float(area_under_threshold_curve(one, other, spacing=(2.0,))), 6)
        0.573333

    Source:
        Kofler et al. 2023, Panoptica, arXiv 2312.02608.

    Agrees with:
        panoptica's `evaluate_autc` with `NaiveThresholdMatching`.
    """
    checks.require_callable("area_under_threshold_curve", "of", of, "`panoptic_quality`")
    with checks.speaking_for("area_under_threshold_curve", "matches_at_thresholds"):
        values = of(matches_at_thresholds(matches, thresholds=thresholds))
    xp = _array.array_namespace(values)
    values = xp.where(xp.isnan(values), xp.zeros_like(values), values)
    limits = np.asarray([0.0, *map(float, thresholds)])
    # Each value counts for half of the steps on both sides, the first one for all that is below.
    steps = np.diff(limits)
    weights = (steps + np.append(steps[1:], 0)) / 2 + np.append(steps[0], 0 * steps[1:]) / 2
    area = xp.sum(values * xp.astype(_array.from_numpy(weights, xp, values), values.dtype))
    there = xp.any(matches.prediction.sizes > 0) | xp.any(matches.reference.sizes > 0)
    return xp.where(there, area, zero_division)
