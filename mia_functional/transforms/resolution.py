"""Images as a scan of coarser voxels shows them, on the grid that they have."""

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms.arguments import (
    Numbers,
    count_spatial,
    require_parameter_shape,
    require_valid,
    with_parameters,
)
from mia_functional.transforms.interpolation import Interpolation, linear, nearest, restore_values, rule_and_values
from mia_functional.transforms.line_products import multiply_lines
from mia_functional.typing import Array

__all__ = ["low_resolution"]


def low_resolution(
    array: Array, factor: Numbers, *, interpolation: Interpolation | None = None, spatial_axes: int | None = None
) -> Array:
    """Show an image as if it were taken with coarser voxels; the grid stays (anisotropy, thick slices).

    Along each axis of n voxels there are `m = max(1, round(n / factor))` coarse ones, `factor` voxels long and centred
    on the image. Each has the mean of what it covers inside of the image, and they are interpolated linearly. Labels
    are taken from the voxel at the centre of the nearest coarse one.

    Args:
        array: Array `(*spatial, channel)` of any dtype.
        factor: Old voxels per coarse voxel, at least 1, one number or one per spatial axis; may be traced.
        interpolation: `linear` for images, `nearest` for labels; by default linear for floats, else nearest.
        spatial_axes: How many axes are spatial; by default all but the last. `on` hands over what the sample says.

    Returns:
        Array of the same shape and dtype; integers that are averaged are rounded, halves to even. An axis of factor 1
        stays as it is. NaN and infinity spread along axes that become coarser.

    Raises:
        ValueError: There are not as many factors as spatial axes, one is below 1 or not finite, or the interpolation is
            another one.

    Example:
        >>> low_resolution(np.array([[0.0], [2.0], [4.0], [6.0]]), 2.0)[:, 0].tolist()
        [1.0, 2.0, 4.0, 5.0]
        >>> low_resolution(np.array([[1], [2], [3], [4], [5], [6]]), 3.0)[:, 0].tolist()
        [2, 2, 2, 5, 5, 5]
    """
    xp, array, (factors,) = with_parameters("low_resolution", array=array, factor=factor)
    spatial = count_spatial("low_resolution", array, spatial_axes)
    require_parameter_shape("low_resolution", "factor", factors, (), (spatial,))
    require_valid(
        "low_resolution",
        "factor",
        factor,
        factors,
        lambda number: (number >= 1) & (number < np.inf),
        needed="be finite and at least 1",
    )
    rule, values = rule_and_values("low_resolution", array, interpolation)
    if rule not in (linear, nearest):
        checks.invalid_value("low_resolution", "interpolation", "be `linear` or `nearest`", checks.describe(rule))
    factors = xp.broadcast_to(factors, (spatial,))

    def choose(step: Array, own: Array, coarse: Array) -> Array:
        result: Array = xp.where(step == 1, own, coarse)
        return result

    for axis in range(spatial):
        step = factors[axis]
        if _array.in_host_memory(factors) and _array.is_known_true(lambda step: step == 1, step):
            continue
        coarse = _nearest_lines(values, step, axis) if rule is nearest else _averaged_lines(values, step, axis)
        values = _array.call_gathered(choose, step, values, coarse)
    return restore_values(values, array)


def _coarse_voxels(size: int, step: Array) -> tuple[Array, Array, Array, Array]:
    """Return voxels along an axis, where they lie among the coarse ones, the last of these, and the middle of all."""
    xp = _array.array_namespace(step)
    voxels = _array.asarray_like(np.arange(size) + 0.0, step)
    middle = _array.asarray_like((_array.whole_number(size) - 1) / 2, step)
    last = xp.maximum(xp.round((2 * middle + 1) / step), xp.ones_like(middle)) - 1
    place = (voxels - middle) / step + last / 2
    return voxels, xp.minimum(xp.maximum(place, xp.zeros_like(place)), last), last, middle


def _nearest_lines(values: Array, step: Array, axis: int) -> Array:
    """Return every voxel along an axis taken from the centre of the nearest coarse voxel, of equally near the later."""
    xp, size = _array.array_namespace(values), values.shape[axis]
    _, place, last, middle = _coarse_voxels(size, step)
    coarse = xp.minimum(xp.floor(place + 0.5001), last)
    ((centre, _),) = nearest((coarse - last / 2) * step + middle, size)
    return _array.call_gathered(lambda own, voxel: _array.take(own, voxel, axis), values, centre)


def _averaged_lines(values: Array, step: Array, axis: int) -> Array:
    """Return every voxel along an axis between the means of the two coarse voxels around it."""
    xp = _array.array_namespace(values)
    voxels, place, last, middle = _coarse_voxels(values.shape[axis], step)
    before = xp.floor(place)

    def shares(coarse: Array) -> Array:
        # How much of each voxel a coarse one covers: both are intervals.
        centre = ((coarse - last / 2) * step + middle)[:, None]
        begin = xp.maximum(centre - step / 2, voxels[None, :] - 0.5)
        end = xp.minimum(centre + step / 2, voxels[None, :] + 0.5)
        covered = xp.maximum(end - begin, xp.zeros_like(begin))
        return covered / xp.sum(covered, axis=1, keepdims=True)

    fraction = (place - before)[:, None]
    matrix = (1 - fraction) * shares(before) + fraction * shares(xp.minimum(before + 1, last))
    return multiply_lines(values, xp.astype(matrix, values.dtype, copy=False), axis)
