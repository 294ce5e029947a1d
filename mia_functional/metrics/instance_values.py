"""Metrics of the table for every lesion that is found: the values of each, and their means in panoptic quality."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.component_masks import box_around, paint_components, runs_by_component
from mia_functional.metrics._kernels.instance_slabs import structure_pair
from mia_functional.metrics._kernels.numbered_runs import NumberedRuns, number_runs
from mia_functional.metrics.confusion import ConfusionCounts
from mia_functional.metrics.instance_matching import AtThreshold, Matching, Overlap, greedy
from mia_functional.metrics.instance_rules import InstanceRules, checked_structures
from mia_functional.metrics.instances import InstanceMatches, matches_of_runs
from mia_functional.metrics.lesions import recognition_quality
from mia_functional.metrics.names import AnyMetric, canonical_abbreviation, find
from mia_functional.metrics.values_in_parts import (
    DEFAULT_METRICS,
    PartMasks,
    rows_of_masks,
    values_in_parts,
)
from mia_functional.typing import Array, HostArray, Label, Labels, Spacing

__all__ = ["InstanceMetrics", "instance_metrics", "panoptic_quality_of", "segmentation_quality_of"]

_PUBLIC_NAME = "instance_metrics"  # the function that messages name


class InstanceMetrics(NamedTuple):
    """Metrics of every reference component that is found. `merge` joins those of several cases.

    Attributes:
        matches: The components, and which stand for each other.
        names: Abbreviations of the metrics.
        values: Value of every metric for every reference component, shape (R, M); NaN for those that are missed.
    """

    matches: InstanceMatches
    names: tuple[str, ...]
    values: Array


@_array.one_node
def instance_metrics(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    metrics: Sequence[AnyMetric] = DEFAULT_METRICS,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    matching: Matching = greedy,
    overlap: Overlap = "iou",
    threshold: float | None = None,
    comparison: AtThreshold = ">=",
    instances: bool = False,
    ignore: Array | None = None,
    workers: int = 1,
) -> InstanceMetrics | tuple[InstanceMetrics, ...]:
    """Match the components (lesions, instances) of a pair, and compute metrics of every match. It runs on the host.

    The value of a metric is that of two masks of the whole volume: one of a reference component alone, one of what is
    matched with it, which is one predicted component, or the union of several where the rule allows that.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map; with
            `instances`, a map of instance numbers from 1 on.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        metrics: Metrics of masks: names (`DICE`, `HD95`, `NSD@2mm`, `HD95@boundary=voxels`), rows by `find` or
            `metric`, or functions of two masks, which are given those in the box around both components.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ, as in `instance_matches`.
        matching: Which components stand for each other, as in `instance_matches`.
        overlap: What the threshold is compared with, as in `instance_matches`.
        threshold: Smallest overlap, or largest distance, of a match, as in `instance_matches`.
        comparison: Whether the threshold itself is enough, as in `instance_matches`.
        instances: Whether the arrays hold instance numbers; not with `labels`.
        ignore: Mask of the same shape: voxels of which it is not known what they are. They belong to no component, and
            metrics leave them out.
        workers: Threads, which pay for components of many thousand voxels.

    Returns:
        The matches, and the values beside their reference components; with `labels`, a tuple of such records.

    Raises:
        TypeError: An argument is not an array, holds floats or, as in a program, no values; arrays of two libraries
            other than NumPy, or of two devices, meet; `metrics` are none.
        ValueError: A metric is unknown, occurs twice, or depends on more than masks; or as in `instance_matches`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 0, 1])
        >>> found = instance_metrics(one, other, spacing=(2.0,), metrics=("DICE", "ASSD"))
        >>> found.names, found.values.tolist()
        (('DICE', 'ASSD'), [[0.8, 1.0], [nan, nan]])

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    checks.booleans(_PUBLIC_NAME, instances=instances)
    rows = rows_of_masks(_PUBLIC_NAME, metrics, ignore=ignore is not None)
    threads = checks.integer(_PUBLIC_NAME, "workers", workers, minimum=1)
    rules = InstanceRules(spacing, connectivity, matching, overlap, comparison)
    given = checked_structures(
        _PUBLIC_NAME,
        prediction,
        reference,
        rules,
        threshold=threshold,
        labels=labels,
        instances=instances,
        ignore=ignore,
    )
    ignored, xp = [_array.to_numpy(array) for array in given.ignored], _array.array_namespace(given.maps[0])
    voxels = math.prod(given.maps[0].shape) - sum(int(np.count_nonzero(array)) for array in ignored)
    records = []
    for one in given.label_sets:
        pair = structure_pair(given.maps, given.ignored, one)
        numbered = [number_runs(_array.to_numpy(array), given.rules.connectivity) for array in pair]
        matches = matches_of_runs([numbered], given.rules, pair[0])
        parts = _found_parts(matches, numbered, ignored)
        counts = _counts_of_found(matches, voxels)
        values = np.full((matches.shared.shape[0], len(rows)), math.nan)
        chosen = np.flatnonzero(_array.to_numpy(matches.reference.matched))
        values[chosen] = values_in_parts(rows, counts, parts, spacing=given.rules.spacing, workers=threads)
        names = tuple(row.abbreviation for row in rows)
        records.append(InstanceMetrics(matches, names, _array.from_numpy(values, xp, given.maps[0])))
    return records[0] if labels is None else tuple(records)


