"""DICOM segmentation objects (SEG, PS3.3 sections A.51 and A.90): bits, fractions or labels of segments on a grid."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images._dicom.colours import lab_to_rgb
from mia_functional.images._dicom.frame_pixels import FrameLayout, frame_reader
from mia_functional.images._dicom.frames import FrameGroups, frame_groups
from mia_functional.images._dicom.header import DicomObject, frame_of_reference, pydicom_reads
from mia_functional.images._dicom.planes import PLANE_GROUPS, even_grid, frame_planes, place_frames
from mia_functional.images._dicom.seg_arrays import (
    FrameTarget,
    channels_of_frames,
    channels_of_labels,
    combined_bits,
    labels_of_frames,
)
from mia_functional.images.header import check_spacing, invalid_file, spacing_or_one
from mia_functional.images.segments import Code, Reference, Segment, Segmentation, SegmentRequest
from mia_functional.typing import HostArray, Spacing

__all__ = ["list_seg_segments", "load_seg", "load_seg_image"]

_SEGMENT_NUMBER, _TILE_COLUMN, _TILE_ROW, _PIXEL_SPACING = 0x0062000B, 0x0048021E, 0x0048021F, 0x00280030

_WANTED = {**PLANE_GROUPS, 0x0062000A: (_SEGMENT_NUMBER,), 0x0048021A: (_TILE_COLUMN, _TILE_ROW)}

_BITS = {"BINARY": (1,), "FRACTIONAL": (8,), "LABELMAP": (8, 16)}
"""By SegmentationType, how many bits a pixel may have."""

_MAX_FRAMES = 1 << 20
"""Most frames that are read."""

_SMALLEST, _LARGEST = 1e-9, 1e6
"""Millimetres between pixels, as a `Geometry` has them."""


class _Seg(NamedTuple):
    """What the header of a segmentation says.

    Args:
        found: The object.
        type: BINARY, FRACTIONAL or LABELMAP.
        layout: Of the pixels.
        segments: All but that of the background.
        largest: What stands for all of a voxel, of fractions.
        background: The value of labels that stands for none, besides 0.
    """

    found: DicomObject
    type: str
    layout: FrameLayout
    segments: tuple[Segment, ...]
    largest: int
    background: int


def load_seg_image(found: DicomObject, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the label map of a segmentation, or its channels if segments overlap or are fractions, and the grid."""
    array, _, geometry = _load_requested(found, SegmentRequest(None, channels=False, max_bytes=max_bytes), spacing)
    if spacing is not None:
        check_spacing(found.path, spacing, geometry.spacing)
    return array, geometry


def load_seg(found: DicomObject, request: SegmentRequest) -> Segmentation:
    """Return a segmentation on the grid that is asked for, or its own."""
    return _load_requested(found, request, None)


def list_seg_segments(found: DicomObject) -> tuple[Segment, ...]:
    """Return the segments of a segmentation, in the order of the file, without that of the background."""
    with pydicom_reads(found.path):
        items = found.header.get("SegmentSequence") or []
        segments = [_segment_of(item) for item in items]
    numbers = [segment.label for segment in segments]
    if not segments or len(set(numbers)) < len(numbers) or min(numbers) < 0 or max(numbers) < 1:
        invalid_file(found.path, f"the numbers of its segments are {numbers}")
    return tuple(segment for segment in segments if segment.label > 0)


def _segment_of(item: Any) -> Segment:
    """Return a segment as pydicom has it."""
    types = item.get("SegmentedPropertyTypeCodeSequence") or []
    lab = item.get("RecommendedDisplayCIELabValue")
    return Segment(
        label=int(item.SegmentNumber),
        name=str(item.get("SegmentLabel") or f"segment {item.SegmentNumber}"),
        colour=None if lab is None or len(lab) != 3 else lab_to_rgb((int(lab[0]), int(lab[1]), int(lab[2]))),
        category=_code(item.get("SegmentedPropertyCategoryCodeSequence")),
        type=_code(types),
        modifier=_code(types[0].get("SegmentedPropertyTypeModifierCodeSequence")) if types else None,
        algorithm_type=str(item.get("SegmentAlgorithmType") or ""),
        algorithm=str(item.get("SegmentAlgorithmName") or ""),
    )


