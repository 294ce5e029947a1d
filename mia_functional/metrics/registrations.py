"""How good a registration is: distances of landmarks, and where a displacement field folds.

A displacement field has the shape (*spatial, D) with D vectors' components in millimetres, in the order of the array's
axes: `field[z, y, x, 0]` is the displacement along the first axis.
"""

from functools import partial
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask
from mia_functional.typing import Array, Spacing

__all__ = ["jacobian_determinant", "negative_jacobian_share", "target_registration_error"]


@_array.one_node
def target_registration_error(prediction: Array, reference: Array, *, spacing: Spacing | None = None) -> Array:
    """Return the target registration error (TRE): how far each landmark lies from where it should.

    Formula: |p - r| of each pair of points.

    Args:
        prediction: Points of shape (..., D), moved by the registration.
        reference: The points that they should lie at, of the same shape.
        spacing: Millimetres between voxel centres along each axis, for points in voxels; None for points in
            millimetres.

    Returns:
        Millimetres, of shape (...), at least 0; lower is better. Means and quantiles over the landmarks are the
        caller's choice.

    Raises:
        TypeError: An argument is not an array of real numbers; arrays of two libraries other than NumPy, or of two
            devices, meet.
        ValueError: The shapes differ or are empty; the spacing does not have D entries, or one is not positive.

    Example:
        >>> import numpy as np
        >>> target_registration_error(np.array([[0.0, 3.0]]), np.array([[2.0, 3.0]]), spacing=(1.5, 1.0)).tolist()
        [3.0]

    Source:
        Fitzpatrick, West and Maurer 1998, doi 10.1109/42.736021.
    """
    name = "target_registration_error"
    xp, (prediction, reference) = _array.to_common_library(name, prediction=prediction, reference=reference)
    checks.same_shape(name, "prediction", prediction.shape, reference.shape)
    checks.not_empty(name, "prediction", prediction.shape)
    points = [
        _real(name, argument, array) for argument, array in (("prediction", prediction), ("reference", reference))
    ]
    apart = points[0] - points[1]
    if spacing is not None:
        step = checks.spacing(name, spacing, apart.shape[-1])
        sizes = _array.asarray_like(_array.from_numbers(step, apart), apart)
        # With the rank of the points, as JAX may be told not to broadcast another one.
        apart = apart * xp.reshape(sizes, (1,) * (apart.ndim - 1) + (-1,))
    return _array.root(xp.sum(apart**2, axis=-1))


@_array.one_node
def jacobian_determinant(displacement: Array, *, spacing: Spacing) -> Array:
    """Return the Jacobian determinant of `x + u(x)`: how much the field stretches the space around each voxel.

    Formula: det(I + du / dx), with central differences, and one-sided ones at the border.

    Args:
        displacement: Field of two or three spatial axes, of shape (*spatial, D), in millimetres.
        spacing: Millimetres between voxel centres along each axis.

    Returns:
        Floats of shape (*spatial,): 1 where volumes stay, 0 or less where the field folds.

    Raises:
        TypeError: The field is not an array of real numbers.
        ValueError: The last axis does not have a component for each of two or three spatial axes, or an axis has fewer
            than two voxels; a spacing is not positive.

    Example:
        >>> import numpy as np
        >>> stretched = np.stack(np.meshgrid([0.0, 0.5, 1.0], [0.0, 0.0], indexing="ij"), axis=-1)
        >>> jacobian_determinant(stretched, spacing=(1.0, 1.0)).tolist()
        [[1.5, 1.5], [1.5, 1.5], [1.5, 1.5]]

    Agrees with:
        SimpleITK's `DisplacementFieldJacobianDeterminant` away from the border.
    """
    return _field_jacobian("jacobian_determinant", displacement, spacing)


