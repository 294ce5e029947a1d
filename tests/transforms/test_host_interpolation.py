"""Arrays of NumPy are interpolated in blocks: everywhere the values that the way of all other libraries gives."""

import tracemalloc
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.geometry import Geometry
from mia_functional.transforms import (
    affine,
    elastic,
    host_interpolation,
    linear,
    nearest,
    on,
    random_affine,
    randomly,
    resample,
    resample_onto,
    shared_places,
    warp,
    warping,
)

DTYPES = ("float32", "float64", "float16", ">f4", "uint8", "int16", "uint32", "int64", "bool", "bfloat16")


def by_definition(function, *arguments, **options):
    """Return what the code of all libraries gives for arrays of NumPy."""
    # Infinities of both signs make it warn.
    with patch.object(warping, "has_host_way", lambda *_: False), np.errstate(all="ignore"):
        return function(*arguments, **options)


def in_small_blocks(function, *arguments, **options):
    """Return what blocks of a few voxels give, so that small arrays have many."""
    with patch.object(host_interpolation, "_BLOCK_BYTES", 96):
        return function(*arguments, **options)


def assert_same(found, expected):
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.astype(np.float64), expected.astype(np.float64))


def array_of(rng, shape, dtype, *, holes=False):
    """Return values of the whole range of labels, or of images, perhaps with NaN and infinity."""
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    values = rng.normal(0, 40, shape)
    kind = np.dtype(dtype).kind
    if kind in "ui":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    if kind == "b":
        return values > 0
    if holes:
        values[rng.random(shape) < 0.1] = np.nan
        values[rng.random(shape) < 0.05] = np.inf
        values[rng.random(shape) < 0.05] = -np.inf
    return values.astype(dtype)


