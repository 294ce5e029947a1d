"""MetaImage: scales, units and the keys of others, and no field that another reader would take for something else."""

import time
import warnings
import zlib

import numpy as np
import pytest
import SimpleITK

from mia_functional import images
from mia_functional.geometry import Geometry, index_to_world

from .cases import random_array

HEAD = "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n"
SIZE = "DimSize = 2 3 4\nElementType = MET_SHORT\n"
DATA = "ElementDataFile = LOCAL\n"
STORED = np.arange(-5, 19, dtype="<i2").reshape(4, 3, 2)


def write(path, *, more="", size=SIZE, data=DATA, raw=None, head=HEAD):
    """Write a MetaImage with further lines in its header."""
    path.write_bytes((head + more + size + data).encode("latin-1") + (STORED.tobytes() if raw is None else raw))
    return path


def scale_lines(slope, offset):
    return f"ElementToIntensityFunctionSlope = {slope}\nElementToIntensityFunctionOffset = {offset}\n"


TYPES = {
    "CHAR": "i1", "UCHAR": "u1", "SHORT": "i2", "USHORT": "u2", "INT": "i4", "UINT": "u4", "LONG": "i4", "ULONG": "u4",
    "LONG_LONG": "i8", "ULONG_LONG": "u8", "FLOAT": "f4", "DOUBLE": "f8",
}  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", TYPES)
def test_slope_and_offset_are_applied_to_every_type(tmp_path, name, order):
    stored = random_array((4, 3, 2), TYPES[name]).astype(order + TYPES[name])
    head = HEAD.replace("False", str(order == ">"))
    size = SIZE.replace("SHORT", name)
    path = write(tmp_path / "x.mha", more=scale_lines(0.5, -1024), size=size, raw=stored.tobytes(), head=head)
    array, _ = images.read(path)
    # 64 bits are more than double precision holds, whichever way they are scaled.
    assert array.dtype == ("float32" if TYPES[name] in ("i1", "u1", "i2", "u2", "f4") else "float64")
    np.testing.assert_array_equal(array, (0.5 * stored.astype(float) - 1024).astype(array.dtype))
    again, _ = images.read_stored(path)
    assert again.dtype == np.dtype(TYPES[name])
    np.testing.assert_array_equal(again, stored)
    assert images.scale(path) == (0.5, -1024.0)
    # ITK knows the fields and leaves them unused, so nothing is applied twice.
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)), stored)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (scale_lines(2, -10), (2.0, -10.0)),
        ("ElementToIntensityFunctionSlope = 1e-1\n", (0.1, 0.0)),
        ("ElementToIntensityFunctionOffset = .5\n", (1.0, 0.5)),
        (scale_lines(1, 0), (1.0, 0.0)),
        ("scl_slope = 2\nscl_inter = 1\n", (1.0, 0.0)),  # copied from a NIfTI file, whose numbers were scaled already
    ],
)
def test_one_of_slope_and_offset_is_enough(tmp_path, more, expected):
    path = write(tmp_path / "x.mha", more=more)
    slope, offset = expected
    array, _ = images.read(path)
    assert images.scale(path) == expected
    np.testing.assert_array_equal(array, (slope * STORED.astype(float) + offset).astype(array.dtype))
    assert array.dtype == ("int16" if expected == (1, 0) else "float32")


def test_compressed_detached_and_channels_are_scaled(tmp_path):
    more = scale_lines(2, -10)
    packed = zlib.compress(STORED.tobytes())
    write(tmp_path / "packed.mha", more=f"{more}CompressedData = True\n", raw=packed)
    (tmp_path / "pixels.raw").write_bytes(STORED.tobytes())
    write(tmp_path / "detached.mhd", more=more, data="ElementDataFile = ./pixels.raw\n", raw=b"")
    (tmp_path / "ü.zraw").write_bytes(packed)
    umlaut = "ElementDataFile = ü.zraw\n".encode().decode("latin-1")
    write(tmp_path / "both.mhd", more=f"{more}CompressedData = True\n", data=umlaut, raw=b"")
    for name in ("packed.mha", "detached.mhd", "both.mhd"):
        np.testing.assert_array_equal(images.read(tmp_path / name)[0], 2.0 * STORED - 10)
        np.testing.assert_array_equal(images.read_stored(tmp_path / name)[0], STORED)
    size = SIZE.replace("2 3 4", "2 2 2") + "ElementNumberOfChannels = 3\n"
    array, grid = images.read(write(tmp_path / "x.mha", more=more, size=size))
    assert grid.shape == (2, 2, 2)
    np.testing.assert_array_equal(array, 2.0 * STORED.reshape(2, 2, 2, 3) - 10)


def test_a_large_volume_is_scaled_block_by_block_and_rounded_once(tmp_path):
    stored = np.arange(3 * 2**19, dtype="<i4").reshape(3, 512, 1024) * 1367
    size = "DimSize = 1024 512 3\nElementType = MET_INT\n"
    array, _ = images.read(write(tmp_path / "x.mha", more=scale_lines(0.1, 0.3), size=size, raw=stored.tobytes()))
    np.testing.assert_array_equal(array, stored * 0.1 + 0.3)


