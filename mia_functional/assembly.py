"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array, _check
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Shape

Window: TypeAlias = Callable[[int], Any]
"""From the size of a patch along one axis: its weights along that axis (NumPy floats, all positive)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """How overlapping predictions become one value.

    Args:
        name: For messages.
        weighted: Whether values are multiplied by the window and finally divided by the sum of the weights.
        place: `place(volume, index, patch) -> volume`, the step that brings one patch in.
    """

    name: str
    weighted: bool
    place: Callable[[Array, Any, Array], Array]


mean = Reduction(name="mean", weighted=True, place=_array.add_at)
"""The mean of all predictions of a voxel, weighted by the window."""

last = Reduction(name="last", weighted=False, place=_array.set_at)
"""The prediction that came last."""


def uniform(size: int) -> Any:
    """Weigh all voxels of a patch alike.

    Example:
        >>> uniform(3).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones(size, dtype=np.float64)


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

    A voxel x that patches k cover gets `sum_k w_k(x) p_k(x) / sum_k w_k(x)` with `mean`, and the value of the last of
    them with `last`. What a patch holds outside of the volume is cut off.

    Args:
        patches: An array `(count, *patch, ...)`, or any iterable of arrays `(*patch, ...)` of one library: the
            predictions, in the order of `indices`. Trailing axes (channels) are free, but the same for all.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean` or `last`.
        window: Weights along one axis of a patch; the weights of a voxel are the product over the axes.
        fill: Value of voxels that no patch covers; where left out, such voxels are an error.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches. `last` keeps the dtype; `mean` keeps
        floating dtypes and gives float32 for integers and booleans. Sums are held in float32 at least.

    Raises:
        ValueError: A patch does not match its index, the numbers of patches and indices differ, there are none, or
            voxels remain uncovered (the text states their fraction).

    Example:
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = _check.integers("assemble", "shape", shape, minimum=1)
    places = indices if isinstance(indices, Indices) else list(indices)
    volume = None
    kind: Any = None
    for patch, index in _pairs(patches, places):
        if volume is None:
            volume, kind = _start(patch, index, size, reduction)
        inner, part = _inner(patch, index, size)
        volume = reduction.place(
            volume, (*inner, ...), _weigh(part, index, inner, window) if reduction.weighted else part
        )
    if volume is None:
        _check.invalid_value("assemble", "patches", "hold at least one patch", "none")
    return _finish(volume, _weights(places, size, window, reduction), kind, fill, divide=reduction.weighted)


def _pairs(patches: Iterable[Array], indices: Any) -> Iterable[tuple[Array, Index]]:
    """Yield every patch with its index; refuse different numbers of them."""
    missing = object()
    steps, places = iter(patches), iter(indices)
    while True:
        patch, index = next(steps, missing), next(places, missing)
        if patch is missing and index is missing:
            return
        if patch is missing or index is missing:
            fewer = "patches" if patch is missing else "indices"
            raise ValueError(f"assemble: `patches` must be as many as `indices`; got fewer {fewer}.")
        yield patch, index  # type: ignore[misc]


def _start(patch: Array, index: Index, shape: Shape, reduction: Reduction) -> tuple[Array, Any]:
    """Return the empty volume and the dtype of the result, from the first patch."""
    xp = _array.namespace("assemble", patches=patch)
    if len(index) != len(shape):
        _check.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", len(index))
    kind = patch.dtype
    total = _array.accumulator_dtype(patch) if reduction.weighted else kind
    if reduction.weighted and _array.dtype_kind(patch) != "float":
        kind = total
    extra = patch.shape[sum(isinstance(entry, slice) for entry in index) :]
    return _array.zeros(xp, (*shape, *extra), total, patch), kind


def _inner(patch: Array, index: Index, shape: Shape) -> tuple[Index, Array]:
    """Return the part of an index that lies in the volume, and the part of the patch that belongs there."""
    expected = tuple(entry.stop - entry.start for entry in index if isinstance(entry, slice))
    if tuple(patch.shape[: len(expected)]) != expected:
        _check.invalid_value("assemble", "patches", f"match their index, {expected}", tuple(patch.shape))
    inner, cut = [], []
    for entry, size in zip(index, shape, strict=True):
        if isinstance(entry, slice):
            start, stop = max(entry.start, 0), min(entry.stop, size)
            cut.append(slice(start - entry.start, stop - entry.start))
            inner.append(slice(start, stop))
        else:
            inner.append(entry)  # type: ignore[arg-type]
    return tuple(inner), patch[(*cut, ...)]


def _weigh(part: Array, index: Index, inner: Index, window: Window) -> Array:
    """Return a patch times its window, in the dtype of the sums."""
    xp = _array.namespace("assemble", patches=part)
    result = xp.astype(part, _array.accumulator_dtype(part))
    if window is uniform:
        return result
    axis = 0
    for entry, kept in zip(index, inner, strict=True):
        if isinstance(entry, slice) and isinstance(kept, slice):
            weights = window(entry.stop - entry.start)[kept.start - entry.start : kept.stop - entry.start]
            result = result * _array.along(xp, weights, axis, result)
            axis += 1
    return result


def _weights(indices: Any, shape: Shape, window: Window, reduction: Reduction) -> list[Any]:
    """Return the sums of weights: one 1-D array per axis for a grid (their product counts), else one full array."""
    profile = window if reduction.weighted else uniform
    if isinstance(indices, Indices) and len(indices.grids) == 1:
        return [
            sum(_profile(step, size, profile) for step in axis)
            for axis, size in zip(indices.grids[0], shape, strict=True)
        ]
    total = np.zeros(shape, dtype=np.float32)
    for index in indices:
        steps = [(entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index]
        lines = [_profile(step, size, profile) for step, size in zip(steps, shape, strict=True)]
        hull = tuple(slice(int(line.nonzero()[0][0]), int(line.nonzero()[0][-1]) + 1) for line in lines)
        total[hull] += _outer([line[part] for line, part in zip(lines, hull, strict=True)])
    return [total]


def _profile(step: Any, size: int, window: Window) -> Any:
    """Return the weights that one step puts on an axis of a volume."""
    line = np.zeros(size, dtype=np.float64)
    start, stop = step if isinstance(step, tuple) else (step, step + 1)
    inside = slice(max(start, 0), min(stop, size))
    line[inside] = window(stop - start)[inside.start - start : inside.stop - start]
    return line


def _outer(lines: list[Any]) -> Any:
    """Return the product of 1-D weights over all axes."""
    result = lines[0]
    for line in lines[1:]:
        result = result[..., np.newaxis] * line
    return result


def _finish(volume: Array, weights: list[Any], kind: Any, fill: float | None, *, divide: bool) -> Array:
    """Return the volume divided by the sums of weights where it holds sums, with uncovered voxels filled or refused."""
    missing = 1.0 - math.prod(float(np.mean(part > 0)) for part in weights)
    if missing > 0 and fill is None:
        raise ValueError(f"assemble: `indices` must cover the volume, or `fill` be given; {missing:.4%} is missing.")
    xp = _array.namespace("assemble", patches=volume)
    for axis, part in enumerate(weights):
        if divide:
            volume /= _array.along(xp, np.where(part > 0, part, 1.0).astype(np.float32), axis, volume)
        if missing > 0:
            covered = _array.along(xp, part > 0, axis, volume)
            volume = xp.where(covered, volume, xp.full_like(volume, fill))
    return xp.astype(volume, kind)
