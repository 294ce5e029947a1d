"""Label images of OME-Zarr: an image whose metadata say which label is what, often beside the image it belongs to.

The format has colours by label, and properties of any kind. Names are the property `name`, `label` or `class`; what
else is known of a segment is written as properties with the names of the fields of `Segment`.
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.images._zarr.reading import open_zarr
from mia_functional.images._zarr.writing import write_nifti_zarr, write_ome_zarr
from mia_functional.images.header import WriteRequest, invalid_file
from mia_functional.images.ome_zarr import find_pyramid, label_images
from mia_functional.images.segments import Code, Reference, Segment, Segmentation, SegmentRequest
from mia_functional.images.slicer_segmentation import put_onto
from mia_functional.images.stored_images import OpenRequest
from mia_functional.typing import HostArray

__all__ = ["list_zarr_segments", "load_zarr_segments", "write_nifti_zarr_segments", "write_ome_zarr_segments"]

_METADATA = "image-label"
"""The attribute of OME that makes an image one of labels."""

_NAME_KEYS = ("name", "label", "class")
"""Properties that hold the name of a label, in the order in which they count."""

_CODES = ("category", "type", "modifier", "region", "region_modifier")
_TEXTS = ("algorithm_type", "algorithm", "interpreted_type", "identifier")


def list_zarr_segments(path: Path) -> tuple[Segment, ...] | None:
    """Return the segments that the metadata at a path name; None if it is no label image, or none is named."""
    pyramid = find_pyramid(path)
    return _listed(pyramid.root, pyramid.attributes.get(_METADATA)) or None


def load_zarr_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return a label image, or the only one beside an image, as it is asked for."""
    pyramid = find_pyramid(path)
    if _METADATA not in pyramid.attributes and (others := label_images(pyramid)):
        if len(others) > 1:
            invalid_file(path, f"it has the label images {', '.join(others)}; name one of them, such as labels/NAME")
        (path,) = others.values()
        pyramid = find_pyramid(path)
    image = open_zarr(path, OpenRequest(request.max_bytes, scaled=False))
    if image.dtype.kind not in "biu" or image.shape != image.geometry.shape:
        invalid_file(path, f"it holds {image.dtype} {image.shape}; label images have one whole number for each voxel")
    labels = image[...]
    present = np.unique(labels)
    if present[0] < 0:
        invalid_file(path, f"it holds the label {present[0]}; labels are above 0")
    named = {own.label: own for own in _listed(pyramid.root, pyramid.attributes.get(_METADATA))}
    # Metadata need not name every label: colours alone are usual for cells.
    unnamed = (int(label) for label in present if label and int(label) not in named)
    segments = (*named.values(), *(Segment(label=label, name=f"Segment_{label}") for label in unnamed))
    array = labels.astype(np.min_scalar_type(int(present[-1])), copy=False)
    if request.channels:
        nbytes = math.prod(labels.shape) * len(segments)
        if nbytes > request.max_bytes:
            invalid_file(
                path, f"its {len(segments)} segments take {nbytes} bytes, and `max_bytes` is {request.max_bytes}"
            )
        array = np.stack([labels == own.label for own in segments], axis=-1).astype(np.uint8)
    if request.reference is None:
        return Segmentation(array, segments, image.geometry)
    grid = request.reference.geometry
    return Segmentation(put_onto(path, array, image.geometry, grid, request.max_bytes), segments, grid)


