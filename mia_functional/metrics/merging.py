"""Statistics of parts joined into the statistic of the whole: patches, batches, devices."""

import math
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar, cast

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.brats_lesions import BratsLesions
from mia_functional.metrics.centerlines import CenterlineCounts
from mia_functional.metrics.component_regions import ComponentCounts
from mia_functional.metrics.component_values import ComponentMetrics
from mia_functional.metrics.confusion import ConfusionCounts
from mia_functional.metrics.contingency import ConfusionMatrix
from mia_functional.metrics.instance_values import InstanceMetrics
from mia_functional.metrics.instances import InstanceMatches, InstancePairs, Instances
from mia_functional.metrics.longitudinal import LesionChanges
from mia_functional.metrics.moments import PairedMoments, in_units
from mia_functional.metrics.probability_bins import CalibrationBins
from mia_functional.metrics.spatial import PairedSpatialMoments, SpatialMoments
from mia_functional.metrics.thresholds import ThresholdCounts
from mia_functional.typing import Array

__all__ = ["identity", "merge"]

_Mergeable = TypeVar(
    "_Mergeable",
    BratsLesions,
    CalibrationBins,
    CenterlineCounts,
    ComponentCounts,
    ComponentMetrics,
    ConfusionCounts,
    ConfusionMatrix,
    InstanceMatches,
    InstanceMetrics,
    LesionChanges,
    PairedMoments,
    SpatialMoments,
    PairedSpatialMoments,
    ThresholdCounts,
)
"""The records of parts of volumes that can be joined."""

_Counts = TypeVar("_Counts", CenterlineCounts, ConfusionCounts, ConfusionMatrix)


