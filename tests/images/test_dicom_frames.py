"""Tables of frames: the same values as pydicom's in every syntax and way of stating lengths; damage is one sentence."""

import io
import struct

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from mia_functional.images._dicom.frames import frame_groups
from mia_functional.images._dicom.header import read_object

WANTED = {0x00209113: (0x00200032,), 0x00289110: (0x00280030, 0x00180050), 0x0062000A: (0x0062000B,)}
SYNTAXES = {
    "explicit": pydicom.uid.ExplicitVRLittleEndian,
    "implicit": pydicom.uid.ImplicitVRLittleEndian,
    "big": pydicom.uid.ExplicitVRBigEndian,
}


def item(**values):
    """Return a data set with these elements."""
    found = Dataset()
    for name, value in values.items():
        setattr(found, name, value)
    return found


def frame(number):
    """Return the functional groups of a frame: what is asked for, and sequences before and within that are not."""
    source = item(ReferencedSOPInstanceUID="1.2.3", PurposeOfReferenceCodeSequence=[item(CodeValue="121322")] * 2)
    return item(
        DerivationImageSequence=[item(SourceImageSequence=[source, source], DerivationCodeSequence=[])],
        PlanePositionSequence=[item(ImagePositionPatient=[1.5, -2.0, float(number)])],
        SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number + 300), item(ReferencedSegmentNumber=7)],
    )


def dicom_file(path, syntax, *, undefined=False, frames=5):
    """Write an object with that many frames, whose sequences end where they say or with delimiters."""
    measures = item(PixelSpacing=[0.5, 2.0], SliceThickness=3.0)
    data = item(
        SOPClassUID=pydicom.uid.SegmentationStorage, SOPInstanceUID="1.2.3", NumberOfFrames=frames,
        SharedFunctionalGroupsSequence=[item(PixelMeasuresSequence=[measures])],
        PerFrameFunctionalGroupsSequence=[frame(number) for number in range(frames)],
    )  # fmt: skip
    if undefined:
        for element in data.iterall():
            if element.VR == "SQ":
                element.is_undefined_length = True
                for each in element.value:
                    each.is_undefined_length_sequence_item = True
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, enforce_file_format=True)
    path.write_bytes(stream.getvalue())
    return path


@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_values_are_those_that_were_written(tmp_path, syntax, undefined):
    groups = frame_groups(read_object(dicom_file(tmp_path / "a.dcm", syntax, undefined=undefined)), WANTED)
    assert {tag: value.strip() for tag, value in groups.shared.items()} == {0x00280030: b"0.5\\2.0", 0x00180050: b"3.0"}
    assert [found[0x00200032].strip().decode() for found in groups.frames] == [f"1.5\\-2.0\\{z}.0" for z in range(5)]
    numbers = [struct.unpack(f"{groups.order}H", found[0x0062000B])[0] for found in groups.frames]
    assert numbers == [300, 301, 302, 303, 304]  # of the first item, beside which there should be none


def test_an_object_without_tables_has_no_values(tmp_path):
    path = dicom_file(tmp_path / "a.dcm", "explicit", frames=0)
    data = pydicom.dcmread(path)
    del data.SharedFunctionalGroupsSequence, data.PerFrameFunctionalGroupsSequence
    data.save_as(path)
    assert frame_groups(read_object(path), WANTED) == ({}, [], "<")
    data.SharedFunctionalGroupsSequence = [item(), item()]
    data.save_as(path)
    with pytest.raises(ValueError, match="it has 2 tables of what its frames share"):
        frame_groups(read_object(path), WANTED)


@pytest.mark.parametrize("undefined", [False, True])
def test_a_byte_that_is_wrong_ends_in_a_sentence_or_in_values(tmp_path, undefined):
    path = dicom_file(tmp_path / "a.dcm", "explicit", undefined=undefined)
    whole, rng = path.read_bytes(), np.random.default_rng(0)
    start = whole.index(b"\x00\x52\x30\x92")
    refused = 0
    for _ in range(150):
        place = int(rng.integers(start + 12, len(whole)))
        path.write_bytes(whole[:place] + bytes([rng.integers(256)]) + whole[place + 1 :])
        try:
            frames = frame_groups(read_object(path), WANTED).frames
        except ValueError as error:
            refused += str(error).startswith("read: `path` must name a complete, well-formed image file; got ")
        else:
            assert len(frames) <= 5
    assert 15 < refused < 135


def test_sequences_without_an_end_are_refused_before_the_stack_is_full(tmp_path):
    path = dicom_file(tmp_path / "a.dcm", "explicit", frames=1)
    whole = path.read_bytes()
    start = whole.index(b"\x00\x52\x30\x92")
    sequence, opened = struct.pack("<HH2sxxI", 0x0020, 0x9113, b"SQ", 0xFFFFFFFF), (0xFFFE, 0xE000, 0xFFFFFFFF)
    nested = (sequence + struct.pack("<HHI", *opened)) * 500
    table = struct.pack("<HHI", 0xFFFE, 0xE000, len(nested)) + nested
    path.write_bytes(whole[:start] + struct.pack("<HH2sxxI", 0x5200, 0x9230, b"SQ", len(table)) + table)
    with pytest.raises(ValueError, match="sequences more than 16 deep"):
        frame_groups(read_object(path), WANTED)
