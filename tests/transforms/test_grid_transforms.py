"""Reorientation: every voxel stays where it is in the world."""

import itertools

import nibabel
import numpy as np
import pytest
import SimpleITK

from mia_functional import dataset, images
from mia_functional.geometry import Geometry, index_to_world, same_geometry, world_to_index
from mia_functional.images import from_simpleitk, to_simpleitk
from mia_functional.transforms import to_canonical

from .test_spatial import VOLUME, world


def tilted(order, signs, angle=0.2):
    """A grid whose axes are exchanged, reversed and a little tilted."""
    c, s = np.cos(angle), np.sin(angle)
    direction = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ (np.eye(3)[:, list(order)] * signs)
    return Geometry(
        shape=(3, 4, 5), spacing=(1.0, 2.0, 3.0), origin=(7.0, -8.0, 9.0), direction=tuple(map(tuple, direction))
    )


@pytest.mark.sampled(10)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("signs", list(itertools.product((1, -1), repeat=3)))
def test_voxels_keep_their_place(order, signs):
    grid = tilted(order, signs)
    voxels = np.arange(120).reshape(3, 4, 5, 2)
    sample = {"subject": "A", "geometry": grid, "images": voxels, "numerical": np.array([3.0])}
    turned = to_canonical("images")(sample)
    place = turned["geometry"]
    assert turned["images"].shape[:3] == place.shape
    for index in itertools.product(*map(range, place.shape)):
        there = np.round(world_to_index(grid, index_to_world(place, index)), 6)
        assert turned["images"][index].tolist() == voxels[tuple(there.astype(int))].tolist()
    direction = np.array(place.direction)
    assert (np.diag(direction) > 0.9).all()
    again = to_canonical("images")(turned)
    np.testing.assert_array_equal(again["images"], turned["images"])
    assert same_geometry(again["geometry"], place, tolerance=1e-12)
    assert turned["numerical"] is sample["numerical"]
    affine = np.array(grid.direction)[::-1, ::-1] * [[-1], [-1], [1]] * np.array(grid.spacing)[::-1]
    image = nibabel.Nifti1Image(voxels[..., 0].T.astype(np.int16), nibabel.affines.from_matvec(affine))
    as_lps = nibabel.as_closest_canonical(image).get_fdata()[::-1, ::-1].T
    np.testing.assert_array_equal(turned["images"][..., 0], as_lps)


def test_it_is_a_transform_of_creation(tmp_path):
    grid = tilted((2, 0, 1), (1, -1, 1))
    array = np.arange(60, dtype=np.int16).reshape(grid.shape)
    images.write(tmp_path / "A.mha", array, grid)
    subjects = dataset.discover(tmp_path, {"images": {"T1": "{subject}.mha"}})
    dataset.create(tmp_path / "x.h5", subjects, transform=to_canonical("images"))
    place = dataset.geometry(dataset.open(tmp_path / "x.h5"), "A")
    assert (np.diag(place.direction) > 0.9).all()
    assert place.shape == dataset.read(dataset.open(tmp_path / "x.h5"), "A", "images").shape[:3]


@pytest.mark.parametrize("seed", range(12))
def test_canonical_orientation_equals_simpleitk(seed):
    turned, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    grid = Geometry(shape=(4, 5, 6), spacing=(3.0, 0.5, 1.25), origin=(1, 2, 3), direction=tuple(map(tuple, turned)))
    after = to_canonical(("images", "world"))({"images": VOLUME, "world": world(grid), "geometry": grid})
    np.testing.assert_allclose(world(after["geometry"]), after["world"], atol=1e-9)
    expected, place = from_simpleitk(SimpleITK.DICOMOrient(to_simpleitk(VOLUME[..., 0], grid), "LPS"))
    np.testing.assert_array_equal(after["images"][..., 0], expected)
    np.testing.assert_allclose(world(after["geometry"]), world(place), atol=1e-9)


def test_canonical_orientation_needs_a_geometry():
    with pytest.raises(ValueError, match="to_canonical: `sample` must have a geometry"):
        to_canonical("images")({"images": VOLUME, "geometry": None})
