"""Runs of a mask along the last axis, and which of them are connected: components in time of the foreground.

A run is a maximal sequence of voxels of one value on one line. Masks of structures have a thousandth as many runs as
the image has voxels, so that whatever is asked of components (sizes, places, overlaps) is asked of runs. All arrays are
NumPy's.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional.typing import HostArray, Shape

__all__ = [
    "Runs",
    "estimated_run_count",
    "first_come_numbers",
    "has_few_runs",
    "intersect_runs",
    "join_runs",
    "runs_of",
    "touching_runs",
]

_VOXELS_AT_ONCE = 2**20
"""Voxels that are looked at at once: what is made of them stays in the cache."""

_MOST_RUNS = 64
"""One run in so many voxels is what makes joining runs slower than to look at every voxel."""

_SAMPLED_LINES = 8
"""One line in so many is looked at to learn how many runs there are."""


class Runs(NamedTuple):
    """Runs in array order: flat positions of the first voxel and of the one behind the last, and the value in them."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    value: HostArray


def has_few_runs(mask: NDArray[np.bool_]) -> bool:
    """Return whether it is faster to look at the runs of a mask than at its voxels."""
    return estimated_run_count(mask) * _MOST_RUNS <= mask.size


def estimated_run_count(mask: NDArray[np.bool_]) -> int:
    """Return about how many runs a mask has, from some of its lines."""
    lines = mask.reshape(-1, mask.shape[-1])[::_SAMPLED_LINES]
    changes = int(np.count_nonzero(lines[:, 1:] != lines[:, :-1]))
    # A run has two ends.
    return changes * mask.size // (2 * lines.size)


def runs_of(array: HostArray) -> Runs:
    """Return the runs of all values but 0 of an array of booleans or integers."""
    width = array.shape[-1]
    flat = np.ascontiguousarray(array).reshape(-1)
    step = max(1, _VOXELS_AT_ONCE // width) * width
    starts, stops = [], []
    for first in range(0, flat.size, step):
        voxels = flat[first : first + step]
        # Where something else begins than the voxel before: there, at the first voxel of every line, and at the end.
        begins = np.empty(voxels.size + 1, np.bool_)
        np.not_equal(voxels[1:], voxels[:-1], out=begins[1:-1])
        begins[::width] = True
        bounds = np.flatnonzero(begins)
        inside = voxels[bounds[:-1]] != 0
        starts.append(bounds[:-1][inside] + first)
        stops.append(bounds[1:][inside] + first)
    start = np.concatenate(starts)
    return Runs(start, np.concatenate(stops), flat[start])


def join_runs(runs: Runs, shape: Shape, connectivity: int) -> tuple[NDArray[np.int64], int]:
    """Return the component of every run, from 0 on by the first voxel in array order, and how many there are.

    Args:
        runs: The runs of a mask.
        shape: The shape of the mask.
        connectivity: How many coordinates of neighbours may differ.
    """
    from scipy.sparse import coo_matrix, csgraph  # at its first use: it takes as long to import as NumPy

    count = runs.start.size
    pairs = [*touching_runs(runs, shape, connectivity)]
    one, other = (np.concatenate([pair[side] for pair in pairs] or [np.zeros(0, np.int64)]) for side in (0, 1))
    graph = coo_matrix((np.ones(one.size, np.bool_), (one, other)), (count, count))
    total, labels = csgraph.connected_components(graph, directed=False)
    return first_come_numbers(labels, total), int(total)


def first_come_numbers(labels: NDArray[np.integer], total: int) -> NDArray[np.int64]:
    """Return labels 0 to `total - 1` renumbered in the order in which they first occur."""
    first = np.zeros(total, np.int64)
    # Of several values for one entry, the last that is written stays: the first occurrence.
    first[labels[::-1]] = np.arange(labels.size - 1, -1, -1)
    numbers = np.empty(total, np.int64)
    numbers[np.argsort(first)] = np.arange(total)
    renumbered: NDArray[np.int64] = numbers[labels]
    return renumbered


def intersect_runs(one: Runs, other: Runs) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of runs in both lists that share voxels, and how many they share."""
    first, second = _overlapping(one.start, one.stop, other)
    shared = np.minimum(one.stop[first], other.stop[second]) - np.maximum(one.start[first], other.start[second])
    return first, second, shared


def _overlapping(
    low: NDArray[np.int64], high: NDArray[np.int64], runs: Runs
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return all pairs of an interval and a run that share a position."""
    begin = np.searchsorted(runs.stop, low, side="right")
    counts = np.searchsorted(runs.start, high, side="left") - begin
    own = np.repeat(np.arange(low.size), counts)
    behind = np.cumsum(counts) - counts
    return own, np.arange(own.size) + np.repeat(begin - behind, counts)


def touching_runs(runs: Runs, shape: Shape, connectivity: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of runs that touch, for each line before that of the first."""
    width, leading = shape[-1], shape[:-1]
    if not leading:
        return
    line = runs.start // width
    places = np.unravel_index(line, leading)
    strides = [int(np.prod(leading[axis + 1 :])) * width for axis in range(len(leading))]
    for offset in itertools.product((-1, 0, 1), repeat=len(leading)):
        steps = np.count_nonzero(offset)
        # Half of the lines around, as the others have these among theirs.
        if offset >= (0,) * len(leading) or steps > connectivity:
            continue
        inside = np.ones(line.size, np.bool_)
        for place, step, size in zip(places, offset, leading, strict=True):
            if step:
                inside &= (place + step >= 0) & (place + step < size)
        own = np.flatnonzero(inside)
        # Where a coordinate more may differ, runs touch across a corner too, but never beyond the ends of their line.
        reach = int(steps < connectivity)
        ends = line[own] * width
        low = np.maximum(runs.start[own] - reach, ends)
        high = np.minimum(runs.stop[own] + reach, ends + width)
        shift = sum(step * stride for step, stride in zip(offset, strides, strict=True))
        chosen, near = _overlapping(low + shift, high + shift, runs)
        yield own[chosen], near
