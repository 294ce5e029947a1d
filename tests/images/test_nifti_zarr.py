"""NIfTI-Zarr: the header in a store says where voxels lie; its levels follow. Headers are nibabel's."""

import nibabel
import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import corner_displacement, index_to_world, regrid

from .cases import from_ras_affine, oblique, ras_affine
from .zarr_cases import ARRAY, AXES, LEVELS, put_array, put_image

GRID = oblique(ARRAY.shape, seed=3)


def header_bytes(*, kind=nibabel.Nifti1Header, shape=ARRAY.shape[::-1], dtype=np.int16, slope=None, order="<"):
    """A header of nibabel, as it would stand in front of the array, or beside it."""
    header = kind(endianness=order)
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header.set_sform(ras_affine(GRID), 1)
    header.set_qform(ras_affine(GRID), 1)
    header.set_xyzt_units("mm", "sec")
    header.structarr["pixdim"][1:4] = GRID.spacing[::-1]
    if slope is not None:
        header.set_slope_inter(*slope)
    return header.binaryblock


def put_nifti(folder, raw, *arrays, **options):
    """Write an image of NIfTI-Zarr."""
    store = put_image(folder, *arrays, **options)
    put_array(store / "nifti", np.frombuffer(raw, np.uint8))
    return store


def refused(path, words, **options):
    with pytest.raises(ValueError, match=f"^read: `path` must name a complete, well-formed image file; got .*{words}"):
        images.read(path, **options)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Header, nibabel.Nifti2Header, nibabel.nifti1.Nifti1PairHeader])
@pytest.mark.parametrize("order", ["<", ">"])
def test_the_header_says_where_voxels_lie(tmp_path, kind, order):
    store = put_nifti(tmp_path / "a.nii.zarr", header_bytes(kind=kind, order=order))
    array, geometry = images.read(store)
    np.testing.assert_array_equal(array, ARRAY)
    assert corner_displacement(geometry, GRID).millimetres < 1e-4  # of single precision
    # Each voxel of the second level is the mean of two along each axis: its first one lies between them.
    level = images.read_geometry(store / "1")
    expected = regrid(geometry, (2, 2, 3), (0.5, 0.5, 0.5), factors=(2.0, 2.0, 2.0))
    assert corner_displacement(level, expected).millimetres < 1e-9
    centre = np.mean([index_to_world(geometry, corner) for corner in np.ndindex(2, 2, 2)], axis=0)
    np.testing.assert_allclose(level.origin, centre, atol=1e-9)


def test_numbers_are_scaled_as_in_files_of_nifti(tmp_path):
    store = put_nifti(tmp_path / "a.nii.zarr", header_bytes(slope=(0.5, -3)))
    array, _ = images.read(store)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, ARRAY * 0.5 - 3)
    assert images.scale(store) == (0.5, -3)
    np.testing.assert_array_equal(images.read_stored(store)[0], ARRAY)
    np.testing.assert_array_equal(images.open(store)[1:3, ::-2, 4], (ARRAY * 0.5 - 3)[1:3, ::-2, 4])
    np.testing.assert_array_equal(images.read(store / "1")[0], ARRAY[:2, :2, :3] * 0.5 - 3)


def test_the_header_counts_where_the_metadata_differ(tmp_path):
    levels = [((9, 9, 9), (1, 2, 3)), ((18, 18, 18), (5.5, 6.5, 7.5))]
    store = put_nifti(tmp_path / "a.ome.zarr", header_bytes(), levels=levels)
    assert corner_displacement(images.read_geometry(store), GRID).millimetres < 1e-4
    assert images.read_geometry(store / "1").spacing == pytest.approx(np.multiply(GRID.spacing, 2), rel=1e-6)


def test_channels_and_time_points(tmp_path):
    channel, time = {"name": "c", "type": "channel"}, {"name": "t", "type": "time"}
    array = np.stack([ARRAY, ARRAY + 1])
    store = put_nifti(tmp_path / "c.nii.zarr", header_bytes(shape=(6, 5, 4, 1, 2)), array,
                      axes=[channel, *AXES], levels=[((1,) * 4, (0,) * 4)])  # fmt: skip
    np.testing.assert_array_equal(images.read(store)[0], np.moveaxis(array, 0, -1))
    store = put_nifti(tmp_path / "t.nii.zarr", header_bytes(shape=(6, 5, 4, 2)), array,
                      axes=[time, *AXES], levels=[((1,) * 4, (0,) * 4)])  # fmt: skip
    found, geometry = images.read(store)
    np.testing.assert_array_equal(found, array)
    assert geometry.shape == (2, 4, 5, 6)


def test_two_poses_are_chosen_from(tmp_path):
    raw = bytearray(header_bytes())
    header = nibabel.Nifti1Header(bytes(raw))
    header.set_qform(np.eye(4), 1)
    header.structarr["pixdim"][1:4] = GRID.spacing[::-1]
    store = put_nifti(tmp_path / "a.nii.zarr", header.binaryblock)
    with pytest.raises(ValueError, match="`affine` must be 'sform' or 'qform'"):
        images.read(store)
    sform = images.read_geometry(store, affine="sform")
    assert corner_displacement(sform, from_ras_affine(header.get_sform(), ARRAY.shape[::-1])).millimetres < 1e-4
    assert images.read_geometry(store, affine="qform").origin == (0, 0, 0)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (header_bytes(shape=(5, 6, 4)), "header says \\[5, 6, 4\\] voxels and 1 channels, and its first level is"),
        (header_bytes(shape=(6, 5, 4, 1, 2)), "header says \\[6, 5, 4\\] voxels and 2 channels"),
        (header_bytes(dtype=np.float32), "its header says numbers of float32, and level 0 holds int16"),
        (header_bytes()[:200], "it is no header of NIfTI, which is an array of bytes"),
        (bytes(348), "it is not a single-file NIfTI image"),
    ],
)
def test_headers_that_contradict_the_array_are_refused(tmp_path, raw, words):
    refused(put_nifti(tmp_path / "a.nii.zarr", raw), words)


def test_without_a_header_the_name_is_that_of_ome(tmp_path):
    refused(put_image(tmp_path / "a.nii.zarr"), "it has no header of NIfTI")
    store = put_image(tmp_path / "b.nii.zarr")
    put_array(store / "nifti", ARRAY)
    refused(store, "it is no header of NIfTI")
    assert LEVELS[0][0] == images.read(put_image(tmp_path / "c.ome.zarr"))[1].spacing
