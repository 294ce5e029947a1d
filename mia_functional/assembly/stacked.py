"""All patches of a grid in one JAX array: one program, in which a mean goes through the volume plane by plane.

A plane stays in the processor's cache until all patches that reach it are in, so that the volume is written once. The
patches that lie on each other along the first axis come directly one after the other: in another order than that of the
indices, which is that of the general way, so that means differ in their rounding.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.assembly.places import Place, all_ends, is_inside
from mia_functional.assembly.reductions import Reduction, mean, toward
from mia_functional.assembly.steps import add, finish, start
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
    lines = [_array.from_numpy(np.stack(end.lines), _array.library(patches), patches) for end in ends]
    starts = tuple(tuple(end.starts) for end in ends)
    return _array.compiled(_volume, patches, *lines, starts=starts, shape=shape, reduction=reduction)


def _volume(patches: Array, *lines: Array, starts: Starts, shape: Shape, reduction: Reduction) -> Array:
    """Return the volume of patches from the lines of all steps along each axis, `(steps, 2, size)`."""
    if reduction is mean and len(shape) > 1 and len(starts[0]) <= LAYERS:
        return _mean(patches, lines, starts, shape)
    state = start(patches[0, ...], shape, reduction=reduction)
    return finish(add(state, patches, _places(starts, lines), reduction=reduction), reduction=reduction)


def _places(starts: Starts, lines: tuple[Array, ...]) -> Place:
    """Return the places of all patches of a grid."""
    order = np.indices([len(axis) for axis in starts]).reshape(len(starts), -1)
    corners = [np.array(axis, dtype=np.int32)[row] for axis, row in zip(starts, order, strict=True)]
    return Place(np.stack(corners, axis=1), tuple(line[row] for line, row in zip(lines, order, strict=True)))


class Layer(NamedTuple):
    """The patches of one step along the first axis: its number, first plane and lines."""

    number: int
    start: int
    line: Array


def _mean(patches: Array, lines: tuple[Array, ...], starts: Starts, shape: Shape) -> Array:
    """Return the mean, plane by plane; channels lie in one row with the last axis."""
    xp, axes = _array.library(patches), len(shape)
    patch, channels = patches.shape[1 : axes + 1], patches.shape[axes + 1 :]
    width = math.prod(channels)
    volume = _array.zeros(xp, (*shape[:-1], shape[-1] * width), _array.accumulator_dtype(patches), patches)
    first, *others = (_array.moved(line, volume) for line in lines)
    others[-1] = xp.repeat(others[-1], width, axis=2)
    *rows, last = starts[1:]
    columns = _places((*rows, tuple(low * width for low in last)), tuple(others))
    columns = columns._replace(start=xp.asarray(columns.start))
    parts = xp.reshape(patches, (len(starts[0]), -1, *patch[:-1], patch[-1] * width))
    layers = [Layer(number, low, first[number, ...]) for number, low in enumerate(starts[0])]
    for low, high in pairwise(sorted({cut for begin in starts[0] for cut in (begin, begin + patch[0])})):
        here = [layer for layer in layers if layer.start <= low < layer.start + patch[0]]
        fill = partial(_fill_plane, parts, here, columns, low)
        volume = _array.loop(xp, high - low, fill, volume, unroll=1)
    return xp.reshape(volume, (*shape, *channels))


def _fill_plane(parts: Array, layers: list[Layer], columns: Place, low: int, step: Array, volume: Array) -> Array:
    """Return a volume with the plane at `low + step` written, the mean of some layers of all columns of patches."""
    xp, position, shape = _array.library(volume), low + step, parts.shape[3:]

    def bring(column: Array, plane: Array) -> Array:
        corner = tuple(columns.start[column, axis] for axis in range(len(shape)))
        block, below = _array.block(plane, corner, shape), 0.0
        for axis, line in enumerate(columns.lines):
            before, own = (xp.reshape(line[column, row], (-1, *(1,) * (len(shape) - axis - 1))) for row in (0, 1))
            below = before + own * below
        for layer in layers:
            depth = position - layer.start
            part = xp.reshape(_array.block(parts, (layer.number, column, depth), (1, 1, 1)), shape)
            before, own = _array.block(layer.line, (0, depth), (2, 1))
            block = toward(xp, block, part, 1 + before + own * below)
        return _array.set_block(plane, corner, block)

    plane = _array.loop(xp, columns.start.shape[0], bring, xp.zeros_like(volume[0, ...]), unroll=1)
    return _array.set_block(volume, (position,), plane[None, ...])
