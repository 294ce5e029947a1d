"""Lines of an image along one axis, each multiplied by the same matrix: filters and changes of resolution."""

from mia_functional import _array
from mia_functional.typing import Array

__all__ = ["multiply_lines"]


def multiply_lines(values: Array, matrix: Array, axis: int) -> Array:
    """Return an array with every line along an axis multiplied by a matrix `(new size, size)`.

    NaN and infinity spread along their lines.
    """

    def multiply(values: Array, matrix: Array) -> Array:
        xp = _array.array_namespace(values, matrix)
        # The contracted axis of the product comes last, and goes back to where it was; not by `moveaxis`, which
        # `torch.func.vmap` does not know (PyTorch 2.13).
        order = [*range(axis), values.ndim - 1, *range(axis, values.ndim - 1)]
        return xp.permute_dims(xp.tensordot(values, matrix, axes=((axis,), (1,))), tuple(order))

    return _array.call_gathered(multiply, values, matrix)
