"""Sums, maxima and ranks of arrays, of weighted distances above all; counts of whole numbers.

Programs of JAX for the CPU go through flat arrays chunk by chunk, so that what is made of a chunk stays in the cache.
Weights are sparse, as those of a surface are in its volume: most chunks hold none, and are passed over.
"""

import functools
import math
import sys
from collections.abc import Callable
from typing import Any

from mia_functional._array.backends import python_number
from mia_functional._array.compilation import eval_shape, platform_dependent
from mia_functional._array.dtypes import widest_float
from mia_functional._array.libraries import array_namespace, is_cupy, is_jax, is_numpy, is_torch, lax
from mia_functional._array.loops import SLAB_PLANES, carry, fori_loop, slice_along
from mia_functional._array.tracing import in_host_memory, is_known_true
from mia_functional.typing import Array

__all__ = [
    "binary_scale",
    "bincount",
    "correlate1d",
    "has_weight",
    "largest_position",
    "linear_rank",
    "pairwise_sum",
    "reduce_weighted",
    "sum_along",
    "sum_slabs",
    "weighted_max",
    "weighted_quantiles",
    "weighted_sum",
]

_CHUNK = 2**13
"""Entries that a JAX program for the CPU reduces at once: with all that is made of them, a fraction of its cache."""


_PRODUCTS = 2**8
"""Products that NumPy adds up in single precision; of 2^13 the sum has an error of 2e-5."""


_TERMS = 32
"""Numbers that a JAX program adds one after the other."""


_MOST_TURNS = 128
"""Entries that a JAX program for the CPU compares one after the other, each by operations of its own."""

_LARGEST_DENOMINATOR = 10**8
"""Of a share: percentages have up to six decimals, and its tenfold fits 32-bit integers."""


_COUNTED = 2**16
"""Codes that a JAX program counts at once: as 64-bit integers they are half a megabyte, which stays in the cache."""


def binary_scale(magnitude: Array) -> Array:
    """Return a power of two in whose unit numbers up to some magnitudes can be squared and added up.

    It is 1 for ordinary magnitudes, from 2^-20 to 2^20 in single precision. There are few others, so that magnitudes
    that are near each other mostly share one; that of no magnitude, 0, is the smallest.

    Args:
        magnitude: Floats, not negative. In float32, 1e-24 has no square, and neither has 1e24; products with a power of
            two lose nothing.
    """
    xp = array_namespace(magnitude)
    # Of float32's exponents, -126 to 127, that leaves room for the squares of errors far smaller than the images, and
    # for gradients of quotients of sums over many voxels, which have the square of such a sum in them.
    unit = 40 if xp.finfo(magnitude.dtype).bits <= 32 else 320
    scale = xp.ones_like(magnitude)
    for steps in (1, 2, 3):
        limit, factor = 2.0 ** (steps * unit - unit / 2), 2.0 ** (steps * unit)
        scale = xp.where(magnitude < 1 / limit, 1 / factor, scale)
        scale = xp.where(magnitude >= limit, factor, scale)
    return xp.astype(scale, magnitude.dtype, copy=False)


def sum_along(array: Array, axes: tuple[int, ...], *, dtype: Any = None, keepdims: bool = False) -> Array:
    """Return the sum of floats along some axes, right to six digits however many there are and however they lie.

    Args:
        array: Floats.
        axes: Axes, counted from the front.
        dtype: The dtype to add in; that of the result too.
        keepdims: Whether the axes are kept, with size 1.
    """
    xp = array_namespace(array)
    if dtype is None and (is_jax(array) or is_torch(array) or is_cupy(array)):
        # Their sums are added up in blocks or trees, along all axes and in all orders of memory.
        return xp.sum(array, axis=axes, keepdims=keepdims)
    # NumPy adds along axes that do not lie close in memory one by one: of 128^3 float32 numbers with channels last the
    # sum was wrong by 2 %, and of ones it stopped at 2^24 (2.4). It takes 30 ms for all axes at once, 2.5 for each in
    # turn.
    wide = widest_float(xp, array) if dtype is None else dtype
    if array.ndim == 1 and axes and not keepdims:  # without what several axes need, which takes longer than the sum
        return xp.sum(array, dtype=wide)
    for axis in axes:
        array = xp.sum(array, axis=axis, keepdims=True, dtype=wide)
    return array if keepdims else xp.squeeze(array, axis=axes)


