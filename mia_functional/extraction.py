"""An index out of anything that can be sliced, with context around it: arrays, h5py datasets, memory maps, zarr."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array, _check, indexing
from mia_functional.typing import Array, Index, Shape, Sliceable

PadMode: TypeAlias = Callable[[Any, int], Any]
"""From positions along an axis (NumPy integers, some outside) and its size: positions inside, or -1 for `pad_value`."""


def constant(positions: Any, size: int) -> Any:
    """Fill with `pad_value` outside of the image.

    Example:
        >>> constant(np.arange(-2, 4), 3).tolist()
        [-1, -1, 0, 1, 2, -1]
    """
    return np.where((positions >= 0) & (positions < size), positions, -1)


def edge(positions: Any, size: int) -> Any:
    """Repeat the outermost voxel outside of the image.

    Example:
        >>> edge(np.arange(-2, 4), 3).tolist()
        [0, 0, 0, 1, 2, 2]
    """
    return np.clip(positions, 0, size - 1)


def reflect(positions: Any, size: int) -> Any:
    """Mirror the image at its outermost voxels, which are not repeated, as often as needed.

    Example:
        >>> reflect(np.arange(-2, 5), 3).tolist()
        [2, 1, 0, 1, 2, 1, 0]
    """
    period = max(2 * (size - 1), 1)
    folded = positions % period
    return np.minimum(folded, period - folded) if size > 1 else np.zeros_like(positions)


def extract(
    source: Sliceable,
    index: Index,
    *,
    margin: int | Shape = 0,
    pad_value: float = 0,
    pad_mode: PadMode = constant,
) -> Array:
    """Return the part of `source` at `index`, with real context or padding around it.

    Args:
        source: An array of any library, or an h5py dataset, memory map or zarr array, `(*spatial, ...)`.
        index: One entry per leading axis, as `mia_functional.indexing` yields; it may reach outside of the source.
        margin: Voxels of context to add on both sides, for all axes of the index or each; a plane becomes a slab.
        pad_value: What lies outside of the source, with `pad_mode=constant`; cast to the dtype of the source.
        pad_mode: `constant`, `edge` or `reflect`, or any function of the same kind.

    Returns:
        An array of the source's library (NumPy for files) and dtype. Without margin and padding it is `source[index]`:
        for NumPy and memory maps a view.

    Raises:
        ValueError: The index has more axes than the source, or the margin is negative.

    Example:
        >>> extract(np.arange(4), (slice(2, 6),)).tolist()
        [2, 3, 0, 0]
        >>> extract(np.arange(4), (slice(0, 1),), margin=1, pad_mode=edge).tolist()
        [0, 0, 1]
    """
    if len(index) > len(source.shape):
        _check.invalid_value(
            "extract", "index", f"have at most {len(source.shape)} entries, one per axis of the source", len(index)
        )
    wanted = indexing.dilate(index, margin)
    if _inside(wanted, source.shape):
        return source[(*wanted, ...)]
    places = [_positions(entry, size, pad_mode) for entry, size in zip(wanted, source.shape, strict=False)]
    return _gather(source, places, pad_value)


def _inside(index: Index, shape: Shape) -> bool:
    """Tell whether an index stays within the array."""
    bounds = [(e.start or 0, e.stop) if isinstance(e, slice) else (e, e + 1) for e in index]
    return all(low >= 0 and (high is None or high <= size) for (low, high), size in zip(bounds, shape, strict=False))


def _positions(entry: int | slice, size: int, pad_mode: PadMode) -> Any:
    """Return the source positions of one entry of an index: an integer, or an array with -1 for padding."""
    if not isinstance(entry, slice):
        if not 0 <= entry < size:
            _check.invalid_value("extract", "index", f"lie within 0 and {size - 1} where it is an integer", entry)
        return entry
    return pad_mode(np.arange(entry.start or 0, size if entry.stop is None else entry.stop), size)


def _gather(source: Sliceable, places: list[Any], pad_value: float) -> Array:
    """Return the voxels at the product of `places`: one block is read, then rearranged and filled axis by axis."""
    ranges = [place if isinstance(place, int) else _hull(place) for place in places]
    block = source[(*ranges, ...)]
    xp = _array.namespace("extract", source=block)
    axis = 0
    for place, span in zip(places, ranges, strict=True):
        if isinstance(place, int):
            continue
        assert isinstance(span, slice)
        block = _rearrange(xp, block, place, span.start, axis, pad_value)
        axis += 1
    return block


def _hull(positions: Any) -> slice:
    """Return the smallest slice that holds all positions that are not padding; one voxel where all are."""
    real = positions[positions >= 0]
    return slice(int(real.min()), int(real.max()) + 1) if real.size else slice(0, 1)


def _rearrange(xp: Any, block: Array, positions: Any, start: int, axis: int, pad_value: float) -> Array:
    """Return `block` with the given source positions along one axis and `pad_value` where they are -1."""
    taken = xp.take(block, _array.from_numpy(np.maximum(positions - start, 0), xp, block), axis=axis)
    if (positions >= 0).all():
        return taken
    shape = tuple(-1 if place == axis else 1 for place in range(taken.ndim))
    real = xp.reshape(_array.from_numpy(positions >= 0, xp, block), shape)
    return xp.where(real, taken, xp.full_like(taken, pad_value))
