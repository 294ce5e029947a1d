"""Grids whose axes run as the world's: the same anatomy lies the same way in every array."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any

from mia_functional import _check
from mia_functional.geometry import Geometry
from mia_functional.transforms.axes import flip, permute
from mia_functional.transforms.composition import Sample, Transform, named, present


def to_canonical(categories: str | tuple[str, ...]) -> Transform:
    """Permute and flip axes so that they run along those of the world, as nearly as they can (reorientation).

    Voxels keep their place in the world, and nothing is interpolated. Afterwards axis 0 runs to the head, axis 1 to the
    back and axis 2 to the left of the patient (LPS, in array order z, y, x).

    Args:
        categories: One category or several; the geometry of the sample changes with them.

    Returns:
        A function from a sample to a new sample.

    Raises:
        ValueError: The sample, when it comes, lacks a category or has no geometry.

    Example:
        >>> import numpy as np
        >>> grid = Geometry(shape=(2, 3), spacing=(1.0, 2.0), direction=((0, -1), (1, 0)))
        >>> after = to_canonical("images")({"images": np.arange(6).reshape(2, 3, 1), "geometry": grid})
        >>> after["images"][..., 0].tolist(), after["geometry"].direction
        ([[2, 5], [1, 4], [0, 3]], ((1.0, 0.0), (0.0, 1.0)))

    Agrees with:
        SimpleITK's `DICOMOrient(image, "LPS")`.
    """
    return partial(_to_canonical, named("to_canonical", categories))


def _to_canonical(names: tuple[str, ...], sample: Sample) -> Sample:
    """Return the sample with the categories `names` and the geometry in canonical orientation."""
    present("to_canonical", sample, (*names, "geometry"))
    geometry = sample["geometry"]
    if geometry is None:
        _check.invalid_value("to_canonical", "sample", "have a geometry", None)
    order, turned = orientation(geometry)
    return {**sample, **{name: _turned(sample[name], order, turned) for name in (*names, "geometry")}}


def _turned(target: Any, order: Sequence[int], turned: tuple[int, ...]) -> Any:
    """Return an array or a geometry with its axes in another order, some of them flipped."""
    return flip(permute(target, order), turned)


def orientation(geometry: Geometry) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which array axis runs along each axis of the world, and the world's axes that it runs against.

    Args:
        geometry: A voxel grid.

    Example:
        >>> orientation(Geometry(shape=(2, 3), spacing=(1.0, 2.0), direction=((0, -1), (1, 0))))
        ((1, 0), (0,))
    """
    rows = geometry.direction
    orders = itertools.permutations(range(len(rows)))
    best = max(orders, key=lambda order: sum(abs(row[axis]) for row, axis in zip(rows, order, strict=True)))
    against = tuple(place for place, axis in enumerate(best) if rows[place][axis] < 0)
    return best, against
