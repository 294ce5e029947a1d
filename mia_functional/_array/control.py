"""Loops that become one compiled program in JAX."""

import sys
from collections.abc import Callable
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
