"""Random numbers from NumPy's generators and from JAX's keys, by one set of functions.

A generator moves on with every draw. A key does not: it is split first, and each part is used once.
"""

import math
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from mia_functional._array.backends import asarray_like, snapshots
from mia_functional._array.host_blocks import run_in_threads
from mia_functional._array.libraries import is_jax
from mia_functional._core import checks
from mia_functional.typing import Array, HostArray, Rng, Shape

__all__ = ["random_integers", "random_normal", "random_uniform", "split_rng"]

_CHUNKED_FROM = 2**16
"""Numbers from which normal ones are drawn in chunks."""

_CHUNK_NUMBERS = 2**17
"""Normal numbers of one generator: it takes as long to seed as a thousand numbers."""

_PAIRS = 2**14
"""Pairs of normal numbers that are made at a time, all in the second-level cache."""

_TURN = np.float32(2 * np.pi / 2**32)
"""What a random number of 32 bits is multiplied by to give an angle."""


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
    # Of all axes, as JAX itself promotes ranks, which `numpy_rank_promotion="raise"` forbids (0.10).
    lowest, highest = snapshots(tuple(np.broadcast_to(limit, shape) for limit in (low, high)))
    numbers: Array = sys.modules["jax"].random.uniform(rng, shape, minval=lowest, maxval=highest)
    return numbers


def random_normal(rng: Rng, shape: Shape, sigma: Any) -> Array:
    """Return normal numbers of mean 0 and standard deviation `sigma`, one number, in single precision."""
    if isinstance(rng, np.random.Generator):
        width = np.float32(sigma)
        if math.prod(shape) < _CHUNKED_FROM:
            return rng.standard_normal(shape, dtype=np.float32) * width
        return _many_normal(rng, shape, width)
    numbers: Array = sys.modules["jax"].random.normal(rng, shape, dtype=np.float32)
    return numbers * (asarray_like(sigma, numbers) if checks.has_shape(sigma) else sigma)


# Quoted, as NumPy loads what makes random numbers when it is first asked for.
def _many_normal(rng: "np.random.Generator", shape: Shape, sigma: np.float32) -> HostArray:
    """Return normal numbers by the transform of Box and Muller, of chunks with generators of their own.

    That takes a third of the time of NumPy's `standard_normal`, which decides on each number, and two threads can share
    it: the seeds of the chunks are what `rng` gives, so the numbers are the same however many threads there are.

    Source:
        Box and Muller 1958, A note on the generation of random normal deviates, doi 10.1214/aoms/1177706645.
    """
    numbers = np.empty(shape, np.float32)
    flat = numbers.reshape(-1)
    starts = range(0, flat.size, _CHUNK_NUMBERS)
    seeds = rng.integers(0, 2**63, (len(starts), 2)).tolist()

    def work(chunks: Iterator[tuple[int, list[int]]]) -> None:
        lengths, angles, waves = (np.empty(_PAIRS, np.float32) for _ in range(3))
        for start, seed in chunks:
            source, chunk = np.random.Generator(np.random.SFC64(seed)), flat[start : start + _CHUNK_NUMBERS]
            for begin in range(0, chunk.size, 2 * _PAIRS):
                bits = source.integers(0, 2**64 - 1, _PAIRS, np.uint64, endpoint=True).view(np.uint32)
                # From half a step above 0 on, so that there is a logarithm: no number exceeds 6.8 deviations.
                np.multiply(bits[:_PAIRS], np.float32(2**-32), out=lengths, dtype=np.float32, casting="unsafe")
                lengths += np.float32(2**-33)
                np.log(lengths, out=lengths)
                lengths *= np.float32(-2)
                np.sqrt(lengths, out=lengths)
                lengths *= sigma
                np.multiply(bits[_PAIRS:], _TURN, out=angles, dtype=np.float32, casting="unsafe")
                for function, part in ((np.cos, chunk[begin:][:_PAIRS]), (np.sin, chunk[begin + _PAIRS :][:_PAIRS])):
                    function(angles, out=waves)
                    np.multiply(waves[: part.size], lengths[: part.size], out=part)

    run_in_threads(work, list(zip(starts, seeds, strict=True)), flat.size)
    return numbers


def random_integers(rng: Rng, low: "int | HostArray", high: "int | HostArray", shape: Shape) -> Array:
    """Return whole numbers from `low` to `high`, both included, which broadcast against `shape`."""
    if isinstance(rng, np.random.Generator):
        return np.asarray(rng.integers(low, np.asarray(high) + 1, shape))
    lowest, end = snapshots(tuple(np.broadcast_to(limit, shape) for limit in (low, np.asarray(high) + 1)))
    numbers: Array = sys.modules["jax"].random.randint(rng, shape, minval=lowest, maxval=end)
    return numbers
