"""Reductions of weighted distances in JAX are those of NumPy: short and long arrays, full and empty chunks, batches."""

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


def test_undefined_ratios_have_no_gradient_that_is_not_a_number():
    gradient = jax.grad(lambda d: _array.ratio(jnp.ones(2), d, zero_division=0.0).sum())(jnp.array([0.0, 2.0]))
    np.testing.assert_array_equal(gradient, [0.0, -0.25])