def _counts_of_found(matches: InstanceMatches, voxels: int) -> ConfusionCounts:
    """Return the counts of every reference component that is found, in the whole volume, from its record."""
    found = _array.to_numpy(matches.reference.matched)
    shared, claimed, sizes = (
        _array.to_numpy(field)[found] for field in (matches.shared, matches.claimed, matches.reference.sizes)
    )
    return ConfusionCounts(shared, claimed - shared, sizes - shared, voxels - claimed - sizes + shared)


def _found_parts(
    matches: InstanceMatches, numbered: Sequence[NumberedRuns], ignored: Sequence[HostArray]
) -> Iterator[PartMasks]:
    """Yield the masks of every reference component that is found, and of what is matched with it."""
    runs = [runs_by_component(one) for one in numbered]
    pairs, boxes = matches.pairs, [_array.to_numpy(side.boxes) for side in matches[:2]]
    chosen = _array.to_numpy(pairs.matched)
    owners, partners = (_array.to_numpy(side)[chosen] for side in (pairs.reference, pairs.prediction))
    for position in np.flatnonzero(_array.to_numpy(matches.reference.matched)):
        own, others = np.array([position]), partners[owners == position]
        # Neighbours are outside of both, as in the volume.
        box = box_around(np.concatenate([boxes[0][others], boxes[1][own]]), runs[0].shape, margin=1)
        masks = [paint_components(one, at, box) for one, at in zip(runs, (others, own), strict=True)]
        yield PartMasks(masks[0], masks[1], ignored[0][box] if ignored else None)


def segmentation_quality_of(found: InstanceMetrics, metric: str, *, zero_division: float = math.nan) -> Array:
    """Return the segmentation quality (SQ) of any metric: its mean over the reference components that are found.

    Formula: sum v / TP, with the values v of the metric for the TP reference components that are found.

    Args:
        found: Values for every match; several records are pooled by `merge`.
        metric: Name of one of its metrics, in any way that `find` understands.
        zero_division: The value where the metric is undefined.

    Returns:
        A number in the unit of the metric.

    Undefined:
        No component found: NaN, or `zero_division`. The metric undefined for one that is found: NaN.

    Raises:
        TypeError: The first argument is not a record of `instance_metrics`.
        ValueError: The record has no such metric.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 0, 1])
        >>> float(segmentation_quality_of(instance_metrics(one, other, spacing=(2.0,)), "ASSD"))
        1.0

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868, for the IoU.

    Agrees with:
        panoptica's `sq_dsc`, `sq_assd` and so on, of one-to-one matches.
    """
    total, count = _sum_over_found("segmentation_quality_of", found, metric)
    return _array.ratio(total, count, zero_division=zero_division)


def panoptic_quality_of(found: InstanceMetrics, metric: str, *, zero_division: float = math.nan) -> Array:
    """Return the panoptic quality (PQ) of a metric between 0 and 1: its segmentation quality times the recognition's.

    Formula: sum v / (TP + FP / 2 + FN / 2), with the values v of the metric for the TP reference components that are
    found, the FP predicted ones and the FN reference ones without a match.

    Args:
        found: Values for every match; several records are pooled by `merge`.
        metric: Name of one of its metrics, in any way that `find` understands: one of which 1 is the best value and 0
            the worst, as Dice or the surface Dice.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No component in either: NaN, or `zero_division`. In one only: 0. The metric undefined for one that is found:
        NaN.

    Raises:
        TypeError: The first argument is not a record of `instance_metrics`.
        ValueError: The record has no such metric, or it is not one between 0 and 1 of which 1 is the best.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 0, 1])
        >>> float(panoptic_quality_of(instance_metrics(one, other, spacing=(2.0,)), "DICE"))
        0.4

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868, for the IoU.

    Agrees with:
        panoptica's `pq_dsc` and so on, of one-to-one matches.
    """
    name = "panoptic_quality_of"
    total, count = _sum_over_found(name, found, metric)
    row = find(metric)
    if (row.lowest, row.highest, row.best) != (0, 1, 1):
        checks.invalid_value(name, "metric", "lie between 0 and 1, with 1 as the best", row.abbreviation)
    recognized = recognition_quality(found.matches, zero_division=zero_division)
    # Where nothing is found the recognition quality says all: it is 0, or undefined.
    return recognized * _array.ratio(total, count, zero_division=1.0)


def _sum_over_found(function: str, found: InstanceMetrics, metric: str) -> tuple[Array, Array]:
    """Return the sum of a metric over the reference components that are found, and how many there are."""
    checks.require_instance(function, "found", found, InstanceMetrics, "a record of `instance_metrics`")
    name = canonical_abbreviation(metric) if isinstance(metric, str) else metric
    checks.one_of(function, "metric", name, found.names)
    xp, matched = _array.array_namespace(found.values), found.matches.reference.matched
    values = found.values[:, found.names.index(name)]
    return xp.sum(xp.where(matched, values, 0.0)), xp.sum(xp.astype(matched, values.dtype))
