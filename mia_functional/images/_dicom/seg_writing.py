"""Segmentations to DICOM segmentation objects, made by highdicom on the series that was segmented."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mia_functional import _array
from mia_functional._core import checks, optional
from mia_functional.geometry import describe_differences
from mia_functional.images._dicom.colours import rgb_to_lab
from mia_functional.images._dicom.header import pydicom_reads, read_object, series_files
from mia_functional.images._dicom.segmentation import load_seg
from mia_functional.images.segments import Code, Reference, Segment, Segmentation, SegmentRequest
from mia_functional.typing import HostArray

__all__ = ["write_seg"]

_ALGORITHM_TYPES = ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL")

_TISSUE = Code(value="85756007", scheme="SCT", meaning="Tissue")
"""What a segment is that states no code, which DICOM requires: the least that can be said."""

_LARGEST_FRACTION = 255

_MAX_LABEL, _MAX_TEXT = 65535, 64
"""What numbers of segments, and texts, may be at most."""


def write_seg(draft: Path, segmentation: Segmentation, reference: Reference | None) -> None:
    """Write a segmentation as an object of the study, the patient and the frame of reference of a series."""
    if reference is None or reference.series is None:
        needed = "be the DICOM series that was segmented: a folder with a file for each slice, or one object with all"
        checks.invalid_value("write_segmentation", "reference", needed, reference and reference.geometry)
    if moved := describe_differences(segmentation.geometry, reference.geometry):
        checks.invalid_value("write_segmentation", "segmentation", f"lie on the grid of {reference.series}", moved)
    _check_segments(segmentation.segments)
    voxels, kind = _voxels(segmentation)
    pydicom, highdicom = optional.require("pydicom"), optional.require("highdicom")
    sources, order = _sorted_sources(pydicom, reference.series)
    if len(order) != len(voxels):
        needed = "be a series, or an object with a frame for each slice"
        checks.invalid_value("write_segmentation", "reference", needed, f"{reference.series} with {len(order)}")
    try:
        # highdicom warns of what is in the series, names of patients without a family name among it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = highdicom.seg.Segmentation(
                source_images=sources, pixel_array=voxels[order], segmentation_type=kind,
                segment_descriptions=[_description(highdicom, segment) for segment in segmentation.segments],
                series_instance_uid=pydicom.uid.generate_uid(), series_number=1,
                sop_instance_uid=pydicom.uid.generate_uid(), instance_number=1,
                manufacturer="mia_functional", manufacturer_model_name="mia_functional",
                software_versions=str(sys.modules["mia_functional"].__version__), device_serial_number="1",
                max_fractional_value=_LARGEST_FRACTION, omit_empty_frames=bool(voxels.any()),
            )  # fmt: skip
            for item, segment in zip(
                written.SegmentSequence[-len(segmentation.segments) :], segmentation.segments, strict=True
            ):
                _complete(pydicom, item, segment)
            if not all(segment.name.isascii() for segment in segmentation.segments):
                written.SpecificCharacterSet = "ISO_IR 192"
            written.save_as(draft)
    except OSError:
        raise
    # Of a series that lacks what every object has to state, highdicom raises errors of several kinds.
    except Exception as error:
        text = " ".join(f"{reference.series}, of which highdicom says: {type(error).__name__}: {error}".split())
        checks.invalid_value("write_segmentation", "reference", "be a series that can be referred to", text)
    _check_written(draft, segmentation, reference)


def _refuse(needed: str, actual: object) -> NoReturn:
    """Raise the error of a segmentation that cannot be written."""
    checks.invalid_value("write_segmentation", "segmentation", needed, actual)


def _check_segments(segments: Sequence[Segment]) -> None:
    """Raise unless DICOM can describe segments, with all that it requires."""
    labels = [segment.label for segment in segments]
    if not labels or len(set(labels)) < len(labels) or not all(0 < label <= _MAX_LABEL for label in labels):
        _refuse(f"have segments of different labels from 1 to {_MAX_LABEL}", f"the labels {labels}")
    for segment in segments:
        if segment.algorithm_type not in _ALGORITHM_TYPES:
            needed = f"state the `algorithm_type` of its segments, {', '.join(_ALGORITHM_TYPES)}, which DICOM requires"
            _refuse(needed, f"{segment.algorithm_type!r} of {segment.name}")
        if segment.algorithm_type != "MANUAL" and not segment.algorithm:
            _refuse("name the `algorithm` of its segments, which DICOM requires", f"none of {segment.name}")
        if segment.colour is not None and not all(0 <= value <= 1 for value in segment.colour):
            _refuse("have colours within [0, 1]", f"{segment.colour} of {segment.name}")
        codes = [code for code in (segment.category, segment.type, segment.modifier) if code is not None]
        for text in (segment.name, segment.algorithm, *(code.meaning for code in codes)):
            if len(text) > _MAX_TEXT or "\\" in text or not text.isprintable():
                _refuse(f"have texts of at most {_MAX_TEXT} characters on one line, without a backslash", repr(text))


def _voxels(segmentation: Segmentation) -> tuple[HostArray, str]:
    """Return the array as highdicom takes it, and the type of segmentation that holds it."""
    labels, grid = [segment.label for segment in segmentation.segments], segmentation.geometry
    array = _array.to_numpy(segmentation.array)
    in_order = labels == list(range(1, len(labels) + 1))
    if array.shape == grid.shape and array.dtype.kind in "biu":
        extra = np.setdiff1d(array, [0, *labels])
        if extra.size:
            _refuse("hold labels of its segments", f"{extra[0]}, and segments {labels}")
        return array.astype(np.min_scalar_type(max(labels))), "BINARY" if in_order else "LABELMAP"
    if array.shape != (*grid.shape, len(labels)) or array.dtype.kind not in "biuf":
        needed = f"be a label map of whole numbers or {len(labels)} channels on a grid of shape {grid.shape}"
        _refuse(needed, f"{array.dtype} of shape {array.shape}")
    if not in_order:
        _refuse("have segments of the labels 1, 2, 3 and so on, if it has channels", f"the labels {labels}")
    # NaN is neither.
    if not ((array >= 0) & (array <= 1)).all():
        _refuse("hold channels within [0, 1]", f"others up to {array.max()}")
    return (array, "FRACTIONAL") if array.dtype.kind == "f" else (array.astype(np.uint8), "BINARY")


def _sorted_sources(pydicom: Any, series: Path) -> tuple[Sequence[Any], HostArray]:
    """Return the headers of the files of a series, and which slices, as `read` stacks them, their frames are.

    Files are in the order of their slices, and frames of a single object in its own order, as highdicom wants both.
    """
    sources = []
    for path in [series] if series.is_file() else series_files(series):
        with pydicom_reads(path):
            sources.append(pydicom.dcmread(path, stop_before_pixels=True))
    first = sources[0]
    with pydicom_reads(series):
        if len(sources) == 1 and "PerFrameFunctionalGroupsSequence" in first:
            shared, frames = first.SharedFunctionalGroupsSequence[0], first.PerFrameFunctionalGroupsSequence
            turned = shared if "PlaneOrientationSequence" in shared else frames[0]
            cosines = turned.PlaneOrientationSequence[0].ImageOrientationPatient
            places = [
                (frame if "PlanePositionSequence" in frame else shared).PlanePositionSequence[0] for frame in frames
            ]
        else:
            cosines, places = first.get("ImageOrientationPatient"), sources
            if cosines is None:
                needed = "be a series, or an object with a frame for each slice"
                checks.invalid_value("write_segmentation", "reference", needed, f"{series}, which has no place")
        positions = np.array([list(map(float, place.ImagePositionPatient)) for place in places])
        along = positions @ np.cross(*np.reshape(list(map(float, cosines)), (2, 3)))
    order = np.argsort(along, kind="stable")
    if len(sources) > 1:
        return [sources[number] for number in order], np.arange(len(sources))
    return sources, np.argsort(order)


def _description(highdicom: Any, segment: Segment) -> Any:
    """Return what highdicom describes a segment by."""
    category, kind = (
        highdicom.sr.CodedConcept(code.value, code.scheme, code.meaning)
        for code in (segment.category or _TISSUE, segment.type or _TISSUE)
    )
    identification = None
    if segment.algorithm_type != "MANUAL":
        family = highdicom.sr.CodedConcept("123110", "DCM", "Artificial Intelligence")
        identification = highdicom.AlgorithmIdentificationSequence(segment.algorithm, family, "1")
    return highdicom.seg.SegmentDescription(
        segment.label, segment.name, category, kind, segment.algorithm_type, identification
    )


def _complete(pydicom: Any, item: Any, segment: Segment | None) -> None:
    """Add what highdicom has no argument for to a segment, and take out what is not known of it."""
    # highdicom asks for the family and the version of an algorithm, which the standard does not require.
    if "SegmentationAlgorithmIdentificationSequence" in item:
        del item.SegmentationAlgorithmIdentificationSequence
    if segment is None:
        return
    if segment.colour is not None:
        item.RecommendedDisplayCIELabValue = list(rgb_to_lab(segment.colour))
    if segment.modifier is not None:
        modifier = pydicom.Dataset()
        modifier.CodeValue, modifier.CodingSchemeDesignator = segment.modifier.value, segment.modifier.scheme
        modifier.CodeMeaning = segment.modifier.meaning
        item.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [modifier]


def _check_written(draft: Path, segmentation: Segmentation, reference: Reference) -> None:
    """Raise unless a segmentation is read back from `draft` as it was written there."""
    array = _array.to_numpy(segmentation.array)
    channels = array.ndim > len(segmentation.geometry.shape)
    returned = load_seg(read_object(draft), SegmentRequest(reference, channels, sys.maxsize))
    if array.dtype.kind == "f":  # fractions are stored in steps
        same = bool(np.allclose(returned.array, array, rtol=0, atol=0.5 / _LARGEST_FRACTION + 1e-6))
    else:
        same = np.array_equal(returned.array, array)
    if not same:
        raise OSError(f"write_segmentation: {draft.name} could not be written: something else came back.")
