"""Where a voxel grid lies in the patient: shape, spacing, origin and direction, all in array order.

Array order means that entry k belongs to array axis k, and that points of the world are written `(z, y, x)` as well, in
millimetres. ITK and the image files write both the other way round; `mia_functional.images` turns them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import final

import numpy as np

from mia_functional._core import checks
from mia_functional.typing import Shape, Spacing

__all__ = [
    "Geometry",
    "differences",
    "index_to_world",
    "orientation",
    "regrid",
    "same_geometry",
    "world_to_index",
]

__dir__ = __all__.copy  # dir() shows what users may touch


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """A voxel grid in space: the point of an index is `origin + direction @ (spacing * index)`.

    Args:
        shape: Voxels along each array axis; 1 to 4 axes.
        spacing: Millimetres between voxel centres along each array axis.
        origin: World coordinates of the centre of voxel 0, in millimetres and array order; zeros by default.
        direction: Rows of the matrix whose column k is the unit vector of array axis k; the identity by default.

    Raises:
        ValueError: An entry is missing, not finite or not positive, or the direction is singular.

    Example:
        >>> grid = Geometry(shape=(10, 20, 30), spacing=(3.0, 1.0, 1.0))
        >>> grid.origin
        (0.0, 0.0, 0.0)
    """

    shape: Shape
    spacing: Spacing
    origin: tuple[float, ...] = ()
    direction: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        """Fill in defaults, and raise for grids that no scanner writes."""
        shape = checks.integer_tuple("Geometry", "shape", self.shape, minimum=1)
        ndim = len(shape)
        origin = checks.float_tuple("Geometry", "origin", self.origin or (0.0,) * ndim)
        rows = self.direction or tuple(tuple(float(i == j) for j in range(ndim)) for i in range(ndim))
        direction = tuple(checks.float_tuple("Geometry", "direction", row) for row in rows)
        if len(origin) != ndim or not all(map(math.isfinite, origin)):
            checks.invalid_value("Geometry", "origin", f"have {ndim} finite entries", origin)
        if [len(row) for row in direction] != [ndim] * ndim or not all(map(math.isfinite, chain(*direction))):
            checks.invalid_value("Geometry", "direction", f"be a finite {ndim} x {ndim} matrix", direction)
        # The columns are unit vectors, whose determinant is 1 where they are orthogonal: this is far from rounding.
        if abs(np.linalg.det(direction)) < 1e-6:
            checks.invalid_value("Geometry", "direction", "be invertible", direction)
        # A frozen dataclass has no other way to keep the normalised entries, by which grids are compared and hashed.
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing", checks.spacing("Geometry", self.spacing, ndim))
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "direction", direction)


def index_to_world(geometry: Geometry, index: Sequence[float]) -> tuple[float, ...]:
    """Return the world coordinates, in millimetres and array order, of a voxel index (fractions allowed).

    Example:
        >>> index_to_world(Geometry(shape=(4, 4), spacing=(2.0, 0.5), origin=(10.0, 0.0)), (1, 2))
        (12.0, 1.0)
    """
    entries = _coordinates("index_to_world", geometry, "index", index)
    steps = [step * position for step, position in zip(geometry.spacing, entries, strict=True)]
    return tuple(
        start + sum(entry * step for entry, step in zip(row, steps, strict=True))
        for start, row in zip(geometry.origin, geometry.direction, strict=True)
    )


def world_to_index(geometry: Geometry, point: Sequence[float]) -> tuple[float, ...]:
    """Return the (fractional) voxel index of a point given in millimetres and array order.

    Example:
        >>> world_to_index(Geometry(shape=(4, 4), spacing=(2.0, 0.5), origin=(10.0, 0.0)), (12.0, 1.0))
        (1.0, 2.0)
    """
    offset = np.subtract(_coordinates("world_to_index", geometry, "point", point), geometry.origin)
    return tuple((np.linalg.solve(geometry.direction, offset) / geometry.spacing).tolist())


def _coordinates(function: str, geometry: Geometry, argument: str, value: Sequence[float]) -> tuple[float, ...]:
    """Return a point or an index as floats; raise unless it has as many entries as the geometry has axes."""
    checks.require_instance(function, "geometry", geometry, Geometry, "a geometry")
    entries = checks.float_tuple(function, argument, value)
    if len(entries) != len(geometry.shape):
        checks.invalid_value(function, argument, f"have {len(geometry.shape)} entries, one per axis", entries)
    return entries


def same_geometry(first: Geometry, second: Geometry, *, tolerance: float = 1e-3) -> bool:
    """Return whether two grids are the same: shapes equal, everything else within `tolerance`.

    Args:
        first: A grid.
        second: Another grid.
        tolerance: Largest difference of a spacing or an origin in millimetres, and of an entry of the direction.

    Example:
        >>> grid = Geometry(shape=(2, 2), spacing=(1.0, 1.0))
        >>> same_geometry(grid, Geometry(shape=(2, 2), spacing=(1.0, 1.01)))
        False
    """
    with checks.speaking_for("same_geometry", "differences"):
        return not differences(first, second, tolerance=tolerance)


def differences(first: Geometry, second: Geometry, *, tolerance: float = 1e-3) -> tuple[str, ...]:
    """Return the names of the fields in which two grids differ by more than `tolerance`, as `same_geometry` counts.

    Example:
        >>> differences(Geometry(shape=(2,), spacing=(1.0,)), Geometry(shape=(2,), spacing=(2.0,)))
        ('spacing',)
    """
    for argument, grid in (("first", first), ("second", second)):
        checks.require_instance("differences", argument, grid, Geometry, "a geometry")
    if first.shape != second.shape:
        return ("shape",)
    return tuple(
        name
        for name in ("spacing", "origin", "direction")
        if np.abs(np.subtract(getattr(first, name), getattr(second, name))).max() > tolerance
    )


def regrid(
    geometry: Geometry,
    shape: Shape,
    offset: Sequence[float],
    *,
    axes: Sequence[int] | None = None,
    factors: Sequence[float] | None = None,
) -> Geometry:
    """Return the geometry of a grid whose index `new` lies at `old[axes[k]] = offset[axes[k]] + factors[k] new[k]`.

    Flips, crops, pads, permutations and resampling differ only in these numbers.

    Args:
        geometry: The old grid.
        shape: Voxels along each axis of the new grid.
        offset: Index, in the old grid, of voxel 0 of the new one; fractions are allowed.
        axes: For every axis of the new grid the axis of the old one that it runs along; in order by default.
        factors: Steps in the old grid per step in the new one, negative where turned; ones by default.

    Example:
        >>> old = Geometry(shape=(4, 6), spacing=(3.0, 1.0))
        >>> new = regrid(old, (4, 3), (3, 0), factors=(-1, 2))
        >>> new.origin, new.spacing, new.direction
        ((9.0, 0.0), (3.0, 2.0), ((-1.0, 0.0), (0.0, 1.0)))
    """
    checks.require_instance("regrid", "geometry", geometry, Geometry, "a geometry")
    sources = tuple(range(len(shape))) if axes is None else axes
    steps = (1.0,) * len(shape) if factors is None else factors
    return Geometry(
        shape=shape,
        spacing=tuple(geometry.spacing[source] * abs(step) for source, step in zip(sources, steps, strict=True)),
        origin=index_to_world(geometry, offset),
        # Adding 0.0 turns -0.0 into 0.0, which would read and print as another grid.
        direction=tuple(
            tuple(row[source] if step > 0 else -row[source] + 0.0 for source, step in zip(sources, steps, strict=True))
            for row in geometry.direction
        ),
    )


def orientation(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which array axis runs along each axis of the world, and the world's axes that it runs against.

    Args:
        geometry: A voxel grid.

    Example:
        >>> orientation(Geometry(shape=(2, 3), spacing=(1.0, 2.0), direction=((0, -1), (1, 0))))
        ((1, 0), (0,))
    """
    checks.require_instance("orientation", "geometry", geometry, Geometry, "a geometry")
    rows = geometry.direction
    # All axes together, not the nearest for each: in an oblique grid two axes may be nearest to the same one.
    orders = itertools.permutations(range(len(rows)))
    best = max(orders, key=lambda order: sum(abs(row[axis]) for row, axis in zip(rows, order, strict=True)))
    return best, tuple(world for world, axis in enumerate(best) if rows[world][axis] < 0)
