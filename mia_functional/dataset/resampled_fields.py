"""Categories on another grid than the indices: what lies at the voxels of an index, interpolated from the file."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.dataset.reading import array_region, geometry
from mia_functional.dataset.records import Category, Dataset
from mia_functional.geometry import Geometry, index_to_world, regrid, world_to_index
from mia_functional.transforms.interpolation import restore_values
from mia_functional.transforms.roles import INTERPOLATIONS
from mia_functional.transforms.warping import resample_onto
from mia_functional.typing import HostArray, Index, Shape

__all__ = ["resampled_region"]


def resampled_region(
    dataset: Dataset, number: int, category: Category, index: Index, *, fill_value: float
) -> HostArray:
    """Return a category at the voxels of an index on the grid of the dataset, as `resample_onto` interpolates it.

    Only the box around these voxels is read.

    Args:
        dataset: Its `grid` is that of the index.
        number: Position of the subject.
        category: One that lies on another grid, with as many axes, and is an image or labels.
        index: With its margin; it may reach out of the grid.
        fill_value: What lies outside of the category's own grid.
    """
    grid, own = geometry(dataset, number), geometry(dataset, number, category=category.name)
    spans = _spans_of(index, grid.shape)
    wanted = regrid(grid, tuple(stop - start for start, stop in spans), tuple(start for start, _ in spans))
    low, high = _box_around(wanted, own)
    dropped = tuple(0 if checks.is_integer(entry) else slice(None) for entry in index)
    if any(start >= stop for start, stop in zip(low, high, strict=True)):
        stored: Any = array_region(dataset, number, category.name, (slice(0, 1),) * len(own.shape))
        outside = np.full((*wanted.shape, *stored.shape[len(own.shape) :]), fill_value, stored.dtype)
        return outside[dropped]
    box = tuple(slice(start, stop) for start, stop in zip(low, high, strict=True))
    region: Any = array_region(dataset, number, category.name, box)
    place = regrid(own, region.shape[: len(low)], low)
    role = category.role or "image"
    # As ITK does: weights in float64, and integers that stay what they are.
    values = region.astype(np.float64) if role == "image" and region.dtype.kind in "biu" else region
    found = resample_onto(values, place, wanted, interpolation=INTERPOLATIONS[role], fill_value=fill_value)
    return _array.to_numpy(restore_values(found, region))[dropped]


def _spans_of(index: Index, shape: Shape) -> list[tuple[int, int]]:
    """Return where an index begins and ends along every axis; axes that it leaves out are whole."""
    spans = []
    complete = (*index, *(slice(None) for _ in shape[len(index) :]))
    for entry, size in zip(complete, shape, strict=True):
        if not isinstance(entry, slice):
            spans.append((int(entry), int(entry) + 1))
            continue
        if entry.step not in (None, 1):
            needed = "have no steps for categories that are resampled"
            checks.invalid_value("samples", "indexing", needed, checks.describe(index))
        start = 0 if entry.start is None else int(entry.start)
        spans.append((start, size if entry.stop is None else int(entry.stop)))
    return spans


def _box_around(wanted: Geometry, own: Geometry) -> tuple[Sequence[int], Sequence[int]]:
    """Return first voxels and ends of the box of a grid that holds all that is interpolated for another one."""
    corners = itertools.product(*((0, size - 1) for size in wanted.shape))
    places = np.array([world_to_index(own, index_to_world(wanted, corner)) for corner in corners])
    # One voxel more on each side, so that the border of the box is no border of the image by rounding.
    low = [max(math.floor(value) - 1, 0) for value in places.min(axis=0)]
    high = [min(math.ceil(value) + 2, size) for value, size in zip(places.max(axis=0), own.shape, strict=True)]
    return low, high