def pairwise_sum(array: Array) -> Array:
    """Return the sum over the first axis; in JAX by few levels of short sums, which keep single precision exact."""
    if not is_jax(array):
        return array_namespace(array).astype(sum_along(array, (0,)), array.dtype, copy=False)
    xp = array_namespace(array)
    # XLA for the CPU adds in a tree where it recognises a sum, but not in programs over several devices: there the mean
    # distance of some thousand surface elements was wrong in the sixth digit (JAX 0.10).
    while array.shape[0] > _TERMS:
        padding = xp.zeros((-array.shape[0] % _TERMS, *array.shape[1:]), dtype=array.dtype)
        terms = xp.concat([array, padding])
        array = xp.sum(xp.reshape(terms, (_TERMS, -1, *array.shape[1:])), axis=0)
    return xp.sum(array, axis=0)


def sum_slabs(function: Callable[..., Array], arrays: tuple[Array, ...], reach: int) -> Array:
    """Return the sum over `function(*arrays)`, each plane of which is made from one of the arrays and `reach` more.

    A JAX program for the CPU takes few planes at a time, so that what the function makes stays in the cache.
    """
    xp, count = array_namespace(*arrays), arrays[0].shape[0] - reach

    def sum_all(*volumes: Array) -> Array:
        return pairwise_sum(xp.reshape(function(*volumes), (-1,)))

    if not is_jax(arrays[0]) or count <= SLAB_PLANES:
        return sum_all(*arrays)

    def sum_slab(start: Array, *volumes: Array) -> Array:
        # Slabs are of one shape: the last one begins earlier, and leaves out what the one before has added.
        first = xp.minimum(start, count - SLAB_PLANES)
        values = function(*(lax().dynamic_slice_in_dim(volume, first, SLAB_PLANES + reach) for volume in volumes))
        new = xp.reshape(first + xp.arange(SLAB_PLANES) >= start, (-1, *(1,) * (values.ndim - 1)))
        return pairwise_sum(xp.reshape(xp.where(new, values, xp.zeros_like(values)), (-1,)))

    starts = xp.arange(0, count, SLAB_PLANES)
    return platform_dependent(
        lambda *volumes: pairwise_sum(lax().map(lambda start: sum_slab(start, *volumes), starts)), sum_all, *arrays
    )


def correlate1d(array: Array, weights: tuple[float, ...], axis: int) -> Array:
    """Return the weighted sums of neighbours along an axis, the plain sums for equal weights in JAX.

    Args:
        array: Floating array.
        weights: An odd number of symmetric weights.
        axis: The axis, counted from the front, which gets shorter.
    """
    size, middle = len(weights), len(weights) // 2
    if is_jax(array) and len(set(weights)) == 1:
        # Sums in windows are an operation of XLA.
        window = [size if number == axis else 1 for number in range(array.ndim)]
        return lax().reduce_window(array, array.dtype.type(0), lax().add, window, (1,) * array.ndim, "VALID")
    xp = array_namespace(array)
    taps: Any = xp.asarray(weights, array.dtype) if is_jax(array) else weights
    shifted = functools.partial(slice_along, array, size=array.shape[axis] - size + 1, axis=axis - array.ndim)
    centre: Array = shifted(middle) * taps[middle]
    # Weights are symmetric: one multiplication serves two neighbours.
    return fori_loop(
        xp, middle, lambda tap, sums: sums + (shifted(tap) + shifted(size - 1 - tap)) * taps[tap], centre, unroll=2
    )


