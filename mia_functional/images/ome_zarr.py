"""OME-Zarr 0.4 and 0.5: which array of a store is an image, what its axes are, and where its levels lie.

The place of a level is what the file states: the transformations of its dataset, then those of its pyramid. They map
the index of a voxel centre to lengths along the axes, which have no direction in the patient unless the file says so.
"""

import math
import operator
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images._zarr.metadata import ZarrArray, ZarrNode, inside_store, read_node, zarr_array
from mia_functional.images.header import check_spacing, invalid_file, millimetres
from mia_functional.typing import Shape, Spacing

__all__ = ["Level", "Pyramid", "Scaling", "find_pyramid", "label_images", "level_geometry", "ome_attributes"]

_VERSIONS = ("0.4", "0.5")

_SECONDS_BY_UNIT = {
    "": 1.0, "second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "nanosecond": 1e-9, "minute": 60.0,
    "hour": 3600.0, "day": 86400.0,
}  # fmt: skip
"""Seconds in the units of time that the format names; without a unit, times are taken as they are."""

_SPACE, _TIME = "zyx", "t"
"""Names of axes that say what they are if no type does, in the order of our arrays."""

_ANATOMICAL = {
    "right-to-left": (2, 1.0), "left-to-right": (2, -1.0), "anterior-to-posterior": (1, 1.0),
    "posterior-to-anterior": (1, -1.0), "inferior-to-superior": (0, 1.0), "superior-to-inferior": (0, -1.0),
}  # fmt: skip
"""By the words of RFC-4 of NGFF, the axis of the world (z, y, x) that an axis runs along, and in which direction."""

_SAME_PLACE, _OTHER_PLACE = 0.01, 0.5
"""Voxels of a level by which its first voxel may lie off the middle of those that it stands for: without a word, since
that is rounding; and with a warning, since it may be one of those."""


class Scaling(NamedTuple):
    """What the transformations of a level make of an index: `scale * index + translation`, in the units of the axes."""

    scale: tuple[float, ...]
    translation: tuple[float, ...]


class Level(NamedTuple):
    """One level of a pyramid: the path that names it, its array, and its transformations."""

    name: str
    array: ZarrArray
    scaling: Scaling


class Pyramid(NamedTuple):
    """An image of one or more levels.

    Args:
        root: Its folder.
        attributes: Those of OME.
        space: The axes of the arrays that are of space, in the order z, y, x.
        time: The axis of time, if it has one.
        channel: The axis of channels, if it has one.
        units: The unit of every axis; empty if there is none.
        orientations: For every axis of space, that of the world that it runs along, and its sign; empty if unknown.
        first: The level of the best resolution.
        level: The level that was asked for.
        levels: The paths of all levels.
    """

    root: Path
    attributes: Mapping[str, Any]
    space: Shape
    time: int | None
    channel: int | None
    units: tuple[str, ...]
    orientations: tuple[tuple[int, float], ...]
    first: Level
    level: Level
    levels: tuple[str, ...]


def find_pyramid(path: Path) -> Pyramid:
    """Return the image at a path in a store: that of a group, at its first level, or a level by the path of its array.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It is no image, or the file contradicts itself.
    """
    if not path.exists():
        raise FileNotFoundError(f"read: {path} does not exist.")
    root, name = path, ""
    node = read_node(path)
    # Levels may lie deeper than in the folder of their image, in groups of their own.
    while node is None or "multiscales" not in ome_attributes(node):
        if node is not None and not node.is_array:
            _check_collection(node)
        if root.name.lower().endswith(".zarr") or root.parent == root:
            kind = "an array without the metadata of OME" if node is not None and node.is_array else "no image of OME"
            invalid_file(path, f"it is {kind}, of version 0.4 or 0.5")
        name = f"{root.name}/{name}" if name else root.name
        root = root.parent
        node = read_node(root)
    attributes = ome_attributes(node)
    entries = attributes["multiscales"]
    if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
        invalid_file(root, "it does not hold one image with levels, but none or several")
    version = attributes.get("version", entries[0].get("version", "0.4"))
    if version not in _VERSIONS:
        invalid_file(root, f"its version of OME-Zarr is {_brief(version)}; {' and '.join(_VERSIONS)} are read")
    axes = _image_axes(root, entries[0].get("axes"))
    datasets = entries[0].get("datasets")
    if not isinstance(datasets, list) or not datasets or not all(isinstance(entry, dict) for entry in datasets):
        invalid_file(root, "it names no levels")
    chosen = [entry for entry in datasets if entry.get("path") == name] if name else datasets[:1]
    if len(chosen) != 1:
        options = ", ".join(str(entry.get("path"))[:20] for entry in datasets[:10])
        invalid_file(path, f"it is none of the levels {options} of {root}")
    outer = entries[0].get("coordinateTransformations")
    first, level = (_level(root, entry, outer, axes) for entry in (datasets[0], chosen[0]))
    levels = tuple(str(entry.get("path")) for entry in datasets)
    return _pyramid_of(axes, Pyramid(root, attributes, (), None, None, (), (), first, level, levels))


