"""Loops over steps, planes and rows that become one compiled loop in JAX."""

import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional._array.backends import array_namespace
from mia_functional.typing import Array, Namespace


def fori_loop(xp: Namespace, count: int, body: Callable[[Any, Any], Any], value: Any, *, unroll: int = 4) -> Any:
    """Return `value` after `value = body(step, value)` for each step below `count`; one compiled loop in JAX."""
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.fori_loop(0, count, body, value, unroll=min(unroll, count))
    for step in range(count):
        value = body(step, value)
    return value


def fold(step: Callable[[Any, Any], Any], state: Any, table: Any) -> Any:
    """Return the last state of `state = step(state, row)` over the rows of a table, as one compiled loop; JAX only."""
    return sys.modules["jax"].lax.scan(lambda state, row: (step(state, row), None), state, table)[0]


SLAB = 8
"""How many planes are worked on at once on the CPU, so that they stay in its cache."""


def scan(body: Callable[[Array, Array], Array], value: Array, planes: Array, *, backwards: bool = False) -> Array:
    """Return all values of `value = body(value, plane)`, one per plane along the first axis."""
    if compat.is_jax_array(planes):

        def step(carried: Array, plane: Array) -> tuple[Array, Array]:
            following = body(carried, plane)
            return following, following

        return sys.modules["jax"].lax.scan(step, value, planes, reverse=backwards)[1]
    values = []
    positions = range(planes.shape[0])
    for position in reversed(positions) if backwards else positions:
        value = body(value, planes[position, ...])
        values.append(value)
    return array_namespace(planes).stack(values[::-1] if backwards else values)


def slice_along(array: Array, start: Any, size: int, axis: int) -> Array:
    """Return `size` entries along an axis, counted from the end, from `start` on, which may be traced."""
    if compat.is_jax_array(array):
        return sys.modules["jax"].lax.dynamic_slice_in_dim(array, start, size, axis)
    return array[(..., slice(start, start + size), *(slice(None),) * (-axis - 1))]


def map_slabs(function: Callable[[Array], Array], array: Array) -> Array:
    """Return a function of an array that treats its planes alike; a JAX program for the CPU takes few at a time."""
    if not compat.is_jax_array(array):
        return function(array)
    lax = sys.modules["jax"].lax
    return lax.platform_dependent(
        array, cpu=lambda planes: lax.map(function, planes, batch_size=SLAB), default=function
    )


def replace_if(needed: Array, replacement: Callable[[], Array], value: Array) -> Array:
    """Return `replacement()` if a condition holds, else `value`; under `vmap` too, only that is computed."""
    if not compat.is_jax_array(needed):
        return replacement() if bool(needed) else value
    jax = sys.modules["jax"]

    def replaced(_: tuple[Array, Array]) -> tuple[Array, Array]:
        return jax.numpy.zeros_like(needed), replacement()

    return jax.lax.while_loop(lambda state: state[0], replaced, (needed, value))[1]


def map_rows(function: Callable[..., Any], rows: tuple[tuple[Array, ...], ...]) -> tuple[Any, ...]:
    """Return `function(*row)` for each row of arrays of one shape; in JAX the code of the function is compiled once."""
    if len(rows) == 1 or not compat.is_jax_array(rows[0][0]):
        return tuple(function(*row) for row in rows)
    jax = sys.modules["jax"]
    columns = tuple(map(jax.numpy.stack, zip(*rows, strict=True)))
    values = jax.lax.map(lambda row: function(*row), columns)
    return tuple(jax.tree.map(lambda value, row=row: value[row], values) for row in range(len(rows)))
