"""A network over a whole volume, window by window."""

import math
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import add, finish, start
from mia_functional.assembly.jax_grid import add_batch, in_rows
from mia_functional.assembly.placement import Placement, each_column, extent, placements
from mia_functional.assembly.volumes import typed
from mia_functional.assembly.windows import Window, uniform
from mia_functional.extraction import extract
from mia_functional.indexing import patches
from mia_functional.typing import Array, Shape


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
            channels of their own; the last batch may be smaller.
        volume: `(*spatial, ...)`.
        patch_shape: Voxels of a patch along each axis.
        step: Voxels from one patch to the next, for all axes or each; half a patch where left out.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them.
        batch_size: Patches that the function gets at a time.

    Returns:
        An array `(*spatial, ...)` in the library, on the device and in the dtype of the predictions; integers become
        float32.

    Raises:
        TypeError: The function returns no array.
        ValueError: The function returns another number or shape of patches, or the step leaves gaps.

    Example:
        >>> import numpy as np
        >>> sliding_window(lambda batch: 2 * batch, np.arange(5.0), (3,)).tolist()
        [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    _array.checked_namespace("sliding_window", volume=volume)
    patch = checks.integer_tuple("sliding_window", "patch_shape", patch_shape, minimum=1)
    number = checks.integer("sliding_window", "batch_size", batch_size, minimum=1)
    size = tuple(volume.shape[: len(patch)])
    if len(size) < len(patch):
        checks.invalid_value("sliding_window", "patch_shape", f"have at most {volume.ndim} entries", patch)
    padded = tuple(map(max, size, patch))
    checks.require_callable("sliding_window", "function", function, "a network")
    stride = tuple(max(voxels // 2, 1) for voxels in patch) if step is None else step
    grid = patches(padded, patch, step=stride)
    if any(part > voxels for part, voxels in zip(np.broadcast_to(stride, len(patch)), patch, strict=True)):
        checks.invalid_value("sliding_window", "step", f"be at most the patch, {patch}", step)
    (places,) = placements(grid, padded, window=window)
    whole = extract(volume, tuple(slice(0, voxels) for voxels in padded)) if padded != size else volume
    run = partial(_array.jit_call_network, _scanned) if _array.is_jax(volume) else _looped
    return run(function, whole, places, shape=padded, number=number)[(*map(slice, size), ...)]


def _predictions(function: Callable[[Array], Array], read: Callable[[Any], Array], windows: Placement) -> Array:
    """Return the predictions of some windows, each read from its start; refuse those that do not match them."""
    patch, count = extent(windows), windows.start.shape[0]
    parts = [read(windows.start[row]) for row in range(count)]
    outputs = function(_array.stack(parts[0], parts[1:], count))
    expected = (count, *patch)
    if not hasattr(outputs, "shape"):
        checks.invalid_kind("sliding_window", "function", "return an array", type(outputs).__name__)
    if tuple(outputs.shape[: len(expected)]) != expected:
        needed = f"return predictions {expected}, channels aside"
        checks.invalid_value("sliding_window", "function", needed, tuple(outputs.shape))
    return outputs


def _looped(
    function: Callable[[Array], Array], volume: Array, places: Placement, *, shape: Shape, number: int
) -> Array:
    """Return the assembled predictions of all windows, batch by batch."""
    state: Any = None
    outputs: Any = None
    read = partial(_array.take_block, volume, shape=extent(places))
    for low in range(0, len(places.start), number):
        rows = each_column(places, itemgetter(slice(low, low + number)))
        outputs = _predictions(function, read, rows)
        state = start(outputs[0, ...], shape) if state is None else state
        state = add(state, outputs, rows)
    return typed(finish(state), outputs, None)


def _scanned(
    function: Callable[[Array], Array], volume: Array, places: Placement, *, shape: Shape, number: int
) -> Array:
    """Return the assembled predictions of all windows, by one loop in JAX; what is left of a batch comes last."""
    count = places.start.shape[0]
    whole = count - count % number
    rows = in_rows(volume, len(shape))
    predict = partial(_predictions, function, partial(_read, rows, volume.shape, extent(places)))

    def bring(state: Array, batch: Placement) -> Array:
        return (add if len(shape) == 1 else add_batch)(state, predict(batch), batch)

    some = each_column(places, itemgetter(slice(0, number)))
    like = _array.eval_shape(lambda _: predict(some), volume)
    model = _array.zeros(_array.array_namespace(volume), like.shape[1:], like.dtype, volume)
    state = start(model, shape)
    if whole:
        batches = each_column(places, lambda column: column[:whole].reshape(-1, number, *column.shape[1:]))
        state = _array.fold(bring, state, batches)
    if whole < count:
        state = bring(state, each_column(places, itemgetter(slice(whole, None))))
    return typed(finish(state), model, None)


def _read(rows: Array, shape: Shape, patch: Shape, start: Array) -> Array:
    """Return a patch of a volume of some shape, of which the channels lie in one row with the last axis."""
    axes = len(patch)
    width, last = math.prod(shape[axes:]), axes - 1
    corner = (*(start[axis] for axis in range(last)), start[last] * width)
    part = _array.take_block(rows, corner, (*patch[:last], patch[last] * width))
    return _array.array_namespace(rows).reshape(part, (*patch, *shape[axes:]))
