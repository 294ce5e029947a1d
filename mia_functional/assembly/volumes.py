"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import add_placed, start
from mia_functional.assembly.jax_grid import assemble_jax_grid, is_jax_grid
from mia_functional.assembly.placement import Coverage, Placement, check_coverage, crop_to_volume, place_indices
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.voxelwise import assemble_voxels, join_planes, merge_grid, voxel_table
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Boxes, Indices
from mia_functional.indexing.margins import sides
from mia_functional.typing import Array, Index, Margin, Shape

__all__ = ["assemble", "check_arguments", "check_same_kind", "cropped_patches", "finish_volume"]


@_array.one_node
def assemble(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill_value: float | None = None,
    margin: Margin = 0,
    dtype: Any = None,
) -> Array:
    """Return the volume whose parts at `indices` are `patches` (aggregation, stitching, sliding-window inference).

    A voxel x that patches k cover gets `sum_k w_k(x) p_k(x) / sum_k w_k(x)` with `mean`, and the sum, the maximum, the
    last (in the order of `indices`) or the most frequent of the p_k(x) with the others. What a patch holds outside of
    the volume is cut off.
    Where all patches agree on a voxel, all but `total` give exactly what they agree on, with any window.

    Args:
        patches: An array `(count, *patch, ...)`, or any iterable of arrays `(*patch, ...)` of one library: the
            predictions, in the order of `indices`. Trailing axes (channels) are free, but the same for all. Voxels and
            slices of one array are added together; so are, in JAX, all patches of a grid, by one program.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote(labels)` (integer labels), or any record like them.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them; the weight
            of a voxel is the product over the axes. Only `mean` uses it.
        fill_value: Value of voxels that no patch covers; None makes such voxels an error.
        margin: Context that the patches still have, as it was given to `extract`; it is cut off.
        dtype: That of the volume; by default that of the patches.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches, of their dtype; `mean` and `total` of
        integers or booleans are float32. Sums are held in float32 at least. Besides the volume it needs memory for
        some planes of a patch; for a mean over indices that are not a grid, for one channel of weights too.

    Raises:
        TypeError: `vote` gets anything but integers, the patches are not arrays of real numbers, or of several
            libraries or dtypes.
        ValueError: A patch does not match its index or has other channels than the first, the numbers of patches and
            indices differ, there are none, voxels remain uncovered (the text states their fraction), or the dtype
            cannot hold `fill_value`.

    Example:
        >>> import numpy as np
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = check_arguments(patches, indices, shape, window, reduction)
    weights = window if reduction.weighted else uniform
    given: Any = patches  # one array or many, which the type does not tell apart
    with checks.speaking_for("assemble", "start", "add", patch="patches"):
        # Three ways, the fastest first: a table of voxels, one JAX program for a grid, patch after patch.
        has_margin = any(map(any, sides("assemble", margin, len(size))))
        table = voxel_table(indices, size) if isinstance(indices, Boxes) and not has_margin else None
        if table is not None and hasattr(given, "shape"):
            given = _array.read_region(given, (...,))  # a dataset in a file has no library to compute in
            state, counts = assemble_voxels(given, table, size, reduction)
            return finish_volume(reduction.finish(state), given, [counts], fill_value, dtype)
        if not has_margin:
            given, indices = merge_grid(given, indices)
        if not has_margin and isinstance(indices, Indices) and is_jax_grid(given, indices, size):
            volume = assemble_jax_grid(given, indices, size, weights, reduction)
            return finish_volume(volume, given, [], fill_value, dtype)
        placed, coverage = place_indices(indices, size, weights, fill_value)
        parts = cropped_patches(given, placed, size, margin)
        state = patch = None
        # Only what lies in memory anyway is joined: an iterator may make its patches one by one.
        for patch, placement in join_planes(parts) if isinstance(given, Sequence) else parts:
            state = start(patch, size, reduction=reduction) if state is None else state
            state = add_placed(state, patch, placement, reduction=reduction)
        if patch is None:
            checks.invalid_value("assemble", "patches", "hold at least one patch", "none")
        return finish_volume(reduction.finish(state), patch, coverage, fill_value, dtype)


def check_arguments(patches: Any, indices: Any, shape: Shape, window: Window, reduction: Reduction) -> Shape:
    """Return the shape of a volume; raise for kinds of arguments that would fail somewhere within."""
    check_reduction("assemble", reduction)
    checks.require_callable("assemble", "window", window, "`gaussian`")
    for argument, value, needed in (("patches", patches, "an array or arrays"), ("indices", indices, "indices")):
        if not isinstance(value, Iterable) and not hasattr(value, "shape"):
            checks.invalid_kind("assemble", argument, f"be {needed} one after the other", checks.describe(value))
    if hasattr(patches, "shape"):
        checks.require_shape("assemble", "patches", patches)
    if getattr(patches, "ndim", 1) == 0:
        checks.invalid_value("assemble", "patches", "have an axis for the patches", "a single number")
    return checks.integer_tuple("assemble", "shape", shape, minimum=1)


def cropped_patches(
    patches: Any, placed: Iterator[tuple[Index, Placement]], shape: Shape, margin: Margin
) -> Iterator[tuple[Array, Placement]]:
    """Yield the part of every patch that lies in the volume, with its placement.

    Raise unless there are as many patches as indices, all of one library and dtype.
    """
    rows = (
        (_array.read_region(patches, (k, ...)) for k in range(patches.shape[0]))
        if hasattr(patches, "shape")
        else patches
    )
    widths = sides("assemble", margin, len(shape))
    first = None
    for patch in rows:
        # Not `zip(strict=True)`, whose message does not say which of the two was shorter.
        pair = next(placed, None)
        if pair is None:
            raise ValueError("assemble: `patches` must be as many as `indices`; got fewer indices.")
        first = patch if first is None else first
        check_same_kind(first, patch)
        index, placement = pair
        yield crop_to_volume(patch, index, shape, widths), placement
    if next(placed, None) is not None:
        raise ValueError("assemble: `patches` must be as many as `indices`; got fewer patches.")


def check_same_kind(first: Array, patch: Array) -> None:
    """Raise unless a patch is of the library and dtype of the first: neither may decide what becomes of the other."""
    if patch is not first and type(patch) is type(first) and patch.dtype == first.dtype:
        return
    pair = (first, patch)
    kinds = [(_array.checked_namespace("assemble", patches=array), _array.native_dtype(array)) for array in pair]
    if kinds[0] != kinds[1]:
        needed = f"be of one library and dtype, {type(first).__name__} of {first.dtype}"
        checks.invalid_kind("assemble", "patches", needed, f"{type(patch).__name__} of {patch.dtype}")


def finish_volume(volume: Array, patch: Array, coverage: Coverage, fill_value: float | None, dtype: Any) -> Array:
    """Return the volume, the caller's own, in its final dtype and with the gaps between patches filled.

    The dtype is the one asked for, else that of patches of the volume's kind. Raise if there are gaps and no value.
    """
    xp = _array.array_namespace(volume)
    own = patch.dtype if _array.dtype_kind(patch) == _array.dtype_kind(volume) else volume.dtype
    volume = xp.astype(volume, own if dtype is None else dtype, copy=False)
    if fill_value is None:
        check_coverage(coverage)
        return volume
    _array.check_fits_dtype("assemble", "fill_value", fill_value, volume)
    if all((weights > 0).all() for weights in coverage):
        return volume

    filling = xp.astype(_array.zeros(xp, (), volume.dtype, volume) + fill_value, volume.dtype)
    if coverage[0].ndim > 1:
        return xp.where(_array.broadcast_along(xp, coverage[0] > 0, 0, volume), volume, filling)
    # Gaps of a grid are slabs: writing them needs no mask and no second volume.
    for axis, weights in enumerate(coverage):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], weights <= 0, [False]]).astype(np.int8)))
        for low, high in edges.reshape(-1, 2).tolist():
            corner = tuple(low if other == axis else 0 for other in range(volume.ndim))
            slab = xp.broadcast_to(filling, (*volume.shape[:axis], high - low, *volume.shape[axis + 1 :]))
            volume = _array.jit_call_donating(_array.set_block, volume, corner, slab)
    return volume
