"""RT structure sets: contours in millimetres to segments on the grid of the series that they were drawn on."""

import math
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images._dicom.header import DicomObject, frame_of_reference, pydicom_reads
from mia_functional.images.header import invalid_file
from mia_functional.images.rasterisation import Box, Rule, boxed_mask, overlapping_polygon
from mia_functional.images.segments import Code, Segment, Segmentation, SegmentRequest
from mia_functional.typing import HostArray, Spacing

__all__ = [
    "BETWEEN",
    "OVERLAPS",
    "STRUCTURE_SET",
    "Between",
    "ContourOverlap",
    "ContourRules",
    "list_structures",
    "load_structures",
    "refuse_structures",
]  # fmt: skip

Between = Literal["error", "empty", "nearest", "interpolate"]
ContourOverlap = Literal["error", "union", "exclusive"]

BETWEEN: tuple[Between, ...] = ("error", "empty", "nearest", "interpolate")
OVERLAPS: tuple[ContourOverlap, ...] = ("error", "union", "exclusive")

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
"""The identifier of the class of objects."""

_CLOSED, _CLOSED_XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"

_CONTOUR_DATA = 0x30060050

_ON_SLICE = 0.1
"""How far a contour may lie from a slice, or its points from a plane, as a fraction of the distance of slices."""

_MAX_COORDINATE = 1e6
"""Millimetres from the origin to a point, a kilometre: more is damage."""

_MAX_LABEL = (1 << 16) - 1


class ContourRules(NamedTuple):
    """How contours become voxels.

    Args:
        rule: Which pixels of a plane are inside, as in `rasterisation.polygon_mask`.
        between: What becomes of slices without a contour between others, and of contours between slices.
        overlapping: What becomes of two contours of one structure in one plane that overlap in part.
        names: Of the structures that are read; all by default.
    """

    rule: Rule = "pixel_centre"
    between: Between = "error"
    overlapping: ContourOverlap = "error"
    names: Collection[str] | None = None


_STRICT = ContourRules()


class _Structure(NamedTuple):
    """A segment, the identifier of the frame of reference of its points, and its contours.

    Args:
        contours: Points `(points, 3)`, (x, y, z) in millimetres.
        exclusive: Whether the file says that contours are joined by exclusive or.
    """

    segment: Segment
    frame: str
    contours: Sequence[HostArray]
    exclusive: bool


class _ContourPlane(NamedTuple):
    """The contours of a structure in one plane: its height in slices, and polygons in (row, column)."""

    height: float
    polygons: Sequence[HostArray]


class _SlicePart(NamedTuple):
    """A part of one slice that belongs to a structure."""

    number: int
    box: Box
    mask: HostArray


