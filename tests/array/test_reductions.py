"""Reductions of weighted distances in JAX are those of NumPy: short and long arrays, full and empty chunks, batches."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional import _array

SIZES = [1, 100, 2**13 - 1, 2**13, 2**13 + 1, 3 * 2**13 + 5]


def weighted(seed, size, share):
    """Return distances on a grid, so that many are equal, and weights of which a share is not zero."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 4, size) * (rng.random(size) < share)
    weights[size // 3 : size // 2] = 0
    return rng.integers(0, 50, size).astype(np.float32) / 4, weights.astype(np.float32)


@pytest.mark.sampled(6)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("share", [1.0, 0.01, 0.0])
def test_sums_maxima_and_ranks_pass_over_what_has_no_weight(size, share):
    distances, weights = weighted(size, size, share)
    distances[weights == 0] = np.inf
    pair = jnp.asarray(distances), jnp.asarray(weights)
    used = weights > 0
    assert bool(_array.has_weight(pair[1])) == bool(_array.has_weight(weights)) == used.any()
    largest = distances[used].max(initial=0)
    assert float(jax.jit(_array.weighted_max)(*pair)) == float(_array.weighted_max(distances, weights)) == largest
    exact = np.sum(distances[used].astype(np.float64) * weights[used])
    total = jax.jit(lambda d, w: _array.reduce_weighted(_array.weighted_sum, d, w))(*pair)
    np.testing.assert_allclose([float(total), float(_array.weighted_sum(distances, weights))], exact, rtol=1e-6)
    order = np.argsort(distances[used], kind="stable")
    reached, sorted_distances = np.cumsum(weights[used][order]), distances[used][order]
    targets = np.array([0.0, 0.5, 1.0]) * (reached[-1] if used.any() else 0)
    expected = [sorted_distances[min(np.searchsorted(reached, t), len(reached) - 1)] for t in targets if used.any()]
    quantiles = jax.jit(_array.weighted_quantiles)(*pair, jnp.asarray(targets, jnp.float32))
    np.testing.assert_array_equal(quantiles, expected or [np.inf] * 3)


@pytest.mark.slow
def test_a_sum_of_many_numbers_in_single_precision_is_exact_to_seven_digits():
    values = np.random.default_rng(0).random(2**22, np.float32) + 0.1
    weights = np.ones_like(values)
    exact = values.sum(dtype=np.float64)
    for function in (_array.weighted_sum, lambda v, w: _array.reduce_weighted(_array.weighted_sum, v, w)):
        assert abs(float(jax.jit(function)(values, weights)) / exact - 1) < 3e-7
    ones = jnp.ones(2**25, jnp.float32)
    assert float(jax.jit(_array.weighted_sum)(ones, ones)) == 2**25


@pytest.mark.parametrize("size", [10, 2**16, 2**16 + 7])
def test_codes_are_counted_in_chunks_and_batches(size):
    first, second = np.random.default_rng(size).integers(0, 5, (2, 3, size)).astype(np.uint8)

    def counts(first, second):
        return _array.bincount(lambda a, b: a.astype(jnp.int32) * 5 + b, (first, second), 20)

    expected = [np.bincount(a * 5 + b, minlength=25)[:20] for a, b in zip(first, second, strict=True)]
    np.testing.assert_array_equal(jax.jit(counts)(first[0], second[0]), expected[0])
    np.testing.assert_array_equal(jax.jit(jax.vmap(counts))(first, second), expected)


@pytest.mark.parametrize("count", [3, 8, 13, 40])
def test_slabs_add_every_plane_once(count):
    array = np.random.default_rng(count).integers(0, 9, (count + 2, 3, 4)).astype(np.float32)
    got = jax.jit(lambda a: _array.sum_slabs(lambda p: p[:-2] + 10 * p[2:], (a,), 2))(array)
    assert float(got) == (array[:-2] + 10 * array[2:]).sum()


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (0.25, 0.5, 0.25), (0.1, 0.2, 0.4, 0.2, 0.1)])
@pytest.mark.parametrize("axis", [0, 1])
def test_neighbours_are_weighted_along_an_axis(weights, axis):
    array = np.random.default_rng(0).random((9, 8), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(array, len(weights), axis)
    got = _array.correlate1d(jnp.asarray(array), weights, axis)
    np.testing.assert_allclose(got, windows @ np.asarray(weights, np.float32), rtol=1e-6)


ORDERS = {
    "C": lambda array: array,
    "Fortran": np.asfortranarray,
    "backwards": lambda array: np.ascontiguousarray(array[::-1, :, ::-1])[::-1, :, ::-1],
    "every other": lambda array: np.repeat(array, 2, axis=0)[::2],
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("axes", [(0,), (0, 1), (1, 2), (0, 1, 2)])
def test_sums_along_axes_are_right_in_all_orders_of_memory(xp, order, axes):
    array = ORDERS[order](np.full((2**16 if axes == (0,) else 256, 4 if axes == (0,) else 128, 6), np.float32(0.1)))
    expected = array.astype(np.float64).sum(axis=axes)
    np.testing.assert_allclose(xp.run(lambda a: _array.sum_along(a, axes), array), expected, rtol=2e-6)
    kept = xp.run(lambda a: _array.sum_along(a, axes, keepdims=True), array)
    np.testing.assert_allclose(kept, np.expand_dims(expected, axes), rtol=2e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scales_are_powers_of_two_in_which_squares_can_be_added(xp, dtype):
    info = np.finfo(dtype)
    if xp.name.startswith("jax"):
        info = np.finfo(np.float32)
    magnitudes = np.ldexp(np.ones(40), np.linspace(info.minexp, info.maxexp - 1, 40).astype(int)).astype(info.dtype)
    scales = xp.run(_array.binary_scale, magnitudes)
    assert (np.frexp(scales)[0] == 0.5).all()
    inside = magnitudes / scales
    limit = 2.0**20 if info.bits == 32 else 2.0**160
    assert (inside >= 1 / limit).all()
    assert (inside <= limit).all()
    assert (np.diff(scales) >= 0).all()
    assert xp.run(_array.binary_scale, np.ones(1, info.dtype)) == 1
    assert xp.run(_array.binary_scale, np.zeros(1, info.dtype)) == scales[0]


@pytest.mark.parametrize("percent", [0, 1e-6, 1e-3, 0.1, 29.3, 33.33333, 50, 99.9, 99.99999, 100])
def test_ranks_are_exact_for_more_numbers_than_single_precision_counts(xp, percent):
    last = np.array([0, 1, 6, 2**24, 2**24 + 1, 2**24 + 3, 2**31 - 1], np.int64)
    position, fraction = xp.run(lambda last: _array.linear_rank(last, percent), last)
    exact = [int(number) * Fraction(str(percent)) / 100 for number in last]
    assert position.tolist() == [int(rank) for rank in exact]
    np.testing.assert_allclose(fraction, [float(rank - int(rank)) for rank in exact], atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [5, 2**13 + 5])
def test_reductions_have_the_derivatives_of_what_they_choose(size):
    rng = np.random.default_rng(size)
    distances, weights = rng.permutation(size).astype(np.float32), rng.integers(0, 2, size).astype(np.float32)
    distances[:2], weights[:3] = size // 2, (1, 1, 0)
    pair = jnp.asarray(distances), jnp.asarray(weights)
    chosen = distances * weights == (distances * weights).max()
    np.testing.assert_array_equal(jax.grad(_array.weighted_max)(*pair), chosen / chosen.sum())
    _, slope = jax.vjp(lambda d: _array.weighted_quantiles(d, pair[1], jnp.asarray([0.0, weights.sum() / 2])), pair[0])
    ordered = np.argsort(np.where(weights > 0, distances, np.inf), kind="stable")
    rank = int(np.ceil(weights.sum() / 2)) - 1
    for row, value in enumerate(distances[ordered[[0, rank]]]):
        chosen = (distances == value) & (weights > 0)
        np.testing.assert_allclose(slope(jnp.eye(2)[row])[0], chosen / chosen.sum())

    def total(lengths, masses):
        return _array.reduce_weighted(_array.weighted_sum, lengths, masses)

    by_lengths, by_weights = jax.jit(jax.grad(total, (0, 1)))(*pair)
    np.testing.assert_array_equal(by_lengths, weights)
    np.testing.assert_array_equal(by_weights, distances * (weights > 0))
    tangent = jax.jvp(lambda lengths: total(lengths, pair[1]), pair[:1], (jnp.ones(size),))[1]
    assert float(tangent) == weights.sum()


@pytest.mark.parametrize("dtype", [np.float32, np.int8])
def test_the_first_of_equal_largest_entries_is_found_and_nan_is_larger_than_all(xp, dtype):
    rows = np.array([[1, 3, 3, 2], [0, -0.0, 0, -1], [5, 5, 5, 5], [-1, -2, -3, -1]], dtype=dtype)
    if dtype == np.float32:
        more = [[1, np.nan, np.inf, np.nan], [-np.inf] * 4, [np.nan] * 4, [-np.inf, -np.inf, 0, np.inf]]
        rows = np.concatenate([rows, np.array(more, dtype=dtype)])
    lowest = -np.inf if dtype == np.float32 else -128
    for more in (0, 200):
        wide = np.pad(rows, ((0, 0), (0, more)), constant_values=lowest)
        np.testing.assert_array_equal(xp.run(_array.largest_position, wide), wide.argmax(axis=-1))
    assert xp.run(_array.largest_position, rows[0]).shape == ()
