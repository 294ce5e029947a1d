"""Insides of surfaces: against winding numbers by brute force, known volumes, and corners that lie on voxels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.images import winding
from mia_functional.images.winding import inside_surface, open_edges

from .surface_cases import both, box, sphere, winding_numbers

SHAPE = (13, 15, 14)


def turned(points, faces):
    """The same surface inside out."""
    return points, faces[:, ::-1]


SURFACES = {
    "sphere": sphere(5.3, (6.2, 7.1, 6.6)),
    "inside out": turned(*sphere(5.3, (6.2, 7.1, 6.6))),
    "hollow": both(sphere(5.3, (6.2, 7.1, 6.6)), turned(*sphere(2.2, (6.1, 7.3, 6.6)))),
    "nested": both(sphere(5.3, (6.2, 7.1, 6.6)), sphere(2.2, (6.1, 7.3, 6.6))),
    "overlapping": both(sphere(3.3, (5.2, 7.1, 6.6)), sphere(3.2, (8.1, 7.3, 6.6))),
    "cut off": sphere(9.7, (2.2, 17.1, 6.6)),
    "around all": sphere(40.0, (6.2, 7.1, 6.6)),
    "outside": sphere(3.0, (-6.2, 7.1, 6.6)),
    "box": box((1.5, 2.5, 3.5), (9.5, 8.5, 7.5)),
    "thin": box((1.5, 2.5, 3.1), (9.5, 8.5, 3.2)),
}


@pytest.mark.parametrize("name", SURFACES)
def test_inside_is_where_the_winding_number_is_not_0(name):
    points, faces = SURFACES[name]
    assert open_edges(faces, len(points)) == (0, True)
    np.testing.assert_array_equal(
        inside_surface(points, faces, SHAPE), abs(winding_numbers(points, faces, SHAPE)) > 0.5
    )


def test_a_hollow_sphere_is_hollow_and_a_nested_one_is_not():
    hollow, nested = (inside_surface(*SURFACES[name], SHAPE) for name in ("hollow", "nested"))
    assert not hollow[6, 7, 6]
    assert nested[6, 7, 6]
    assert hollow.sum() < nested.sum() == inside_surface(*SURFACES["sphere"], SHAPE).sum()


@pytest.mark.parametrize("low", [(1, 2, 3), (0, 0, 0)])
def test_boxes_on_voxels_have_their_volume_and_boxes_that_touch_share_none(low):
    high, far = (5, 6, 7), (12, 14, 13)
    first = inside_surface(*box(low, high), SHAPE)
    expected = np.zeros(SHAPE, bool)
    expected[tuple(map(slice, low, high))] = True
    np.testing.assert_array_equal(first, expected)
    for axis in range(3):
        start, stop = list(low), list(high)
        start[axis], stop[axis] = high[axis], far[axis]
        second = inside_surface(*box(start, stop), SHAPE)
        assert second.sum() == np.prod(np.subtract(stop, start))
        assert not (first & second).any()


@pytest.mark.parametrize("noise", [0.0, 1e-9])
def test_corners_and_edges_on_lines_of_voxels_count_once(noise):
    """An octahedron of whole corners: lines of voxels go through its corners, along its edges and in its planes."""
    points, faces = sphere(5.0, (6.0, 7.0, 6.0), levels=0)
    rng = np.random.default_rng(0)
    found = inside_surface(points + rng.uniform(-noise, noise, points.shape), faces, SHAPE)
    grid = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1) - (6, 7, 6)
    distance = np.abs(grid).sum(axis=-1)
    assert found[distance < 5].all()
    assert not found[distance > 5].any()
    # Of the surface itself, what ends towards lower indices: a voxel a little further along the last axis is inside.
    nearby = np.abs(grid + np.array([1e-6, 1e-5, 1e-4])).sum(axis=-1)
    np.testing.assert_array_equal(found[distance == 5], nearby[distance == 5] < 5)


@pytest.mark.slow
@given(st.integers(0, 10**6))
def test_random_surfaces_of_whole_corners_agree_with_a_nudge(seed):
    """Rounded corners make flat, folded and doubled triangles: what is left is a closed surface."""
    rng = np.random.default_rng(seed)
    points, faces = sphere(4.0, (5, 5, 5), levels=1)
    points = np.rint(points + rng.uniform(-2, 2, points.shape))
    found = inside_surface(points, faces, (11, 11, 11))
    # A little lower on every axis, corners lie between voxels, and those on the surface are inside as the rule says.
    nudged = winding_numbers(points - (1e-9, 1e-6, 1e-3), faces, (11, 11, 11))
    sure = abs(abs(nudged) % 1 - 0.5) > 0.4
    np.testing.assert_array_equal(found[sure], (abs(nudged) > 0.5)[sure])


def test_parts_at_a_time_give_the_same(monkeypatch):
    points, faces = SURFACES["hollow"]
    whole = inside_surface(points, faces, SHAPE)
    monkeypatch.setattr(winding, "_SLAB_VOXELS", 500)
    monkeypatch.setattr(winding, "_CUTS_AT_ONCE", 7)
    np.testing.assert_array_equal(inside_surface(points, faces, SHAPE), whole)


def test_volumes_of_spheres():
    points, faces = sphere(50.0, (64.2, 63.7, 64.4), levels=5)
    found = inside_surface(points, faces, (128, 128, 128))
    # What the triangles enclose, by the divergence theorem.
    a, b, c = points[faces].transpose(1, 0, 2) - (64.0, 64.0, 64.0)
    volume = abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6
    assert found.sum() == pytest.approx(volume, rel=1e-3)
    assert found.sum() == pytest.approx(4 / 3 * np.pi * 50**3, rel=2e-3)


def test_open_edges_are_counted_and_turned_triangles_told_from_holes():
    points, faces = box((0, 0, 0), (1, 1, 1))
    assert open_edges(faces[1:], len(points)) == (3, False)
    wrong = faces.copy()
    wrong[0] = wrong[0][::-1]
    assert open_edges(wrong, len(points)) == (3, True)
    # A triangle of no area between two corners changes nothing.
    flat = np.concatenate([faces, [(0, 1, 1), (2, 2, 2)]])
    assert open_edges(flat, len(points)) == (0, True)
