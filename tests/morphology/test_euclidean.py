"""Distance transforms: against SciPy and brute force, on every library, eager, compiled and in batches."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.morphology import distance_transform, euclidean

SPACINGS = [(1.0, 1.0, 1.0), (0.9, 0.8, 3.0), (2.5, 0.7, 1.25)]
SHAPES = [(17,), (1,), (13, 9), (1, 8), (2, 1), (9, 30, 8), (1, 5, 26), (4, 1, 1)]


def noise(seed, shape, share=0.1):
    """Return a random mask that is not empty."""
    rng = np.random.default_rng(seed)
    mask = rng.random(shape) < share
    mask.flat[rng.integers(mask.size)] = True
    return mask


def brute_transform(mask, spacing):
    """Return the distance of every voxel by trying all voxels of the mask."""
    members = np.argwhere(mask) * spacing
    distances = [
        min(math.dist(np.multiply(voxel, spacing), member) for member in members) for voxel in np.ndindex(mask.shape)
    ]
    return np.reshape(distances, mask.shape)


@pytest.mark.sampled(17)
@pytest.mark.parametrize("shape", [(17,), (13, 9), (9, 30, 8)])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_are_scipys_on_every_library(xp, shape, spacing):
    spacing = spacing[: len(shape)]
    mask = noise(1, shape)
    got = xp.run(partial(distance_transform, spacing=spacing), mask)
    tolerance = 1e-12 if got.dtype == np.float64 else 3e-7
    np.testing.assert_allclose(got, ndimage.distance_transform_edt(~mask, sampling=spacing), rtol=tolerance)


@pytest.mark.parametrize(("shape", "spacing"), list(itertools.product(SHAPES, SPACINGS)))
def test_distances_equal_brute_force(shape, spacing):
    spacing = spacing[: len(shape)]
    mask = noise(2, shape, 0.05)
    expected = brute_transform(mask, spacing)
    np.testing.assert_allclose(distance_transform(mask, spacing=spacing), expected, rtol=1e-12)
    squares = euclidean._squared_distances(mask, spacing=spacing)
    np.testing.assert_allclose(np.sqrt(squares), expected, rtol=1e-12)


@pytest.mark.parametrize("cap", [0.5, 2.4, 3.0, 100.0])
def test_distances_above_the_cap_are_infinite(xp, cap):
    mask, spacing = noise(3, (12, 11, 30), 0.01), (1.0, 0.8, 0.6)
    exact = ndimage.distance_transform_edt(~mask, sampling=spacing)
    got = xp.run(partial(distance_transform, spacing=spacing, cap=cap), mask)
    clear = abs(exact - cap) > 1e-5
    np.testing.assert_allclose(got[clear], np.where(exact > cap, np.inf, exact)[clear], rtol=3e-7)


@pytest.mark.parametrize("step", [0.1, 0.3, 0.7])
def test_a_cap_of_whole_steps_reaches_that_far(xp, step):
    mask = np.zeros((2, 50), dtype=bool)
    mask[0, 0] = True
    got = xp.run(partial(distance_transform, spacing=(step, step), cap=3.00001 * step), mask)
    np.testing.assert_allclose(got[0, :4], [0, step, 2 * step, 3 * step], rtol=3e-7, atol=0)
    assert np.all(np.isinf(got[0, 4:]))


@pytest.mark.sampled(13)
@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 24)])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_an_empty_mask_is_infinitely_far_and_a_full_one_near(xp, shape, cap):
    transform = partial(distance_transform, spacing=(1.5,) * len(shape), cap=cap)
    assert np.all(np.isposinf(xp.run(transform, np.zeros(shape, dtype=bool))))
    assert np.all(xp.run(transform, np.ones(shape, dtype=bool)) == 0)


def test_integers_of_0_and_1_are_a_mask(xp):
    got = xp.run(partial(distance_transform, spacing=(2.0,)), np.array([0, 0, 1], dtype=np.uint8))
    np.testing.assert_array_equal(got, [4.0, 2.0, 0.0])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["auto", "host"])
@pytest.mark.parametrize("cap", [None, 3.0])
def test_a_batch_by_vmap_equals_its_members(method, cap):
    import jax

    batch = np.stack([noise(seed, (7, 30, 9), 0.02) for seed in range(3)] + [np.zeros((7, 30, 9), dtype=bool)])
    transform = partial(distance_transform, spacing=(1.0, 0.5, 2.0), cap=cap, method=method)
    expected = np.stack([distance_transform(mask, spacing=(1.0, 0.5, 2.0), cap=cap) for mask in batch])
    for function in (jax.vmap(transform), jax.jit(jax.vmap(transform))):
        np.testing.assert_allclose(function(jax.numpy.asarray(batch)), expected, rtol=3e-7)


def test_the_host_computes_from_inside_a_program_and_for_eager_arrays():
    import jax

    mask = noise(4, (5, 6, 7))
    transform = partial(distance_transform, spacing=SPACINGS[1], method="host")
    expected = ndimage.distance_transform_edt(~mask, sampling=SPACINGS[1])
    for function in (transform, jax.jit(transform)):
        got = function(jax.numpy.asarray(mask))
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, expected, rtol=1e-7)
    np.testing.assert_array_equal(transform(mask), expected)


def test_near_distances_are_replaced_where_they_do_not_reach(xp):
    """The bounded transform looks 10 mm around; the voxel at 25 mm makes the whole one run, the others do not."""
    targets = np.zeros((30, 2, 2), dtype=bool)
    targets[0] = True
    for last in (5, 25):
        wanted = np.zeros_like(targets)
        wanted[last] = True
        got = xp.run(lambda t, w: euclidean.nearest_squared_distances(t, w, spacing=(1.0, 1.0, 1.0)), targets, wanted)
        np.testing.assert_array_equal(got[: last + 1, 0, 0], np.arange(last + 1.0) ** 2)


def test_where_the_library_has_a_transform_of_its_own_it_is_asked(monkeypatch):
    """CuPy's part is played by SciPy, which has the same interface, on strict arrays, which are not on the host."""
    import array_api_strict

    def scipys(mask, spacing):
        return array_api_strict.asarray(ndimage.distance_transform_edt(np.asarray(mask), sampling=spacing))

    monkeypatch.setattr(euclidean._array, "is_cupy", lambda _: True)
    monkeypatch.setattr(euclidean._array, "cupy_distance_transform", scipys)
    mask, spacing = noise(8, (6, 7, 8)), SPACINGS[1]
    expected = ndimage.distance_transform_edt(~mask, sampling=spacing)
    array = array_api_strict.asarray(mask)
    np.testing.assert_array_equal(np.asarray(distance_transform(array, spacing=spacing)), expected)
    squares = euclidean.nearest_squared_distances(array, array, spacing=spacing)
    np.testing.assert_allclose(np.asarray(squares), expected**2, rtol=1e-15)
    empty = distance_transform(array_api_strict.zeros((2, 3), dtype=array_api_strict.bool), spacing=(1.0, 1.0))
    assert np.all(np.isinf(np.asarray(empty)))
