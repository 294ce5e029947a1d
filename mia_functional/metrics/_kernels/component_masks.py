"""Masks of single components of a NumPy array, in boxes: painted from runs, without a map of the whole array."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional.morphology.runs import join_runs, runs_of
from mia_functional.typing import HostArray, Shape

__all__ = ["ComponentRuns", "box_around", "component_runs", "paint_components"]


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
    runs = runs_of(array)
    if connectivity is None:
        values, numbers = np.unique(runs.value, return_inverse=True)
        count = values.size
    else:
        numbers, count = join_runs(runs, array.shape, connectivity)
    order = np.argsort(numbers, kind="stable")
    bounds = np.searchsorted(numbers[order], np.arange(count + 1))
    return ComponentRuns(runs.start[order], (runs.stop - runs.start)[order], bounds, array.shape)


def box_around(boxes: NDArray[np.int64], shape: Shape, *, margin: int) -> tuple[slice, ...]:
    """Return the box around boxes, (N, D, 2), with so many voxels more on every side as far as the array goes."""
    first = np.maximum(boxes[..., 0].min(axis=0) - margin, 0).tolist()
    last = np.minimum(boxes[..., 1].max(axis=0) + margin, shape).tolist()
    return tuple(map(slice, first, last))


def paint_components(runs: ComponentRuns, positions: NDArray[np.int64], box: tuple[slice, ...]) -> NDArray[np.bool_]:
    """Return the mask of the components at some positions, all of which lie in the box."""
    mask = np.zeros(tuple(side.stop - side.start for side in box), np.bool_)
    corner = tuple(side.start for side in box)
    for position in positions.tolist():
        chosen = slice(runs.bounds[position], runs.bounds[position + 1])
        length = runs.length[chosen]
        places = np.unravel_index(runs.start[chosen], runs.shape)
        first = np.ravel_multi_index(tuple(map(np.subtract, places, corner)), mask.shape)
        behind = np.cumsum(length) - length
        mask.reshape(-1)[np.arange(int(length.sum())) + np.repeat(first - behind, length)] = True
    return mask
