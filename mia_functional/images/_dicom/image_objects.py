"""One DICOM object with pixels to an image: many frames as slices, doses, and pictures that lie nowhere.

What makes frames of an object a volume differs: the functional groups of enhanced CT, MR and PET (and of what was
converted to these) place and scale each frame, an RT dose states offsets and one factor, a single slice is a series of
one, and captures, radiographs and ultrasound have no place at all.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images._dicom.decoding import PixelLayout, check_pixels, decoded_frames, pixel_layout
from mia_functional.images._dicom.frames import FrameGroups, frame_groups
from mia_functional.images._dicom.header import DicomObject, pydicom_reads
from mia_functional.images._dicom.planes import PLANE_GROUPS, FramePlanes, frame_planes
from mia_functional.images._dicom.series import PIXEL_SPACINGS, load_series, stack_grid
from mia_functional.images._dicom.stacks import TRAIT_GROUPS, frame_stacks, stack_in_words
from mia_functional.images.checked_itk import file_geometry
from mia_functional.images.conversion import ItkGrid
from mia_functional.images.header import check_spacing, invalid_file, spacing_or_one
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_image"]

_ROOT = "1.2.840.10008.5.1.4.1.1."

_DOSE = f"{_ROOT}481.2"

_SLICES = tuple(f"{_ROOT}{kind}" for kind in ("2", "4", "128"))
"""CT, MR and PET of one slice a file: without a place they are damaged, not pictures."""

_UNREAD_CLASSES = {
    "20": "nuclear medicine, whose frames lie where detectors were",
    "6.2": "an enhanced ultrasound volume, which has a frame of reference of its own",
    "30": "a parametric map, whose values are those of real-world mappings",
    "77.1.6": "a microscopic slide, in tiles", "77.1.5.4": "an ophthalmic tomography, whose slices fan out",
}  # fmt: skip
"""Classes of objects whose frames are no slices or pictures, by what follows the root of their identifiers."""

_SCALE_GROUP, _SLOPE, _INTERCEPT = 0x00289145, 0x00281053, 0x00281052

_MAX_LISTED = 12
"""Stacks that a message lists."""

_SAME_PLACE = 1e-2
"""Millimetres by which what an RT dose states of its first plane twice may differ."""


class _Scale(NamedTuple):
    """Slope and intercept of each frame that is read: `slope * stored + intercept`; floats even if both are whole."""

    slopes: Sequence[float]
    intercepts: Sequence[float]
    floats: bool = False


def load_image(
    found: DicomObject, max_bytes: int, spacing: Spacing | None, *, stack: int | None = None
) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of an object with pixels; `stack` says which one of several stacks of frames."""
    path = found.path
    if what := _UNREAD_CLASSES.get(found.kind.removeprefix(_ROOT)):
        invalid_file(path, f"it holds {what}; this is not read")
    with pydicom_reads(path):
        placed = bool(found.header.get("ImagePositionPatient"))
        dose = found.kind == _DOSE or "DoseGridScaling" in found.header
        grouped = "SharedFunctionalGroupsSequence" in found.header
        mosaic = "MOSAIC" in (found.header.get("ImageType") or ())
    if mosaic:
        invalid_file(path, "it is a mosaic, with its slices as tiles; series with a file for every slice are read")
    layout = pixel_layout(found)
    if dose:
        _check_stack(found, stack, ["the dose"])
        return _load_dose(found, layout, max_bytes, spacing)
    if grouped:
        groups = frame_groups(found, {**PLANE_GROUPS, **TRAIT_GROUPS, _SCALE_GROUP: (_SLOPE, _INTERCEPT)})
        if groups.frames and len(groups.frames) != layout.frames:
            invalid_file(path, f"it has {layout.frames} frames, and says where {len(groups.frames)} lie")
        if frame_planes(path, _of_frames(groups, [0]), (1, 1), 1) is not None:
            return _load_stack(found, layout, groups, max_bytes, spacing, stack)
    if layout.frames == 1 and (placed or found.kind in _SLICES):
        _check_stack(found, stack, ["the slice"])
        return load_series(path, max_bytes, spacing)
    if placed:
        invalid_file(path, f"it holds {layout.frames} frames and one position, which is that of no more than one slice")
    number = _check_stack(found, stack, [f"frame {frame + 1}" for frame in range(layout.frames)])
    return _load_picture(found, layout, number, max_bytes, spacing)


