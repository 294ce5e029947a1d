"""Other grids and bent images: against SimpleITK, SciPy and torch; labels stay labels; everything under `jit`."""

import itertools
from functools import partial

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from mia_functional.geometry import Geometry, index_to_world
from mia_functional.images import from_simpleitk, to_itk, to_simpleitk
from mia_functional.transforms import (
    affine,
    argmax,
    elastic,
    linear,
    nearest,
    on,
    one_hot,
    resample,
    resample_onto,
    resample_to,
    warp,
)

RNG = np.random.default_rng(0)
VOLUME = ndimage.gaussian_filter(RNG.normal(size=(9, 12, 10)), 1.0).astype(np.float32)
IMAGE = np.stack([VOLUME, 5 - VOLUME], axis=-1)
LABELS = RNG.integers(0, 4, (9, 12, 10, 1), dtype=np.uint8)
ROTATION, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
GRID = Geometry(
    shape=(9, 12, 10), spacing=(3.0, 0.75, 1.25), origin=(-7.0, 20.0, 3.5), direction=tuple(map(tuple, ROTATION))
)
MATRIX = np.eye(3) + RNG.uniform(-0.2, 0.2, (3, 3))
OFFSET = RNG.uniform(-1.5, 1.5, 3)


def itk_resample(array, grid, onto, transform, *, order=SimpleITK.sitkLinear, fill_value=0.0):
    """Return what SimpleITK makes of an array on another grid, through a transform of ITK's."""
    size, spacing, origin, direction = to_itk(onto)
    image = to_simpleitk(array, grid)
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(image, size, transform, order, origin, spacing, direction, fill_value, image.GetPixelID())
    )


def itk_affine(matrix, offset, shape):
    """Return an affine map of voxels as a transform of ITK's, in its order of the axes."""
    result = SimpleITK.AffineTransform(len(shape))
    result.SetMatrix(np.asarray(matrix)[::-1, ::-1].ravel().tolist())
    result.SetTranslation(np.asarray(offset)[::-1].tolist())
    result.SetCenter([(size - 1) / 2 for size in shape[::-1]])
    return result


def test_affine_equals_simpleitk(xp):
    found = xp.run(lambda image, matrix, offset: affine(image, matrix, offset, fill_value=-3.0), IMAGE, MATRIX, OFFSET)
    grid = Geometry(shape=VOLUME.shape, spacing=(1.0,) * 3)
    transform = itk_affine(MATRIX, OFFSET, VOLUME.shape)
    for channel in range(2):
        expected = itk_resample(IMAGE[..., channel], grid, grid, transform, fill_value=-3.0)
        np.testing.assert_allclose(found[..., channel], expected, atol=2e-5)
    assert found.dtype == np.float32


def test_labels_are_taken_from_the_nearest_voxel_as_in_simpleitk(xp):
    found = xp.run(lambda labels, matrix, offset: affine(labels, matrix, offset, fill_value=9), LABELS, MATRIX, OFFSET)
    grid = Geometry(shape=VOLUME.shape, spacing=(1.0,) * 3)
    transform = itk_affine(MATRIX, OFFSET, VOLUME.shape)
    expected = itk_resample(LABELS[..., 0], grid, grid, transform, order=SimpleITK.sitkNearestNeighbor, fill_value=9)
    np.testing.assert_array_equal(found[..., 0], expected)
    assert found.dtype == np.uint8


def test_elastic_equals_simpleitk(xp):
    control = np.random.default_rng(1).normal(0, 1.5, (3, 5, 4, 6))
    found = xp.run(lambda image, control: elastic(image, control, fill_value=-3.0), IMAGE, control)
    spline = SimpleITK.BSplineTransform(3, 3)
    spline.SetTransformDomainOrigin((-0.5,) * 3)
    spline.SetTransformDomainPhysicalDimensions([float(size) for size in VOLUME.shape[::-1]])
    spline.SetTransformDomainMeshSize([points - 3 for points in control.shape[:0:-1]])
    spline.SetParameters(control[::-1].ravel().tolist())
    grid = Geometry(shape=VOLUME.shape, spacing=(1.0,) * 3)
    for channel in range(2):
        expected = itk_resample(IMAGE[..., channel], grid, grid, spline, fill_value=-3.0)
        np.testing.assert_allclose(found[..., channel], expected, atol=5e-5)


def test_image_and_labels_bend_alike(xp):
    control = np.random.default_rng(2).normal(0, 2.0, (3, 5, 5, 5))
    both = np.stack([LABELS[..., 0].astype(np.float32)] * 2, axis=-1)
    image = xp.run(lambda image, control: elastic(image, control, interpolation=nearest), both, control)
    labels = xp.run(elastic, LABELS, control)
    np.testing.assert_array_equal(image[..., :1], labels)


