"""Counts in the Voronoi region of every reference component: which lesion each voxel is nearest to.

All axes are spatial, one to three of them. A region is never empty, as its component is in it; every predicted voxel
counts in one region, so that a false lesion lowers the score of the lesion that it is nearest to.
"""

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.component_masks import ComponentRuns, boxes_of_runs, component_runs
from mia_functional.metrics._kernels.voronoi import Regions, regions_of
from mia_functional.metrics.confusion import ConfusionCounts
from mia_functional.metrics.inputs import paired_arrays, pairs_in_turn
from mia_functional.metrics.overlap import dice
from mia_functional.metrics.statistic_or_pair import derived_from_each
from mia_functional.morphology.components import checked_connectivity
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["ComponentCounts", "HostRegions", "component_counts", "component_dice", "counts_in_library", "host_regions"]


class ComponentCounts(NamedTuple):
    """Counts in the region of every reference component. `merge` joins those of several cases.

    Attributes:
        counts: True and false positives and negatives of each region, shape (R,); what lies outside of a region is
            background in both masks, as in the masks that a metric of the region gets.
        volumes: Volume of each component: cubic millimetres (square ones in 2-D).
    """

    counts: ConfusionCounts
    volumes: Array


class HostRegions(NamedTuple):
    """The regions of a pair of masks, on the host.

    Attributes:
        components: Components of the reference.
        boxes: The box around each, (R, D, 2).
        regions: Voxels of the prediction in each region.
        counts: Counts in each region.
        ignored: Mask of what is ignored, if anything is.
        spacing: Millimetres between voxel centres along each axis.
        model: An array of the library that results belong to.
    """

    components: ComponentRuns
    boxes: NDArray[np.int64]
    regions: Regions
    counts: ConfusionCounts
    ignored: NDArray[np.bool_] | None
    spacing: Spacing
    model: Array


@_array.one_node
def component_counts(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    ignore: Array | None = None,
) -> ComponentCounts | tuple[ComponentCounts, ...]:
    """Count in the Voronoi region of every component of the reference. It runs on the host.

    A voxel is in the region of the component that is nearest to it, by the distance of voxel centres in millimetres; of
    equally near components, of the first in array order.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ, as in `morphology.connected_components`; as many as
            there are axes by default.
        ignore: Mask of the same shape: voxels of which it is not known what they are. They are outside of both.

    Returns:
        Counts of every component; with `labels`, a tuple of such records, one per label. Components are numbered by
        their first voxels in array order.

    Raises:
        TypeError: An argument is not an array, holds floats or, as in a program, no values; arrays of two libraries
            other than NumPy, or of two devices, meet.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; a mask holds
            other values than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> found = component_counts(np.array([1, 1, 0, 1, 0, 0]), np.array([1, 0, 0, 0, 1, 1]), spacing=(2.0,))
        >>> found.counts.tp.tolist(), found.counts.fp.tolist(), found.counts.fn.tolist(), found.volumes.tolist()
        ([1, 0], [1, 1], [0, 2], [2.0, 4.0])

    Source:
        Jaus et al. 2024, Every component counts, arXiv 2410.18684.
    """
    found = host_regions(
        "component_counts", prediction, reference, spacing=spacing, labels=labels, connectivity=connectivity,
        ignore=ignore,
    )  # fmt: skip
    records = tuple(map(counts_in_library, found))
    return records[0] if labels is None else records


def host_regions(
    function: str, prediction: Array, reference: Array, *, spacing: Spacing,
    labels: Labels | Iterable[Label] | None, connectivity: int | None, ignore: Array | None,
) -> Iterator[HostRegions]:  # fmt: skip
    """Yield the regions of a pair of masks, or of every label; raise in the name of `function`."""
    arrays = paired_arrays(function, prediction, reference, mask=ignore, name="ignore")
    for argument, array in zip(("prediction", "reference"), arrays, strict=False):
        _array.require_in_memory(function, argument, array)
    first, second, *ignored = map(_array.to_numpy, arrays)
    step = checks.spacing(function, spacing, first.ndim)
    reach = checked_connectivity(function, first.ndim if connectivity is None else connectivity, first.ndim)
    voxels = first.size - sum(int(np.count_nonzero(mask)) for mask in ignored)
    for group in pairs_in_turn(function, first, second, labels, *ignored):
        known = [_array.to_numpy(array) for array in group[0]]
        masks = [mask & ~known[2] for mask in known[:2]] if ignored else known
        components = component_runs(masks[1], reach)
        boxes = boxes_of_runs(components)
        regions = regions_of(masks[0], components, boxes, step)
        claimed, shared = np.diff(regions.bounds), regions.shared
        sizes = np.diff(np.concatenate([[0], np.cumsum(components.length)])[components.bounds])
        counts = ConfusionCounts(shared, claimed - shared, sizes - shared, voxels - claimed - sizes + shared)
        yield HostRegions(components, boxes, regions, counts, known[2] if ignored else None, step, arrays[0])


def counts_in_library(found: HostRegions) -> ComponentCounts:
    """Return the counts of regions as arrays of the library of the pair."""
    xp = _array.array_namespace(found.model)
    volumes = _array.to_numpy(found.counts.tp + found.counts.fn) * math.prod(found.spacing)
    counts = ConfusionCounts(*(_array.from_numpy(_array.to_numpy(field), xp, found.model) for field in found.counts))
    return ComponentCounts(counts, _array.from_numpy(volumes, xp, found.model))


_from_components = derived_from_each(component_counts, ComponentCounts)


@_from_components
def component_dice(regions: ComponentCounts, *, zero_division: float = math.nan) -> Array:
    """Return the Dice coefficient of every reference component in its Voronoi region, on average (CC-Dice).

    Formula: 1 / K sum 2 TP_k / (2 TP_k + FP_k + FN_k), over the regions k of the K reference components.

    Args:
        regions: Counts of the regions, or the pair with the options of `component_counts`; several records are pooled
            by `merge`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No reference component: NaN, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.array([1, 1, 0, 1, 0, 0]), np.array([1, 0, 0, 0, 1, 1])
        >>> float(component_dice(one, other, spacing=(2.0,)))
        0.3333333333333333

    Source:
        Jaus et al. 2024, Every component counts, arXiv 2410.18684.

    Agrees with:
        CC-Metrics' `CCDiceMetric` and, of voxels of one size, MONAI's `DiceMetric(per_component=True)`.
    """
    values = dice(regions.counts)
    xp = _array.array_namespace(values)
    return _array.ratio(xp.sum(values), xp.sum(xp.ones_like(values)), zero_division=zero_division)
