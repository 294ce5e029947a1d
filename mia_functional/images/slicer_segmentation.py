"""Segmentations of 3D Slicer (`.seg.nrrd`): an NRRD file whose user's keys say what the numbers of its layers mean.

After Slicer's developer guide (Segmentations, 5.10) and its `vtkMRMLSegmentationStorageNode`. Segments that overlap lie
in several layers, along an axis of the kind `list`; in each layer values begin with 1 again. Up to Slicer 4.10 every
segment has a layer of its own, in which it is 1, and no key says so.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry, describe_differences, regrid, same_geometry, world_to_index
from mia_functional.images.checked_itk import load_checked
from mia_functional.images.header import Header, TextGrid, check_regular, check_spacing, invalid_file
from mia_functional.images.nrrd import nrrd_keys, parse_nrrd
from mia_functional.images.segments import Code, Segment, Segmentation, SegmentRequest, renumbered
from mia_functional.typing import HostArray, Spacing

__all__ = [
    "LARGEST_VALUE",
    "TERMS",
    "list_slicer_segments",
    "load_slicer",
    "load_slicer_segments",
    "offset_in",
    "put_onto",
]

_LABEL_MAP = "binary labelmap"
"""What the layers have to be; other representations are surfaces, or fractions."""

_KEY = re.compile(r"Segment([0-9]{1,9})_(.+)")
"""A key of a segment: its number, and the name of what is said of it."""

LARGEST_VALUE = (1 << 20) - 1
"""Largest value of a segment, which a table by value has room for. Slicer counts from 1 in every layer."""


TERMS = {1: "category", 2: "type", 3: "modifier", 5: "region", 6: "region_modifier"}
"""The parts of a terminology entry that are codes, by their position."""


class _Stored(NamedTuple):
    """A segment, and the value that its voxels have in its layer."""

    value: int
    segment: Segment


def list_slicer_segments(path: Path) -> tuple[Segment, ...] | None:
    """Return the segments of a file from its header; None if no program has written any into it."""
    stored = _stored_segments(path, _parse(path)[1])
    return None if stored is None else tuple(own.segment for own in stored)


def load_slicer(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the label map of a file, or channels where its segments overlap; without segments, what is stored."""
    header, grid = _parse(path)
    stored = _stored_segments(path, grid)
    voxels, geometry = load_checked(header, grid, "NrrdImageIO", max_bytes, scaled=False)
    if spacing is not None:
        check_spacing(path, spacing, geometry.spacing)
    if stored is None:
        return voxels, geometry
    return _arranged(path, _layers(path, voxels, geometry), stored, max_bytes, channels=False), geometry


