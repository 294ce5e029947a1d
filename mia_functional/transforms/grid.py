"""What a change of the voxel grid does to its place in space: every voxel of the new grid stays where it was."""

from collections.abc import Sequence

from mia_functional.geometry import Geometry, index_to_world
from mia_functional.typing import Shape


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
        axes: For every axis of the new grid the axis of the old one that it runs along; in order where left out.
        factors: Steps in the old grid per step in the new one, negative where turned; ones where left out.

    Example:
        >>> old = Geometry(shape=(4, 6), spacing=(3.0, 1.0))
        >>> new = regrid(old, (4, 3), (3, 0), factors=(-1, 2))
        >>> new.origin, new.spacing, new.direction
        ((9.0, 0.0), (3.0, 2.0), ((-1.0, 0.0), (0.0, 1.0)))
    """
    sources = tuple(range(len(shape))) if axes is None else axes
    steps = (1.0,) * len(shape) if factors is None else factors
    return Geometry(
        shape=shape,
        spacing=tuple(geometry.spacing[source] * abs(step) for source, step in zip(sources, steps, strict=True)),
        origin=index_to_world(geometry, offset),
        direction=tuple(
            tuple(row[source] if step > 0 else -row[source] + 0.0 for source, step in zip(sources, steps, strict=True))
            for row in geometry.direction
        ),
    )
