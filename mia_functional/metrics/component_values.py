"""Metrics of the table in the Voronoi region of every reference component (CC-Metrics)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.component_masks import box_around, paint_components, paint_voxels
from mia_functional.metrics.component_regions import ComponentCounts, HostRegions, counts_in_library, host_regions
from mia_functional.metrics.names import AnyMetric, canonical_abbreviation
from mia_functional.metrics.values_in_parts import DEFAULT_METRICS, PartMasks, rows_of_masks, values_in_parts
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["ComponentMetrics", "component_mean", "per_component"]


class ComponentMetrics(NamedTuple):
    """Metrics in the region of every reference component. `merge` joins those of several cases.

    Attributes:
        regions: Counts in each region, and volumes of the components.
        names: Abbreviations of the metrics.
        values: Value of every metric in every region, shape (R, M).
    """

    regions: ComponentCounts
    names: tuple[str, ...]
    values: Array


@_array.one_node
def per_component(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    metrics: Sequence[AnyMetric] = DEFAULT_METRICS,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    ignore: Array | None = None,
    workers: int = 1,
) -> ComponentMetrics | tuple[ComponentMetrics, ...]:
    """Compute metrics for every component of the reference, in the region of what is nearest to it (CC-Metrics).

    The value of a metric is that of two masks of the whole volume: one of the component alone, and one of the predicted
    voxels in its Voronoi region, as `component_counts` defines it. It runs on the host.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        metrics: Metrics of masks: names (`DICE`, `HD95`, `NSD@2mm`, `HD95@boundary=voxels`), rows by `find` or
            `metric`, or functions of two masks, which are given those in the box around both.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ, as in `component_counts`.
        ignore: Mask of the same shape: voxels of which it is not known what they are. They are outside of both masks,
            and metrics leave them out.
        workers: Threads, which pay for components of many thousand voxels.

    Returns:
        Counts and values of every component; with `labels`, a tuple of such records, one per label.

    Undefined:
        Nothing predicted in a region: what the metric is for an empty prediction, 0 for Dice and inf for distances.

    Raises:
        TypeError: An argument is not an array, holds floats or, as in a program, no values; arrays of two libraries
            other than NumPy, or of two devices, meet; `metrics` are none.
        ValueError: A metric is unknown, occurs twice, or depends on more than masks; or as in `component_counts`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 0]), np.array([1, 0, 0, 0, 1, 1])
        >>> found = per_component(one, other, spacing=(2.0,), metrics=("DICE", "ASSD"))
        >>> found.names, found.values.tolist()
        (('DICE', 'ASSD'), [[0.6666666666666666, 1.0], [0.0, 1.5]])

    Source:
        Jaus et al. 2024, Every component counts, arXiv 2410.18684.

    Agrees with:
        CC-Metrics, of voxels of one size and with the surface of MONAI (`boundary=voxels`).
    """
    name = "per_component"
    rows = rows_of_masks(name, metrics, ignore=ignore is not None)
    threads = checks.integer(name, "workers", workers, minimum=1)
    names = tuple(row.abbreviation for row in rows)
    records = []
    for found in host_regions(
        name, prediction, reference, spacing=spacing, labels=labels, connectivity=connectivity, ignore=ignore
    ):
        parts = _parts_of_regions(found)
        values = values_in_parts(rows, found.counts, parts, spacing=found.spacing, workers=threads)
        xp = _array.array_namespace(found.model)
        records.append(ComponentMetrics(counts_in_library(found), names, _array.from_numpy(values, xp, found.model)))
    return records[0] if labels is None else tuple(records)


def _parts_of_regions(found: HostRegions) -> Iterator[PartMasks]:
    """Yield the masks of every component, and of what is predicted in its region."""
    shape, bounds = found.components.shape, found.regions.bounds
    for number, box in enumerate(found.boxes):
        claimed = found.regions.positions[bounds[number] : bounds[number + 1]]
        boxes = box[None]
        if claimed.size:
            places = np.unravel_index(claimed, shape)
            around = np.array([[place.min(), place.max() + 1] for place in places])
            boxes = np.stack([box, around])
        # Neighbours are outside of both, as in the volume.
        box = box_around(boxes, shape, margin=1)
        own = paint_components(found.components, np.array([number]), box)
        yield PartMasks(paint_voxels(claimed, shape, box), own, None if found.ignored is None else found.ignored[box])


def component_mean(
    found: ComponentMetrics, metric: str, *, infinite: float = math.inf, zero_division: float = math.nan
) -> Array:
    """Return the mean of a metric over all reference components.

    Formula: 1 / K sum v_k, with the value v_k of the metric in the region of each of the K reference components.

    Args:
        found: Values of every component; several records are pooled by `merge`.
        metric: Name of one of its metrics, in any way that `find` understands.
        infinite: What an infinite value counts as, such as the distance to a component of which nothing is predicted.
        zero_division: The value where the metric is undefined.

    Returns:
        A number in the unit of the metric.

    Undefined:
        No reference component: NaN, or `zero_division`. The metric undefined in a region: NaN.

    Raises:
        TypeError: The first argument is not a record of `per_component`, or an option is not a number.
        ValueError: The record has no such metric.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 0, 0, 0]), np.array([1, 0, 0, 0, 1, 1])
        >>> found = per_component(one, other, spacing=(2.0,), metrics=("DICE", "HD95"))
        >>> float(component_mean(found, "DICE")), float(component_mean(found, "HD95", infinite=30.0))
        (0.3333333333333333, 16.0)

    Source:
        Jaus et al. 2024, Every component counts, arXiv 2410.18684.
    """
    name = "component_mean"
    checks.require_instance(name, "found", found, ComponentMetrics, "a record of `per_component`")
    key = canonical_abbreviation(metric) if isinstance(metric, str) else metric
    checks.one_of(name, "metric", key, found.names)
    limit = checks.number(name, "infinite", infinite)
    xp = _array.array_namespace(found.values)
    values = found.values[:, found.names.index(key)]
    values = xp.where(xp.isinf(values), limit, values)
    return _array.ratio(xp.sum(values), xp.sum(xp.ones_like(values)), zero_division=zero_division)
