"""Where a NIfTI header places its voxels, by nibabel's rules; a header that states two places is refused.

A header has up to two poses, in the world axes (R, A, S): the qform, a rotation with the spacing of `pixdim`, and the
sform, any affine matrix. A code above zero says that a pose is in use, and what its world is.
"""

import math
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.checked_itk import file_geometry
from mia_functional.images.conversion import ItkGrid
from mia_functional.images.header import NiftiGrid, invalid_file
from mia_functional.typing import Affine, HostArray

__all__ = ["nifti_geometry"]

_WORLDS = {1: "scanner", 2: "another image", 3: "Talairach", 4: "MNI 152", 5: "a template"}
"""What the codes of qform and sform refer to."""

_MAX_SHIFT = 0.01
"""Voxels by which two statements of where a corner lies may differ, as in `geometry.same_geometry`: rounding."""

_LARGEST_QUATERNION = 1.001
"""Largest sum of the squares of b, c and d; a takes what is missing to 1, and what is above is rounding."""


def nifti_geometry(path: Path, grid: NiftiGrid, affine: Affine) -> Geometry:
    """Return the geometry of the axes of space, and of time if there is one.

    Directions are orthonormal: those nearest to an sform that is off right angles by rounding, such that no corner
    moves by more than 0.01 voxels. A single slice gets the normal of its plane, and 1 mm if it has no thickness.
    """
    name, pose = _chosen_pose(path, grid, affine)
    pose = pose * [[-1.0], [-1.0], [1.0]]  # NIfTI's world is (R, A, S), ITK's (L, P, S)
    size = grid.size[:3]
    if len(size) == 2:
        # An axial slice has two axes, and its height is no part of its geometry; any other needs three.
        rise = np.abs(pose[2, :2] * np.maximum(np.subtract(size, 1), 1)).sum()
        axial = rise <= _MAX_SHIFT * np.linalg.norm(pose[:, :2], axis=0).min()
        # With channels, one slice of a volume has the axes of a plane, which ITK writes at height 0.
        flat = axial and (grid.channels == 1 or grid.interleaved or pose[2, 3] == 0)
        pose, size = (pose[:2, [0, 1, 3]], size) if flat else (pose, (*size, 1))
    direction, spacing = _orthonormal(path, name, pose, size)
    origin = pose[:, -1]
    if len(grid.size) == 4:
        direction = np.pad(direction, (0, 1)) + np.diag([0.0, 0.0, 0.0, 1.0])
        step, start = grid.time
        size, spacing, origin = grid.size, np.append(spacing, step), np.append(origin, start)
    return file_geometry(path, ItkGrid(size, tuple(spacing), tuple(origin), tuple(direction.ravel())))


def _chosen_pose(path: Path, grid: NiftiGrid, affine: Affine) -> tuple[str, HostArray]:
    """Return the name and the matrix of the pose that counts; raise if the header states two and none was chosen."""
    # nibabel, too, takes the sform where there are both.
    poses = {grid.name: np.array(grid.sform)} if grid.sform_code > 0 else {}
    if grid.qform_code > 0:
        poses["qform"] = _qform(path, grid)
    if not poses:
        # As nibabel does for headers of ANALYZE 7.5: the centre of the image is at 0, and the first axis points to the
        # left. ITK places voxel 0 there and points the first two axes to the right and to the front.
        steps = np.multiply(grid.steps, [-1.0, 1.0, 1.0])
        size = (*grid.size[:3], 1)[:3]
        return "pixdim", np.column_stack([np.diag(steps), -steps * np.subtract(size, 1) / 2])
    name = next((name for name in poses if name == affine), next(iter(poses)))
    if affine not in poses and len(poses) == 2:
        _check_poses(path, grid, poses["sform"], poses["qform"])
    if affine != "sform" and "qform" not in poses and name == "sform":
        _check_spacing(path, grid, poses["sform"])
    return name, poses[name]


def _qform(path: Path, grid: NiftiGrid) -> HostArray:
    """Return the matrix of the qform: a unit quaternion, spacing, the sign of the third axis, and an offset."""
    *vector, x, y, z = grid.qform
    square = float(np.dot(vector, vector))
    if square > _LARGEST_QUATERNION or abs(grid.qfac) != 1:
        invalid_file(path, f"its qform has the quaternion {vector} and qfac {grid.qfac}")
    real = math.sqrt(max(0.0, 1 - square))
    rotation = (real**2 - square) * np.eye(3) + 2 * np.outer(vector, vector) + 2 * real * np.cross(vector, np.eye(3)).T
    steps = rotation / (real**2 + square) * grid.steps * [1.0, 1.0, grid.qfac]
    return np.column_stack([steps, (x, y, z)])


