"""How large a structure is: its volume, and its area in one slice.

All axes are spatial and `spacing[k]` is the distance between voxel centres along array axis k in millimetres. Results
are float64, or the widest float of the library.
"""

import math
from collections.abc import Iterable

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import ConfusionCounts, float_counts, from_counts
from mia_functional.metrics.inputs import paired_arrays, structure_masks
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = [
    "absolute_volume_difference",
    "area",
    "prediction_area",
    "prediction_volume",
    "reference_area",
    "reference_volume",
    "relative_volume_difference",
    "volume",
]


@_array.one_node
def volume(mask: Array, *, spacing: Spacing, labels: Labels | Iterable[Label] | None = None) -> Array:
    """Return the volume of a structure.

    Formula: n s_0 s_1 s_2, with the number n of voxels and the spacing s.

    Args:
        mask: Mask (bool, or integers 0 and 1) of any shape; with `labels`, an integer label map.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.

    Returns:
        Cubic millimetres (square millimetres of a mask with two axes), at least 0. One entry per label.

    Raises:
        TypeError: The mask is not an array, or holds floats.
        ValueError: The array is empty; a spacing is not positive; a mask holds values other than 0 and 1; a label is
            negative.

    Example:
        >>> import numpy as np
        >>> float(volume(np.ones((2, 3, 1), dtype=bool), spacing=(2.0, 1.0, 0.5)))
        6.0

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    return _sizes("volume", "mask", mask, None, spacing=spacing, labels=labels)


def _sizes(
    function: str, argument: str, array: Array, counted: Array | None, *, spacing: Spacing,
    labels: Labels | Iterable[Label] | None,
) -> Array:  # fmt: skip
    """Return the size of every structure of an array, of the voxels that count."""
    masks = structure_masks(function, argument, array, labels)
    voxel = math.prod(checks.spacing(function, spacing, array.ndim))
    xp = _array.array_namespace(array)
    counts = xp.stack([xp.count_nonzero(one if counted is None else one & counted) for one in masks])
    sizes = xp.astype(counts, _array.widest_float(xp, array)) * voxel
    return sizes[0] if labels is None else sizes


@_array.one_node
def area(
    mask: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    axis: int = 0,
    index: int | None = None,
) -> Array:
    """Return the area of a structure in one slice of a volume, or in a whole image of two axes.

    Formula: n s_i s_j, with the number n of voxels in the slice and the spacing s along the two axes of the slice.

    Args:
        mask: Mask (bool, or integers 0 and 1) of two or three axes; with `labels`, an integer label map.
        spacing: Millimetres between voxel centres along each axis of the mask.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        axis: The axis across which the slice is taken; ignored for two axes.
        index: Position of the slice along the axis, negative ones from the end; the middle, `shape[axis] // 2`, by
            default; ignored for two axes.

    Returns:
        Square millimetres, at least 0. One entry per label.

    Raises:
        TypeError: The mask is not an array, or holds floats.
        ValueError: The array is empty or does not have two or three axes; the slice does not exist; a spacing is not
            positive; a mask holds values other than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> float(area(np.ones((2, 3, 1), dtype=bool), spacing=(2.0, 1.0, 0.5)))
        1.5

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    return _area("area", "mask", mask, None, spacing=spacing, labels=labels, axis=axis, index=index)


def _area(
    function: str, argument: str, array: Array, counted: Array | None, *, spacing: Spacing,
    labels: Labels | Iterable[Label] | None, axis: int, index: int | None,
) -> Array:  # fmt: skip
    """Return the area of every structure in one slice of an array, of the voxels that count."""
    _array.checked_namespace(function, **{argument: array})
    checks.dimensions(function, argument, array.shape, (2, 3))
    step = checks.spacing(function, spacing, array.ndim)
    if array.ndim == 3:
        across = checks.axis(function, axis, 3)
        length = array.shape[across]
        position = length // 2 if index is None else checks.integer(function, "index", index, minimum=-length)
        if position >= length:
            checks.invalid_value(function, "index", f"lie within {-length} and {length - 1}", position)
        chosen = (*(slice(None),) * across, position % length, ...)
        array = _array.read_region(array, chosen)
        counted = None if counted is None else _array.read_region(counted, chosen)
        step = step[:across] + step[across + 1 :]
    return _sizes(function, argument, array, counted, spacing=step, labels=labels)


