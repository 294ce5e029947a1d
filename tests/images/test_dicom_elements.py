"""Where the elements of DICOM files lie: as pydicom finds them, in every transfer syntax."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mia_functional.images._dicom.elements import locate_elements, pixel_module

from .dicom_cases import write_slice

FILES = Path(pydicom.__file__).parent / "data" / "test_files"
NAMES = (
    "CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "MR_small_bigendian.dcm", "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm", "JPEG2000.dcm", "rtdose.dcm", "rtdose_expb.dcm", "liver_1frame.dcm",
    "SC_rgb_jpeg_dcmd.dcm", "examples_overlay.dcm", "693_J2KI.dcm",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_elements_lie_where_pydicom_finds_them(name):
    elements = locate_elements(FILES / name)
    data = pydicom.dcmread(FILES / name)
    assert elements.syntax == data.file_meta.TransferSyntaxUID
    ours = elements.by_tag | {elements.pixels.tag: elements.pixels}
    tags = list(data.keys())  # to iterate over a data set decodes its elements
    assert [int(tag) for tag in tags] == sorted(ours)
    raw = {int(tag): data.get_item(tag) for tag in tags}
    known = [tag for tag in ours if hasattr(raw[tag], "value_tell") and ours[tag].length != 0xFFFFFFFF]
    assert len(known) > len(tags) / 2
    assert [ours[tag][2:] for tag in known] == [(raw[tag].value_tell, raw[tag].length) for tag in known]


def nested(path, syntax, **tags):
    """Write a slice with sequences of defined and undefined lengths that hold MONOCHROME1, too."""
    icon, inner = Dataset(), Dataset()
    icon.PhotometricInterpretation = inner.PhotometricInterpretation = "MONOCHROME1"
    icon.ReferencedImageSequence = Sequence([inner])
    tags |= {"ReferencedImageSequence": Sequence([icon, inner]), "IconImageSequence": Sequence([icon])}
    write_slice(path, np.arange(12, dtype=np.int16).reshape(3, 4), (0, 0, 0), syntax=syntax, **tags)
    data = pydicom.dcmread(path)
    data["ReferencedImageSequence"].is_undefined_length = True
    data.ReferencedImageSequence[0].is_undefined_length_sequence_item = True
    pydicom.dcmwrite(path, data, little_endian=syntax.is_little_endian, implicit_vr=syntax.is_implicit_VR)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_copy_of_the_pixels_names_nobody(tmp_path, syntax):
    nested(tmp_path / "a.dcm", syntax, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=3)
    (tmp_path / "b.dcm").write_bytes(pixel_module(tmp_path / "a.dcm", locate_elements(tmp_path / "a.dcm")))
    assert b"Secret" in (tmp_path / "a.dcm").read_bytes()
    copy, original = pydicom.dcmread(tmp_path / "b.dcm"), pydicom.dcmread(tmp_path / "a.dcm")
    assert copy.PhotometricInterpretation == "MONOCHROME2"
    assert {element.tag.group for element in copy} == {0x0028, 0x7FE0}
    assert b"Secret" not in (tmp_path / "b.dcm").read_bytes()
    np.testing.assert_array_equal(copy.pixel_array, original.pixel_array)
    assert (copy.RescaleSlope, copy.RescaleIntercept) == (2, 3)
    assert original.IconImageSequence[0].PhotometricInterpretation == "MONOCHROME1"


@pytest.mark.parametrize("length", [0, 100, 132, 135, 140, 200, 300, 400, -1])
def test_what_is_cut_off_is_refused(tmp_path, length):
    nested(tmp_path / "a.dcm", ExplicitVRLittleEndian)
    (tmp_path / "a.dcm").write_bytes((tmp_path / "a.dcm").read_bytes()[:length])
    with pytest.raises(ValueError, match=r"it holds no pixels|announces|cut off"):
        locate_elements(tmp_path / "a.dcm")


def test_noise_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(200):
        (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + rng.bytes(3000))
        with pytest.raises(ValueError, match="a complete, well-formed image file"):
            locate_elements(tmp_path / "a.dcm")
    (tmp_path / "a.dcm").write_bytes(bytes(128) + b"DICM" + b"\x28\0\2\0US\0\0" * 100_000)
    with pytest.raises(ValueError, match="more than 65536"):
        locate_elements(tmp_path / "a.dcm")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_lengths_inside_of_sequences_are_checked(tmp_path, syntax):
    path = tmp_path / "a.dcm"
    nested(path, syntax)
    assert locate_elements(path).pixels is not None
    content = path.read_bytes()
    inner = content.index(struct.pack("<HH", 0x0028, 0x0004))  # of an item of a sequence
    width = 6 if syntax is ExplicitVRLittleEndian else 4
    damaged = struct.pack("<H" if width == 6 else "<I", 60_000)
    path.write_bytes(content[: inner + width] + damaged + content[inner + width + len(damaged) :])
    with pytest.raises(ValueError, match="announces 60000 bytes"):
        locate_elements(path)