def _check_stack(found: DicomObject, stack: int | None, names: Sequence[str]) -> int:
    """Return which of several stacks is read; raise unless there is one, or the caller says which."""
    if stack is None and len(names) == 1:
        return 0
    if stack is None:
        listed = "; ".join(f"{number}: {name}" for number, name in enumerate(names[:_MAX_LISTED]))
        more = "; ..." if len(names) > _MAX_LISTED else ""
        cure = f"`read_stack` reads one of them by its number ({listed}{more})"
        invalid_file(found.path, f"it holds {len(names)} stacks of frames or single pictures, not one image; {cure}")
    if checks.integer("read", "stack", stack, minimum=0) >= len(names):
        checks.invalid_value("read", "stack", f"be below {len(names)}, the number of stacks in {found.path}", stack)
    return stack


def _of_frames(groups: FrameGroups, frames: Sequence[int]) -> FrameGroups:
    """Return what is said of some of the frames."""
    return groups._replace(frames=[groups.frames[frame] for frame in frames] if groups.frames else [])


def _load_stack(
    found: DicomObject, layout: PixelLayout, groups: FrameGroups, max_bytes: int, spacing: Spacing | None,
    stack: int | None,
) -> tuple[HostArray, Geometry]:  # fmt: skip
    """Return voxels and geometry of the frames of one stack, each placed and scaled by its functional groups."""
    stacks = frame_stacks(found, groups, layout.frames)
    chosen = stacks[_check_stack(found, stack, [stack_in_words(entry) for entry in stacks])].frames
    own = _of_frames(groups, chosen)
    planes = frame_planes(found.path, own, (layout.rows, layout.columns), len(chosen))
    if planes is None:
        invalid_file(found.path, "it does not say where its frames lie")
    order = np.argsort(planes.positions @ np.cross(*planes.axes), kind="stable")
    geometry = _grid(found.path, planes, order, spacing)
    frames = [chosen[place] for place in order]
    slopes = [_frame_number(found.path, groups, frame, _SLOPE, 1.0) for frame in frames]
    intercepts = [_frame_number(found.path, groups, frame, _INTERCEPT, 0.0) for frame in frames]
    scale = _Scale(slopes, intercepts)
    return _scaled(found, layout, frames, scale, max_bytes), geometry


def _frame_number(path: Path, groups: FrameGroups, frame: int, tag: int, default: float) -> float:
    """Return the number that a functional group states for a frame."""
    raw = (groups.frames[frame] if groups.frames else {}).get(tag, groups.shared.get(tag, b"")).strip(b" \0")
    try:
        number = float(raw) if raw else default
    except ValueError:
        number = math.nan
    # A slope of 0 makes all values one, and stands for none at all in files that have it.
    if not math.isfinite(number) or (tag == _SLOPE and number == 0):
        invalid_file(path, f"the slope or intercept of frame {frame + 1} is {raw.decode('latin-1')!r}")
    return number


def _grid(path: Path, planes: FramePlanes, order: HostArray, spacing: Spacing | None) -> Geometry:
    """Return the grid of frames that are slices, sorted by their place along the normal."""
    given = None if spacing is None else checks.spacing("read", spacing, 3)
    normal, positions = np.cross(*planes.axes), planes.positions[order]
    if len(order) > 1:
        origin, distance = stack_grid(path, positions, normal, [f"frame {place + 1}" for place in order])
    else:
        origin, distance = positions[0], _distance_of_one_frame(path, planes, given)
    stated = (distance, *planes.spacing)
    if given is not None:
        check_spacing(path, given, stated)
    grid = ItkGrid(
        (planes.size[1], planes.size[0], len(order)), stated[::-1], tuple(origin.tolist()),
        tuple(np.column_stack([*planes.axes, normal]).ravel().tolist()),
    )  # fmt: skip
    return file_geometry(path, grid)


