"""Sums over the entries of weighted distances, and their ranks: in one pass, or in few passes of one JAX program."""

import math
import sys
from collections.abc import Callable
from typing import Any

import array_api_compat as compat

from mia_functional.typing import Array

CHUNK = 2**15
"""How many entries a JAX program for the CPU takes at once, so that they stay in its cache."""


def totals(function: Callable[[Array, Array], Array], distances: Array, weights: Array) -> Array:
    """Return `function(distances, weights)`, sums over flat arrays to which entries of weight zero add nothing.

    A JAX program for the CPU adds up chunks, and passes over those without any weight.
    """
    if not compat.is_jax_array(distances):
        return function(distances, weights)
    lax = sys.modules["jax"].lax
    return lax.platform_dependent(
        distances, weights, cpu=lambda d, w: _in_chunks(function, d, w, _present(w)), default=function
    )


def _present(weights: Array) -> Array:
    """Return for every whole chunk whether it holds any weight."""
    count = weights.shape[0] // CHUNK
    return (weights[: count * CHUNK] > 0).reshape(count, CHUNK).any(axis=1)


def _in_chunks(function: Callable[[Array, Array], Array], distances: Array, weights: Array, present: Array) -> Array:
    """Return the sum of `function` over the chunks that are present, and the entries after the last whole chunk."""
    jax = sys.modules["jax"]
    if not present.shape[0]:
        return function(distances, weights)
    done = present.shape[0] * CHUNK
    rest = function(distances[done:], weights[done:])
    order = jax.numpy.argsort(~present)

    def add(position: Any, parts: Array) -> Array:
        chunk = order[position]
        pieces = (jax.lax.dynamic_slice_in_dim(array, chunk * CHUNK, CHUNK) for array in (distances, weights))
        return parts.at[chunk].set(function(*pieces))

    parts = jax.numpy.zeros((present.shape[0], *rest.shape), rest.dtype)
    return jax.lax.fori_loop(0, jax.numpy.count_nonzero(present), add, parts).sum(axis=0) + rest


def smallest_covering(distances: Array, weights: Array, targets: Array) -> Array:
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
            inside = [xp.sum(xp.where(lengths <= limit, masses, 0)) for limit in limits.reshape(-1)]
            return xp.stack(inside).reshape(limits.shape)

        mass = lax.platform_dependent(
            distances, weights, cpu=lambda d, w: _in_chunks(within, d, w, present), default=within
        )
        missed = (mass < targets[:, None]) | (mass <= 0)
        return low + size * xp.count_nonzero(missed, axis=1).astype(whole)

    bits = lax.fori_loop(0, passes, narrow, xp.zeros(targets.shape, whole))
    return lax.bitcast_convert_type(xp.minimum(bits, top), distances.dtype)
