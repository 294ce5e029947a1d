"""Geometry: points by hand, against NumPy's linear algebra, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.geometry import Geometry, differences, index_to_world, same_geometry, world_to_index


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


def test_same_geometry_has_a_tolerance_per_field():
    grid = rotated(1)
    moved = Geometry(
        shape=grid.shape,
        spacing=grid.spacing,
        origin=(grid.origin[0] + 0.002, *grid.origin[1:]),
        direction=grid.direction,
    )
    assert differences(grid, moved) == ("origin",)
    assert same_geometry(grid, moved, tolerance=0.01)
    assert not same_geometry(grid, moved)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"shape": (2, 2), "spacing": (1.0,)}, "`spacing` must have 2 entries, one per axis; got"),
        ({"shape": (2,), "spacing": (0.0,)}, "0.0 on axis 0"),
        ({"shape": (2,), "spacing": (float("nan"),)}, "nan on axis 0"),
        ({"shape": (0,), "spacing": (1.0,)}, "`shape` must be at least 1"),
        ({"shape": (2,), "spacing": (1.0,), "origin": (float("inf"),)}, "`origin` must have 1 finite entries"),
        ({"shape": (2, 2), "spacing": (1, 1), "direction": ((1, 1), (1, 1))}, "`direction` must be invertible"),
    ],
)
def test_bad_fields_are_refused(fields, text):
    with pytest.raises(ValueError, match=text):
        Geometry(**fields)
