"""Arrays that were read from files, onto the grid that they are to share: as they are, turned or resampled."""

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry, describe_differences, differences
from mia_functional.transforms.axes import reorient_onto
from mia_functional.transforms.interpolation import restore_values
from mia_functional.transforms.roles import INTERPOLATIONS
from mia_functional.transforms.warping import resample_onto
from mia_functional.typing import Align, HostArray, Role

__all__ = ["align_onto", "alignment_between"]


def alignment_between(geometry: Geometry, onto: Geometry) -> Align:
    """Return the least that brings an array from one grid onto another: nothing, turned axes or interpolation."""
    names = set(differences(geometry, onto))
    if not names:
        return None
    return "reorient" if names <= {"axes", "flip"} else "resample"


def align_onto(
    array: HostArray, geometry: Geometry, onto: Geometry, *, align: Align, role: Role | None, requirement: str
) -> HostArray:
    """Return an array on another grid; the array itself if both grids are the same.

    Args:
        array: Array `(*spatial, ...)`.
        geometry: Where it lies.
        onto: The grid of the result.
        align: What may be done about another grid: nothing; flips and permutations of axes (`reorient`); these where
            they suffice, and else interpolation (`resample`). What lies outside of the array is then 0.
        role: Values of an `image` are interpolated linearly, those of integers rounded; `labels` are taken from the
            nearest voxel.
        requirement: What the grid has to be, for the message: "lie on one grid".

    Raises:
        ValueError: The grids differ in what `align` does not allow, or the role does not say how to interpolate.
    """
    cure = alignment_between(geometry, onto)
    if cure is None:
        return array
    same_axes = len(geometry.shape) == len(onto.shape)
    if cure == "reorient" and align is not None:
        return _array.to_numpy(reorient_onto(array, geometry, onto))
    if align != cure or not same_axes:
        advice = f' (cured by `align="{cure}"`)' if same_axes else ""
        checks.invalid_value("align_onto", "geometry", requirement, f"{describe_differences(geometry, onto)}{advice}")
    if role not in INTERPOLATIONS:
        checks.invalid_value("align_onto", "role", "be `image` or `labels` to be interpolated", role or "none")
    # As ITK does: weights in float64, and integers that stay what they are.
    values = array.astype(np.float64) if role == "image" and array.dtype.kind in "biu" else array
    result = resample_onto(values, geometry, onto, interpolation=INTERPOLATIONS[role])
    return _array.to_numpy(restore_values(result, array))
