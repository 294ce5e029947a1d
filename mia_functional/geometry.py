"""Where a voxel grid lies in the patient: shape, spacing, origin and direction, all in array order.

Array order means that entry k belongs to array axis k, and that points of the world are written `(z, y, x)` as well, in
millimetres. ITK and the image files write both the other way round; `mia_functional.images` turns them.
"""

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, final

from mia_functional._core import checks
from mia_functional.typing import Shape, Spacing

__all__ = [
    "Displacement",
    "Geometry",
    "corner_displacement",
    "describe_differences",
    "differences",
    "index_to_world",
    "orientation",
    "regrid",
    "same_geometry",
    "world_to_index",
]

__dir__ = __all__.copy  # dir() shows what users may touch

_TOLERANCE = 0.01
"""Voxels by which corners of two grids may differ that are taken for one: rounding in files, not another place."""

_ROUNDED_LENGTH = 1e-3
"""By how much the length of a direction may be off 1: cosines that were written with three decimals or more."""


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
        ValueError: An entry is missing, not finite or not positive; the direction is singular, or its columns are not
            of length 1.

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
        if len(origin) != ndim or not all(abs(entry) < math.inf for entry in origin):
            checks.invalid_value("Geometry", "origin", f"have {ndim} finite entries", origin)
        entries = itertools.chain(*direction)
        if [len(row) for row in direction] != [ndim] * ndim or not all(abs(entry) < math.inf for entry in entries):
            checks.invalid_value("Geometry", "direction", f"be a finite {ndim} x {ndim} matrix", direction)
        # The columns are unit vectors, whose determinant is 1 where they are orthogonal: this is far from rounding.
        if abs(_determinant(direction)) < 1e-6:
            checks.invalid_value("Geometry", "direction", "be invertible", direction)
        # Longer columns would make the spacing another one than it says.
        if any(abs(math.hypot(*column) - 1) > _ROUNDED_LENGTH for column in zip(*direction, strict=True)):
            checks.invalid_value("Geometry", "direction", "have columns of length 1", direction)
        # A frozen dataclass has no other way to keep the normalised entries, by which grids are compared and hashed.
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "spacing", checks.spacing("Geometry", self.spacing, ndim))
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "direction", direction)


# Not NumPy's: in a program of `torch.compile` what NumPy computes has no values, by which a grid could be judged.
def _determinant(rows: Sequence[Sequence[float]]) -> float:
    """Return the determinant of a matrix, by its first row."""
    if len(rows) == 1:
        return rows[0][0]
    if len(rows) == 2:
        return rows[0][0] * rows[1][1] - rows[0][1] * rows[1][0]
    total = 0.0
    for column, entry in enumerate(rows[0]):
        if entry:
            minor = _determinant([(*row[:column], *row[column + 1 :]) for row in rows[1:]])
            total += -entry * minor if column % 2 else entry * minor
    return total