def test_labels_through_channels_follow_the_largest_share():
    control = np.random.default_rng(2).normal(0, 2.0, (3, 5, 5, 5))
    soft = elastic(one_hot(LABELS, (0, 1, 2, 3)), control)
    np.testing.assert_allclose(np.unique(soft.sum(axis=-1).round(5)), [0, 1])
    smooth = argmax(soft)
    assert set(np.unique(smooth)) <= {0, 1, 2, 3}
    assert (smooth == elastic(LABELS, control)).mean() > 0.7


@pytest.mark.sampled(3)
def test_resample_equals_simpleitk_and_keeps_the_place_in_the_world(xp):
    scale = (0.5, 1.5, 0.85)
    onto = resample(GRID, scale)
    assert onto.shape == (18, 8, 12)
    assert onto.spacing == (1.5, 1.125, 1.0625)
    middle = [(size - 1) / 2 for size in GRID.shape], [(size - 1) / 2 for size in onto.shape]
    np.testing.assert_allclose(index_to_world(GRID, middle[0]), index_to_world(onto, middle[1]), atol=1e-9)
    expected = itk_resample(VOLUME, GRID, onto, SimpleITK.Transform())
    found = xp.run(lambda image: resample(image, scale), IMAGE)
    np.testing.assert_allclose(found[..., 0], expected, atol=1e-5)
    expected = itk_resample(LABELS[..., 0], GRID, onto, SimpleITK.Transform(), order=SimpleITK.sitkNearestNeighbor)
    np.testing.assert_array_equal(xp.run(lambda labels: resample(labels, scale), LABELS)[..., 0], expected)


def test_resample_equals_torch_where_extents_agree():
    found = resample(VOLUME, (0.5, 2.0, 1.0))
    expected = torch.nn.functional.interpolate(
        torch.asarray(VOLUME)[None, None], size=(18, 6, 10), mode="trilinear", align_corners=False
    )
    np.testing.assert_allclose(found, expected[0, 0], atol=1e-6)


@pytest.mark.sampled(3)
def test_antialias_matches_the_point_spread_of_the_new_voxels(xp):
    """The deviation is Cardoso's: variances of Gaussians add, and full widths at half maximum are the voxel sizes."""
    scale = (3.0, 0.5, 1.25)
    width = 2 * np.sqrt(2 * np.log(2))
    sigma = [np.sqrt(max(step**2 - 1, 0)) / width for step in scale]
    smooth = np.stack([ndimage.gaussian_filter(IMAGE[..., c], sigma, mode="nearest") for c in range(2)], axis=-1)
    found = xp.run(lambda image: resample(image, scale, antialias=True), IMAGE)
    np.testing.assert_allclose(found, resample(smooth, scale), atol=2e-6)
    assert found.dtype == np.float32


@pytest.mark.sampled(3)
def test_antialias_changes_neither_labels_nor_what_becomes_finer_nor_the_grid(xp):
    scale = (3.0, 2.0, 2.0)
    found = xp.run(lambda labels: resample(labels, scale, antialias=True), LABELS)
    np.testing.assert_array_equal(found, resample(LABELS, scale))
    image = xp.run(lambda image: resample(image, scale, interpolation=nearest, antialias=True), IMAGE)
    np.testing.assert_array_equal(image, resample(IMAGE, scale, interpolation=nearest))
    finer = xp.run(lambda image: resample(image, (0.5, 1.0, 0.9), antialias=True), IMAGE)
    np.testing.assert_allclose(finer, resample(IMAGE, (0.5, 1.0, 0.9)), atol=1e-6)
    assert resample(GRID, scale, antialias=True) == resample(GRID, scale)


def test_antialias_removes_what_is_finer_than_the_new_voxels_and_keeps_constants():
    stripes = np.tile([0.0, 1.0, 1.0], 40)
    assert np.ptp(resample(stripes, (4.0,))) > 0.4
    np.testing.assert_allclose(resample(stripes, (4.0,), antialias=True)[2:-2], 2 / 3, atol=0.005)
    np.testing.assert_allclose(resample(np.full((9, 9, 2), 7.0), (3.0, 2.0), antialias=True), 7, rtol=1e-12)