def bincount(code: Callable[..., Array], arrays: tuple[Array, ...], size: int) -> Array:
    """Return how often each whole number below `size` is in `code(*arrays)`, which may hold larger ones; JAX only.

    The function is called with chunks of the arrays, which stay in the cache of a processor.
    """
    xp, elements = array_namespace(*arrays), math.prod(arrays[0].shape)
    # All at once if the shape has symbols in it: pieces could be larger than the arrays.
    chunks = elements // _COUNTED if isinstance(elements, int) else 0

    def count(*volumes: Array) -> Array:
        flat = [xp.reshape(volume, (-1,)) for volume in volumes]

        def add(counts: Any, pieces: list[Array]) -> Any:
            # In integers, as float32 counts no further than 2^24.
            return counts.at[code(*pieces)].add(1, mode="drop")

        counts: Any = xp.zeros(size, int)
        if chunks:
            pieces = functools.partial(lax().dynamic_slice_in_dim, slice_size=_COUNTED)

            def add_chunk(number: Any, counts: Any) -> Any:
                return add(counts, [pieces(array, number * _COUNTED) for array in flat])

            counts = lax().fori_loop(0, chunks, add_chunk, carry(functools.partial(add_chunk, 0), counts))
        total: Array = add(counts, [array[chunks * _COUNTED :] for array in flat])
        return total

    # A batch member after the other: chunks of all of them at once leave the cache, and take 1.8 times as long.
    counts: Array = sys.modules["jax"].custom_batching.sequential_vmap(count)(*arrays)
    return counts


def weighted_sum(values: Array, weights: Array) -> Array:
    """Return the sum of `values * weights` over flat arrays; entries of weight zero add nothing, be they infinite."""
    xp = array_namespace(values)
    if is_numpy(values):
        # `einsum` makes no array of the products, but adds them one by one: few at a time in single precision. Zero
        # times infinity, which is NaN, needs the longer way.
        whole = 0 if values.dtype == xp.float64 else values.shape[0] // _PRODUCTS * _PRODUCTS
        total = xp.einsum("i,i->", values[whole:], weights[whole:])
        if whole:
            rows = [xp.reshape(array[:whole], (-1, _PRODUCTS)) for array in (values, weights)]
            total = total + xp.sum(xp.einsum("ij,ij->i", *rows), dtype=xp.float64)
        if xp.isfinite(total):
            return xp.astype(total, values.dtype, copy=False)
    return pairwise_sum(xp.where(xp.astype(weights, xp.bool), values, xp.zeros_like(values)) * weights)


def reduce_weighted(
    function: Callable[[Array, Array], Array],
    distances: Array,
    weights: Array,
    *,
    join: Callable[[Array], Array] = pairwise_sum,
    chunks: Array | None = None,
) -> Array:
    """Return `function(distances, weights)`, a reduction of flat arrays to which entries of weight zero add nothing.

    A JAX program for the CPU reduces chunks and joins the results. It passes over chunks without weight, which makes
    programs of surface distances three times as fast.

    Args:
        function: From the two arrays, or chunks of them, to an array.
        distances: Flat array.
        weights: Flat array; none is negative.
        join: From the results of all chunks, stacked along the first axis, to that of the whole.
        chunks: What `_chunks_with_weight(weights)` returns, where a loop calls this function again and again.
    """
    size = weights.shape[0]
    if not is_jax(distances) or size <= _CHUNK:
        return function(distances, weights)
    jax, xp = sys.modules["jax"], array_namespace(distances)

    def in_chunks(distances: Array, weights: Array) -> Array:
        own = _chunks_with_weight(weights) if chunks is None else chunks

        def reduce(chunk: Array) -> Array:
            # Chunks are of one shape: the last one begins earlier, and leaves out what the one before holds.
            first = chunk * _CHUNK
            start = xp.minimum(first, size - _CHUNK)
            lengths, masses = (lax().dynamic_slice_in_dim(array, start, _CHUNK) for array in (distances, weights))
            return function(lengths, xp.where(start + xp.arange(_CHUNK) < first, xp.zeros_like(masses), masses))

        # How many chunks hold weight is not known before the program runs: they are sorted to the front, and the loop
        # ends after the last of them.
        order = xp.argsort(~own)
        result = eval_shape(reduce, order[0])
        results = xp.zeros((own.shape[0], *result.shape), dtype=result.dtype)

        def reduce_next(number: Any, done: Any) -> Any:
            return done.at[order[number]].set(reduce(order[number]))

        results = carry(functools.partial(reduce_next, 0), results)
        return join(lax().fori_loop(0, xp.count_nonzero(own), reduce_next, results))

    reduce_all: Any = functools.partial(platform_dependent, in_chunks, function)
    if chunks is None:
        # The loop ends where the weights say, and so has no reverse mode: derivatives are those of the function.
        reduce_all = jax.custom_jvp(reduce_all)
        reduce_all.defjvp(functools.partial(jax.jvp, function))
    reduced: Array = reduce_all(distances, weights)
    return reduced


