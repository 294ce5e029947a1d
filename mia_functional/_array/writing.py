"""New arrays beside given ones, and values written into the caller's own: in place, or by a functional update."""

import sys
from collections.abc import Iterable
from itertools import chain
from typing import Any

import array_api_compat as compat

from mia_functional._array.libraries import from_numpy, is_traced, library
from mia_functional.typing import Array


def zeros(xp: Any, shape: tuple[int, ...], dtype: Any, model: Array) -> Array:
    """Return zeros on the device of `model`."""
    return (
        xp.zeros(shape, dtype=dtype) if is_traced(model) else xp.zeros(shape, dtype=dtype, device=compat.device(model))
    )


def along(xp: Any, values: Any, axis: int, model: Array) -> Array:
    """Return NumPy `values` as an array of the library that broadcasts against `model` from `axis` on."""
    shape = (1,) * axis + values.shape + (1,) * (model.ndim - axis - values.ndim)
    return from_numpy(values.reshape(shape), xp, model)


def add_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with `values` added at `index`; the array is the caller's own and may be changed in place."""
    if compat.is_jax_array(array):
        return array.at[index].add(values)
    array[index] += values
    return array


def set_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with `values` written at `index`; the array is the caller's own and may be changed in place."""
    if compat.is_jax_array(array):
        return array.at[index].set(values)
    array[index] = values
    return array


def maximum_at(array: Array, index: Any, values: Array) -> Array:
    """Return `array` with the larger of its own and `values` at `index`; it may be changed in place."""
    return set_at(array, index, library(array).maximum(array[index], values))


def block(array: Array, start: Any, shape: tuple[int, ...]) -> Array:
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
    xp = library(first)
    if compat.is_jax_array(first):
        return xp.stack(list(parts))
    result = zeros(xp, (count, *first.shape), first.dtype, first)
    for position, part in enumerate(parts):
        result[position, ...] = part
    return result


def add_block(array: Array, start: Any, values: Array) -> Array:
    """Return `array` with `values` added to the block that begins at `start`, which may be traced.

    The array is the caller's own: it is changed in place, or for JAX inside `jit` reused by the compiler. No scatter is
    used, which is many times slower on the CPU.
    """
    shape = values.shape[: len(start)]
    if compat.is_jax_array(array):
        lax = sys.modules["jax"].lax
        place = (*start, *(0,) * (array.ndim - len(shape)))
        return lax.dynamic_update_slice(array, lax.dynamic_slice(array, place, values.shape) + values, place)
    place = tuple(slice(int(low), int(low) + size) for low, size in zip(start, shape, strict=True))
    array[(*place, ...)] += values
    return array
