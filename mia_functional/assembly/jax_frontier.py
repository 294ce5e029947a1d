"""Labels in one program of JAX, of means of which only the frontier of the windows is in memory.

Shapes in a program are fixed, so the frontier (see `frontier`) has two parts: `carried` are the planes that the windows
of the step before along the first axis left unfinished, all rows of them, in a ring; `fresh` the planes that the
windows of this step are the first to reach, but only the rows that they are at. When all windows at some rows are in,
the planes that are finished there are reduced to labels, the rows of other fresh ones are carried, and those that stay
in `fresh` move up. Channels lie in one row with the last axis, as in `jax_grid`. Of few means all are kept instead.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional.assembly.incremental import finish, start
from mia_functional.assembly.jax_grid import add_windows, flatten_channels, lines_on_plane, with_flat_channels
from mia_functional.assembly.placement import Placement, placed_shape
from mia_functional.assembly.running_mean import mean_divisor, move_toward
from mia_functional.assembly.volumes import finish_volume
from mia_functional.assembly.window_batches import fold_windows
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["FrontierSizes", "label_windows", "steps_of_windows"]

_MOST_MEANS = 2**18
"""Means that are reduced to labels at a time."""

_FEW_MEANS = 2**25
"""Up to so many, 128 MiB of single precision, all means are kept: the frontier's loops take longer than they save."""


class FrontierSizes(NamedTuple):
    """Numbers that shape the program.

    Args:
        carried: Most planes that are carried to a step along the first axis.
        fresh: Most planes that the windows of a step are the first to reach.
        rows: In how many rows planes are finished at a time, mostly.
    """

    carried: int
    fresh: int
    rows: int


class _Frontier(NamedTuple):
    """What a program keeps, in each of its loops: the loops that would share one of the two would copy it.

    Args:
        means: Rows of planes, `(rows, ...)`: all of the carried planes, then those of the fresh ones.
        labels: The labels so far.
    """

    means: Array
    labels: Array


def steps_of_windows(table: Placement) -> tuple[HostArray, FrontierSizes]:
    """Return how the frontier moves through the windows of a grid, from their placements in NumPy.

    Returns:
        `(windows, 3)`: how many planes of a window are carried, how many of its first are finished when it is in, and
        in how many rows; 0 rows where more windows come at the same ones.
    """
    missing = max(0, 3 - table.start.shape[1])
    depth, height, *_ = *(1,) * missing, *placed_shape(table)
    starts = _array.to_numpy(table.start)
    begin = np.pad(starts, [(0, 0), (missing, 0)])[:, :2]
    (layers, layer), (rows, row) = (np.unique(begin[:, axis], return_inverse=True) for axis in range(2))
    # Nothing is carried to the first step; what the next one gets is kept there from the start.
    overlaps = depth - np.diff(layers)
    carried = np.concatenate([overlaps[:1], overlaps]) if overlaps.size else np.zeros(1, dtype=int)
    finished, ready = np.append(np.diff(layers), depth), np.append(np.diff(rows), height)
    last = np.append((np.diff(begin, axis=0) != 0).any(axis=1), True)
    steps = np.stack([carried[layer], finished[layer], np.where(last, ready[row], 0)], axis=1)
    sizes = FrontierSizes(max(1, int(carried.max())), max(1, depth - int(carried.min())), int(ready[0]))
    return steps.astype(np.int32), sizes


