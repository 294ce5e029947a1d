"""DICOM slices that the tests write with pydicom, and where the standard places their pixels."""

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

AXIAL = [1, 0, 0, 0, 1, 0]


def write_slice(path, pixels, position, *, syntax=ExplicitVRLittleEndian, **tags):
    """Write one slice; tags replace what a slice of CT has, and None removes it."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID = generate_uid(), syntax
    data = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.PatientName, data.SeriesInstanceUID, data.Modality = "Secret^Name", "1.2.3", "CT"
    data.Rows, data.Columns = pixels.shape[:2]
    data.ImagePositionPatient, data.ImageOrientationPatient = list(position), AXIAL
    data.PixelSpacing, data.SliceThickness = [0.75, 0.5], 9.0
    bits = pixels.dtype.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    if pixels.ndim == 3:
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
    for name, value in tags.items():
        setattr(data, name, value) if value is not None else delattr(data, name)
    if "PixelData" in data:
        data["PixelData"].VR = "OW" if bits > 8 else "OB"
    little, implicit = syntax.is_little_endian, syntax.is_implicit_VR
    pydicom.dcmwrite(path, data, little_endian=little, implicit_vr=implicit, enforce_file_format=True)


def write_stack(folder, positions, pixels=None, **tags):
    """Write a slice at every position, zeros unless `pixels` has one for each."""
    for number, position in enumerate(positions):
        plane = np.zeros((3, 4), np.int16) if pixels is None else pixels[number]
        write_slice(folder / f"{number:03}.dcm", plane, position, **tags)


def heights(values):
    """Positions along z; texts keep their decimals."""
    return [(0, 0, value) for value in values]


def stated_place(path, row, column):
    """Where the standard (PS3.3, C.7.6.2.1.1) places a pixel, from what the file says, in the order (x, y, z)."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    along_row, along_column = np.reshape(np.array(data.ImageOrientationPatient, float), (2, 3))
    between_rows, between_columns = map(float, data.PixelSpacing)
    origin = np.array(data.ImagePositionPatient, float)
    return origin + along_row * between_columns * column + along_column * between_rows * row
