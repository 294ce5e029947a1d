"""Statistics of each channel of an image, inside a mask or everywhere: what the intensity transforms share."""

import math
from functools import partial
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms.arguments import require_parameter_shape
from mia_functional.typing import Array, HostArray

__all__ = [
    "mask_inside",
    "masked_extremes",
    "masked_mean",
    "masked_percentiles",
    "one_where_zero",
    "reduction_axes",
    "restore_dtype",
    "restored_host_dtype",
    "to_float",
    "to_float_and_mask",
    "within_range",
]


def to_float(function: str, image: Array) -> Array:
    """Return an image of real numbers in the dtype of sums: float64 stays, anything else becomes float32."""
    xp = _array.checked_namespace(function, image=image)
    _array.require_real(function, "image", image)
    checks.not_empty(function, "image", image.shape)
    return xp.astype(image, _array.accumulator_dtype(image), copy=False)


def to_float_and_mask(function: str, image: Array, mask: Array | None) -> tuple[Array, Array | None]:
    """Return an image as `to_float` does, and its mask as `mask_inside` does, in one library."""
    if mask is None:
        return to_float(function, image), None
    _, (image, mask) = _array.to_common_library(function, image=image, mask=mask)
    return to_float(function, image), mask_inside(function, image, mask)


def mask_inside(function: str, image: Array, mask: Array) -> Array:
    """Return a mask as booleans that broadcast against the image; raise if it has another shape."""
    require_parameter_shape(function, "mask", mask, tuple(image.shape), (*image.shape[:-1], 1))
    return mask if _array.dtype_kind(mask) == "bool" else mask != 0


def restore_dtype(values: Array, image: Array) -> Array:
    """Return a result in the dtype of the image if that is one of floats, else in float32."""
    # Integers are not restored: a standardised uint8 would be all zeros and ones.
    is_float = _array.dtype_kind(image) == "float"
    dtype = image.dtype if is_float else _array.accumulator_dtype(image)
    # What is the image itself is copied, as results are the caller's to change.
    return _array.array_namespace(values).astype(values, dtype, copy=values is image)


def restored_host_dtype(values: Array, image: Array) -> "np.dtype[Any]":
    """Return the dtype of `restore_dtype` as NumPy has it, of arrays in the host's memory."""
    return _array.to_numpy(image if _array.dtype_kind(image) == "float" else values).dtype


def reduction_axes(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes to take statistics over; all but the last by default."""
    if axis is None:
        if ndim < 2:
            checks.invalid_value(function, "image", "have its channels on a last axis, or `axis` be given", "one axis")
        return tuple(range(ndim - 1))
    return checks.axes(function, axis, ndim)


def one_where_zero(divisor: Array) -> Array:
    """Return a divisor with 1 in place of 0, so that a constant channel gives 0 and no warning."""
    return _array.array_namespace(divisor).where(divisor == 0, 1.0, divisor)


def masked_extremes(values: Array, inside: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return minimum and maximum inside the mask, with the axes kept; NaN where the mask is empty."""
    xp = _array.array_namespace(values)
    low = high = values
    if inside is not None:
        low, high = xp.where(inside, values, math.inf), xp.where(inside, values, -math.inf)
    # One axis at a time: with channels last NumPy takes 1.7 ms for 128^3 x 2 voxels, and 173 ms for all axes at once.
    for axis in axes:
        low, high = xp.min(low, axis=axis, keepdims=True), xp.max(high, axis=axis, keepdims=True)
    # An empty mask leaves the infinities; where the minimum is NaN, one of the voxels is.
    return xp.where(low > high, math.nan, low), high


def within_range(values: Array, low: Array, high: Array) -> Array:
    """Return where values lie between two others: 0 at the low one, 1 at the high one; 0 if these are equal."""
    xp, contrast = _array.array_namespace(values), one_where_zero(high - low)
    apart = values - low
    # In a unit in which the square of the contrast, by which its derivative is divided, neither vanishes nor overflows.
    unit = _array.binary_scale(contrast)
    # Elsewhere than in the host's memory, asking whether that can be saved takes longer than doing it.
    if not (_array.in_host_memory(unit) and _array.is_known_true(lambda units: xp.all(units == 1), unit)):
        apart, contrast = apart * (1 / unit), contrast / unit
    return apart / contrast


def masked_mean(values: Array, inside: Array | None, axes: tuple[int, ...]) -> Array:
    """Return the mean inside the mask, with the axes kept; NaN where the mask is empty."""
    xp = _array.array_namespace(values)
    # float32 sums of a volume lose the digits of a mean far from zero.
    wide = _array.widest_float(xp, values)
    total, count = values if inside is None else xp.where(inside, values, 0.0), inside
    total = _array.sum_along(total, axes, dtype=wide, keepdims=True)
    if count is None:
        return xp.astype(total / math.prod([values.shape[axis] for axis in axes]), values.dtype)
    number = xp.astype(xp.count_nonzero(count, axis=axes, keepdims=True), wide)
    return xp.astype(_array.ratio(total, xp.broadcast_to(number, total.shape)), values.dtype)


def masked_percentiles(
    values: Array, inside: Array | None, axes: tuple[int, ...], percents: tuple[float, ...]
) -> list[Array]:
    """Return percentiles inside the mask by NumPy's linear rule, with the axes kept; NaN where the mask is empty."""
    given = (values,) if inside is None else (values, inside)
    return _array.call_gathered(partial(_percentiles_of_rows, axes=axes, percents=percents), *given)


def _percentiles_of_rows(
    values: Array, inside: Array | None = None, *, axes: tuple[int, ...], percents: tuple[float, ...]
) -> list[Array]:
    """Return what `masked_percentiles` does, of arrays that lie in one piece."""
    xp = _array.array_namespace(values)
    order = (*(axis for axis in range(values.ndim) if axis not in axes), *axes)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(values.shape))
    # One row per channel, of which statistics are taken along the row.
    rows = xp.reshape(xp.permute_dims(values, order), (math.prod(shape), -1))
    chosen = inside
    if inside is not None:
        chosen = xp.reshape(xp.permute_dims(xp.broadcast_to(inside, values.shape), order), rows.shape)
    # Rows, not values: in a JAX program, those of an image from outside are traced.
    if _array.in_host_memory(rows) and (chosen is None or _array.in_host_memory(chosen)):
        result = _host_percentiles(_array.to_numpy(rows), None if chosen is None else _array.to_numpy(chosen), percents)
        return [xp.reshape(_array.from_numpy(entry, xp, values), shape) for entry in result]
    everything = xp.full_like(rows[:, :1], rows.shape[1], dtype=_array.index_dtype(xp))
    count = everything if chosen is None else xp.count_nonzero(chosen, axis=-1, keepdims=True)
    # Boolean indexing has no static shape: what is outside goes behind the `count` voxels inside instead.
    ordered = xp.sort(rows if chosen is None else xp.where(chosen, rows, math.inf), axis=-1)
    return [xp.reshape(_sorted_percentile(ordered, count, percent), shape) for percent in percents]


