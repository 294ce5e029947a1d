"""Sums over the entries of weighted distances, and their ranks: in one pass, or in few passes of one JAX program."""

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import numpy as np

from mia_functional._array.backends import array_namespace, is_numpy
from mia_functional._array.loops import SLAB
from mia_functional.typing import Array

CHUNK = 2**13
"""How many entries a JAX program for the CPU takes at once, so that they stay in its cache."""


COUNTED = 2**16
"""How many codes a JAX program counts at once."""


TERMS = 32
"""How many numbers a JAX program adds one after the other."""


def reduce_weighted(function: Callable[[Array, Array], Array], distances: Array, weights: Array) -> Array:
    """Return `function(distances, weights)`, sums over flat arrays to which entries of weight zero add nothing.

    A JAX program for the CPU adds up chunks, and passes over those without any weight.
    """
    if not compat.is_jax_array(distances):
        return function(distances, weights)

    def in_chunks(lengths: Array, masses: Array) -> Array:
        return pairwise_sum(_parts(function, lengths, masses, _present(masses)))

    return sys.modules["jax"].lax.platform_dependent(distances, weights, cpu=in_chunks, default=function)


def pairwise_sum(array: Array) -> Array:
    """Return the sum over the first axis; in JAX by few levels of short sums, which keep single precision exact."""
    if not compat.is_jax_array(array):
        return array_namespace(array).sum(array, axis=0)
    xp = sys.modules["jax"].numpy
    while array.shape[0] > TERMS:
        rest = xp.zeros((-array.shape[0] % TERMS, *array.shape[1:]), array.dtype)
        array = xp.concatenate([array, rest]).reshape(TERMS, -1, *array.shape[1:]).sum(axis=0)
    return array.sum(axis=0)


def bincount(code: Callable[..., Array], arrays: tuple[Array, ...], size: int) -> Array:
    """Return how often each whole number below `size` is in `code(*arrays)`, which may hold larger ones; JAX only.

    The function is called with chunks of the arrays, which stay in the cache of a processor.
    """
    jax = sys.modules["jax"]
    number = math.prod(arrays[0].shape)
    whole = number // COUNTED

    def add(counts: Array, parts: list[Array]) -> Array:
        return counts.at[code(*parts)].add(1, mode="drop")

    def counted(*volumes: Array) -> Array:
        flat = [volume.reshape(-1) for volume in volumes]

        def step(chunk: Array, counts: Array) -> Array:
            return add(counts, [jax.lax.dynamic_slice_in_dim(part, chunk * COUNTED, COUNTED) for part in flat])

        counts = jax.numpy.zeros(size, int)
        if whole:
            counts = jax.lax.fori_loop(0, whole, step, counts)
        return add(counts, [part[whole * COUNTED :] for part in flat])

    return jax.custom_batching.sequential_vmap(counted)(*arrays)


def sum_slabs(function: Callable[..., Array], arrays: tuple[Array, ...], reach: int) -> Array:
    """Return the sum over `function(*arrays)`, each plane of which is made from one of the arrays and `reach` more.

    A JAX program for the CPU takes few planes at a time, so that what the function makes stays in the cache.
    """

    def whole(*parts: Array) -> Array:
        return pairwise_sum(array_namespace(parts[0]).reshape(function(*parts), (-1,)))

    count = arrays[0].shape[0] - reach
    if not compat.is_jax_array(arrays[0]) or count <= SLAB:
        return whole(*arrays)
    jax = sys.modules["jax"]
    numbers = jax.numpy.arange(SLAB)

    def new_ones(start: Array, *parts: Array) -> Array:
        first = jax.numpy.minimum(start, count - SLAB)
        values = function(*(jax.lax.dynamic_slice_in_dim(part, first, SLAB + reach) for part in parts))
        new = (first + numbers >= start).reshape(-1, *(1,) * (values.ndim - 1))
        return pairwise_sum(jax.numpy.where(new, values, jax.numpy.zeros_like(values)).reshape(-1))

    def slabs(*parts: Array) -> Array:
        starts = jax.numpy.arange(0, count, SLAB)
        return pairwise_sum(jax.lax.map(lambda start: new_ones(start, *parts), starts))

    return jax.lax.platform_dependent(*arrays, cpu=slabs, default=whole)


def correlate1d(array: Array, weights: tuple[float, ...], axis: int) -> Array:
    """Return the weighted sums of neighbours along an axis, the plain sums for equal weights; JAX only.

    Args:
        array: Floating array.
        weights: An odd number of symmetric weights.
        axis: The axis, counted from the front, which gets shorter.
    """
    jax = sys.modules["jax"]
    lax, size = jax.lax, len(weights)
    if len(set(weights)) == 1:
        shape = [size if position == axis else 1 for position in range(array.ndim)]
        return lax.reduce_window(array, array.dtype.type(0), lax.add, shape, (1,) * array.ndim, "VALID")
    taps = jax.numpy.asarray(weights, array.dtype)
    part = functools.partial(lax.dynamic_slice_in_dim, array, slice_size=array.shape[axis] - size + 1, axis=axis)

    def add_pair(step: Array, total: Array) -> Array:
        return total + (part(step) + part(size - 1 - step)) * taps[step]

    middle = size // 2
    return lax.fori_loop(0, middle, add_pair, part(middle) * taps[middle], unroll=2)


