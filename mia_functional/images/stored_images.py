"""Images that are opened without their voxels: any part is read from the chunks in which it lies.

The formats in chunks make these records; here it is looked up which part of which array of a file an index takes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType
from typing import Any, NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images._zarr.chunks import read_box
from mia_functional.images._zarr.metadata import ZarrArray
from mia_functional.images.blosc2_arrays import BloscArray, read_blosc2
from mia_functional.images.header import invalid_file
from mia_functional.images.pixels import scaled_numbers
from mia_functional.typing import Affine, HostArray, Index, Shape, Spacing

__all__ = ["OpenRequest", "StoredImage", "index_box"]


class OpenRequest(NamedTuple):
    """How an image is to be opened.

    Args:
        max_bytes: Largest part in bytes of memory.
        affine: Which pose of a NIfTI header counts.
        spacing: What the file does not state.
        scaled: Whether the numbers of NIfTI are to be scaled.
    """

    max_bytes: int
    affine: Affine = None
    spacing: Spacing | None = None
    scaled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredImage:
    """An image whose voxels are in a file; a part of it is read when it is asked for: `image[10:20, ..., 5]`.

    Args:
        shape: `(*spatial,)` or `(*spatial, channels)`.
        dtype: That of the parts.
        geometry: Where the image lies.
        scale: Slope and intercept: parts are `slope * stored + intercept`.
        intent: NIfTI's code of what the numbers are; 0 if that is not known.
        max_bytes: Largest part in bytes of memory.
        array: Where the numbers are: in a store of Zarr, or in a file of Blosc2.
        axes: The axis of the array for every axis of the image; all others have but one entry.
        root: The folder that nothing outside of is opened.
        levels: The paths of all levels of the image in that folder, of which this is one.
    """

    shape: Shape
    dtype: np.dtype[np.generic]
    geometry: Geometry
    scale: tuple[float, float]
    intent: int
    max_bytes: int
    array: ZarrArray | BloscArray
    axes: Shape
    root: Path
    levels: tuple[str, ...]

    def __getitem__(self, index: int | slice | EllipsisType | Index) -> HostArray:
        """Return a part as a new array, by whole numbers, slices and `...`, as NumPy would."""
        spans, picks = index_box(index, self.shape)
        part = _read_part(self, spans)[picks]
        return part if part.flags.c_contiguous else part.copy()


def index_box(index: int | slice | EllipsisType | Index, shape: Shape) -> tuple[list[range], tuple[int | slice, ...]]:
    """Return the box around what an index takes of an array, and what takes that out of the box.

    Of steps, the whole box is read, in which nearly all chunks are wanted anyway.

    Raises:
        IndexError: The index is for more axes, or lies outside.
    """
    entries: list[Any] = list(index) if isinstance(index, tuple) else [index]
    ndim, dots = len(shape), entries.count(...)
    if dots == 1:
        place = entries.index(...)
        entries[place : place + 1] = [slice(None)] * (ndim - len(entries) + 1)
    entries += [slice(None)] * (ndim - len(entries))
    if len(entries) > ndim or dots > 1:
        raise IndexError(f"{index} is for more axes than an image of shape {shape} has")
    spans: list[range] = []
    picks: list[int | slice] = []
    for entry, size in zip(entries, shape, strict=True):
        picked = range(size)[entry] if isinstance(entry, slice) else (range(size)[entry],)
        # Not `min` of a range, which goes through all of it.
        first, last = sorted((picked[0], picked[-1])) if picked else (0, -1)
        spans.append(range(first, last + 1))
        picks.append(slice(None, None, entry.step) if isinstance(entry, slice) else 0)
    return spans, tuple(picks)


def _read_part(image: StoredImage, spans: Sequence[range]) -> HostArray:
    """Return a box of an image, along all its axes; raise if it takes more memory than is allowed."""
    shape = tuple(map(len, spans))
    nbytes = math.prod(shape) * image.dtype.itemsize
    if nbytes > image.max_bytes:
        invalid_file(image.array.path, f"the image takes {nbytes} bytes, and `max_bytes` is {image.max_bytes}")
    if not nbytes:
        return np.empty(shape, image.dtype)
    box = [range(1)] * len(image.array.shape)
    for axis, span in zip(image.axes, spans, strict=True):
        box[axis] = span
    array = image.array
    stored = read_blosc2(array, box) if isinstance(array, BloscArray) else read_box(array, image.root, box)
    kept = sorted(image.axes)
    numbers = stored.reshape([len(box[axis]) for axis in kept]).transpose([kept.index(axis) for axis in image.axes])
    numbers = np.ascontiguousarray(numbers)
    if image.scale == (1.0, 0.0):
        return numbers
    return scaled_numbers(image.root, image.scale, numbers.reshape(-1)).reshape(shape)