def label_windows(
    function: Callable[[Array], Array],
    volume: Array,
    table: Placement,
    steps: Array,
    *,
    shape: Shape,
    number: int,
    sizes: FrontierSizes,
    reduce: Callable[[Array], Array],
) -> Array:
    """Return the labels of a volume, by one loop in JAX.

    Args:
        function: The network.
        volume: `(*shape, ...)`.
        table: The placements of all windows.
        steps: Those of `steps_of_windows`, as are `sizes`.
        shape: Spatial shape of the volume.
        number: Windows of a batch.
        sizes: Of what is kept.
        reduce: From means `(*block, ...)` to labels `(*block, ...)`.
    """
    xp, axes, patch = _array.array_namespace(volume), len(shape), placed_shape(table)
    # Axes of one voxel in front change no mean: then there are always planes, rows, and something behind them.
    ones = (1,) * max(0, 3 - axes)
    whole, window = (*ones, *shape), (*ones, *patch)

    def labels_of(model: Array, means: Array) -> Array:
        block = xp.reshape(means, (*means.shape[len(ones) : len(whole) - 1], shape[-1], *model.shape[axes:]))
        labels = reduce(finish_volume(block, model, [], None, None))
        return xp.reshape(labels, (*means.shape[: len(whole) - 1], shape[-1], *labels.shape[axes:]))

    def begin(model: Array) -> "_Frontier | Array":
        if math.prod((*shape, *model.shape[axes:])) <= _FEW_MEANS:
            every: Array = start(model, shape)
            return every
        part = xp.reshape(model, (*ones, *model.shape))[(*[slice(1)] * len(whole), ...)]
        # As many rows more as a window has: those of the last plane move up like all others.
        rows = sizes.carried * whole[1] + (sizes.fresh + 1) * window[1]
        means = flatten_channels(start(part[0, ...], (rows, *whole[2:])), len(whole) - 1)
        like = _array.eval_shape(partial(labels_of, model), means[None, :1, ...])
        labels = _array.zeros(xp, (*whole, *like.shape[len(whole) :]), like.dtype, volume)
        return _Frontier(means, labels)

    def add(state: "_Frontier | Array", predictions: Array, placements: Placement, moves: Array) -> "_Frontier | Array":
        if not isinstance(state, _Frontier):
            return add_windows(state, predictions, placements)
        count = predictions.shape[0]
        model = _array.zeros(xp, predictions.shape[1:], predictions.dtype, predictions)
        parts = flatten_channels(xp.reshape(predictions, (count, *ones, *predictions.shape[1:])), len(whole) + 1)
        lines = [_array.asarray_like(line, state.means) for line in placements.lines]
        alone = xp.broadcast_to(xp.asarray([[0.0], [1.0]], dtype=lines[0].dtype), (count, 2, 1))
        corners = xp.concat([xp.zeros((count, len(ones)), dtype=placements.start.dtype), placements.start], axis=1)
        width = math.prod(predictions.shape[axes + 1 :])
        placed = with_flat_channels(Placement(corners, (*[alone] * len(ones), *lines)), width)

        def add_window(row: Array, state: _Frontier) -> _Frontier:
            at = partial(_row_in_frontier, placed.start[row], moves[row, 0], sizes, whole[1], window[1])
            state = _with_window(state, parts, placed, row, at)
            return _with_rows_finished(
                state, placed.start[row], moves[row], window, sizes, at, partial(labels_of, model)
            )

        return _array.fori_loop(xp, count, add_window, state, unroll=1)

    options: dict[str, Any] = {"shape": shape, "number": number, "begin": begin, "add": add}
    state, model = fold_windows(function, volume, (table, steps), **options)
    if not isinstance(state, _Frontier):
        return reduce(finish_volume(finish(state), model, [], None, None))
    return xp.reshape(state.labels, state.labels.shape[len(ones) :])


def _row_in_frontier(
    corner: Array, carried: Array, sizes: FrontierSizes, rows: int, height: int, number: Any, *, on: bool = False
) -> Array:
    """Return where the rows of a plane of a window begin: in the ring of carried planes, or among the fresh ones.

    Args:
        corner: The first voxel of the window.
        carried: How many of its planes are carried.
        sizes: Of what is kept.
        rows: Rows of the volume.
        height: Rows of a window.
        number: Which plane of the window.
        on: Whether it is meant where it is carried on to.
    """
    xp = _array.array_namespace(corner)
    in_ring: Array = (corner[0] + number) % sizes.carried * rows + corner[1]
    if on:
        return in_ring
    own: Array = xp.where(number < carried, in_ring, sizes.carried * rows + (number - carried) * height)
    return own