class _Shift(NamedTuple):
    """How far apart two matrices place the same corner of an image."""

    millimetres: float
    voxels: float


def _corner_shift(first: HostArray, second: HostArray, size: Sequence[int]) -> _Shift:
    """Return by how much a corner of an image moves at most between two affine matrices, whose last column is voxel 0.

    Voxels are the smallest of the first matrix. Not `geometry.corner_displacement`, as what a header states need not be
    a grid: an sform may be sheared, or have no length along a single slice, of which only the centre counts.
    """
    corners = np.array([(*corner, 1) for corner in product(*((0, count - 1) for count in size))])
    axes = [*range(len(size)), -1]
    millimetres = float(np.linalg.norm(corners @ (first - second)[:, axes].T, axis=1).max())
    steps = np.linalg.norm(first[:, :-1], axis=0)
    return _Shift(millimetres, millimetres / float(steps[steps > 0].min(initial=np.inf)))


def _check_poses(path: Path, grid: NiftiGrid, sform: HostArray, qform: HostArray) -> None:
    """Raise unless both poses place the image within rounding."""
    shift = _corner_shift(sform, qform, grid.size[:3])
    if shift.voxels > _MAX_SHIFT:
        first, second = (f"{code}: {_WORLDS[code]}" for code in (grid.sform_code, grid.qform_code))
        requirement = "be 'sform' or 'qform' for a NIfTI file that states two places"
        actual = f"none for {path}, whose sform (code {first}) and qform (code {second}) place a corner"
        checks.invalid_value("read", "affine", requirement, f"{actual} {shift.millimetres:.3g} mm apart")


def _check_spacing(path: Path, grid: NiftiGrid, sform: HostArray) -> None:
    """Raise unless the steps of an sform are those of `pixdim`, which is all that a header says besides."""
    steps = np.linalg.norm(sform[:, :3], axis=0)
    size = (*grid.size[:3], 1)[:3]
    # A step of 0 is no other spacing, but no direction, which is said later.
    if steps.all() and (np.abs(steps - grid.steps) * np.subtract(size, 1)).max() > _MAX_SHIFT * min(grid.steps):
        requirement = "be 'sform' for a NIfTI file whose pixdim states another spacing"
        actual = f"{path}, {list(grid.steps)} mm and not {steps.tolist()} mm"
        checks.invalid_value("read", "affine", requirement, f"none for {actual}")


def _orthonormal(path: Path, name: str, pose: HostArray, size: tuple[int, ...]) -> tuple[HostArray, HostArray]:
    """Return orthonormal directions and the spacing of a pose; raise if a corner would move by them."""
    steps = pose[:, :-1].copy()
    single = [axis for axis, count in enumerate(size) if count == 1]
    if len(size) == 3 and len(single) == 1:
        # No voxel lies along that axis: wherever it points, and if nowhere, voxels are where they were.
        axis = single[0]
        normal = np.cross(steps[:, axis - 2], steps[:, axis - 1])
        length = float(np.linalg.norm(steps[:, axis])) or 1.0
        side = -length if normal @ steps[:, axis] < 0 else length
        steps[:, axis] = normal / (np.linalg.norm(normal) or 1.0) * side
    spacing = np.linalg.norm(steps, axis=0)
    if not spacing.all():
        invalid_file(path, f"its {name} has an axis without a direction")
    left, _, right = np.linalg.svd(steps / spacing)
    direction = left @ right
    origin = pose[:, -1:]
    shift = _corner_shift(np.hstack([steps, origin]), np.hstack([direction * spacing, origin]), size)
    if shift.voxels > _MAX_SHIFT:
        cosines = (steps / spacing).T @ (steps / spacing)
        first, second = max(combinations(range(len(size)), 2), key=lambda pair: abs(cosines[pair]))
        degrees = math.degrees(math.asin(min(abs(cosines[first, second]), 1.0)))
        reason = (
            f"its {name} is sheared: {'xyz'[first]} and {'xyz'[second]} are {degrees:.3g} degrees off a right angle, "
            f"and corners {shift.voxels:.3g} voxels from where right angles place them"
        )
        invalid_file(path, reason)
    return direction, spacing
