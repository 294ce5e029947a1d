"""Frames of a segmentation to an array on a grid: one label map, or a channel for each segment.

Bits are compared and counted where they are packed, eight pixels in a byte, and spread over pixels by a table only
where there are any: of 50 segments in a slice, each is somewhere else.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images._dicom.frame_pixels import FrameLayout
from mia_functional.images._dicom.planes import PlacedFrames, plane_view
from mia_functional.images.header import invalid_file
from mia_functional.typing import HostArray

__all__ = ["FrameTarget", "channels_of_frames", "channels_of_labels", "combined_bits", "labels_of_frames"]


class FrameTarget(NamedTuple):
    """Where the frames of a segmentation go.

    Args:
        path: The file.
        layout: Of the pixels.
        geometry: The grid of the array.
        placed: How the frames lie on it; None where they lie in a plane that has no place in space.
        offsets: Slice, row and column of the first pixel of each frame, `(frames, 3)`.
        max_bytes: Largest array.
    """

    path: Path
    layout: FrameLayout
    geometry: Geometry
    placed: PlacedFrames | None
    offsets: HostArray
    max_bytes: int


_Read = Callable[[int], HostArray]
"""From the number of a frame to its pixels."""


def combined_bits(
    target: FrameTarget, read: _Read, labels: Sequence[int], dtype: np.dtype[Any]
) -> tuple[HostArray, bool]:
    """Return the label map of frames of bits, each of which has a label, up to where labels overlap, if they do."""
    array, view = _empty(target, (), dtype)
    count = target.layout.rows * target.layout.columns
    # Eight pixels of a byte at once: no label is above what a pixel holds, so that products do not run over.
    table = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little").astype(dtype)
    spread = table.view(np.uint64)
    plane = np.empty(-(-count // 8) * 8, dtype)
    words, occupied = plane.view(np.uint64).reshape(-1, dtype.itemsize), np.empty(plane.size // 8, np.uint8)
    for region, frames in _regions(target, view, labels):
        plane[:] = occupied[:] = 0
        for frame in frames:
            bits = read(frame)
            if np.bitwise_and(occupied, bits).any():
                return array, True
            occupied |= bits
            places = np.flatnonzero(bits)
            words[places] |= spread[bits[places]] * np.uint64(labels[frame])
        region[:] = plane[:count].reshape(target.layout.rows, -1)[: region.shape[0], : region.shape[1]]
    return array, False


def channels_of_frames(
    target: FrameTarget, read: _Read, positions: Sequence[int], channels: int, largest: int
) -> HostArray:
    """Return a channel for each segment: uint8 of frames of bits, or float32, value / `largest`, of fractions."""
    binary = target.layout.bits == 1
    array, view = _empty(target, (channels,), np.dtype(np.uint8 if binary else np.float32))
    rows, columns = target.layout.rows, target.layout.columns
    for position in range(channels):
        for region, frames in _regions(target, view[position], positions, only=position):
            values = read(frames[0])
            if binary:
                values = np.unpackbits(values, count=rows * columns, bitorder="little")
            elif values.max() > largest:
                invalid_file(target.path, f"it holds the fraction {values.max()} / {largest}")
            plane = values.reshape(rows, columns)[: region.shape[0], : region.shape[1]]
            if binary:
                region[:] = plane
            else:
                np.divide(plane, np.float32(largest), out=region)
    return np.moveaxis(array, 0, -1)


def labels_of_frames(
    target: FrameTarget, read: _Read, labels: Sequence[int], background: int, dtype: np.dtype[Any]
) -> HostArray:
    """Return the label map of frames of labels; raise for a label that is none of the segments."""
    array, view = _empty(target, (), dtype)
    known = np.zeros(1 << target.layout.bits, bool)
    known[[0, background, *(label for label in labels if label < known.size)]] = True
    becomes = np.arange(known.size).astype(dtype)
    becomes[background] = 0
    for region, frames in _regions(target, view, [0] * target.layout.frames):
        values = read(frames[0])
        if not known[values].all():
            invalid_file(target.path, f"it holds the label {values[~known[values]][0]}, which is no segment's")
        plane = becomes[values].reshape(target.layout.rows, target.layout.columns)
        region[:] = plane[: region.shape[0], : region.shape[1]]
    return array


def channels_of_labels(target: FrameTarget, array: HostArray, labels: Sequence[int]) -> HostArray:
    """Return a channel for each label of a label map, as uint8."""
    channels, _ = _empty(target, (len(labels),), np.dtype(np.uint8))
    for channel, label in zip(channels, labels, strict=True):
        np.equal(array, label, out=channel.view(bool))
    return np.moveaxis(channels, 0, -1)


def _empty(target: FrameTarget, before: tuple[int, ...], dtype: np.dtype[Any]) -> tuple[HostArray, HostArray]:
    """Return an array of zeros on the grid, with other axes before, and it as slices, rows and columns of frames."""
    shape = (*before, *target.geometry.shape)
    if (nbytes := math.prod(shape) * dtype.itemsize) > target.max_bytes:
        words = f"{before[0]} channels take" if before else "the label map takes"
        invalid_file(target.path, f"{words} {nbytes} bytes, and `max_bytes` is {target.max_bytes}")
    array = np.zeros(shape, dtype)
    if target.placed is None:
        return array, array[..., None, :, :]
    return array, plane_view(array, target.placed)


def _regions(
    target: FrameTarget, view: HostArray, owners: Sequence[int], *, only: int | None = None
) -> Iterator[tuple[HostArray, list[int]]]:
    """Yield each part of a view that frames cover, and these frames; raise if an owner has two for one part.

    Args:
        target: Where frames go.
        view: Slices, rows and columns.
        owners: To whom each frame belongs.
        only: The owner whose frames are looked at, if not all.
    """
    places = sorted(
        (*map(int, offset), owners[frame], frame)
        for frame, offset in enumerate(target.offsets)
        if only is None or owners[frame] == only
    )
    for (plane, row, column), group in itertools.groupby(places, key=lambda place: place[:3]):
        members = [place[3:] for place in group]
        for (owner, _), (next_owner, frame) in itertools.pairwise(members):
            if owner == next_owner:
                invalid_file(target.path, f"frame {frame + 1} lies where another frame of its segment does")
        ends = row + target.layout.rows, column + target.layout.columns
        yield view[plane, row : ends[0], column : ends[1]], [frame for _, frame in members]
