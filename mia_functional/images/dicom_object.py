"""A single DICOM file that holds a whole object, read by what it says it is (its SOP class).

Our own walk over the elements comes first, so that sizes and counts are known before pydicom sees anything: pydicom
gets the header alone, without pixels and without the tables of frames, which may be a hundred times as large.
"""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mia_functional._core import optional
from mia_functional.geometry import Geometry
from mia_functional.images.dicom_elements import DataSet, locate_data_set
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.images.segments import Segment, Segmentation, SegmentRequest
from mia_functional.typing import HostArray, Spacing

__all__ = ["DicomObject", "is_dicom", "load_object", "load_object_segments", "object_segments", "read_object"]

_MAX_OBJECT_ELEMENTS = 1 << 22
"""So many elements of an object are looked at: a hundred thousand frames have about 40 each."""

_MAX_OBJECT_HEADER = 64 << 20
"""Largest header in bytes that pydicom parses, without pixels and tables of frames."""

_PER_FRAME_GROUPS = 0x52009230

_LARGE = (_PER_FRAME_GROUPS, 0x7FE00008, 0x7FE00009, 0x7FE00010)
"""What pydicom is not given: the functional groups of all frames, and pixels."""


class DicomObject(NamedTuple):
    """A DICOM file whose elements were located, and its header.

    Args:
        path: The file.
        data_set: Where its elements are.
        header: A `pydicom.Dataset` of all elements but pixels and tables of frames.
        kind: The identifier of its class of objects.
    """

    path: Path
    data_set: DataSet
    header: Any
    kind: str


_LoadImage: TypeAlias = Callable[[DicomObject, int, Spacing | None], tuple[HostArray, Geometry]]
_LoadSegments: TypeAlias = Callable[[DicomObject, SegmentRequest], Segmentation]
_ListSegments: TypeAlias = Callable[[DicomObject], tuple[Segment, ...]]


class _ObjectKind(NamedTuple):
    """How objects of one class are read: into an image, into segments if they name any, or by their header alone."""

    name: str
    load: _LoadImage
    load_segments: _LoadSegments | None = None
    segments: _ListSegments | None = None


_OBJECT_KINDS: Mapping[str, _ObjectKind] = {}
"""By SOP class."""


def is_dicom(path: Path) -> bool:
    """Return whether there is a file that begins as DICOM asks (PS3.10, section 7.1)."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def read_object(path: Path) -> DicomObject:
    """Return the header of a DICOM file and where its elements lie; raise if it is damaged or absurdly large."""
    pydicom = optional.require("pydicom")
    check_regular(path)
    with path.open("rb") as stream:
        if stream.read(132)[128:] != b"DICM":
            invalid_file(path, "it is not a DICOM file")
        data_set = locate_data_set(path, _MAX_OBJECT_ELEMENTS)
        elements = list(data_set.by_tag.values())
        ends = [*(element.start for element in elements[1:]), path.stat().st_size]
        kept = [(element.start, end) for element, end in zip(elements, ends, strict=True) if element.tag not in _LARGE]
        if (nbytes := sum(end - start for start, end in kept)) > _MAX_OBJECT_HEADER:
            invalid_file(path, f"its header takes {nbytes} bytes, and {_MAX_OBJECT_HEADER} are read")
        stream.seek(0)
        parts = [stream.read(data_set.start)]
        for start, end in kept:
            stream.seek(start)
            parts.append(stream.read(end - start))
    try:
        header = pydicom.dcmread(io.BytesIO(b"".join(parts)))
        kind = str(header.get("SOPClassUID", ""))
    # pydicom raises errors of several kinds for damaged values.
    except Exception as error:
        invalid_file(path, f"pydicom cannot parse its header ({type(error).__name__}: {error})".replace("\n", " "))
    return DicomObject(path, data_set, header, kind)


def load_object(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a DICOM object; of a segmentation the label map, or channels of its segments."""
    found, kind = _known_object(path)
    return kind.load(found, max_bytes, spacing)


def load_object_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return the segmentation in a DICOM object."""
    found, kind = _known_object(path)
    if kind.load_segments is None:
        invalid_file(path, f"it is a {kind.name} object, which names no segments")
    return kind.load_segments(found, request)


def object_segments(path: Path) -> tuple[Segment, ...] | None:
    """Return the segments that a DICOM object names; None if it is none that does."""
    found, kind = _known_object(path)
    return None if kind.segments is None else kind.segments(found)


def _known_object(path: Path) -> tuple[DicomObject, _ObjectKind]:
    """Return the header of a DICOM file, and how objects of its class are read."""
    found = read_object(path)
    if found.kind not in _OBJECT_KINDS:
        name = optional.require("pydicom").uid.UID(found.kind).name or "nameless"
        known = "; ".join(["folders with a series", *(kind.name for kind in _OBJECT_KINDS.values())])
        invalid_file(path, f"it holds an object of the class {name}, and what is read is: {known}")
    return found, _OBJECT_KINDS[found.kind]
