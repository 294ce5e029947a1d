"""Preprocessed cases of nnU-Net: `.b2nd` and `.npz`, with the spacing of their plans and the names of `dataset.json`.

After nnU-Net 2.8.1 (`nnunet_dataset.py`, `default_preprocessor.py`, `plans_handler.py`) and 1.7. Where a case was cut
out of its image is in a pickle (`.pkl`), which is not opened: origin and direction are lost. The plans say which axes
changed places, and how far apart voxels are.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry, describe_differences
from mia_functional.images.blosc2_arrays import parse_blosc2, write_blosc2
from mia_functional.images.header import WriteRequest, check_spacing, invalid_file, spacing_or_one
from mia_functional.images.npz import archive_names, load_member, load_npz
from mia_functional.images.segments import Segment, Segmentation, SegmentRequest, renumbered
from mia_functional.images.stored_images import OpenRequest, StoredImage
from mia_functional.typing import HostArray, Shape, Spacing

__all__ = [
    "list_case_segments",
    "load_archive",
    "load_archive_labels",
    "load_b2nd_labels",
    "load_case_segments",
    "open_b2nd",
    "write_b2nd",
]

_NO_PLANS = ("dataset.json", "dataset_fingerprint.json", "splits_final.json")
"""What lies beside plans and is none."""

_MAX_JSON = 16 << 20
"""Largest file of JSON; plans and `dataset.json` have some 10 kB."""

_SEGMENTATION_ENDING = "_seg"
"""What the name of a segmentation ends in, before `.b2nd`."""

_LARGEST_LABEL = (1 << 15) - 1
"""Segmentations have integers of 16 bits."""

_VERSION_1 = "nnUNetData_plans"
"""How folders of nnU-Net 1 begin, in whose archives the segmentation is the last channel."""


def open_b2nd(path: Path, request: OpenRequest) -> StoredImage:
    """Return a case without its voxels, with channels behind, one as none."""
    found = parse_blosc2(path, request.max_bytes)
    if len(found.shape) != 4:
        invalid_file(path, f"it has {len(found.shape)} axes; arrays of nnU-Net have four, the first of channels")
    axes = (1, 2, 3, 0) if found.shape[0] > 1 else (1, 2, 3)
    return StoredImage(
        shape=tuple(found.shape[axis] for axis in axes), dtype=found.dtype.newbyteorder("="),
        geometry=_case_grid(path, found.shape[1:], request.spacing), scale=(1.0, 0.0), intent=0,
        max_bytes=request.max_bytes, array=found, axes=axes, root=path.parent, levels=(),
    )  # fmt: skip


def write_b2nd(draft: Path, array: HostArray, geometry: Geometry, request: WriteRequest) -> None:
    """Write a case as nnU-Net does, with channels in front; its place has to be the one that it will be read with."""
    if len(geometry.shape) != 3:
        checks.invalid_value("write", "geometry", "have 3 axes for `.b2nd`", geometry.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is lost, which is compared
        place = _case_grid(request.path, geometry.shape, None)
    if moved := describe_differences(geometry, place):
        needed = (
            f"be {place} for `.b2nd`, which holds no place: the spacing of the plans beside its folder, or 1, and the "
            "origin 0"
        )
        checks.invalid_value("write", "geometry", needed, moved)
    write_blosc2(draft, np.moveaxis(array, -1, 0) if array.ndim == 4 else array[None])


def load_archive(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the image of an archive: that of a case, or the only array that it has."""
    kept = {1: slice(None, -1), 2: slice(None)}.get(_version_of(path))
    if kept is None:
        return load_npz(path, max_bytes, spacing)
    array = _checked(path, load_member(path, "data", max_bytes))[kept]
    return _behind(array), _case_grid(path, array.shape[1:], spacing)