def weighted_max(distances: Array, weights: Array) -> Array:
    """Return the largest entry of a flat array whose weight is not zero; 0 if there is none."""
    xp = array_namespace(distances)
    # On a GPU the larger maximum takes less time than to wait for the answer.
    if not is_jax(distances) and in_host_memory(weights) and is_known_true(xp.all, weights):
        return xp.max(distances)
    return reduce_weighted(
        lambda some, masses: xp.max(xp.where(xp.astype(masses, xp.bool), some, xp.zeros_like(some))),
        distances, weights, join=functools.partial(xp.max, axis=0),
    )  # fmt: skip


def has_weight(weights: Array) -> Array:
    """Return whether a flat array of weights, none of them negative, has an entry that is not zero."""
    return array_namespace(weights).any(_chunks_with_weight(weights) if is_jax(weights) else weights)


def largest_position(array: Array) -> Array:
    """Return where the largest entry along the last axis is, of equal ones the first; NaN is larger than all others.

    XLA for the CPU (JAX 0.10) takes 0.3 to 0.7 ns an entry if they are compared one after the other, up to 4.2 for its
    arg max (of 32 entries and more), and 1.6 to 7 for the largest entry and then its place.
    """
    xp, count = array_namespace(array), array.shape[-1]
    if not is_jax(array):
        return xp.argmax(array, axis=-1)

    def by_turns(array: Array) -> Array:
        largest, position = array[..., 0], xp.zeros_like(array[..., 0], dtype=int)
        for number in range(1, count):
            entry = array[..., number]
            is_larger = (entry > largest) | ((entry != entry) & (largest == largest))
            largest, position = xp.where(is_larger, entry, largest), xp.where(is_larger, number, position)
        return position

    def by_largest(array: Array) -> Array:
        wanted = (array == xp.max(array, axis=-1, keepdims=True)) | (array != array)
        return xp.min(xp.where(wanted, xp.arange(count), count), axis=-1)

    on_host = by_turns if count <= _MOST_TURNS else by_largest
    return platform_dependent(on_host, lambda array: xp.argmax(array, axis=-1), array)


def weighted_quantiles(distances: Array, weights: Array, targets: Array) -> Array:
    """Return for each target the smallest distance within which the weight reaches it; JAX only, exact to the bit.

    A target of zero asks for any weight. The derivative is that of the distance, shared by equal ones.
    """
    quantiles: Any = sys.modules["jax"].custom_jvp(_bisected_quantiles)

    def derive(arrays: tuple[Array, ...], tangents: tuple[Array, ...]) -> tuple[Array, Array]:
        xp, (distances, weights, _), found = array_namespace(arrays[0]), arrays, quantiles(*arrays)
        chosen = (distances[None, :] == found[:, None]) & xp.astype(weights, xp.bool)[None, :]
        shares = xp.astype(chosen, distances.dtype)
        number = xp.maximum(xp.sum(shares, axis=1), 1)  # none is chosen where nothing has weight
        return found, xp.sum(shares * tangents[0][None, :], axis=1) / number

    quantiles.defjvp(derive)
    found: Array = quantiles(distances, weights, targets)
    return found


