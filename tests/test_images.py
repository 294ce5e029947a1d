"""Image files: what is written comes back, where an independent reader places it, or an error says why not."""

import gzip
import itertools
import os
import resource
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from mia_functional import geometry as geometries
from mia_functional import images
from mia_functional.geometry import Geometry

SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")
DTYPES = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64")
TO_RAS = np.diag([-1.0, -1.0, 1.0])


def oblique(shape, *, seed=0, mirrored=False):
    """A geometry with a random rotation, odd spacing and an origin far from zero."""
    rng = np.random.default_rng(seed)
    matrix, _ = np.linalg.qr(rng.normal(size=(len(shape),) * 2))
    matrix *= np.sign(np.linalg.det(matrix)) * (-1 if mirrored else 1)
    if len(shape) % 2 == 0 and np.linalg.det(matrix) * (-1 if mirrored else 1) < 0:
        matrix[:, 0] *= -1
    return Geometry(
        shape=shape,
        spacing=tuple(rng.uniform(0.3, 4.0, len(shape))),
        origin=tuple(rng.uniform(-200, 200, len(shape))),
        direction=tuple(map(tuple, matrix)),
    )


def random_array(shape, dtype, seed=0):
    """Values over the whole range of a dtype."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    array = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    array.flat[0], array.flat[-1] = limits.min, limits.max
    return array


def ras_affine(geometry):
    """The affine that nibabel holds for a geometry in array order: index (i, j, k) is (x, y, z), the world is RAS."""
    steps = (np.array(geometry.direction) * geometry.spacing)[::-1, ::-1]
    affine = np.eye(4)
    affine[:3, :3] = TO_RAS @ steps
    affine[:3, 3] = TO_RAS @ geometry.origin[::-1]
    return affine


def from_ras_affine(affine, shape):
    """The geometry in array order that a NIfTI affine describes."""
    steps = (TO_RAS @ affine[:3, :3])[::-1, ::-1]
    spacing = np.linalg.norm(steps, axis=0)
    return Geometry(
        shape=tuple(shape)[::-1],
        spacing=tuple(spacing),
        origin=tuple((TO_RAS @ affine[:3, 3])[::-1]),
        direction=tuple(map(tuple, steps / spacing)),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip_of_every_format_and_dtype(tmp_path, suffix, dtype):
    geometry = oblique((5, 4, 3), seed=DTYPES.index(dtype), mirrored=dtype.startswith("u"))
    array = random_array(geometry.shape, dtype)
    images.write(tmp_path / f"x{suffix}", array, geometry)
    again, place = images.read(tmp_path / f"x{suffix}")
    assert again.dtype == ("uint8" if dtype == "bool" else dtype)
    np.testing.assert_array_equal(again, array)
    assert geometries.same_geometry(place, geometry, tolerance=2e-5)
    assert sorted(os.listdir(tmp_path)) == (
        ["x.mhd", "x.raw"] if suffix == ".mhd" else ["x.nhdr", "x.raw"] if suffix == ".nhdr" else [f"x{suffix}"]
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (5, 4, 3), (1, 4, 3), (5, 1, 3), (1, 1, 1), (3, 5, 4, 2)])
@pytest.mark.parametrize("channels", [(), (1,), (2,), (3,)])
def test_round_trip_of_every_rank_with_and_without_channels(tmp_path, suffix, shape, channels):
    space = oblique(shape[-3:], seed=len(shape))
    geometry = space
    if len(shape) == 4:
        rows = ((1.0, 0.0, 0.0, 0.0), *((0.0, *row) for row in space.direction))
        geometry = Geometry(shape=shape, spacing=(2.5, *space.spacing), origin=(7.0, *space.origin), direction=rows)
    array = random_array((*shape, *channels), "float32")
    if ".nii" in suffix and shape[0] == 1 and channels > (1,):
        with pytest.raises(ValueError, match="must name a format for float32"):
            images.write(tmp_path / f"x{suffix}", array, geometry)
        return
    images.write(tmp_path / f"x{suffix}", array, geometry)
    again, place = images.read(tmp_path / f"x{suffix}")
    assert again.shape == (shape if channels == (1,) else shape + channels)
    np.testing.assert_array_equal(again.reshape(array.shape), array)
    assert geometries.same_geometry(place, geometry, tolerance=2e-5)


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


def test_mni152_comes_back_where_it_was(tmp_path):
    datasets = pytest.importorskip("nilearn.datasets")
    template = datasets.load_mni152_template(resolution=1)
    voxels = np.ascontiguousarray(np.asarray(template.dataobj).T.astype(np.float32))
    geometry = from_ras_affine(template.affine, template.shape)
    images.write(tmp_path / "t1.nii.gz", voxels, geometry)
    again, place = images.read(tmp_path / "t1.nii.gz")
    assert place == geometry
    np.testing.assert_array_equal(again, voxels)
    np.testing.assert_array_equal(nibabel.load(tmp_path / "t1.nii.gz").affine, template.affine)


def test_every_library_is_written(tmp_path, xp):
    if xp.name == "jax-jit":
        pytest.skip("a file cannot be written from inside a compiled function")
    array = random_array((4, 3, 2), "int32")
    xp.run(lambda given: images.write(tmp_path / "x.mha", given, Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))), array)
    np.testing.assert_array_equal(images.read(tmp_path / "x.mha")[0], array)


def test_views_and_foreign_byte_orders_are_written(tmp_path):
    array = random_array((6, 4, 8), "int16")
    for number, view in enumerate((array[::-1, :, ::2], array.transpose(2, 0, 1), array.astype(">i2"))):
        images.write(tmp_path / f"{number}.nrrd", view, Geometry(shape=view.shape, spacing=(1, 1, 1)))
        np.testing.assert_array_equal(images.read(tmp_path / f"{number}.nrrd")[0], view)


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
    with pytest.raises(ValueError, match="it has a scale, and its numbers cannot be read without it"):
        images.read_stored(tmp_path / "rgb.nii")


def test_compressed_metaimage_and_nrrd_of_others(tmp_path):
    image = SimpleITK.GetImageFromArray(random_array((9, 8, 7), "int16"))
    for suffix in (".mha", ".mhd", ".nrrd", ".nhdr"):
        SimpleITK.WriteImage(image, tmp_path / f"x{suffix}", useCompression=True)
        np.testing.assert_array_equal(images.read(tmp_path / f"x{suffix}")[0], SimpleITK.GetArrayFromImage(image))


META = """ObjectType = Image
NDims = 3
BinaryData = True
{}TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 1 2 3
ElementSpacing = {}
DimSize = 2 3 4
{}ElementType = {}
ElementDataFile = LOCAL
"""
NRRD = """NRRD0004
type: {}
dimension: 3
space: {}
sizes: 2 3 4
space directions: {}
kinds: domain domain domain
{}encoding: raw
space origin: (1,2,3)

