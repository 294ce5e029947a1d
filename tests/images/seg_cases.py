"""DICOM series that segmentations refer to, and segmentations that highdicom makes of them."""

import warnings

import highdicom
import numpy as np
import pydicom

from .dicom_cases import AXIAL, write_slice

SCT = {"organ": ("91772007", "SCT", "Organ"), "liver": ("10200004", "SCT", "Liver")}

OBLIQUE = [0.6, 0.8, 0.0, -0.48, 0.36, 0.8]
"""Along rows and columns of slices that are turned about two axes."""

STUDY = {
    "StudyInstanceUID": "1.2.40", "SeriesInstanceUID": "1.2.41", "FrameOfReferenceUID": "1.2.42", "PatientID": "P1",
    "PatientBirthDate": "", "PatientSex": "", "StudyDate": "", "StudyTime": "", "StudyID": "", "AccessionNumber": "",
    "ReferringPhysicianName": "", "SeriesNumber": 1, "Manufacturer": "maker", "PositionReferenceIndicator": "",
}  # fmt: skip
"""What every object states of its patient and its study."""


def write_series(folder, shape, *, orientation=AXIAL, spacing=(2.5, 0.75, 0.5), **tags):
    """Write a series whose files are not named in the order of their slices; return the headers in that order."""
    axes = np.reshape(np.array(orientation, float), (2, 3))
    places = [np.array([-100.5, -90.25, 30]) + np.cross(*axes) * spacing[0] * number for number in range(shape[0])]
    folder.mkdir(exist_ok=True)
    names = np.random.default_rng(1).permutation(shape[0])
    for number, (name, place) in enumerate(zip(names, places, strict=True)):
        write_slice(
            folder / f"{name:03}", np.zeros(shape[1:], np.int16), place.tolist(), ImageOrientationPatient=orientation,
            PixelSpacing=list(spacing[1:]), SliceThickness=spacing[0], InstanceNumber=number + 1, **STUDY | tags,
        )  # fmt: skip
    return [pydicom.dcmread(folder / f"{name:03}", stop_before_pixels=True) for name in names]


def described(number, name="part"):
    """Return the description of a segment that highdicom asks for."""
    concepts = [highdicom.sr.CodedConcept(*SCT[key]) for key in ("organ", "liver")]
    return highdicom.seg.SegmentDescription(number, f"{name} {number}", *concepts, "MANUAL")


def write_by_highdicom(path, sources, array, kind="BINARY", *, numbers=None, **options):
    """Write an array, whose slices are those of `sources`, as a segmentation."""
    numbers = numbers or range(1, (array.shape[-1] if array.ndim == 4 else int(array.max())) + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = highdicom.seg.Segmentation(
            sources, array, kind, [described(number) for number in numbers], "1.2.50", 2, "1.2.51", 1, "maker", "model",
            "1", "1", **options,
        )  # fmt: skip
        written.save_as(path)
    return path


def label_scene(shape, labels=3, seed=0):
    """Return a label map in which slices are empty at both ends and in the middle."""
    array = np.random.default_rng(seed).integers(0, labels + 1, shape).astype(np.uint8)
    array[[0, 1, shape[0] // 2, shape[0] - 1]] = 0
    return array
