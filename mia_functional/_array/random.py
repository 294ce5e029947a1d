"""Random numbers from NumPy's generators and from JAX's keys, by one set of functions.

A generator moves on with every draw. A key does not: it is split first, and each part is used once.
"""

import sys
from typing import Any

import numpy as np

from mia_functional._array.backends import snapshots
from mia_functional._array.libraries import is_jax
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Rng, Shape

__all__ = ["random_integers", "random_normal", "random_uniform", "split_rng"]


def split_rng(function: str, rng: Rng, count: int) -> list[Any]:
    """Return `count` sources of numbers that are independent of each other.

    Raises:
        TypeError: `rng` is neither a NumPy generator nor a JAX key.
    """
    if isinstance(rng, np.random.Generator):
        return [rng] * count
    if not is_jax(rng):
        checks.invalid_kind(function, "rng", "be a numpy.random.Generator or a JAX key", type(rng).__name__)
    return list(sys.modules["jax"].random.split(rng, count))


def random_uniform(rng: Rng, low: "float | HostArray", high: "float | HostArray", shape: Shape) -> Array:
    """Return uniform numbers from `low` to `high`, which broadcast against `shape`."""
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.uniform(low, high, shape))
    lowest, highest = snapshots((np.asarray(low), np.asarray(high)))
    numbers: Array = sys.modules["jax"].random.uniform(rng, shape, minval=lowest, maxval=highest)
    return numbers


def random_normal(rng: Rng, shape: Shape) -> Array:
    """Return normal numbers of mean 0 and standard deviation 1, in single precision."""
    if isinstance(rng, np.random.Generator):
        return rng.standard_normal(shape, dtype=np.float32)
    numbers: Array = sys.modules["jax"].random.normal(rng, shape, dtype=np.float32)
    return numbers


def random_integers(rng: Rng, low: "int | HostArray", high: "int | HostArray", shape: Shape) -> Array:
    """Return whole numbers from `low` to `high`, both included, which broadcast against `shape`."""
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.integers(low, np.asarray(high) + 1, shape))
    lowest, end = snapshots((np.asarray(low), np.asarray(high) + 1))
    numbers: Array = sys.modules["jax"].random.randint(rng, shape, minval=lowest, maxval=end)
    return numbers