def _host_percentiles(rows: HostArray, chosen: "HostArray | None", percents: tuple[float, ...]) -> HostArray:
    """Return the percentiles of NumPy rows, one row per percentile, without sorting all of them."""
    result = np.full((len(percents), len(rows)), np.nan, rows.dtype)
    for column, row in enumerate(rows):
        group = row if chosen is None else row[chosen[column]]
        if not group.size:
            continue
        # Not `np.percentile`, which counts in the dtype of the values: in single precision it misses ranks of 2^24
        # voxels (NumPy 2.4).
        last = np.asarray(group.size - 1)
        ranks = [_array.linear_rank(last, percent) for percent in percents]
        pairs = [(int(below), min(int(below) + 1, int(last))) for below, _ in ranks]
        ordered = np.partition(group, sorted({int(last), *(rank for pair in pairs for rank in pair)}))
        for number, (pair, (_, fraction)) in enumerate(zip(pairs, ranks, strict=True)):
            below, above = (ordered[rank : rank + 1] for rank in pair)
            result[number, column] = _between(below, above, fraction, ordered[-1:])[0]
    return result


def _sorted_percentile(rows: Array, count: Array, percent: float) -> Array:
    """Return the percentile of the first `count` values of sorted rows, which hold nothing but infinity after them."""
    xp = _array.array_namespace(rows)
    # An empty row has no rank at all.
    last = xp.where(count > 0, count - 1, xp.zeros_like(count))
    low, fraction = _array.linear_rank(last, percent)
    below, above = (
        _array.take_along(rows, xp.astype(position, _array.index_dtype(xp)), -1)
        for position in (low, xp.minimum(low + 1, last))
    )
    return xp.where(count > 0, _between(below, above, fraction, rows[:, -1:]), math.nan)


def _between(below: Array, above: Array, fraction: Array, largest: Array) -> Array:
    """Return what lies between two neighbouring values.

    It is infinite between an infinite value and another, and NaN in a row that holds NaN: that is sorted to the end, so
    the largest value tells.
    """
    xp = _array.array_namespace(below)
    fraction = xp.astype(fraction, below.dtype)
    # Infinity times a fraction of 0, or minus infinity, would be NaN.
    still = (fraction == 0) | xp.isinf(below)
    rise = xp.where(still, 0.0, above) - xp.where(still, 0.0, below)
    return xp.where(xp.isnan(largest), math.nan, below + fraction * rise)
