"""Boxes that are covered, exchanged and enlarged: against loops over boxes, on every library."""

from functools import partial

import numpy as np
import pytest

from mia_functional.geometry import Geometry, index_to_world
from mia_functional.transforms import (
    cutout,
    linear,
    nearest,
    random_cutout,
    random_resized_crop,
    random_swap,
    randomly,
    resized_crop,
    swap,
    warp,
)

IMAGE = np.random.default_rng(0).random((6, 7, 8, 2)).astype(np.float32)
LABELS = (IMAGE[..., :1] * 9).astype(np.uint8)
STARTS, SIZES = np.array([[1, 2, 3], [5, 0, 6]]), np.array([[2, 3, 1], [4, 2, 9]])


def boxes(starts, sizes):
    """Return boxes as slices."""
    return [tuple(slice(a, a + n) for a, n in zip(*box, strict=True)) for box in zip(starts, sizes, strict=True)]


@pytest.mark.sampled(10)
@pytest.mark.parametrize("array", [IMAGE, LABELS], ids=["image", "labels"])
def test_boxes_are_covered(xp, array):
    expected = array.copy()
    for box in boxes(STARTS, SIZES):
        expected[box] = 3
    found = xp.run(lambda x, start, size: cutout(x, start, size, fill_value=3), array, STARTS, SIZES)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == array.dtype
    one = xp.run(lambda x, start, size: cutout(x, start, size), array, STARTS[0], SIZES[0])
    assert (one[1:3, 2:5, 3:4] == 0).all()
    assert np.count_nonzero(one) == np.count_nonzero(array) - np.count_nonzero(array[1:3, 2:5, 3:4])


@pytest.mark.sampled(10)
@pytest.mark.parametrize("array", [IMAGE, LABELS], ids=["image", "labels"])
def test_patches_are_exchanged_pair_by_pair(xp, array):
    first, second = np.array([[0, 0, 0], [1, 2, 3]]), np.array([[2, 4, 5], [3, 2, 3]])
    expected = array.copy()
    for one, other in zip(first, second, strict=True):
        (a, b) = boxes((one, other), [(2, 3, 3)] * 2)
        held = expected[a].copy()
        expected[a], expected[b] = expected[b].copy(), held
    before = array.copy()
    found = xp.run(lambda x, a, b: swap(x, a, b, patch_shape=(2, 3, 3)), array, first, second)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(array, before)
    assert found.dtype == array.dtype


def test_nothing_is_lost_by_swaps_that_are_drawn():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = random_swap(rng, spatial_shape=(6, 7, 8), patch_shape=(4, 3, 5), swaps=8)
        assert (np.abs(first - second) >= [4, 3, 5]).any(axis=1).all()
        assert ((first >= 0) & (second >= 0) & (first <= [2, 4, 3]) & (second <= [2, 4, 3])).all()
        found = swap(IMAGE, first, second, patch_shape=(4, 3, 5))
        np.testing.assert_array_equal(np.sort(found, axis=None), np.sort(IMAGE, axis=None))
    places = [random_swap(rng, spatial_shape=(4,), patch_shape=(1,), swaps=50) for _ in range(10)]
    pairs = {(int(a), int(b)) for draw in places for a, b in zip(draw.first[:, 0], draw.second[:, 0], strict=True)}
    assert pairs == {(a, b) for a in range(4) for b in range(4) if a != b}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("rule", [linear, nearest])
def test_boxes_are_resampled(xp, rule):
    start, size, shape = np.array([0.5, 2.0, 0.0]), np.array([4.0, 3.5, 8.0]), (4, 9, 5)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"))
    ratio = (size / shape).reshape(3, 1, 1, 1)
    places = start.reshape(3, 1, 1, 1) + (grid + 0.5) * ratio - 0.5
    found = xp.run(lambda x, a, b: resized_crop(x, a, b, shape=shape, interpolation=rule), IMAGE, start, size)
    np.testing.assert_allclose(found, warp(IMAGE, places, interpolation=rule), atol=1e-5)


