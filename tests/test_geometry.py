"""Geometry: points by hand, against NumPy's linear algebra, and what is refused."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.geometry import (
    Geometry,
    corner_displacement,
    describe_differences,
    differences,
    index_to_world,
    orientation,
    same_geometry,
    world_to_index,
)


def rotated(seed):
    """Return a 3-D geometry with a random rotation."""
    rng = np.random.default_rng(seed)
    direction, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return Geometry(
        shape=(4, 5, 6),
        spacing=tuple(rng.uniform(0.5, 3, 3)),
        origin=tuple(rng.normal(size=3)),
        direction=tuple(map(tuple, direction)),
    )


@given(st.integers(0, 1000), st.tuples(*[st.floats(-50, 50)] * 3))
def test_there_and_back_and_numpy_agree(seed, index):
    grid = rotated(seed)
    point = index_to_world(grid, index)
    matrix = np.array(grid.direction) * grid.spacing
    np.testing.assert_allclose(point, matrix @ index + grid.origin, atol=1e-9)
    np.testing.assert_allclose(world_to_index(grid, point), index, atol=1e-9)


def test_defaults_and_equality():
    grid = Geometry(shape=(2, 3), spacing=(1, 2))
    assert grid == Geometry(shape=(2, 3), spacing=(1.0, 2.0), origin=(0, 0), direction=((1, 0), (0, 1)))
    assert hash(grid) == hash(Geometry(shape=(2, 3), spacing=(1.0, 2.0)))


def outer_corners(grid):
    """The corners of the outermost voxels in the world, one after the other."""
    ends = itertools.product(*((-0.5, size - 0.5) for size in grid.shape))
    return np.array([index_to_world(grid, corner) for corner in ends])


LINE = Geometry(shape=(11,), spacing=(2.0,))


@pytest.mark.parametrize(
    ("first", "second", "voxels", "millimetres"),
    [
        (LINE, LINE, 0, 0),
        (LINE, replace(LINE, origin=(0.5,)), 0.25, 0.5),
        # The far corner goes from 21 to 10.5, which is 10.5 of the smaller voxels and 5.25 of the larger ones.
        (LINE, replace(LINE, spacing=(1.0,)), 10.5, 10.5),
        # The lower end of each lies at the upper end of the other.
        (LINE, replace(LINE, origin=(20.0,), direction=((-1.0,),)), 11, 22),
        # A single slice that is five times as thick: from 0.5 to 2.5 on both sides.
        (replace(LINE, shape=(1,), spacing=(1.0,)), replace(LINE, shape=(1,), spacing=(5.0,)), 2, 2),
        # One extent, cut into half as many voxels.
        (replace(LINE, shape=(4,)), Geometry(shape=(2,), spacing=(4.0,), origin=(1.0,)), 0, 0),
        # A quarter turn brings the corner (1.5, 1.5) to (-1.5, 1.5).
        (
            Geometry(shape=(2, 2), spacing=(1, 1)),
            Geometry(shape=(2, 2), spacing=(1, 1), direction=((0, -1), (1, 0))),
            3,
            3,
        ),
    ],
)
def test_corners_are_apart_by_what_a_hand_computes(first, second, voxels, millimetres):
    assert corner_displacement(first, second) == corner_displacement(second, first)
    assert corner_displacement(first, second) == pytest.approx((voxels, millimetres), abs=1e-12)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_corners_are_apart_as_their_coordinates_say(one, other):
    first, second = rotated(one), rotated(other)
    pairs = list(zip(outer_corners(first), outer_corners(second), strict=True))
    in_voxels = [
        np.subtract(world_to_index(grid, p), world_to_index(grid, q)) for grid in (first, second) for p, q in pairs
    ]
    expected = (np.abs(in_voxels).max(), max(math.dist(p, q) for p, q in pairs))
    np.testing.assert_allclose(corner_displacement(first, second), expected, rtol=1e-9, atol=1e-9)


def test_micrometres_and_metres_are_told_apart_alike():
    fine = Geometry(shape=(4, 4, 4), spacing=(0.002, 0.002, 0.002))
    assert differences(fine, replace(fine, spacing=(0.0012, 0.0012, 0.0012))) == ("spacing",)
    assert differences(fine, replace(fine, origin=(0.0, 0.00001, 0.0))) == ()
    # What a header of single precision keeps of voxels of 2.5 m: the origin is off by 13 micrometres.
    coarse = Geometry(shape=(256, 256, 256), spacing=(2500.1, 2500.1, 2500.1), origin=(-319987.3, 12.5, 0.1))
    stored = replace(
        coarse,
        spacing=tuple(np.float32(coarse.spacing).tolist()),
        origin=tuple(np.float32(coarse.origin).tolist()),
    )
    assert abs(stored.origin[0] - coarse.origin[0]) > 1e-3
    assert same_geometry(coarse, stored)
    assert not same_geometry(coarse, replace(coarse, origin=(-319987.3, 12.5, 30.0)))


@given(st.integers(0, 1000), st.integers(-5, 5), st.floats(0.001, 0.1), st.integers(0, 2))
def test_the_tolerance_is_in_voxels_at_any_scale(seed, exponent, moved, axis):
    grid, scale = rotated(seed), 10.0**exponent
    grid = replace(
        grid, spacing=tuple(scale * step for step in grid.spacing), origin=tuple(scale * step for step in grid.origin)
    )
    shifted = replace(grid, origin=index_to_world(grid, [moved * (k == axis) for k in range(3)]))
    assert corner_displacement(grid, shifted).voxels == pytest.approx(moved, rel=1e-6)
    assert corner_displacement(grid, shifted).millimetres == pytest.approx(moved * grid.spacing[axis], rel=1e-6)
    for tolerance in (moved * 0.99, moved * 1.01):
        assert same_geometry(grid, shifted, tolerance=tolerance) == (tolerance > moved)
        assert differences(grid, shifted, tolerance=tolerance) == (() if tolerance > moved else ("shift",))


def test_a_hundredth_of_a_voxel_is_rounding():
    thick = Geometry(shape=(4, 5), spacing=(5.0, 0.5))
    for origin, expected in (((0.0495, 0), True), ((0.0505, 0), False), ((0, 0.00495), True), ((0, 0.00505), False)):
        assert same_geometry(thick, replace(thick, origin=origin)) == expected


def tilted(degrees):
    """A direction that is turned about the first axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return ((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c))