def weighted_sum(values: Array, weights: Array) -> Array:
    """Return the sum of `values * weights` over flat arrays; entries of weight zero add nothing, be they infinite."""
    xp = array_namespace(values)
    if is_numpy(values):
        total = np.einsum("i,i->", values, weights)
        if np.isfinite(total):
            return total
    return pairwise_sum(xp.where(xp.astype(weights, xp.bool), values, xp.zeros_like(values)) * weights)


def weighted_max(distances: Array, weights: Array) -> Array:
    """Return the largest entry of a flat array whose weight is not zero; 0 if there is none."""
    xp = array_namespace(distances)

    def whole(lengths: Array, masses: Array) -> Array:
        return xp.max(xp.where(xp.astype(masses, xp.bool), lengths, xp.zeros_like(lengths)))

    if not compat.is_jax_array(distances):
        return xp.max(distances) if bool(xp.all(weights)) else whole(distances, weights)

    def in_chunks(lengths: Array, masses: Array) -> Array:
        return _parts(whole, lengths, masses, _present(masses)).max(axis=0)

    return sys.modules["jax"].lax.platform_dependent(distances, weights, cpu=in_chunks, default=whole)


def has_weight(weights: Array) -> Array:
    """Tell whether a flat array has an entry that is not zero."""
    if not compat.is_jax_array(weights):
        return array_namespace(weights).any(weights)
    return _present(weights).any()


def _present(weights: Array) -> Array:
    """Return for every chunk, the shorter one at the end too, whether it holds any weight."""
    done = weights.shape[0] // CHUNK * CHUNK
    whole = (weights[:done] > 0).reshape(-1, CHUNK).any(axis=1)
    rest = (weights[done:] > 0).any(keepdims=True)
    return sys.modules["jax"].numpy.concatenate([whole, rest]) if done < weights.shape[0] else whole


def _parts(function: Callable[[Array, Array], Array], distances: Array, weights: Array, present: Array) -> Array:
    """Return `function` of each chunk; zeros for a chunk that is not present."""
    jax = sys.modules["jax"]
    size = weights.shape[0]
    if size <= CHUNK:
        return function(distances, weights)[None]

    def part(chunk: Array) -> Array:
        first = chunk * CHUNK
        start = jax.numpy.minimum(first, size - CHUNK)
        lengths, masses = (jax.lax.dynamic_slice_in_dim(array, start, CHUNK) for array in (distances, weights))
        unused = start + jax.numpy.arange(CHUNK) < first
        return function(lengths, jax.numpy.where(unused, jax.numpy.zeros_like(masses), masses))

    order = jax.numpy.argsort(~present)
    like = jax.eval_shape(part, order[0])
    parts = jax.numpy.zeros((present.shape[0], *like.shape), like.dtype)
    count = jax.numpy.count_nonzero(present)
    return jax.lax.fori_loop(0, count, lambda turn, parts: parts.at[order[turn]].set(part(order[turn])), parts)


def weighted_quantiles(distances: Array, weights: Array, targets: Array) -> Array:
    """Return for each target the smallest distance within which the weight reaches it; JAX only, exact to the bit.

    Floats that are not negative are ordered like the whole numbers of the same bits. So two bits of the answer are
    found in every pass, by the weights within three bounds. A target of zero asks for any weight.
    """
    jax = sys.modules["jax"]
    present = _present(weights)
    lax, xp = jax.lax, jax.numpy
    whole = xp.uint64 if distances.dtype == xp.float64 else xp.uint32
    top = lax.bitcast_convert_type(xp.asarray(math.inf, dtype=distances.dtype), whole)
    passes = xp.iinfo(whole).bits // 2

    def narrow(number: Any, low: Array) -> Array:
        size = xp.asarray(1, whole) << (2 * (passes - 1 - number)).astype(whole)
        bounds = low[:, None] + size * xp.arange(1, 4, dtype=whole) - 1
        limits = lax.bitcast_convert_type(xp.minimum(bounds, top), distances.dtype)

        def within(lengths: Array, masses: Array) -> Array:
            inside = [pairwise_sum(xp.where(lengths <= limit, masses, 0)) for limit in limits.reshape(-1)]
            return xp.stack(inside).reshape(limits.shape)

        mass = lax.platform_dependent(
            distances, weights, cpu=lambda d, w: pairwise_sum(_parts(within, d, w, present)), default=within
        )
        missed = (mass < targets[:, None]) | (mass <= 0)
        return low + size * xp.count_nonzero(missed, axis=1).astype(whole)

    bits = lax.fori_loop(0, passes, narrow, xp.zeros(targets.shape, whole))
    return lax.bitcast_convert_type(xp.minimum(bits, top), distances.dtype)
