"""The largest distance between voxels of each component: between corners of its convex hull."""

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from mia_functional.metrics._kernels.numbered_runs import NumberedRuns
from mia_functional.typing import Spacing

__all__ = ["farthest_voxels"]

_PAIRWISE = 256
"""Points of which all pairs are looked at faster than their hull is found."""

_PAIRS_AT_ONCE = 2**17


def farthest_voxels(components: NumberedRuns, spacing: Spacing) -> NDArray[np.float64]:
    """Return for each component the largest distance between the centres of two of its voxels, in millimetres."""
    component, voxels = _extreme_voxels(components)
    bounds = np.searchsorted(component, np.arange(components.total + 1))
    step = np.asarray(spacing)
    pieces = [voxels[low:high] for low, high in itertools.pairwise(bounds)]
    return np.array([_largest_distance(_corners(points) * step) for points in pieces])


def _extreme_voxels(components: NumberedRuns) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels of components that are the first or the last on their lines along every axis.

    No other voxel is a corner of the hull. Those left by one axis are asked along the next.
    """
    runs, shape = components.runs, components.shape
    ends = np.stack([runs.start, runs.stop - 1], axis=1).reshape(-1)
    component = np.repeat(components.numbers, 2)
    voxels = np.stack(np.unravel_index(ends, shape), axis=1)
    for axis in reversed(range(len(shape))):
        others = [voxels[:, other] for other in range(len(shape)) if other != axis]
        order = np.lexsort((voxels[:, axis], *others, component))
        component, voxels = component[order], voxels[order]
        line = np.column_stack([component, np.delete(voxels, axis, axis=1)])
        changes = np.any(line[1:] != line[:-1], axis=1)
        kept = np.concatenate([[True], changes]) | np.concatenate([changes, [True]]) if len(line) else changes
        component, voxels = component[kept], voxels[kept]
    return component, voxels


def _corners(points: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return points among which are all corners of the hull of voxels: the corners alone where there are many."""
    if len(points) <= _PAIRWISE:
        return points
    from scipy.spatial import ConvexHull  # at its first use: it takes as long to import as NumPy

    # Qhull needs points that span its space: those of a plane or a line are given by coordinates within that. In voxels
    # and not in millimetres: the hull of what is stretched has the same corners, whole numbers have all their digits.
    offsets = (points - points[0]).astype(np.float64)
    _, lengths, axes = np.linalg.svd(offsets, full_matrices=False)
    rank = int(np.sum(lengths > lengths[0] * 1e-9))
    within = offsets if rank == points.shape[1] else offsets @ axes[:rank].T
    if rank == 1:
        return points[[np.argmin(within), np.argmax(within)]]
    corners: NDArray[np.int64] = points[ConvexHull(within).vertices]
    return corners


def _largest_distance(points: NDArray[np.float64]) -> float:
    """Return the largest distance between two of some points."""
    rows = max(1, _PAIRS_AT_ONCE // len(points))
    largest = 0.0
    for first in range(0, len(points), rows):
        squares = [(axis[first : first + rows, None] - axis[None, first:]) ** 2 for axis in points.T]
        largest = max(largest, float(sum(squares).max()))
    return math.sqrt(largest)
