"""A network over a whole volume, window by window."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import add_placed, finish, start
from mia_functional.assembly.jax_grid import add_batch_by_planes, flatten_channels
from mia_functional.assembly.placement import Placement, map_columns, placed_shape, placements
from mia_functional.assembly.volumes import assemble, finish_volume
from mia_functional.assembly.windows import Window, uniform
from mia_functional.extraction import extract
from mia_functional.indexing import Indices, patches
from mia_functional.typing import Array, Shape

__all__ = ["sliding_window"]


def sliding_window(
    function: Callable[[Array], Array],
    volume: Array,
    patch_shape: Shape,
    *,
    step: int | Shape | None = None,
    window: Window = uniform,
    batch_size: int = 1,
) -> Array:
    """Return what a network predicts for a volume: extraction, network and assembly in one (sliding-window inference).

    The result is that of `assemble` over `patches(..., boundary=shift)`, with `mean`. In JAX it is one compiled loop.
    For a function that `jax.jit` made it is compiled once and kept as long as that function is; any other function may
    hold weights that have changed and is compiled anew by every call. Within a `jit` of your own the loop is part of
    that program. Where the patch is larger than the volume, zeros are put behind the volume and cut off again.

    Args:
        function: From a batch `(batch_size, *patch_shape, ...)` to predictions `(batch_size, *patch_shape, ...)` with
            channels of their own; the last batch may be smaller. Keras and TensorFlow get NumPy arrays, and their
            tensors become such.
        volume: `(*spatial, ...)`.
        patch_shape: Voxels of a patch along each axis.
        step: Voxels from one patch to the next, for all axes or each; half a patch by default.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them.
        batch_size: Patches that the function gets at a time.

    Returns:
        An array `(*spatial, ...)` in the library, on the device and in the dtype of the predictions; integers become
        float32.

    Raises:
        TypeError: The function does not return an array.
        ValueError: The function returns another number or shape of patches, or the step leaves gaps.

    Example:
        >>> import numpy as np
        >>> sliding_window(lambda batch: 2 * batch, np.arange(5.0), (3,)).tolist()
        [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    options: dict[str, Any] = {"step": step, "window": window, "batch_size": batch_size}
    if _array.in_bytecode():
        # The network may hold tensors that need gradients: it is a part of the program, beside two nodes of ours.
        batches = _batches(volume, patch_shape, **options)
        return _assembled([function(batch) for batch in batches], volume, patch_shape, **options)
    checks.require_callable("sliding_window", "function", function, "a network")
    plan = _plan(volume, patch_shape, **options)
    if not _array.is_jax(volume):
        read = partial(_array.take_block, plan.volume, shape=placed_shape(plan.table))
        predict = partial(_array.call_network, "sliding_window", function)
        return _assemble_outputs((predict(_read_batch(read, windows)) for windows in _groups(plan)), plan, window)
    with checks.speaking_for("sliding_window", "assemble", "start", "add", patch="function", patches="function"):
        # One compiled loop: the state is updated in place, and no batch costs a call.
        run = partial(_array.jit_call_network, _assemble_gathered)
        result: Array = run(function, plan.volume, plan.table, shape=plan.shape, number=plan.number)
    return result[(*map(slice, plan.size), ...)]


class _Plan(NamedTuple):
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


def _plan(volume: Array, patch_shape: Shape, *, step: int | Shape | None, window: Window, batch_size: int) -> _Plan:
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
    return _Plan(filled, padded, size, grid, table, number)


@_array.one_node
def _batches(volume: Array, patch_shape: Shape, **options: Any) -> list[Array]:
    """Return all batches of windows that a network gets."""
    plan = _plan(volume, patch_shape, **options)
    read = partial(_array.take_block, plan.volume, shape=placed_shape(plan.table))
    return [_read_batch(read, windows) for windows in _groups(plan)]


@_array.one_node
def _assembled(outputs: list[Array], volume: Array, patch_shape: Shape, **options: Any) -> Array:
    """Return the volume of all that a network returned."""
    return _assemble_outputs(iter(outputs), _plan(volume, patch_shape, **options), options["window"])


def _groups(plan: _Plan) -> Iterator[Placement]:
    """Yield the placements of each batch."""
    rows = (slice(low, low + plan.number) for low in range(0, len(plan.grid), plan.number))
    return (map_columns(itemgetter(row), plan.table) for row in rows)


def _assemble_outputs(outputs: Iterator[Array], plan: _Plan, window: Window) -> Array:
    """Return the volume of all that a network returns; raise unless it matches the windows."""
    with checks.speaking_for("sliding_window", "assemble", "start", "add", patch="function", patches="function"):
        checked = (_checked(batch, windows) for batch, windows in zip(outputs, _groups(plan), strict=True))
        predictions = (batch[row, ...] for batch in checked for row in range(batch.shape[0]))
        result = assemble(predictions, plan.grid, plan.shape, window=window)
    return result[(*map(slice, plan.size), ...)]


def _read_batch(read: Callable[[Array], Array], windows: Placement) -> Array:
    """Return a batch of windows, each read from its start."""
    count = windows.start.shape[0]
    parts = [read(windows.start[row]) for row in range(count)]
    return _array.stack(parts[0], parts[1:], count)


def _checked(outputs: Array, windows: Placement) -> Array:
    """Return what a network makes of some windows; raise unless it matches them."""
    if not hasattr(outputs, "shape"):
        checks.invalid_kind("sliding_window", "function", "return an array", type(outputs).__name__)
    expected = (windows.start.shape[0], *placed_shape(windows))
    if tuple(outputs.shape[: len(expected)]) != expected:
        needed = f"return predictions {expected}, channels aside"
        checks.invalid_value("sliding_window", "function", needed, tuple(outputs.shape))
    return outputs


def _assemble_gathered(
    function: Callable[[Array], Array], volume: Array, table: Placement, *, shape: Shape, number: int
) -> Array:
    """Return the assembled predictions of all windows; a volume on the explicit axes of a mesh is gathered first."""
    assembled = partial(_assemble_in_program, _array.on_own_axes(function, volume), shape=shape, number=number)
    return _array.call_gathered(
        lambda volume, start, *lines: assembled(volume, Placement(start, lines)), volume, table.start, *table.lines
    )


def _assemble_in_program(
    function: Callable[[Array], Array], volume: Array, table: Placement, *, shape: Shape, number: int
) -> Array:
    """Return the assembled predictions of all windows, by one loop in JAX; what is left of a batch comes last."""
    count = table.start.shape[0]
    whole = count - count % number
    read = partial(_read_window, flatten_channels(volume, len(shape)), volume.shape, placed_shape(table))

    def predict(windows: Placement) -> Array:
        return _checked(_array.call_network("sliding_window", function, _read_batch(read, windows)), windows)

    # The state of a loop has to be there before its first step: the shape of a prediction is found without computing.
    first = map_columns(itemgetter(slice(0, number)), table)
    like = _array.eval_shape(lambda _: predict(first), volume)
    model = _array.zeros(_array.array_namespace(volume), like.shape[1:], like.dtype, volume)
    state = start(model, shape)
    add_batch = add_placed if len(shape) == 1 else add_batch_by_planes
    if whole:
        xp = _array.array_namespace(volume)
        batches = map_columns(lambda rows: xp.reshape(rows[:whole], (-1, number, *rows.shape[1:])), table)
        state = _array.fold(lambda state, windows: add_batch(state, predict(windows), windows), state, batches)
    if whole < count:
        windows = map_columns(itemgetter(slice(whole, None)), table)
        state = add_batch(state, predict(windows), windows)
    return finish_volume(finish(state), model, [], None, None)


def _read_window(rows: Array, shape: Shape, patch: Shape, start: Array) -> Array:
    """Return a patch of a volume of some shape, of which the channels lie in one row with the last axis."""
    channels, last = shape[len(patch) :], len(patch) - 1
    corner = (*(start[axis] for axis in range(last)), start[last] * math.prod(channels))
    window = _array.take_block(rows, corner, (*patch[:last], patch[last] * math.prod(channels)))
    return _array.array_namespace(rows).reshape(window, (*patch, *channels))
