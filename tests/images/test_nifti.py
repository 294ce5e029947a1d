"""NIfTI: images lie where nibabel places them, scales are applied or kept, hostile headers are errors."""

import gzip
import itertools
import struct

import nibabel
import numpy as np
import pytest

from mia_functional import geometry as geometries
from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import TO_RAS, from_ras_affine, oblique, patched, random_array, ras_affine


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("seed", range(8))
def test_written_nifti_lies_where_nibabel_says(tmp_path, suffix, seed):
    geometry = oblique((5, 4, 3), seed=seed, mirrored=seed % 2 == 1)
    array = random_array(geometry.shape, "int16", seed)
    images.write(tmp_path / f"x{suffix}", array, geometry)
    other = nibabel.load(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(np.asarray(other.dataobj), array.T)
    np.testing.assert_allclose(other.affine, ras_affine(geometry), atol=2e-5)
    for index in itertools.product((0, 4), (0, 3), (0, 2)):
        world = other.affine @ [*index[::-1], 1]
        np.testing.assert_allclose((TO_RAS @ world[:3])[::-1], geometries.index_to_world(geometry, index), atol=1e-4)


@pytest.mark.sampled(20)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("codes", [(1, 1), (0, 1), (1, 0), (0, 4), (2, 2)])
def test_nifti_of_nibabel_lies_where_nibabel_says(tmp_path, seed, codes):
    geometry = oblique((5, 4, 3), seed=seed, mirrored=seed % 2 == 1)
    array = random_array(geometry.shape, "int16", seed)
    image = nibabel.Nifti1Image(array.T, ras_affine(geometry))
    image.set_qform(ras_affine(geometry), codes[0])
    image.set_sform(ras_affine(geometry), codes[1])
    nibabel.save(image, tmp_path / "x.nii.gz")
    again, place = images.read(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(again, array)
    expected = from_ras_affine(nibabel.load(tmp_path / "x.nii.gz").affine, array.T.shape)
    assert geometries.same_geometry(place, expected, tolerance=5e-5)


def test_big_endian_nifti_and_scaled_nifti(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(4, 3, 2)
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4), header), tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == struct.pack(">i", 348)
    np.testing.assert_array_equal(images.read(tmp_path / "big.nii")[0], array)
    patched(tmp_path / "big.nii", 112, struct.pack(">ff", 0.5, 3.0))
    scaled, _ = images.read(tmp_path / "big.nii")
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled, array * 0.5 + 3.0)


@pytest.mark.sampled(100)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32"])
def test_stored_numbers_and_their_scale(tmp_path, suffix, dtype):
    array, path = random_array((4, 3, 2), dtype), tmp_path / f"x{suffix}"
    images.write(tmp_path / "x.nii", array, Geometry(shape=(4, 3, 2), spacing=(4, 3, 2)))
    assert images.scale(tmp_path / "x.nii") == (1.0, 0.0)
    patched(tmp_path / "x.nii", 112, struct.pack("<ff", 0.25, -3.0))
    if suffix == ".nii.gz":
        path.write_bytes(gzip.compress((tmp_path / "x.nii").read_bytes()))
        (tmp_path / "x.nii").unlink()
    numbers, geometry = images.read_stored(path)
    np.testing.assert_array_equal(numbers, array)
    assert numbers.dtype == dtype
    assert images.scale(path) == (0.25, -3.0)
    values, same = images.read(path)
    assert geometry == same
    assert values.dtype == np.float32
    np.testing.assert_array_max_ulp(values, np.float32(0.25 * array.astype(np.float64) - 3.0), maxulp=2)


def test_files_of_other_kinds_have_no_scale(tmp_path):
    for suffix in (".mha", ".nrrd", ".nii.gz"):
        images.write(tmp_path / f"x{suffix}", np.ones((2, 3), np.int16), Geometry(shape=(2, 3), spacing=(1, 1)))
        assert images.scale(tmp_path / f"x{suffix}") == (1.0, 0.0)
        assert images.read_stored(tmp_path / f"x{suffix}")[0].dtype == np.int16
    colours = np.ones((2, 3, 4, 3), np.uint8)
    images.write(tmp_path / "rgb.nii", colours, Geometry(shape=(2, 3, 4), spacing=(1, 1, 1)))
    np.testing.assert_array_equal(images.read_stored(tmp_path / "rgb.nii")[0], colours)
    patched(tmp_path / "rgb.nii", 112, struct.pack("<ff", 0.25, -3.0))
    with pytest.raises(ValueError, match="it has a scale, and its stored numbers cannot be read without it"):
        images.read_stored(tmp_path / "rgb.nii")


