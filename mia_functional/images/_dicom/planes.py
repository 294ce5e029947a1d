"""Where the frames of a DICOM object lie: the even grid that they state, and their places on it or on another one.

Frames come in any order and direction, and those in which there is nothing may be left out. highdicom's volumes
(0.28.2) run from the last slice to the first and begin and end with the slices that are there; a grid that is given
says where an image lies, and every frame is put onto its voxels.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images._dicom.frames import FrameGroups
from mia_functional.images.checked_itk import file_geometry
from mia_functional.images.conversion import ItkGrid
from mia_functional.images.header import invalid_file
from mia_functional.typing import HostArray

__all__ = [
    "PLANE_GROUPS",
    "ROUNDED_COSINES",
    "FramePlanes",
    "PlacedFrames",
    "even_grid",
    "frame_planes",
    "place_frames",
    "plane_axes",
    "plane_view",
]

_POSITION, _ORIENTATION, _SPACING = 0x00200032, 0x00200037, 0x00280030
_SLICE_THICKNESS, _SLICE_SPACING = 0x00180050, 0x00180088

PLANE_GROUPS: Mapping[int, tuple[int, ...]] = {
    0x00209113: (_POSITION,),
    0x00209116: (_ORIENTATION,),
    0x00289110: (_SPACING, _SLICE_THICKNESS, _SLICE_SPACING),
}
"""The functional groups that say where a frame lies."""

ROUNDED_COSINES = 2e-4
"""By how much lengths, right angles and directions may be off: cosines that were written with four decimals."""

_SAME_GRID, _SAME_VOXEL = 0.01, 0.25
"""By how many voxels frames may be off a grid: on average, as elsewhere, and each, as positions are rounded."""


_LONGEST_DISTANCE = 1e9
"""Millimetres that no place and no distance exceeds, so that products do not run over."""


class FramePlanes(NamedTuple):
    """Where each frame lies, in millimetres along the world axes x, y and z.

    Args:
        path: The file.
        positions: Of the first pixel of each frame, `(frames, 3)`.
        axes: The directions along a row and along a column, `(2, 3)`, of length 1 and at right angles.
        spacing: Between rows and between columns.
        size: Rows and columns.
        distance: Between slices, as stated; 0 if it is not.
        thickness: Of slices, as stated; 0 if it is not.
    """

    path: Path
    positions: HostArray
    axes: HostArray
    spacing: tuple[float, float]
    size: tuple[int, int]
    distance: float
    thickness: float


class PlacedFrames(NamedTuple):
    """Where frames lie on a grid of three axes.

    Args:
        order: Which axis of the grid runs along the slices, the rows and the columns of the frames.
        reverse: Which of these runs against it.
        offsets: Slice, row and column of the first pixel of each frame, `(frames, 3)`, along the turned axes.
    """

    order: tuple[int, int, int]
    reverse: tuple[bool, bool, bool]
    offsets: HostArray


def frame_planes(path: Path, groups: FrameGroups, size: tuple[int, int], count: int) -> FramePlanes | None:
    """Return where the frames of an object lie; None if none of them states a position."""
    frames = groups.frames or [{}] * count
    if _POSITION not in groups.shared and not any(_POSITION in frame for frame in frames):
        return None
    positions = np.array(
        [_plane_numbers(path, groups, frame, _POSITION, "ImagePositionPatient", 3) for frame in frames]
    )
    orientations = np.array(
        [_plane_numbers(path, groups, frame, _ORIENTATION, "ImageOrientationPatient", 6) for frame in frames]
        if any(_ORIENTATION in frame for frame in frames)
        else [_plane_numbers(path, groups, {}, _ORIENTATION, "ImageOrientationPatient", 6)]
    )
    if abs(orientations - orientations[0]).max() > ROUNDED_COSINES:
        invalid_file(path, "its frames lie in several directions")
    axes = plane_axes(path, orientations[0])
    spacings = {
        _plane_numbers(path, groups, frame, _SPACING, "PixelSpacing", 2)
        for frame in (frames if any(_SPACING in frame for frame in frames) else frames[:1])
    }
    if len(spacings) > 1 or min(first := spacings.pop()) <= 0:
        invalid_file(path, "the PixelSpacing of its frames is not positive, or differs")
    between = {frame.get(_SLICE_SPACING, groups.shared.get(_SLICE_SPACING, b"")) for frame in frames}
    thick = {frame.get(_SLICE_THICKNESS, groups.shared.get(_SLICE_THICKNESS, b"")) for frame in frames}
    return FramePlanes(
        path=path, positions=positions, axes=axes,
        spacing=(first[0], first[1]), size=size, distance=_one_length(between), thickness=_one_length(thick),
    )  # fmt: skip


def plane_axes(path: Path, cosines: HostArray) -> HostArray:
    """Return the directions along a row and along a column, `(2, 3)`, of length 1 and at right angles.

    Raises unless those of ImageOrientationPatient are so, up to rounding.
    """
    axes = np.reshape(cosines, (2, 3))
    lengths, overlap = np.linalg.norm(axes, axis=1, keepdims=True), float(axes[0] @ axes[1])
    if max(float(abs(lengths - 1).max()), abs(overlap)) > ROUNDED_COSINES:
        words = "\\".join(f"{cosine:g}" for cosine in np.ravel(cosines))
        invalid_file(path, f"its ImageOrientationPatient is '{words}'")
    # Half of the overlap is taken from each axis, so that both turn by the same angle.
    axes = axes - overlap / 2 * axes[::-1]
    turned: HostArray = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    return turned


def _plane_numbers(
    path: Path, groups: FrameGroups, frame: Mapping[int, bytes], tag: int, name: str, count: int
) -> tuple[float, ...]:
    """Return the decimals of an element of a frame, or that all frames share; raise unless there are so many."""
    raw = frame.get(tag, groups.shared.get(tag, b""))
    try:
        found = tuple(map(float, raw.split(b"\\")))
    except ValueError:
        found = ()
    if len(found) != count or not all(abs(value) <= _LONGEST_DISTANCE for value in found):
        invalid_file(path, f"the {name} of a frame is {raw.decode('latin-1').strip()!r}")
    return found


def _one_length(values: set[bytes]) -> float:
    """Return a length that all frames state alike, without its sign; 0 if there is none."""
    try:
        found = {abs(float(value)) for value in values if value.strip(b" \0")}
    except ValueError:
        return 0.0
    length = found.pop() if len(found) == 1 else 0.0
    return length if 1 / _LONGEST_DISTANCE <= length <= _LONGEST_DISTANCE else 0.0


def even_grid(planes: FramePlanes) -> Geometry:
    """Return the grid of the slices from the lowest to the highest frame, along the normal of the frames.

    The distance of slices is the stated one if the positions of the frames are multiples of it, or else the smallest
    between two of them if the others are multiples of that.
    """
    normal = np.cross(*planes.axes)
    along = planes.positions @ normal
    lowest, steps = planes.positions[along.argmin()], np.unique(along - along.min())
    gaps = np.diff(steps)
    # The same slice is stated once for each segment, with the same words or with rounded ones.
    smallest = float(min((gap for gap in gaps if gap > 1e-3 * max(planes.distance, planes.spacing[0])), default=0.0))
    if smallest == 0.0:
        distance = planes.distance or planes.thickness
        if not distance:
            invalid_file(planes.path, "its frames lie in one slice, and nothing states the distance of slices")
        if not planes.distance:
            text = f"{planes.path} has frames of one slice, whose thickness is taken for the distance of slices."
            warnings.warn(text, stacklevel=2)
        count = 1
    else:
        distances = [distance for distance in (planes.distance, smallest) if distance]
        even = (found for distance in distances if (found := _even_steps(steps, distance)) is not None)
        distance, count = next(even, (0.0, 0))
        if not distance:
            invalid_file(planes.path, f"its frames are not evenly spaced: the smallest distance is {smallest:.6g} mm")
    grid = ItkGrid(
        (planes.size[1], planes.size[0], count),
        (planes.spacing[1], planes.spacing[0], distance),
        tuple(lowest.tolist()),
        tuple(np.column_stack([*planes.axes, normal]).ravel().tolist()),
    )
    return file_geometry(planes.path, grid)


def _even_steps(steps: HostArray, distance: float) -> tuple[float, int] | None:
    """Return the distance of slices and their number if steps from the first one are multiples; None if not."""
    last = float(np.rint(steps[-1] / distance))
    # Stated distances are rounded, which adds up over many slices: that of the first and the last frame is better.
    fitted = float(steps[-1]) / last if last else distance
    chosen = distance if abs(fitted - distance) * last <= 1e-6 * distance else fitted
    indices = steps / chosen
    return (chosen, int(last) + 1) if abs(indices - np.rint(indices)).max() <= _SAME_VOXEL / 5 else None


def place_frames(planes: FramePlanes, grid: Geometry) -> PlacedFrames:
    """Return where frames lie on the voxels of a grid; raise unless they lie on them, within it."""
    if len(grid.shape) != 3:
        invalid_file(planes.path, f"its frames lie in space, and the reference has {len(grid.shape)} axes")
    # From world coordinates, which a geometry has in the order (z, y, x), to indices.
    inverse = np.linalg.inv(np.array(grid.direction) * np.array(grid.spacing))[:, ::-1]
    origin = np.array(grid.origin)[::-1]
    across = np.array([planes.axes[1] * planes.spacing[0], planes.axes[0] * planes.spacing[1]])
    corners = np.array([[0, 0], [planes.size[0] - 1, 0], [0, planes.size[1] - 1]])
    # Of each frame the first pixel, the last of the first column, and the last of the first row.
    places = (planes.positions[:, None] + corners @ across - origin) @ inverse.T
    voxels = np.rint(places)
    off = places - voxels
    if abs(off).max() > _SAME_VOXEL or abs(off.mean(axis=(0, 1))).max() > _SAME_GRID:
        gap = float(max(abs(off).max(), 0.0))
        invalid_file(
            planes.path, f"its frames do not lie on the voxels of the grid: they are up to {gap:.3g} voxels off"
        )
    steps = inverse @ np.array([np.cross(*planes.axes), *across]).T
    along, down, right = map(int, abs(steps).argmax(axis=0))
    order = along, down, right
    sides = np.array(planes.size) - 1
    expected = np.zeros((3, 3))
    for axis, side in ((1, sides[0]), (2, sides[1])):
        expected[axis, order[axis]] = side * np.sign(steps[order[axis], axis])
    moved = voxels - voxels[:, :1]
    if sorted(order) != [0, 1, 2] or not np.array_equal(moved, np.broadcast_to(expected, moved.shape)):
        invalid_file(planes.path, "the rows and columns of its frames are not those of the grid")
    reverse = bool(steps[along, 0] < 0), bool(steps[down, 1] < 0), bool(steps[right, 2] < 0)
    first = voxels[:, 0, list(order)]
    shape = np.array([grid.shape[axis] for axis in order])
    offsets = np.where(reverse, shape - 1 - first, first)
    if (offsets < 0).any() or (offsets > shape - np.array([1, *planes.size])).any():
        invalid_file(planes.path, f"its frames reach beyond the grid of shape {grid.shape}")
    return PlacedFrames(order, reverse, offsets.astype(np.int64))


def plane_view(array: HostArray, placed: PlacedFrames) -> HostArray:
    """Return the last three axes of an array on the grid as slices, rows and columns of the frames."""
    view = np.moveaxis(array, [axis - 3 for axis in placed.order], [-3, -2, -1])
    slices, rows, columns = (slice(None, None, -1 if turned else 1) for turned in placed.reverse)
    return view[..., slices, rows, columns]
