"""Distance transforms, borders, boxes and components: against SciPy and against their definitions, on every library."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from scipy import ndimage

from mia_functional.morphology import (
    border,
    bounding_box,
    connected_components,
    distance_transform,
    euclidean,
    largest_components,
)

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
    squares = euclidean.squared_distances(mask, spacing=spacing)
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


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 24)])
@pytest.mark.parametrize("cap", [None, 2.0])
def test_an_empty_mask_is_infinitely_far_and_a_full_one_near(xp, shape, cap):
    transform = partial(distance_transform, spacing=(1.5,) * len(shape), cap=cap)
    assert np.all(np.isposinf(xp.run(transform, np.zeros(shape, dtype=bool))))
    assert np.all(xp.run(transform, np.ones(shape, dtype=bool)) == 0)


def test_integers_of_0_and_1_are_a_mask(xp):
    got = xp.run(partial(distance_transform, spacing=(2.0,)), np.array([0, 0, 1], dtype=np.uint8))
    np.testing.assert_array_equal(got, [4.0, 2.0, 0.0])


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


@pytest.mark.parametrize("shape", SHAPES)
def test_borders_are_the_mask_without_its_erosion(xp, shape):
    mask = noise(5, shape, 0.8)
    np.testing.assert_array_equal(xp.run(border, mask), mask & ~ndimage.binary_erosion(mask))


def test_boxes_are_the_smallest_around_a_mask(xp):
    mask = np.zeros((6, 7, 8), dtype=bool)
    mask[2, 3:5, 1] = mask[4, 6, 7] = True
    assert bounding_box(xp.asarray(mask)) == (slice(2, 5), slice(3, 7), slice(1, 8))
    assert bounding_box(np.asfortranarray(mask)) == (slice(2, 5), slice(3, 7), slice(1, 8))
    assert bounding_box(mask[::-1].transpose(1, 2, 0)[:, ::-1])[0] == slice(3, 7)
    assert bounding_box(xp.asarray(np.zeros((2, 3), dtype=bool))) == (slice(0, 0), slice(0, 0))


def brute_components(mask, connectivity):
    """Return numbered components by walking from each voxel that has no number yet."""
    labels = np.zeros(mask.shape, dtype=int)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=mask.ndim) if 0 < np.count_nonzero(s) <= connectivity]
    for start in zip(*np.nonzero(mask), strict=True):
        if labels[start]:
            continue
        number, stack = labels.max() + 1, [start]
        while stack:
            voxel = stack.pop()
            if not labels[voxel]:
                labels[voxel] = number
                near = [tuple(np.add(voxel, step)) for step in steps]
                inside = [v for v in near if all(0 <= i < n for i, n in zip(v, mask.shape, strict=True))]
                stack += [v for v in inside if mask[v]]
    return labels


@pytest.mark.parametrize(
    ("shape", "connectivity"), [((12,), 1), ((7, 8), 1), ((7, 8), 2), ((4, 5, 6), 2), ((4, 5, 6), 3)]
)
def test_components_equal_a_walk(shape, connectivity):
    mask = noise(6, shape, 0.3)
    expected = brute_components(mask, connectivity)
    labels = connected_components(mask, connectivity=connectivity)
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, expected)
    volumes = [(np.sum(expected == number), -number) for number in range(1, expected.max() + 1)]
    for count in (1, 2):
        kept = [-number for _, number in sorted(volumes, reverse=True)[:count]]
        got = largest_components(mask, count=count, connectivity=connectivity)
        np.testing.assert_array_equal(got, np.isin(expected, kept))


def test_components_keep_the_library():
    import jax.numpy as jnp
    import torch

    mask = np.array([[1, 0, 1], [0, 0, 1]], dtype=bool)
    for asarray, kind in ((jnp.asarray, jnp.ndarray), (torch.asarray, torch.Tensor)):
        assert isinstance(connected_components(asarray(mask)), kind)
        assert np.asarray(largest_components(asarray(mask))).tolist() == [[False, False, True], [False, False, True]]
    assert not largest_components(np.zeros((2, 2), dtype=bool)).any()


MASK = np.ones((2, 3), dtype=bool)


@pytest.mark.parametrize(
    ("function", "mask", "options", "error", "words"),
    [
        (distance_transform, MASK, {"spacing": (1.0,)}, ValueError, "spacing has 1 entries, array has 2 axes"),
        (distance_transform, MASK, {"spacing": (1.0, 0.0)}, ValueError, "`spacing` must lie within"),
        (distance_transform, MASK, {"spacing": (1.0, math.nan)}, ValueError, "`spacing`"),
        (distance_transform, MASK, {"spacing": (1, 1), "cap": 0.0}, ValueError, "`cap` must be positive; got 0.0"),
        (distance_transform, MASK, {"spacing": (1, 1), "cap": math.nan}, ValueError, "`cap`"),
        (
            distance_transform,
            MASK,
            {"spacing": (1, 1), "method": "gpu"},
            ValueError,
            "`method` must be one of auto, host",
        ),
        (distance_transform, MASK.astype(float), {"spacing": (1, 1)}, TypeError, "threshold or cast first"),
        (distance_transform, MASK * 255, {"spacing": (1, 1)}, ValueError, "contains 255"),
        (distance_transform, [[True]], {"spacing": (1, 1)}, TypeError, "must be an array; got list"),
        (border, np.ones((1, 1, 1, 1), bool), {}, ValueError, "`mask` must have 1 or 2 or 3 axes"),
        (bounding_box, np.ones((0, 2), bool), {}, ValueError, "at least one axis and one element"),
        (connected_components, MASK, {"connectivity": 3}, ValueError, "`connectivity` must be at most 2"),
        (connected_components, MASK, {"connectivity": 0}, ValueError, "`connectivity` must be at least 1"),
        (largest_components, MASK, {"count": 0}, ValueError, "`count` must be at least 1"),
        (largest_components, MASK, {"count": 1.5}, TypeError, "`count` must be a whole number"),
    ],
)
def test_bad_input(function, mask, options, error, words):
    with pytest.raises(error, match=words):
        function(mask, **options)


def test_inputs_are_not_changed():
    mask = noise(7, (5, 6))
    copy = mask.copy()
    distance_transform(mask, spacing=(1.0, 1.0), cap=1.0)
    border(mask)
    largest_components(mask)
    np.testing.assert_array_equal(mask, copy)


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
