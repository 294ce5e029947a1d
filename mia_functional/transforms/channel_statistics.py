"""Statistics of each channel of an image, inside of a mask or everywhere; the machinery of the intensity transforms."""

import math
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array


def opened(function: str, image: Array, mask: Array | None) -> tuple[Array, Array | None]:
    """Return the image in the dtype of sums, and the mask as booleans that broadcast against it."""
    arrays = {"image": image} if mask is None else {"image": image, "mask": mask}
    xp, (image, *rest) = _array.to_common_library(function, **arrays)
    if _array.dtype_kind(image) not in ("bool", "integer", "float"):
        checks.invalid_kind(function, "image", "hold real numbers", f"dtype {image.dtype}")
    checks.not_empty(function, "image", image.shape)
    values = xp.astype(image, _array.accumulator_dtype(image), copy=False)
    return values, inside_of(function, image, rest[0]) if rest else None


def inside_of(function: str, image: Array, mask: Array) -> Array:
    """Return a mask as booleans; refuse one of another shape."""
    allowed = (tuple(image.shape), (*image.shape[:-1], 1))
    if tuple(mask.shape) not in allowed:
        checks.invalid_value(function, "mask", f"have the shape {allowed[0]} or {allowed[1]}", tuple(mask.shape))
    return mask if _array.dtype_kind(mask) == "bool" else mask != 0


def closed(values: Array, image: Array) -> Array:
    """Return a result in the image's dtype; float32 where that is none of floats."""
    kept = _array.dtype_kind(image) == "float"
    return _array.array_namespace(values).astype(values, image.dtype if kept else _array.accumulator_dtype(image))


def axes_of(function: str, axis: int | tuple[int, ...] | None, ndim: int) -> tuple[int, ...]:
    """Return the axes of statistics: all but the last where none are given."""
    if axis is None:
        if ndim < 2:
            checks.invalid_value(function, "image", "have its channels on a last axis, or `axis` be given", "one axis")
        return tuple(range(ndim - 1))
    return tuple(checks.axis(function, entry, ndim) for entry in (axis if isinstance(axis, tuple) else (axis,)))


def or_one(divisor: Array) -> Array:
    """Return a divisor with 1 in place of 0."""
    return _array.array_namespace(divisor).where(divisor == 0, 1.0, divisor)


def _outside(inside: Array | None, values: Array, replacement: float) -> Array:
    """Return `values` with what is not inside of the mask replaced."""
    return values if inside is None else _array.array_namespace(values).where(inside, values, replacement)


def extremes(values: Array, inside: Array | None, axes: tuple[int, ...]) -> tuple[Array, Array]:
    """Return minimum and maximum inside of the mask, one axis at a time, which is far faster; NaN where it is empty."""
    xp = _array.array_namespace(values)
    low, high = _outside(inside, values, math.inf), _outside(inside, values, -math.inf)
    for axis in axes:
        low, high = xp.min(low, axis=axis, keepdims=True), xp.max(high, axis=axis, keepdims=True)
    low = xp.where(low > high, math.nan, low)
    return low, high


def mean(values: Array, inside: Array | None, axes: tuple[int, ...]) -> Array:
    """Return the mean inside of the mask, summed in the widest dtype, one axis at a time; NaN where it is empty."""
    xp = _array.array_namespace(values)
    wide = _array.widest_float(xp, values)
    total, count = _outside(inside, values, 0.0), inside
    for axis in axes:
        total = xp.sum(total, axis=axis, keepdims=True, dtype=wide)
        if inside is not None:
            count = xp.sum(xp.astype(count, wide, copy=False), axis=axis, keepdims=True)
    if inside is None:
        return xp.astype(total / math.prod(values.shape[axis] for axis in axes), values.dtype)
    return xp.astype(_array.ratio(total, xp.broadcast_to(count, total.shape)), values.dtype)


def percentiles(values: Array, inside: Array | None, axes: tuple[int, ...], percents: tuple[float, ...]) -> list[Array]:
    """Return percentiles inside of the mask by NumPy's linear rule, with the axes kept; NaN where the mask is empty.

    NumPy selects without sorting. Where it finds NaN, there may be infinite voxels, for which `_rank` has its rule.
    """
    xp = _array.array_namespace(values)
    kept = tuple(axis for axis in range(values.ndim) if axis not in axes)
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(values.shape))
    rows = math.prod(values.shape[axis] for axis in kept)

    def lined(array: Array) -> Array:
        return xp.reshape(xp.permute_dims(array, (*kept, *axes)), (rows, -1))

    lines, chosen = lined(values), None if inside is None else lined(xp.broadcast_to(inside, values.shape))
    if _array.in_host_memory(values):
        found = _host_percentiles(_array.to_numpy(lines), None if chosen is None else _array.to_numpy(chosen), percents)
        if not np.isnan(found).any():
            return [xp.reshape(_array.from_numpy(row, xp, values), shape) for row in found]
    size = lines.shape[1] if chosen is None else xp.count_nonzero(chosen, axis=-1, keepdims=True)
    ordered = xp.sort(_outside(chosen, lines, math.inf), axis=-1)
    return [xp.reshape(_rank(ordered, size, percent), shape) for percent in percents]


def _host_percentiles(lines: Any, chosen: Any, percents: tuple[float, ...]) -> Any:
    """Return the percentiles of NumPy lines, one row per percentile; NaN where they lie beside infinity too."""
    parts = lines if chosen is None else [line[inside] for line, inside in zip(lines, chosen, strict=True)]
    with np.errstate(invalid="ignore"):
        columns = [np.percentile(part, percents) if part.size else np.full(len(percents), np.nan) for part in parts]
    return np.stack(columns, axis=-1).astype(lines.dtype)


def _rank(lines: Array, size: Any, percent: float) -> Array:
    """Return the percentile of the first `size` values of sorted lines, after which there is nothing but infinity.

    It is infinite between an infinite value and another, and NaN where a value is, which is sorted to the end.
    """
    xp = _array.array_namespace(lines)
    wide = _array.widest_float(xp, lines)
    last = (xp.astype(size, wide) if hasattr(size, "dtype") else xp.full_like(lines[:, :1], size, dtype=wide)) - 1
    place = last * (percent / 100)
    low = xp.floor(place)
    part = xp.astype(place - low, lines.dtype)
    below, above = (
        xp.take_along_axis(lines, xp.astype(xp.clip(rank, 0, lines.shape[1] - 1), _array.index_dtype(xp)), axis=-1)
        for rank in (low, xp.minimum(low + 1, last))
    )
    still = (part == 0) | xp.isinf(below)
    rise = xp.where(still, 0.0, above) - xp.where(still, 0.0, below)
    return xp.where((last < 0) | xp.isnan(lines[:, -1:]), math.nan, below + part * rise)


def brighter(image: Array, value: float) -> Array:
    """Return where an image is above a number; integers are compared with a whole number, so that none is rounded."""
    xp = _array.array_namespace(image)
    if math.isnan(value):
        return xp.zeros_like(image, dtype=xp.bool)
    if _array.dtype_kind(image) == "float":
        return xp.astype(image, _array.accumulator_dtype(image), copy=False) > value
    whole = xp.astype(image, xp.uint8) if _array.dtype_kind(image) == "bool" else image
    least, most = int(xp.iinfo(whole.dtype).min), int(xp.iinfo(whole.dtype).max)
    return xp.ones_like(image, dtype=xp.bool) if value < least else whole > math.floor(min(value, most))
