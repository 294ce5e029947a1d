"""The windows that a network slides over: where they are, how they are read, and what has to come back.

Messages speak for `sliding_window`; its siblings put their own names and arguments in.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.jax_grid import flatten_channels
from mia_functional.assembly.placement import Placement, map_columns, placed_shape, placements
from mia_functional.assembly.reductions import State
from mia_functional.assembly.windows import Window
from mia_functional.extraction import extract
from mia_functional.indexing import Indices, patches
from mia_functional.typing import Array, Shape

__all__ = [
    "WindowPlan",
    "all_batches",
    "fold_windows",
    "plan_windows",
    "predict_batches",
    "predictions_of_windows",
]


class WindowPlan(NamedTuple):
    """What a sliding window visits.

    Args:
        volume: The volume, at least as large as a patch.
        shape: Its spatial shape.
        size: That of the volume that was given.
        grid: The indices of all windows.
        table: Their placements.
        number: How many of them are a batch.
    """

    volume: Array
    shape: Shape
    size: Shape
    grid: Indices
    table: Placement
    number: int


def plan_windows(
    volume: Array, patch_shape: Shape, *, step: int | Shape | None, window: Window, batch_size: int
) -> WindowPlan:
    """Return what a sliding window visits; raise for arguments that are wrong."""
    _array.checked_namespace("sliding_window", volume=volume)
    _array.require_in_memory("sliding_window", "volume", volume)
    patch = checks.integer_tuple("sliding_window", "patch_shape", patch_shape, minimum=1)
    number = checks.integer("sliding_window", "batch_size", batch_size, minimum=1)
    # Sizes that a program of PyTorch has for any shapes are not numbers.
    size = tuple(map(int, volume.shape[: len(patch)]))
    if len(size) < len(patch):
        checks.invalid_value("sliding_window", "patch_shape", f"have at most {volume.ndim} entries", patch)
    padded = tuple(map(max, size, patch))
    stride = tuple(max(voxels // 2, 1) for voxels in patch) if step is None else step
    with checks.speaking_for("sliding_window", "patches", "placements"):
        grid = patches(padded, patch, step=stride)
        if (np.broadcast_to(stride, len(patch)) > patch).any():
            checks.invalid_value("sliding_window", "step", f"be at most the patch, {patch}", step)
        (table,) = placements(grid, padded, window=window)
    filled = extract(volume, tuple(slice(0, voxels) for voxels in padded)) if padded != size else volume
    return WindowPlan(filled, padded, size, grid, table, number)


@_array.one_node
def all_batches(volume: Array, patch_shape: Shape, **options: Any) -> list[Array]:
    """Return all batches of windows that a network gets."""
    plan = plan_windows(volume, patch_shape, **options)
    return [_read_windows(_reader(plan), windows) for windows in _windows_of_batches(plan)]


def predict_batches(network: Callable[[Array], Any], plan: WindowPlan) -> Iterator[Any]:
    """Yield what a network returns for each batch of windows.

    The next batch is read as soon as the network was called: a device that computes in its own time has it at hand
    when it is done, while what it returned is assembled. Nothing is kept of what was yielded.
    """
    read, groups = _reader(plan), _windows_of_batches(plan)
    ahead: Array | None = _read_windows(read, next(groups))
    while ahead is not None:
        outputs = [_array.call_network("sliding_window", network, ahead)]
        windows = next(groups, None)
        ahead = None if windows is None else _read_windows(read, windows)
        yield outputs.pop()


def predictions_of_windows(outputs: Iterator[Any], plan: WindowPlan) -> Iterator[Array]:
    """Yield the prediction of each window of the batches that a network returned; raise unless they match."""
    for windows in _windows_of_batches(plan):
        batch = _require_predictions(next(outputs), windows)
        for row in range(batch.shape[0]):
            yield batch[row, ...]
        del batch  # before the network makes the next one


def fold_windows(
    function: Callable[[Array], Array],
    volume: Array,
    rows: tuple[Any, ...],
    *,
    shape: Shape,
    number: int,
    begin: Callable[[Array], State],
    add: Callable[..., State],
) -> tuple[State, Array]:
    """Return the state after all windows, by one loop in JAX, and a prediction of zeros; the rest of a batch is last.

    Args:
        function: The network.
        volume: `(*shape, ...)`.
        rows: The placements of all windows, and arrays with a row for each, `(windows, ...)`.
        shape: Spatial shape of the volume.
        number: Windows of a batch.
        begin: From a prediction of zeros, `(*patch, ...)`, to the first state.
        add: `add(state, predictions, *rows)` gives the state with those of a batch.
    """
    table, count = rows[0], rows[0].start.shape[0]
    whole = count - count % number
    read = partial(_read_flat_window, flatten_channels(volume, len(shape)), volume.shape, placed_shape(table))

    def predict(windows: Placement) -> Array:
        return _require_predictions(
            _array.call_network("sliding_window", function, _read_windows(read, windows)), windows
        )

    def changed(columns: Callable[[Array], Array]) -> tuple[Any, ...]:
        return map_columns(columns, table), *map(columns, rows[1:])

    # The state of a loop has to be there before its first step: the shape of a prediction is found without computing.
    (first, *_) = changed(itemgetter(slice(0, number)))
    like = _array.eval_shape(lambda _: predict(first), volume)
    xp = _array.array_namespace(volume)
    model = _array.zeros(xp, like.shape[1:], like.dtype, volume)
    state = begin(model)
    if whole:
        batches = changed(lambda column: xp.reshape(column[:whole], (-1, number, *column.shape[1:])))
        state = _array.fold(lambda state, batch: add(state, predict(batch[0]), *batch), state, batches)
    if whole < count:
        batch = changed(itemgetter(slice(whole, None)))
        state = add(state, predict(batch[0]), *batch)
    return state, model


def _reader(plan: WindowPlan) -> Callable[[Array], Array]:
    """Return a function from the start of a window to the window."""
    return partial(_array.take_block, plan.volume, shape=placed_shape(plan.table))


def _windows_of_batches(plan: WindowPlan) -> Iterator[Placement]:
    """Yield the placements of each batch."""
    rows = (slice(low, low + plan.number) for low in range(0, len(plan.grid), plan.number))
    return (map_columns(itemgetter(row), plan.table) for row in rows)


def _read_windows(read: Callable[[Array], Array], windows: Placement) -> Array:
    """Return a batch of windows, each read from its start."""
    count = windows.start.shape[0]
    parts = [read(windows.start[row]) for row in range(count)]
    return _array.stack(parts[0], parts[1:], count)


def _require_predictions(outputs: Array, windows: Placement) -> Array:
    """Return what a network makes of some windows; raise unless it matches them."""
    if not hasattr(outputs, "shape"):
        checks.invalid_kind("sliding_window", "function", "return an array", type(outputs).__name__)
    expected = (windows.start.shape[0], *placed_shape(windows))
    if tuple(outputs.shape[: len(expected)]) != expected:
        needed = f"return predictions {expected}, channels aside"
        checks.invalid_value("sliding_window", "function", needed, tuple(outputs.shape))
    return outputs


def _read_flat_window(rows: Array, shape: Shape, patch: Shape, start: Array) -> Array:
    """Return a patch of a volume of some shape, of which the channels lie in one row with the last axis."""
    channels, last = shape[len(patch) :], len(patch) - 1
    corner = (*(start[axis] for axis in range(last)), start[last] * math.prod(channels))
    window = _array.take_block(rows, corner, (*patch[:last], patch[last] * math.prod(channels)))
    return _array.array_namespace(rows).reshape(window, (*patch, *channels))