def ome_attributes(node: ZarrNode) -> Mapping[str, Any]:
    """Return the attributes of OME: since 0.5 they lie in one of their own."""
    inner = node.attributes.get("ome")
    return inner if isinstance(inner, dict) else node.attributes


def label_images(pyramid: Pyramid) -> dict[str, Path]:
    """Return the folders of the label images beside an image, by name; nothing if there are none."""
    node = read_node(pyramid.root / "labels")
    names = [] if node is None else ome_attributes(node).get("labels", [])
    if not isinstance(names, list):
        invalid_file(pyramid.root / "labels", "its list of labels is none")
    return {str(name): inside_store(pyramid.root / "labels", name) for name in names}


def _check_collection(node: ZarrNode) -> None:
    """Raise for a group that holds images without being one, in a sentence that says what to name instead."""
    attributes = ome_attributes(node)
    if "plate" in attributes or "well" in attributes:
        text = "it is a plate with wells, or a well; name the image of one field in it, such as PLATE.ome.zarr/A/1/0"
        invalid_file(node.path, text)
    if "bioformats2raw.layout" in attributes:
        invalid_file(node.path, f"it is a collection of images; name one of them, such as {node.path}/0")
    if isinstance(attributes.get("labels"), list):
        names = ", ".join(_brief(name) for name in attributes["labels"][:10])
        invalid_file(node.path, f"it is a list of the label images {names}; name one of them")


class _OmeAxis(NamedTuple):
    """An axis as the file describes it; `orientation` is a word of RFC-4, or empty."""

    name: str
    kind: str
    unit: str
    orientation: str


def _image_axes(root: Path, value: object) -> list[_OmeAxis]:
    """Return the axes of an image; raise unless they are two or three of space, and up to one of time and channels."""
    axes = []
    for entry in value if isinstance(value, list) else []:
        fields: Any = entry if isinstance(entry, dict) else {}
        name, unit, orientation = fields.get("name"), fields.get("unit", ""), fields.get("orientation")
        known = "time" if name == _TIME else "channel" if name == "c" else "space" if str(name) in _SPACE else None
        kind, word = fields.get("type", known), orientation.get("value") if isinstance(orientation, dict) else None
        if not isinstance(name, str) or not name or kind not in ("space", "time", "channel"):
            invalid_file(root, f"its axis {_brief(entry)} is none of space, time or channels")
        if not isinstance(unit, str | None) or (orientation is not None and word not in _ANATOMICAL):
            invalid_file(root, f"its axis {_brief(entry)} has a unit or an orientation that is not known")
        axes.append(_OmeAxis(name, kind, unit or "", word or ""))
    kinds = [axis.kind for axis in axes]
    is_usual = kinds.count("space") in (2, 3) and kinds.count("time") < 2 and kinds.count("channel") < 2
    if not is_usual or len({axis.name for axis in axes}) < len(axes):
        invalid_file(root, f"its axes are {_brief([axis.name for axis in axes])}; two or three of space are read")
    return axes


