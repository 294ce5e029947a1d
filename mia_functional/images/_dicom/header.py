"""The header of a single DICOM file that holds a whole object, as pydicom has it.

Our own walk over the elements comes first, so that sizes and counts are known before pydicom sees anything: pydicom
gets the header alone, without pixels and without the tables of frames, which may be a hundred times as large.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from mia_functional._core import optional
from mia_functional.images._dicom.elements import DataSet, locate_data_set
from mia_functional.images.header import check_regular, invalid_file

__all__ = [
    "MAX_OBJECT_ELEMENTS",
    "PER_FRAME_GROUPS",
    "DicomObject",
    "frame_of_reference",
    "is_dicom",
    "pydicom_reads",
    "read_object",
    "series_files",
]

MAX_OBJECT_ELEMENTS = 1 << 22
"""So many elements of an object are looked at: a hundred thousand frames have about 40 each."""

_MAX_OBJECT_HEADER = 64 << 20
"""Largest header in bytes that pydicom parses, without pixels and tables of frames."""

PER_FRAME_GROUPS = 0x52009230

_LARGE = (PER_FRAME_GROUPS, 0x7FE00008, 0x7FE00009, 0x7FE00010)
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
        data_set = locate_data_set(path, MAX_OBJECT_ELEMENTS, opaque=(PER_FRAME_GROUPS,))
        elements = list(data_set.by_tag.values())
        if not elements:
            invalid_file(path, "there is nothing in it but the beginning of a DICOM file")
        ends = [*(element.start for element in elements[1:]), path.stat().st_size]
        kept = [(element.start, end) for element, end in zip(elements, ends, strict=True) if element.tag not in _LARGE]
        if (nbytes := sum(end - start for start, end in kept)) > _MAX_OBJECT_HEADER:
            invalid_file(path, f"its header takes {nbytes} bytes, and {_MAX_OBJECT_HEADER} are read")
        stream.seek(0)
        parts = [stream.read(data_set.start)]
        for start, end in kept:
            stream.seek(start)
            parts.append(stream.read(end - start))
    with pydicom_reads(path):
        header = pydicom.dcmread(io.BytesIO(b"".join(parts)))
        kind = str(header.get("SOPClassUID", ""))
    return DicomObject(path, data_set, header, kind)


def series_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are not hidden."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def frame_of_reference(series: Path) -> str:
    """Return the identifier of the frame of reference in which a series lies, by its first file; empty if it has none.

    Places that are stated in two frames of reference cannot be compared.
    """
    first = series if series.is_file() else series_files(series)[0]
    with pydicom_reads(first):
        dcmread = optional.require("pydicom").dcmread
        header = dcmread(first, specific_tags=["FrameOfReferenceUID"], stop_before_pixels=True)
        return str(header.get("FrameOfReferenceUID") or "")


@contextmanager
def pydicom_reads(path: Path, *, fault: str = "pydicom cannot parse its header") -> Iterator[None]:
    """Turn whatever error pydicom and its decoders raise for damaged files into that of an invalid file; ours pass."""
    try:
        yield
    except (OSError, MemoryError):
        raise
    # Values are parsed when they are asked for, and end in errors of many kinds where they are damaged; decoders have
    # others, also for want of a package, which they name.
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("read: `"):
            raise
        invalid_file(path, " ".join(f"{fault} ({type(error).__name__}: {error})".split()))