"""
PLAIN, MIRRORED = "(2,0,0) (0,1,0) (0,0,1)", "(0,-2,0) (1,0,0) (0,0,-1)"


@pytest.mark.parametrize(
    ("name", "header", "dtype"),
    [
        ("x.mha", META.format("BinaryDataByteOrderMSB = True\n", "1 1 1", "", "MET_SHORT"), ">i2"),
        ("x.mha", META.format("ElementByteOrderMSB = False\n", "1 1 1", "", "MET_LONG_LONG"), "<i8"),
        ("x.mha", META.format("ElementByteOrderMSB = T\nBinaryDataByteOrderMSB = T\n", "1 1 1", "", "MET_LONG"), ">i4"),
        ("x.mha", META.format("", "1 1 1", "", "MET_USHORT"), "<u2"),
        ("x.mha", META.format("", "1 1 1", "", "MET_UCHAR"), "<u1"),
        ("x.mha", META.format("BinaryDataByteOrderMSB = False\n", "1 -2 1", "", "MET_FLOAT"), "<f4"),
        ("x.mha", META.format("", "1 1 1", "ElementToIntensityFunctionSlope = 2\n", "MET_SHORT"), "<i2"),
        ("x.nrrd", NRRD.format("short", "left-posterior-superior", PLAIN, "endian: big\n"), ">i2"),
        ("x.nrrd", NRRD.format("unsigned int", "right-anterior-superior", MIRRORED, "endian: little\n"), "<u4"),
        ("x.nrrd", NRRD.format("double", "left-posterior-superior", MIRRORED, "endian: little\n"), "<f8"),
        ("x.nrrd", NRRD.format("uchar", "left-posterior-superior", PLAIN, ""), "<u1"),
    ],
)  # fmt: skip
def test_headers_of_others_mean_what_simpleitk_says(tmp_path, name, header, dtype):
    raw = np.random.default_rng(0).integers(0, 100, (4, 3, 2)).astype(dtype)
    (tmp_path / name).write_bytes(header.encode() + raw.tobytes())
    image = SimpleITK.ReadImage(tmp_path / name)
    array, geometry = images.read(tmp_path / name)
    expected, grid = images.from_simpleitk(image)
    np.testing.assert_array_equal(array, expected)
    assert (array.dtype, geometry) == (expected.dtype, grid)
    assert array.dtype.isnative
    assert array.flags.writeable


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


def test_itk_order_is_the_reverse_of_array_order():
    geometry = oblique((5, 4, 3))
    size, spacing, origin, direction = images.to_itk(geometry)
    assert (size, spacing, origin) == ((3, 4, 5), geometry.spacing[::-1], geometry.origin[::-1])
    assert images.from_itk(size, spacing, origin, direction) == geometry
    image = SimpleITK.Image(size, SimpleITK.sitkUInt8)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    point = image.TransformContinuousIndexToPhysicalPoint((0.5, 1.5, 2.5))
    np.testing.assert_allclose(point[::-1], geometries.index_to_world(geometry, (2.5, 1.5, 0.5)), atol=1e-9)
    assert images.from_simpleitk(image)[1] == geometry


# Damaged files


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".mha", ".nrrd"])
def test_no_truncation_is_read(tmp_path, suffix):
    geometry = oblique((12, 11, 10))
    images.write(tmp_path / f"whole{suffix}", random_array(geometry.shape, "int16"), geometry)
    whole = (tmp_path / f"whole{suffix}").read_bytes()
    lengths = np.random.default_rng(1).choice(len(whole), 100, replace=False)
    for length in [*lengths, len(whole) - 1, 0]:
        (tmp_path / f"cut{suffix}").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="must name a complete, well-formed image file"):
            images.read(tmp_path / f"cut{suffix}")
    (tmp_path / f"cut{suffix}").write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="well-formed"):
        images.read(tmp_path / f"cut{suffix}")


@pytest.mark.parametrize("suffix", [".mhd", ".nhdr"])
def test_no_truncated_data_file_is_read(tmp_path, suffix):
    images.write(tmp_path / f"x{suffix}", random_array((12, 11, 10), "int16"), oblique((12, 11, 10)))
    whole = (tmp_path / "x.raw").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "x.raw").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"x\.raw"):
            images.read(tmp_path / f"x{suffix}")
    (tmp_path / "x.raw").unlink()
    with pytest.raises(ValueError, match=r"x\.raw is missing"):
        images.read(tmp_path / f"x{suffix}")


@pytest.mark.parametrize("name", ["x.nii.gz", "x.mha", "x.nrrd"])
def test_no_flipped_bit_of_compressed_data_is_read_as_something_else(tmp_path, name):
    array = random_array((12, 11, 10), "int16")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), tmp_path / name, useCompression=True)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(2)
    for place in rng.integers(len(whole) // 2, len(whole), 100):
        broken = bytearray(whole)
        broken[place] ^= 1 << rng.integers(8)
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(ValueError, match="well-formed"):
            images.read(tmp_path / name)


# Hostile and contradictory headers


def patched(path, offset, raw):
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)


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


META = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 3 4 5\nElementType = MET_SHORT\n"
META += b"ElementDataFile = LOCAL\n"
NRRD = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 3 4 5\nendian: little\nencoding: raw\n\n"
PIXELS = np.arange(60, dtype="<i2").tobytes()
TEXT_PATCHES = {
    ".mha": {
        "absolute": (b"LOCAL", b"/etc/hostname"),
        "parent": (b"LOCAL", b"../secret.raw"),
        "in a folder": (b"LOCAL", b"inner/secret.raw"),
        "backslash": (b"LOCAL", rb"..\secret.raw"),
        "link": (b"LOCAL", b"link.raw"),
        "folder": (b"LOCAL", b"inner"),
        "itself above": (b"LOCAL", b".."),
        "list": (b"LOCAL", b"LIST\n/etc/hostname"),
        "list 2": (b"LOCAL", b"LIST 2D\n/etc/hostname"),
        "pattern": (b"LOCAL", b"secret%d.raw 1 5 1"),
        "missing": (b"LOCAL", b"nothing.raw"),
        "no data": (b"ElementDataFile = LOCAL\n", b""),
        "two data": (b"NDims", b"elementdatafile = /etc/hostname\nNDims"),
        "colon": (b"NDims", b"ElementDataFile: /etc/hostname\nNDims"),
        "carriage return": (b"NDims", b"Comment = x\rElementDataFile = /etc/hostname\nNDims"),
        "twice": (b"NDims", b"DimSize = 1 1 1\nNDims"),
        "scene": (b"Image", b"Scene"),
        "text": (b"BinaryData = True", b"BinaryData = False"),
        "skip": (b"NDims", b"HeaderSize = 4\nNDims"),
        "skip to end": (b"NDims", b"HeaderSize = -1\nNDims"),
        "no type": (b"MET_SHORT", b"MET_STRING"),
        "wider": (b"MET_SHORT", b"MET_DOUBLE"),
        "array": (b"MET_SHORT", b"MET_SHORT_ARRAY"),
        "huge": (b"3 4 5", b"30000 40000 50000"),
        "wraps around": (b"3 4 5", b"4294967296 4294967296 15"),
        "negative": (b"3 4 5", b"-3 -4 5"),
        "zero": (b"3 4 5", b"0 4 5"),
        "short": (b"3 4 5", b"15 4"),
        "long": (b"3 4 5", b"3 4 5 1"),
        "rank": (b"NDims = 3", b"NDims = 2"),
        "compressed": (b"NDims", b"CompressedData = True\nNDims"),
        "channels": (b"NDims", b"ElementNumberOfChannels = 2\nNDims"),
        "zero spacing": (b"DimSize", b"ElementSpacing = 0 1 1\nDimSize"),
        "nan spacing": (b"DimSize", b"ElementSpacing = nan 1 1\nDimSize"),
        "spacing of a plane": (b"DimSize", b"ElementSpacing = 1 1\nDimSize"),
        "matrix of a plane": (b"DimSize", b"TransformMatrix = 1 0 0 1\nDimSize"),
        "flat": (b"DimSize", b"TransformMatrix = 1 0 0 1 0 0 0 0 1\nDimSize"),
    },
    ".nrrd": {
        "absolute": (b"encoding", b"data file: /etc/hostname\nencoding"),
        "parent": (b"encoding", b"data file: ../secret.raw\nencoding"),
        "in a folder": (b"encoding", b"datafile: inner/secret.raw\nencoding"),
        "upper case": (b"encoding", b"DATA FILE: /etc/hostname\nencoding"),
        "spaces": (b"encoding", b"data  file: /etc/hostname\nencoding"),
        "link": (b"encoding", b"data file: link.raw\nencoding"),
        "list": (b"\n\n", b"\ndata file: LIST\n/etc/hostname\n"),
        "skip list": (b"\n\n", b"\ndata file: SKIPLIST\n/etc/hostname\n"),
        "pattern": (b"encoding", b"data file: secret%d.raw 1 5 1\nencoding"),
        "two data": (b"encoding", b"data file: a.raw\ndatafile: b.raw\nencoding"),
        "missing": (b"encoding", b"data file: nothing.raw\nencoding"),
        "text": (b"raw", b"text"),
        "bzip2": (b"raw", b"bzip2"),
        "gzip": (b"raw", b"gzip"),
        "skip": (b"encoding", b"byte skip: -1\nencoding"),
        "lines": (b"encoding", b"line skip: 3\nencoding"),
        "block": (b"short", b"block"),
        "wider": (b"short", b"double"),
        "huge": (b"3 4 5", b"30000 40000 50000"),
        "wraps around": (b"3 4 5", b"4294967296 4294967296 15"),
        "negative": (b"3 4 5", b"-3 -4 5"),
        "rank": (b"dimension: 3", b"dimension: 2"),
        "version": (b"NRRD0004", b"NRRD0009"),
        "magic": (b"NRRD0004", b"P6 3 4 5"),
        "nan": (b"encoding", b"space: left-posterior-superior\nspace directions: (nan,0,0) (0,1,0) (0,0,1)\nencoding"),
        "flat": (b"encoding", b"space: left-posterior-superior\nspace directions: (1,0,0) (1,0,0) (0,0,1)\nencoding"),
        "complex": (b"3 4 5\n", b"2 30 1\nkinds: complex domain domain\n"),
    },
}


@pytest.mark.parametrize(
    ("suffix", "name"), [(suffix, name) for suffix in TEXT_PATCHES for name in TEXT_PATCHES[suffix]]
)
def test_hostile_text_header_is_refused(tmp_path, capfd, suffix, name):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    for place in (tmp_path / "secret.raw", folder / "inner" / "secret.raw", folder / "secret1.raw"):
        place.write_bytes(PIXELS)
    (folder / "link.raw").symlink_to(tmp_path / "secret.raw")
    path = folder / f"x{suffix}"
    header = {".mha": META, ".nrrd": NRRD}[suffix]
    path.write_bytes(header + PIXELS)
    assert images.read(path)[0].ravel().tolist() == list(range(60))
    old, new = TEXT_PATCHES[suffix][name]
    assert header.count(old) == 1
    path.write_bytes(header.replace(old, new) + PIXELS)
    with pytest.raises(ValueError, match=str(path)):
        images.read(path)
    assert capfd.readouterr() == ("", "")


def test_endless_header_is_refused(tmp_path):
    (tmp_path / "x.mha").write_bytes(b"Comment = " + b"x" * (3 << 20))
    with pytest.raises(ValueError, match="no plain text"):
        images.read(tmp_path / "x.mha")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_max_bytes_is_the_limit(tmp_path, suffix):
    images.write(tmp_path / f"x{suffix}", np.zeros((4, 3, 2), np.int16), Geometry(shape=(4, 3, 2), spacing=(1, 1, 1)))
    assert images.read(tmp_path / f"x{suffix}", max_bytes=48)[0].nbytes == 48
    with pytest.raises(ValueError, match="takes 48 bytes, and `max_bytes` is 47"):
        images.read(tmp_path / f"x{suffix}", max_bytes=47)


def test_gzip_bomb_is_left_early(tmp_path):
    images.write(tmp_path / "x.nii", np.zeros((4, 3, 2), np.int16), Geometry(shape=(4, 3, 2), spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").unlink()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw + bytes(1 << 28), compresslevel=1))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match="and there are more"):
        images.read(tmp_path / "x.nii.gz")
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_gzip_of_several_members_is_one_file(tmp_path):
    array = random_array((5, 4, 3), "int16")
    images.write(tmp_path / "x.nii", array, Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    raw = (tmp_path / "x.nii").read_bytes()
    (tmp_path / "x.nii").unlink()
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw[:400]) + gzip.compress(raw[400:]))
    np.testing.assert_array_equal(images.read(tmp_path / "x.nii.gz")[0], array)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(raw[:400]) + zlib.compress(raw[400:]))
    with pytest.raises(ValueError, match="damaged"):
        images.read(tmp_path / "x.nii.gz")
    compressed = (NRRD.replace(b"raw", b"gzip"), gzip.compress(PIXELS[:50]), gzip.compress(PIXELS[50:]))
    (tmp_path / "x.nrrd").write_bytes(b"".join(compressed))
    assert images.read(tmp_path / "x.nrrd")[0].ravel().tolist() == list(range(60))
    compressed = (META.replace(b"NDims", b"CompressedData = True\nNDims"), *compressed[1:])
    (tmp_path / "x.mha").write_bytes(b"".join(compressed))
    with pytest.raises(ValueError, match="something follows"):
        images.read(tmp_path / "x.mha")


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


def test_nii_beside_nii_gz_is_refused_and_never_made(tmp_path):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    images.write(tmp_path / "x.nii", np.zeros((4, 3, 2), np.int16), geometry)
    with pytest.raises(FileExistsError, match=r"x\.nii exists"):
        images.write(tmp_path / "x.nii.gz", np.ones((4, 3, 2), np.int16), geometry, overwrite=True)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress((tmp_path / "x.nii").read_bytes()))
    for one, other in (("x.nii", "x.nii.gz"), ("x.nii.gz", "x.nii")):
        with pytest.raises(ValueError, match=f"/{one}: {other} lies beside it"):
            images.read(tmp_path / one)


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".npy"])
def test_names_that_are_no_text_and_files_that_are_none_are_refused(tmp_path, suffix):
    grid = Geometry(shape=(2, 2), spacing=(1, 1))
    name = tmp_path / os.fsdecode(b"x\xff" + suffix.encode())
    name.touch()
    for call in (images.read, lambda path: images.write(path, np.zeros((2, 2)), grid)):
        with pytest.raises(ValueError, match=r"must be text of Unicode|must end in|it is no NumPy file"):
            call(name)
    os.mkfifo(tmp_path / f"pipe{suffix}")
    with pytest.raises(ValueError, match="it is no regular file"):
        images.read(tmp_path / f"pipe{suffix}")


def test_what_is_no_image_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.nii\.gz"):
        images.read(tmp_path / "nothing.nii.gz")
    (tmp_path / "folder.mha").mkdir()
    os.mkfifo(tmp_path / "pipe.nrrd")
    for name in ("folder.mha", "pipe.nrrd"):
        with pytest.raises(ValueError, match="no regular file"):
            images.read(tmp_path / name)
    np.save(tmp_path / "number.npy", 3.0)
    with pytest.raises(ValueError, match="it holds a single number, and arrays are read"):
        images.read(tmp_path / "number.npy")
    for name in ("x.png", "x.img", "x.gz", "nii"):
        with pytest.raises(ValueError, match=r"`path` must end in \.nii, \.nii\.gz"):
            images.read(tmp_path / name)
        with pytest.raises(ValueError, match=r"`path` must end in \.nii, \.nii\.gz"):
            images.write(tmp_path / name, np.zeros((2, 2)), Geometry(shape=(2, 2), spacing=(1, 1)))
    assert sorted(os.listdir(tmp_path)) == ["folder.mha", "number.npy", "pipe.nrrd"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_upper_case_extensions_are_read(tmp_path, suffix):
    array = random_array((5, 4, 3), "int16")
    images.write(tmp_path / f"x{suffix}", array, Geometry(shape=(5, 4, 3), spacing=(1, 1, 1)))
    (tmp_path / f"x{suffix}").rename(tmp_path / f"x{suffix.upper()}")
    np.testing.assert_array_equal(images.read(tmp_path / f"x{suffix.upper()}")[0], array)


# Writing


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_nothing_is_overwritten_unasked(tmp_path, suffix):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    images.write(tmp_path / f"x{suffix}", np.zeros((4, 3, 2), np.int16), geometry)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(FileExistsError, match=f"x{suffix} exists already"):
        images.write(tmp_path / f"x{suffix}", np.ones((4, 3, 2), np.int16), geometry)
    assert not images.read(tmp_path / f"x{suffix}")[0].any()
    images.write(tmp_path / f"x{suffix}", np.ones((4, 3, 2), np.uint8), geometry, overwrite=True)
    assert images.read(tmp_path / f"x{suffix}")[0].all()
    assert sorted(os.listdir(tmp_path)) == before


def test_pixels_of_another_image_are_not_overwritten(tmp_path):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    (tmp_path / "y.raw").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"y\.raw"):
        images.write(tmp_path / "y.mhd", np.zeros((4, 3, 2)), geometry)
    images.write(tmp_path / "x.mhd", np.zeros((4, 3, 2)), geometry)
    with pytest.raises(FileExistsError, match=r"x\.mhd"):
        images.write(tmp_path / "x.nhdr", np.ones((4, 3, 2)), geometry, overwrite=True)
    assert (tmp_path / "y.raw").read_bytes() == b"mine"


def test_what_files_do_not_hold_is_a_type_error(tmp_path):
    geometry = Geometry(shape=(2, 3), spacing=(1, 1))
    for dtype in (np.float16, np.complex64, np.complex128, object, "U3", np.longdouble):
        with pytest.raises(TypeError, match="`array` must hold integers, float32, float64 or booleans; got"):
            images.write(tmp_path / "x.mha", np.zeros((2, 3), dtype), geometry)
    with pytest.raises(TypeError, match="`array` must be an array; got list"):
        images.write(tmp_path / "x.mha", [[1, 2, 3], [4, 5, 6]], geometry)
    assert os.listdir(tmp_path) == []


def test_shapes_must_be_those_of_the_geometry(tmp_path):
    geometry = Geometry(shape=(2, 3, 4), spacing=(1, 1, 1))
    for shape in ((4, 3, 2), (2, 3), (2, 3, 4, 5, 6), (2, 3, 4, 0)):
        with pytest.raises(ValueError, match=r"`array` must have the shape of the geometry, \(2, 3, 4\); got shape"):
            images.write(tmp_path / "x.mha", np.zeros(shape), geometry)
    with pytest.raises(ValueError, match="2 or 3 or 4 axes"):
        images.write(tmp_path / "x.mha", np.zeros(3), Geometry(shape=(3,), spacing=(1,)))


def test_a_format_that_would_change_the_image_is_refused(tmp_path, capfd):
    sheared = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1), direction=((1, 0, 0), (0, 1, 0.5), (0, 0, 0.75**0.5)))
    images.write(tmp_path / "x.mha", np.zeros((4, 3, 2)), sheared)
    assert geometries.same_geometry(images.read(tmp_path / "x.mha")[1], sheared, tolerance=1e-12)
    with pytest.raises(ValueError, match="keeps the geometry"):
        images.write(tmp_path / "x.nii", np.zeros((4, 3, 2)), sheared)
    with pytest.raises(ValueError, match=r"name a format for float64 \(1, 4, 3, 2\)"):
        images.write(tmp_path / "x.nii", np.zeros((1, 4, 3, 2)), Geometry(shape=(1, 4, 3, 2), spacing=(1, 1, 1, 1)))
    assert os.listdir(tmp_path) == ["x.mha"]
    assert capfd.readouterr() == ("", "")


def test_missing_folder_and_folder_without_permission(tmp_path):
    geometry = Geometry(shape=(2, 3), spacing=(1, 1))
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        images.write(tmp_path / "nowhere" / "x.mha", np.zeros((2, 3)), geometry)
    if os.geteuid() == 0:
        with pytest.raises(OSError, match="/proc"):
            images.write("/proc/x.mha", np.zeros((2, 3)), geometry)
        return
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match=str(tmp_path)):
        images.write(tmp_path / "x.mha", np.zeros((2, 3)), geometry)


FULL_DISK = """
import os, resource, signal, sys
import numpy as np
from mia_functional import images
from mia_functional.geometry import Geometry
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
array = np.random.default_rng(0).integers(0, 30000, (32, 32, 32)).astype(np.int16)
try:
    images.write(sys.argv[1], array, Geometry(shape=array.shape, spacing=(1, 1, 1)))
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_leaves_nothing(tmp_path, suffix):
    for limit in (100, 20000):
        path = tmp_path / f"x{suffix}"
        command = [sys.executable, "-c", FULL_DISK, str(path), str(limit)]
        result = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=60, cwd=Path(__file__).parents[1]
        )
        assert result.returncode == 0
        assert result.stdout.startswith(f"OSError write: {path} could not be written completely: ")
        assert result.stdout.count("\n") == 1
        assert os.listdir(tmp_path) == []


