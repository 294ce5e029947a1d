"""Loops that become one compiled program in JAX."""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import array_api_compat as compat

from mia_functional.typing import Array


def loop(xp: Any, count: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """Return `value` after `value = body(step, value)` for each step below `count`; one compiled loop in JAX."""
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.fori_loop(0, count, body, value, unroll=min(4, count))
    for step in range(count):
        value = body(step, value)
    return value


def result_like(function: Callable[[Array], Array], argument: Array) -> Any:
    """Return something with the shape and dtype of `function(argument)`; JAX finds them without computing."""
    if compat.is_jax_array(argument):
        return sys.modules["jax"].eval_shape(function, argument)
    return function(argument)


def reuse(function: Callable[..., Array], state: Array, *arguments: Any) -> Array:
    """Return `function(state, *arguments)`; JAX compiles it once and gives the memory of `state` to the result.

    Args:
        function: A function at the top of a module, so that it is compiled once.
        state: The caller's own array, not to be used afterwards.
        arguments: Arrays, or tuples of them.
    """
    return _reusing(function)(state, *arguments) if compat.is_jax_array(state) else function(state, *arguments)


@cache
def _reusing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled by JAX that may overwrite its first argument."""
    result: Callable[..., Any] = sys.modules["jax"].jit(function, donate_argnums=0)
    return result


def fold(step: Callable[[Any, Any], Any], state: Any, table: Any, *, unroll: int = 1) -> Any:
    """Return the last state of `state = step(state, row)` over the rows of a table, as one compiled loop; JAX only."""
    return sys.modules["jax"].lax.scan(lambda state, row: (step(state, row), None), state, table, unroll=unroll)[0]


def program(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return `function(*arguments)`, compiled for this call; JAX only."""
    return sys.modules["jax"].jit(function)(*arguments)


def by_platform(cpu: Callable[..., Any], other: Callable[..., Any], *arrays: Array) -> Any:
    """Return `cpu(*arrays)` in a program for the CPU, and `other(*arrays)` in one for another device; JAX only."""
    return sys.modules["jax"].lax.platform_dependent(*arrays, cpu=cpu, default=other)