def _bisected_quantiles(distances: Array, weights: Array, targets: Array) -> Array:
    """Return what `weighted_quantiles` does, by halving the range of the answer again and again."""
    # A volume takes XLA for the CPU nine times as long to sort (912 against 105 ms for 8.7 million voxels). Floats that
    # are not negative are ordered like the integers of the same bits, so the answer is found bit by bit: two bits in
    # every pass, by the weights within three bounds.
    xp, chunks = array_namespace(distances), _chunks_with_weight(weights)
    integer = xp.uint64 if distances.dtype == xp.float64 else xp.uint32
    infinity = lax().bitcast_convert_type(xp.asarray(math.inf, dtype=distances.dtype), integer)
    passes = xp.iinfo(integer).bits // 2

    def narrow(number: Array, low: Array) -> Array:
        size = xp.left_shift(xp.asarray(1, integer), xp.astype(2 * (passes - 1 - number), integer))
        bounds = low[:, None] + size * xp.arange(1, 4, dtype=integer)[None, :] - 1
        # Bits beyond those of infinity are those of NaN, within which there is nothing.
        limits = lax().bitcast_convert_type(xp.minimum(bounds, infinity), distances.dtype)

        def weight_within(distances: Array, weights: Array) -> Array:
            sums = [
                pairwise_sum(xp.where(distances <= limit, weights, xp.zeros_like(weights)))
                for limit in xp.reshape(limits, (-1,))
            ]
            return xp.reshape(xp.stack(sums), limits.shape)

        weight = reduce_weighted(weight_within, distances, weights, chunks=chunks)
        missed = (weight < targets[:, None]) | (weight <= 0)
        return low + size * xp.astype(xp.count_nonzero(missed, axis=1), integer)

    bits = fori_loop(xp, passes, narrow, xp.zeros(targets.shape, integer), unroll=1)
    return lax().bitcast_convert_type(xp.minimum(bits, infinity), distances.dtype)


def _chunks_with_weight(weights: Array) -> Array:
    """Return for every chunk, the shorter one at the end too, whether it holds any weight; JAX only."""
    xp, count = array_namespace(weights), weights.shape[0] // _CHUNK
    # Weights may be booleans, which strict promotion compares with no number.
    heavy = xp.astype(weights, xp.bool)
    whole, rest = xp.any(xp.reshape(heavy[: count * _CHUNK], (count, _CHUNK)), axis=1), heavy[count * _CHUNK :]
    return xp.append(whole, xp.any(rest)) if rest.shape[0] else whole


def linear_rank(last: Array, percent: float) -> tuple[Array, Array]:
    """Return where a percentile lies between positions 0 and `last` by NumPy's linear rule: a position, and how far on.

    Args:
        last: Integers, not negative.
        percent: 0 to 100. By its decimal text 99.9 is 999/1000, not the binary fraction beside it, so that whole
            positions come out whole.

    Returns:
        Integers, and the part of the way to the next position as numerator over denominator: floats, the widest.
    """
    from fractions import Fraction  # here: it brings decimal numbers with it, which are slow to import

    xp = array_namespace(last)
    share = (Fraction(str(python_number(percent))) / 100).limit_denominator(_LARGEST_DENOMINATOR)
    whole, rest = last // share.denominator, last % share.denominator
    # `last * share` as a whole part and a rest, in integers: in single precision positions beyond 2^24 would be wrong.
    # The product with the numerator could leave 32 bits, so it is multiplied digit by digit, in a base that cannot.
    base, digits = 2**30 // share.denominator, [share.numerator]
    while digits[0] >= base:
        digits[:1] = divmod(digits[0], base)
    position = part = xp.zeros_like(last)
    for digit in digits:
        carried = part * base + rest * digit
        position = position * base + whole * digit + carried // share.denominator
        part = carried % share.denominator
    return position, xp.astype(part, widest_float(xp, last)) / share.denominator
