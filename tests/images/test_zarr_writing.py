"""Images written as OME-Zarr and NIfTI-Zarr: they come back, others read the same, and none is half written."""

import os

import nibabel
import numpy as np
import pytest
import zarr

from mia_functional import images
from mia_functional.geometry import Geometry, corner_displacement

from .cases import oblique, random_array, ras_affine

GRID = Geometry(shape=(40, 50, 70), spacing=(3.0, 0.7, 0.3), origin=(-101.5, 20.25, 1 / 3))


def in_time(space):
    """A grid with two time points in front of one of space."""
    direction = np.pad(space.direction, ((1, 0), (1, 0)))
    direction[0, 0] = 1
    return Geometry(
        shape=(2, *space.shape), spacing=(2.5, *space.spacing), origin=(1.5, *space.origin),
        direction=tuple(map(tuple, direction.tolist())),
    )  # fmt: skip


@pytest.mark.sampled(6)
@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "uint64", "float32", "float64"])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_images_come_back(tmp_path, dtype, channels):
    array, grid = random_array((5, 6, 7, *channels), dtype), oblique((5, 6, 7), seed=1)
    images.write(tmp_path / "a.nii.zarr", array, grid)
    found, geometry = images.read(tmp_path / "a.nii.zarr")
    assert found.dtype == (np.uint8 if dtype == "bool" else dtype)
    np.testing.assert_array_equal(found, array)
    assert corner_displacement(geometry, grid).millimetres < 1e-6
    plain = Geometry(shape=grid.shape, spacing=grid.spacing, origin=grid.origin)
    images.write(tmp_path / "a.ome.zarr", array, plain)
    found, geometry = images.read(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(found, array)
    assert geometry == plain


@pytest.mark.sampled(4)
@pytest.mark.parametrize("grid", [GRID, oblique((4, 70, 33), seed=2), in_time(oblique((3, 4, 5), seed=3))])
@pytest.mark.parametrize("name", ["a.nii.zarr", "a.ome.zarr", "a.zarr"])
def test_shapes_and_places_come_back(tmp_path, grid, name):
    array = random_array((*grid.shape, 2), "int16")
    if name != "a.nii.zarr":
        grid = Geometry(shape=grid.shape, spacing=grid.spacing, origin=grid.origin)
    images.write(tmp_path / name, array, grid)
    found, geometry = images.read(tmp_path / name)
    np.testing.assert_array_equal(found, array)
    assert corner_displacement(geometry, grid).millimetres < 1e-6


def test_a_plane_has_no_header_of_nifti(tmp_path):
    grid, array = Geometry(shape=(5, 6), spacing=(2.0, 1.0)), random_array((5, 6), "uint8")
    images.write(tmp_path / "a.ome.zarr", array, grid)
    found, geometry = images.read(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(found, array)
    assert geometry == grid
    with pytest.raises(ValueError, match="write: `geometry` must have 3 axes for NIfTI-Zarr"):
        images.write(tmp_path / "a.nii.zarr", array, grid)


def test_zarr_finds_shards_and_the_same_numbers(tmp_path):
    array = random_array((300, 40, 5, 2), "int16")
    grid = Geometry(shape=(300, 40, 5), spacing=(1.0, 2.0, 3.0), origin=(4.0, 5.0, 6.0))
    images.write(tmp_path / "a.ome.zarr", array, grid)
    group = zarr.open_group(tmp_path / "a.ome.zarr", mode="r")
    level = group["0"]
    np.testing.assert_array_equal(level[...], np.moveaxis(array, -1, 0))
    assert (level.chunks, level.shards) == ((1, 32, 32, 5), (1, 256, 64, 5))
    assert level.metadata.dimension_names == ("c", "z", "y", "x")
    (pyramid,) = group.attrs["ome"]["multiscales"]
    assert [axis["type"] for axis in pyramid["axes"]] == ["channel", "space", "space", "space"]
    assert pyramid["datasets"][0]["coordinateTransformations"] == [
        {"type": "scale", "scale": [1, 1, 2, 3]}, {"type": "translation", "translation": [0, 4, 5, 6]},
    ]  # fmt: skip


def test_nibabel_finds_the_place_in_the_header(tmp_path):
    grid = oblique((5, 6, 7), seed=4)
    images.write(tmp_path / "a.nii.zarr", random_array((5, 6, 7, 3), "float32"), grid, intent=1006)
    raw = zarr.open_array(tmp_path / "a.nii.zarr" / "nifti", mode="r")[...].tobytes()
    header = nibabel.Nifti2Header(raw)  # which checks it
    np.testing.assert_allclose(header.get_best_affine(), ras_affine(grid), atol=1e-9)
    assert header.get_data_shape() == (7, 6, 5, 1, 3)
    assert header.get_data_dtype() == np.float32
    assert header.get_intent()[0] == "displacement vector"
    assert header.get_xyzt_units() == ("mm", "sec")
    assert images.intent(tmp_path / "a.nii.zarr") == 1006


def test_ome_zarr_has_no_direction(tmp_path):
    grid, array = oblique((4, 5, 6), seed=5), random_array((4, 5, 6), "uint8")
    for turned in (grid, Geometry(shape=(4, 5, 6), spacing=(1.0,) * 3, direction=((-1, 0, 0), (0, 1, 0), (0, 0, 1)))):
        with pytest.raises(ValueError, match="write: `geometry` must have axes along those of the world for OME-Zarr"):
            images.write(tmp_path / "a.ome.zarr", array, turned)
    assert not os.listdir(tmp_path)
    images.write(tmp_path / "a.ome.zarr", array, grid, drop_direction=True)
    found, geometry = images.read(tmp_path / "a.ome.zarr")
    np.testing.assert_array_equal(found, array)
    assert geometry == Geometry(shape=grid.shape, spacing=grid.spacing, origin=grid.origin)
    for name in ("a.nii.zarr", "a.mha"):
        with pytest.raises(ValueError, match="`drop_direction` must be false for formats that keep it"):
            images.write(tmp_path / name, array, grid, drop_direction=True)
    with pytest.raises(ValueError, match="`intent` must be left out for formats other than NIfTI"):
        images.write(tmp_path / "b.ome.zarr", array, grid, drop_direction=True, intent=1006)


def test_a_store_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "a.ome.zarr"
    images.write(path, random_array(GRID.shape, "int16"), GRID)
    with pytest.raises(FileExistsError, match="exists already"):
        images.write(path, np.zeros((2, 2)), Geometry(shape=(2, 2), spacing=(1.0, 1.0)))
    (path / "of another program").write_text("x")
    images.write(path, np.ones((2, 2)), Geometry(shape=(2, 2), spacing=(1.0, 1.0)), overwrite=True)
    assert images.read(path)[0].tolist() == [[1, 1], [1, 1]]
    assert not (path / "of another program").exists()
    assert os.listdir(tmp_path) == ["a.ome.zarr"]


def test_failures_leave_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "a.ome.zarr"
    images.write(path, np.ones((2, 2)), Geometry(shape=(2, 2), spacing=(1.0, 1.0)))

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"write: .*a\.ome\.zarr could not be written: No space left"):
        images.write(path, np.zeros((3, 3)), Geometry(shape=(3, 3), spacing=(1.0, 1.0)), overwrite=True)
    assert os.listdir(tmp_path) == ["a.ome.zarr"]
    assert images.read(path)[0].tolist() == [[1, 1], [1, 1]]
