"""New arrays beside given ones, and blocks written into the caller's own: in place, or by a functional update."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, product
from typing import Any

import numpy as np

from mia_functional._array.backends import device_beside, from_numpy
from mia_functional._array.dtypes import computable, index_dtype
from mia_functional._array.libraries import (
    array_namespace,
    device_of,
    is_cupy,
    is_dask,
    is_jax,
    is_numpy,
    is_torch,
    lax,
)
from mia_functional._array.tracing import in_host_memory, is_traced, is_unknown
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Namespace, Shape

__all__ = [
    "add_at",
    "block_slices",
    "broadcast_along",
    "clamp",
    "concat",
    "limit",
    "lower_at",
    "remainder",
    "require_in_memory",
    "set_block",
    "stack",
    "take_block",
    "update_block",
    "update_points",
    "widen",
    "zeros",
]

_WIDE_DTYPES = {"complex128": 16, "int64": 8, "int32": 4}
"""Types of which NumPy moves one element as fast as one of a smaller type, and their sizes in bytes."""


_PIECE_ELEMENTS = 2**16
"""Elements that `update_block` works on at a time: a plane of a patch, a fraction of a processor's cache."""


def require_in_memory(function: str, argument: str, array: Array) -> None:
    """Raise for an array of dask, which is only described so far.

    What is written into its blocks is lost without a word; and distances and ranks, which its library lacks, would take
    seconds for a hundred voxels, in thousands of steps.
    """
    if is_dask(array):
        checks.invalid_kind(function, argument, "be an array in memory; call its `compute()`", "an array of dask")


def zeros(xp: Namespace, shape: Shape, dtype: Any, model: Array) -> Array:
    """Return zeros on the device of `model`."""
    if is_torch(model):
        # Of the same level of `torch.func.vmap` as well, so that a batch can be written into them.
        tensor: Any = model
        filled: Array = tensor.new_zeros(shape, dtype=dtype)
        return filled
    return xp.zeros(shape, dtype=dtype, device=None if is_traced(model) else device_beside(model, shape))


def broadcast_along(xp: Namespace, values: HostArray, axis: int, model: Array) -> Array:
    """Return NumPy `values` as an array of the library that broadcasts against `model` from `axis` on."""
    shape = (1,) * axis + values.shape + (1,) * (model.ndim - axis - values.ndim)
    return from_numpy(values.reshape(shape), xp, model)


def clamp(position: Any, high: Any) -> Any:
    """Return a position, perhaps unknown, moved into 0 and `high`: what is below 0 never counts from the end.

    Of JAX or in a program it may be an array of positions, with a tuple of limits; these are returned in the dtype of
    positions.
    """
    if not is_jax(position) and not is_unknown(position):
        return min(max(int(position), 0), high)
    xp, wide = array_namespace(position), widen(position)
    # Unsigned numbers of 32 bits may be larger than what JAX without x64 has for positions: the limit comes first.
    limits = xp.full_like(wide, high) if type(high) is int else xp.asarray(high, dtype=wide.dtype)
    return xp.astype(xp.minimum(xp.maximum(wide, xp.zeros_like(wide)), limits), index_dtype(xp))


def limit(number: Any, size: int) -> Any:
    """Return a whole number, perhaps unknown, moved into `-size` and `size`."""
    if not is_unknown(number):
        return min(max(int(number), -size), size)
    xp = array_namespace(number)
    wide = widen(number)
    # Unsigned numbers have no `-size`.
    upper = xp.astype(xp.minimum(wide, xp.full_like(wide, size)), index_dtype(xp))
    return xp.maximum(upper, xp.full_like(upper, -size))


def remainder(number: Any, size: int) -> Any:
    """Return a whole number, perhaps unknown, modulo `size`."""
    if not is_unknown(number):
        return int(number) % size
    xp = array_namespace(number)
    wide = widen(number)
    return xp.astype(wide % xp.full_like(wide, size), index_dtype(xp))


def widen(numbers: Array) -> Array:
    """Return whole numbers of an array, of which narrow ones get the dtype of positions: uint8 ends at 255."""
    xp = array_namespace(numbers)
    # PyTorch has no arithmetic for unsigned integers but those of 8 bits.
    numbers = computable(numbers) if is_torch(numbers) else numbers
    return numbers if xp.iinfo(numbers.dtype).bits >= 32 else xp.astype(numbers, index_dtype(xp))


def stack(first: Array, others: Iterable[Array], count: int) -> Array:
    """Return `count` arrays of one shape, the `first` and the `others`, as one."""
    xp = array_namespace(first)
    if is_jax(first):
        return xp.stack([first, *others])
    # Each array is written as it comes, and may be freed: there are never all of them and the result in memory.
    stacked = zeros(xp, (count, *first.shape), first.dtype, first)
    for number, array in enumerate(chain([first], others)):
        set_block(stacked, (number,), array[None, ...])
    return stacked