def refuse_structures(found: DicomObject, _max_bytes: int, _spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Raise: contours have no voxels without the grid that they were drawn on."""
    text = (
        "it holds contours, which have no voxels of their own; `read_segmentation(path, reference)` puts them on a grid"
    )
    invalid_file(found.path, text)


def list_structures(found: DicomObject) -> tuple[Segment, ...]:
    """Return the structures of an RT structure set, in the order of the file, but those of points and open lines."""
    with pydicom_reads(found.path):
        return tuple(structure.segment for structure in _structures(found, None, read_points=False))


def load_structures(found: DicomObject, request: SegmentRequest, *, rules: ContourRules = _STRICT) -> Segmentation:
    """Return the structures of an RT structure set on the grid of a reference, which it does not have itself."""
    path, reference = found.path, request.reference
    if found.kind != STRUCTURE_SET:
        invalid_file(path, "it is no RT structure set")
    if reference is None:
        invalid_file(path, "it holds contours, which have no grid of their own: pass the series or grid as `reference`")
    grid = reference.geometry
    if len(grid.shape) != 3:
        invalid_file(path, f"its contours need a grid of 3 axes, and that of `reference` has {len(grid.shape)}")
    with pydicom_reads(path):
        structures = _structures(found, rules.names, read_points=True)
    if not structures:
        invalid_file(path, "it holds no closed contours")
    if reference.series is not None:
        _check_frame(found, structures, reference.series)
    axis, placed = _placed(found, structures, grid)
    dtype = np.dtype(np.uint8 if max(entry.segment.label for entry in structures) < 256 else np.uint16)
    nbytes = math.prod(grid.shape) * (len(structures) if request.channels else dtype.itemsize)
    if nbytes > request.max_bytes:
        invalid_file(path, f"its structures take {nbytes} bytes on that grid, and `max_bytes` is {request.max_bytes}")
    segments, sides = tuple(structure.segment for structure in structures), np.delete(grid.shape, axis)
    # Parts are made anew for channels: to keep those of all structures could take as much as all their channels.
    parts = [
        partial(_slice_parts, found, structure, planes, (int(sides[0]), int(sides[1])), grid.shape[axis], rules)
        for structure, planes in zip(structures, placed, strict=True)
    ]
    if not request.channels:
        labels = np.zeros(grid.shape, dtype)
        if _fill_labels(np.moveaxis(labels, axis, 0), segments, parts):
            return Segmentation(labels, segments, grid)
    if (nbytes := math.prod(grid.shape) * len(segments)) > request.max_bytes:
        text = f"its structures overlap: their channels take {nbytes} bytes, and `max_bytes` is {request.max_bytes}"
        invalid_file(path, text)
    channels = np.zeros((*grid.shape, len(segments)), np.uint8)
    for channel, own in enumerate(parts):
        slices = np.moveaxis(channels[..., channel], axis, 0)
        for part in own():
            slices[part.number][part.box][part.mask] = 1
    return Segmentation(channels, segments, grid)


def _fill_labels(
    slices: HostArray, segments: Sequence[Segment], parts: Sequence[Callable[[], Iterator[_SlicePart]]]
) -> bool:
    """Write labels into the slices of a grid; return whether no two structures share a voxel."""
    for segment, own in zip(segments, parts, strict=True):
        for part in own():
            target = slices[part.number][part.box]
            if target[part.mask].any():
                return False
            target[part.mask] = segment.label
    return True


def _structures(found: DicomObject, names: Collection[str] | None, *, read_points: bool) -> list[_Structure]:
    """Return the structures of these names: of closed contours, or without any contour; a warning names the others."""
    header, path = found.header, found.path
    contours = _by_number(found, header.get("ROIContourSequence"), "ReferencedROINumber")
    observations = _by_number(found, header.get("RTROIObservationsSequence"), "ReferencedROINumber", unique=False)
    items = _by_number(found, header.get("StructureSetROISequence"), "ROINumber")
    if not items:
        invalid_file(path, "it names no structures")
    if unnamed := sorted(set(contours) - set(items)):
        invalid_file(path, f"it has contours of the structures {unnamed}, which it does not name")
    known = [str(item.get("ROIName", "") or "") for item in items.values()]
    if absent := [name for name in names or () if name not in known]:
        invalid_file(path, f"it names no structure {absent[0]!r}, but {', '.join(map(repr, known))}")
    # Numbers are labels, where they can be.
    numbered = all(1 <= number <= _MAX_LABEL for number in items)
    structures, skipped = [], []
    for place, (name, (number, item)) in enumerate(zip(known, items.items(), strict=True)):
        if names is not None and name not in names:
            continue
        drawn = contours.get(number)
        sequence = [] if drawn is None else drawn.get("ContourSequence") or []
        kinds = {str(contour.get("ContourGeometricType", "")) for contour in sequence}
        if others := kinds - {_CLOSED, _CLOSED_XOR}:
            skipped.append(f"{name!r} ({', '.join(sorted(others))})")
            if not kinds & {_CLOSED, _CLOSED_XOR}:
                continue
        if len(kinds & {_CLOSED, _CLOSED_XOR}) == 2:
            invalid_file(path, f"the contours of {name!r} are {_CLOSED} and {_CLOSED_XOR}; one of both is read")
        shapes = [contour for contour in sequence if contour.get("ContourGeometricType") in (_CLOSED, _CLOSED_XOR)]
        points = [_points(found, name, contour) for contour in shapes] if read_points else []
        segment = _structure_segment(number if numbered else place + 1, name, item, drawn, observations.get(number))
        frame = str(item.get("ReferencedFrameOfReferenceUID", "") or "")
        kept = [entry for entry in points if len(entry)]
        structures.append(_Structure(segment, frame, kept, _CLOSED_XOR in kinds))
    if skipped and read_points:
        warnings.warn(f"{path}: points and open lines have no voxels and are left out: {', '.join(skipped)}.",
                      stacklevel=2)  # fmt: skip
    return structures


def _by_number(found: DicomObject, sequence: Any, field: str, *, unique: bool = True) -> dict[int, Any]:
    """Return the items of a sequence by the number of their structure; raise if two have one where that matters."""
    items: dict[int, Any] = {}
    for item in sequence or []:
        if (number := int(item[field].value)) in items and unique:
            invalid_file(found.path, f"it describes the structure {number} twice")
        items.setdefault(number, item)
    return items


def _structure_segment(label: int, name: str, item: Any, drawn: Any, observation: Any) -> Segment:
    """Return what a structure set says of a structure."""
    colour = None if drawn is None else drawn.get("ROIDisplayColor")
    codes = None if observation is None else observation.get("RTROIIdentificationCodeSequence")
    made = str(item.get("ROIGenerationAlgorithm", "") or "")
    code = None
    if codes:
        words = (str(codes[0].get(field, "") or "") for field in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
        value, scheme, meaning = words
        code = Code(value=value, scheme=scheme, meaning=meaning)
    return Segment(
        label=label,
        name=name,
        colour=(colour[0] / 255, colour[1] / 255, colour[2] / 255) if colour is not None and len(colour) == 3 else None,
        type=code,
        interpreted_type="" if observation is None else str(observation.get("RTROIInterpretedType", "") or ""),
        algorithm_type=made if made in ("AUTOMATIC", "SEMIAUTOMATIC", "MANUAL") else "",
    )


def _points(found: DicomObject, name: str, contour: Any) -> HostArray:
    """Return the points of a contour, of shape `(points, 3)`, in the order (x, y, z)."""
    # A number becomes an object of its own in pydicom, which takes twenty times as long.
    element = contour.get_item(_CONTOUR_DATA)
    value = b"" if element is None else element.value
    words = value.strip(b" \0").split(b"\\") if isinstance(value, bytes) else list(map(str, value or ()))
    words = [] if words == [b""] else words
    try:
        numbers = np.array(words).astype(np.float64)
    except ValueError:
        invalid_file(found.path, f"the points of a contour of {name!r} are no numbers")
    stated = contour.get("NumberOfContourPoints")
    if len(numbers) % 3 or (stated not in (None, "") and len(numbers) != 3 * int(stated)):
        invalid_file(found.path, f"a contour of {name!r} has {len(numbers)} coordinates for {stated} points")
    # Not a comparison with more than the limit: NaN is no number either.
    if not np.all(np.abs(numbers) <= _MAX_COORDINATE):
        invalid_file(found.path, f"a contour of {name!r} is farther than {_MAX_COORDINATE:g} mm away, or nowhere")
    return numbers.reshape(-1, 3)


def _check_frame(found: DicomObject, structures: Sequence[_Structure], folder: Path) -> None:
    """Raise if the points are in another frame of reference than the series."""
    own = frame_of_reference(folder)
    other = next((entry for entry in structures if own and entry.frame and entry.frame != own), None)
    if other is not None:
        differing = f"{other.frame}, and `reference` in {own}: their places cannot be compared"
        invalid_file(found.path, f"the contours of {other.segment.name!r} are in the frame of reference {differing}")


def _placed(
    found: DicomObject, structures: Sequence[_Structure], grid: Geometry
) -> tuple[int, list[list[_ContourPlane]]]:  # fmt: skip
    """Return the array axis across which all contours lie, and the planes of each structure, from low to high."""
    to_index = np.linalg.inv(np.array(grid.direction) * grid.spacing)
    placed = [
        [(contour[:, ::-1] - grid.origin) @ to_index.T for contour in structure.contours] for structure in structures
    ]
    spreads = np.array([np.ptp(contour, axis=0) for contours in placed for contour in contours]).reshape(-1, 3)
    axis = int(spreads.max(axis=0, initial=0).argmin())
    if len(spreads) and (worst := float(spreads[:, axis].max())) > 2 * _ON_SLICE:
        tilt = worst * grid.spacing[axis]
        invalid_file(
            found.path, f"its contours do not lie in slices of `reference`: one spans {tilt:.3g} mm across them"
        )
    others = [number for number in range(3) if number != axis]
    planes = [_contour_planes(contours, axis, others) for contours in placed]
    sides = [grid.shape[axis], *(grid.shape[other] for other in others)]
    corners = [[_plane_corners(plane) for plane in own] for own in planes]
    within = [corner for own in corners for corner in own if np.all((corner[0] < sides) & (corner[1] > -1))]
    if len(spreads) and not within:
        invalid_file(found.path, "all of its contours lie beyond the grid of `reference`")
    cut = [
        repr(structure.segment.name)
        for structure, own in zip(structures, corners, strict=True)
        if any((low < -0.5).any() or (high > np.array(sides) - 0.5).any() for low, high in own)
    ]
    if cut:
        text = f"{found.path}: contours reach beyond the grid and are cut off there: {', '.join(cut)}."
        warnings.warn(text, stacklevel=2)
    return axis, planes


def _plane_corners(plane: _ContourPlane) -> tuple[HostArray, HostArray]:
    """Return the lowest and the highest index (slice, row, column) of the contours in a plane."""
    points = np.concatenate(plane.polygons)
    return np.array([plane.height, *points.min(axis=0)]), np.array([plane.height, *points.max(axis=0)])


def _contour_planes(contours: Sequence[HostArray], axis: int, others: Sequence[int]) -> list[_ContourPlane]:
    """Return contours by the plane that they lie in; one that is nearly that of a slice is that of the slice."""
    heights = [float(contour[:, axis].mean()) for contour in contours]
    planes: list[_ContourPlane] = []
    for number in np.argsort(heights, kind="stable"):
        height, polygon = heights[number], contours[number][:, others]
        if planes and height - planes[-1].height <= _ON_SLICE:
            planes[-1] = planes[-1]._replace(polygons=[*planes[-1].polygons, polygon])
        else:
            nearest = float(round(height))
            planes.append(_ContourPlane(nearest if abs(height - nearest) <= _ON_SLICE else height, [polygon]))
    return planes


def _slice_parts(
    found: DicomObject, structure: _Structure, planes: Sequence[_ContourPlane], shape: tuple[int, int], count: int,
    rules: ContourRules,
) -> Iterator[_SlicePart]:  # fmt: skip
    """Yield the parts of all slices, from low to high, that belong to a structure."""
    masks: dict[int, tuple[Box, HostArray]] = {}
    heights = [plane.height for plane in planes]
    for number, weights in _sources(found, structure.segment.name, heights, count, rules.between):
        # Planes below are needed no more.
        masks = {
            place: masks[place] if place in masks else _plane_mask(found, structure, planes[place], shape, rules)
            for place in weights
        }
        (box, mask), *further = masks.values()
        if further:
            box, mask = _interpolated((box, mask), further[0], list(weights.values()), shape)
        yield _SlicePart(number, box, mask)


def _sources(
    found: DicomObject, name: str, heights: Sequence[float], count: int, between: Between
) -> Iterator[tuple[int, Mapping[int, float]]]:  # fmt: skip
    """Yield each slice of a structure, and the weights of the planes that it is made of, by their place in the list.

    A plane stands for what is nearer to it than to the next one, at the ends for as much as is usual between planes.
    Where two neighbours are half as far apart again as that, there is a gap in the structure.
    """
    gaps = np.diff(heights)
    usual = max(1.0, float(np.sort(gaps)[(len(gaps) - 1) // 2])) if len(gaps) else 1.0
    exact = between in ("error", "empty")
    off = [height for height in heights if height != round(height)]
    if exact and off:
        cure = '`between="nearest"` or `"interpolate"` of `read_structures` puts them on slices'
        invalid_file(found.path, f"contours of {name!r} lie between slices, at {off[0]:.3f}; {cure}")
    if between == "error" and usual > 1:
        cure = '`between="empty"`, `"nearest"` or `"interpolate"` of `read_structures` says what is between them'
        invalid_file(found.path, f"contours of {name!r} lie {usual:g} slices apart; {cure}")
    planes = np.array(heights)
    for number in range(count) if len(planes) else ():
        # Of two planes that are equally near, the upper one: half-open, as the edges of pixels are.
        nearest = len(planes) - 1 - int(np.abs(planes - number)[::-1].argmin())
        distance = number - heights[nearest]
        if abs(distance) <= _ON_SLICE:
            yield number, {nearest: 1.0}
            continue
        above = int(np.searchsorted(planes, number))
        inner = 0 < above < len(planes) and gaps[above - 1] <= 1.5 * usual
        if between == "interpolate" and inner:
            weight = float((number - planes[above - 1]) / gaps[above - 1])
            yield number, {above - 1: 1 - weight, above: weight}
        elif not exact and (inner or -usual / 2 <= distance < usual / 2):
            yield number, {nearest: 1.0}


def _plane_mask(
    found: DicomObject, structure: _Structure, plane: _ContourPlane, shape: tuple[int, int], rules: ContourRules
) -> tuple[Box, HostArray]:  # fmt: skip
    """Return what is inside of the contours of a structure in one plane."""
    polygons = plane.polygons
    if len(polygons) > 1 and not structure.exclusive and rules.overlapping != "exclusive":
        crossing = overlapping_polygon(polygons, shape)
        if crossing is not None and rules.overlapping == "error":
            where = f"overlap in part at slice {plane.height:g}, where holes and unions look the same"
            cure = '`overlapping="union"` or `overlapping="exclusive"` of `read_structures` says which it is'
            invalid_file(found.path, f"contours of {structure.segment.name!r} {where}; {cure}")
        if crossing is not None:
            box, mask = boxed_mask(polygons, shape, rule=rules.rule)
            for polygon in polygons:
                part, own = boxed_mask([polygon], shape, rule=rules.rule)
                inner = tuple(slice(p.start - b.start, p.stop - b.start) for p, b in zip(part, box, strict=True))
                mask[inner] |= own
            return box, mask
    return boxed_mask(polygons, shape, rule=rules.rule)


def _interpolated(
    lower: tuple[Box, HostArray], upper: tuple[Box, HostArray], weights: Sequence[float], shape: tuple[int, int]
) -> tuple[Box, HostArray]:
    """Return the shape between those of two planes: where the mean of their signed distances is inside.

    This is shape-based interpolation (Raya and Udupa 1990, doi 10.1109/42.52980), with Euclidean distances in pixels.
    """
    from scipy import ndimage  # loads for 0.2 s

    boxes = lower[0], upper[0]
    box = tuple(
        slice(max(min(a.start, b.start) - 1, 0), min(max(a.stop, b.stop) + 1, side))
        for a, b, side in zip(*boxes, shape, strict=True)
    )
    total = np.zeros(tuple(part.stop - part.start for part in box))
    for (part, mask), weight in zip((lower, upper), weights, strict=True):
        # What is beyond the grid is outside of the structure; SciPy has no distance where nothing is outside.
        whole = np.zeros(tuple(size + 2 for size in total.shape), bool)
        whole[tuple(slice(p.start - b.start + 1, p.stop - b.start + 1) for p, b in zip(part, box, strict=True))] = mask
        if not mask.any():
            return (box[0], box[1]), np.zeros(total.shape, bool)
        signed = ndimage.distance_transform_edt(whole) - ndimage.distance_transform_edt(~whole)
        total += weight * signed[1:-1, 1:-1]
    return (box[0], box[1]), total > 0