def _distance_of_one_frame(path: Path, planes: FramePlanes, given: Spacing | None) -> float:
    """Return the distance of slices where there is but one, and say what it was taken from."""
    if given is not None:
        return given[0]
    distance = planes.distance or planes.thickness
    if not distance:
        invalid_file(path, "it has one slice, and nothing states the distance of slices; state it by `spacing=(slices, "
                     "rows, columns)` in millimetres")  # fmt: skip
    name = "SpacingBetweenSlices" if planes.distance else "SliceThickness"
    text = f"{path} has one slice: its {name}, {distance:g} mm, is taken for the distance of slices."
    warnings.warn(text, stacklevel=2)
    return distance


def _load_dose(
    found: DicomObject, layout: PixelLayout, max_bytes: int, spacing: Spacing | None
) -> tuple[HostArray, Geometry]:
    """Return the doses of an RT dose, in its DoseUnits, and its grid."""
    path, header = found.path, found.header
    with pydicom_reads(path):
        factor = _header_decimals(header, "DoseGridScaling")
        offsets, position = (
            _header_decimals(header, "GridFrameOffsetVector"),
            _header_decimals(header, "ImagePositionPatient"),
        )
        cosines, between = _header_decimals(header, "ImageOrientationPatient"), _header_decimals(header, "PixelSpacing")
        thickness = _header_decimals(header, "SliceThickness")
    if len(factor) != 1 or not 0 < factor[0] < math.inf or layout.channels > 1:
        invalid_file(path, f"its DoseGridScaling is {list(factor)}")
    if len(position) != 3 or len(cosines) != 6 or len(between) != 2 or min(between) <= 0:
        invalid_file(path, "it lacks a position, an orientation or a spacing of its pixels, or states it wrongly")
    if len(offsets) != layout.frames and (layout.frames > 1 or offsets):
        invalid_file(path, f"it has {layout.frames} frames and {len(offsets)} offsets (GridFrameOffsetVector)")
    # As the functional groups of an enhanced object state it, so that it is checked as theirs are.
    words = {tag: "\\".join(map(repr, numbers)).encode() for tag, numbers in zip(
        (0x00200032, 0x00200037, 0x00280030, 0x00180050), (position, cosines, between, thickness), strict=True
    )}  # fmt: skip
    planes = frame_planes(path, FrameGroups(words, [], "<"), (layout.rows, layout.columns), 1)
    if planes is None:
        invalid_file(path, "it does not say where it lies")
    steps = np.array(offsets or (0.0,))
    normal = np.cross(*planes.axes)
    # Offsets are relative to the first plane, along the normal, if they begin with 0; else they are z in the patient.
    if steps[0] != 0:
        if abs(steps[0] - position[2]) > _SAME_PLACE or abs(normal[2]) < 1 - 1e-6:
            text = f"its offsets begin with {steps[0]:g}, which is neither 0 nor the z of an axial first plane"
            invalid_file(path, text)
        steps = (steps - steps[0]) * np.sign(normal[2])
    planes = planes._replace(positions=planes.positions + np.outer(steps, normal))
    order = np.argsort(steps, kind="stable")
    geometry = _grid(path, planes, order, spacing)
    scale = _Scale([factor[0]] * layout.frames, [0.0] * layout.frames, floats=True)
    return _scaled(found, layout, order.tolist(), scale, max_bytes), geometry