def concat(arrays: list[Array], axis: int) -> Array:
    """Return arrays joined along an axis, from 0; NumPy moves all channels of a voxel as one element where it can."""
    xp, parts = array_namespace(arrays[0]), list[Any](arrays)
    if is_numpy(arrays[0]) and axis < parts[0].ndim - 1:
        voxel, dtype = parts[0].shape[-1] * parts[0].itemsize, parts[0].dtype
        wide = next((kind for kind, size in _WIDE_DTYPES.items() if voxel % size == 0), None)
        # Parts of two byte orders have to be converted on the way.
        if wide and all(part.strides[-1] == part.itemsize and part.dtype == dtype for part in parts):
            joined: Any = xp.concat([part.view(wide) for part in parts], axis=axis)
            return xp.asarray(joined.view(dtype))
    return xp.concat(parts, axis=axis)


def take_block(array: Array, start: Sequence[Any] | Array, shape: Shape) -> Array:
    """Return the block of `shape` along the leading axes that begins at `start`, which may be unknown."""
    if is_jax(array):
        return lax().dynamic_slice(array, _corner(start, array.ndim), (*shape, *array.shape[len(shape) :]))
    if _is_traced_by_torch(start):
        return array[_positions(array, start, shape)]
    return array[_slices(start, shape)]


def set_block(array: Array, start: Sequence[Any] | Array, values: Array) -> Array:
    """Return `array` with `values` written into the block that begins at `start`, as `update_block` does."""
    if is_jax(array):
        return lax().dynamic_update_slice(array, values, _corner(start, array.ndim))
    own: Any = array
    if _is_traced_by_torch(start):
        values = array_namespace(array).astype(values, array.dtype, copy=False)
        own[_positions(array, start, values.shape)] = values
    else:
        own[_slices(start, values.shape)] = values
    return array


def update_block(array: Array, start: Sequence[Any] | Array, function: Callable[..., Array], *operands: Array) -> Array:
    """Return `array` with the block at `start`, which may be traced, replaced by `function(block, *operands)`.

    The array is the caller's own: it is changed in place, or for JAX inside `jit` reused by the compiler. The function
    works elementwise on a copy, which it may change.

    Args:
        array: `(*spatial, ...)`.
        start: First voxel of the block along the leading axes; on the others it begins at 0.
        function: From the block and operands to the new block.
        operands: Arrays of the block's rank; the first has its shape, the others broadcast against it.
    """
    shape = operands[0].shape
    if is_jax(array) or _is_traced_by_torch(start):
        # Slices instead of `array.at[...]`: a scatter of windows takes XLA for the CPU eight times as long.
        return set_block(array, start, function(take_block(array, start, shape), *operands))
    xp = array_namespace(array)
    target: Any = array[_slices(start, shape)]
    if not (in_host_memory(array) and in_host_memory(operands[0])):
        # `concat` copies in all libraries, and PyTorch records gradients through it, which `asarray(copy=True)` cuts.
        target[...] = function(xp.concat([target], axis=0), *operands)
        return array
    # On the host some planes at a time: the copy and all that the function makes stay in the processor's cache.
    for piece in block_slices(shape, _PIECE_ELEMENTS):
        own = [_broadcast_piece(operand, piece) for operand in operands]
        target[piece] = function(xp.asarray(target[piece], copy=True), *own)
    return array


def update_points(array: Array, points: Array, function: Callable[[Array], Array]) -> Array:
    """Return `array` with the entries at some points, all different, replaced by `function(entries)`, at once.

    The array is the caller's own, as for `update_block`.

    Args:
        array: `(*spatial, ...)`.
        points: Integers `(count, axes)`, positions along the leading axes; they may be traced. In JAX those outside of
            the array are left out, in programs of PyTorch too.
        function: From a copy of the entries, `(count, ...)`, to the new ones.
    """
    xp = array_namespace(array)
    target: Any = array
    columns: list[Any] = [points[:, axis] for axis in range(points.shape[1])]
    if is_jax(array):
        # JAX drops what lies beyond the end, but counts what is below 0 from there: that is put far behind it.
        xp, far = sys.modules["jax"].numpy, 2**30
        wide = map(widen, columns)
        index = tuple(xp.where(column < 0, xp.maximum(column, -far) + (2 * far - 1), column) for column in wide)
        # Without `unique_indices` XLA would write one point after the other.
        updated: Array = target.at[index].set(function(target[index]), unique_indices=True)
        return updated
    if is_unknown(points):
        return _update_traced_points(array, columns, function)
    if is_numpy(array) or is_torch(array) or is_cupy(array):
        index = tuple(from_numpy(column.astype("int64"), xp, array) for column in columns)
        target[index] = function(target[index])
        return array
    # The standard has no integer arrays as indices for writing.
    rows = [(*map(int, row), ...) for row in points]
    entries = function(xp.stack([array[row] for row in rows]))
    for number, row in enumerate(rows):
        target[row] = entries[number, ...]
    return array


