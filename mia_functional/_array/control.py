"""Loops and searches that become one compiled program in JAX."""

import math
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional.typing import Array


def loop(xp: Any, count: int, body: Callable[[Any, Any], Any], value: Any) -> Any:
    """Return `value` after `value = body(step, value)` for each step below `count`; one compiled loop in JAX."""
    if compat.is_jax_namespace(xp):
        return sys.modules["jax"].lax.fori_loop(0, count, body, value, unroll=min(8, count))
    for step in range(count):
        value = body(step, value)
    return value


def smallest_float(dtype: Any, reached: Callable[[Array], Array]) -> Array:
    """Return the smallest float >= 0 that satisfies a monotone condition, else inf; JAX only, exact to the bit.

    Floats that are not negative are ordered like the integers of the same bits, so halving the range of bits finds it.
    """
    jax = sys.modules["jax"]
    whole = jax.numpy.int64 if dtype == jax.numpy.float64 else jax.numpy.int32
    top = jax.lax.bitcast_convert_type(jax.numpy.asarray(math.inf, dtype=dtype), whole)

    def halve(_: Any, bounds: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bounds
        middle = low + (high - low) // 2
        enough = reached(jax.lax.bitcast_convert_type(middle, dtype))
        return jax.numpy.where(enough, low, middle + 1), jax.numpy.where(enough, middle, high)

    steps = jax.numpy.iinfo(whole).bits
    _, found = jax.lax.fori_loop(0, steps, halve, (jax.numpy.zeros_like(top), top))
    return jax.lax.bitcast_convert_type(found, dtype)


def result_like(function: Callable[[Array], Array], argument: Array) -> Any:
    """Return something with the shape and dtype of `function(argument)`; JAX finds them without computing."""
    if compat.is_jax_array(argument):
        return sys.modules["jax"].eval_shape(function, argument)
    return function(argument)