def test_the_whole_image_at_its_own_shape_stays_and_the_geometry_goes_along():
    for array in (IMAGE, LABELS):
        found = resized_crop(array, (0.0, 0.0, 0.0), (6.0, 7.0, 8.0), shape=(6, 7, 8))
        np.testing.assert_array_equal(found, array)
        assert found.dtype == array.dtype
    grid = Geometry(shape=(6, 7, 8), spacing=(2.0, 1.0, 0.5), origin=(5.0, -3.0, 1.0))
    world = np.stack([np.asarray(index_to_world(grid, index)) for index in np.ndindex(6, 7, 8)]).reshape(6, 7, 8, 3)
    draw = random_resized_crop(np.random.default_rng(3), spatial_shape=(6, 7, 8), scale=(0.5, 0.8), max_stretch=0.2)
    new, there = (resized_crop(entry, *draw, shape=(5, 4, 3)) for entry in (grid, world))
    # Inside of the image, between voxels, where linear interpolation of world coordinates is exact.
    for index in np.ndindex(3, 2, 1):
        inner = tuple(position + 1 for position in index)
        np.testing.assert_allclose(there[inner], index_to_world(new, inner), atol=1e-9)
    labels = randomly(("labels", "geometry"), random_resized_crop, lambda x, *d: resized_crop(x, *d, shape=(3, 3, 3)))
    after = labels({"labels": LABELS, "geometry": grid, "rng": np.random.default_rng(0)})
    assert after["labels"].shape == (3, 3, 3, 1)
    assert after["geometry"].shape == (3, 3, 3)


def test_draws_lie_inside_and_reach_all_places():
    rng = np.random.default_rng(0)
    draws = [random_cutout(rng, spatial_shape=(5, 9), boxes=3, share=(0.2, 0.6)) for _ in range(200)]
    starts, sizes = (np.concatenate(column) for column in zip(*draws, strict=True))
    assert (starts >= 0).all()
    assert (starts + sizes <= [5, 9]).all()
    assert {*sizes[:, 0].tolist()} == {1, 2, 3}
    assert {*sizes[:, 1].tolist()} == {2, 3, 4, 5}
    assert {*starts[:, 0].tolist()} == {0, 1, 2, 3, 4}
    crops = [random_resized_crop(rng, spatial_shape=(5, 9), scale=(0.5, 0.9), max_stretch=0.1) for _ in range(200)]
    starts, sizes = (np.array(column) for column in zip(*crops, strict=True))
    assert (starts >= 0).all()
    assert (starts + sizes <= [5, 9]).all()
    assert (sizes >= np.array([5, 9]) * 0.5 / 1.1).all()
    plain = random_resized_crop(rng, spatial_shape=(5, 10))
    assert plain.size[1] == pytest.approx(2 * plain.size[0])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: cutout(IMAGE, [1, 2], [1]), ValueError, "cutout: `size` must have the shape"),
        (lambda: cutout(IMAGE, 1, 1), ValueError, "cutout: `start` must have the shape"),
        (lambda: cutout(LABELS, [1, 2, 3], [1, 1, 1], fill_value=-1), ValueError, "cutout: `fill_value` must be"),
        (lambda: swap(IMAGE, [[0, 0, 0]], [[5, 0, 0]], patch_shape=(2, 2, 2)), ValueError, "stay below 6 on axis 0"),
        (lambda: swap(IMAGE, [[0, 0, 0]], [], patch_shape=(2, 2, 2)), ValueError, "`second` must have 1 entries"),
        (lambda: swap(IMAGE, [[0, 0, 0]], [[1, 1, 1]], patch_shape=(9, 2, 2)), ValueError, "`patch_shape` must fit"),
        (lambda: swap(IMAGE, [[0.5, 0, 0]], [[1, 1, 1]], patch_shape=(2, 2, 2)), TypeError, "`first` must be"),
        (lambda: resized_crop(IMAGE, [0.0], [1.0, 2.0], shape=(2,)), ValueError, "`size` must have the shape"),
        (lambda: resized_crop(IMAGE, [0.0], [0.0], shape=(2,)), ValueError, "`size` must be positive"),
        (
            lambda: random_swap(np.random.default_rng(0), spatial_shape=(3, 3), patch_shape=(2, 2)),
            ValueError,
            "twice along an axis",
        ),
    ],
)
def test_bad_input_is_one_sentence(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


def test_patches_that_overlap_are_exchanged_within_shard_map():
    # XLA for the CPU (JAX 0.10.2) writes over slices that were read there, on one device as well.
    jax = pytest.importorskip("jax")
    mesh = jax.make_mesh((1,), ("x",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("x")
    call = partial(swap, patch_shape=(3, 2))
    program = jax.jit(
        jax.shard_map(
            lambda *arrays: call(*(array[0] for array in arrays))[None], mesh=mesh, in_specs=spec, out_specs=spec
        )
    )
    image = np.arange(30.0, dtype=np.float32).reshape(6, 5)
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 4, (2, 3, 2)).astype(np.int32)
        expected = call(image, first, second)
        np.testing.assert_array_equal(program(image[None], first[None], second[None])[0], expected)
        np.testing.assert_array_equal(jax.jit(call)(image, first, second), expected)
