"""Many patches of a grid in JAX: one program per grid, in which a mean goes through the volume plane by plane.

One program instead of a call per patch, as a call costs as much as a small patch does, and XLA then updates the volume
in place. A plane stays in the processor's cache until all patches that reach it are in. Channels lie in one row with
the last axis, so that the innermost loops are long.

Of all patches of a grid, those that lie on each other along the first axis come directly one after the other: in
another order than that of the indices, which is that of the general way, so that means differ in their rounding. A
batch of them keeps the order.
"""

import math
from functools import partial
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.assembly.incremental import add_placed, finish, start
from mia_functional.assembly.placement import Placement, fits_inside, grid_lines, grid_table
from mia_functional.assembly.reductions import Reduction, mean
from mia_functional.assembly.running_mean import mean_divisor, move_toward
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Shape

__all__ = [
    "add_windows",
    "assemble_jax_grid",
    "flatten_channels",
    "is_jax_grid",
    "lines_on_plane",
    "with_flat_channels",
]

_Starts: TypeAlias = tuple[tuple[int, ...], ...]
"""For every axis of a grid, where its steps start: plain numbers, as they shape the program."""

_MOST_LAYERS = 8
"""Steps along the first axis up to which a mean goes plane by plane: each adds a loop to the program."""


def is_jax_grid(patches: Array, indices: Indices, shape: Shape) -> bool:
    """Return whether patches are one JAX array, those of a grid that covers the volume and does not leave it."""
    grids = indices.grids
    if not (_array.is_jax(patches) and len(grids) == 1 and len(indices) > 1 and fits_inside(grids[0], shape)):
        return False
    (axes,) = grid_lines(grids, shape, uniform)
    expected = (len(indices), *(axis.lines[0].shape[1] for axis in axes))
    return tuple(patches.shape[: len(expected)]) == expected and all((axis.weights > 0).all() for axis in axes)


def assemble_jax_grid(patches: Array, indices: Indices, shape: Shape, window: Window, reduction: Reduction) -> Array:
    """Return the volume of patches for which `is_jax_grid` holds."""
    (axes,) = grid_lines(indices.grids, shape, window)
    xp = _array.array_namespace(patches)
    # Lines are arguments of the program, not constants in it: all windows share one program.
    lines = [_array.from_numpy(np.stack(axis.lines), xp, patches) for axis in axes]
    starts = tuple(tuple(axis.starts) for axis in axes)
    return _array.jit_call(_grid_program, patches, *lines, starts=starts, shape=shape, reduction=reduction)


def _grid_program(patches: Array, *lines: Array, starts: _Starts, shape: Shape, reduction: Reduction) -> Array:
    """Return the volume of patches from the lines of all steps along each axis, `(steps, 2, size)`."""
    if reduction is mean and len(shape) > 1 and len(starts[0]) <= _MOST_LAYERS:
        return _mean_by_planes(patches, lines, starts, shape)
    state = start(patches[0, ...], shape, reduction=reduction)
    return finish(add_placed(state, patches, grid_table(starts, lines), reduction=reduction), reduction=reduction)


def _mean_by_planes(patches: Array, lines: tuple[Array, ...], starts: _Starts, shape: Shape) -> Array:
    """Return the mean, plane by plane."""
    xp, axes, depth = _array.array_namespace(patches), len(shape), patches.shape[1]
    channels = patches.shape[axes + 1 :]
    width = math.prod(channels)
    parts = flatten_channels(xp.reshape(patches, (len(starts[0]), -1, *patches.shape[1:])), axes + 2)
    volume = _array.zeros(xp, (*shape[:-1], shape[-1] * width), _array.accumulator_dtype(patches), patches)
    first, *others = (_array.asarray_like(line, volume) for line in lines)
    columns = with_flat_channels(grid_table(starts[1:], others), width)
    # Between two cuts every plane is reached by the same layers, so one loop serves them all.
    for low, high in pairwise(sorted({cut for begin in starts[0] for cut in (begin, begin + depth)})):
        layers = {number: low - begin for number, begin in enumerate(starts[0]) if begin <= low < begin + depth}
        fill = partial(_fill_plane, parts, first, layers, columns, low)
        volume = _array.fori_loop(xp, high - low, fill, volume, unroll=1)
    return xp.reshape(volume, (*shape, *channels))