def _listed(root: Path, metadata: object) -> tuple[Segment, ...]:
    """Return the segments that the metadata of a label image list, in the order of their properties."""
    facts: dict[int, dict[str, Any]] = {}
    for part in ("properties", "colors"):
        entries = metadata.get(part) if isinstance(metadata, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            label = entry.get("label-value") if isinstance(entry, dict) else None
            # A boolean is an integer of Python's.
            if type(label) is not int or label < 0 or part in facts.get(label, {}):
                invalid_file(root, f"its {part} of labels name {label!r}, which is no label, or one twice")
            facts.setdefault(label, {})[part] = entry
    return tuple(_segment_of_label(root, label, own) for label, own in facts.items() if label)


def _segment_of_label(root: Path, label: int, facts: Mapping[str, Mapping[str, Any]]) -> Segment:
    """Return what the metadata say of one label."""
    known, colour = facts.get("properties", {}), facts.get("colors", {}).get("rgba")
    if colour is not None:
        parts: list[Any] = colour if isinstance(colour, list) and len(colour) in (3, 4) else [None]
        if not all(type(part) is int and 0 <= part <= 255 for part in parts):
            invalid_file(root, f"the colour of its label {label} is none")
        colour = tuple(part / 255 for part in parts[:3])
    texts = [known[key] for key in _NAME_KEYS if isinstance(known.get(key), str) and known[key]]
    codes = {key: _code_of_entry(known[key]) for key in _CODES if isinstance(known.get(key), dict)}
    words = {key: known[key] for key in _TEXTS if isinstance(known.get(key), str)}
    own: dict[str, Any] = {**codes, **words}
    return Segment(label=label, name=texts[0] if texts else f"Segment_{label}", colour=colour, **own)


def _code_of_entry(entry: Mapping[str, Any]) -> Code | None:
    """Return a code of which all parts are texts, or None."""
    parts = [entry.get(field.name) for field in fields(Code)]
    value, scheme, meaning = (part if isinstance(part, str) else "" for part in parts)
    return Code(value=value, scheme=scheme, meaning=meaning) if value and scheme else None


def write_ome_zarr_segments(draft: Path, segmentation: Segmentation, reference: Reference | None) -> None:
    """Write a label map with the names of its segments as OME-Zarr, which has no direction."""
    array, others = _label_image(segmentation, reference)
    with checks.speaking_for("write_segmentation", "write", geometry="segmentation"):
        write_ome_zarr(draft, array, segmentation.geometry, WriteRequest(None, drop_direction=False, attributes=others))
    _check_returned(draft, array, segmentation)


def write_nifti_zarr_segments(draft: Path, segmentation: Segmentation, reference: Reference | None) -> None:
    """Write a label map with the names of its segments as NIfTI-Zarr."""
    array, others = _label_image(segmentation, reference)
    write_nifti_zarr(
        draft, array, segmentation.geometry, WriteRequest(_INTENT_LABEL, drop_direction=False, attributes=others)
    )
    _check_returned(draft, array, segmentation)


_INTENT_LABEL = 1002
"""NIfTI's code of labels."""


def _label_image(segmentation: Segmentation, reference: Reference | None) -> tuple[HostArray, dict[str, Any]]:
    """Return the labels to write, and the attributes of OME that say what they are."""
    array, segments = _array.to_numpy(segmentation.array), segmentation.segments
    labels = [own.label for own in segments]
    if reference is not None and reference.geometry != segmentation.geometry:
        checks.invalid_value("write_segmentation", "reference", "have the grid of the segmentation", reference.geometry)
    if array.shape != segmentation.geometry.shape or array.dtype.kind not in "bui":
        needed = "have a label map for Zarr, one whole number for each voxel"
        checks.invalid_value("write_segmentation", "segmentation", needed, f"{array.dtype} of shape {array.shape}")
    if len({*labels, 0}) <= len(labels) or not all(own.name for own in segments) or min(labels, default=1) < 0:
        needed = "have a label of its own above 0, and a name, for every segment"
        checks.invalid_value("write_segmentation", "segmentation", needed, [(own.label, own.name) for own in segments])
    if len(other := np.setdiff1d(array, [0, *labels])):
        needed = "have a segment for every label"
        checks.invalid_value("write_segmentation", "segmentation", needed, other[:5].tolist())
    properties = []
    for own in segments:
        codes = {key: _entry_of_code(code) for key in _CODES if (code := getattr(own, key)) is not None}
        words = {key: text for key in _TEXTS if (text := getattr(own, key))}
        properties.append({"label-value": own.label, "name": own.name, **codes, **words})
    colours = [
        {"label-value": own.label, "rgba": [*(round(255 * part) for part in own.colour), 255]}
        for own in segments if own.colour is not None
    ]  # fmt: skip
    dtype = np.min_scalar_type(max(labels, default=0))
    return array.astype(dtype), {_METADATA: {"version": "0.5", "properties": properties, "colors": colours}}


def _entry_of_code(code: Code) -> dict[str, str]:
    """Return a code as an object of JSON."""
    return {field.name: getattr(code, field.name) for field in fields(Code)}


def _check_returned(draft: Path, array: HostArray, segmentation: Segmentation) -> None:
    """Raise unless labels and names are read back as they were written."""
    returned = load_zarr_segments(draft, SegmentRequest(None, channels=False, max_bytes=sys.maxsize))
    names = [(own.label, own.name) for own in returned.segments]
    if not np.array_equal(returned.array, array) or names != [(own.label, own.name) for own in segmentation.segments]:
        raise OSError("write_segmentation: the folder could not be written completely: something else came back.")
