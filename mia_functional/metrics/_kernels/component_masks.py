"""Masks of single components of a NumPy array, in boxes: painted from runs, without a map of the whole array."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional.metrics._kernels.numbered_runs import NumberedRuns, number_runs
from mia_functional.typing import HostArray, Shape

__all__ = [
    "ComponentRuns",
    "box_around",
    "boxes_of_runs",
    "component_runs",
    "components_at",
    "paint_components",
    "paint_voxels",
    "runs_by_component",
]


class ComponentRuns(NamedTuple):
    """The runs of an array, those of the first component first.

    Attributes:
        start: Flat position of the first voxel of every run.
        length: Its voxels.
        bounds: Where the runs of a component begin and, in the next entry, end.
        shape: Shape of the array.
    """

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    bounds: NDArray[np.int64]
    shape: Shape


def component_runs(array: HostArray, connectivity: int | None) -> ComponentRuns:
    """Return the components of a mask, or for no connectivity the instances of a map of their numbers, in order."""
    return runs_by_component(number_runs(array, connectivity))


def runs_by_component(numbered: NumberedRuns) -> ComponentRuns:
    """Return runs in the order of their components."""
    runs, numbers, count, shape = numbered
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(count + 1))
    return ComponentRuns(runs.start[order], (runs.stop - runs.start)[order], bounds, shape)


def box_around(boxes: NDArray[np.int64], shape: Shape, *, margin: int) -> tuple[slice, ...]:
    """Return the box around boxes, (N, D, 2), with so many voxels more on every side as far as the array goes."""
    first = np.maximum(boxes[..., 0].min(axis=0) - margin, 0).tolist()
    last = np.minimum(boxes[..., 1].max(axis=0) + margin, shape).tolist()
    return tuple(map(slice, first, last))


def boxes_of_runs(runs: ComponentRuns) -> NDArray[np.int64]:
    """Return the box around every component: its first position and the one behind the last, (N, D, 2)."""
    count, ndim = runs.bounds.size - 1, len(runs.shape)
    boxes = np.zeros((count, ndim, 2), np.int64)
    if not count:
        return boxes
    for axis, (first, last) in enumerate(
        zip(*(np.unravel_index(ends, runs.shape) for ends in (runs.start, runs.start + runs.length - 1)), strict=True)
    ):
        boxes[:, axis, 0] = np.minimum.reduceat(first, runs.bounds[:-1])
        boxes[:, axis, 1] = np.maximum.reduceat(last, runs.bounds[:-1]) + 1
    return boxes


def components_at(positions: NDArray[np.int64], components: ComponentRuns) -> NDArray[np.int64]:
    """Return the components that voxels lie in, -1 for none."""
    if not components.start.size:
        return np.full(positions.shape, -1)
    numbers = np.repeat(np.arange(components.bounds.size - 1), np.diff(components.bounds))
    order = np.argsort(components.start)
    start, length = components.start[order], components.length[order]
    run = np.searchsorted(start, positions, side="right") - 1
    inside = (run >= 0) & (positions < start[run] + length[run])
    return np.where(inside, numbers[order][run], -1)


def paint_components(runs: ComponentRuns, positions: NDArray[np.int64], box: tuple[slice, ...]) -> NDArray[np.bool_]:
    """Return the mask of the components at some positions, all of which lie in the box."""
    chosen = [slice(runs.bounds[position], runs.bounds[position + 1]) for position in positions.tolist()]
    start, length = (
        np.concatenate([field[part] for part in chosen] or [field[:0]]) for field in (runs.start, runs.length)
    )
    behind = np.cumsum(length) - length
    voxels = np.arange(int(length.sum())) + np.repeat(start - behind, length)
    return paint_voxels(voxels, runs.shape, box)


def paint_voxels(positions: NDArray[np.int64], shape: Shape, box: tuple[slice, ...]) -> NDArray[np.bool_]:
    """Return the mask of voxels at some flat positions, all of which lie in the box."""
    mask = np.zeros(tuple(side.stop - side.start for side in box), np.bool_)
    places = np.unravel_index(positions, shape)
    inner = tuple(place - side.start for place, side in zip(places, box, strict=True))
    mask[inner] = True
    return mask
