"""MetaImage and NRRD: headers of others mean what SimpleITK says, and lead nowhere."""

import numpy as np
import pytest
import SimpleITK

from mia_functional import images

from .cases import META, NRRD, PIXELS, random_array


def test_compressed_metaimage_and_nrrd_of_others(tmp_path):
    image = SimpleITK.GetImageFromArray(random_array((9, 8, 7), "int16"))
    for suffix in (".mha", ".mhd", ".nrrd", ".nhdr"):
        SimpleITK.WriteImage(image, tmp_path / f"x{suffix}", useCompression=True)
        np.testing.assert_array_equal(images.read(tmp_path / f"x{suffix}")[0], SimpleITK.GetArrayFromImage(image))


MHA = """ObjectType = Image
NDims = 3
BinaryData = True
{}TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 1 2 3
ElementSpacing = {}
DimSize = 2 3 4
{}ElementType = {}
ElementDataFile = LOCAL
"""
NHDR = """NRRD0004
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
        ("x.mha", MHA.format("BinaryDataByteOrderMSB = True\n", "1 1 1", "", "MET_SHORT"), ">i2"),
        ("x.mha", MHA.format("ElementByteOrderMSB = False\n", "1 1 1", "", "MET_LONG_LONG"), "<i8"),
        ("x.mha", MHA.format("ElementByteOrderMSB = T\nBinaryDataByteOrderMSB = T\n", "1 1 1", "", "MET_LONG"), ">i4"),
        ("x.mha", MHA.format("", "1 1 1", "", "MET_USHORT"), "<u2"),
        ("x.mha", MHA.format("", "1 1 1", "", "MET_UCHAR"), "<u1"),
        ("x.mha", MHA.format("BinaryDataByteOrderMSB = False\n", "1 -2 1", "", "MET_FLOAT"), "<f4"),
        ("x.nrrd", NHDR.format("short", "left-posterior-superior", PLAIN, "endian: big\n"), ">i2"),
        ("x.nrrd", NHDR.format("unsigned int", "right-anterior-superior", MIRRORED, "endian: little\n"), "<u4"),
        ("x.nrrd", NHDR.format("double", "left-posterior-superior", MIRRORED, "endian: little\n"), "<f8"),
        ("x.nrrd", NHDR.format("uchar", "left-posterior-superior", PLAIN, ""), "<u1"),
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
        "flat and small": (b"DimSize", b"DistanceUnits = um\nTransformMatrix = 0 0 0 0 0 0 0 0 0\nDimSize"),
        "long key": (b"NDims", b"x" * 255 + b" = 1\nNDims"),
        "long comment": (b"NDims", b"Comment = " + b"x" * 255 + b"\nNDims"),
        "long value": (b"NDims", b"x = " + b"x" * 40000 + b"\nNDims"),
        "many axes": (b"NDims = 3", b"NDims = 5000"),
        "data in a value": (b"NDims", b"Text = x\nElementDataFile = /etc/hostname\nNDims"),
        "data behind a text": (b"NDims", b"Text = x\nmore of it\nElementDataFile = secret1.raw\nNDims"),
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
        "standard input": (b"encoding", b"data file: -\nencoding"),
        "dot": (b"encoding", b"data file: ./../secret.raw\nencoding"),
        "text": (b"raw", b"text"),
        "hexadecimal": (b"raw", b"hex"),
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


@pytest.mark.sampled(100)
@pytest.mark.parametrize(
    ("suffix", "name"), [(suffix, name) for suffix in TEXT_PATCHES for name in TEXT_PATCHES[suffix]]
)
def test_hostile_text_header_is_refused(tmp_path, capfd, suffix, name):
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    for secret in (tmp_path / "secret.raw", folder / "inner" / "secret.raw", folder / "secret1.raw"):
        secret.write_bytes(PIXELS)
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
    (tmp_path / "x.mha").write_bytes(b"key = value\n" * (1 << 17))
    with pytest.raises(ValueError, match="not plain text"):
        images.read(tmp_path / "x.mha")
