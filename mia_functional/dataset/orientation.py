"""Samples turned so that their axes run as those of the world: no voxel changes, only the order in memory."""

from itertools import permutations

import numpy as np

from mia_functional.dataset.traversal import Sample, categories
from mia_functional.geometry import Geometry, index_to_world


def canonical(sample: Sample) -> Sample:
    """Return a sample in the orientation nearest to the canonical one (reorientation), a transform for `create`.

    Axes are exchanged and reversed until axis 0 runs nearly to the head, axis 1 to the back and axis 2 to the left of
    the patient: the signs of ITK, in array order. Nothing is interpolated; `geometry` says where everything went.

    Args:
        sample: As `traverse` yields it; arrays on the grid of `geometry` are turned, everything else stays.

    Example:
        >>> grid = Geometry(shape=(1, 3), spacing=(2.0, 1.0), direction=((1.0, 0.0), (0.0, -1.0)))
        >>> turned = canonical({"subject": "A", "geometry": grid, "images": np.array([[[1], [2], [3]]])})
        >>> turned["images"][..., 0].tolist(), turned["geometry"].origin
        ([[3, 2, 1]], (0.0, -2.0))
    """
    geometry = sample["geometry"]
    if geometry is None:
        return sample
    order, reverse = nearest_axes(geometry)
    steps = tuple(slice(None, None, -1) if flip else slice(None) for flip in reverse)
    size = len(order)
    turned = {
        name: np.transpose(sample[name], (*order, *range(size, sample[name].ndim)))[steps]
        for name in categories(sample)
        if getattr(sample[name], "shape", ())[:size] == geometry.shape
    }
    return {**sample, **turned, "geometry": turned_geometry(geometry, order, reverse)}


def nearest_axes(geometry: Geometry) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Return, for every axis of the world, the array axis that runs along it, and whether it runs backwards."""
    direction = np.array(geometry.direction)
    rows = np.arange(len(direction))
    order = max(permutations(range(len(direction))), key=lambda axes: float(np.abs(direction[rows, axes]).sum()))
    return order, tuple((direction[rows, order] < 0).tolist())


def turned_geometry(geometry: Geometry, order: tuple[int, ...], reverse: tuple[bool, ...]) -> Geometry:
    """Return a geometry whose axes come in another order, some of them reversed."""
    corner = [0] * len(order)
    for axis, flip in zip(order, reverse, strict=True):
        corner[axis] = geometry.shape[axis] - 1 if flip else 0
    signs = np.where(reverse, -1.0, 1.0)
    return Geometry(
        shape=tuple(geometry.shape[axis] for axis in order),
        spacing=tuple(geometry.spacing[axis] for axis in order),
        origin=index_to_world(geometry, corner),
        direction=tuple(map(tuple, (np.array(geometry.direction)[:, order] * signs + 0.0).tolist())),
    )