@_array.one_node
def negative_jacobian_share(displacement: Array, *, spacing: Spacing, mask: Array | None = None) -> Array:
    """Return the share of voxels at which a displacement field folds: where its Jacobian determinant is not positive.

    Formula: |det(I + du / dx) <= 0| / n.

    Args:
        displacement: As in `jacobian_determinant`.
        spacing: Millimetres between voxel centres along each axis.
        mask: Mask of the spatial shape; only voxels inside it count.

    Returns:
        One number from 0 to 1; lower is better.

    Undefined:
        The mask is empty: NaN.

    Raises:
        TypeError: As `jacobian_determinant`; the mask is neither boolean nor integer.
        ValueError: As `jacobian_determinant`; the mask has another shape, or values besides 0 and 1.

    Example:
        >>> import numpy as np
        >>> folded = np.zeros((4, 4, 2))
        >>> folded[2, :, 0] = -2.0
        >>> float(negative_jacobian_share(folded, spacing=(1.0, 1.0)))
        0.25

    Source:
        Hering et al. 2023, Learn2Reg, doi 10.1109/TMI.2022.3213983.
    """
    name = "negative_jacobian_share"
    if mask is None:
        folds = _field_jacobian(name, displacement, spacing) <= 0
        xp = _array.array_namespace(folds)
        counted = xp.ones_like(folds)
    else:
        xp, (displacement, mask) = _array.to_common_library(name, displacement=displacement, mask=mask)
        checks.same_shape(name, "mask", mask.shape, displacement.shape[:-1], of="the field without its components")
        counted = binary_mask(name, "mask", mask)
        folds = (_field_jacobian(name, displacement, spacing) <= 0) & counted
    dtype = _array.widest_float(xp, folds)
    return _array.ratio(*(xp.astype(xp.count_nonzero(region), dtype) for region in (folds, counted)))


def _field_jacobian(function: str, displacement: Array, spacing: Spacing) -> Array:
    """Return the Jacobian determinants of a field."""
    _array.checked_namespace(function, displacement=displacement)
    ndim, shape = displacement.ndim - 1, tuple(displacement.shape)
    if ndim not in (2, 3) or shape[-1] != ndim or any(size < 2 for size in shape[:-1]):
        needed = "have two or three spatial axes of two voxels or more, and a component for each on the last axis"
        checks.invalid_value(function, "displacement", needed, f"shape {shape}")
    step = checks.spacing(function, spacing, ndim)
    field = _real(function, "displacement", displacement)
    return _array.call_gathered(partial(_determinant_of_slopes, step=step), field)


def _determinant_of_slopes(field: Array, step: Spacing) -> Array:
    """Return the Jacobian determinants of a field of real numbers, with `step` millimetres between its voxels."""
    ndim = field.ndim - 1
    rows = [
        [_slope(field[..., component], axis, step[axis]) + float(component == axis) for axis in range(ndim)]
        for component in range(ndim)
    ]
    if ndim == 2:
        return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    minors: Any = [
        rows[1][(axis + 1) % 3] * rows[2][(axis + 2) % 3] - rows[1][(axis + 2) % 3] * rows[2][(axis + 1) % 3]
        for axis in range(3)
    ]
    xp = _array.array_namespace(field)
    determinant: Array = sum((rows[0][axis] * minors[axis] for axis in range(3)), start=xp.zeros_like(minors[0]))
    return determinant


def _slope(values: Array, axis: int, step: float) -> Array:
    """Return the differences along an axis by the distance: of both neighbours, at an end of the one there is."""
    xp = _array.array_namespace(values)
    before = (slice(None),) * axis
    steps = values[(*before, slice(1, None), ...)] - values[(*before, slice(None, -1), ...)]
    middle = (steps[(*before, slice(1, None), ...)] + steps[(*before, slice(None, -1), ...)]) / 2
    ends = steps[(*before, slice(0, 1), ...)], steps[(*before, slice(-1, None), ...)]
    return xp.concat([ends[0], middle, ends[1]], axis=axis) / step


def _real(function: str, argument: str, array: Array) -> Array:
    """Return real numbers as floats, at least of single precision."""
    xp = _array.array_namespace(array)
    kind = _array.dtype_kind(array)
    if kind not in ("float", "integer"):
        checks.invalid_kind(function, argument, "hold real numbers", f"dtype {array.dtype}")
    return xp.astype(array, _array.accumulator_dtype(array) if kind == "float" else _array.widest_float(xp, array))
