"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.incremental import added, start
from mia_functional.assembly.jax_grid import is_stacked, of_stacked
from mia_functional.assembly.placement import PATCHES, fit, refuse_gaps, walk
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.voxelwise import joined, of_table, table_of, thickened
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Boxes, sides
from mia_functional.typing import Array, Index, Margin, Shape


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
            slices of one array are brought in together; so are, in JAX, all patches of a grid, by one program.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote(labels)` (integer labels), or any record like them.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them; the weight
            of a voxel is the product over the axes. Only `mean` uses it.
        fill_value: Value of voxels that no patch covers; where left out, such voxels are an error.
        margin: Context that the patches still have, as it was given to `extract`; it is cut off.
        dtype: That of the volume; where left out, the one of the patches.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches, of their dtype; `mean` and `total` of
        integers or booleans are float32. Sums are held in float32 at least. Besides the volume it needs memory for
        some planes of a patch; for a mean over indices that are no grid, for one channel of weights too.

    Raises:
        TypeError: `vote` gets anything but integers, the patches are no arrays of real numbers, or of several libraries
            or dtypes.
        ValueError: A patch does not match its index or has other channels than the first, the numbers of patches and
            indices differ, there are none, voxels remain uncovered (the text states their fraction), or the dtype
            cannot hold `fill_value`.

    Example:
        >>> import numpy as np
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = checked_request("assemble", patches, indices, shape, window, reduction)
    table = table_of("assemble", indices, size) if isinstance(indices, Boxes) and hasattr(patches, "shape") else None
    if table is not None and margin == 0:
        state, seen = of_table("assemble", patches, table, size, reduction)
        return filled("assemble", typed(reduction.finish(state), patches, dtype), [seen], fill_value)
    patches, indices = joined(patches, indices, margin)
    weights = window if reduction.weighted else uniform
    if margin == 0 and is_stacked(patches, indices, size):
        volume = of_stacked(patches, indices, size, weights, reduction)
        return filled("assemble", typed(volume, patches, dtype), [], fill_value)
    walked, covered = walk("assemble", indices, size, weights, fill_value)
    state = part = None
    widths = sides("assemble", margin, len(size))
    fitted = (
        (fit("assemble", patch, index, size, widths), place)
        for patch, (index, place) in paired("assemble", patches, walked)
    )
    for part, place in thickened(fitted) if isinstance(patches, Sequence) else fitted:
        state = start(part, size, reduction=reduction) if state is None else state
        state = added("assemble", state, part, place, reduction)
    if state is None:
        checks.invalid_value("assemble", "patches", "hold at least one patch", "none")
    return filled("assemble", typed(reduction.finish(state), part, dtype), covered, fill_value)


def checked_request(
    function: str, patches: Any, indices: Any, shape: Shape, window: Window, reduction: Reduction
) -> Shape:
    """Return the shape of a volume; refuse kinds of arguments that would fail somewhere within."""
    check_reduction(function, reduction)
    checks.require_callable(function, "window", window, "`gaussian`")
    for argument, value, needed in (("patches", patches, "an array or arrays"), ("indices", indices, "indices")):
        if not isinstance(value, Iterable) and not hasattr(value, "shape"):
            checks.invalid_kind(function, argument, f"be {needed} one after the other", checks.describe(value))
    if getattr(patches, "ndim", 1) == 0:
        checks.invalid_value(function, "patches", "have an axis for the patches", "a single number")
    return checks.integer_tuple(function, "shape", shape, minimum=1)


def paired(function: str, patches: Any, walked: Iterator[Any]) -> Iterator[tuple[Array, Any]]:
    """Yield every patch with what belongs to it; refuse different numbers of them, and other libraries and dtypes."""
    rows = (patches[k, ...] for k in range(patches.shape[0])) if hasattr(patches, "shape") else patches
    first = None
    for patch in rows:
        place = next(walked, None)
        if place is None:
            raise ValueError(f"{function}: `patches` must be as many as `indices`; got fewer indices.")
        first = patch if first is None else first
        alike(function, first, patch)
        yield patch, place
    if next(walked, None) is not None:
        raise ValueError(f"{function}: `patches` must be as many as `indices`; got fewer patches.")


def alike(function: str, first: Array, patch: Array) -> None:
    """Refuse a patch of another library or dtype than the first: neither must decide what becomes of the other."""
    if patch is not first and type(patch) is type(first) and patch.dtype == first.dtype:
        return
    argument = PATCHES.get(function, "patches")
    kinds = [(_array.checked_namespace(function, **{argument: array}), array.dtype) for array in (first, patch)]
    if kinds[0] != kinds[1]:
        needed = f"be of one library and dtype, {type(first).__name__} of {first.dtype}"
        checks.invalid_kind(function, argument, needed, f"{type(patch).__name__} of {patch.dtype}")


def filled(function: str, volume: Array, covered: list[Any], fill_value: float | None) -> Array:
    """Return the volume, the caller's own, with uncovered voxels filled; refuse it where they are not to be."""
    if fill_value is None:
        refuse_gaps(function, covered)
        return volume
    _array.check_fits_dtype(function, "fill_value", fill_value, volume)
    if all((part > 0).all() for part in covered):
        return volume
    xp = _array.array_namespace(volume)
    if covered[0].ndim > 1:
        return xp.where(_array.broadcast_along(xp, covered[0] > 0, 0, volume), volume, _of(fill_value, (), volume))
    for axis, part in enumerate(covered):
        for low, high in _gaps(part):
            shape = (*volume.shape[:axis], high - low, *volume.shape[axis + 1 :])
            corner = tuple(low if place == axis else 0 for place in range(volume.ndim))
            volume = _array.jit_call_donating(_array.set_block, volume, corner, _of(fill_value, shape, volume))
    return volume


def _of(value: float, shape: Shape, model: Array) -> Array:
    """Return an array of one value beside a model, in its dtype."""
    xp = _array.array_namespace(model)
    return xp.astype(_array.zeros(xp, shape, model.dtype, model) + value, model.dtype)


def _gaps(weights: Any) -> list[tuple[int, int]]:
    """Return the ranges of an axis without weight.

    Example:
        >>> _gaps(np.array([0, 0, 1, 0]))
        [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], weights <= 0, [False]]).astype(np.int8)))
    return [(int(low), int(high)) for low, high in edges.reshape(-1, 2)]


def typed(volume: Array, patch: Array, dtype: Any) -> Array:
    """Return a volume in the dtype asked for, else in that of patches of its kind, else as it is."""
    own = patch.dtype if _array.dtype_kind(patch) == _array.dtype_kind(volume) else volume.dtype
    return _array.array_namespace(volume).astype(volume, own if dtype is None else dtype, copy=False)