def _code(sequence: Sequence[Any] | None) -> Code | None:
    """Return the first code of a sequence; None if there is none."""
    if not sequence:
        return None
    value, long_value, address, scheme, meaning = (
        str(sequence[0].get(name) or "")
        for name in ("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodeMeaning")
    )
    return Code(value=value or long_value or address, scheme=scheme, meaning=meaning)


def _parsed(found: DicomObject) -> _Seg:
    """Return what the header of a segmentation says; raise unless its pixels are of a kind that is read."""
    header = found.header
    with pydicom_reads(found.path):
        kind = str(header.get("SegmentationType") or "")
        rows, columns, bits, stored = (
            int(header.get(name) or 0) for name in ("Rows", "Columns", "BitsAllocated", "BitsStored")
        )
        frames, samples = int(header.get("NumberOfFrames") or 1), int(header.get("SamplesPerPixel") or 1)
        signed, largest = int(header.get("PixelRepresentation") or 0), int(header.get("MaximumFractionalValue") or 0)
        background = int(header.get("PixelPaddingValue") or 0)
    if bits not in _BITS.get(kind, ()) or stored != bits or samples != 1 or signed:
        invalid_file(
            found.path, f"its pixels are {kind or 'of no SegmentationType'} of {stored} bits in {bits}, {samples} each"
        )
    if min(rows, columns) < 1 or not 1 <= frames <= _MAX_FRAMES:
        invalid_file(found.path, f"its header states {frames} frames of {rows} x {columns} pixels")
    if kind == "FRACTIONAL" and not 1 <= largest <= 255:
        invalid_file(found.path, f"its MaximumFractionalValue is {largest}")
    background = background if 0 <= background < 1 << bits else 0
    return _Seg(found, kind, FrameLayout(frames, rows, columns, bits), list_seg_segments(found), largest, background)


def _load_requested(found: DicomObject, request: SegmentRequest, spacing: Spacing | None) -> Segmentation:
    """Return a segmentation: a label map where it can be one, unless channels are asked for."""
    seg = _parsed(found)
    groups = frame_groups(found, _WANTED)
    if len(groups.frames) not in (0, seg.layout.frames):
        invalid_file(found.path, f"it has {seg.layout.frames} frames, and a table of {len(groups.frames)}")
    tiled = "TotalPixelMatrixColumns" in found.header
    target = (_tiled_target if tiled else _target)(seg, groups, request, spacing)
    labels = [segment.label for segment in seg.segments]
    dtype = np.min_scalar_type(max(labels, default=0))
    with found.path.open("rb") as stream:
        read = frame_reader(found, stream, seg.layout)
        if seg.type == "LABELMAP":
            array = labels_of_frames(target, read, labels, seg.background, dtype)
            if request.channels:
                array = channels_of_labels(target, array, labels)
            return Segmentation(array, seg.segments, target.geometry)
        owners = _owners(seg, groups, labels)
        if seg.type == "BINARY" and not request.channels:
            array, overlap = combined_bits(target, read, [labels[owner] for owner in owners], dtype)
            if not overlap:
                return Segmentation(array, seg.segments, target.geometry)
        array = channels_of_frames(target, read, owners, len(labels), seg.largest)
        return Segmentation(array, seg.segments, target.geometry)


