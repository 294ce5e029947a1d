"""Which component of a reference each voxel of a prediction is nearest to: Voronoi regions, where they are needed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.metrics._kernels.component_masks import ComponentRuns, box_around, components_at, paint_components
from mia_functional.morphology.masks import border
from mia_functional.typing import Spacing

__all__ = ["Regions", "regions_of"]

_NEIGHBOURS = 8
"""Targets that are asked for at first: most ties are among fewer."""

_TIE = 1e-9
"""Relative difference below which two distances are equal: sums of the same squares in another order are."""


class Regions(NamedTuple):
    """The voxels of a prediction, those in the region of the first reference component first.

    Attributes:
        positions: Flat positions of the voxels.
        bounds: Where the voxels of a region begin and, in the next entry, end.
        shared: How many voxels of each region are in its component.
    """

    positions: NDArray[np.int64]
    bounds: NDArray[np.int64]
    shared: NDArray[np.int64]


def regions_of(
    prediction: NDArray[np.bool_], components: ComponentRuns, boxes: NDArray[np.int64], spacing: Spacing
) -> Regions:
    """Return the voxels of a mask by the component that is nearest to them; of equally near ones, the first.

    Args:
        prediction: Mask.
        components: Components of the reference; without any there is no region.
        boxes: The box around each, (N, D, 2).
        spacing: Millimetres between voxel centres along each axis.
    """
    count = components.bounds.size - 1
    if not count:
        none = np.zeros(0, np.int64)
        return Regions(none, np.zeros(1, np.int64), none)
    positions = np.flatnonzero(prediction)
    owners = components_at(positions, components)
    outside = np.flatnonzero(owners < 0)
    shared = np.bincount(owners[owners >= 0], minlength=count)
    if outside.size:
        owners[outside] = _nearest_components(positions[outside], components, boxes, spacing)
    order = np.argsort(owners, kind="stable")
    return Regions(positions[order], np.searchsorted(owners[order], np.arange(count + 1)), shared)


def _nearest_components(
    positions: NDArray[np.int64], components: ComponentRuns, boxes: NDArray[np.int64], spacing: Spacing
) -> NDArray[np.int64]:
    """Return the components that are nearest to voxels outside of all."""
    from scipy.spatial import KDTree  # at its first use: SciPy takes as long to import as NumPy

    targets, numbers = _border_voxels(components, boxes)
    tree = KDTree(targets * np.asarray(spacing), balanced_tree=False, compact_nodes=False)
    points = np.stack(np.unravel_index(positions, components.shape), axis=1) * np.asarray(spacing)
    nearest, left, count = np.empty(positions.size, np.int64), np.arange(positions.size), _NEIGHBOURS
    while left.size:
        count = min(count, len(targets))
        distances, index = tree.query(points[left], k=np.arange(1, count + 1))
        tied = distances <= distances[:, :1] * (1 + _TIE)
        nearest[left] = np.where(tied, numbers[index], components.bounds.size).min(axis=1)
        # Where all of them are equally near, there may be more.
        left = left[tied[:, -1]] if count < len(targets) else left[:0]
        count *= 4
    return nearest


def _border_voxels(components: ComponentRuns, boxes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels at the border of components, (N, D), and their components: no others are nearest to any."""
    places, numbers = [], []
    for number, box in enumerate(boxes):
        around = box_around(box[None], components.shape, margin=0)
        mask = border(paint_components(components, np.array([number]), around))
        places.append(np.argwhere(_array.to_numpy(mask)) + [side.start for side in around])
        numbers.append(np.full(len(places[-1]), number))
    return np.concatenate(places), np.concatenate(numbers)