def _with_window(state: _Frontier, parts: Array, placed: Placement, row: Array, at: Callable[..., Array]) -> _Frontier:
    """Return a frontier with the prediction of a window added, plane by plane."""
    xp, (depth, *plane) = _array.array_namespace(parts), parts.shape[1:]
    rest = [placed.start[row, axis] for axis in range(2, len(plane) + 1)]

    def add_plane(number: Array, state: _Frontier) -> _Frontier:
        corner = (at(number), *rest)
        block = _array.take_block(state.means, corner, tuple(plane))
        values = xp.reshape(_array.take_block(parts, (row, number), (1, 1)), tuple(plane))
        divisor = mean_divisor(placed.lines[0][row, 0, number], (), lines_on_plane(placed.lines[1:], row))
        return state._replace(means=_array.set_block(state.means, corner, move_toward(xp, block, values, divisor)))

    return _array.fori_loop(xp, depth, add_plane, state, unroll=1)


def _with_rows_finished(
    state: _Frontier,
    corner: Array,
    move: Array,
    window: Shape,
    sizes: FrontierSizes,
    at: Callable[..., Array],
    labels_of: Callable[[Array], Array],
) -> _Frontier:
    """Return a frontier after the last window at some rows: labels of planes that are finished, and all else moved on.

    Nothing happens after other windows, whose number of rows is 0.
    """
    xp, (depth, height, *_), row_shape = _array.array_namespace(state.means), window, state.means.shape[1:]
    carried, finished, rows = move[0], move[1], move[2]
    size = _rows_of_piece(sizes.rows, math.prod(row_shape))
    pieces = (rows + size - 1) // size

    def label(step: Array, state: _Frontier) -> _Frontier:
        # The last piece may reach into rows that later windows reach: their labels are written again, and last.
        number, row = step // pieces, xp.minimum(step % pieces * size, height - size)
        means = _array.take_block(state.means, (at(number) + row,), (size,))
        chosen = labels_of(means[None, ...])
        return state._replace(labels=_array.set_block(state.labels, (corner[0] + number, corner[1] + row), chosen))

    def carry_on(number: Array, state: _Frontier) -> _Frontier:
        # Below the rows that are ready lie others, of planes that are not finished.
        ready = xp.reshape(xp.arange(height) < rows, (height, *(1,) * len(row_shape)))
        fresh, old = (_array.take_block(state.means, (row,), (height,)) for row in (at(number), at(number, on=True)))
        return state._replace(means=_array.set_block(state.means, (at(number, on=True),), xp.where(ready, fresh, old)))

    def move_up(number: Array, state: _Frontier) -> _Frontier:
        # What follows the rows of a plane is another's, or behind the last one: it is taken for the zeros to come.
        moved = _array.take_block(state.means, (at(number) + rows,), (height,))
        kept = xp.reshape(xp.arange(height) < height - rows, (height, *(1,) * len(row_shape)))
        moved = xp.where(kept, moved, xp.zeros_like(moved))
        return state._replace(means=_array.set_block(state.means, (at(number),), moved))

    # Traced numbers of steps, as a condition would copy the state. What one loop counted is what the next one needs.
    count = finished * pieces
    done, state = _array.traced_range_loop(xp.zeros_like(count), count, label, state)
    end = xp.where(rows > 0, depth, 0) + (done - count)
    done, state = _array.traced_range_loop(xp.maximum(carried, finished), end, carry_on, state)
    return _array.traced_range_loop(carried, end, move_up, state)[1]


def _rows_of_piece(rows: int, elements: int) -> int:
    """Return in how many rows means are reduced at a time: so many that the most frequent number divides by it."""
    most = max(1, _MOST_MEANS // max(1, elements))
    return max(size for size in range(1, rows + 1) if rows % size == 0 and size <= most)
