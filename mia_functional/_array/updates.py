"""New arrays beside given ones, and blocks written into the caller's own: in place, or by a functional update."""

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, product
from typing import Any

import array_api_compat as compat

from mia_functional._array.backends import array_namespace, from_numpy, in_host_memory, is_traced, place
from mia_functional.typing import Array, Namespace

WIDE = ("complex128", "int64", "int32")
"""Types of which NumPy moves one element as fast as one of smaller types."""


CACHED = 2**16
"""Elements that `update_block` works on at a time: a plane of a patch, a fraction of a processor's cache."""


def zeros(xp: Namespace, shape: tuple[int, ...], dtype: Any, model: Array) -> Array:
    """Return zeros on the device of `model`."""
    return xp.zeros(shape, dtype=dtype, device=None if is_traced(model) else place(model, shape))


def broadcast_along(xp: Namespace, values: Any, axis: int, model: Array) -> Array:
    """Return NumPy `values` as an array of the library that broadcasts against `model` from `axis` on."""
    shape = (1,) * axis + values.shape + (1,) * (model.ndim - axis - values.ndim)
    return from_numpy(values.reshape(shape), xp, model)


def take_block(array: Array, start: Any, shape: tuple[int, ...]) -> Array:
    """Return the block of `shape` along the leading axes that begins at `start`, which may be traced."""
    if compat.is_jax_array(array):
        lax = sys.modules["jax"].lax
        rest = array.shape[len(shape) :]
        return lax.dynamic_slice(array, (*start, *(0,) * len(rest)), (*shape, *rest))
    return array[(*(slice(int(low), int(low) + size) for low, size in zip(start, shape, strict=True)), ...)]


def clamp(number: Any, high: int) -> Any:
    """Return a whole number, perhaps traced, moved into 0 and `high`."""
    if compat.is_jax_array(number):
        return sys.modules["jax"].numpy.clip(number, 0, high)
    return min(max(int(number), 0), high)


def stack(first: Array, others: Iterable[Array], count: int) -> Array:
    """Return `count` arrays of one shape, the `first` and the `others`, as one: each is written as it comes."""
    parts = chain([first], others)
    xp = array_namespace(first)
    if compat.is_jax_array(first):
        return xp.stack(list(parts))
    result = zeros(xp, (count, *first.shape), first.dtype, first)
    for position, part in enumerate(parts):
        result[position, ...] = part
    return result


def concat(parts: list[Array], axis: int) -> Array:
    """Return arrays joined along an axis; NumPy moves all channels of a voxel as one element where there is one."""
    first, xp = parts[0], array_namespace(parts[0])
    if compat.is_numpy_array(first):
        wide = next((kind for kind in WIDE if first.shape[-1] * first.itemsize % xp.dtype(kind).itemsize == 0), None)
        if wide and all(part.strides[-1] == part.itemsize for part in parts):
            return xp.concat([part.view(wide) for part in parts], axis=axis).view(first.dtype)
    return xp.concat(parts, axis=axis)


def set_block(array: Array, start: Any, values: Array) -> Array:
    """Return `array` with `values` written into the block that begins at `start`, as `update_block` does."""
    corner = (*start, *(0,) * (array.ndim - len(start)))
    if compat.is_jax_array(array):
        return sys.modules["jax"].lax.dynamic_update_slice(array, values, corner)
    array[tuple(slice(int(low), int(low) + size) for low, size in zip(corner, values.shape, strict=True))] = values
    return array


def update_block(array: Array, start: Any, function: Callable[..., Array], *operands: Array) -> Array:
    """Return `array` with the block at `start`, which may be traced, replaced by `function(block, *operands)`.

    The array is the caller's own: it is changed in place, or for JAX inside `jit` reused by the compiler. The function
    works elementwise on a copy, which it may change: on the host on that of some planes at a time, so that all it makes
    lies in rows and in the processor's cache. In JAX there is no scatter, which is many times slower on the CPU.

    Args:
        array: `(*spatial, ...)`.
        start: First voxel of the block along the leading axes; on the others it begins at 0.
        function: From the block and operands to the new block.
        operands: Arrays of the block's rank; the first has its shape, the others broadcast against it.
    """
    shape = operands[0].shape
    corner = (*start, *(0,) * (array.ndim - len(start)))
    if compat.is_jax_array(array):
        lax = sys.modules["jax"].lax
        return lax.dynamic_update_slice(array, function(lax.dynamic_slice(array, corner, shape), *operands), corner)
    target = array[tuple(slice(int(low), int(low) + size) for low, size in zip(corner, shape, strict=True))]
    if not (in_host_memory(array) and in_host_memory(operands[0])):
        target[...] = function(array_namespace(array).concat([target], axis=0), *operands)
        return array
    xp = array_namespace(array)
    for part in _parts(shape):
        block = xp.asarray(target[part], copy=True)
        target[part] = function(block, *(_broadcast_part(operand, part) for operand in operands))
    return array


def _parts(shape: tuple[int, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the parts of an array of some shape: few planes each, or where one plane is too large, few rows."""
    axes = 1 if len(shape) < 2 or math.prod(shape[1:]) <= CACHED else 2
    steps = [max(1, CACHED // max(1, math.prod(shape[axis + 1 :]))) for axis in range(axes)]
    for lows in product(*(range(0, size, step) for size, step in zip(shape, steps, strict=False))):
        ranges = zip(lows, shape, steps, strict=False)
        yield (*(slice(low, min(low + step, size)) for low, size, step in ranges), ...)


def _broadcast_part(operand: Array, part: tuple[Any, ...]) -> Array:
    """Return a part of an array that broadcasts against others: all of an axis of size 1."""
    sizes = operand.shape[: len(part) - 1]
    if math.prod(sizes) == 1:
        return operand
    return operand[(*(slice(None) if size == 1 else piece for size, piece in zip(sizes, part, strict=False)), ...)]


def update_points(array: Array, places: Array, function: Callable[[Array], Array]) -> Array:
    """Return `array` with the entries at some places, all different, replaced by `function(entries)`, at once.

    The array is the caller's own, as for `update_block`.

    Args:
        array: `(*spatial, ...)`.
        places: Integers `(count, axes)`, positions along the leading axes; they may be traced.
        function: From a copy of the entries, `(count, ...)`, to the new ones.
    """
    if compat.is_jax_array(array):
        index = tuple(places[:, axis] for axis in range(places.shape[1]))
        return array.at[index].set(function(array[index]), unique_indices=True)
    if compat.is_numpy_array(array) or compat.is_torch_array(array) or compat.is_cupy_array(array):
        index = tuple(
            from_numpy(places[:, axis].astype("int64"), array_namespace(array), array)
            for axis in range(places.shape[1])
        )
        array[index] = function(array[index])
        return array
    rows = [(*map(int, row), ...) for row in places]
    entries = function(array_namespace(array).stack([array[row] for row in rows]))
    for position, row in enumerate(rows):
        array[row] = entries[position, ...]
    return array


def broadcast_like(values: Array, model: Array) -> Array:
    """Return values that broadcast against `model` in its shape: written out where operations are not fused."""
    if compat.is_jax_array(values):
        return values
    return array_namespace(model).zeros_like(model, dtype=values.dtype) + values