def load_slicer_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return a segmentation as it is asked for."""
    header, grid = _parse(path)
    stored = _stored_segments(path, grid)
    voxels, geometry = load_checked(header, grid, "NrrdImageIO", request.max_bytes, scaled=False)
    layers = _layers(path, voxels, geometry)
    if stored is None:
        # So does Slicer with a label map that another program wrote.
        if layers.shape[-1] > 1:
            invalid_file(path, f"it holds {layers.shape[-1]} layers, and does not say what they are")
        values = [int(value) for value in np.unique(layers) if value > 0]
        stored = [_Stored(value, Segment(label=value, name=f"Segment_{value}")) for value in values]
    array = _arranged(path, layers, stored, request.max_bytes, channels=request.channels)
    if request.reference is not None:
        array = put_onto(path, array, geometry, request.reference.geometry, request.max_bytes)
        geometry = request.reference.geometry
    return Segmentation(array, tuple(own.segment for own in stored), geometry)


def _parse(path: Path) -> tuple[Header, TextGrid]:
    """Return the header of an NRRD file, and its axes."""
    check_regular(path)
    header = parse_nrrd(path)
    if not isinstance(header.grid, TextGrid):
        raise TypeError("NRRD files have the axes of a text header")
    return header, header.grid


def _stored_segments(path: Path, grid: TextGrid) -> list[_Stored] | None:
    """Return what the keys of a file say of its segments, in their order; None if they say nothing."""
    facts: dict[int, dict[str, str]] = {}
    for key, text in nrrd_keys(path):
        if key in ("Segmentation_MasterRepresentation", "Segmentation_SourceRepresentation"):
            if text.strip().lower() not in ("", _LABEL_MAP):
                invalid_file(path, f"it holds a {text!r}; export its segments as a binary label map")
        elif (match := _KEY.fullmatch(key)) is not None:
            own = facts.setdefault(int(match[1]), {})
            if match[2] in own:
                invalid_file(path, f"its header has {key} twice")
            own[match[2]] = text
    if not facts:
        return None
    count = 1 if grid.channel_axis is None else grid.sizes[grid.channel_axis]
    found = [_parse_segment(path, number, facts[number], count) for number in sorted(facts)]
    places = [(own.segment.layer, own.value) for own in found]
    if len(set(places)) < len(places):
        invalid_file(path, "two of its segments have one value in one layer")
    values = [own.value for own in found]
    # Values that begin again in each layer do not tell segments apart.
    labels = values if len(set(values)) == len(values) else range(1, len(values) + 1)
    return [own._replace(segment=replace(own.segment, label=label)) for own, label in zip(found, labels, strict=True)]


def _parse_segment(path: Path, number: int, facts: dict[str, str], count: int) -> _Stored:
    """Return what the keys of one segment say, of a file with `count` layers."""
    layer = _whole_number(path, number, facts, "Layer", number if count > 1 else 0)
    value = _whole_number(path, number, facts, "LabelValue", 1)
    if not 0 <= layer < count:
        invalid_file(path, f"its segment {number} is in layer {layer}, and it has {count}")
    if not 1 <= value <= LARGEST_VALUE:
        invalid_file(path, f"its segment {number} has the value {value}; 1 to {LARGEST_VALUE} are read")
    words = re.split(" +", facts.get("Color", facts.get("DefaultColor", "")).strip())
    tags = dict(tag.split(":", 1) for tag in facts.get("Tags", "").split("|") if ":" in tag)
    codes: dict[str, Any] = _parse_codes(tags.pop("TerminologyEntry", ""))
    segment = Segment(
        label=value,
        name=facts.get("Name") or facts.get("ID") or f"Segment_{number + 1}",
        layer=layer,
        colour=_colour(path, number, words) if words != [""] else None,
        **codes,
        identifier=facts.get("ID", ""),
        tags=tuple(tags.items()),
    )
    return _Stored(value, segment)


def _whole_number(path: Path, number: int, facts: dict[str, str], name: str, default: int) -> int:
    """Return a whole number that a key of a segment states, or the default if there is none."""
    text = facts.get(name, str(default)).strip()
    if re.fullmatch(r"-?[0-9]{1,9}", text) is None:
        invalid_file(path, f"Segment{number}_{name} is {text[:80]!r}")
    return int(text)


def _colour(path: Path, number: int, words: list[str]) -> tuple[float, float, float]:
    """Return red, green and blue within [0, 1]."""
    try:
        red, green, blue = (float(word) for word in words)
    except ValueError:
        invalid_file(path, f"Segment{number}_Color is {' '.join(words)[:80]!r}")
    if not all(0 <= part <= 1 for part in (red, green, blue)):
        invalid_file(path, f"Segment{number}_Color is {' '.join(words)[:80]!r}, and colours lie between 0 and 1")
    return red, green, blue


def _parse_codes(entry: str) -> dict[str, Code | None]:
    """Return the codes of a terminology entry by their name; the first and the fifth part name lists of codes."""
    codes: dict[str, Code | None] = {}
    parts = dict(enumerate(entry.split("~")))
    for position, name in TERMS.items():
        words = parts.get(position, "").split("^")
        codes[name] = Code(value=words[1], scheme=words[0], meaning=words[2]) if len(words) == 3 and words[1] else None
    return codes


def _layers(path: Path, voxels: HostArray, geometry: Geometry) -> HostArray:
    """Return what is stored as whole numbers `(z, y, x, layers)`."""
    if len(geometry.shape) != 3:
        invalid_file(path, f"it has {len(geometry.shape)} axes in space; segmentations have three")
    if math.prod(geometry.shape) == 1:
        invalid_file(path, "it holds a single voxel, by which 3D Slicer says that there are no segments")
    if voxels.dtype.kind == "f":
        # Infinity and NaN are among what is no whole number of 32 bits.
        with np.errstate(invalid="ignore"):
            whole = voxels.astype(np.int32)
        if not np.array_equal(whole, voxels):
            invalid_file(path, "it holds fractions; export its segments as a binary label map")
        voxels = whole
    return voxels if voxels.ndim == 4 else voxels[..., np.newaxis]


def _arranged(path: Path, layers: HostArray, stored: Sequence[_Stored], max_bytes: int, *, channels: bool) -> HostArray:
    """Return a label map of layers, or a channel for each segment if they overlap, or if that is asked for."""
    labels = None if channels else _label_map(layers, stored)
    if labels is not None:
        return labels
    nbytes = math.prod(layers.shape[:-1]) * len(stored)
    if nbytes > max_bytes:
        invalid_file(path, f"its {len(stored)} segments take {nbytes} bytes, and `max_bytes` is {max_bytes}")
    masks = np.empty((*layers.shape[:-1], len(stored)), np.uint8)
    for number, own in enumerate(stored):
        np.equal(layers[..., own.segment.layer], own.value, out=masks[..., number], casting="unsafe")
    return masks


def _label_map(layers: HostArray, stored: Sequence[_Stored]) -> "HostArray | None":
    """Return a label map, or None if segments overlap.

    A voxel with a value of no segment is background, as it is in 3D Slicer.
    """
    dtype = np.min_scalar_type(max((own.segment.label for own in stored), default=0))
    labels: HostArray = np.zeros(layers.shape[:-1], dtype)
    for number in range(layers.shape[-1]):
        held = {own.value: own.segment.label for own in stored if own.segment.layer == number}
        found = renumbered(layers[..., number], held, dtype)
        if number and ((labels != 0) & (found != 0)).any():
            return None
        np.maximum(labels, found, out=labels)
    return labels


def put_onto(path: Path, array: HostArray, geometry: Geometry, reference: Geometry, max_bytes: int) -> HostArray:
    """Return segments on the voxels of a reference, of which 3D Slicer may have stored a part, or more than there are.

    Raises if they lie on other voxels, or if there is something of a segment outside.
    """
    if len(reference.shape) != 3:
        checks.invalid_value("read_segmentation", "reference", "have three axes", reference.shape)
    offset = offset_in(reference, geometry)
    if offset is None:
        differing = describe_differences(geometry, reference)
        checks.invalid_value("read_segmentation", "reference", f"have the voxels of {path}", differing)
    shape = (*reference.shape, *array.shape[3:])
    if (nbytes := math.prod(shape) * array.dtype.itemsize) > max_bytes:
        invalid_file(path, f"on the reference it takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    ends = [start + size for start, size in zip(offset, geometry.shape, strict=True)]
    kept = tuple(
        slice(min(max(-start, 0), size), max(min(limit - start, size), 0))
        for start, size, limit in zip(offset, geometry.shape, reference.shape, strict=True)
    )
    result = np.zeros(shape, array.dtype)
    place = tuple(slice(max(start, 0), max(end, 0)) for start, end in zip(offset, ends, strict=True))
    result[place] = array[kept]
    if np.count_nonzero(result) != np.count_nonzero(array):
        checks.invalid_value("read_segmentation", "reference", f"cover all segments of {path}", reference.shape)
    return result


def offset_in(reference: Geometry, geometry: Geometry) -> list[int] | None:
    """Return at which index of a reference a grid begins, or None if it does not lie on the voxels of that one."""
    if len(reference.shape) != len(geometry.shape):
        return None
    offset = [round(position) for position in world_to_index(reference, geometry.origin)]
    return offset if same_geometry(regrid(reference, geometry.shape, offset), geometry) else None
