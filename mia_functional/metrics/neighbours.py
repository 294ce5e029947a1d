"""The exact distance from grid points to the nearest of other grid points, on the host: the engine of the fast metrics.

Most points of two similar surfaces are close to each other. So offsets are tried in order of their length, all points
that are left at once, until the points that found nothing are few or the offsets are spent; a tree or a distance
transform does the rest. Every distance is the square root of summed squares of whole steps times spacing, so all
three ways agree bit by bit.
"""

import functools
import itertools
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, spatial

from mia_functional.typing import Spacing

OFFSETS = {1: 41, 2: 317, 3: 515}
"""About how many offsets are tried, by the number of axes."""

FAR = 0.25
"""The share of points that is too many for a tree."""


class Shells(NamedTuple):
    """Offsets in order of length: `reach` voxels along each axis, lengths in millimetres, offsets of each length."""

    reach: tuple[int, ...]
    lengths: tuple[float, ...]
    offsets: tuple[NDArray[np.intp], ...]


@functools.lru_cache(maxsize=64)
def shells(spacing: Spacing) -> Shells:
    """Return all offsets within a ball that holds about `OFFSETS` voxels, grouped by their exact length."""
    ndim = len(spacing)
    ball = math.pi ** (ndim / 2) / math.gamma(ndim / 2 + 1)
    radius = (OFFSETS[ndim] * math.prod(spacing) / ball) ** (1 / ndim)
    reach = tuple(int(radius / step) for step in spacing)
    steps = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))), dtype=np.intp)
    lengths = length(steps, spacing)
    inside = lengths <= radius
    distinct, group = np.unique(lengths[inside], return_inverse=True)
    offsets = tuple(steps[inside][group == number] for number in range(len(distinct)))
    return Shells(reach, tuple(distinct.tolist()), offsets)


def length(steps: NDArray[Any], spacing: Spacing) -> NDArray[np.float64]:
    """Return the lengths in millimetres of rows of whole steps along the axes."""
    squares = (steps.astype(np.float64) * np.asarray(spacing)) ** 2
    lengths: NDArray[np.float64] = np.sqrt(functools.reduce(np.add, squares.T))
    return lengths


def pad(grid: NDArray[Any], spacing: Spacing) -> NDArray[Any]:
    """Return a grid with a margin of zeros as wide as the longest offset."""
    reach = shells(spacing).reach
    padded = np.zeros(tuple(size + 2 * r for size, r in zip(grid.shape, reach, strict=True)), dtype=grid.dtype)
    padded[tuple(slice(r, r + size) for size, r in zip(grid.shape, reach, strict=True))] = grid
    return padded


def nearest(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return the distance in millimetres from each point to the nearest target.

    Args:
        points: Flat indices into `targets`, none of them in its margin.
        targets: Boolean grid with the margin that `pad` makes.
        spacing: Millimetres between grid points along each axis.

    Returns:
        Float64 distances in the order of `points`; inf if there is no target.
    """
    distances = np.full(points.shape, np.inf)
    if not targets.any():
        return distances
    left = _search(points, targets, spacing, distances)
    if left.size > FAR * points.size:
        distances[left] = _transform(points[left], targets, spacing)
    elif left.size:
        distances[left] = _tree(points[left], targets, spacing)
    return distances


def _search(
    points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing, distances: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Fill in the distances of points with a target within the offsets; return the positions of those without."""
    table = shells(spacing)
    strides = np.array(targets.strides, dtype=np.intp)
    base = int(strides @ np.array(table.reach))
    flat = targets.reshape(-1)
    left, places = np.arange(points.size), points - base
    for distance, offsets in zip(table.lengths, table.offsets, strict=True):
        starts = (offsets @ strides + base).tolist()
        hit = flat[starts[0] :].take(places)
        for start in starts[1:]:
            hit |= flat[start:].take(places)
        distances[left[hit]] = distance
        left, places = left[~hit], places[~hit]
        if not left.size:
            break
    return left


def _tree(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return distances by a tree over the targets, which finds the index; the length comes from whole steps."""
    ends = np.stack(np.nonzero(targets), axis=1)
    starts = np.stack(np.unravel_index(points, targets.shape), axis=1)
    tree = spatial.KDTree(ends * np.asarray(spacing), leafsize=32, balanced_tree=False, compact_nodes=False)
    _, index = tree.query(starts * np.asarray(spacing))
    return length(starts - ends[index], spacing)


def _transform(points: NDArray[np.intp], targets: NDArray[np.bool_], spacing: Spacing) -> NDArray[np.float64]:
    """Return distances by an exact distance transform of the whole grid."""
    index = ndimage.distance_transform_edt(~targets, sampling=spacing, return_distances=False, return_indices=True)
    places = np.unravel_index(points, targets.shape)
    steps = [index[axis].reshape(-1)[points] - place for axis, place in enumerate(places)]
    return length(np.stack(steps, axis=1), spacing)