def test_max_bytes_counts_what_is_returned(tmp_path):
    path = write(tmp_path / "x.mha", more=scale_lines(2, 0))
    assert images.read(path, max_bytes=96)[0].nbytes == 96
    with pytest.raises(ValueError, match="takes 96 bytes, and `max_bytes` is 95"):
        images.read(path, max_bytes=95)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("um", 0.001), ("mm", 1), ("cm", 10), ("?", 1), ("nm", 1e-6), ("m", 1000), ("inch", 25.4), ("micrometers", 0.001)],
)
def test_distance_units_are_millimetres(tmp_path, unit, factor):
    more = f"DistanceUnits = {unit}\nElementSpacing = 100 200 300\nOffset = 1000 -2000 0\n"
    more += "TransformMatrix = 0 1 0 1 0 0 0 0 -1\n"
    _, grid = images.read(write(tmp_path / "x.mha", more=more))
    np.testing.assert_allclose(grid.spacing, np.array([300, 200, 100]) * factor, rtol=1e-15)
    np.testing.assert_allclose(grid.origin, np.array([0, -2000, 1000]) * factor, rtol=1e-15)
    assert grid.direction == ((-1, 0, 0), (0, 0, 1), (0, 1, 0))


def test_a_fourth_axis_has_no_unit_of_length(tmp_path):
    head, size = HEAD.replace("NDims = 3", "NDims = 4"), SIZE.replace("2 3 4", "2 3 2 2")
    more = "DistanceUnits = cm\nElementSpacing = 1 2 3 5\nOffset = 1 2 3 7\n"
    _, grid = images.read(write(tmp_path / "x.mha", more=more, size=size, head=head))
    assert (grid.spacing, grid.origin) == ((5, 30, 20, 10), (7, 30, 20, 10))


def test_a_unit_of_time_or_none_at_all_is_refused(tmp_path):
    for unit in ("s", "pixel", "mm2"):
        with pytest.raises(ValueError, match=f"DistanceUnits are '{unit}'; units of length are read"):
            images.read(write(tmp_path / "x.mha", more=f"DistanceUnits = {unit}\n"))


def test_what_simpleitk_writes_of_nifti_and_dicom_is_read(tmp_path):
    array = random_array((4, 3, 2), "int16")
    grid = Geometry(shape=(4, 3, 2), spacing=(3.0, 1.0, 0.5), origin=(5.0, 6.0, 7.0))
    images.write(tmp_path / "x.nii.gz", array, grid)
    image = SimpleITK.ReadImage(tmp_path / "x.nii.gz")
    for key, value in {
        "0008|0060": "CT", "0008|103e": "two\nlines", "0010|4000": "three\r\nlines: of\r\nDICOM = text",
        "0010|0010": "\x1b$B;3ED\x1b(B", "Comment": "Äh", "with = sign": "a = b: c", "elementmin": "3", "id": "x",
        "00:10": "DimSize = 1 1 1",
    }.items():  # fmt: skip
        image.SetMetaData(key, value)
    for suffix in (".mha", ".mhd"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            SimpleITK.WriteImage(image, tmp_path / f"x{suffix}")
        again, place = images.read(tmp_path / f"x{suffix}")
        np.testing.assert_array_equal(again, array)
        np.testing.assert_allclose(place.spacing, grid.spacing)
        np.testing.assert_allclose(place.origin, grid.origin)
    assert b"dim[0] = 3\n" in (tmp_path / "x.mhd").read_bytes()


@pytest.mark.parametrize(
    "more",
    [
        "dim[0] = 3\nElementSpacing = 3 2 1\n",
        "0008|0060 = CT\n\n   \nElementSpacing: 3 2 1\n",
        "empty =\nElementSpacing = 3 2 1\n",
        "text = one\ntwo\nthree = 3\n\tElementSpacing\t=\t3\t2  1 \n",
        "a = 1\na = 2\n= 3\nElementSize = 9 9 9\nElementSpacing == 3.0 2e0 .1E1\n",
        "Comment = ElementSpacing = 9 9 9\nName = x\nName = y\nElementSpacing = 3 2 1\n",
        "ElementSize = 3 2 1\nID = 7 (seven)\nColor = 1 0 0 1\nElementOrigin = 9 9 9\n",
    ],
)
def test_foreign_keys_are_passed_over_as_simpleitk_does(tmp_path, more):
    path = write(tmp_path / "x.mha", more=more)
    array, grid = images.read(path)
    np.testing.assert_array_equal(array, STORED)
    assert grid.spacing == (1, 2, 3)
    assert SimpleITK.ReadImage(path).GetSpacing() == (3, 2, 1)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        # MetaIO reads spacing 1: the key belongs to the line before, or its letters have another case.
        ("text\nElementSpacing = 3 2 1\n", "readers take the line 'ElementSpacing = 3 2 1' .* for different things"),
        ("ElementSpacing\na:b = c\n", "readers take the line 'ElementSpacing'"),
        ("elementspacing = 3 2 1\n", "readers take the line 'elementspacing = 3 2 1'"),
        # MetaIO reads on into the next line.
        ("ElementSpacing = 3 2\nOffset = 1 2 3\n", "ElementSpacing is '3 2', where numbers are needed, 3 of them"),
        ("Color = 1 1\nElementSpacing = 3 2 1\n", "Color is '1 1'"),
        ("ID = a\nElementSpacing = 3 2 1\n", "ID is 'a'"),
        # MetaIO reads 2, 0, 0, or zeros.
        ("ElementSpacing = 2,5 2 1\n", "ElementSpacing is '2,5 2 1'"),
        ("ElementSpacing = 0x3 2 1\n", "ElementSpacing is '0x3 2 1'"),
        ("ElementSpacing = nan 2 1\n", "ElementSpacing is 'nan 2 1'"),
        # Versions of MetaIO differ in which one they take, and in what version 1 means.
        ("Offset = 1 2 3\nPosition = 4 5 6\n", "Offset and Position contradict each other"),
        ("Rotation = 0 1 0 1 0 0 0 0 1\nTransformMatrix = 1 0 0 0 1 0 0 0 1\n", "TransformMatrix and Rotation contra"),
        ("FileFormatVersion = 1\nElementOrigin = 4 5 6\n", "FileFormatVersion is 1; 0 is read"),
        ("ElementByteOrderMSB = True\n", "two statements of the byte order"),
        ("NDims = 3\n", "readers take the line 'NDims = 3'"),
        ("ElementToIntensityFunctionSlope = 0\n", "ElementToIntensityFunctionSlope is 0"),
        ("ElementToIntensityFunctionSlope = two\n", "ElementToIntensityFunctionSlope is 'two'"),
        ("ElementToIntensityFunctionOffset = 1e999\n", "ElementToIntensityFunctionOffset is '1e999'"),
    ],
)  # fmt: skip
def test_what_readers_understand_differently_is_refused(tmp_path, capfd, more, reason):
    with pytest.raises(ValueError, match=rf"x\.mha: .*{reason}"):
        images.read(write(tmp_path / "x.mha", more=more))
    assert capfd.readouterr() == ("", "")


