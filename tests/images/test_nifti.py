"""NIfTI: images lie where nibabel places them, scales are applied or kept, hostile headers are errors."""

import gzip
import itertools
import struct
from pathlib import Path

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
    assert values.dtype == (np.float64 if dtype == "int32" else np.float32)
    # nibabel computes in float64.
    expected = np.asarray(nibabel.load(path).dataobj).T
    np.testing.assert_array_equal(values, expected.astype(values.dtype))


def test_files_of_other_kinds_have_no_scale(tmp_path):
    for suffix in (".mha", ".nrrd", ".nii.gz"):
        images.write(tmp_path / f"x{suffix}", np.ones((2, 3), np.int16), Geometry(shape=(2, 3), spacing=(1, 1)))
        assert images.scale(tmp_path / f"x{suffix}") == (1.0, 0.0)
        assert images.read_stored(tmp_path / f"x{suffix}")[0].dtype == np.int16
    colours = np.ones((2, 3, 4, 3), np.uint8)
    images.write(tmp_path / "rgb.nii", colours, Geometry(shape=(2, 3, 4), spacing=(1, 1, 1)))
    np.testing.assert_array_equal(images.read_stored(tmp_path / "rgb.nii")[0], colours)
    patched(tmp_path / "rgb.nii", 112, struct.pack("<ff", 0.25, -3.0))
    np.testing.assert_array_equal(images.read_stored(tmp_path / "rgb.nii")[0], colours)
    np.testing.assert_array_equal(images.read(tmp_path / "rgb.nii")[0], colours * np.float32(0.25) - 3)


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


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", ["int16", "float32", ">f8"])
def test_nifti_2_and_extensions_are_read(tmp_path, suffix, dtype):
    geometry = oblique((5, 4, 3))
    array = random_array(geometry.shape, np.dtype(dtype).newbyteorder("=").name).astype(dtype)
    header = nibabel.Nifti2Header(endianness=">" if dtype[0] == ">" else "<")
    header.set_data_dtype(array.dtype)
    image = nibabel.Nifti2Image(array.T, ras_affine(geometry), header)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"read on behind this"))
    nibabel.save(image, tmp_path / f"x{suffix}")
    again, place = images.read(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(again, array)
    assert again.dtype == np.dtype(dtype).newbyteorder("=")
    assert geometries.same_geometry(place, geometry, tolerance=1e-9)


@pytest.mark.parametrize("intent", ["vector", "displacement vector", "symmetric matrix", "pointset", "none"])
@pytest.mark.parametrize("count", [1, 2])
def test_numbers_of_a_voxel_are_those_of_the_file_whatever_they_mean(tmp_path, intent, count):
    """ITK negates the first two of displacements, and reorders symmetric matrices."""
    array = random_array((3, 4, 2, count, 6 if intent == "symmetric matrix" else 3), "float32")
    image = nibabel.Nifti1Image(array, np.diag([-2.0, 1, 3, 1]))
    image.header.set_intent(intent)
    nibabel.save(image, tmp_path / "x.nii.gz")
    expected = array.transpose(3, 2, 1, 0, 4)[0 if count == 1 else slice(None)]
    for read in (images.read, images.read_stored):
        np.testing.assert_array_equal(read(tmp_path / "x.nii.gz")[0], expected)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_the_intent_is_written_where_it_is_asked_for(tmp_path, suffix):
    field, geometry = random_array((3, 4, 2, 3), "float32"), oblique((3, 4, 2))
    labels = random_array((3, 4, 2), "uint8")
    for array, intent, code in ((field, None, 1007), (field, 1006, 1006), (labels, None, 0), (labels, 1002, 1002)):
        images.write(tmp_path / f"x{suffix}", array, geometry, intent=intent, overwrite=True)
        assert images.intent(tmp_path / f"x{suffix}") == code
        other = nibabel.load(tmp_path / f"x{suffix}")
        assert other.header["intent_code"] == code
        np.testing.assert_array_equal(np.squeeze(other.dataobj), array.transpose(2, 1, 0, *range(3, array.ndim)))
        np.testing.assert_array_equal(images.read(tmp_path / f"x{suffix}")[0], array)
    with pytest.raises(ValueError, match="write: `intent` must be left out for formats other than NIfTI; got 1006"):
        images.write(tmp_path / "x.mha", field, geometry, intent=1006)
    with pytest.raises(ValueError, match="write: `intent` must be below 32768; got 40000"):
        images.write(tmp_path / "y.nii", field, geometry, intent=40000)
    images.write(tmp_path / "x.mha", field, geometry)
    assert images.intent(tmp_path / "x.mha") == 0


@pytest.mark.parametrize("names", ["RGB", "RGBA"])
def test_colours_are_channels_without_a_scale(tmp_path, names):
    array = random_array((3, 4, 2, len(names)), "uint8")
    colours = array.view([(name, "u1") for name in names])[..., 0]
    nibabel.save(nibabel.Nifti1Image(colours.transpose(2, 1, 0), np.eye(4)), tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 112, struct.pack("<ff", 0.5, 3.0))
    np.testing.assert_array_equal(images.read(tmp_path / "x.nii")[0], array)
    assert images.scale(tmp_path / "x.nii") == (1.0, 0.0)


SCALES = [(0.5, 3.0), (-2.0, 0.0), (1.0, -1024.0), (6.1e-5, 0.0), (3.0517578e-05, 1.0), (1e-4, 1e5), (1e-4, 30.0)]


@pytest.mark.sampled(30)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_scaled_values_are_those_of_nibabel(tmp_path, dtype, scale):
    array = random_array((4, 3, 2), dtype)
    image = nibabel.Nifti1Image(array.T, np.eye(4), dtype=dtype)
    nibabel.save(image, tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 112, struct.pack("<ff", *scale))
    values, _ = images.read(tmp_path / "x.nii")
    expected = np.asarray(nibabel.load(tmp_path / "x.nii").dataobj).T
    np.testing.assert_array_equal(values, expected.astype(values.dtype))
    # What is stored as different numbers stays different: float32 would make some of these equal.
    if array.dtype.kind in "iu":
        stored = np.arange(-3, 4) + np.int64(np.iinfo(dtype).max // 2)
        close = np.float64(np.float32(scale[0])) * stored + scale[1]
        assert len(set(close.astype(values.dtype).tolist())) == (7 if dtype != "int64" else len(set(close.tolist())))
        assert values.dtype == np.float32 or dtype in ("int32", "uint32", "int64") or scale == (1e-4, 1e5)


@pytest.mark.parametrize("scale", [(0.0, 0.0), (np.nan, np.nan), (np.inf, 0.0), (-np.inf, np.nan), (0.0, np.nan)])
def test_without_a_usable_slope_nothing_is_scaled(tmp_path, scale):
    array = random_array((4, 3, 2), "int16")
    nibabel.save(nibabel.Nifti1Image(array.T, np.eye(4)), tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 112, struct.pack("<ff", *scale))
    values, _ = images.read(tmp_path / "x.nii")
    assert values.dtype == np.int16
    np.testing.assert_array_equal(values, array)


def test_a_scale_beyond_float32_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(np.full((4, 3, 2), 3e38, np.float32), np.eye(4)), tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 112, struct.pack("<ff", 1e5, 0))
    with pytest.raises(ValueError, match="leads beyond what float32 holds"):
        images.read(tmp_path / "x.nii")


@pytest.mark.parametrize("code", [32, 1792, 1536, 2048, 1, 0, 255])
def test_complex_numbers_and_those_of_128_bits_are_refused(tmp_path, code):
    nibabel.save(nibabel.Nifti1Image(np.ones((4, 3, 2), np.int16), np.eye(4)), tmp_path / "x.nii")
    patched(tmp_path / "x.nii", 70, struct.pack("<h", code))
    with pytest.raises(ValueError, match=f"datatype is {code}; integers, floats, RGB and RGBA are read"):
        images.read(tmp_path / "x.nii")


@pytest.mark.parametrize("shape", [(5,), (5, 4, 3, 2, 2, 2), (5, 4, 3, 1, 1, 2), (1, 1, 1, 1, 1, 1, 2)])
def test_axes_beyond_space_time_and_channels_are_refused(tmp_path, shape):
    nibabel.save(nibabel.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(ValueError, match="2 to 4 axes are read, and a fifth of channels"):
        images.read(tmp_path / "x.nii")


def test_headers_of_pairs_are_refused_as_single_files(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(np.ones((4, 3, 2), np.int16), np.eye(4)), tmp_path / "x.hdr")
    (tmp_path / "x.hdr").rename(tmp_path / "y.nii")
    with pytest.raises(ValueError, match="it ends within its header, after 348 bytes"):
        images.read(tmp_path / "y.nii")


@pytest.mark.parametrize("name", ["anatomical.nii", "functional.nii", "example4d.nii.gz", "example_nifti2.nii.gz"])
def test_files_of_nibabel_are_read_as_nibabel_does(name):
    path = Path(nibabel.__file__).parent / "tests" / "data" / name
    other = nibabel.load(path)
    array, geometry = images.read(path)
    np.testing.assert_array_equal(array, np.asarray(other.dataobj).T.astype(array.dtype))
    space = Geometry(
        shape=geometry.shape[-3:], spacing=geometry.spacing[-3:], origin=geometry.origin[-3:],
        direction=tuple(row[-3:] for row in geometry.direction[-3:]),
    )  # fmt: skip
    np.testing.assert_allclose(ras_affine(space), other.affine, atol=1e-5)