@from_counts
def prediction_volume(counts: ConfusionCounts, *, spacing: Spacing) -> Array:
    """Return the volume of the prediction.

    Formula: (TP + FP) s_0 s_1 s_2, with the spacing s.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        spacing: Millimetres between voxel centres along each axis.

    Returns:
        Cubic millimetres, at least 0, of the shape of the counts.

    Raises:
        ValueError: A spacing is not positive.

    Example:
        >>> import numpy as np
        >>> float(prediction_volume(np.array([1, 1, 0]), np.array([0, 1, 0]), spacing=(2.0,)))
        4.0

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    tp, fp, _, _ = float_counts(counts)
    return (tp + fp) * math.prod(checks.spacing("prediction_volume", spacing, None))


@from_counts
def reference_volume(counts: ConfusionCounts, *, spacing: Spacing) -> Array:
    """Return the volume of the reference.

    Formula: (TP + FN) s_0 s_1 s_2, with the spacing s.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        spacing: Millimetres between voxel centres along each axis.

    Returns:
        Cubic millimetres, at least 0, of the shape of the counts.

    Raises:
        ValueError: A spacing is not positive.

    Example:
        >>> import numpy as np
        >>> float(reference_volume(np.array([1, 1, 0]), np.array([0, 1, 0]), spacing=(2.0,)))
        2.0

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    tp, _, fn, _ = float_counts(counts)
    return (tp + fn) * math.prod(checks.spacing("reference_volume", spacing, None))


@from_counts
def absolute_volume_difference(counts: ConfusionCounts, *, spacing: Spacing) -> Array:
    """Return the absolute volume difference (AVD): by how much the volumes differ, wherever the structures lie.

    Formula: |FP - FN| s_0 s_1 s_2, with the spacing s.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        spacing: Millimetres between voxel centres along each axis.

    Returns:
        Cubic millimetres, at least 0, of the shape of the counts; lower is better.

    Raises:
        ValueError: A spacing is not positive.

    Example:
        >>> import numpy as np
        >>> float(absolute_volume_difference(np.array([1, 1, 0]), np.array([0, 0, 1]), spacing=(2.0,)))
        2.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    _, fp, fn, _ = float_counts(counts)
    return _array.absolute(fp - fn) * math.prod(checks.spacing("absolute_volume_difference", spacing, None))


@from_counts
def relative_volume_difference(
    counts: ConfusionCounts, *, signed: bool = False, zero_division: float = math.nan
) -> Array:
    """Return the relative volume difference (RVD): by how much the volumes differ, in terms of the reference's.

    Formula: |FP - FN| / (TP + FN), without the bars with `signed`.

    Args:
        counts: Counts of any shape, or the pair with the options of `confusion_counts`.
        signed: Give negative numbers for predictions that are smaller than the reference.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, at least 0 (signed, at least -1); lower is better.

    Undefined:
        Reference empty: inf. Both masks empty: NaN.

    Example:
        >>> import numpy as np
        >>> float(relative_volume_difference(np.array([1, 0, 0, 0]), np.array([1, 1, 1, 1])))
        0.75

    Source:
        Heimann et al. 2009, doi 10.1109/TMI.2009.2013851.
    """
    checks.booleans("relative_volume_difference", signed=signed)
    tp, fp, fn, _ = float_counts(counts)
    difference = fp - fn if signed else _array.absolute(fp - fn)
    value = _array.ratio(difference, tp + fn, zero_division=math.inf)
    xp = _array.array_namespace(value)
    return xp.where(tp + fp + fn == 0, zero_division, value)


@_array.one_node
def prediction_area(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    axis: int = 0,
    index: int | None = None,
    mask: Array | None = None,
) -> Array:
    """Return the area of the prediction in one slice, as `area` does.

    Formula: n s_i s_j, with the number n of voxels in the slice and the spacing s along the two axes of the slice.

    Args:
        prediction: Mask or, with `labels`, label map of two or three axes.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        axis: The axis across which the slice is taken.
        index: Position of the slice along the axis; the middle by default.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        Square millimetres, at least 0. One entry per label.

    Raises:
        TypeError: As `area`.
        ValueError: The shapes differ; else as `area`.

    Example:
        >>> import numpy as np
        >>> float(prediction_area(np.array([[1, 1, 0]]), np.array([[0, 1, 0]]), spacing=(1.0, 2.0)))
        4.0

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    name = "prediction_area"
    arrays = paired_arrays(name, prediction, reference, mask=mask)
    counted = arrays[2] if mask is not None else None
    return _area(name, "prediction", arrays[0], counted, spacing=spacing, labels=labels, axis=axis, index=index)


@_array.one_node
def reference_area(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    axis: int = 0,
    index: int | None = None,
    mask: Array | None = None,
) -> Array:
    """Return the area of the reference in one slice, as `area` does.

    Formula: n s_i s_j, with the number n of voxels in the slice and the spacing s along the two axes of the slice.

    Args:
        prediction: Mask or, with `labels`, label map of two or three axes.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        axis: The axis across which the slice is taken.
        index: Position of the slice along the axis; the middle by default.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        Square millimetres, at least 0. One entry per label.

    Raises:
        TypeError: As `area`.
        ValueError: The shapes differ; else as `area`.

    Example:
        >>> import numpy as np
        >>> float(reference_area(np.array([[1, 1, 0]]), np.array([[0, 1, 0]]), spacing=(1.0, 2.0)))
        2.0

    Source:
        Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.
    """
    name = "reference_area"
    arrays = paired_arrays(name, prediction, reference, mask=mask)
    counted = arrays[2] if mask is not None else None
    return _area(name, "reference", arrays[1], counted, spacing=spacing, labels=labels, axis=axis, index=index)
