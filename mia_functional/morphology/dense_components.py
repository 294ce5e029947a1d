"""Connected components of masks with many runs, for which SciPy looks at every voxel. All arrays are NumPy's."""

import itertools

import numpy as np
from numpy.typing import NDArray

from mia_functional.morphology.runs import estimated_run_count, first_come_numbers

__all__ = ["label_dense"]

_MOST_LOOSE = 64
"""One voxel in so many beside the largest component is what makes it slower to join the rest than to label anew."""

_SHORT_RUN = 2
"""Runs that are shorter on average lie in too many components that touch at edges and corners alone."""

_STRIDE = 4
"""Along every axis, one voxel in so many is asked for the largest component."""


def label_dense(mask: NDArray[np.bool_], connectivity: int) -> tuple[NDArray[np.int32], NDArray[np.int64] | None, int]:
    """Return labels, the component of each if that is another number, and how many components there are.

    SciPy looks at 26 neighbours in twice the time of six. So components of voxels that share faces are labelled, and
    those of them that touch at edges and corners are joined, if few voxels lie beside the largest.

    Args:
        mask: Mask of one to three axes, which has voxels.
        connectivity: How many coordinates of neighbours may differ.
    """
    if connectivity > 1 and estimated_run_count(mask) * _SHORT_RUN < np.count_nonzero(mask):
        labels, count = _label(mask, 1)
        # Voxels beside the largest component, as a sample has it.
        sample = np.bincount(labels[(slice(None, None, _STRIDE),) * labels.ndim].reshape(-1), minlength=2)
        loose = np.flatnonzero(mask & (labels != np.argmax(sample[1:]) + 1))
        if loose.size * _MOST_LOOSE <= mask.size:
            return labels, *_join_diagonally(labels, loose, count, connectivity)
    labels, count = _label(mask, connectivity)
    return labels, None, count


def _label(mask: NDArray[np.bool_], connectivity: int) -> tuple[NDArray[np.int32], int]:
    """Return the components of a mask numbered by SciPy, and how many there are."""
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    structure = ndimage.generate_binary_structure(mask.ndim, connectivity)
    labels, count = ndimage.label(np.ascontiguousarray(mask), structure=structure, output=np.int32)
    return labels, int(count)


def _join_diagonally(
    labels: NDArray[np.int32], loose: NDArray[np.int64], count: int, connectivity: int
) -> tuple[NDArray[np.int64], int]:
    """Return the number of the component by all neighbours for each by faces, and for 0, and how many there are.

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
    # The background is a node of its own, the first; all others are in the order of their first voxels.
    return first_come_numbers(groups, total), int(total) - 1