def test_a_sample_is_smoothed_on_its_way_to_coarser_voxels_and_its_labels_are_not():
    sample = {"images": IMAGE, "labels": LABELS, "geometry": GRID}
    spacing = (6.0, 1.5, 2.5)
    after = resample_to(("images", "labels"), spacing, antialias=True)(sample)
    np.testing.assert_array_equal(after["images"], resample(IMAGE, (2.0,) * 3, antialias=True))
    np.testing.assert_array_equal(after["labels"], resample(LABELS, (2.0,) * 3))
    plain = resample_to(("images", "labels"), spacing)(sample)
    np.testing.assert_array_equal(plain["images"], resample(IMAGE, (2.0,) * 3))
    assert not np.array_equal(plain["images"], after["images"])


@pytest.mark.sampled(3)
def test_a_shear_moves_every_row_by_its_distance_from_the_centre(xp):
    rows = np.zeros((5, 9), dtype=np.float32)
    rows[:, 4] = 1
    found = xp.run(affine, rows, np.array([[1.0, 0.0], [1.0, 1.0]]), np.zeros(2))
    expected = np.zeros((5, 9))
    expected[range(5), [6, 5, 4, 3, 2]] = 1
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.sampled(3)
def test_resample_onto_another_grid_equals_simpleitk(xp):
    turned, _ = np.linalg.qr(ROTATION + 0.1 * np.random.default_rng(5).normal(size=(3, 3)))
    onto = Geometry(
        shape=(7, 8, 11), spacing=(2.0, 1.5, 1.0), origin=(-6.0, 18.0, 5.0), direction=tuple(map(tuple, turned))
    )
    found = xp.run(lambda image: resample_onto(image, GRID, onto, fill_value=-2.0), IMAGE)
    for channel in range(2):
        expected = itk_resample(IMAGE[..., channel], GRID, onto, SimpleITK.Transform(), fill_value=-2.0)
        np.testing.assert_allclose(found[..., channel], expected, atol=5e-5)
    assert (found != -2).any()
    assert (found == -2).any()


def test_a_sample_to_one_millimetre():
    sample = {"images": IMAGE, "labels": LABELS, "geometry": GRID, "subject": "A"}
    after = resample_to(("images", "labels"), (1.0, 1.0, 1.0))(sample)
    assert after["geometry"].spacing == (1.0, 1.0, 1.0)
    assert after["images"].shape == (*after["geometry"].shape, 2) == (27, 9, 12, 2)
    assert after["labels"].shape == (27, 9, 12, 1)
    back, grid = from_simpleitk(to_simpleitk(after["images"], after["geometry"]))
    np.testing.assert_array_equal(back, after["images"])
    assert grid == after["geometry"]
    with pytest.raises(ValueError, match="resample_to: `sample` must have a geometry"):
        resample_to("images", (1.0,) * 3)({**sample, "geometry": None})


def test_warp_equals_scipy_inside(xp):
    places = np.random.default_rng(4).uniform(0, [[8], [11], [9]], (3, 40)).astype(np.float32)
    found = xp.run(warp, VOLUME, places)
    np.testing.assert_allclose(found, ndimage.map_coordinates(VOLUME, places, order=1), atol=2e-6)


def test_the_edge_reaches_half_a_voxel_and_the_fill_lies_beyond(xp):
    places = np.array([[-0.51, -0.5, -0.2, 2.4, 2.5, 7.0]])
    line = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    assert xp.run(lambda a, p: warp(a, p, fill_value=-1.0), line, places).tolist() == [-1, 1, 1, 3, -1, -1]


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int16, np.bool_])
def test_the_dtype_stays(dtype):
    array = (VOLUME > 0).astype(dtype) if dtype == np.bool_ else (VOLUME * 10).astype(dtype)
    for result in (
        affine(array, np.eye(3), np.zeros(3)),
        elastic(array, np.zeros((3, 4, 4, 4))),
        resample(array, (1,) * 3),
    ):
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, array)


@settings(deadline=None)
@given(st.permutations(range(3)), st.tuples(*[st.sampled_from((-1.0, 1.0))] * 3))
def test_signed_permutations_are_exact(axes, signs):
    cube = IMAGE[:9, :9, :9]
    matrix = np.zeros((3, 3))
    matrix[axes, range(3)] = signs
    expected = np.flip(cube.transpose(*axes, 3), [axis for axis in range(3) if signs[axis] < 0])
    inverse = affine(cube, matrix, np.zeros(3))
    found = inverse.transpose(0, 1, 2, 3)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.integers(1, 12), st.floats(0.2, 5.0))