def test_a_size_before_the_number_of_axes_is_refused(tmp_path):
    head = HEAD.replace("NDims = 3\n", "ElementSpacing = 1 1 1\nNDims = 3\n")
    with pytest.raises(ValueError, match="ElementSpacing stands before NDims"):
        images.read(write(tmp_path / "x.mha", head=head))


def test_a_line_of_blanks_takes_no_time(tmp_path):
    # Patterns that may begin anywhere in a run of blanks would try every beginning with every end.
    path = write(tmp_path / "x.mha", more="x = " + " " * 900_000 + "y\n")
    start = time.perf_counter()
    np.testing.assert_array_equal(images.read(path)[0], STORED)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("matrix", "spacing", "direction"),
    [
        ("2 0 0 0 1 0 0 0 1", (3, 2, 2), np.eye(3)),
        ("1 0 0 0 0.5 0 0 0 -1", (3, 1, 1), np.diag([-1.0, 1, 1])),
        ("0 3 0 -3 0 0 0 0 3", (9, 6, 3), [[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
        ("0.001 0 0 0 0.001 0 0 0 0.001", (0.003, 0.002, 0.001), np.eye(3)),
    ],
)
def test_directions_of_another_length_stretch_the_spacing(tmp_path, matrix, spacing, direction):
    """ITK keeps both as they are: voxels are 2 mm apart, and its spacing says 1."""
    path = write(tmp_path / "x.mha", more=f"ElementSpacing = 1 2 3\nTransformMatrix = {matrix}\nOffset = 7 8 9\n")
    geometry = images.read(path)[1]
    np.testing.assert_allclose(geometry.spacing, spacing, rtol=1e-12)
    np.testing.assert_allclose(geometry.direction, direction, atol=1e-12)
    point = SimpleITK.ReadImage(path).TransformIndexToPhysicalPoint((1, 2, 3))
    np.testing.assert_allclose(index_to_world(geometry, (3, 2, 1)), point[::-1], rtol=1e-12)


@pytest.mark.parametrize("kind", [("FLOAT", "f4"), ("DOUBLE", "f8")])
@pytest.mark.parametrize("sign", [1, -1])
def test_scales_beyond_all_floats_are_refused(tmp_path, kind, sign):
    size, raw = f"DimSize = 2 3 4\nElementType = MET_{kind[0]}\n", np.full(24, sign * 1e30, kind[1]).tobytes()
    path = write(tmp_path / "x.mha", more=scale_lines("1e300", 0), size=size, raw=raw)
    with pytest.raises(
        ValueError, match=rf"its scale \(1e\+300, 0.0\) leads beyond what {np.dtype(kind[1]).name} holds"
    ):
        images.read(path)
    assert images.read_stored(path)[0][0, 0, 0] == np.dtype(kind[1]).type(sign * 1e30)