def test_pixels_behind_an_odd_offset_are_aligned(tmp_path):
    array = np.arange(24, dtype=np.float32).reshape(4, 3, 2)
    images.write(tmp_path / "x.nii", array, Geometry(shape=(4, 3, 2), spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    raw = raw[:108] + struct.pack("<f", 357) + raw[112:352] + b"\0" * 5 + raw[352:]
    (tmp_path / "x.nii").unlink()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw))
    found, _ = images.read(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(found, array)
    assert found.flags.aligned


def test_two_places_in_one_nifti_are_refused(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), np.int16), np.eye(4))
    moved = np.eye(4)
    moved[0, 3] = 0.005
    for codes in ((1, 4), (2, 2), (1, 1)):
        image.set_qform(np.eye(4), codes[0])
        image.set_sform(moved, codes[1])
        nibabel.save(image, tmp_path / "x.nii")
        images.read(tmp_path / "x.nii")
    moved[0, 3] = 2
    image.set_qform(np.eye(4), 1)
    image.set_sform(moved, 4)
    nibabel.save(image, tmp_path / "x.nii")
    with pytest.raises(ValueError, match="sform, qform and pixdim place it 2 voxels apart"):
        images.read(tmp_path / "x.nii")


NIFTI_PATCHES = {
    "sizeof_hdr": (0, struct.pack("<i", 540)),
    "magic of a pair": (344, b"ni1\0"),
    "no magic": (344, b"\0\0\0\0"),
    "rank 0": (40, struct.pack("<h", 0)),
    "rank 8": (40, struct.pack("<h", 8)),
    "negative rank": (40, struct.pack("<h", -3)),
    "empty axis": (42, struct.pack("<h", 0)),
    "negative axis": (42, struct.pack("<h", -5)),
    "huge": (42, struct.pack("<hhh", 32767, 32767, 32767)),
    "one more slice": (46, struct.pack("<h", 6)),
    "one slice less": (46, struct.pack("<h", 4)),
    "float128": (70, struct.pack("<h", 1536)),
    "complex": (70, struct.pack("<h", 32)),
    "no datatype": (70, struct.pack("<h", 0)),
    "wider datatype": (70, struct.pack("<h", 64)),
    "zero spacing": (80, struct.pack("<f", 0)),
    "negative spacing": (84, struct.pack("<f", -1)),
    "nan spacing": (84, struct.pack("<f", np.nan)),
    "infinite spacing": (88, struct.pack("<f", np.inf)),
    "tiny spacing": (80, struct.pack("<fff", 1e-30, 1e-30, 1e-30)),
    "offset in the header": (108, struct.pack("<f", 0)),
    "offset nan": (108, struct.pack("<f", np.nan)),
    "offset beyond": (108, struct.pack("<f", 1e9)),
    "offset negative": (108, struct.pack("<f", -352)),
    "nan intercept": (112, struct.pack("<ff", 2, np.nan)),
    "intercept without slope": (112, struct.pack("<ff", 0, 10)),
    "sform nan": (280, struct.pack("<f", np.nan)),
    "qform nan": (256, struct.pack("<f", np.nan)),
    "sform elsewhere": (252, struct.pack("<hh6f4f", 1, 4, 0, 0, 1, 0, 0, 0, -1, 0, 0, 1000)),
    "sform of another scale": (280, struct.pack("<4f", 3, 0, 0, 0)),
}


@pytest.mark.sampled(100)
@pytest.mark.parametrize("name", NIFTI_PATCHES)
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_hostile_nifti_is_refused(tmp_path, capfd, name, suffix):
    path = tmp_path / "x.nii"
    images.write(path, random_array((5, 4, 3), "int16"), Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    patched(path, *NIFTI_PATCHES[name])
    if suffix == ".nii.gz":
        raw = path.read_bytes()
        path.unlink()
        path = tmp_path / "x.nii.gz"
        path.write_bytes(gzip.compress(raw))
    with pytest.raises(ValueError, match=str(path)):
        images.read(path)
    assert capfd.readouterr() == ("", "")
