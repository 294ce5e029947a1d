"""Many small patches at once: voxels that were predicted one by one, and slices that follow each other.

Added one by one, they would cost a call of the library each, and slices across the last axis would touch all memory of
the volume every time. So voxels of a table are scattered in chunks, arrays of whole grids are reshaped into one patch,
and lists of slices are joined into thicker ones.
"""

import math
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import Placement, map_columns, placed_shape, placement_of_planes
from mia_functional.assembly.reductions import Reduction, State
from mia_functional.assembly.running_mean import mean_divisor
from mia_functional.indexing import Boxes, Indices, starts
from mia_functional.typing import Array, HostArray, Index, Shape

__all__ = [
    "add_several",
    "assemble_voxels",
    "distinct_rounds",
    "join_planes",
    "merge_grid",
    "select_voxels",
    "voxel_table",
]

_VOXELS_AT_A_TIME = 2**16
"""Voxels of an array that are added at a time."""

_HOST_PLANES, _HOST_ELEMENTS, _DEVICE_PLANES = 256, 2**12, 8
"""How many planes are joined on the host, of how many elements their rows at a time, so that these stay in the cache;
and how many are joined as a whole in JAX and on other devices."""

_cached_partial: Any = lru_cache(maxsize=32)(partial)
"""`partial`, the same object again for the same arguments, as JAX finds its program by the function."""


def merge_grid(patches: Any, indices: Iterable[Index]) -> tuple[Any, Iterable[Index]]:
    """Return an array of the patches of a grid that goes on voxel by voxel (voxels, slices) as one large patch.

    Other patches and indices are returned as they are.
    """
    grid = indices.grids[0] if isinstance(indices, Indices) and len(indices.grids) == 1 else ()
    if not hasattr(patches, "shape") or not grid:
        return patches, indices
    # Axes that are visited voxel by voxel are rows of the array, those that a patch spans are axes of it.
    visited = [number for number, axis in enumerate(grid) if isinstance(axis, range) and axis.step == 1]
    spanned = [number for number, axis in enumerate(grid) if isinstance(axis, tuple) and len(axis) == 1]
    ranges = [(axis[0], axis[-1] + 1) if isinstance(axis, range) else axis[0] for axis in grid]
    shape = [limits[1] - limits[0] for limits in ranges if isinstance(limits, tuple)]
    if len(visited) + len(spanned) < len(grid) or len(shape) < len(grid):
        return patches, indices
    expected = (math.prod([shape[axis] for axis in visited]), *(shape[axis] for axis in spanned))
    if tuple(patches.shape[: len(expected)]) != expected:
        # What does not match is an error of the general way.
        return patches, indices
    xp = _array.array_namespace(patches)
    apart = xp.reshape(patches, (*(shape[axis] for axis in visited), *patches.shape[1:]))
    order = [(visited + spanned).index(axis) for axis in range(len(grid))]
    volume = xp.permute_dims(apart, (*order, *range(len(grid), apart.ndim)))
    return volume[None, ...], Indices(grids=(tuple((limits,) for limits in ranges),))


def join_planes(parts: Iterator[tuple[Array, Placement]]) -> Iterator[tuple[Array, Placement]]:
    """Yield patches with their placements; planes that follow each other along the last axis are joined."""
    held: list[tuple[Array, Placement]] = []
    for plane, placement in parts:
        if held and (len(held) >= _joinable(plane)[0] or not _follows(held[-1][1], placement)):
            yield from _thick_patches(held)
            held = []
        held.append((plane, placement))
    yield from _thick_patches(held)