@_array.one_node
def merge(statistic: _Mergeable, *others: _Mergeable) -> _Mergeable:
    """Return the statistic of all voxels from the statistics of parts that share no voxel.

    Merging is associative and commutative (counts exactly, moments up to rounding), and `identity` is its neutral
    element, so it works in `lax.scan`, under `vmap`, and on the parts that `lax.all_gather` brings together; the counts
    of a `shard_map` can also be added with `lax.psum`. Records of components become longer, those of several subjects
    one after the other, so that they need fixed shapes in none of these.

    Args:
        statistic: Counts, a confusion matrix, moments, or the components of a subject, with fields of any shape.
        others: Statistics of the same kind and shape.

    Returns:
        A statistic of the same kind and shape.

    Raises:
        TypeError: The statistics are not of one kind.
        ValueError: The sum of counts is larger than the library's integers; NumPy's and Python's are large enough.

    Example:
        >>> merge(ConfusionCounts(1, 0, 2, 5), ConfusionCounts(3, 1, 0, 4))
        ConfusionCounts(tp=4, fp=1, fn=2, tn=9)

    Source:
        Chan, Golub and LeVeque 1983, doi 10.1080/00031305.1983.10483115.
    """
    statistics = (statistic, *others)
    combine = _COMBINE.get(type(statistic))
    if combine is None or any(type(entry) is not type(statistic) for entry in statistics):
        kinds = ", ".join(sorted({type(entry).__name__ for entry in statistics}))
        checks.invalid_kind("merge", "others", "be counts or moments of one kind", kinds)
    parts: list[Any] = list(statistics)
    # In pairs, and pairs of these, so that floats of many parts are not added to one large sum in turn.
    while len(parts) > 1:
        rest = parts[len(parts) // 2 * 2 :]
        parts = [combine(one, other) for one, other in zip(parts[::2], parts[1::2], strict=False)] + rest
    return cast(_Mergeable, parts[0])


@_array.one_node
def identity(statistic: _Mergeable) -> _Mergeable:
    """Return the statistic of no voxels, with the shape and dtypes of `statistic`: the start of a loop that merges.

    Args:
        statistic: A statistic that it will be merged with.

    Returns:
        A statistic of the same kind.

    Example:
        >>> counts = ConfusionCounts(1, 0, 2, 5)
        >>> merge(identity(counts), counts) == counts
        True
    """
    checks.require_instance("identity", "statistic", statistic, tuple(_COMBINE), "a statistic")
    if isinstance(statistic, InstanceMatches):
        return _no_instances(statistic)
    if isinstance(statistic, InstanceMetrics):
        return statistic._replace(matches=_no_instances(statistic.matches), values=statistic.values[:0, ...])
    if isinstance(statistic, LesionChanges):
        return LesionChanges._make([*(field[:0] for field in statistic[:-1]), 0 * statistic.cases])
    if isinstance(statistic, BratsLesions):
        none = ConfusionCounts(*(field[:0] for field in statistic.counts))
        return BratsLesions(none, statistic.volumes[:0], (), 0 * statistic.false_lesions)
    if isinstance(statistic, ComponentCounts):
        none = ConfusionCounts(*(field[:0] for field in statistic.counts))
        return ComponentCounts(none, statistic.volumes[:0])
    if isinstance(statistic, ComponentMetrics):
        return statistic._replace(regions=identity(statistic.regions), values=statistic.values[:0, ...])
    if isinstance(statistic, PairedSpatialMoments):
        return PairedSpatialMoments(*map(identity, statistic))
    if isinstance(statistic, ThresholdCounts):
        return statistic._replace(counts=identity(statistic.counts))
    fields: list[Any] = list(statistic)
    for number, field in enumerate(fields):
        if isinstance(field, int | float):
            fields[number] = 0 * field
        else:
            # Not `zeros_like`: what depends on no argument of a JAX program cannot lie on the axes of a mesh there.
            fields[number] = _array.zeros(_array.array_namespace(field), field.shape, field.dtype, field)
    empty = type(statistic)(*fields)
    if isinstance(statistic, CalibrationBins):
        return empty._replace(edges=statistic.edges)
    if isinstance(empty, PairedMoments):
        # No voxel has an extreme: the first that are merged are smaller and larger than these, and so is their scale.
        low, high = empty.reference_minimum + math.inf, empty.reference_maximum - math.inf
        scales = {name: _array.binary_scale(empty.count) for name in ("prediction_scale", "reference_scale")}
        empty = empty._replace(reference_minimum=low, reference_maximum=high, **scales)
    return empty


def _add_counts(one: _Counts, other: _Counts) -> _Counts:
    """Return the sums of the fields of two counts; raise if one wrapped around."""
    total = type(one)(*map(operator.add, one, other))
    _refuse_wrapped(total)
    return total


def _refuse_wrapped(total: tuple[Any, ...]) -> None:
    """Raise if a sum of counts wrapped around."""
    fields: tuple[Any, ...] = total
    # Floats and Python's numbers do not wrap.
    whole = [field for field in fields if not isinstance(field, int | float) and _array.dtype_kind(field) != "float"]
    # All at once: on a GPU every question is waited for.
    if whole and _array.is_known_true(
        lambda *counts: reduce(operator.or_, (_array.array_namespace(field).any(field < 0) for field in counts)), *whole
    ):
        checks.invalid_value("merge", "others", "sum to counts that the library's integers can hold", whole[0].dtype)


def _add_bins(one: CalibrationBins, other: CalibrationBins) -> CalibrationBins:
    """Return the sums over the bins of two parts; raise if these have other edges, where that can be known."""
    _require_equal("edges of the first bins", one.edges, other.edges)
    total = CalibrationBins(one.edges, *map(operator.add, one[1:], other[1:]))
    _refuse_wrapped(total)
    return total


def _add_thresholds(one: ThresholdCounts, other: ThresholdCounts) -> ThresholdCounts:
    """Return the counts of two parts together; raise if these have other thresholds, where that can be known."""
    _require_equal("thresholds of the first", one.thresholds, other.thresholds)
    return ThresholdCounts(one.thresholds, _add_counts(one.counts, other.counts))


def _require_equal(needed: str, first: Array, second: Array) -> None:
    """Raise unless what belongs to two records is equal, as far as it is known."""
    if tuple(first.shape) != tuple(second.shape) or _array.is_known_true(
        lambda one, other: _array.array_namespace(one).any(one != other), first, second
    ):
        checks.invalid_value("merge", "others", f"have the {needed}", "others")


def _add_moments(one: PairedMoments, other: PairedMoments) -> PairedMoments:
    """Return the moments of two parts together; a part without voxels changes nothing."""
    xp = _array.array_namespace(one.count)
    count = one.count + other.count
    share = _array.ratio(other.count, count, zero_division=0)
    weight = one.count * share
    # Sums of parts in two units are changed to the larger one, beside whose sums what is lost does not matter.
    p_scale = xp.maximum(one.prediction_scale, other.prediction_scale)
    r_scale = xp.maximum(one.reference_scale, other.reference_scale)
    one, other = (in_units(part, p_scale, r_scale) for part in (one, other))
    apart = other.prediction_mean - one.prediction_mean, other.reference_mean - one.reference_mean
    p, r = apart[0] / p_scale, apart[1] / r_scale
    return PairedMoments(
        count,
        one.prediction_mean + share * apart[0],
        one.reference_mean + share * apart[1],
        one.prediction_scatter + other.prediction_scatter + weight * p * p,
        one.reference_scatter + other.reference_scatter + weight * r * r,
        one.cross_scatter + other.cross_scatter + weight * p * r,
        one.absolute_error + other.absolute_error,
        one.squared_error + other.squared_error,
        xp.minimum(one.reference_minimum, other.reference_minimum),
        xp.maximum(one.reference_maximum, other.reference_maximum),
        p_scale,
        r_scale,
    )


def _add_spatial_moments(one: SpatialMoments, other: SpatialMoments) -> SpatialMoments:
    """Return the spatial moments of two parts together; a part without voxels changes nothing."""
    count = one.count + other.count
    share = _array.ratio(other.count, count, zero_division=0)[..., None]
    apart = other.mean - one.mean
    spread = (share * (1 - share) * apart)[..., None] * apart[..., None, :]
    share_of_matrix = share[..., None]
    covariance = (1 - share_of_matrix) * one.covariance + share_of_matrix * other.covariance + spread
    return SpatialMoments(count, one.mean + share * apart, covariance)


def _add_instances(one: InstanceMatches, other: InstanceMatches) -> InstanceMatches:
    """Return the components of two records, those of the other behind; positions in pairs point at the same ones."""
    xp = _array.array_namespace(one.shared)

    def joined(kind: Callable[..., Any], first: Any, second: Any) -> Any:
        # The axis of components, or of pairs, comes right behind those of batches.
        return kind(*(xp.concat([a, b], axis=one.shared.ndim - 1) for a, b in zip(first, second, strict=True)))

    moved = other.pairs._replace(
        prediction=_moved(other.pairs.prediction, one.prediction.sizes.shape[-1]),
        reference=_moved(other.pairs.reference, one.reference.sizes.shape[-1]),
    )
    return InstanceMatches(
        joined(Instances, one.prediction, other.prediction),
        joined(Instances, one.reference, other.reference),
        joined(InstancePairs, one.pairs, moved),
        xp.concat([one.shared, other.shared], axis=-1),
        xp.concat([one.claimed, other.claimed], axis=-1),
        one.cases + other.cases,
        one.overflow + other.overflow,
    )


def _add_measured_parts(
    one: InstanceMetrics | ComponentMetrics, other: InstanceMetrics | ComponentMetrics
) -> InstanceMetrics | ComponentMetrics:
    """Return the components of two records with their values; raise if these are of other metrics."""
    if one.names != other.names:
        checks.invalid_value("merge", "others", f"have the metrics {', '.join(one.names)}", ", ".join(other.names))
    values = _array.array_namespace(one.values).concat([one.values, other.values], axis=0)
    return type(one)(_COMBINE[type(one[0])](one[0], other[0]), one.names, values)


def _add_lesions(
    one: ComponentCounts | BratsLesions, other: ComponentCounts | BratsLesions
) -> ComponentCounts | BratsLesions:
    """Return the regions or lesions of two records, those of the other behind."""
    xp = _array.array_namespace(one.volumes)
    counts = ConfusionCounts(*(xp.concat(pair) for pair in zip(one.counts, other.counts, strict=True)))
    volumes = xp.concat([one.volumes, other.volumes])
    if isinstance(one, BratsLesions) and isinstance(other, BratsLesions):
        surfaces, false_lesions = one.surfaces + other.surfaces, one.false_lesions + other.false_lesions
        return BratsLesions(counts, volumes, surfaces, false_lesions)
    return ComponentCounts(counts, volumes)


def _moved(positions: Array, by: int) -> Array:
    """Return positions moved behind so many others; what fills up a fixed shape stays."""
    return _array.array_namespace(positions).where(positions < 0, positions, positions + by)


def _add_changes(one: LesionChanges, other: LesionChanges) -> LesionChanges:
    """Return the groups of lesions of two records, those of the other behind; lesions point at the same groups."""
    xp, behind = _array.array_namespace(one.kind), one.kind.shape[0]
    moved = other._replace(earlier_group=other.earlier_group + behind, later_group=other.later_group + behind)
    fields = [xp.concat([first, second]) for first, second in zip(one[:-1], moved[:-1], strict=True)]
    return LesionChanges._make([*fields, one.cases + other.cases])


def _no_instances(matches: InstanceMatches) -> InstanceMatches:
    """Return a record without components, of the dtypes of another."""
    before = (slice(None),) * (matches.shared.ndim - 1)
    none: Any = (*before, slice(0, 0), ...)
    tables = [[field[none] for field in part] for part in matches[:3]]
    return InstanceMatches(
        Instances(*tables[0]), Instances(*tables[1]), InstancePairs(*tables[2]), matches.shared[none],
        matches.claimed[none], 0 * matches.cases, 0 * matches.overflow,
    )  # fmt: skip


_COMBINE: dict[type, Callable[[Any, Any], Any]] = {
    BratsLesions: _add_lesions,
    CalibrationBins: _add_bins,
    CenterlineCounts: _add_counts,
    ThresholdCounts: _add_thresholds,
    ComponentCounts: _add_lesions,
    ComponentMetrics: _add_measured_parts,
    ConfusionCounts: _add_counts,
    ConfusionMatrix: _add_counts,
    PairedMoments: _add_moments,
    SpatialMoments: _add_spatial_moments,
    InstanceMatches: _add_instances,
    LesionChanges: _add_changes,
    InstanceMetrics: _add_measured_parts,
    PairedSpatialMoments: lambda one, other: PairedSpatialMoments(*map(_add_spatial_moments, one, other)),
}
