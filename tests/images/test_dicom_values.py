"""Values of DICOM slices: what pydicom decodes, times slope plus intercept, whatever displays are told to do."""

from itertools import product
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import uid

from mia_functional import images

from .dicom_cases import AXIAL, heights, write_slice, write_stack

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
"""Files that come with pydicom."""

KINDS = [(bits, signed) for bits in (8, 10, 12, 16, 32) for signed in (False, True)]
SCALES = [(None, None), ("", ""), (2, -5), (0.5, 3), (-1.5, 0), (1, -1024)]


def values_by_pydicom(folder):
    """The values of a series in the order of its names."""
    planes = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    scales = [(float(plane.get("RescaleSlope") or 1), float(plane.get("RescaleIntercept") or 0)) for plane in planes]
    return np.stack([plane.pixel_array * a + b for plane, (a, b) in zip(planes, scales, strict=True)])


def random_pixels(bits, *, signed):
    """Three planes with all values that a number of bits holds, the extremes among them."""
    low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
    size = 8 if bits == 8 else 32 if bits == 32 else 16
    pixels = np.random.default_rng(bits).integers(low, high, (3, 4, 6)).astype(f"{'' if signed else 'u'}int{size}")
    pixels.flat[:2] = low, high - 1
    return pixels


@pytest.mark.sampled(20)
@pytest.mark.parametrize(("kind", "scale"), list(product(KINDS, SCALES)))
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_values_are_slope_times_stored_plus_intercept(tmp_path, kind, scale, interpretation):
    (bits, signed), (slope, intercept) = kind, scale
    pixels = random_pixels(bits, signed=signed)
    tags = {} if slope is None else {"RescaleSlope": slope, "RescaleIntercept": intercept}
    write_stack(
        tmp_path, heights([0, 3, 6]), pixels,
        BitsStored=bits, HighBit=bits - 1, PhotometricInterpretation=interpretation, **tags,
    )  # fmt: skip
    expected = pixels * float(slope or 1) + float(intercept or 0)
    np.testing.assert_array_equal(values_by_pydicom(tmp_path), expected)
    for function in (images.read, images.read_stored):
        array, _ = function(tmp_path)
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == pixels.dtype or slope not in (None, "")


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_the_bits_above_those_stored_do_not_count(tmp_path, interpretation):
    pixels = random_pixels(12, signed=True)
    for number, plane in enumerate(pixels):
        # Negative numbers without the extension of their sign.
        raw = (plane.astype(np.uint16) & 0x0FFF).tobytes()
        tags = {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": interpretation}
        write_slice(tmp_path / f"{number}.dcm", plane, (0, 0, 3 * number), PixelData=raw, **tags)
    np.testing.assert_array_equal(images.read(tmp_path)[0], pixels)


def test_slices_may_differ_in_interpretation_slope_and_type(tmp_path):
    pixels = random_pixels(16, signed=True)
    tags = [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"RescaleSlope": 3, "RescaleIntercept": 1},
        {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": "0.25", "RescaleIntercept": 0},
    ]
    for number, plane in enumerate(pixels):
        write_slice(tmp_path / f"{number}.dcm", plane, (0, 0, 3 * number), **tags[number])
    array, _ = images.read(tmp_path)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, [pixels[0], pixels[1] * 3.0 + 1, pixels[2] * 0.25])
    np.testing.assert_array_equal(array, values_by_pydicom(tmp_path))


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("syntax", ["ImplicitVRLittleEndian", "ExplicitVRBigEndian", "ExplicitVRLittleEndian"])
def test_values_in_every_plain_transfer_syntax(tmp_path, syntax, interpretation):
    pixels = random_pixels(16, signed=True)
    tags = {"PhotometricInterpretation": interpretation, "RescaleSlope": 2, "RescaleIntercept": 1}
    write_stack(tmp_path, heights([0, 3, 6]), pixels, syntax=getattr(uid, syntax), **tags)
    np.testing.assert_array_equal(images.read(tmp_path)[0], pixels * 2.0 + 1)


def placed(folder, name, **tags):
    """A file of pydicom's as a series of one slice that has a place."""
    data = pydicom.dcmread(FILES / name)
    data.ImagePositionPatient, data.ImageOrientationPatient, data.PixelSpacing = [1, 2, 3], AXIAL, [0.75, 0.5]
    data.SeriesInstanceUID = "1.2.3"
    for tag, value in tags.items():
        setattr(data, tag, value)
    data.save_as(folder / "a.dcm", enforce_file_format=True)
    return images.read(folder, spacing=(3, 0.75, 0.5))[0][0]


@pytest.mark.parametrize(
    "name", ["RLE", "jp2klossless", "jpeg_ls_lossless", "bigendian", "expb", "implicit", "padded"]
)  # fmt: skip
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_one_slice_in_every_lossless_transfer_syntax(tmp_path, name, interpretation):
    array = placed(tmp_path, f"MR_small_{name}.dcm", PhotometricInterpretation=interpretation)
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, pydicom.dcmread(FILES / "MR_small.dcm").pixel_array)


@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_a_slice_of_a_scanner(tmp_path, interpretation):
    array = placed(tmp_path, "CT_small.dcm", PhotometricInterpretation=interpretation)
    np.testing.assert_array_equal(array, pydicom.dcmread(FILES / "CT_small.dcm").pixel_array - 1024)


@pytest.mark.parametrize(
    "name", ["SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm", "SC_rgb_rle.dcm", "ExplVR_BigEnd.dcm"]
)  # fmt: skip
def test_colours_are_channels(tmp_path, name):
    array = placed(tmp_path, name)
    np.testing.assert_array_equal(array, pydicom.dcmread(FILES / name).pixel_array)
    assert array.shape[2] == 3


REFUSED = {
    "examples_palette.dcm": "its pixels are PALETTE COLOR with BitsAllocated 8; grey values of 8, 16 or 32 bits and",
    "liver_1frame.dcm": "its pixels are MONOCHROME2 with BitsAllocated 1",
    "SC_rgb_rle_16bit.dcm": "its pixels are RGB with BitsAllocated 16",
    "SC_rgb_rle_32bit.dcm": "its pixels are RGB with BitsAllocated 32",
    "SC_rgb_rle_2frame.dcm": "it holds 2 frames and one position, which is that of no more than one slice",
    "image_dfl.dcm": "it is deflated as a whole",
    "MR_truncated.dcm": "it has 8130 bytes of pixels instead of 8192",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_read_wrongly_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=REFUSED[name]):
        placed(tmp_path, name)


@pytest.mark.parametrize("dtype", ["uint32", "int32"])
def test_big_endian_numbers_of_32_bits_are_refused(tmp_path, dtype):
    write_stack(tmp_path, heights([0, 3]), np.ones((2, 3, 4), dtype), syntax=uid.ExplicitVRBigEndian)
    with pytest.raises(ValueError, match="its pixels are big-endian numbers of 32 bits; little-endian ones are read"):
        images.read(tmp_path)
