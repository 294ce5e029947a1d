"""The exact distance from grid points to the nearest of other grid points, on the host: the engine of the fast metrics.

Most points of two similar surfaces are close to each other. So offsets are tried in order of their length, all points
that are left at once, until the points that found nothing are few or the offsets are spent; a tree or a distance
transform does the rest. Every distance is the square root of summed squares of whole steps times spacing, so all
three ways agree bit by bit.
"""

import functools
import itertools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional.typing import Spacing

NEAR = {1: 41, 2: 317, 3: 515}
"""About how many offsets all points try, by the number of axes."""


FURTHER = {1: 401, 2: 1257, 3: 4169}
"""About how many offsets the last few points try."""


LOOKUP, QUERY, GROW, SWEEP = 3.0, 2400.0, 115.0, 80.0
"""Nanoseconds, about: one look into the grid, one query of a tree, one target of it, one voxel of a transform."""


BLOCK = 2**18
"""How many looks of the last few points are made at once."""


LARGE = 2**18
"""How many voxels or more are worth a second thread."""


class Shells(NamedTuple):
    """Offsets in order of length: `reach` voxels along each axis, lengths in millimetres, offsets of each length."""

    reach: tuple[int, ...]
    lengths: tuple[float, ...]
    offsets: tuple[NDArray[np.intp], ...]


@functools.lru_cache(maxsize=64)
def shells(spacing: Spacing, count: int) -> Shells:
    """Return all offsets within a ball that holds about `count` voxels, grouped by their exact length."""
    radius = (count / ball_size(spacing, 1.0)) ** (1 / len(spacing))
    steps = ball_offsets(spacing, radius)
    distinct, group = np.unique(length(steps, spacing), return_inverse=True)
    order = np.argsort(group, kind="stable")
    offsets = np.split(steps[order], np.cumsum(np.bincount(group))[:-1])
    return Shells(tuple(np.max(steps, axis=0).tolist()), tuple(distinct.tolist()), tuple(offsets))


def ball_size(spacing: Spacing, radius: float) -> float:
    """Return about how many voxels a ball holds."""
    ndim = len(spacing)
    return float(math.pi ** (ndim / 2) / math.gamma(ndim / 2 + 1) * radius**ndim / math.prod(spacing))


def ball_offsets(spacing: Spacing, radius: float) -> NDArray[np.intp]:
    """Return all whole steps along the axes that are at most `radius` millimetres long, one in each row."""
    reach = (int(radius / step) for step in spacing)
    steps = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))), dtype=np.intp)
    return steps[length(steps, spacing) <= radius]


def length(steps: NDArray[Any], spacing: Spacing) -> NDArray[np.float64]:
    """Return the lengths in millimetres of rows of whole steps along the axes."""
    squares = (steps.astype(np.float64) * np.asarray(spacing)) ** 2
    lengths: NDArray[np.float64] = np.sqrt(functools.reduce(np.add, squares.T))
    return lengths


def pad(grid: NDArray[Any], spacing: Spacing) -> NDArray[Any]:
    """Return a grid with a margin of zeros as wide as the offsets that all points try."""
    return with_margin(grid, shells(spacing, NEAR[grid.ndim]).reach)


def with_margin(grid: NDArray[Any], reach: tuple[int, ...]) -> NDArray[Any]:
    """Return a grid with a margin of zeros."""
    padded = np.zeros(tuple(size + 2 * r for size, r in zip(grid.shape, reach, strict=True)), dtype=grid.dtype)
    padded[tuple(slice(r, r + size) for size, r in zip(grid.shape, reach, strict=True))] = grid
    return padded


def both(function: Callable[..., Any], first: tuple[Any, ...], second: tuple[Any, ...]) -> tuple[Any, Any]:
    """Return `function(*first)` and `function(*second)`; in two threads if the last array of `first` is large."""
    if first[-1].size < LARGE:
        return function(*first), function(*second)
    with ThreadPoolExecutor(1) as executor:
        later = executor.submit(function, *second)
        found = function(*first)
        return found, later.result()


