"""What is done to each voxel of an image in the host's memory, block by block.

Images are floats `(*spatial, channel)` in single or double precision for which `_array.computes_on_host` holds, as it
does for their parameters; results have a dtype of NumPy that is given.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["add_on_host", "bias_on_host", "gamma_on_host", "magnitude_on_host"]


def add_on_host(values: Array, field: Array, dtype: Any) -> Array:
    """Return the sum of two images."""
    return _array.map_blocks(lambda _, out, block, noise: np.add(block, noise, out=out), values, field, dtype=dtype)


def magnitude_on_host(values: Array, real: Array, imaginary: Array, dtype: Any) -> Array:
    """Return `hypot(values + real, imaginary)`."""

    def take_magnitude(_: object, out: HostArray, block: HostArray, first: HostArray, second: HostArray) -> None:
        whole = block + first
        if whole.dtype == np.float32:
            # Squares of single precision neither vanish nor overflow in double; NumPy takes twice as long for `hypot`.
            square, other = whole.astype(np.float64), second.astype(np.float64)
            square *= square
            other *= other
            square += other
            np.sqrt(square, out=out, casting="same_kind")
        # Beside an infinite part of a signal, one that is NaN does not count.
        if whole.dtype != np.float32 or not np.isfinite(out).all():
            np.hypot(whole, second, out=out)

    return _array.map_blocks(take_magnitude, values, real, imaginary, dtype=dtype)


def gamma_on_host(values: Array, exponent: Array, dtype: Any) -> Array:
    """Return images whose channels are raised to exponents between their own extremes.

    Args:
        values: Image.
        exponent: One positive number, or one per channel.
        dtype: That of the result.
    """
    image = _array.to_numpy(values)
    low, high = _channel_extremes(image)
    contrast = np.where(high == low, 1, high - low).astype(image.dtype)
    powers = np.broadcast_to(_array.to_numpy(exponent).reshape(-1), low.shape)
    # As many as a block has voxels: rows of a few channels would cost NumPy a loop each.
    voxels = image[_array.voxel_blocks(image.shape)[0]].size // low.size
    rows = [np.tile(row, voxels) for row in (low, contrast, powers)]
    # NumPy has vectors for these two on more processors than for powers, and they differ by less than 1e-7 of the
    # contrast; but an infinite power of 1 is 1.
    by_logarithm = image.dtype == np.float32 and bool(np.isfinite(powers).all())

    def stretch(_: object, out: HostArray, block: HostArray) -> None:
        unit = out.reshape(-1)
        least, spread, power = (row[: unit.size] for row in rows)
        np.subtract(block.reshape(-1), least, out=unit)
        unit /= spread
        if by_logarithm:
            np.log(unit, out=unit)
            unit *= power
            np.exp(unit, out=unit)
        else:
            np.power(unit, power, out=unit)
        unit *= spread
        unit += least

    return _array.map_blocks(stretch, values, dtype=dtype)


def _channel_extremes(image: HostArray) -> tuple[HostArray, HostArray]:
    """Return the smallest and the largest value of each channel; NaN where it holds one."""
    lows: list[HostArray] = []
    highs: list[HostArray] = []
    channels = image.shape[-1]
    # Of rows of all voxels along an axis extremes are vectorised, of a few channels they are not.
    wide = image.shape[-2] * channels

    def work(pieces: Iterator[tuple[Any, ...]]) -> None:
        for piece in pieces:
            block = _array.dense_block(image[piece])
            lines = block.reshape(-1, channels if block.size % wide else wide)
            lows.append(lines.min(axis=0))
            highs.append(lines.max(axis=0))

    _array.run_in_threads(work, _array.voxel_blocks(image.shape, factor=2), image.size)
    return (
        np.concatenate(lows).reshape(-1, channels).min(axis=0),
        np.concatenate(highs).reshape(-1, channels).max(axis=0),
    )


def bias_on_host(
    values: Array, coefficients: Array, powers: Sequence[Shape], lines: Sequence[HostArray], dtype: Any
) -> Array:
    """Return an image times the exponential of a polynomial.

    Args:
        values: Image.
        coefficients: One per monomial.
        powers: The exponents of each monomial, one per axis.
        lines: Coordinates along each axis.
        dtype: That of the result.
    """
    image, highest = _array.to_numpy(values), max(map(max, powers))
    grid = np.zeros((highest + 1,) * len(lines), image.dtype)
    for power, coefficient in zip(powers, _array.to_numpy(coefficients), strict=True):
        grid[power] = coefficient
    *outer, inner = (np.vander(line, highest + 1, increasing=True).astype(image.dtype) for line in lines)
    # A polynomial in the last coordinate for each voxel of the other axes: what is left is a product of two matrices.
    for table in outer:
        grid = np.tensordot(grid, table, axes=((0,), (1,)))
    rows = np.ascontiguousarray(np.moveaxis(grid, 0, -1))

    def brighten(piece: tuple[Any, ...], out: HostArray, block: HostArray) -> None:
        slices = piece[:-1]
        last = inner[slices[-1]] if len(slices) == len(lines) else inner
        field = rows[slices[: len(outer)]] @ last.T
        np.exp(field, out=field)
        for channel in range(block.shape[-1]):
            np.multiply(block[..., channel], field, out=out[..., channel])

    return _array.map_blocks(brighten, values, dtype=dtype)