def test_resampling_a_ramp_is_exact_inside_and_a_constant_stays(size, scale):
    line = np.arange(size, dtype=np.float64)
    found = resample(line, (scale,))
    places = (size - 1) / 2 + (np.arange(found.size) - (found.size - 1) / 2) * scale
    np.testing.assert_allclose(found, np.clip(places, 0, size - 1), atol=1e-9)
    np.testing.assert_allclose(resample(np.full(size, 7.0), (scale,)), 7, rtol=1e-15)


IDENTITIES = {
    "affine": lambda image: affine(image, np.eye(3), np.zeros(3)),
    "elastic": lambda image: elastic(image, np.zeros((3, 4, 4, 4))),
    "resample": lambda image: resample(image, (1.0,) * 3),
    "antialias": lambda image: resample(image, (1.0,) * 3, antialias=True),
    "resample_onto": lambda image: resample_onto(image, STRAIGHT, STRAIGHT),
    "resample_to": lambda image: resample_to("images", (2.0, 1.0, 1.0))({"images": image, "geometry": STRAIGHT})[
        "images"
    ],
}
STRAIGHT = Geometry(shape=(9, 12, 10), spacing=(2.0, 1.0, 1.0))


@pytest.mark.sampled(9)
@pytest.mark.parametrize("name", IDENTITIES)
def test_nan_and_infinity_stay_where_they_are_on_the_same_grid(xp, name):
    image = IMAGE.copy()
    image[4, 5, 6], image[0, 0, 0, 0], image[8, 11, 9] = np.nan, np.inf, -np.inf
    np.testing.assert_array_equal(xp.run(IDENTITIES[name], image), image)


def test_nan_reaches_what_is_interpolated_from_it(xp):
    line = np.array([1.0, np.nan, 3.0, 4.0], dtype=np.float32)
    found = xp.run(warp, line, np.array([[0.0, 0.5, 1.0, 1.5, 2.0, 2.5]]))
    np.testing.assert_array_equal(found, [1, np.nan, np.nan, np.nan, 3, 3.5])


@pytest.mark.slow
def test_derivatives_by_displacements_are_true_where_no_voxel_is_displaced():
    import jax

    line = jax.numpy.array([1.0, 3.0, 7.0, 4.0])
    slope = jax.jacobian(lambda places: warp(line, places))(jax.numpy.array([[1.0, 2.0]]))
    np.testing.assert_allclose(np.diagonal(slope[:, 0]), [4, -3])


@pytest.mark.sampled(3)
def test_one_voxel_thick_images_work(xp):
    flat = IMAGE[:1]
    np.testing.assert_array_equal(xp.run(lambda a: affine(a, np.eye(3), np.zeros(3)), flat), flat)
    assert xp.run(lambda a: resample(a, (0.5, 1, 1)), flat).shape == (2, 12, 10, 2)