def _header_decimals(header: Any, name: str) -> tuple[float, ...]:
    """Return the numbers of an element; none unless all of them are finite."""
    value = header.get(name)
    numbers = () if value in (None, "") else tuple(map(float, np.atleast_1d(np.array(value, dtype=float))))
    return numbers if all(map(math.isfinite, numbers)) else ()


def _load_picture(
    found: DicomObject, layout: PixelLayout, number: int, max_bytes: int, spacing: Spacing | None
) -> tuple[HostArray, Geometry]:
    """Return the pixels of one frame that lies nowhere, on a grid of two axes."""
    path, header = found.path, found.header
    with pydicom_reads(path):
        slope, intercept = (
            _header_decimals(header, "RescaleSlope") or (1.0,),
            _header_decimals(header, "RescaleIntercept") or (0.0,),
        )
        stated = next((numbers for name in PIXEL_SPACINGS if (numbers := _header_decimals(header, name))), ())
        ratio = _header_decimals(header, "PixelAspectRatio")
    if len(slope) != 1 or len(intercept) != 1 or slope[0] == 0:
        invalid_file(path, f"its RescaleSlope is {list(slope)} and its RescaleIntercept {list(intercept)}")
    values = _scaled(found, layout, [number], _Scale(slope, intercept), max_bytes)[0]
    if len(stated) == 2 and min(stated) > 0:
        between: Spacing = stated
        if spacing is not None:
            check_spacing(path, spacing, between)
    elif spacing is None and len(ratio) == 2 and ratio[0] != ratio[1]:
        text = f"its pixels are not square (PixelAspectRatio {ratio[0]:g}:{ratio[1]:g}), and nothing states how large"
        invalid_file(path, f"{text}; state it by `spacing=(rows, columns)` in millimetres")
    else:
        between = spacing_or_one(path, spacing, 2, kind="DICOM")  # names of its files end in anything
    return values, Geometry(shape=(layout.rows, layout.columns), spacing=between)


def _scaled(found: DicomObject, layout: PixelLayout, frames: Sequence[int], scale: _Scale, max_bytes: int) -> HostArray:
    """Return the values of frames in this order, of a dtype that holds them all, as GDCM chooses it for a slice."""
    dtype = _value_dtype(layout, scale)
    shape = (len(frames), layout.rows, layout.columns, *((layout.channels,) if layout.channels > 1 else ()))
    check_pixels(found, layout, math.prod(shape) * dtype.itemsize, max_bytes)
    values = np.empty(shape, dtype)
    for plane, frame, slope, intercept in zip(
        values, decoded_frames(found, layout, frames), scale.slopes, scale.intercepts, strict=True
    ):
        if slope == 1 and intercept == 0:
            plane[:] = frame
        elif dtype.kind == "f":
            np.multiply(frame, slope, out=plane, casting="unsafe")
            plane += intercept
        else:
            plane[:] = frame.astype(np.int64) * int(slope) + int(intercept)
    return values


def _value_dtype(layout: PixelLayout, scale: _Scale) -> np.dtype[Any]:
    """Return the smallest integers that hold all values if slopes and intercepts are whole numbers, else float64."""
    high = (1 << (layout.stored - layout.signed)) - 1
    low = -high - 1 if layout.signed else 0
    pairs = set(zip(scale.slopes, scale.intercepts, strict=True))
    if pairs == {(1.0, 0.0)} and not scale.floats:
        return np.dtype(f"{'i' if layout.signed else 'u'}{layout.bits // 8}")
    if scale.floats or not all(float(number).is_integer() and abs(number) < 2**31 for pair in pairs for number in pair):
        return np.dtype(np.float64)
    ends = [int(slope) * end + int(intercept) for slope, intercept in pairs for end in (low, high)]
    kinds = map(np.dtype, ("u1", "u2", "u4", "i8") if min(ends) >= 0 else ("i1", "i2", "i4", "i8"))
    fitting = (kind for kind in kinds if np.iinfo(kind).min <= min(ends) and max(ends) <= np.iinfo(kind).max)
    return next(fitting, np.dtype(np.float64))
