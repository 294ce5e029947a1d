"""Regular indices of a volume: all of it, its slices, slabs, patches and voxels."""

from mia_functional._core import checks
from mia_functional.indexing.boundaries import FITTING_RULES, BoundaryRule, drop, shift
from mia_functional.indexing.records import Axis, Indices
from mia_functional.typing import Shape

__all__ = ["patches", "slabs", "slices", "voxels", "whole"]


def whole(shape: Shape) -> Indices:
    """Return the one index of the entire volume.

    Args:
        shape: Spatial shape.

    Example:
        >>> list(whole((2, 3)))
        [(slice(0, 2, None), slice(0, 3, None))]
    """
    return Indices(grids=(tuple(((0, voxels),) for voxels in _checked_shape("whole", shape)),))


def slices(shape: Shape, *, axis: int | tuple[int, ...] = 0) -> Indices:
    """Return one index per 2-D slice; with several axes all slices of the first, then of the next (2.5-D).

    Args:
        shape: Spatial shape.
        axis: The axis across which to slice, or several; the sliced axis is dropped by indexing.

    Example:
        >>> list(slices((2, 3)))
        [(0, slice(0, 3, None)), (1, slice(0, 3, None))]
    """
    size = _checked_shape("slices", shape)
    axes = checks.axes("slices", axis if isinstance(axis, tuple) else (axis,), len(size))
    full: list[Axis] = [((0, voxels),) for voxels in size]
    return Indices(grids=tuple((*full[:cut], range(size[cut]), *full[cut + 1 :]) for cut in axes))


def slabs(shape: Shape, thickness: int, *, axis: int = 0, step: int | None = None) -> Indices:
    """Return indices of slabs of consecutive slices, full in the other axes; the last slab ends at the border.

    Args:
        shape: Spatial shape.
        thickness: Slices per slab, at most the size of the axis.
        axis: The axis across which the slabs lie.
        step: Slices from one slab to the next; `thickness` by default.

    Example:
        >>> [index[0] for index in slabs((5, 4), 2)]
        [slice(0, 2, None), slice(2, 4, None), slice(3, 5, None)]
    """
    size = _checked_shape("slabs", shape)
    across = checks.axis("slabs", axis, len(size))
    thick = checks.integer("slabs", "thickness", thickness, minimum=1)
    if thick > size[across]:
        checks.invalid_value("slabs", "thickness", f"be at most {size[across]}, the slices along axis {across}", thick)
    stride = thick if step is None else checks.integer("slabs", "step", step, minimum=1)
    grid: list[Axis] = [((0, voxels),) for voxels in size]
    grid[across] = shift(size[across], thick, stride)
    return Indices(grids=(tuple(grid),))


def patches(
    shape: Shape, patch_shape: Shape, *, step: int | Shape | None = None, boundary: BoundaryRule = shift
) -> Indices:
    """Return the indices of a regular grid of patches.

    Args:
        shape: Spatial shape, any number of axes.
        patch_shape: Voxels of a patch along each axis.
        step: Voxels from one patch to the next, for all axes or each; `patch_shape` (no overlap) by default.
        boundary: What happens where the grid does not fit: `drop`, `clip`, `shift` (default), `even` or `overhang`,
            or any function of the same kind. A patch larger than the volume is an error, unless `clip` cuts it to the
            volume or `overhang` lets it reach over; `drop` gives no patch at all.

    Raises:
        ValueError: A size or a step is smaller than 1, or the patch does not fit into the volume.

    Example:
        >>> [index[0] for index in patches((5,), (2,))]
        [slice(0, 2, None), slice(2, 4, None), slice(3, 5, None)]
    """
    size = _checked_shape("patches", shape)
    patch = checks.integer_tuple("patches", "patch_shape", patch_shape, length=len(size), minimum=1)
    strides = (step,) * len(size) if checks.is_integer(step) else patch if step is None else step
    stride = checks.integer_tuple("patches", "step", strides, length=len(size), minimum=1)
    checks.require_callable("patches", "boundary", boundary, "`shift`")
    axes = tuple(map(boundary, size, patch, stride))
    if () in axes and boundary is not drop:
        needed = f"fit into the volume, {size}, or `boundary` be {FITTING_RULES}"
        checks.invalid_value("patches", "patch_shape", needed, patch)
    return Indices(grids=(axes,))


def voxels(shape: Shape) -> Indices:
    """Return one index per voxel.

    Args:
        shape: Spatial shape.

    Example:
        >>> list(voxels((1, 2)))
        [(0, 0), (0, 1)]
    """
    return Indices(grids=(tuple(map(range, _checked_shape("voxels", shape))),))


def _checked_shape(function: str, shape: Shape) -> Shape:
    """Return a spatial shape of positive integers, at least one."""
    size = checks.integer_tuple(function, "shape", shape, minimum=1)
    checks.not_empty(function, "shape", size)
    return size
