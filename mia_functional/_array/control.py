"""Loops that become one compiled program in JAX."""

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional._array.libraries import is_traced
from mia_functional.typing import Array


def loop(xp: Any, count: int, body: Callable[[Any, Any], Any], value: Any, *, unroll: int = 4) -> Any:
    """Return `value` after `value = body(step, value)` for each step below `count`; one compiled loop in JAX."""
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.fori_loop(0, count, body, value, unroll=min(unroll, count))
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
        function: A function at the top of a module, or another that stays the same, so that it is compiled once.
        state: The caller's own array, not to be used afterwards.
        arguments: Arrays, or tuples of them.
    """
    if not compat.is_jax_array(state):
        return function(state, *arguments)
    traced = any(map(is_traced, (state, *arguments)))
    return _compiled(function, () if traced else (0,))(state, *arguments)


@functools.lru_cache(maxsize=256)
def _compiled(function: Callable[..., Any], donated: tuple[int, ...]) -> Callable[..., Any]:
    """Return a function compiled by JAX that may overwrite some of its arguments."""
    result: Callable[..., Any] = sys.modules["jax"].jit(function, donate_argnums=donated)
    return result


def fold(step: Callable[[Any, Any], Any], state: Any, table: Any) -> Any:
    """Return the last state of `state = step(state, row)` over the rows of a table, as one compiled loop; JAX only."""
    return sys.modules["jax"].lax.scan(lambda state, row: (step(state, row), None), state, table)[0]


def program(function: Callable[..., Any], network: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return `function(network, *arguments, **options)`, compiled; JAX only.

    The program of a network that `jax.jit` made is found again by the next call, and is dropped together with the
    network. Any other network is traced anew by every call: it may hold weights that have changed.

    Args:
        function: A function at the top of a module.
        network: What is traced as a part of it.
        arguments: Arrays, or tuples of them.
        options: Hashable keyword arguments.
    """
    jax, static = sys.modules["jax"], tuple(options.items())
    if not isinstance(network, jax.stages.Wrapped):
        return jax.jit(functools.partial(function, network, **options))(*arguments)
    if network not in PROGRAMS:
        alive = weakref.ref(network)
        PROGRAMS[network] = jax.jit(
            lambda function, options, *arguments: function(alive(), *arguments, **dict(options)), static_argnums=(0, 1)
        )
    return PROGRAMS[network](function, static, *arguments)


PROGRAMS: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Programs of functions that `jax.jit` made."""


def by_platform(cpu: Callable[..., Any], other: Callable[..., Any], *arrays: Array) -> Any:
    """Return `cpu(*arrays)` in a program for the CPU, and `other(*arrays)` in one for another device; JAX only."""
    return sys.modules["jax"].lax.platform_dependent(*arrays, cpu=cpu, default=other)
