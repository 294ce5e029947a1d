"""Where the voxels of a result come from in the source: coordinates as sums, for a whole grid or a block of it."""

import operator
from collections.abc import Callable
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional.typing import Array, HostArray, Shape

__all__ = ["BlockPlaces", "Places", "axes_of_source", "block_places", "coordinates", "places_on_host"]

BlockPlaces: TypeAlias = Callable[[tuple[slice, ...], HostArray], None]
"""Writes the coordinates of the voxels of a block, given by slices, into an array `(axes of the source, *block)`."""


class Places(NamedTuple):
    """Coordinates in voxels along each axis of the source for every voxel of a result.

    They are sums of what the axes of the result add, given point by point, or sums that a spline bends.
    """

    shape: Shape
    """Voxels of the result."""

    dtype: Any
    """That of the coordinates."""

    terms: tuple[tuple[Array | None, ...], ...] = ()
    """For each axis of the source what each axis of the result adds, as an open mesh; None adds nothing."""

    field: Array | None = None
    """The points, `(axes of the source, *shape)`; or, with `weights`, what is added to the sums, with control points
    instead of the last axis and in front of the others: `(axes of the source, points, *shape[:-1])`."""

    weights: Array | None = None
    """How much each control point counts at each voxel of the last axis, `(voxels, points)`."""


def coordinates(places: Places) -> list[Array]:
    """Return coordinates along each axis of the source, as arrays that broadcast to the shape of the result."""
    sums = [reduce(operator.add, (term for term in terms if term is not None)) for terms in places.terms]
    field = places.field
    if field is None:
        return sums
    if places.weights is not None:
        field = _array.array_namespace(field).tensordot(field, places.weights, axes=((1,), (1,)))
    lines = [field[axis, ...] for axis in range(field.shape[0])]
    return [line + total for line, total in zip(lines, sums, strict=True)] if sums else lines


def places_on_host(places: Places) -> Places | None:
    """Return places as arrays of NumPy; None unless all lie in the host's memory, and nothing is derived by them."""
    given = [term for terms in places.terms for term in terms if term is not None]
    arrays = [*given, *(array for array in (places.field, places.weights) if array is not None)]
    if not _array.computes_on_host(*arrays):
        return None
    terms = tuple(tuple(None if t is None else _array.to_numpy(t) for t in entry) for entry in places.terms)
    field, weights = (None if array is None else _array.to_numpy(array) for array in (places.field, places.weights))
    return Places(places.shape, _array.to_numpy(arrays[0]).dtype, terms, field, weights)


def block_places(places: Places) -> BlockPlaces:
    """Return the coordinates of blocks, for arrays of NumPy: sums are those of the whole grid to the last bit.

    What the leading axes add is summed here for all of them, which takes a number for every row of the result.
    """
    *leading, last = places.shape
    field, weights = (None if array is None else _array.to_numpy(array) for array in (places.field, places.weights))
    if field is not None and weights is None:
        return lambda block, out: np.copyto(out, field[(slice(None), *block)])
    count = axes_of_source(places)
    rows = np.zeros((count, *leading, 1), places.dtype)
    columns = np.zeros((count, *(1,) * len(leading), last), places.dtype)
    for axis, (*heads, tail) in enumerate(places.terms):
        if present := [_array.to_numpy(head) for head in heads if head is not None]:
            rows[axis] = reduce(operator.add, present)
        if tail is not None:
            columns[axis] = _array.to_numpy(tail)

    # Points behind rows: the products are of few rows each, which BLAS leaves to the thread that asks for them.
    dense = None if field is None else np.ascontiguousarray(np.moveaxis(field, 1, -1))

    def write(block: tuple[slice, ...], out: HostArray) -> None:
        *others, along = block
        if dense is None or weights is None:
            np.add(rows[(slice(None), *others)], columns[..., along], out=out)
            return
        np.matmul(dense[(slice(None), *others)], weights[along].T, out=out)
        out += rows[(slice(None), *others)]
        out += columns[..., along]

    return write


def axes_of_source(places: Places) -> int:
    """Return the number of spatial axes of the source."""
    return len(places.terms) if places.field is None else places.field.shape[0]
