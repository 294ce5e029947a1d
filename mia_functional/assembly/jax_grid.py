"""Many patches of a grid in one JAX array: one program, in which a mean goes through the volume plane by plane.

A plane stays in the processor's cache until all patches that reach it are in. Channels lie in one row with the last
axis, so that the innermost loops are long.

Of all patches of a grid, those that lie on each other along the first axis come directly one after the other: in
another order than that of the indices, which is that of the general way, so that means differ in their rounding. A
batch of them keeps the order.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.assembly.incremental import add, finish, start
from mia_functional.assembly.placement import Placement, all_ends, is_inside
from mia_functional.assembly.reductions import Reduction, mean, toward
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Shape

Starts: TypeAlias = tuple[tuple[int, ...], ...]
"""For every axis of a grid, where its steps start."""


LAYERS = 8
"""Steps along the first axis up to which a program is made for a mean plane by plane."""


def is_stacked(patches: Any, indices: Any, shape: Shape) -> bool:
    """Tell whether patches are one JAX array, those of a grid that covers the volume and does not leave it."""
    if not (_array.is_jax(patches) and isinstance(indices, Indices) and len(indices.grids) == 1):
        return False
    if len(indices) < 2 or not is_inside(indices.grids[0], shape):
        return False
    (ends,) = all_ends(indices.grids, shape, uniform)
    expected = (len(indices), *(end.lines[0].shape[1] for end in ends))
    return tuple(patches.shape[: len(expected)]) == expected and all((end.weights > 0).all() for end in ends)


def of_stacked(patches: Array, indices: Any, shape: Shape, window: Window, reduction: Reduction) -> Array:
    """Return the volume of such patches; one program for all windows."""
    (ends,) = all_ends(indices.grids, shape, window)
    lines = [_array.from_numpy(np.stack(end.lines), _array.array_namespace(patches), patches) for end in ends]
    starts = tuple(tuple(end.starts) for end in ends)
    return _array.jit_call(_volume, patches, *lines, starts=starts, shape=shape, reduction=reduction)


def _volume(patches: Array, *lines: Array, starts: Starts, shape: Shape, reduction: Reduction) -> Array:
    """Return the volume of patches from the lines of all steps along each axis, `(steps, 2, size)`."""
    if reduction is mean and len(shape) > 1 and len(starts[0]) <= LAYERS:
        return _mean(patches, lines, starts, shape)
    state = start(patches[0, ...], shape, reduction=reduction)
    return finish(add(state, patches, _places(starts, lines), reduction=reduction), reduction=reduction)


def _places(starts: Starts, lines: tuple[Array, ...]) -> Placement:
    """Return the places of all patches of a grid."""
    order = np.indices([len(axis) for axis in starts]).reshape(len(starts), -1)
    corners = [np.array(axis, dtype=np.int32)[row] for axis, row in zip(starts, order, strict=True)]
    return Placement(np.stack(corners, axis=1), tuple(line[row] for line, row in zip(lines, order, strict=True)))


class Layer(NamedTuple):
    """The patches of one step along the first axis: its number, first plane and lines."""

    number: int
    start: int
    line: Array


def _mean(patches: Array, lines: tuple[Array, ...], starts: Starts, shape: Shape) -> Array:
    """Return the mean, plane by plane."""
    xp, axes = _array.array_namespace(patches), len(shape)
    channels = patches.shape[axes + 1 :]
    parts = in_rows(xp.reshape(patches, (len(starts[0]), -1, *patches.shape[1:])), axes + 2)
    width = math.prod(channels)
    volume = _array.zeros(xp, (*shape[:-1], shape[-1] * width), _array.accumulator_dtype(patches), patches)
    first, *others = (_array.asarray_like(line, volume) for line in lines)
    columns = _wider(_places(starts[1:], tuple(others)), width)
    layers = [Layer(number, low, first[number, ...]) for number, low in enumerate(starts[0])]
    size = patches.shape[1]
    for low, high in pairwise(sorted({cut for begin in starts[0] for cut in (begin, begin + size)})):
        here = [layer for layer in layers if layer.start <= low < layer.start + size]
        fill = partial(_fill_plane, parts, here, columns, low)
        volume = _array.fori_loop(xp, high - low, fill, volume, unroll=1)
    return xp.reshape(volume, (*shape, *channels))


def in_rows(array: Array, axes: int) -> Array:
    """Return an array with everything behind its first axes, the channels, in one row with the last of these."""
    return _array.array_namespace(array).reshape(array, (*array.shape[: axes - 1], math.prod(array.shape[axes - 1 :])))


def _wider(places: Placement, width: int) -> Placement:
    """Return places in a volume, of two axes at least, whose last axis has `width` entries for each of before."""
    last = places.lines[-1]
    xp = _array.array_namespace(last)
    steps = np.array([1] * (places.start.shape[1] - 1) + [width], dtype=np.int32)
    return Placement(xp.asarray(places.start * steps), (*places.lines[:-1], xp.repeat(last, width, axis=2)))


def _fill_plane(parts: Array, layers: list[Layer], columns: Placement, low: int, step: Array, volume: Array) -> Array:
    """Return a volume with the plane at `low + step` written, the mean of some layers of all columns of patches."""
    xp, position, shape = _array.array_namespace(volume), low + step, parts.shape[3:]

    def bring(column: Array, plane: Array) -> Array:
        corner = tuple(columns.start[column, axis] for axis in range(len(shape)))
        block, below = _array.take_block(plane, corner, shape), _before(columns.lines, column, 0.0)
        for layer in layers:
            depth = position - layer.start
            part = xp.reshape(_array.take_block(parts, (layer.number, column, depth), (1, 1, 1)), shape)
            before, own = _array.take_block(layer.line, (0, depth), (2, 1))
            block = toward(xp, block, part, 1 + before + own * below)
        return _array.set_block(plane, corner, block)

    plane = _array.fori_loop(xp, columns.start.shape[0], bring, xp.zeros_like(volume[0, ...]), unroll=1)
    return _array.set_block(volume, (position,), plane[None, ...])


def _before(lines: tuple[Array, ...], row: Array, below: Any) -> Any:
    """Return the weight of the patches before one on a plane, divided by its own, from that on the axes before."""
    for axis, line in enumerate(lines):
        before, own = (line[row, entry].reshape(-1, *(1,) * (len(lines) - axis - 1)) for entry in (0, 1))
        below = before + own * below
    return below


def add_batch(state: Array, patches: Array, places: Placement) -> Array:
    """Return a mean with a batch of patches brought in, as `add` does, but plane by plane.

    It goes from the last plane of the patches to the first: no patch starts before those that come before it, so that
    every voxel gets them one after the other.

    Args:
        state: `(*shape, ...)`, of two axes at least.
        patches: `(count, *patch, ...)`, patches of a grid in its order.
        places: `count` of them.
    """
    xp, (count, axes) = _array.array_namespace(state), places.start.shape
    volume, parts = in_rows(state, axes), in_rows(patches, axes + 1)
    lines = tuple(_array.asarray_like(line, state) for line in places.lines)
    start, (first, *others), *_ = _wider(Placement(places.start, lines), math.prod(state.shape[axes:]))
    size, *plane = parts.shape[1:]

    def bring(step: Array, volume: Array) -> Array:
        row, depth = step % count, size - 1 - step // count
        corner = (start[row, 0] + depth, *(start[row, axis] for axis in range(1, axes)))
        block, part = _array.take_block(volume, corner, (1, *plane)), _array.take_block(parts, (row, depth), (1, 1))
        divisor = 1 + _before(tuple(others), row, first[row, 0, depth])
        return _array.set_block(volume, corner, toward(xp, block, xp.reshape(part, (1, *plane)), divisor[None, ...]))

    return xp.reshape(_array.fori_loop(xp, count * size, bring, volume, unroll=1), state.shape)