def _pyramid_of(axes: Sequence[_OmeAxis], found: Pyramid) -> Pyramid:
    """Return the record of an image with what its axes are; raise unless its levels are on them, and fit each other."""
    root, names, kinds = found.root, [axis.name for axis in axes], [axis.kind for axis in axes]
    space = [number for number, kind in enumerate(kinds) if kind == "space"]
    # By their names, if these are the usual ones: some writers store x first.
    if {names[number] for number in space} <= set(_SPACE):
        space.sort(key=lambda number: _SPACE.index(names[number]))
    words = [axes[number].orientation for number in space]
    turns = tuple(_ANATOMICAL[word] for word in words) if all(words) and len(words) == 3 else ()
    if (turns and len({axis for axis, _ in turns}) < 3) or (any(words) and not turns):
        invalid_file(root, f"its axes have the orientations {_brief(words)}, which are not those of a volume")
    for entry in (found.first, found.level):
        stated = [stated for stated in entry.array.names if stated is not None]
        if len(entry.array.shape) != len(axes) or (stated and list(entry.array.names) != names):
            actual = entry.array.names if stated else entry.array.shape
            invalid_file(root, f"its level {entry.name} has the axes {_brief(actual)}, and not {_brief(names)}")
    _check_level(root, space, found.first, found.level)
    return found._replace(
        space=tuple(space), time=kinds.index("time") if "time" in kinds else None,
        channel=kinds.index("channel") if "channel" in kinds else None, units=tuple(axis.unit for axis in axes),
        orientations=turns,
    )  # fmt: skip


def _level(root: Path, entry: Mapping[str, Any], outer: object, axes: Sequence[_OmeAxis]) -> Level:
    """Return a level that a pyramid names."""
    path = inside_store(root, entry.get("path"))
    node = read_node(path)
    if node is None or not node.is_array:
        invalid_file(root, f"its level {entry['path']} is no array")
    if entry.get("coordinateTransformations") is None:
        invalid_file(root, f"its level {entry['path']} has no coordinateTransformations, which hold its scale")
    inner = _scaling_of(root, entry["coordinateTransformations"], len(axes))
    last = _scaling_of(root, outer, len(axes)) if outer else Scaling((1.0,) * len(axes), (0.0,) * len(axes))
    # Python's numbers become infinite without a warning.
    scale = tuple(map(operator.mul, inner.scale, last.scale))
    moved = map(operator.mul, inner.translation, last.scale)
    shift = tuple(map(operator.add, moved, last.translation))
    if not all(map(math.isfinite, (*scale, *shift))):
        invalid_file(root, f"its level {entry['path']} has the scale {scale} and the translation {shift}")
    return Level(str(entry["path"]), zarr_array(node), Scaling(scale, shift))


def _scaling_of(root: Path, value: object, ndim: int) -> Scaling:
    """Return the scale and the translation of a list of transformations: the one first, then the other, if there is."""
    steps: Any = value if isinstance(value, list) and all(isinstance(step, dict) for step in value) else []
    if [step.get("type") for step in steps] not in (["scale"], ["scale", "translation"]):
        kinds = _brief([step.get("type") for step in steps])
        invalid_file(root, f"its coordinateTransformations are {kinds}; a scale, and then a translation, are read")
    numbers = [step.get(step["type"]) for step in steps]
    for entries in numbers:
        is_vector = isinstance(entries, list) and len(entries) == ndim
        if not is_vector or not all(type(n) in (int, float) and abs(n) < math.inf for n in entries):
            invalid_file(root, f"its coordinateTransformations hold {_brief(entries)}, and not {ndim} numbers")
    if min(numbers[0]) <= 0:
        invalid_file(root, f"its scale is {_brief(numbers[0])}; sizes of voxels are above 0")
    return Scaling(tuple(map(float, numbers[0])), tuple(map(float, (*numbers[1:], [0.0] * ndim)[0])))


def _check_level(root: Path, space: Sequence[int], first: Level, level: Level) -> None:
    """Raise if a level cannot be of the same image as the first; warn if it may lie elsewhere than it says.

    Levels made of means or by interpolation have their first voxel in the middle of those that it stands for,
    `(q - 1) / 2` voxels from that of the first level, with `q` the quotient of scales. Levels of every q-th voxel may
    begin at any of these. Many writers state no translation, whichever of the two they made (bioformats2raw).
    """
    offsets = []
    for axis in space:
        (fine, begin), (coarse, start) = (
            (entry.scaling.scale[axis], entry.scaling.translation[axis]) for entry in (first, level)
        )
        size, count, factor = first.array.shape[axis], level.array.shape[axis], coarse / fine
        # Voxels of the level cover the image but for less than one: what is left over is dropped, or filled up.
        if factor < 1 - 1e-6 or abs(size - factor * count) >= factor * (1 - 1e-6):
            text = f"its level {level.name} has voxels {factor:.6g} times as long, and {count} of them for {size}"
            invalid_file(root, text)
        offsets.append(abs((start - begin) / coarse - (1 - 1 / factor) / 2))
    if max(offsets) > _OTHER_PLACE + 1e-6:
        invalid_file(root, f"its level {level.name} lies {max(offsets):.3g} of its voxels beside level {first.name}")
    if max(offsets) > _SAME_PLACE:
        text = (
            f"read: level {level.name} of an OME-Zarr image begins where level {first.name} does, up to "
            f"{max(offsets):.2g} of its voxels. This is right for every n-th voxel, and wrong for means, of which the "
            "file would have to state the translation."
        )
        warnings.warn(text, stacklevel=2)


