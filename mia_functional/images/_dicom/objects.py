"""A single DICOM file that holds a whole object, read by what it says it is (its SOP class)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.header import DicomObject, read_object
from mia_functional.images._dicom.image_objects import load_image
from mia_functional.images._dicom.segmentation import list_seg_segments, load_seg, load_seg_image
from mia_functional.images._dicom.structures import STRUCTURE_SET, list_structures, load_structures, refuse_structures
from mia_functional.images.header import invalid_file
from mia_functional.images.segments import Segment, Segmentation, SegmentRequest
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_object", "load_object_segments", "load_object_stack", "object_segments"]

_LoadImage: TypeAlias = Callable[[DicomObject, int, Spacing | None], tuple[HostArray, Geometry]]
_LoadSegments: TypeAlias = Callable[[DicomObject, SegmentRequest], Segmentation]
_ListSegments: TypeAlias = Callable[[DicomObject], tuple[Segment, ...]]


class _ObjectKind(NamedTuple):
    """How objects of one class are read: into an image, into segments if they name any, or by their header alone."""

    name: str
    load: _LoadImage
    load_segments: _LoadSegments | None = None
    segments: _ListSegments | None = None


_SEGMENTATION = _ObjectKind("segmentations", load_seg_image, load_seg, list_seg_segments)

_OBJECT_KINDS: Mapping[str, _ObjectKind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": _SEGMENTATION,
    "1.2.840.10008.5.1.4.1.1.66.7": _SEGMENTATION,
    STRUCTURE_SET: _ObjectKind("RT structure sets", refuse_structures, load_structures, list_structures),
}
"""By SOP class; objects of others are images if they have pixels."""

_IMAGE = _ObjectKind("images", load_image)


def load_object(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a DICOM object; of a segmentation the label map, or channels of its segments."""
    found, kind = _known_object(path)
    return kind.load(found, max_bytes, spacing)


def load_object_stack(path: Path, max_bytes: int, spacing: Spacing | None, stack: int) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of one of the stacks of frames of a DICOM object."""
    found, kind = _known_object(path)
    if kind is not _IMAGE:
        invalid_file(path, f"it is one of {kind.name}, which have no stacks")
    return load_image(found, max_bytes, spacing, stack=stack)


def load_object_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return the segmentation in a DICOM object."""
    found, kind = _known_object(path)
    if kind.load_segments is None:
        invalid_file(path, f"it is one of {kind.name}, which name no segments")
    return kind.load_segments(found, request)


def object_segments(path: Path) -> tuple[Segment, ...] | None:
    """Return the segments that a DICOM object names; None if it is none that does."""
    found, kind = _known_object(path)
    return None if kind.segments is None else kind.segments(found)


def _known_object(path: Path) -> tuple[DicomObject, _ObjectKind]:
    """Return the header of a DICOM file, and how objects of its class are read."""
    found = read_object(path)
    if found.kind in _OBJECT_KINDS:
        return found, _OBJECT_KINDS[found.kind]
    if "Rows" not in found.header:
        name = optional.require("pydicom").uid.UID(found.kind).name or "nameless"
        known = "; ".join(dict.fromkeys([*(kind.name for kind in _OBJECT_KINDS.values()), "images"]))
        invalid_file(path, f"it holds an object of the class {name} without pixels, and what is read is: {known}")
    return found, _IMAGE