CUBE = Geometry(shape=(5, 5, 5), spacing=(1.0, 1.0, 1.0))
BOX = Geometry(shape=(4, 5, 6), spacing=(3.0, 2.0, 1.0), origin=(7.0, 8.0, 9.0), direction=tilted(20))
FLIPPED = replace(CUBE, origin=(0.0, 4.0, 0.0), direction=((1, 0, 0), (0, -1, 0), (0, 0, 1)))
SWAPPED = replace(CUBE, direction=((0, 1, 0), (1, 0, 0), (0, 0, 1)))


@pytest.mark.parametrize(
    ("first", "second", "names", "text"),
    [
        (CUBE, CUBE, (), ""),
        (FLIPPED, CUBE, ("flip",), "corners up to 5 voxels (5 mm) apart: axis 1 flipped"),
        (SWAPPED, CUBE, ("axes",), "corners up to 5 voxels (7.07 mm) apart: axes in the order (1, 0, 2)"),
        (
            replace(FLIPPED, origin=(0.0, 4.25, 0.0)),
            CUBE,
            ("flip", "shift"),
            "corners up to 5.25 voxels (5.25 mm) apart: axis 1 flipped, shift of 0.25 mm",
        ),
        (
            replace(CUBE, origin=(4.0, 4.0, 0.0), direction=((0, -1, 0), (-1, 0, 0), (0, 0, 1))),
            CUBE,
            ("axes", "flip"),
            "corners up to 5 voxels (7.07 mm) apart: axes in the order (1, 0, 2), axes 0 and 1 flipped",
        ),
        (
            replace(CUBE, origin=(0.0, 0.0, 1.0)),
            CUBE,
            ("shift",),
            "corners up to 1 voxel (1 mm) apart: shift of 1 mm",
        ),
        (
            replace(CUBE, shape=(5, 5, 4)),
            CUBE,
            ("shape",),
            "corners up to 1 voxel (1 mm) apart: shape (5, 5, 4) and not (5, 5, 5)",
        ),
        (
            replace(CUBE, spacing=(1.0, 2.0, 1.0)),
            CUBE,
            ("spacing",),
            "corners up to 4.5 voxels (4.5 mm) apart: spacing (1.0, 2.0, 1.0) and not (1.0, 1.0, 1.0)",
        ),
        # The corner (4.5, 4.5) turns by 3 degrees: 2 sin(1.5) sqrt(2) 4.5 mm, and 4.5 (sin(3) + 1 - cos(3)) voxels.
        (
            replace(CUBE, direction=tilted(3)),
            CUBE,
            ("rotation",),
            "corners up to 0.242 voxels (0.333 mm) apart: rotation of 3 degrees",
        ),
        (replace(BOX, direction=tilted(110)), BOX, ("axes", "flip", "shape", "spacing", "shift"), None),
        (Geometry(shape=(5, 5), spacing=(1, 1)), CUBE, ("shape",), "shape (5, 5) and not (5, 5, 5)"),
        # Neither alone is too much: the larger one is named.
        (
            replace(CUBE, origin=(0.007, 0, 0), spacing=(1.001, 1, 1)),
            CUBE,
            ("shift",),
            "corners up to 0.0115 voxels (0.0115 mm) apart: shift of 0.007 mm",
        ),
        # The difference overflows: far apart, and no warning.
        (
            replace(CUBE, origin=(1.7e308, 0, 0)),
            replace(CUBE, origin=(-1.7e308, 0, 0)),
            ("shift",),
            "corners up to inf voxels (inf mm) apart: shift of inf mm",
        ),
    ],
)
def test_what_differs_is_named(first, second, names, text):
    assert differences(first, second) == names
    assert same_geometry(first, second) == same_geometry(second, first) == (not names)
    if text is not None:
        assert describe_differences(first, second) == text