def test_an_interrupted_overwrite_leaves_the_old_file_or_none(tmp_path, monkeypatch):
    geometry = Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    for suffix in SUFFIXES:
        folder = tmp_path / suffix[1:]
        folder.mkdir()
        images.write(folder / f"x{suffix}", np.zeros((4, 3, 2)), geometry)
        before = {name: (folder / name).read_bytes() for name in os.listdir(folder)}

        def fail(_, target):
            raise OSError(f"no rename to {target}")

        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", fail)
            with pytest.raises(OSError, match="no rename"):
                images.write(folder / f"x{suffix}", np.ones((4, 3, 2)), geometry, overwrite=True)
        after = {name: (folder / name).read_bytes() for name in os.listdir(folder)}
        assert after == {
            name: raw for name, raw in before.items() if name.endswith(".raw") or suffix not in (".mhd", ".nhdr")
        }


def test_warnings_of_itk_stay_in_and_the_switch_comes_back(tmp_path, capfd):
    array = random_array((30, 30, 30), "int16")
    paths = [tmp_path / f"{number}.nii.gz" for number in range(6)]
    for path in paths:
        images.write(path, array, oblique(array.shape))
    threads = [threading.Thread(target=images.read, args=(path,)) for path in paths]
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.GlobalWarningDisplayOff()
    images.read(paths[0])
    assert not SimpleITK.ProcessObject.GetGlobalWarningDisplay()
    SimpleITK.ProcessObject.GlobalWarningDisplayOn()
    assert capfd.readouterr() == ("", "")


def test_arguments_of_other_kinds():
    with pytest.raises(TypeError, match="be a SimpleITK image; got ndarray"):
        images.from_simpleitk(np.zeros((2, 2)))
    with pytest.raises(TypeError, match="2, 3 or 4 axes; got 5"):
        images.from_simpleitk(SimpleITK.Image([2, 2, 2, 2, 2], SimpleITK.sitkUInt8))
    with pytest.raises(TypeError, match="integers or floats; got complex"):
        images.from_simpleitk(SimpleITK.Image([2, 2], SimpleITK.sitkComplexFloat32))
    with pytest.raises(ValueError, match="`direction` must have 4 entries; got 3"):
        images.from_itk((2, 3), (1, 1), (0, 0), (1, 0, 0))