def _joinable(plane: Array) -> tuple[int, int]:
    """Return how many planes like this one are joined at most, and how many of their rows at a time."""
    if _array.is_jax(plane) or not _array.in_host_memory(plane):
        # Every piece costs a call there, so planes are joined as a whole; few, as all are held until then.
        return _DEVICE_PLANES, plane.shape[0]
    return _HOST_PLANES, max(1, _HOST_ELEMENTS // math.prod(plane.shape[1:]))


def _follows(placement: Placement, following: Placement) -> bool:
    """Return whether two placements are those of planes that follow each other along the last axis."""
    lines, lines_following = placement.lines, following.lines
    if len(lines) < 2 or lines[-1].shape[1] > 1 or lines_following[-1].shape[1] > 1:
        return False
    # Lines of one grid are shared by its placements, so identity says that nothing changed along an axis.
    same = all(line is other for line, other in zip(lines[:-1], lines_following[:-1], strict=True))
    steps = _array.to_numpy(following.start) - _array.to_numpy(placement.start)
    return same and steps.tolist() == [0] * (len(lines) - 1) + [1]


def _thick_patches(held: list[tuple[Array, Placement]]) -> Iterator[tuple[Array, Placement]]:
    """Yield planes as thicker patches, of few rows on the host; a single one as it is."""
    if len(held) < 2:
        yield from held
        return
    (first, placement), *_ = held
    axis, size = len(placement.lines) - 1, first.shape[0]
    lines = (*placement.lines[:-1], np.concatenate([other.lines[-1] for _, other in held], axis=1))
    # A transposition by blocks: planes across the last axis are columns of the volume's rows.
    _, rows = _joinable(first)
    for low in range(0, size, rows):
        high = min(low + rows, size)
        thick = _array.concat([plane[low:high, ...] for plane, _ in held], axis)
        yield thick, placement_of_planes(placement._replace(lines=lines), low, high)


def voxel_table(indices: Iterable[Index], shape: Shape) -> "HostArray | None":
    """Return indices of single voxels as integers, `(count, axes)`, if they are stored as such; else None."""
    boxes = isinstance(indices, Boxes) and all(size is None for size in indices.extent)
    grids = indices.grids if isinstance(indices, Indices) else ()
    if not boxes and not (grids and all(isinstance(axis, range) for grid in grids for axis in grid)):
        return None
    table = starts(indices)
    if table.shape[1] != len(shape):
        checks.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", table.shape[1])
    outside = ((table < 0) | (table >= np.array(shape))).any(axis=1)
    if outside.any():
        first = tuple(table[outside.argmax()].tolist())
        checks.invalid_value("assemble", "indices", f"touch the volume, {shape}", first)
    return table


def assemble_voxels(patches: Array, table: HostArray, shape: Shape, reduction: Reduction) -> tuple[State, HostArray]:
    """Return the state of all voxels of a table, and how many patches there were on each of the volume."""
    if patches.shape[0] != len(table) or not len(table):
        needed = f"be as many as `indices`, {len(table)}, and at least one"
        checks.invalid_value("assemble", "patches", needed, patches.shape[0])
    _array.checked_namespace("assemble", patches=patches)
    _array.require_in_memory("assemble", "patches", patches)
    state = reduction.start(patches, (*shape, *patches.shape[1:]))
    counts = np.zeros(shape, dtype=np.float32)
    for low in range(0, len(table), _VOXELS_AT_A_TIME):
        rows = table[low : low + _VOXELS_AT_A_TIME]
        chunk = _array.take_block(patches, (low,), (len(rows),))
        for numbers, so_far in distinct_rounds(rows, counts):
            state = add_several(state, *select_voxels(chunk, numbers, rows[numbers], so_far), reduction)
    return state, counts


def select_voxels(patches: Array, rows: HostArray, corners: HostArray, counts: HostArray) -> tuple[Array, Placement]:
    """Return some rows of an array of voxels, with an axis of size 1 for each of a volume, and their placements."""
    xp, (number, axes) = _array.array_namespace(patches), corners.shape
    if number < patches.shape[0]:
        if _array.is_jax(patches):
            # JAX compiles a program per shape, so it gets a power of two of voxels. Those added lie outside of the
            # volume, where its scatter drops them; each at a place of its own, as it is told that all are different.
            more = 2 ** math.ceil(math.log2(number)) - number
            outside = np.full((more, axes), 2**30, dtype=np.int32) + np.arange(more, dtype=np.int32)[:, np.newaxis]
            rows, corners = np.pad(rows, (0, more)), np.concatenate([corners, outside])
            counts = np.pad(counts, (0, more), constant_values=1)
        patches = _array.take(patches, _array.from_numpy(rows, xp, patches), 0)
    # The mean of n equal weights moves by 1 / n: the count is the divisor.
    placements = Placement(corners, (), counts.reshape(-1, *(1,) * axes))
    return xp.reshape(patches, (len(rows), *(1,) * axes, *patches.shape[1:])), placements


def distinct_rounds(table: HostArray, counts: HostArray) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield rows of a table, different voxels in each round, and how often each voxel came so far, by `counts`.

    The first round has every voxel once, the next those that are there a second time, and so on: libraries add to
    repeated positions in different ways, NumPy and PyTorch only once.
    """
    flat, flat_counts = np.ravel_multi_index(tuple(table.T), counts.shape), counts.reshape(-1)
    rows = np.arange(len(flat))
    while len(rows):
        first = np.zeros(len(rows), dtype=bool)
        first[np.unique(flat[rows], return_index=True)[1]] = True
        now, rows = rows[first], rows[~first]
        flat_counts[flat[now]] += 1
        yield now, flat_counts[flat[now]]


def add_several(state: State, patches: Array, placements: Placement, reduction: Reduction) -> State:
    """Return the state with several patches added: different voxels at once, others one after the other."""
    if set(map(int, placed_shape(placements))) == {1} and hasattr(state, "shape"):
        return _array.jit_call_donating(_cached_partial(_add_voxels, reduction), state, patches, placements)
    if _array.is_traced(patches):
        return _array.fold(lambda state, row: reduction.add(state, *row), state, (patches, placements))
    for row in range(patches.shape[0]):
        state = reduction.add(state, patches[row, ...], map_columns(itemgetter(row), placements))
    return state


def _add_voxels(reduction: Reduction, state: Array, patches: Array, placements: Placement) -> Array:
    """Return a state with voxels added: together they are a patch of a volume that is made of them alone."""
    xp, (count, axes) = _array.array_namespace(state), placements.start.shape
    column = (count, *(1,) * (axes - 1))
    patch = xp.reshape(patches, (*column, *patches.shape[axes + 1 :]))
    divisor = placements.divisor
    if divisor is None:
        first, *others = ([line[:, row, 0] for row in range(line.shape[1])] for line in placements.lines)
        divisor = mean_divisor(first[0], first[2:], others)
    divisor = _array.array_namespace(divisor).reshape(divisor, column)
    placement = Placement(np.zeros(axes, dtype=np.int32), (), divisor)

    def change(entries: Array) -> Array:
        volume = xp.reshape(entries, (*column, *entries.shape[1:]))
        return xp.reshape(reduction.add(volume, patch, placement), entries.shape)

    return _array.update_points(state, placements.start, change)