def _update_traced_points(array: Array, columns: Sequence[Array], function: Callable[[Array], Array]) -> Array:
    """Return what `update_points` does for points that PyTorch traces, given by their positions along each axis."""
    xp, number = array_namespace(array), math.prod(array.shape[: len(columns)])
    flat, inside = xp.zeros_like(columns[0]), xp.ones_like(columns[0], dtype=xp.bool)
    for column, size in zip(columns, array.shape, strict=False):
        flat, inside = flat * size + column, inside & (column >= 0) & (column < size)
    # Points outside share one more entry behind the others, which is cut off again.
    chosen = xp.where(inside, flat, xp.full_like(flat, number))
    rows = xp.reshape(array, (number, *array.shape[len(columns) :]))
    own: Any = xp.concat([rows, xp.zeros_like(rows[:1, ...])])
    own[chosen] = function(own[chosen])
    return xp.reshape(own[:number, ...], array.shape)


def lower_at(array: Array, positions: Array, values: Array) -> Array:
    """Return a flat array whose entries at some positions are lowered to the smallest of the values for each.

    Of NumPy or JAX; positions at the end of the array or beyond are left out by JAX.
    """
    if is_jax(array):
        entries: Any = array
        lowered: Array = entries.at[positions].min(values, mode="drop")
        return lowered
    changed: HostArray = np.array(array)
    np.minimum.at(changed, np.asarray(positions), np.asarray(values))
    return changed


def add_at(array: Array, positions: Array, values: Array) -> Array:
    """Return a flat array of integers with values added at some positions, which may be equal; of NumPy or JAX."""
    if is_jax(array):
        entries: Any = array
        total: Array = entries.at[positions].add(values, mode="drop")
        return total
    changed: HostArray = np.array(array)
    np.add.at(changed, np.asarray(positions), np.asarray(values))
    return changed


def _corner(start: Sequence[Any] | Array, ndim: int) -> tuple[Any, ...]:
    """Return the first voxel of a block for JAX, along all axes; on those that `start` does not name it is 0."""
    xp: Namespace = sys.modules["jax"].numpy
    # In one dtype, as `dynamic_slice` asks: with x64 Python's numbers have 64 bits, and those of a table may have 32.
    entries = [xp.astype(entry, index_dtype(xp)) if is_jax(entry) else int(entry) for entry in start]
    return *entries, *(0,) * (ndim - len(entries))


def _is_traced_by_torch(start: Sequence[Any] | Array) -> bool:
    """Return whether PyTorch knows where a block begins only when a program runs, or for each of a batch."""
    return any(is_torch(low) and is_unknown(low) for low in start)


def _positions(array: Array, start: Sequence[Any] | Array, shape: Shape) -> tuple[Any, ...]:
    """Return the index of the block of `shape` at `start`, which PyTorch traces: positions along the axes it names."""
    xp, axes = array_namespace(array), len(start)
    columns = []
    for axis, (low, size) in enumerate(zip(start, shape, strict=False)):
        steps = xp.arange(size, device=device_of(array)) + low
        columns.append(xp.reshape(steps, (-1, *(1,) * (axes - axis - 1))))
    return (*columns, *(slice(0, size) for size in shape[axes:]), ...)


def _slices(start: Sequence[Any] | Array, shape: Shape) -> tuple[Any, ...]:
    """Return the index of the block of `shape` at `start`; on axes that `start` does not name it begins at 0."""
    corner = (*map(int, start), *(0,) * (len(shape) - len(start)))
    return (*(slice(low, low + size) for low, size in zip(corner, shape, strict=True)), ...)


def block_slices(shape: Shape, elements: int) -> Iterator[tuple[Any, ...]]:
    """Yield the indices of blocks of an array: few planes each, or where one plane is too large, few rows."""
    axes = 1 if len(shape) < 2 or math.prod(shape[1:]) <= elements else 2
    steps = [max(1, elements // max(1, math.prod(shape[axis + 1 :]))) for axis in range(axes)]
    for lows in product(*(range(0, size, step) for size, step in zip(shape, steps, strict=False))):
        ranges = zip(lows, shape, steps, strict=False)
        yield (*(slice(low, min(low + step, size)) for low, size, step in ranges), ...)


def _broadcast_piece(operand: Array, piece: tuple[Any, ...]) -> Array:
    """Return a piece of an array that broadcasts against a block: all of an axis of size 1."""
    sizes = operand.shape[: len(piece) - 1]
    if math.prod(sizes) == 1:
        return operand
    return operand[(*(slice(None) if size == 1 else span for size, span in zip(sizes, piece, strict=False)), ...)]
