"""Random numbers from NumPy's generators and from JAX's keys, by one set of functions.

A generator moves on with every draw; a key does not, and is split first.
"""

import sys
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Array, Shape


def split_rng(function: str, rng: Any, count: int) -> list[Any]:
    """Return `count` sources of numbers that are independent of each other.

    Raises:
        TypeError: `rng` is neither a NumPy generator nor a JAX key.
    """
    if isinstance(rng, np.random.Generator):
        return [rng] * count
    if not compat.is_jax_array(rng):
        checks.invalid_kind(function, "rng", "be a numpy.random.Generator or a JAX key", type(rng).__name__)
    return list(sys.modules["jax"].random.split(rng, count))


def random_uniform(rng: Any, low: Any, high: Any, shape: Shape) -> Array:
    """Return uniform numbers from `low` to `high`, which broadcast against `shape`."""
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.uniform(low, high, shape))
    return sys.modules["jax"].random.uniform(rng, shape, minval=np.asarray(low), maxval=np.asarray(high))


def random_normal(rng: Any, shape: Shape) -> Array:
    """Return normal numbers of mean 0 and deviation 1, in single precision."""
    if isinstance(rng, np.random.Generator):
        return rng.standard_normal(shape, dtype=np.float32)
    return sys.modules["jax"].random.normal(rng, shape, dtype=np.float32)


def random_integers(rng: Any, low: Any, high: Any, shape: Shape) -> Array:
    """Return whole numbers from `low` to `high`, both included, which broadcast against `shape`."""
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.integers(low, np.asarray(high) + 1, shape))
    return sys.modules["jax"].random.randint(rng, shape, minval=np.asarray(low), maxval=np.asarray(high) + 1)
