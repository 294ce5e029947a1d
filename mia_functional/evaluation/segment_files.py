"""Files whose segments have names, in an evaluation: which labels there are, and both of a pair on one grid."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional.geometry import Geometry, regrid, same_geometry, world_to_index
from mia_functional.images.labels import label_map
from mia_functional.typing import HostArray

__all__ = ["read_named_pair", "segment_labels"]

_ReadPlain: TypeAlias = Callable[[str], tuple[HostArray, Geometry]]


_INNER = ("read", "read_labels", "read_channels", "read_segmentation", "read_segments", "label_map")
"""Functions that read files, in whose place messages name that which was called."""


def segment_labels(function: str, paths: Iterable[str]) -> dict[int, str] | None:
    """Return the labels of segments that files name, and their names; None if no file names any.

    The labels are those of the files if they agree about them, or else 1, 2, 3 and so on in the order in which the
    names come. Files that cannot be read are left to the evaluation, which says why.

    Args:
        function: Name for messages.
        paths: Image files of any format.

    Raises:
        ValueError: Some files name segments and others do not, or one gives a name to two.
    """
    named: dict[str, dict[int, str]] = {}
    nameless = ""
    for path in paths:
        try:
            segments = images.read_segments(path)
        except (ValueError, OSError):
            continue
        if segments is None:
            nameless = nameless or path
        else:
            named[path] = {segment.label: segment.name for segment in segments}
            if len(set(named[path].values())) < len(segments):
                needed = "be given, as two segments of a file have one name"
                checks.invalid_value(function, "labels", needed, f"none, and {path}")
    if named and nameless:
        path, found = next(iter(named.items()))
        example = " ".join(f"{label}={name}" for label, name in found.items())
        needed = f"be given, as {nameless} does not name its labels"
        checks.invalid_value(function, "labels", needed, f"none, and {path} names {example}")
    pairs = dict.fromkeys(pair for found in named.values() for pair in found.items())
    names = dict.fromkeys(name for _, name in pairs)
    if len(names) == len(pairs) == len({label for label, _ in pairs}):
        return dict(sorted(pairs)) or None
    return dict(enumerate(names, start=1))


def read_named_pair(
    function: str,
    prediction: str,
    reference: str,
    *,
    labels: Mapping[str, int] | None,
    channels: bool,
    load: _ReadPlain,
    grid: Geometry | None = None,
) -> tuple[tuple[HostArray, Geometry], tuple[HostArray, Geometry]]:
    """Return the arrays and grids of a prediction and a reference.

    What names segments often ends with the last slice in which there is something, or has no grid at all: it is put
    onto the grid of the other file, or if both name segments, onto the smallest one that holds both.

    Args:
        function: Name for messages.
        prediction: A file.
        reference: Another one.
        labels: The label of each name in the evaluation; None for those of the files.
        channels: Whether segments become channels.
        load: Reads a file that names no segments.
        grid: That of an image beside them, onto which both are put if both name segments.
    """
    arguments = {"predictions": prediction, "references": reference}
    speaking = {argument: partial(checks.speaking_for, function, *_INNER, path=argument) for argument in arguments}
    plain, named = {}, []
    for argument, path in arguments.items():
        with speaking[argument]():
            if images.read_segments(path) is None:
                plain[argument] = load(path)
            else:
                named.append(argument)
    if not named:
        return plain["predictions"], plain["references"]
    found, target = dict(plain), next((own for _, own in plain.values()), grid)
    for argument in named:
        with speaking[argument]():
            found[argument] = _read_onto(arguments[argument], target, labels, channels=channels)
    first, second = found["predictions"], found["references"]
    if len(named) == 2 and not same_geometry(first[1], second[1]):
        covering = _covering_grid(second[1], first[1])
        first, second = (_read_onto(path, covering, labels, channels=channels) for path in arguments.values())
    return first, second


def _read_onto(
    path: str, grid: Geometry | None, labels: Mapping[str, int] | None, *, channels: bool
) -> tuple[HostArray, Geometry]:
    """Return the label map or the channels of a file, on a grid if its voxels are those of it, or else on its own."""
    try:
        array, segments, geometry = images.read_segmentation(path, grid, channels=channels)
    except ValueError:
        if grid is None:
            raise
        array, segments, geometry = images.read_segmentation(path, channels=channels)
    if channels:
        return array, geometry
    array = label_map(array, geometry, Path(path))
    if labels is None or all(labels.get(segment.name) == segment.label for segment in segments):
        return array, geometry
    becomes = np.zeros(int(max(segment.label for segment in segments)) + 1, np.int32)
    for segment in segments:
        becomes[segment.label] = labels[segment.name]
    return becomes[array], geometry


def _covering_grid(grid: Geometry, other: Geometry) -> Geometry | None:
    """Return the smallest grid with the voxels of one that holds another as well; None if they do not fit."""
    if len(grid.shape) != len(other.shape):
        return None
    corners = np.array([
        world_to_index(grid, tuple(np.add(other.origin, np.array(other.direction) @ np.multiply(other.spacing, index))))
        for index in (np.zeros(len(other.shape)), np.subtract(other.shape, 1))
    ])  # fmt: skip
    lowest = np.minimum(np.rint(corners.min(axis=0)), 0)
    highest = np.maximum(np.rint(corners.max(axis=0)), np.subtract(grid.shape, 1))
    return regrid(grid, tuple(int(size) for size in highest - lowest + 1), tuple(lowest.tolist()))
