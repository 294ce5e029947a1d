"""A network over a whole volume, window by window."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import finish, start
from mia_functional.assembly.jax_grid import add_windows
from mia_functional.assembly.placement import Placement
from mia_functional.assembly.volumes import assemble, finish_volume
from mia_functional.assembly.window_batches import (
    WindowPlan,
    all_batches,
    fold_windows,
    plan_windows,
    predict_batches,
    predictions_of_windows,
)
from mia_functional.assembly.windows import Window, uniform
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
        batches = all_batches(volume, patch_shape, **options)
        return _assembled([function(batch) for batch in batches], volume, patch_shape, **options)
    checks.require_callable("sliding_window", "function", function, "a network")
    plan = plan_windows(volume, patch_shape, **options)
    if not _array.is_jax(volume):
        return _assemble_outputs(predict_batches(function, plan), plan, window)
    with checks.speaking_for("sliding_window", "assemble", "start", "add", patch="function", patches="function"):
        # One compiled loop: the state is updated in place, and no batch costs a call.
        run = partial(_array.jit_call_network, _assemble_gathered)
        result: Array = run(function, plan.volume, plan.table, shape=plan.shape, number=plan.number)
    return result[(*map(slice, plan.size), ...)]


@_array.one_node
def _assembled(outputs: list[Array], volume: Array, patch_shape: Shape, **options: Any) -> Array:
    """Return the volume of all that a network returned."""
    return _assemble_outputs(iter(outputs), plan_windows(volume, patch_shape, **options), options["window"])


def _assemble_outputs(outputs: Iterator[Array], plan: WindowPlan, window: Window) -> Array:
    """Return the volume of all that a network returns; raise unless it matches the windows."""
    with checks.speaking_for("sliding_window", "assemble", "start", "add", patch="function", patches="function"):
        result = assemble(predictions_of_windows(outputs, plan), plan.grid, plan.shape, window=window)
    return result[(*map(slice, plan.size), ...)]


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
    """Return the assembled predictions of all windows, by one loop in JAX."""
    options: dict[str, Any] = {
        "shape": shape,
        "number": number,
        "begin": lambda model: start(model, shape),
        "add": add_windows,
    }
    state, model = fold_windows(function, volume, (table,), **options)
    return finish_volume(finish(state), model, [], None, None)
