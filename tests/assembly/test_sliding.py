"""A network over a volume: sliding windows in every library, and as one program in JAX."""

import gc
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mia_functional.assembly import (
    assemble,
    gaussian,
    hann,
    sliding_window,
    uniform,
)
from mia_functional.extraction import extract

from .cases import GRID, SHAPE, VOLUME


@pytest.mark.sampled(11)
@pytest.mark.parametrize("window", [uniform, hann, gaussian])
@pytest.mark.parametrize("batch_size", [1, 20])
def test_a_sliding_window_equals_extract_network_assemble(xp, window, batch_size):
    def network(batch):
        return batch[..., :1] * 2.0 - batch[..., 1:] ** 2 + batch[:, :1, :1, :1, :1]

    found = xp.run(
        lambda volume: sliding_window(network, volume, (3, 4, 3), step=(2, 3, 2), window=window, batch_size=batch_size),
        VOLUME,
    )
    parts = [network(extract(VOLUME, index)[np.newaxis])[0] for index in GRID]
    np.testing.assert_allclose(found, assemble(parts, GRID, SHAPE, window=window), rtol=2e-6, atol=5e-6)


@pytest.mark.sampled(9)
@pytest.mark.parametrize("shape", [(5,), (4, 5), (2, 6, 3), (2, 3, 2, 3)])
def test_a_sliding_window_that_changes_nothing_is_the_identity_and_may_be_larger_than_the_volume(xp, shape):
    volume = np.random.default_rng(1).normal(size=(*shape, 2)).astype(np.float32)
    found = xp.run(lambda array: sliding_window(lambda batch: batch, array, (3,) * len(shape), window=hann), volume)
    np.testing.assert_array_equal(found, volume)


@pytest.mark.sampled(5)
@pytest.mark.parametrize(
    ("shape", "patch", "step"),
    [((9,), (4,), (2,)), ((9, 8), (4, 3), (2, 1)), ((9, 8, 7), (4, 3, 4), (3, 2, 3)), ((5, 6, 5, 4), (3, 3, 2, 2), 1)],
)
@pytest.mark.parametrize("batch_size", [2, 3, 7])
def test_batches_that_reach_into_the_next_layer_of_patches_keep_their_order(shape, patch, step, batch_size):
    volume = np.random.default_rng(2).normal(size=shape).astype(np.float32)

    def network(batch, stack):
        corner = batch[(slice(None), *(slice(1),) * len(shape))]
        return stack([batch - 3 * corner, corner + 0 * batch], axis=-1)

    options = {"step": step, "window": gaussian, "batch_size": batch_size}
    expected = sliding_window(partial(network, stack=np.stack), volume, patch, **options)
    found = sliding_window(partial(network, stack=jnp.stack), jnp.asarray(volume), patch, **options)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-5)


@pytest.mark.slow
def test_the_gradient_of_a_sliding_window_is_that_of_assemble():
    volume = jnp.asarray(VOLUME)

    def slid(volume):
        return (sliding_window(jnp.sin, volume, (3, 4, 3), step=(2, 3, 2), window=hann, batch_size=3) ** 2).sum()

    def assembled(volume):
        return (assemble([jnp.sin(volume[index]) for index in GRID], GRID, SHAPE, window=hann) ** 2).sum()

    np.testing.assert_allclose(jax.grad(slid)(volume), jax.grad(assembled)(volume), rtol=2e-5, atol=1e-5)


def test_a_sliding_window_keeps_single_precision_where_double_is_allowed():
    with jax.enable_x64(new_val=True):
        volume = jnp.asarray(VOLUME)
        found = sliding_window(jnp.sin, volume, (3, 4, 3), step=(2, 3, 2), window=hann, batch_size=3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.sin(VOLUME), rtol=2e-6, atol=1e-6)


def test_a_sliding_window_keeps_dtypes_and_sees_batches():
    sizes = []

    def count(batch):
        sizes.append(batch.shape[0])
        return (batch > 0).astype(np.uint8)

    found = sliding_window(count, np.ones((9, 2)), (3, 2), step=2, batch_size=3)
    assert sizes == [3, 1]
    assert found.dtype == np.float32
    assert (found == 1).all()
    assert sliding_window(lambda batch: batch.astype(np.float16), np.ones(4), (2,)).dtype == np.float16


def test_a_sliding_window_in_jax_is_one_program_with_the_network_once():
    calls = []

    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    volume = jnp.asarray(VOLUME)
    run = jax.jit(lambda volume: sliding_window(network, volume, (3, 4, 3), step=(2, 3, 2), batch_size=3))
    np.testing.assert_array_equal(run(volume), VOLUME * 2)
    assert len(calls) <= 3
    text = run.lower(volume).as_text()
    assert "while" in text


@pytest.mark.slow
def test_a_network_that_is_compiled_already_is_compiled_into_a_loop_once_and_not_kept():
    calls = []

    @jax.jit
    def network(batch):
        calls.append(batch.shape)
        return batch * 2

    volume = jnp.asarray(VOLUME)
    slide = partial(sliding_window, network, patch_shape=(3, 4, 3), step=(2, 3, 2), batch_size=5)
    np.testing.assert_array_equal(slide(volume), VOLUME * 2)
    traced = len(calls)
    np.testing.assert_array_equal(slide(volume + 1), (VOLUME + 1) * 2)
    np.testing.assert_allclose(slide(volume, window=hann), VOLUME * 2)
    assert len(calls) == traced
    assert (slide(volume[:5]) == VOLUME[:5] * 2).all()
    alive = weakref.ref(network)
    del network, slide
    gc.collect()
    assert alive() is None


@pytest.mark.slow
def test_a_network_that_is_not_compiled_may_change_between_calls():
    weights = {"factor": 2.0}

    def network(batch):
        return batch * weights["factor"]

    volume = jnp.asarray(VOLUME)
    np.testing.assert_array_equal(sliding_window(network, volume, (3, 4, 3)), VOLUME * 2)
    weights["factor"] = 3.0
    np.testing.assert_array_equal(sliding_window(network, volume, (3, 4, 3)), VOLUME * 3)


def test_a_sliding_window_may_not_change_the_volume_through_its_patches():
    def careless(batch):
        batch += 1
        return batch

    volume = np.zeros((4, 4))
    assert (sliding_window(careless, volume, (2, 2)) == 1).all()
    assert (volume == 0).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: sliding_window(lambda b: b[:, 1:], np.ones(5), (3,)), r"`function` must return predictions \(1, 3\)"),
        (lambda: sliding_window(lambda b: b, np.ones(5), (3, 3)), "`patch_shape` must have at most 1 entries"),
        (
            lambda: sliding_window(lambda b: b, np.ones(9), (3,), step=4),
            r"`step` must be at most the patch, \(3,\); got 4",
        ),
        (lambda: sliding_window(lambda b: b, np.ones(9), (3,), batch_size=0), "`batch_size` must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(call, text):
    with pytest.raises(ValueError, match=text):
        call()
