"""Images onto another grid: turned to the bit, or resampled as SimpleITK does; and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.geometry import Geometry, index_to_world, orientation, same_geometry
from mia_functional.images import from_simpleitk, to_simpleitk
from mia_functional.transforms import flip, permute, reorient_onto
from mia_functional.transforms.alignment import align_onto

GRID = Geometry(
    shape=(3, 4, 5), spacing=(3.0, 2.0, 1.0), origin=(-7.0, 8.5, 9.0),
    direction=((0.8, 0.6, 0.0), (-0.6, 0.8, 0.0), (0.0, 0.0, -1.0)),
)  # fmt: skip
VOXELS = np.arange(120, dtype=np.int16).reshape(3, 4, 5, 2)


def turned_by_hand(array, grid, order, signs):
    """An array and its grid with other axes, then reversed ones: the grid from where its first voxels lie."""
    ndim = len(grid.shape)
    shape = tuple(grid.shape[axis] for axis in order)
    result = array.transpose(*order, *range(ndim, array.ndim))[tuple(slice(None, None, sign) for sign in signs)]
    first = [0] * ndim
    for axis, size, sign in zip(order, shape, signs, strict=True):
        first[axis] = size - 1 if sign < 0 else 0
    columns = [sign * np.array(grid.direction)[:, axis] for axis, sign in zip(order, signs, strict=True)]
    spacing = tuple(grid.spacing[axis] for axis in order)
    direction = tuple(map(tuple, np.column_stack(columns).tolist()))
    return result, Geometry(shape=shape, spacing=spacing, origin=index_to_world(grid, first), direction=direction)


@st.composite
def scenes(draw):
    """A grid of 1 to 4 axes, cubic ones among them, as oblique or sheared as any; and axes in another order."""
    ndim = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = np.linalg.qr(rng.normal(size=(ndim, ndim)))[0] + draw(st.sampled_from((0, 0.1))) * rng.normal(
        size=(ndim, ndim)
    )
    grid = Geometry(
        shape=tuple(draw(st.lists(st.integers(1, 4), min_size=ndim, max_size=ndim))),
        spacing=tuple(10.0 ** draw(st.integers(-4, 4)) * rng.uniform(0.5, 3, ndim)),
        origin=tuple(rng.uniform(-200, 200, ndim)),
        direction=tuple(map(tuple, columns / np.linalg.norm(columns, axis=0))),
    )
    signs = draw(st.lists(st.sampled_from((1, -1)), min_size=ndim, max_size=ndim))
    channels = draw(st.sampled_from(((), (2,), (2, 3))))
    return grid, draw(st.permutations(range(ndim))), signs, rng.integers(0, 9, (*grid.shape, *channels))


@given(scenes())
def test_turned_grids_are_brought_back_to_the_bit(scene):
    grid, order, signs, array = scene
    turned, place = turned_by_hand(array, grid, order, signs)
    np.testing.assert_array_equal(reorient_onto(turned, place, grid), array)
    np.testing.assert_array_equal(reorient_onto(array, grid, place), turned)
    back, reverse = orientation(place, onto=grid)
    assert same_geometry(flip(permute(place, back), reverse), grid)


def test_on_every_library(xp):
    turned, place = turned_by_hand(VOXELS, GRID, (2, 0, 1), (-1, 1, -1))
    assert turned.shape == (5, 3, 4, 2)
    result = xp.run(lambda array: reorient_onto(array, place, GRID), turned)
    np.testing.assert_array_equal(result, VOXELS)
    assert result.dtype == VOXELS.dtype


def test_it_is_resampling_without_interpolation():
    # A cube: its shape does not tell which axis is which.
    cube = replace(GRID, shape=(4, 4, 4), spacing=(1.0, 1.0, 1.0))
    values = np.random.default_rng(0).normal(size=cube.shape)
    turned, place = turned_by_hand(values, cube, (1, 2, 0), (1, -1, -1))
    resampled = SimpleITK.Resample(
        to_simpleitk(turned, place), to_simpleitk(values, cube), SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor
    )
    np.testing.assert_array_equal(reorient_onto(turned, place, cube), from_simpleitk(resampled)[0])


@pytest.mark.parametrize("moved", [0.02, 0.5, 1.0])
def test_a_shift_is_no_reorientation(moved):
    turned, place = turned_by_hand(VOXELS, GRID, (0, 2, 1), (1, -1, 1))
    off = replace(place, origin=index_to_world(place, (0, 0, moved)))
    message = (
        "^reorient_onto: `geometry` must be that of `onto` but for flips and permutations of axes; got corners up to "
        rf".* apart: axes in the order \(0, 2, 1\), axis 2 flipped, shift of {2 * moved:g} mm\.$"
    )
    with pytest.raises(ValueError, match=message):
        reorient_onto(turned, off, GRID)
    assert same_geometry(place, replace(place, origin=index_to_world(place, (0, 0, 0.009))))
    near = replace(place, origin=index_to_world(place, (0, 0, 0.009)))
    np.testing.assert_array_equal(reorient_onto(turned, near, GRID), VOXELS)


def test_shapes_have_to_fit():
    with pytest.raises(ValueError, match=r"^reorient_onto: `array` must have the shape of the geometry, \(3, 4, 5\);"):
        reorient_onto(VOXELS[:2], GRID, GRID)
    with pytest.raises(ValueError, match=r"onto` but for .* got shape \(3, 4\) and not \(3, 4, 5\)\.$"):
        reorient_onto(VOXELS, Geometry(shape=(3, 4), spacing=(1, 1)), GRID)


# Odd numbers: half voxels are rounded to one side here, and to the other there.
ONTO = replace(GRID, shape=(5, 5, 6), spacing=(2.07, 1.53, 1.13), origin=(-6.03, 9.11, 9.37))


def resampled_by_itk(array, grid, onto, interpolator):
    """An image on another grid, by SimpleITK; channels one by one."""
    like = to_simpleitk(np.zeros(onto.shape), onto)
    channels = [
        SimpleITK.Resample(to_simpleitk(array[..., k], grid), like, SimpleITK.Transform(), interpolator, 0.0)
        for k in range(array.shape[-1])
    ]
    return np.stack([from_simpleitk(channel)[0] for channel in channels], axis=-1)


def test_labels_are_resampled_from_the_nearest_voxel():
    for array in (VOXELS, VOXELS.astype(np.float32)):
        options = {"align": "resample", "role": "labels", "requirement": "lie there"}
        result = align_onto(array, GRID, ONTO, **options)
        assert result.dtype == array.dtype
        np.testing.assert_array_equal(result, resampled_by_itk(array, GRID, ONTO, SimpleITK.sitkNearestNeighbor))
        assert 0 < np.count_nonzero(result) < result.size


def test_images_are_interpolated_and_those_of_integers_rounded():
    options = {"align": "resample", "role": "image", "requirement": "lie there"}
    values = np.random.default_rng(0).integers(-1000, 1000, VOXELS.shape).astype(np.int16)
    expected = resampled_by_itk(values.astype(np.float64), GRID, ONTO, SimpleITK.sitkLinear)
    np.testing.assert_allclose(align_onto(values.astype(np.float64), GRID, ONTO, **options), expected, atol=1e-9)
    result = align_onto(values, GRID, ONTO, **options)
    assert result.dtype == np.int16
    np.testing.assert_allclose(result, expected, atol=0.5 + 1e-9)


def test_turned_grids_are_never_interpolated():
    values = VOXELS.astype(np.float32) / 7
    turned, place = turned_by_hand(values, GRID, (2, 1, 0), (-1, -1, 1))
    for align in ("reorient", "resample"):
        result = align_onto(turned, place, GRID, align=align, role="image", requirement="lie there")
        assert result.dtype == values.dtype
        np.testing.assert_array_equal(result, values)
    assert align_onto(values, GRID, GRID, align=None, role="image", requirement="lie there") is values


@pytest.mark.parametrize(
    ("onto", "align", "cure"),
    [
        (turned_by_hand(VOXELS, GRID, (2, 1, 0), (-1, -1, 1))[1], None, ' (cured by `align="reorient"`)'),
        (ONTO, None, ' (cured by `align="resample"`)'),
        (ONTO, "reorient", ' (cured by `align="resample"`)'),
        (Geometry(shape=(3, 4), spacing=(1, 1)), "resample", ""),
    ],
)
def test_what_is_not_allowed_names_the_cure(onto, align, cure):
    with pytest.raises(ValueError, match=r"^align_onto: `geometry` must lie there; got ") as caught:
        align_onto(VOXELS, GRID, onto, align=align, role="labels", requirement="lie there")
    assert str(caught.value).endswith(f"{cure}." if cure else "shape (3, 4, 5) and not (3, 4).")


@pytest.mark.parametrize("role", [None, "numbers"])
def test_what_is_neither_image_nor_labels_is_not_interpolated(role):
    options = {"role": role, "requirement": "lie there"}
    message = f"^align_onto: `role` must be `image` or `labels` to be interpolated; got {role or 'none'}\\.$"
    with pytest.raises(ValueError, match=message):
        align_onto(VOXELS, GRID, ONTO, align="resample", **options)
    assert align_onto(VOXELS, GRID, GRID, align="resample", **options) is VOXELS