def _owners(seg: _Seg, groups: FrameGroups, labels: Sequence[int]) -> list[int]:
    """Return the position among the segments of that of each frame."""
    path, frames = seg.found.path, seg.layout.frames
    position = {label: number for number, label in enumerate(labels)}
    if not groups.frames and _SEGMENT_NUMBER not in groups.shared and frames % max(len(labels), 1) == 0:
        # TILED_FULL states no table of frames: all tiles of a segment follow all of the one before.
        return [frame * len(labels) // frames for frame in range(frames)]
    owners = []
    for frame in groups.frames or [{}] * frames:
        raw = frame.get(_SEGMENT_NUMBER, groups.shared.get(_SEGMENT_NUMBER, b""))
        number = struct.unpack(f"{groups.order}H", raw)[0] if len(raw) == 2 else None
        if number not in position:
            invalid_file(path, f"a frame belongs to segment {number}, and there are {', '.join(map(str, labels))}")
        owners.append(position[number])
    return owners


def _target(seg: _Seg, groups: FrameGroups, request: SegmentRequest, spacing: Spacing | None) -> FrameTarget:
    """Return where frames go that lie in space, or in the plane of a picture."""
    path, layout = seg.found.path, seg.layout
    planes = frame_planes(path, groups, (layout.rows, layout.columns), layout.frames)
    if planes is None:
        if request.reference is not None:
            invalid_file(path, "its frames state no position, so that they cannot be put onto a reference")
        geometry = _picture_grid(seg, groups, (layout.rows, layout.columns), spacing)
        return FrameTarget(path, layout, geometry, None, np.zeros((layout.frames, 3), int), request.max_bytes)
    if request.reference is None:
        geometry = even_grid(planes)
    else:
        geometry = request.reference.geometry
        _check_frame_of_reference(seg, request.reference)
    placed = place_frames(planes, geometry)
    return FrameTarget(path, layout, geometry, placed, placed.offsets, request.max_bytes)


def _tiled_target(seg: _Seg, groups: FrameGroups, request: SegmentRequest, spacing: Spacing | None) -> FrameTarget:
    """Return where the tiles of a picture go (PS3.3, section C.7.6.17.3)."""
    path, layout, header = seg.found.path, seg.layout, seg.found.header
    if request.reference is not None:
        invalid_file(path, "it consists of tiles of a picture, which are not put onto a reference")
    with pydicom_reads(path):
        size = int(header.TotalPixelMatrixRows), int(header.TotalPixelMatrixColumns)
        planes = int(header.get("TotalPixelMatrixFocalPlanes") or 1)
    if planes != 1 or min(size) < 1:
        invalid_file(path, f"it consists of tiles of {planes} pictures of size {size}; one is read")
    across = -(-size[1] // layout.columns)
    tiles = across * -(-size[0] // layout.rows)
    if groups.frames:
        corners = np.array([_tile_corner(path, groups, frame) for frame in groups.frames])
    elif layout.frames != tiles * (1 if seg.type == "LABELMAP" else len(seg.segments)):
        invalid_file(path, f"it has {layout.frames} frames, and its picture {tiles} tiles")
    else:
        down, right = np.divmod(np.arange(layout.frames) % tiles, across)
        corners = np.stack([down * layout.rows, right * layout.columns], axis=1)
    if (corners % [layout.rows, layout.columns]).any() or (corners < 0).any() or (corners >= size).any():
        invalid_file(path, "its tiles do not lie side by side within the picture")
    geometry = _picture_grid(seg, groups, size, spacing)
    return FrameTarget(path, layout, geometry, None, np.pad(corners, ((0, 0), (1, 0))), request.max_bytes)


def _tile_corner(path: Path, groups: FrameGroups, frame: Mapping[int, bytes]) -> tuple[int, int]:
    """Return row and column, from 0 on, of the first pixel of a tile."""
    raw = [frame.get(tag, b"") for tag in (_TILE_ROW, _TILE_COLUMN)]
    if [len(value) for value in raw] != [4, 4]:
        invalid_file(path, "a tile does not state its row and column")
    row, column = (struct.unpack(f"{groups.order}i", value)[0] - 1 for value in raw)
    return row, column


def _picture_grid(seg: _Seg, groups: FrameGroups, size: tuple[int, int], spacing: Spacing | None) -> Geometry:
    """Return the grid of a picture: of the stated spacing, or else the given one or 1."""
    frames = groups.frames or [{}]
    words = {frame.get(_PIXEL_SPACING, groups.shared.get(_PIXEL_SPACING, b"")) for frame in frames}
    try:
        stated = tuple(map(float, words.pop().split(b"\\"))) if len(words) == 1 else ()
    except ValueError:
        stated = ()
    path = seg.found.path
    known = len(stated) == 2 and all(_SMALLEST <= value <= _LARGEST for value in stated)
    return Geometry(shape=size, spacing=stated if known else spacing_or_one(path, spacing, 2))


def _check_frame_of_reference(seg: _Seg, reference: Reference) -> None:
    """Raise if positions of a segmentation and of a series are stated in different frames of reference."""
    if reference.series is None:
        return
    theirs = frame_of_reference(reference.series)
    ours = str(seg.found.header.get("FrameOfReferenceUID") or "")
    if ours and theirs and ours != theirs:
        invalid_file(seg.found.path, f"its frame of reference is {ours}, and that of {reference.series} is {theirs}")
