"""Tables of the components of a pair of NumPy arrays, from runs, slab after slab along the first axis.

A component of several slabs has a number of its own in each of them, ascending from the first slab on by first voxels;
numbers whose runs touch across the plane between two slabs are joined at the end. Sizes and sums of positions are whole
numbers or halves below 2^52, so that they are the same to the bit in whatever slabs they are added up.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional.metrics._kernels.instance_tables import ComponentTable, PairTables
from mia_functional.metrics._kernels.numbered_runs import NumberedRuns
from mia_functional.morphology.runs import Runs, first_come_numbers, intersect_runs, touching_runs
from mia_functional.typing import HostArray

__all__ = ["host_tables"]


class _Slab(NamedTuple):
    """What is kept of one array in a slab.

    Attributes:
        first: The number of its first component, among those of all slabs.
        values: The instance numbers of its components; of masks True. Shape (N,).
        sizes: Their voxels in the slab.
        sums: Their positions in the array, added up: shape (N, D).
        boxes: First position, and the one behind the last, along every axis: shape (N, D, 2).
        joints: Pairs of numbers, of the slab before and of this one, that are one component: shape (2, E).
        edge: The runs of its last plane, at positions in this plane.
        edge_numbers: The numbers of these.
    """

    first: int
    values: HostArray
    sizes: NDArray[np.int64]
    sums: NDArray[np.float64]
    boxes: NDArray[np.int64]
    joints: NDArray[np.int64]
    edge: Runs
    edge_numbers: NDArray[np.int64]


def host_tables(slabs: Iterable[Sequence[NumberedRuns]], *, connectivity: int | None) -> PairTables:
    """Return the tables of a pair of masks, or for no connectivity of a pair of maps of instance numbers.

    Args:
        slabs: The runs of both arrays, which are cut along the first axis. Arrays of one axis come whole, as runs lie
            along the last one.
        connectivity: How many coordinates of neighbours may differ.
    """
    sides: tuple[list[_Slab], list[_Slab]] = ([], [])
    overlaps, row = [], 0
    for one, other in slabs:
        for numbered, side in zip((one, other), sides, strict=True):
            side.append(_slab_of_runs(numbered, side[-1:], row=row, connectivity=connectivity))
        overlaps.append(_shared_voxels(one, other, firsts=(sides[0][-1].first, sides[1][-1].first)))
        row += one.shape[0]
    (predictions, predicted), (references, referenced) = (_components_of_numbers(side, connectivity) for side in sides)
    first, second, voxels = np.concatenate(overlaps, axis=1)
    codes, where = np.unique(predictions[first] * referenced + references[second], return_inverse=True)
    shared = np.bincount(where, weights=voxels, minlength=codes.size).astype(np.int64)
    tables = _joined_table(sides[0], predictions, predicted), _joined_table(sides[1], references, referenced)
    return PairTables(*tables, codes, shared, np.zeros((), np.bool_))


def _slab_of_runs(slab: NumberedRuns, before: list[_Slab], *, row: int, connectivity: int | None) -> _Slab:
    """Return what is kept of a slab, whose first plane is at position `row`, behind the one before if there is one."""
    (runs, numbers, count, shape), ndim = slab, len(slab.shape)
    lengths = runs.stop - runs.start
    values = np.zeros(count, runs.value.dtype)
    values[numbers] = runs.value
    sums, boxes = np.zeros((count, ndim)), np.zeros((count, ndim, 2), np.int64)
    boxes[:, :, 0] = np.iinfo(np.int64).max
    for axis, places in enumerate(np.unravel_index(runs.start, shape)):
        low = places + (row if axis == 0 else 0)
        high = low + (lengths - 1 if axis == ndim - 1 else 0)
        sums[:, axis] = np.bincount(numbers, weights=(low + high) / 2 * lengths, minlength=count)
        np.minimum.at(boxes[:, axis, 0], numbers, low)
        np.maximum.at(boxes[:, axis, 1], numbers, high + 1)
    first = before[0].first + before[0].sizes.size if before else 0
    sizes = np.bincount(numbers, weights=lengths, minlength=count).astype(np.int64)
    joints = np.zeros((2, 0), np.int64)
    if before and connectivity is not None:
        joints = _joints(before[0], slab, first, connectivity)
    return _Slab(first, values, sizes, sums, boxes, joints, *_plane_of(slab, shape[0] - 1, first))


def _plane_of(slab: NumberedRuns, plane: int, first: int) -> tuple[Runs, NDArray[np.int64]]:
    """Return copies of the runs of a plane of a slab, at positions in the plane, and their numbers."""
    (start, stop, value), voxels = slab.runs, int(np.prod(slab.shape[1:]))
    chosen = slice(*np.searchsorted(start, (plane * voxels, (plane + 1) * voxels)).tolist())
    runs = Runs(start[chosen] - plane * voxels, stop[chosen] - plane * voxels, value[chosen].copy())
    return runs, slab.numbers[chosen] + first


def _joints(before: _Slab, slab: NumberedRuns, first: int, connectivity: int) -> NDArray[np.int64]:
    """Return which components of a slab and of the one before touch."""
    runs, numbers = _plane_of(slab, 0, first)
    voxels = int(np.prod(slab.shape[1:]))
    behind = runs._replace(start=runs.start + voxels, stop=runs.stop + voxels)
    both = Runs(*(np.concatenate(fields) for fields in zip(before.edge, behind, strict=True)))
    owners = np.concatenate([before.edge_numbers, numbers])
    pairs = [np.zeros((2, 0), np.int64)]
    pairs += [
        np.stack([owners[one], owners[other]]) for one, other in touching_runs(both, (2, *slab.shape[1:]), connectivity)
    ]
    return np.unique(np.concatenate(pairs, axis=1), axis=1)


def _shared_voxels(one: NumberedRuns, other: NumberedRuns, *, firsts: tuple[int, int]) -> NDArray[np.int64]:
    """Return the numbers of the components of both arrays that share voxels in a slab, and how many: shape (3, K)."""
    first, second, voxels = intersect_runs(one.runs, other.runs)
    codes, where = np.unique(one.numbers[first] * other.total + other.numbers[second], return_inverse=True)
    shared = np.bincount(where, weights=voxels, minlength=codes.size).astype(np.int64)
    numbers = divmod(codes, max(other.total, 1))
    return np.stack([numbers[0] + firsts[0], numbers[1] + firsts[1], shared])


def _components_of_numbers(side: list[_Slab], connectivity: int | None) -> tuple[NDArray[np.int64], int]:
    """Return the component of every number of an array, and how many components there are."""
    if connectivity is None:
        values, numbers = np.unique(np.concatenate([slab.values for slab in side]), return_inverse=True)
        return numbers.astype(np.int64), values.size
    from scipy.sparse import coo_matrix, csgraph  # at its first use: it takes as long to import as NumPy

    one, other = np.concatenate([slab.joints for slab in side], axis=1)
    count = side[-1].first + side[-1].sizes.size
    graph = coo_matrix((np.ones(one.size, np.bool_), (one, other)), (count, count))
    total, labels = csgraph.connected_components(graph, directed=False)
    return first_come_numbers(labels, total), int(total)


def _joined_table(side: list[_Slab], components: NDArray[np.int64], count: int) -> ComponentTable:
    """Return the table of the components of an array from those of its slabs."""
    sizes, sums, boxes = (
        np.concatenate([getattr(slab, field) for slab in side]) for field in ("sizes", "sums", "boxes")
    )
    whole = np.bincount(components, weights=sizes, minlength=count).astype(np.int64)
    ndim = sums.shape[1]
    centres, joined = np.zeros((count, ndim)), np.zeros((count, ndim, 2), np.int64)
    joined[:, :, 0] = np.iinfo(np.int64).max
    np.minimum.at(joined[:, :, 0], components, boxes[:, :, 0])
    np.maximum.at(joined[:, :, 1], components, boxes[:, :, 1])
    for axis in range(ndim):
        centres[:, axis] = np.bincount(components, weights=sums[:, axis], minlength=count) / whole
    return ComponentTable(whole, centres, joined)
