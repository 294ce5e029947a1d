"""Quotients, powers, roots and limits whose derivatives are numbers everywhere, and the same in all libraries.

Where a function has none, as at a limit or where it is undefined, libraries give different ones: halves, ones, or an
infinity, which times the 0 of what is not chosen behind it is NaN, and spoils all that is computed before.
"""

import functools
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mia_functional._array.backends import to_numpy
from mia_functional._array.libraries import array_namespace, is_cupy, is_jax, is_numpy, is_torch, lax
from mia_functional.typing import Array

__all__ = [
    "absolute",
    "clip_rounding",
    "clip_to",
    "hypot",
    "power",
    "ratio",
    "root",
    "weighted_sum_of",
    "without_derivative",
]


def ratio(numerator: Array, denominator: Array, *, zero_division: float = math.nan) -> Array:
    """Return numerator / denominator, and `zero_division` where the denominator is zero.

    Args:
        numerator: Floating array or scalar array.
        denominator: Floating array of the same shape.
        zero_division: The value for an undefined quotient.
    """
    xp = array_namespace(denominator)
    if is_numpy(denominator):
        # With `where=` nothing is divided by zero, so that there is no warning to silence.
        undefined = xp.full_like(denominator, zero_division, dtype=xp.result_type(numerator, denominator))
        return xp.divide(numerator, denominator, out=undefined, where=denominator != 0)
    undefined = denominator == 0
    # The divisor is replaced too: the gradient of a quotient that is not chosen would be 0 times infinity, NaN.
    safe = xp.where(undefined, xp.ones_like(denominator), denominator)
    # A number, not an array of it: `jax.debug_nans` objects to those of NaN.
    return xp.where(undefined, zero_division, numerator / safe)


def power(base: Array, exponent: Array) -> Array:
    """Return the power of numbers from 0 on; its gradient at 0, infinite for exponents below 1, is taken for 0.

    Args:
        base: Floats, not negative, or NaN.
        exponent: Positive floats that broadcast against them.
    """
    if is_numpy(base):
        return base**exponent
    # Infinity times 0, the gradient of what comes before, would be NaN: so the base is replaced, too.
    xp, zero = array_namespace(base), base == 0
    powers: Array = xp.where(zero, xp.ones_like(base), base) ** exponent
    return xp.where(zero, xp.zeros_like(powers), powers)


def root(array: Array) -> Array:
    """Return the square root, whose gradient at 0 is 0 and not infinite."""
    if is_numpy(array):
        return np.sqrt(to_numpy(array))
    xp = array_namespace(array)
    # Infinity times 0, the gradient of what is not chosen behind it, would be NaN: so the argument is replaced too.
    zero = array == 0
    return xp.where(zero, xp.zeros_like(array), xp.sqrt(xp.where(zero, xp.ones_like(array), array)))


def hypot(one: Array, other: Array) -> Array:
    """Return the root of the sum of two squares, whose gradient at 0 is 0; JAX has a half of it there, PyTorch NaN."""
    xp = array_namespace(one, other)
    if is_numpy(one):
        return xp.hypot(one, other)
    if is_jax(one):
        return _jax_hypot()(one, other)
    zero = (one == 0) & (other == 0)
    return xp.where(zero, xp.zeros_like(one), xp.hypot(xp.where(zero, xp.ones_like(one), one), other))


@functools.cache
def _jax_hypot() -> Callable[[Array, Array], Array]:
    """Return `hypot` for arrays of JAX, whose own derivative has the square of the length in it, which may vanish."""
    jax = sys.modules["jax"]
    length: Any = jax.custom_jvp(jax.numpy.hypot)

    def derive(sides: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
        found = length(*sides)
        divisor = jax.numpy.where(found == 0, jax.numpy.ones_like(found), found)
        return found, sides[0] / divisor * tangents[0] + sides[1] / divisor * tangents[1]

    length.defjvp(derive)
    found: Callable[[Array, Array], Array] = length
    return found


def absolute(array: Array) -> Array:
    """Return absolute values, whose derivative at 0 is 0; JAX has 1 there."""
    xp = array_namespace(array)
    return array * xp.sign(array) if is_jax(array) else xp.abs(array)


def clip_to(array: Array, low: float, high: float) -> Array:
    """Return numbers moved into `low` and `high`, at which the derivative is 1, that inside; NaN stays."""
    xp = array_namespace(array)
    if is_jax(array):
        # Its own clip halves the derivative at a limit.
        return xp.where(array < low, low, xp.where(array > high, high, array))
    if is_torch(array):
        # The compatibility layer asks limits whether they are NaN, which sizes that vary in `torch.compile` cannot say.
        tensor: Any = array
        clamped: Array = tensor.clamp(low, high)
        return clamped
    # The compatibility layer (1.16) chooses entries by masks for CuPy, and each of them waits for the GPU.
    return xp.minimum(xp.maximum(array, low), high) if is_cupy(array) else xp.clip(array, low, high)


def without_derivative(array: Array) -> Array:
    """Return an array as a constant: nothing is differentiated through it."""
    source: Any = array
    if is_jax(array):
        constant: Array = lax().stop_gradient(source)
        return constant
    return source.detach() if is_torch(array) else array


def weighted_sum_of(weights: Iterable[Array], arrays: Iterable[Array]) -> Array:
    """Return the sum of arrays, each times a single number of the same library."""
    pairs = zip(weights, arrays, strict=True)
    weight, array = next(pairs)
    total = weight * array
    for weight, array in pairs:
        # One pass of PyTorch through memory. Its convolutions round to ten bits of a mantissa on GPUs (2.13, TF32).
        total = sys.modules["torch"].addcmul(total, weight, array) if is_torch(array) else total + weight * array
    return total


def clip_rounding(array: Array, low: float, high: float) -> Array:
    """Return numbers that only rounding leads beyond limits within these; derivatives are those without limits.

    Correlations of equal masks lie at a limit, and rounding would decide on whether they have a derivative.
    """
    change = without_derivative(clip_to(array, low, high) - array)
    # To the last bit a number plus what it lacks to a limit is that limit, as the two are close.
    numbers: Array = array + change
    return numbers