def load_b2nd_labels(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the segmentation of a case, with background where nnU-Net found no body."""
    image = open_b2nd(path, OpenRequest(max_bytes, None, spacing))
    return _without_surroundings(image[...]), image.geometry


def load_archive_labels(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the segmentation of an archive: that of a case, or the only array that it has."""
    name, kept = {1: ("data", slice(-1, None)), 2: ("seg", slice(None))}.get(_version_of(path), ("", slice(None)))
    if not name:
        return load_npz(path, max_bytes, spacing)
    array = _checked(path, load_member(path, name, max_bytes))[kept]
    return _without_surroundings(_behind(array)), _case_grid(path, array.shape[1:], spacing)


def _without_surroundings(array: HostArray) -> HostArray:
    """Return labels in which -1, the mark of nnU-Net for what was empty around the body, is the background."""
    if array.dtype.kind != "u":
        array[array == -1] = 0
    return array


def _version_of(path: Path) -> int:
    """Return which version of nnU-Net made an archive of a case, or 0 if none did."""
    names = archive_names(path)
    if set(names) == {"data", "seg"}:
        return 2
    return int(names == ["data"] and path.absolute().parent.name.startswith(_VERSION_1))


def _checked(path: Path, array: HostArray) -> HostArray:
    """Return an array with channels in front; raise for one of other axes."""
    if array.ndim != 4 or (len(array) < 2 and _version_of(path) == 1):
        invalid_file(path, f"it holds the shape {array.shape}; arrays of nnU-Net have channels and three axes")
    return array


def _behind(array: HostArray) -> HostArray:
    """Return an array whose channels are in front with them behind, one as none."""
    return array[0] if len(array) == 1 else np.moveaxis(array, 0, -1)


def _case_grid(path: Path, shape: Shape, spacing: Spacing | None) -> Geometry:
    """Return the grid of a case, which the plans beside its folder state."""
    stated, order = _plans_of(path.absolute().parent) or ((), (0, 1, 2))
    if not stated:
        steps = spacing_or_one(path, spacing, 3)
    elif len(stated) == 3:
        steps = stated
    elif spacing is not None:
        steps = (checks.spacing("read", spacing, 3)[0], *stated)
    elif shape[0] == 1:  # an image of two axes, between whose slices there is nothing
        steps = (1.0, *stated)
    else:
        invalid_file(path, "its plans are of single slices, and state no distance of them; pass `spacing`")
    if spacing is not None:
        check_spacing(path, spacing, steps)
    # Without the name of the file, so that a cohort is told once.
    text = (
        "read: preprocessed cases of nnU-Net have lost origin and direction; all lie at 0, along the axes of the world."
    )
    warnings.warn(text, stacklevel=2)
    direction = tuple(tuple(float(order[axis] == row) for axis in range(3)) for row in range(3))
    return Geometry(shape=shape, spacing=steps, direction=direction)


def _plans_of(folder: Path) -> tuple[Spacing, tuple[int, ...]] | None:
    """Return the spacing of the axes of a folder's arrays (the last two of slices), and what axes they were before.

    None if no plans beside the folder have a configuration whose data it holds.
    """
    found: dict[tuple[Spacing, tuple[int, ...]], Path] = {}
    for path in sorted(folder.parent.glob("*.json")):
        plans: dict[str, Any] = {} if path.name in _NO_PLANS else _object_in(path) or {}
        configurations = plans.get("configurations")
        for name in configurations if isinstance(configurations, dict) else ():
            settings = _settings(plans["configurations"], name)
            if settings.get("data_identifier") == folder.name:
                axes = _plan_axes(path, settings.get("spacing"), plans.get("transpose_forward", [0, 1, 2]))
                found[axes] = path
    if len(found) > 1:
        names = ", ".join(path.name for path in found.values())
        invalid_file(folder, f"several plans beside it disagree on its spacing: {names}")
    return next(iter(found), None)


def _object_in(path: Path) -> dict[str, Any] | None:
    """Return the object in a file of JSON; None if it is none, or far too large."""
    if not path.is_file() or path.stat().st_size > _MAX_JSON:
        return None
    try:
        facts = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # deep nesting overflows the recursion of the parser
        return None
    return facts if isinstance(facts, dict) else None


def _settings(configurations: dict[str, Any], name: object) -> dict[str, Any]:
    """Return the settings of a configuration, with those that it inherits."""
    chain: list[dict[str, Any]] = []
    seen: set[str] = set()
    # A circle of names ends the walk, as a name that is not there does.
    while isinstance(name, str) and name not in seen and isinstance(own := configurations.get(name), dict):
        seen.add(name)
        chain.append(own)
        name = own.get("inherits_from")
    return {key: value for own in reversed(chain) for key, value in own.items()}


def _plan_axes(path: Path, steps: Any, order: Any) -> tuple[Spacing, tuple[int, ...]]:
    """Return spacing and order of axes, which plans state; raise unless they are such."""
    spaced = isinstance(steps, list) and len(steps) in (2, 3)
    # From a picometre to a kilometre, as everywhere.
    if not spaced or not all(type(step) in (int, float) and 1e-9 <= step <= 1e6 for step in steps):
        invalid_file(path, f"it states the spacing {str(steps)[:80]}")
    if not isinstance(order, list) or not all(type(axis) is int for axis in order) or sorted(order) != [0, 1, 2]:
        invalid_file(path, f"its transpose_forward is {str(order)[:80]}")
    return tuple(map(float, steps)), tuple(order)


def list_case_segments(path: Path) -> tuple[Segment, ...] | None:
    """Return the labels that `dataset.json` beside the folder of a segmentation names; None where they overlap."""
    name = path.name.lower()
    if not name.endswith(f"{_SEGMENTATION_ENDING}.b2nd") and (not name.endswith(".npz") or not _version_of(path)):
        return None
    labels = (_object_in(path.absolute().parent.parent / "dataset.json") or {}).get("labels")
    if not isinstance(labels, dict):
        return None
    # Version 1 mapped numbers to names, version 2 maps names to numbers, or to lists of them.
    by_number = all(key.isdecimal() and isinstance(text, str) for key, text in labels.items())
    pairs = [(int(key), text) if by_number else (text, key) for key, text in labels.items()]
    numbers = [number for number, _ in pairs]
    if not all(type(number) is int and number <= _LARGEST_LABEL for number in numbers) or len(set(numbers)) < len(
        pairs
    ):
        return None
    return tuple(Segment(label=label, name=text) for label, text in pairs if label > 0 and text != "ignore")


def load_case_segments(path: Path, request: SegmentRequest) -> Segmentation:
    """Return the segmentation of a case; what is no label is background."""
    if request.reference is not None:
        needed = "be left out for preprocessed cases of nnU-Net, which have lost their place"
        checks.invalid_value("read_segmentation", "reference", needed, path)
    is_archive = path.name.lower().endswith(".npz")
    load = load_archive_labels if is_archive else load_b2nd_labels
    array, geometry = load(path, request.max_bytes, None)
    if array.ndim != 3 or (array.dtype.kind == "f" and not np.array_equal(array, np.rint(array))):
        invalid_file(path, f"it holds {array.dtype} of shape {array.shape}, and no segmentation")
    segments = list_case_segments(path)
    if segments is None:
        values = [int(value) for value in np.unique(array) if 0 < value <= _LARGEST_LABEL]
        segments = tuple(Segment(label=value, name=f"Segment_{value}") for value in values)
    if not request.channels:
        dtype = np.min_scalar_type(max((own.label for own in segments), default=0))
        labels = renumbered(array, {own.label: own.label for own in segments}, dtype)
        return Segmentation(labels, segments, geometry)
    nbytes = array.size * len(segments)
    if nbytes > request.max_bytes:
        invalid_file(path, f"its {len(segments)} segments take {nbytes} bytes, and `max_bytes` is {request.max_bytes}")
    masks = np.empty((*array.shape, len(segments)), np.uint8)
    for number, own in enumerate(segments):
        np.equal(array, own.label, out=masks[..., number], casting="unsafe")
    return Segmentation(masks, segments, geometry)
