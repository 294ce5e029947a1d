"""Volumes of datasets of metadata whose files are in chunks: parts are read from these, and no volume is decoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType

import numpy as np

from mia_functional import images
from mia_functional.dataset.traversal import OWN_READERS
from mia_functional.discovery.records import Entry, Load
from mia_functional.geometry import Geometry, same_geometry
from mia_functional.images.files import MAX_BYTES
from mia_functional.images.formats import format_of, is_chunked
from mia_functional.images.stored_images import OpenRequest, StoredImage, index_box
from mia_functional.typing import HostArray, Index, Shape

__all__ = ["StoredVolume", "open_volume"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVolume:
    """Images of one grid side by side, `(*spatial, channels)`, of which any part can be read.

    Args:
        images: The files, in the order of the entries.
        shape: With all channels.
        dtype: The smallest that holds all; booleans are uint8.
        nbytes: Bytes of it in memory: none.
    """

    images: tuple[StoredImage, ...]
    shape: Shape
    dtype: np.dtype[np.generic]
    nbytes: int = 0

    def __getitem__(self, index: int | slice | EllipsisType | Index) -> HostArray:
        """Return a part as a new array."""
        spans, picks = index_box(index, self.shape)
        space = tuple(slice(span.start, span.stop) for span in spans[:-1])
        parts, end = [np.empty((*map(len, spans[:-1]), 0), self.dtype)], 0
        for image in self.images:
            count = image.shape[-1] if len(image.shape) > len(image.geometry.shape) else 1
            first, last = max(spans[-1].start - end, 0), min(spans[-1].stop - end, count)
            if first < last:
                part = image[(*space, slice(first, last))] if len(image.shape) == len(self.shape) else image[space]
                parts.append(part.reshape(*map(len, spans[:-1]), last - first))
            end += count
        whole = parts[-1] if len(parts) == 2 else np.concatenate(parts, axis=-1)
        part = whole.astype(self.dtype, copy=False)[picks]
        return part if part.flags.c_contiguous else part.copy()


def open_volume(entries: Sequence[Entry], load: Load, grid: Geometry | None) -> StoredVolume | None:
    """Return the files of a category without reading them; None if they are not in chunks, or have to be changed.

    Args:
        entries: One for each file.
        load: How they would be read; only readers of ours are known to return what is stored.
        grid: Where they have to lie; by default as the first of them.
    """
    reader, options = getattr(load, "func", load), dict(getattr(load, "keywords", {}))
    paths = [Path(str(entry.path)) for entry in entries]
    # Of a `functools.partial` only options are known, which are by name.
    given: tuple[object, ...] = getattr(load, "args", ())
    if reader not in OWN_READERS or given or not all(map(is_chunked, paths)):
        return None
    opened = []
    for entry, path in zip(entries, paths, strict=True):
        is_label = entry.role == "labels"
        request = OpenRequest(
            options.get("max_bytes", MAX_BYTES), options.get("affine"), options.get("spacing"),
            scaled=is_label or reader is not images.read_stored,
        )  # fmt: skip
        row = format_of(path)
        # Labels that are made of what is stored are made of all of it.
        changed = is_label and row.load_labels is not None
        image = None if row.open is None or changed else row.open(path, request)
        # Time points become channels, floats whole numbers, and other grids are interpolated or an error.
        if image is None or (reader is images.read_channels and len(image.geometry.shape) == 4):
            return None
        channels = image.shape[len(image.geometry.shape) :]
        if is_label and (image.dtype.kind not in "biu" or channels):
            return None
        opened.append(image)
    place = opened[0].geometry if grid is None else grid
    if not all(
        len(image.geometry.shape) == len(place.shape) and same_geometry(image.geometry, place) for image in opened
    ):
        return None
    dtype = np.result_type(*(np.uint8 if image.dtype.kind == "b" else image.dtype for image in opened))
    # Which type holds integers of 64 bits with and without a sign depends on their values.
    if dtype.kind == "f" and all(image.dtype.kind in "iu" for image in opened):
        return None
    counts = [image.shape[-1] if len(image.shape) > len(place.shape) else 1 for image in opened]
    return StoredVolume(images=tuple(opened), shape=(*place.shape, sum(counts)), dtype=np.dtype(dtype))
