"""Draws that undo draws: what turns an image, or what was predicted for it, back to where it came from."""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import random_parameters as parameters
from mia_functional.transforms.arguments import Integers, Numbers, as_numbers, require_parameter_shape, require_valid
from mia_functional.typing import Array

__all__ = ["inverse"]

_Draw = TypeVar("_Draw", bound=tuple[Any, ...])

_INVERTIBLE = "Flip, Rot90, Shift, Swap, Affine, Brightness, Contrast, Gamma, BiasField or Noise"


def inverse(draw: _Draw) -> _Draw:
    """Return the draw that undoes another one, for the same function: `flip(flip(image, *draw), *inverse(draw))`.

    Test-time augmentation predicts for images that are flipped, turned and moved, and undoes that on the predictions.

    | draw | its inverse |
    |---|---|
    | `Flip` | itself |
    | `Rot90` | as many quarters as are missing to a full turn |
    | `Shift` | the opposite offset; what left the image comes back with `wrap=True` alone |
    | `Swap` | the same pairs, the last one first; of patches that do not overlap |
    | `Affine` | the inverse matrix `A^-1` and the offset `-A^-1 b`; what left the image is lost |
    | `Brightness` | the factor `1 / factor` and the offset `-offset / factor` |
    | `Contrast` | the factor `1 / factor` |
    | `Gamma` | the exponent `1 / exponent` |
    | `BiasField` | the opposite coefficients |
    | `Noise` | the opposite field |

    Args:
        draw: Record of a sampler, whose entries may be traced; or one that was stored, with lists in place of arrays.

    Returns:
        A record of the same kind, which `inverse` turns into the first again.

    Raises:
        TypeError: No draw undoes those of this kind, as of a blur or a crop.
        ValueError: The matrix of an `Affine` is known to be singular, or its shape or that of the offset does not fit;
            an exponent or a factor is known not to be positive.

    Example:
        >>> import numpy as np
        >>> from mia_functional.transforms import random_shift, shift
        >>> draw = random_shift(np.random.default_rng(0), spatial_shape=(4,), max_offset=3)
        >>> shift(shift(np.arange(4), *draw, wrap=True), *inverse(draw), wrap=True).tolist()
        [0, 1, 2, 3]

    Source:
        Moshkov et al. 2020, Test-time augmentation for deep learning-based cell segmentation,
        doi 10.1038/s41598-020-61808-3.
    """
    undoing: tuple[Any, ...]
    if isinstance(draw, parameters.Flip):
        undoing = draw
    elif isinstance(draw, parameters.Rot90):
        undoing = (_negated(draw.turns) % 4,)
    elif isinstance(draw, parameters.Shift):
        offset: Any = draw.offset
        undoing = (tuple(map(_negated, offset)) if isinstance(offset, Sequence) else _negated(offset),)
    elif isinstance(draw, parameters.Swap):
        undoing = tuple(entry[::-1] if isinstance(entry, Sequence) else _last_first(entry) for entry in draw)
    elif isinstance(draw, parameters.Affine):
        undoing = _inverse_affine(draw)
    elif isinstance(draw, parameters.Brightness):
        factor, added = _floats(factor=draw.factor, offset=draw.offset)
        undoing = (_reciprocal(draw.factor, factor), -added / factor)
    elif isinstance(draw, parameters.Contrast | parameters.Gamma):
        (factor,) = _floats(draw=draw[0])
        undoing = (_reciprocal(draw[0], factor),)
    elif isinstance(draw, parameters.BiasField | parameters.Noise):
        (entry,) = _floats(draw=draw[0])
        undoing = (-entry,)
    else:
        checks.invalid_kind("inverse", "draw", f"be one that can be undone ({_INVERTIBLE})", type(draw).__name__)
    made: _Draw = type(draw)(*undoing)
    return made


def _negated(number: Integers) -> Any:
    """Return whole numbers with the other sign; unsigned ones would wrap around."""
    if not checks.has_shape(number):
        return -checks.integer("inverse", "draw", number, minimum=-(2**31))
    array: Any = number
    xp = _array.checked_namespace("inverse", draw=array)
    _array.require_integers("inverse", "draw", array)
    return -xp.astype(array, _array.index_dtype(xp))


def _last_first(array: Array) -> Array:
    """Return an array with its first axis turned around."""
    checks.require_shape("inverse", "draw", array)
    return _array.array_namespace(array).flip(array, axis=0)


def _floats(**entries: Numbers) -> list[Array]:
    """Return entries of a draw as floats of one library, in the dtype of sums."""
    given = {name: as_numbers("inverse", name, entry, None) for name, entry in entries.items()}
    xp, arrays = _array.to_common_library("inverse", **given)
    for name, array in zip(given, arrays, strict=True):
        _array.require_real("inverse", name, array)
    return [xp.astype(array, _array.accumulator_dtype(array), copy=False) for array in arrays]


def _reciprocal(given: Numbers, factor: Array) -> Array:
    """Return what multiplies back, `1 / factor`; raise for a factor that is known to be 0 or negative."""
    require_valid("inverse", "draw", given, factor, lambda number: number > 0, needed="be positive")
    inverted: Array = 1 / factor
    return inverted


def _inverse_affine(draw: parameters.Affine) -> tuple[Array, Array]:
    """Return matrix and offset of the map back, `x = A^-1 y - A^-1 b`."""
    matrix, offset = _floats(matrix=draw.matrix, offset=draw.offset)
    xp = _array.array_namespace(matrix)
    size = matrix.shape[0] if matrix.ndim == 2 else 0
    require_parameter_shape("inverse", "draw", matrix, (max(size, 1),) * 2)
    require_parameter_shape("inverse", "draw", offset, (size,))
    offset = xp.astype(offset, matrix.dtype, copy=False)
    rows, columns = tuple(range(size)), tuple(range(size))
    whole = _laplace_determinant(matrix, rows, columns)
    require_valid(
        "inverse",
        "draw",
        whole,
        whole,
        lambda number: (abs(number) > 0) & (abs(number) < math.inf),
        needed="have a matrix that can be inverted",
        actual="a singular one",
    )
    # By cofactors, which are exact to rounding for the two or three axes of images: LAPACK is not there in exported
    # programs and on all devices.
    cofactors = [
        (-1) ** (row + column)
        * _laplace_determinant(matrix, rows[:row] + rows[row + 1 :], columns[:column] + columns[column + 1 :])
        / whole
        for column in columns
        for row in rows
    ]
    back = xp.reshape(xp.stack(cofactors), (size, size))
    return back, -xp.sum(back * offset[None, :], axis=1)


def _laplace_determinant(matrix: Array, rows: tuple[int, ...], columns: tuple[int, ...]) -> Array:
    """Return the determinant of the chosen rows and columns of a matrix, by its first row; 1 of none."""
    if not rows:
        return _array.array_namespace(matrix).ones_like(matrix[0, 0])
    terms = [
        (-1) ** number
        * matrix[rows[0], column]
        * _laplace_determinant(matrix, rows[1:], columns[:number] + columns[number + 1 :])
        for number, column in enumerate(columns)
    ]
    total: Array = sum(terms[1:], terms[0])
    return total