def level_geometry(path: Path, pyramid: Pyramid, spacing: Spacing | None) -> Geometry:
    """Return where a level lies: its axes of space, behind that of time if there are several time points.

    Without orientations the axes are those of the world, as in a file without a direction. Lengths without a unit are
    taken for millimetres, with a warning; `spacing` in millimetres says what they are.
    """
    scaling, shape = pyramid.level.scaling, pyramid.level.array.shape
    units = [pyramid.units[axis] for axis in pyramid.space]
    steps = [scaling.scale[axis] for axis in pyramid.space]
    factors = _length_factors(path, units, steps, spacing)
    sizes = [shape[axis] for axis in pyramid.space]
    lengths = list(map(operator.mul, steps, factors))
    turns = pyramid.orientations or tuple((axis, 1.0) for axis in range(len(sizes)))
    direction, origin = np.zeros((len(sizes),) * 2), [0.0] * len(sizes)
    for column, (row, sign) in enumerate(turns):
        direction[row, column] = sign
        origin[row] = sign * scaling.translation[pyramid.space[column]] * factors[column] + 0.0  # and not -0.0
    if not np.array_equal(direction, np.eye(len(sizes))) and any(
        pyramid.first.scaling.translation[axis] for axis in pyramid.space
    ):
        # RFC-4 does not say where coordinates are 0. They grow along the axis, so that the first voxel would lie to the
        # right of that place by the translation; for ngff-zarr 0.50 the translation is the first voxel in (L, P, S).
        words = "runs along others than left, posterior and superior, and does not begin at 0"
        invalid_file(path, f"its grid {words}: where that is depends on the program that wrote it")
    if pyramid.time is not None and shape[pyramid.time] > 1:
        if len(sizes) < 3:
            invalid_file(path, "it holds several time points of a plane; those of volumes are read")
        if (seconds := _SECONDS_BY_UNIT.get(pyramid.units[pyramid.time])) is None:
            invalid_file(path, f"its times are in {_brief(pyramid.units[pyramid.time])}; units of time are read")
        sizes.insert(0, shape[pyramid.time])
        lengths.insert(0, scaling.scale[pyramid.time] * seconds)
        origin.insert(0, scaling.translation[pyramid.time] * seconds)
        direction = np.pad(direction, ((1, 0), (1, 0)))
        direction[0, 0] = 1.0
    try:
        return Geometry(
            shape=tuple(sizes), spacing=tuple(lengths), origin=tuple(origin),
            direction=tuple(map(tuple, direction.tolist())),
        )  # fmt: skip
    except ValueError as error:
        invalid_file(path, f"its geometry is invalid: {str(error).partition(': ')[2].removesuffix('.')}")


def _length_factors(path: Path, units: Sequence[str], steps: Sequence[float], spacing: Spacing | None) -> list[float]:
    """Return the millimetres in the unit of every axis of space."""
    if any(units):
        if not all(units):
            invalid_file(path, f"its axes have the units {_brief(units)}; all of space have one, or none")
        factors = [millimetres(path, "axes", unit) for unit in units]
        if spacing is not None:
            check_spacing(path, spacing, tuple(map(operator.mul, steps, factors)))
        return factors
    if spacing is not None:
        given = checks.spacing("read", spacing, len(steps))
        return [wanted / step for wanted, step in zip(given, steps, strict=True)]
    # Without the name of the file, so that a cohort is told once.
    text = "read: OME-Zarr images without a unit are taken to be in millimetres; pass `spacing` if they are not."
    warnings.warn(text, stacklevel=2)
    return [1.0] * len(steps)


def _brief(value: object) -> str:
    """Return how a value that a file states looks in a message, on one line that is not long."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}..."
