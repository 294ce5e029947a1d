"""DICOM objects of many frames that the tests write with pydicom."""

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, RTDoseStorage, SecondaryCaptureImageStorage

from .structure_cases import dataset

TURN = np.array([[0.8, 0.6, 0.0], [0.0, 0.0, -1.0]])
NORMAL = np.cross(*TURN)
GAP = 2.5
PIXELS = np.random.default_rng(0).integers(-1000, 3000, (6, 5, 4)).astype(np.int16)


def whole_object(pixels, sop_class, *, syntax=ExplicitVRLittleEndian, **tags):
    """A data set with these frames `(frames, rows, columns)`, or colours, and elements; None removes one."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, "1.2.3.4.7"
    meta.TransferSyntaxUID = syntax
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.PatientName = sop_class, "1.2.3.4.7", "Secret^Name"
    data.NumberOfFrames, data.Rows, data.Columns = pixels.shape[:3]
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if pixels.ndim == 4:
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    data["PixelData"].VR = "OW" if bits > 8 else "OB"
    for name, value in tags.items():
        if value is not None:
            setattr(data, name, value)
        elif name in data:
            delattr(data, name)
    return data


def position(number, *, gap=GAP):
    """Where a slice lies."""
    return (np.array([10.0, -20.0, 30.0]) + gap * number * NORMAL).round(10).tolist()


def frame_item(place, **groups):
    """What is said of one frame: its position, and functional groups by their sequence, as dictionaries."""
    item = dataset(PlanePositionSequence=Sequence([dataset(ImagePositionPatient=place)]))
    for name, elements in groups.items():
        setattr(item, name, Sequence([dataset(**elements)]))
    return item


def shared_item(**groups):
    """What all frames share: orientation and spacing, unless groups say otherwise."""
    item = dataset(
        PlaneOrientationSequence=Sequence([dataset(ImageOrientationPatient=TURN.ravel().tolist())]),
        PixelMeasuresSequence=Sequence([dataset(PixelSpacing=[0.75, 0.5], SliceThickness=9.0)]),
    )
    for name, elements in groups.items():
        setattr(item, name, Sequence([dataset(**elements)]))
    return item


def enhanced(frames, pixels=PIXELS, shared=None, *, sop_class=EnhancedMRImageStorage, **tags):
    """An enhanced object with an item for every frame."""
    return whole_object(
        pixels, sop_class, SharedFunctionalGroupsSequence=Sequence([shared or shared_item()]),
        PerFrameFunctionalGroupsSequence=Sequence(frames), **tags,
    )  # fmt: skip


def dose(pixels, **tags):
    """An RT dose on planes 2.5 mm apart."""
    own = {
        "ImagePositionPatient": [10, -20, 30], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "PixelSpacing": [3, 2],
        "DoseGridScaling": "2.5e-5", "DoseUnits": "GY",
        "GridFrameOffsetVector": (np.arange(len(pixels)) * GAP).tolist(),
    }  # fmt: skip
    return whole_object(pixels, RTDoseStorage, **own | tags)


def capture(pixels, **tags):
    """A secondary capture, of one frame or more, without a place."""
    return whole_object(pixels, SecondaryCaptureImageStorage, **tags)


def write(path, data):
    """Write an object; return its path."""
    syntax = data.file_meta.TransferSyntaxUID
    little, implicit = syntax.is_little_endian, syntax.is_implicit_VR
    pydicom.dcmwrite(path, data, little_endian=little, implicit_vr=implicit, enforce_file_format=True)
    return path
