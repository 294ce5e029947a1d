"""All patches of a grid in one JAX array: one program, with the results of a list of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional import indexing
from mia_functional.assembly import (
    assemble,
    gaussian,
    hann,
    last,
    maximum,
    mean,
    total,
    uniform,
)


@pytest.mark.slow
@pytest.mark.sampled(12)
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("shape", "patch", "step", "rule", "channels"),
    [
        ((9,), (4,), 2, indexing.shift, (2,)),
        ((9, 7), (4, 3), 2, indexing.shift, ()),
        ((7, 9, 6), (3, 4, 3), 2, indexing.even, (2, 3)),
        ((11, 5, 5), (2, 3, 5), 1, indexing.shift, (1,)),
        ((5, 4, 3, 4), (3, 2, 3, 2), 2, indexing.shift, (2,)),
    ],
)
@pytest.mark.parametrize(
    ("reduction", "window"),
    [(mean, uniform), (mean, hann), (mean, gaussian), (last, uniform), (total, uniform), (maximum, uniform)],
)
def test_one_jax_array_of_patches_equals_a_list_of_them(
    shape, patch, step, rule, channels, reduction, window, compiled
):
    indices = indexing.patches(shape, patch, step=step, boundary=rule)
    parts = np.random.default_rng(0).normal(size=(len(indices), *patch, *channels)).astype(np.float32)

    def run(array):
        return assemble(array, indices, shape, reduction=reduction, window=window)

    expected = assemble(list(parts), indices, shape, reduction=reduction, window=window)
    found = (jax.jit(run) if compiled else run)(jnp.asarray(parts))
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)
    volume = np.random.default_rng(1).normal(size=(*shape, *channels)).astype(np.float32)
    same = np.stack([volume[index] for index in indices])
    if reduction is not total:
        np.testing.assert_array_equal((jax.jit(run) if compiled else run)(jnp.asarray(same)), volume)


@pytest.mark.slow
def test_one_jax_array_keeps_its_dtype_and_what_is_no_grid_goes_the_general_way():
    grid = indexing.patches((6, 4), (3, 2), step=2)
    for dtype, found in ((jnp.float16, jnp.float16), (jnp.bfloat16, jnp.bfloat16), (jnp.uint8, jnp.float32)):
        volume = assemble(jnp.full((len(grid), 3, 2), 113, dtype=dtype), grid, (6, 4), window=gaussian)
        assert (volume == 113).all()
        assert volume.dtype == found
    gaps = indexing.patches((5, 4), (2, 2), boundary=indexing.drop)
    assert (assemble(jnp.ones((4, 2, 2)), gaps, (5, 4), fill_value=-1)[4] == -1).all()
    over = indexing.patches((5, 4), (2, 2), boundary=indexing.overhang)
    assert (assemble(jnp.ones((6, 2, 2)), over, (5, 4)) == 1).all()
    with pytest.raises(ValueError, match="is missing"):
        assemble(jnp.ones((4, 2, 2)), gaps, (5, 4))
    with pytest.raises(ValueError, match=r"`patches` must match their index, \(2, 2\); got \(3, 2\)"):
        assemble(jnp.ones((6, 3, 2)), over, (5, 4))


@pytest.mark.full
def test_the_mean_of_an_array_has_the_gradient_of_its_weights():
    grid = indexing.patches((5, 4), (3, 2), step=2)
    parts = jnp.asarray(np.random.default_rng(0).normal(size=(len(grid), 3, 2)).astype(np.float32))
    factors = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    found = jax.grad(lambda array: (assemble(array, grid, (5, 4), window=hann) * factors).sum())(parts)
    expected = jax.grad(lambda array: (assemble(list(array), grid, (5, 4), window=hann) * factors).sum())(parts)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.slow
def test_the_mean_of_an_array_needs_memory_for_the_volume_and_some_planes():
    shape, patch = (64, 40, 40), (32, 20, 20)
    grid = indexing.patches(shape, patch, step=16)
    parts = jnp.ones((len(grid), *patch, 4))
    compiled = jax.jit(lambda array: assemble(array, grid, shape, window=gaussian)).lower(parts).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 0.15 * 64 * 40 * 40 * 4 * 4