@st.composite
def scenes(draw):
    """Draw an array with one to four spatial axes and up to two of channels, a map, and how to interpolate."""
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    channels = draw(st.lists(st.integers(0, 4), max_size=2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    array = array_of(rng, (*sizes, *channels), draw(st.sampled_from(DTYPES)), holes=draw(st.booleans()))
    # Half steps meet ties, and whole ones leave no weight to one of two neighbours.
    exact = draw(st.booleans())
    count = len(sizes)
    matrix = rng.integers(-2, 3, (count, count)) / 2 if exact else np.eye(count) + rng.normal(0, 0.3, (count, count))
    offset = rng.integers(-4, 5, count) / 2 if exact else rng.normal(0, 2, count)
    options = {
        "interpolation": draw(st.sampled_from((None, linear, nearest))),
        "fill_value": draw(st.sampled_from((0, 1))),
    }
    return array, matrix, offset, options


@given(scenes())
def test_an_affine_map_gives_the_same_numbers(scene):
    array, matrix, offset, options = scene
    expected = by_definition(affine, array, matrix, offset, **options)
    assert_same(affine(array, matrix, offset, **options), expected)
    assert_same(in_small_blocks(affine, array, matrix, offset, **options), expected)


@given(scenes(), st.lists(st.integers(0, 9), max_size=3))
def test_points_anywhere_give_the_same_numbers(scene, shape):
    array, matrix, _, options = scene
    points = np.random.default_rng(0).normal(2, 3, (len(matrix), *(shape or [5])))
    points.ravel()[:3] = [np.inf, -np.inf, 1e30][: points.size]
    expected = by_definition(warp, array, points, **options)
    assert_same(in_small_blocks(warp, array, points, **options), expected)


@given(scenes(), st.integers(4, 7))
def test_a_spline_gives_the_same_numbers(scene, count):
    array, matrix, _, options = scene
    axes = len(matrix)
    control = np.random.default_rng(count).normal(0, 1, (axes, *(count,) * axes))
    expected = by_definition(elastic, array, control, **options)
    found = in_small_blocks(elastic, array, control, **options)
    if array.dtype.kind == "f" and options["interpolation"] is not nearest:
        # Sums of products are rounded in another order, which moves points by a millionth of a voxel.
        finite = np.abs(array[np.isfinite(array)]).max(initial=1.0)
        eps = 1e-2 if array.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(found, expected, rtol=0, atol=eps * float(finite))
    elif options["interpolation"] is not linear:
        assert_same(found, expected)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_grids_give_the_same_numbers(seed, is_turned):
    rng = np.random.default_rng(seed)
    direction, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    old = Geometry(shape=(5, 6, 4), spacing=(1.0, 2.0, 1.5), origin=tuple(rng.normal(size=3)))
    turn = tuple(map(tuple, direction)) if is_turned else old.direction
    onto = Geometry(shape=(6, 3, 7), spacing=(1.5, 1.0, 1.25), origin=tuple(rng.normal(size=3)), direction=turn)
    for dtype in ("float32", "uint8"):
        array = array_of(rng, (5, 6, 4, 2), dtype)
        assert_same(in_small_blocks(resample_onto, array, old, onto), by_definition(resample_onto, array, old, onto))


@given(scenes(), st.lists(st.floats(0.3, 3.0), min_size=4, max_size=4), st.booleans())
def test_other_voxel_sizes_give_the_same_numbers(scene, scale, antialias):
    array, matrix, _, options = scene
    # Smoothing warns where infinities of both signs meet.
    is_smoothed = antialias and bool(np.isfinite(array.astype(np.float64)).all())
    options = {"interpolation": options["interpolation"], "antialias": is_smoothed}
    expected = by_definition(resample, array, scale[: len(matrix)], **options)
    assert_same(in_small_blocks(resample, array, scale[: len(matrix)], **options), expected)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_two_threads_give_the_same_numbers(dtype):
    rng = np.random.default_rng(0)
    array = array_of(rng, (70, 66, 68, 2), dtype)
    scene = np.eye(3) + rng.normal(0, 0.1, (3, 3)), rng.normal(0, 2, 3)
    for rule in (linear, nearest):
        assert_same(affine(array, *scene, interpolation=rule), by_definition(affine, array, *scene, interpolation=rule))


def test_the_array_may_lie_in_memory_in_any_way_and_stays_as_it_is():
    rng = np.random.default_rng(0)
    dense = array_of(rng, (5, 6, 7, 2), "float32")
    matrix, offset = np.eye(3) + 0.1, np.full(3, 0.4)
    expected = affine(dense, matrix, offset)
    for array in (np.asfortranarray(dense), np.flip(np.flip(dense, 0).copy(), 0), np.repeat(dense, 2, -1)[..., ::2]):
        before = array.copy()
        array.flags.writeable = False
        np.testing.assert_array_equal(affine(array, matrix, offset), expected)
        np.testing.assert_array_equal(array, before)


@pytest.mark.sampled(3)
def test_image_and_labels_share_one_computation_of_places(xp):
    rng = np.random.default_rng(0)
    image, labels = rng.random((6, 7, 5, 2), dtype=np.float32), rng.integers(0, 4, (6, 7, 5, 1), dtype=np.uint8)
    matrix, offset = np.eye(3) + rng.normal(0, 0.1, (3, 3)), rng.normal(0, 1, 3)

    def both(image, labels):
        sample = on(("images", "labels"), affine, matrix=matrix, offset=offset)({"images": image, "labels": labels})
        return sample["images"], sample["labels"]

    with patch.object(warping, "Places", side_effect=warping.Places) as made:
        found = xp.run(both, image, labels)
    assert made.call_count == 1
    alone = [xp.run(lambda array: affine(array, matrix, offset), array) for array in (image, labels)]
    for array, expected in zip(found, alone, strict=True):
        np.testing.assert_allclose(array, expected, atol=1e-6)


def test_fill_values_and_other_options_of_categories_are_their_own():
    rng = np.random.default_rng(0)
    sample = {"images": rng.random((4, 5, 2)), "labels": rng.integers(0, 3, (4, 5, 1)), "scores": rng.random((4, 5, 1))}
    functions = {
        "images": partial(affine, fill_value=-7.0),
        "labels": partial(affine, fill_value=9),
        "scores": partial(affine, interpolation=nearest),
    }
    moved = partial(randomly, tuple(functions), random_affine, functions, translation=3.0, roles={"scores": "image"})
    together = moved()({**sample, "rng": np.random.default_rng(1)})
    with patch.object(shared_places, "_WARPS", {}):
        alone = moved()({**sample, "rng": np.random.default_rng(1)})
    assert (together["images"] == -7).any()
    assert (together["labels"] == 9).any()
    for name in sample:
        np.testing.assert_array_equal(together[name], alone[name])


def test_a_geometry_is_handed_on_by_affine_maps_and_splines():
    grid = Geometry(shape=(4, 5, 6), spacing=(1.0, 2.0, 3.0))
    assert affine(grid, np.eye(3), np.zeros(3)) == elastic(grid, np.ones((3, 4, 4, 4))) == grid
    sample = {"images": np.ones((4, 5, 6, 1)), "geometry": grid, "rng": np.random.default_rng(0)}
    assert randomly(("images", "geometry"), random_affine, affine)(sample)["geometry"] == grid
    with pytest.raises(ValueError, match="affine: `offset` must have one entry for each of the 3 axes"):
        affine(grid, np.eye(2), np.zeros(2))
    with pytest.raises(ValueError, match="elastic: `control` must have one entry for each of the 3 axes"):
        elastic(grid, np.zeros((2, 4, 4)))


@pytest.mark.slow
def test_an_affine_map_takes_little_memory_beside_image_and_result():
    image = np.zeros((96, 96, 96, 2), np.float32)
    tracemalloc.start()
    result = affine(image, np.eye(3) * 1.1, np.full(3, 0.5))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Buffers of two threads, whose size does not depend on that of the image.
    assert peak - result.nbytes < 1.3 * image.nbytes
