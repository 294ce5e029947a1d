"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mia_functional import _array, _check
from mia_functional.assembly.reductions import Reduction, mean, sums
from mia_functional.assembly.windows import Window, divide, outer, uniform, weight_sums
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Shape


def assemble(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill: float | None = None,
) -> Array:
    """Return the volume whose parts at `indices` are `patches`.

    A voxel x that patches k cover gets `sum_k w_k(x) p_k(x) / sum_k w_k(x)` with `mean`, and the sum, the maximum, the
    last or the most frequent of the p_k(x) with the others. What a patch holds outside of the volume is cut off.

    Args:
        patches: An array `(count, *patch, ...)`, or any iterable of arrays `(*patch, ...)` of one library: the
            predictions, in the order of `indices`. Trailing axes (channels) are free, but the same for all.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote` (integer labels), or any record like them.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them; the weight
            of a voxel is the product over the axes. Only `mean` uses it.
        fill: Value of voxels that no patch covers; where left out, such voxels are an error.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches, of their dtype; `mean` and `total` of
        integers or booleans are float32. Sums are held in float32 at least.

    Raises:
        TypeError: `vote` gets anything but concrete integers.
        ValueError: A patch does not match its index, the numbers of patches and indices differ, there are none, or
            voxels remain uncovered (the text states their fraction).

    Example:
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = _check.integers("assemble", "shape", shape, minimum=1)
    places = indices if isinstance(indices, Indices) else list(indices)
    profile = window if reduction.weighted else uniform
    state: Any = None
    kind: Any = None
    for patch, index in _pairs(patches, places):
        if state is None:
            state, kind = _start(patch, index, size, reduction)
        inner, part = _inner(patch, index, size)
        state = reduction.add(state, (*inner, ...), _weigh(part, index, inner, profile))
    if state is None:
        _check.invalid_value("assemble", "patches", "hold at least one patch", "none")
    weights = weight_sums(places, size, window=profile)
    volume = reduction.finish(state)
    if reduction.weighted:
        volume = divide(volume, weights)
    return _array.library(volume).astype(_covered(volume, weights, fill), kind)


def _pairs(patches: Iterable[Array], indices: Any) -> Iterator[tuple[Array, Index]]:
    """Yield every patch with its index; refuse different numbers of them."""
    places = iter(indices)
    for patch in patches:
        index = next(places, None)
        if index is None:
            raise ValueError("assemble: `patches` must be as many as `indices`; got fewer indices.")
        yield patch, index
    if next(places, None) is not None:
        raise ValueError("assemble: `patches` must be as many as `indices`; got fewer patches.")


def _start(patch: Array, index: Index, shape: Shape, reduction: Reduction) -> tuple[Any, Any]:
    """Return the first state of a reduction and the dtype of the result, from the first patch."""
    _array.namespace("assemble", patches=patch)
    if len(index) != len(shape):
        _check.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", len(index))
    extra = patch.shape[sum(isinstance(entry, slice) for entry in index) :]
    promoted = reduction.start is sums and _array.dtype_kind(patch) != "float"
    kind = _array.accumulator_dtype(patch) if promoted else patch.dtype
    return reduction.start(patch, (*shape, *extra)), kind


def _inner(patch: Array, index: Index, shape: Shape) -> tuple[Index, Array]:
    """Return the part of an index that lies in the volume, and the part of the patch that belongs there."""
    expected = tuple(entry.stop - entry.start for entry in index if isinstance(entry, slice))
    if tuple(patch.shape[: len(expected)]) != expected:
        _check.invalid_value("assemble", "patches", f"match their index, {expected}", tuple(patch.shape))
    inner: list[int | slice] = []
    cut = []
    for entry, size in zip(index, shape, strict=True):
        if isinstance(entry, slice):
            start, stop = max(entry.start, 0), min(entry.stop, size)
            cut.append(slice(start - entry.start, stop - entry.start))
            inner.append(slice(start, stop))
        else:
            inner.append(entry)
    return tuple(inner), patch[(*cut, ...)]


def _weigh(part: Array, index: Index, inner: Index, window: Window) -> Array:
    """Return a patch times its window, in the dtype of the sums; with the uniform window, as it is."""
    if window is uniform:
        return part
    result = _array.library(part).astype(part, _array.accumulator_dtype(part))
    spans = [(e, k) for e, k in zip(index, inner, strict=True) if isinstance(e, slice) and isinstance(k, slice)]
    lines = [window(e.stop - e.start)[k.start - e.start : k.stop - e.start] for e, k in spans]
    return result * _array.along(_array.library(result), outer(lines).astype(np.float32), 0, result)


def _covered(volume: Array, weights: list[Any], fill: float | None) -> Array:
    """Return the volume with uncovered voxels filled; refuse it where they are not to be."""
    missing = 1.0 - math.prod(float(np.mean(part > 0)) for part in weights)
    if missing <= 0:
        return volume
    if fill is None:
        raise ValueError(f"assemble: `indices` must cover the volume, or `fill` be given; {missing:.4%} is missing.")
    xp = _array.library(volume)
    for axis, part in enumerate(weights):
        volume = xp.where(_array.along(xp, part > 0, axis, volume), volume, xp.full_like(volume, fill))
    return volume