@pytest.mark.slow
def test_gradients_reach_the_parameters():
    import jax

    slope = jax.grad(lambda offset: affine(jax.numpy.asarray(VOLUME), np.eye(3), offset).sum())(
        jax.numpy.zeros(3) + 0.3
    )
    step = 1e-3
    for axis, part in itertools.product(range(3), [np.asarray(slope)]):
        ends = [
            affine(VOLUME.astype(np.float64), np.eye(3), 0.3 + sign * step * np.eye(3)[axis]).sum() for sign in (1, -1)
        ]
        assert part[axis] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=2e-2)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: resample(IMAGE, (1, 0, 1)), ValueError, "`scale` must have a positive entry"),
        (lambda: affine(IMAGE, MATRIX[:2], OFFSET), ValueError, r"`matrix` must have the shape \(3, 3\)"),
        (lambda: affine(IMAGE, MATRIX, OFFSET[:, None]), ValueError, "`offset` must have one entry per spatial axis"),
        (lambda: elastic(IMAGE, np.zeros((3, 4, 4, 3))), ValueError, "at least 4 points along each"),
        (lambda: warp(IMAGE, np.zeros(3)), ValueError, "`coordinates` must have the shape"),
        (lambda: warp(IMAGE, np.full((3, 2), np.nan)), ValueError, "warp: `coordinates` must hold numbers; got NaN"),
        (lambda: warp(torch.asarray(LABELS), torch.full((3, 2), np.nan)), ValueError, "`coordinates` must hold n"),
        (lambda: affine(IMAGE, MATRIX * np.nan, OFFSET), ValueError, "affine: `matrix` must be finite; got NaN or"),
        (lambda: affine(LABELS, MATRIX, OFFSET + np.inf), ValueError, "affine: `offset` must be finite"),
        (lambda: elastic(IMAGE, np.full((3, 4, 4, 4), np.nan)), ValueError, "elastic: `control` must be finite"),
        (lambda: resample_onto(IMAGE[:3], GRID, GRID), ValueError, r"`array` must have the shape \(9, 12, 10\)"),
        (lambda: on("images", affine, matrix=MATRIX, offset=OFFSET)({}), ValueError, "be in the sample"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()


HALVES = ((1.0, 0.0), (0.7, 0.0), (0.9, 33.1), (0.3, -117.3), (3.3, 1e4))
"""Spacings and origins of grids with which coordinates of half a voxel are rounded, in float64 and in float32."""


def beside(size, spacing, origin):
    """Return a grid, and another that begins half a voxel ahead of it and has a voxel more."""
    old = Geometry(shape=(size,), spacing=(spacing,), origin=(origin,))
    return old, Geometry(shape=(size + 1,), spacing=(spacing,), origin=(origin - spacing / 2,))


@pytest.mark.sampled(16)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint8", "bool"])
def test_half_a_voxel_is_the_same_for_all_dtypes(xp, dtype):
    """By hand: voxel k of the new grid lies at k - 0.5 of the old one, the last of them on the upper rim, outside."""
    array = (np.arange(300) % 2 if dtype == "bool" else np.arange(300) % 100).astype(dtype)
    fill = 1 if dtype == "bool" else 101
    for spacing, origin in HALVES:
        onto = partial(
            resample_onto, geometry=(grids := beside(300, spacing, origin))[0], onto=grids[1], fill_value=fill
        )
        found = xp.run(partial(onto, interpolation=nearest), array)
        assert found.tolist() == [*array.tolist(), fill]
        if array.dtype.kind == "f":
            between = [0, *((array[1:] + array[:-1]) / 2).tolist(), fill]
            np.testing.assert_allclose(xp.run(partial(onto, interpolation=linear), array), between, atol=5e-3)


@pytest.mark.slow
def test_half_a_voxel_is_the_same_in_half_precision():
    import jax.numpy as jnp

    ramp = np.arange(300) % 100
    for spacing, origin in HALVES:
        for array in (
            ramp.astype(np.float16), jnp.asarray(ramp, jnp.float16), jnp.asarray(ramp, jnp.bfloat16),
            torch.asarray(ramp).half(), torch.asarray(ramp).bfloat16(),
        ):  # fmt: skip
            found = resample_onto(array, *beside(300, spacing, origin), interpolation=nearest, fill_value=101)
            exact = found.float() if isinstance(found, torch.Tensor) else found.astype(np.float32)
            assert exact.tolist() == [*ramp.tolist(), 101]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_what_misses_half_a_voxel_by_rounding_alone_counts_as_half(xp, dtype):
    line = np.arange(1, 6).astype(dtype)
    for error, first, tie, last in ((-9e-5, 1, 2, -1), (9e-5, 1, 2, -1), (-2e-4, -1, 1, 5), (2e-4, 1, 2, -1)):
        places = np.array([[-0.5, 0.5, 4.5]]) + error
        found = xp.run(lambda a, p: warp(a, p, interpolation=nearest, fill_value=-1), line, places)
        assert found.tolist() == [first, tie, last]


@pytest.mark.sampled(9)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_an_affine_map_and_a_spline_meet_half_voxels_alike(xp, dtype):
    line = np.arange(21).astype(dtype)
    # Voxel i comes from 1.1 i - 0.5: the first from the lower rim, the 10th from between two voxels.
    found = xp.run(lambda a: affine(a, [[1.1]], [0.5], interpolation=nearest, fill_value=-1), line)
    assert found.tolist() == [min(11 * k // 10, 20) if 11 * k < 210 else -1 for k in range(21)]
    # Every voxel comes from 0.5 voxels ahead of it, or behind it.
    for step, expected in ((-0.5, list(range(21))), (0.5, [*range(1, 21), -1])):
        control = np.full((1, 9), step)
        assert (
            xp.run(lambda a, c: elastic(a, c, interpolation=nearest, fill_value=-1), line, control).tolist() == expected
        )


@pytest.mark.sampled(9)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_resampling_takes_the_later_of_two_equally_near_voxels(xp, dtype):
    # Centres at 3.5, 4 1/6, 4 5/6 and 5.5.
    line = np.arange(10).astype(dtype)
    found = xp.run(lambda a: resample(a, (2 / 3,), shape=(4,), interpolation=nearest), line)
    assert found.tolist() == [4, 4, 5, 6]


def test_traced_coordinates_that_are_no_number_are_outside():
    import jax

    found = jax.jit(lambda places: warp(jax.numpy.arange(3.0), places, fill_value=-1.0))(np.array([[np.nan, 1.0]]))
    assert found.tolist() == [-1, 1]
