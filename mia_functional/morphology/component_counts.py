"""How many connected components a mask has, in less time than it takes to number its voxels. All arrays are NumPy's."""

import itertools

import numpy as np
from numpy.typing import NDArray

from mia_functional.morphology.runs import Runs, estimated_run_count, has_few_runs, join_runs, runs_of
from mia_functional.typing import Shape

__all__ = ["count_components"]

_MOST_LOOSE = 64
"""One voxel in so many beside the largest component is what makes it slower to join the rest than to label anew."""

_SHORT_RUN = 2
"""Runs that are shorter on average lie in too many components that touch at edges and corners alone."""

_STRIDE = 4
"""Along every axis, one voxel in so many is asked for the largest component."""


def count_components(mask: NDArray[np.bool_], connectivity: int, *, enclosed: bool = False) -> int:
    """Return how many components a mask has, or how many of them do not reach the border of the image.

    Args:
        mask: Mask of one to three axes, which has voxels.
        connectivity: How many coordinates of neighbours may differ.
        enclosed: Whether those do not count that reach the border of the image.
    """
    if has_few_runs(mask):
        runs = runs_of(mask)
        numbers, count = join_runs(runs, mask.shape, connectivity)
        return count - (np.unique(numbers[_at_border(runs, mask.shape)]).size if enclosed else 0)
    few_diagonals = estimated_run_count(mask) * _SHORT_RUN < np.count_nonzero(mask)
    labels, count = _label(mask, 1 if few_diagonals else connectivity)
    groups = None
    if few_diagonals and connectivity > 1:
        loose = _loose_voxels(mask, labels)
        if loose.size * _MOST_LOOSE > mask.size:
            labels, count = _label(mask, connectivity)
        else:
            groups, count = _join_diagonally(labels, loose, count, connectivity)
    if enclosed:
        outer = _border_labels(labels)
        count -= outer.size if groups is None else np.unique(groups[outer]).size
    return count


def _label(mask: NDArray[np.bool_], connectivity: int) -> tuple[NDArray[np.int32], int]:
    """Return the components of a mask numbered by SciPy, and how many there are."""
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    labels, count = ndimage.label(np.ascontiguousarray(mask), structure=structure, output=np.int32)
    return labels, int(count)


def _loose_voxels(mask: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the flat positions of all voxels of a mask but those of the largest component, as a sample has it."""
    sample = np.bincount(labels[(slice(None, None, _STRIDE),) * labels.ndim].reshape(-1), minlength=2)
    return np.flatnonzero(mask & (labels != np.argmax(sample[1:]) + 1))


def _join_diagonally(
    labels: NDArray[np.int32], loose: NDArray[np.int64], count: int, connectivity: int
) -> tuple[NDArray[np.int32], int]:
    """Return the component, by all neighbours, of every one of voxels that share faces, and how many there are.

    Args:
        labels: The components, from 1 to `count`.
        loose: Flat positions of all voxels but those of one component: each pair of components has one of them.
        count: How many there are.
        connectivity: How many coordinates of neighbours may differ.
    """
    from scipy.sparse import coo_matrix, csgraph  # at its first use: it takes as long to import as NumPy

    places = np.stack(np.unravel_index(loose, labels.shape))
    ends = np.array(labels.shape)[:, None]
    pairs = [np.zeros((2, 0), np.int32)]
    for step in itertools.product((-1, 0, 1), repeat=labels.ndim):
        if not 1 < np.count_nonzero(step) <= connectivity:
            continue
        near = places + np.array(step)[:, None]
        inside = np.all((near >= 0) & (near < ends), axis=0)
        other = labels[tuple(near[:, inside])]
        own = labels.reshape(-1)[loose[inside]]
        apart = (other != 0) & (other != own)
        pairs.append(np.stack([own[apart], other[apart]]))
    one, other = np.concatenate(pairs, axis=1)
    graph = coo_matrix((np.ones(one.size, np.bool_), (one, other)), (count + 1, count + 1))
    total, groups = csgraph.connected_components(graph, directed=False)
    # The background is a node of its own.
    return groups, int(total) - 1


def _at_border(runs: Runs, shape: Shape) -> NDArray[np.bool_]:
    """Return which runs reach the border of the image."""
    width = shape[-1]
    reaching: NDArray[np.bool_] = (runs.start % width == 0) | (runs.stop % width == 0)
    if len(shape) > 1:
        for place, size in zip(np.unravel_index(runs.start // width, shape[:-1]), shape[:-1], strict=True):
            reaching |= (place == 0) | (place == size - 1)
    return reaching


def _border_labels(labels: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the labels of all components that reach the border of the image."""
    planes = np.concatenate([np.take(labels, (0, -1), axis=axis).reshape(-1) for axis in range(labels.ndim)])
    occurs = np.bincount(planes)
    return np.flatnonzero(occurs[1:]) + 1