def _fill_plane(
    parts: Array, lines: Array, layers: dict[int, int], columns: Placement, low: int, step: Array, volume: Array
) -> Array:
    """Return a volume with the plane at `low + step` written, the mean of some layers of all columns of patches.

    A layer is the patches of one step along the first axis: its number, and how deep in it the plane at `low` lies.
    """
    xp, shape = _array.array_namespace(volume), parts.shape[3:]

    def add_column(column: Array, plane: Array) -> Array:
        corner = tuple(columns.start[column, axis] for axis in range(len(shape)))
        block = _array.take_block(plane, corner, shape)
        # The first axis is the fastest here: patches on each other come one after the other.
        (before, _), *others = lines_on_plane(columns.lines, column)
        for number, depth in layers.items():
            values = xp.reshape(_array.take_block(parts, (number, column, depth + step), (1, 1, 1)), shape)
            ahead, everything = xp.reshape(_array.take_block(lines[number, ...], (0, depth + step), (2, 1)), (2,))
            block = move_toward(xp, block, values, mean_divisor(before, (), [*others, (ahead, everything)]))
        return _array.set_block(plane, corner, block)

    plane = _array.fori_loop(xp, columns.start.shape[0], add_column, xp.zeros_like(volume[0, ...]), unroll=1)
    return _array.set_block(volume, (low + step,), plane[None, ...])


def add_windows(state: Array, patches: Array, placements: Placement) -> Array:
    """Return a mean with a batch of patches added, as `add` does, but plane by plane; on one axis patch by patch.

    It goes from the last plane of the patches to the first: no patch starts before those that come before it, so that
    every voxel gets them one after the other.

    Args:
        state: `(*shape, ...)`.
        patches: `(count, *patch, ...)`, patches of a grid in its order.
        placements: `count` of them.
    """
    xp, (count, axes) = _array.array_namespace(state), placements.start.shape
    if axes == 1:
        means: Array = add_placed(state, patches, placements)
        return means
    volume, parts = flatten_channels(state, axes), flatten_channels(patches, axes + 1)
    lines = tuple(_array.asarray_like(line, state) for line in placements.lines)
    start, lines, *_ = with_flat_channels(Placement(placements.start, lines), math.prod(state.shape[axes:]))
    size, *plane = parts.shape[1:]

    def add_plane(step: Array, volume: Array) -> Array:
        row, depth = step % count, size - 1 - step // count
        corner = (start[row, 0] + depth, *(start[row, axis] for axis in range(1, axes)))
        block = _array.take_block(volume, corner, (1, *plane))
        values = xp.reshape(_array.take_block(parts, (row, depth), (1, 1)), (1, *plane))
        divisor = mean_divisor(lines[0][row, 0, depth], (), lines_on_plane(lines[1:], row))
        return _array.set_block(volume, corner, move_toward(xp, block, values, divisor[None, ...]))

    return xp.reshape(_array.fori_loop(xp, count * size, add_plane, volume, unroll=1), state.shape)


def lines_on_plane(lines: tuple[Array, ...], row: Array) -> list[list[Array]]:
    """Return the two lines of a patch along each axis of a plane, of all columns of patches, to be broadcast."""
    xp = _array.array_namespace(lines[0])
    return [
        [xp.reshape(line[row, entry, ...], (*(1,) * axis, -1, *(1,) * (len(lines) - axis - 1))) for entry in (0, 1)]
        for axis, line in enumerate(lines)
    ]


def flatten_channels(array: Array, axes: int) -> Array:
    """Return an array with everything behind its first axes, the channels, in one row with the last of these."""
    xp = _array.array_namespace(array)
    return xp.reshape(array, (*array.shape[: axes - 1], math.prod(array.shape[axes - 1 :])))


def with_flat_channels(table: Placement, width: int) -> Placement:
    """Return placements in a volume, of two axes at least, with `width` channels in one row with its last axis."""
    *others, last = table.lines
    xp = _array.array_namespace(last)
    steps = np.array([1] * (table.start.shape[1] - 1) + [width], dtype=np.int32)
    return Placement(xp.asarray(table.start * steps[None, :]), (*others, xp.repeat(last, width, axis=2)))
