"""The labels that a network predicts for a volume, without the probabilities of the whole volume."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeAlias

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.frontier import fold_tiles
from mia_functional.assembly.jax_frontier import label_windows, steps_of_windows
from mia_functional.assembly.placement import Placement
from mia_functional.assembly.volumes import finish_volume
from mia_functional.assembly.window_batches import (
    WindowPlan,
    all_batches,
    plan_windows,
    predict_batches,
    predictions_of_windows,
)
from mia_functional.assembly.windows import Window, uniform
from mia_functional.typing import Array, Shape

__all__ = ["predict_labels"]

_Decision: TypeAlias = Callable[[Array], Array]
"""From means `(*block, ...)` of a part of the volume to what is kept of them, `(*block, ...)`."""

_MEANS_AT_A_TIME = 2**20
"""Means that are reduced at a time: what a reduction makes besides them is small, and in the cache."""


def predict_labels(
    network: Callable[[Array], Array],
    volume: Array,
    patch_shape: Shape,
    *,
    step: int | Shape | None = None,
    window: Window = uniform,
    batch_size: int = 1,
    reduce_channels: _Decision | None = None,
) -> Array:
    """Return the label of each voxel by a network in sliding windows, without a volume of probabilities (arg max).

    It is `argmax(sliding_window(network, volume, ...), axis=-1)`, the same labels to the last voxel. Means are kept of
    the voxels alone that windows still to come reach: of 384 x 384 x 256 voxels in windows of 128^3 with half overlap
    0.22 of the volume, whatever the number of classes. In general that is, of the planes, what windows overlap in,
    `(patch - step) / size`, and as many rows as two windows reach of `step` further planes; order the axes so that the
    first is long. More is kept where the last window lies on most of the one before it, and of volumes with few
    channels, as parts of less than a million means take longer than they save; in JAX all of up to 2^25 (128 MiB).
    Batches are read while a device computes the one before. In JAX it is one compiled loop, compiled as that of
    `sliding_window` is; so pass the same function again as `reduce_channels`.

    Args:
        network: From a batch `(batch_size, *patch_shape, ...)` to predictions `(batch_size, *patch_shape, ...,
            channels)`; the last batch may be smaller.
        volume: `(*spatial, ...)`.
        patch_shape: As for `sliding_window`, as are the next three.
        step: Voxels from one patch to the next.
        window: Weights along one axis of a patch.
        batch_size: Patches that the network gets at a time.
        reduce_channels: From means of any part of the volume, `(*block, ..., channels)` as `sliding_window` returns
            them, to what is kept of them, `(*block, ...)`: voxel by voxel, as parts of any size come, some of them
            twice. The position of the largest along the last axis by default, of equal ones the first.

    Returns:
        An array `(*spatial, ...)` in the library and on the device of the predictions: labels of uint8 for up to 256
        channels and int32 for more, or what `reduce_channels` returns, of any dtype. Labels have no derivative; in JAX
        what `reduce_channels` returns has none backwards where not all means are kept.

    Raises:
        TypeError: The network or `reduce_channels` does not return an array.
        ValueError: As for `sliding_window`; the predictions have no channels, or `reduce_channels` returns another
            number of voxels.

    Example:
        >>> import numpy as np
        >>> two_classes = lambda batch: np.stack([batch, 3 - batch], axis=-1)
        >>> predict_labels(two_classes, np.arange(5.0), (3,)).tolist()
        [1, 1, 0, 0, 0]
        >>> likely = lambda means: means[..., 1] > 0.5
        >>> predict_labels(two_classes, np.arange(5.0), (3,), reduce_channels=likely).tolist()
        [True, True, True, False, False]
    """
    options: dict[str, Any] = {"step": step, "window": window, "batch_size": batch_size}
    if _array.in_bytecode():
        batches = all_batches(volume, patch_shape, **options)
        return _labels_at_once([network(batch) for batch in batches], volume, patch_shape, reduce_channels, **options)
    checks.require_callable("predict_labels", "network", network, "a network")
    if reduce_channels is not None:
        checks.require_callable("predict_labels", "reduce_channels", reduce_channels, "an arg max")
    with _speaking():
        plan = plan_windows(volume, patch_shape, **options)
        if not _array.is_jax(volume):
            return _labels_of_outputs(predict_batches(network, plan), plan, reduce_channels)
        steps, sizes = steps_of_windows(plan.table)
        run = partial(_array.jit_call_network, _label_gathered)
        constants: dict[str, Any] = {
            "shape": plan.shape,
            "number": plan.number,
            "sizes": sizes,
            "reduce_channels": reduce_channels,
        }
        labels: Array = run(network, plan.volume, plan.table, steps, **constants)
    return labels[(*map(slice, plan.size), ...)]


def _speaking() -> Any:
    """Return a context in which errors name this function and its arguments."""
    words = {"function": "network", "patch": "network", "patches": "network"}
    return checks.speaking_for("predict_labels", "sliding_window", "assemble", "start", "add", **words)


@_array.one_node
def _labels_at_once(
    outputs: list[Array], volume: Array, patch_shape: Shape, reduce_channels: _Decision | None, **options: Any
) -> Array:
    """Return the labels of all that a network returned."""
    with _speaking():
        return _labels_of_outputs(iter(outputs), plan_windows(volume, patch_shape, **options), reduce_channels)


def _labels_of_outputs(outputs: Iterator[Any], plan: WindowPlan, reduce_channels: _Decision | None) -> Array:
    """Return the labels of all that a network returns, batch by batch."""
    predictions = predictions_of_windows(outputs, plan)
    if reduce_channels is None:
        # PyTorch would keep all that it computed for derivatives, which labels do not have.
        predictions = map(_array.without_derivative, predictions)
    write = partial(_write_labels, shape=plan.shape, reduce_channels=reduce_channels)
    labels: Array = fold_tiles(write, predictions, plan.table, plan.shape)
    return labels[(*map(slice, plan.size), ...)]


def _write_labels(
    labels: Array | None,
    corner: tuple[int, ...],
    means: Array,
    like: Array,
    *,
    shape: Shape,
    reduce_channels: _Decision | None,
) -> Array | None:
    """Return the labels of the volume with those of a tile, which begins at `corner`, some planes at a time."""
    planes = max(1, _MEANS_AT_A_TIME // max(1, math.prod(means.shape[1:])))
    for low in range(0, means.shape[0], planes):
        block = finish_volume(means[low : min(low + planes, means.shape[0]), ...], like, [], None, None)
        chosen = _decide(block, axes=len(shape), reduce_channels=reduce_channels)
        if labels is None:
            xp = _array.array_namespace(chosen)
            labels = _array.zeros(xp, (*shape, *chosen.shape[len(shape) :]), chosen.dtype, chosen)
        labels = _array.jit_call_donating(_array.set_block, labels, (corner[0] + low, *corner[1:]), chosen)
    return labels


def _label_gathered(
    network: Callable[[Array], Array],
    volume: Array,
    table: Placement,
    steps: Array,
    *,
    reduce_channels: _Decision | None,
    shape: Shape,
    **options: Any,
) -> Array:
    """Return the labels of all windows; a volume on the explicit axes of a mesh is gathered first."""
    decide = partial(_decide, axes=len(shape), reduce_channels=reduce_channels)
    own = _array.on_own_axes(network, volume)
    return _array.call_gathered(
        lambda volume, steps, start, *lines: label_windows(
            own, volume, Placement(start, lines), steps, shape=shape, reduce=decide, **options
        ),
        *(volume, steps, table.start, *table.lines),
    )


def _decide(block: Array, *, axes: int, reduce_channels: _Decision | None) -> Array:
    """Return what is kept of the means of a block, by default the position of the largest; raise if it does not fit."""
    if reduce_channels is None:
        if block.ndim == axes:
            needed = "return predictions with channels, to choose one of them, where no `reduce_channels` is given"
            checks.invalid_value("predict_labels", "network", needed, "one number for each voxel")
        xp = _array.array_namespace(block)
        return xp.astype(_array.largest_position(block), xp.uint8 if block.shape[-1] <= 256 else xp.int32)
    chosen = reduce_channels(block)
    if not checks.has_shape(chosen):
        needed = "return an array of the library of the predictions"
        checks.invalid_kind("predict_labels", "reduce_channels", needed, type(chosen).__name__)
    voxels = tuple(block.shape[:axes])
    if tuple(chosen.shape[:axes]) != voxels:
        needed = f"return something for each of {voxels} voxels of a block {tuple(block.shape)}"
        checks.invalid_value("predict_labels", "reduce_channels", needed, tuple(chosen.shape))
    return chosen