def _solve(matrix: Sequence[Sequence[float]], right: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return the rows of `x` where `matrix @ x = right`, by elimination; the matrix is that of a direction."""
    rows, size = [[*left, *values] for left, values in zip(matrix, right, strict=True)], len(matrix)
    for column in range(size):
        for row in range(column + 1, size):
            if abs(rows[row][column]) > abs(rows[column][column]):
                rows[row], rows[column] = rows[column], rows[row]
        pivot = rows[column]
        for row in range(size):
            factor = rows[row][column] / pivot[column]
            if factor and row != column:
                rows[row] = [entry - factor * above for entry, above in zip(rows[row], pivot, strict=True)]
    return [[value / row[axis] for value in row[size:]] for axis, row in enumerate(rows)]


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
    entries = _coordinates("world_to_index", geometry, "point", point)
    offset = [[entry - start] for entry, start in zip(entries, geometry.origin, strict=True)]
    steps = _solve(geometry.direction, offset)
    return tuple(length / spacing for (length,), spacing in zip(steps, geometry.spacing, strict=True))


def _coordinates(function: str, geometry: Geometry, argument: str, value: Sequence[float]) -> tuple[float, ...]:
    """Return a point or an index as floats; raise unless it has as many entries as the geometry has axes."""
    checks.require_instance(function, "geometry", geometry, Geometry, "a geometry")
    entries = checks.float_tuple(function, argument, value)
    if len(entries) != len(geometry.shape):
        checks.invalid_value(function, argument, f"have {len(geometry.shape)} entries, one per axis", entries)
    return entries


class Displacement(NamedTuple):
    """How far a corner of a grid lies from the same corner of another one.

    Attributes:
        voxels: In index coordinates, along the axis where it is farthest: a voxel is as long as the spacing there.
        millimetres: In a straight line.
    """

    voxels: float
    millimetres: float


def corner_displacement(first: Geometry, second: Geometry) -> Displacement:
    """Return how far the corners of one grid lie from those of another, at most.

    Corners are those of the outermost voxels, at indices -1/2 and n - 1/2, so that the thickness of a single slice
    counts. With the corners `p` and `q` of the two grids at the same ends of their axes, `voxels` is the largest entry
    of `|inverse(direction) @ (p - q) / spacing|` in either grid, and `millimetres` the largest `|p - q|`.

    Args:
        first: A grid.
        second: Another grid of as many axes; the order of the two does not matter.

    Raises:
        ValueError: The grids have different numbers of axes.

    Example:
        >>> grid = Geometry(shape=(4, 4), spacing=(2.0, 1.0))
        >>> corner_displacement(grid, Geometry(shape=(4, 4), spacing=(2.0, 1.0), origin=(0.5, 0.0)))
        Displacement(voxels=0.25, millimetres=0.5)
    """
    for argument, grid in (("first", first), ("second", second)):
        checks.require_instance("corner_displacement", argument, grid, Geometry, "a geometry")
    checks.dimensions("corner_displacement", "second", second.shape, (len(first.shape),))
    # Gaps are linear in the ends of the axes: those of the centres, plus or minus what half of each axis adds.
    pairs = zip(_centre_and_half_axes(first), _centre_and_half_axes(second), strict=True)
    gaps = [list(map(operator.sub, one, other)) for one, other in pairs]
    voxels = [
        sum(map(abs, entries)) / step
        for grid in (first, second)
        for entries, step in zip(_solve(grid.direction, gaps), grid.spacing, strict=True)
    ]
    ends = [map(sum, itertools.product([centre], *([-half, half] for half in halves))) for centre, *halves in gaps]
    millimetres = [math.hypot(*corner) for corner in zip(*ends, strict=True)]
    # Files may state origins so large that differences overflow, to infinity or NaN: these are far apart.
    return Displacement(*(max(v if v < math.inf else math.inf for v in values) for values in (voxels, millimetres)))


def _centre_and_half_axes(geometry: Geometry) -> list[list[float]]:
    """Return, for each world coordinate, that of the centre of a grid and what half of each axis adds to it."""
    sides = list(zip(geometry.shape, geometry.spacing, strict=True))
    middle, half = [(size - 1) * step / 2 for size, step in sides], [size * step / 2 for size, step in sides]
    return [
        [start + sum(map(operator.mul, row, middle)), *map(operator.mul, row, half)]
        for start, row in zip(geometry.origin, geometry.direction, strict=True)
    ]


def same_geometry(first: Geometry, second: Geometry, *, tolerance: float = _TOLERANCE) -> bool:
    """Return whether two grids are the same: of one shape, and no corner moves by more than `tolerance` voxels.

    `corner_displacement(first, second).voxels <= tolerance`, whatever the size of a voxel.

    Args:
        first: A grid.
        second: Another grid.
        tolerance: Largest displacement in voxels, along any axis: rounding in files stays far below the default.

    Example:
        >>> grid = Geometry(shape=(2, 2), spacing=(1.0, 1.0))
        >>> same_geometry(grid, Geometry(shape=(2, 2), spacing=(1.0, 1.01)))
        False
    """
    with checks.speaking_for("same_geometry", "differences"):
        return not differences(first, second, tolerance=tolerance)


def differences(first: Geometry, second: Geometry, *, tolerance: float = _TOLERANCE) -> tuple[str, ...]:
    """Return in what two grids differ; nothing if they are the same, as `same_geometry` counts.

    Grids are first turned into each other as nearly as they can: what flips and permutations of axes explain is no
    other origin or direction. What is left differs if it alone moves a corner by more than `tolerance` voxels; of
    several that do so only together, the one that moves corners most is named.

    Args:
        first: A grid.
        second: Another grid.
        tolerance: Largest displacement in voxels, along any axis.

    Returns:
        Some of `axes` (in another order), `flip`, `shape`, `spacing`, `shift` (of the origin), `rotation` (or shear).

    Example:
        >>> grid = Geometry(shape=(4, 2), spacing=(2.0, 1.0))
        >>> differences(grid, Geometry(shape=(4, 2), spacing=(2.0, 1.0), origin=(6, 0), direction=((-1, 0), (0, 1))))
        ('flip',)
    """
    limit = checks.number("differences", "tolerance", tolerance)
    if not 0 <= limit < math.inf:
        checks.invalid_value("differences", "tolerance", "be finite and not negative", tolerance)
    return tuple(_explain("differences", first, second, limit))


def describe_differences(first: Geometry, second: Geometry) -> str:
    """Return in what two grids differ, as text: how far apart their corners lie, and why; empty if they are the same.

    Args:
        first: A grid, which is described.
        second: The grid that it was to be.

    Example:
        >>> grid = Geometry(shape=(4, 2), spacing=(2.0, 1.0))
        >>> describe_differences(Geometry(shape=(4, 2), spacing=(2.0, 1.0), origin=(0.0, 3.0)), grid)
        'corners up to 3 voxels (3 mm) apart: shift of 3 mm'
    """
    reasons = ", ".join(_explain("describe_differences", first, second, _TOLERANCE).values())
    if not reasons or len(first.shape) != len(second.shape):
        return reasons
    voxels, millimetres = map(_three_digits, corner_displacement(first, second))
    return f"corners up to {voxels} voxel{'s' * (voxels != '1')} ({millimetres} mm) apart: {reasons}"


def _three_digits(value: float) -> str:
    """Return a number as text, rounded to three digits and without an exponent below a million."""
    return f"{float(f'{value:.3g}'):g}"


def _explain(function: str, first: Geometry, second: Geometry, tolerance: float) -> dict[str, str]:
    """Return in what two grids differ, and how this is said; nothing where shapes are one and corners coincide."""
    for argument, grid in (("first", first), ("second", second)):
        checks.require_instance(function, argument, grid, Geometry, "a geometry")
    if len(first.shape) != len(second.shape):
        return {"shape": f"shape {first.shape} and not {second.shape}"}
    if first == second or (first.shape == second.shape and corner_displacement(first, second).voxels <= tolerance):
        return {}
    order, reverse = orientation(first, onto=second)
    turned = _turned(first, order, reverse)
    reasons = {}
    if order != tuple(range(len(order))):
        reasons["axes"] = f"axes in the order {order}"
    if reverse:
        reasons["flip"] = f"{'axis' if len(reverse) == 1 else 'axes'} {' and '.join(map(str, reverse))} flipped"
    if turned.shape != second.shape:
        reasons["shape"] = f"shape {turned.shape} and not {second.shape}"
    elif corner_displacement(turned, second).voxels <= tolerance:
        return reasons
    texts = {
        "spacing": f"spacing {turned.spacing} and not {second.spacing}",
        "shift": f"shift of {_three_digits(math.dist(turned.origin, second.origin))} mm",
        "rotation": f"rotation of {_three_digits(_largest_angle(turned, second))} degrees",
    }
    alone = {
        name: corner_displacement(replace(second, **{field: getattr(turned, field)}), second).voxels
        for name, field in (("spacing", "spacing"), ("shift", "origin"), ("rotation", "direction"))
    }
    named = [name for name, moved in alone.items() if moved > tolerance]
    # Several may be too much only together.
    if not named and turned.shape == second.shape:
        named = [max(alone, key=alone.__getitem__)]
    return reasons | {name: texts[name] for name in named}


def _turned(geometry: Geometry, order: Sequence[int], reverse: Sequence[int]) -> Geometry:
    """Return the grid with its axes in another order and then some of them reversed, as `orientation` says."""
    shape = tuple(geometry.shape[axis] for axis in order)
    first = [0] * len(shape)
    for axis in reverse:
        first[order[axis]] = shape[axis] - 1
    return regrid(
        geometry, shape, first, axes=order, factors=[-1.0 if k in reverse else 1.0 for k in range(len(shape))]
    )


def _largest_angle(first: Geometry, second: Geometry) -> float:
    """Return the largest angle in degrees between an axis of one grid and the same axis of the other."""
    columns = [
        [[entry / math.hypot(*column) for entry in column] for column in zip(*grid.direction, strict=True)]
        for grid in (first, second)
    ]
    # The sine of half the angle: the cosine of a small one is 1 up to rounding.
    return max(math.degrees(2 * math.asin(min(math.dist(*pair) / 2, 1))) for pair in zip(*columns, strict=True))


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


def orientation(geometry: Geometry, *, onto: Geometry | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which array axis runs along each axis of the world or of another grid, and which of these it runs against.

    `flip(permute(array, order), reverse)` of `transforms` has its axes along those of the world or of `onto`.

    Args:
        geometry: A voxel grid.
        onto: Another grid of as many axes; by default the world.

    Example:
        >>> orientation(Geometry(shape=(2, 3), spacing=(1.0, 2.0), direction=((0, -1), (1, 0))))
        ((1, 0), (0,))
    """
    checks.require_instance("orientation", "geometry", geometry, Geometry, "a geometry")
    rows: Sequence[Sequence[float]] = geometry.direction
    if onto is not None:
        checks.require_instance("orientation", "onto", onto, Geometry, "a geometry")
        checks.dimensions("orientation", "onto", onto.shape, (len(rows),))
        rows = _solve(onto.direction, geometry.direction)
    # All axes together, not the nearest for each: in an oblique grid two axes may be nearest to the same one.
    orders = list(itertools.permutations(range(len(rows))))
    lengths = [list(map(abs, row)) for row in rows]
    totals = [sum(map(operator.getitem, lengths, order)) for order in orders]
    # `torch.compile` has no `max` with a key for numbers that vary (2.13).
    best = orders[totals.index(max(totals))]
    return best, tuple(row for row, axis in enumerate(best) if rows[row][axis] < 0)