def nearest(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return the distance in millimetres from each point to the nearest target.

    Args:
        points: Flat indices into `targets`, none of them in its margin.
        targets: Boolean grid with the margin that `pad` makes.
        spacing: Millimetres between grid points along each axis.

    Returns:
        Float64 distances in the order of `points`; inf if there is no target.
    """
    count = np.count_nonzero(targets)
    if not count:
        return np.full(points.shape, np.inf)
    distances, left = _search(points, targets, spacing)
    tree, sweep = GROW * count, SWEEP * targets.size
    if left.size and LOOKUP * left.size * FURTHER[targets.ndim] < tree:
        distances[left] = _search_further(points[left], targets, spacing)
        left = left[np.isinf(distances[left])]
    if left.size:
        rest = _tree if tree + QUERY * left.size < sweep else _transform
        distances[left] = rest(points[left], targets, spacing)
    return distances


def _search(
    points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distances to targets nearby, inf where there is none, and the positions of those.

    It is given up when it has cost a good part of what a distance transform would.
    """
    table = shells(spacing, NEAR[targets.ndim])
    strides = np.array(targets.strides, dtype=np.intp)
    base = int(strides @ np.array(table.reach))
    flat, distances = targets.reshape(-1), np.empty(points.shape)
    left, places = np.arange(points.size), points - base
    budget = SWEEP / 5 * targets.size
    for distance, offsets in zip(table.lengths, table.offsets, strict=True):
        budget -= left.size * len(offsets)
        if not left.size or budget < 0:
            break
        starts = (offsets @ strides + base).tolist()
        hit = flat[starts[0] :].take(places)
        for start in starts[1:]:
            hit |= flat[start:].take(places)
        distances[left] = distance
        missed = np.flatnonzero(~hit)
        left, places = left.take(missed), places.take(missed)
    distances[left] = np.inf
    return distances, left


def _search_further(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return the distances of few points, inf for those with no target within the longer offsets."""
    table, near = (shells(spacing, counts[targets.ndim]) for counts in (FURTHER, NEAR))
    extra = tuple(far - close for far, close in zip(table.reach, near.reach, strict=True))
    grid = with_margin(targets, extra)
    ends = [place + more for place, more in zip(np.unravel_index(points, targets.shape), extra, strict=True)]
    places = np.ravel_multi_index(ends, grid.shape)
    offsets = np.concatenate(table.offsets) @ np.array(grid.strides)
    lengths = np.repeat(table.lengths, [len(group) for group in table.offsets])
    distances, left, start = np.full(points.shape, np.inf), np.arange(points.size), 0
    while left.size and start < offsets.size:
        stop = start + max(BLOCK // left.size, 1)
        hits = grid.reshape(-1).take(places[left, None] + offsets[start:stop])
        first = hits.argmax(axis=1)
        found = hits[np.arange(left.size), first]
        distances[left[found]] = lengths[start + first[found]]
        left, start = left[~found], stop
    return distances


def _tree(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return distances by a tree over the targets, which finds the index; the length comes from whole steps."""
    from scipy.spatial import KDTree  # at its first use: SciPy takes as long to import as NumPy

    ends = np.stack(np.nonzero(targets), axis=1)
    starts = np.stack(np.unravel_index(points, targets.shape), axis=1)
    tree = KDTree(ends * np.asarray(spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, index = tree.query(starts * np.asarray(spacing))
    return length(starts - ends[index], spacing)


def _transform(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return distances by an exact distance transform of the whole grid."""
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    index = ndimage.distance_transform_edt(~targets, sampling=spacing, return_distances=False, return_indices=True)
    places = np.unravel_index(points, targets.shape)
    steps = [index[axis].reshape(-1)[points] - place for axis, place in enumerate(places)]
    return length(np.stack(steps, axis=1), spacing)