def test_axes_along_another_grid():
    assert orientation(FLIPPED, onto=CUBE) == ((0, 1, 2), (1,))
    assert orientation(CUBE, onto=SWAPPED) == ((1, 0, 2), ())
    assert orientation(BOX, onto=BOX) == ((0, 1, 2), ())
    # 110 degrees about the first axis: axis 2 runs against axis 1 of the world, and axis 1 along axis 2.
    assert orientation(replace(BOX, direction=tilted(110))) == ((0, 2, 1), (1,))
    assert orientation(replace(BOX, direction=tilted(110)), onto=replace(BOX, direction=tilted(80))) == ((0, 1, 2), ())
    with pytest.raises(ValueError, match=r"^orientation: `onto` must have 3 axes; got shape \(11,\)\.$"):
        orientation(CUBE, onto=LINE)


@pytest.mark.parametrize("tolerance", [-0.01, math.nan, math.inf])
def test_a_tolerance_is_finite_and_not_negative(tolerance):
    with pytest.raises(ValueError, match=r"^same_geometry: `tolerance` must be finite and not negative; got"):
        same_geometry(CUBE, CUBE, tolerance=tolerance)
    with pytest.raises(TypeError, match=r"^differences: `tolerance` must be a number; got 'a'"):
        differences(CUBE, CUBE, tolerance="a")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"shape": (2, 2), "spacing": (1.0,)}, "`spacing` must have 2 entries, one per axis; got"),
        ({"shape": (2,), "spacing": (0.0,)}, "0.0 on axis 0"),
        ({"shape": (2,), "spacing": (float("nan"),)}, "nan on axis 0"),
        ({"shape": (0,), "spacing": (1.0,)}, "`shape` must be at least 1"),
        ({"shape": (2,), "spacing": (1.0,), "origin": (float("inf"),)}, "`origin` must have 1 finite entries"),
        ({"shape": (2, 2), "spacing": (1, 1), "direction": ((1, 1), (1, 1))}, "`direction` must be invertible"),
        (
            {"shape": (2, 2), "spacing": (1, 1), "direction": ((2, 0), (0, 1))},
            "`direction` must have columns of length 1",
        ),
        ({"shape": (2, 2), "spacing": (1, 1), "direction": ((1, 0), (0, 0.998))}, "`direction` must have columns of"),
    ],
)
def test_bad_fields_are_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Geometry(**fields)
