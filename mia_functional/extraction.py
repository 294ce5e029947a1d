"""An index out of anything that can be sliced, with context around it: arrays, HDF5, memory maps, Zarr, TensorStore."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.indexing.margins import widened
from mia_functional.typing import Array, Index, Margin, Namespace, Shape, Sliceable

PadMode: TypeAlias = Callable[[Any, int], Any]
"""From positions along an axis (NumPy integers, some outside) and its size: positions inside, -1 for `fill_value`."""

PAD_MODES = "`constant`, `edge` or `reflect`"
"""The modes there are, for messages."""


def constant(positions: Any, size: int) -> Any:
    """Fill with `fill_value` outside of the image.

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
    margin: Margin = 0,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
    channels: tuple[int, ...] | None = None,
) -> Array:
    """Return the part of `source` at `index`, with real context or padding around it.

    Args:
        source: An array of any library (Dask's stay lazy), a dataset of h5py, a memory map, or an array of Zarr or
            TensorStore: `(*spatial, ...)`.
        index: One entry per leading axis, as `mia_functional.indexing` yields; it may reach outside of the source.
        margin: Voxels of context to add on both sides: a number for all axes of the index, or one entry per axis, a
            number or `(before, after)`; a plane becomes a slab.
        fill_value: What lies outside of the source, with `pad_mode=constant`; the dtype of the source has to hold it.
        pad_mode: `constant`, `edge` or `reflect`, or any function of the same kind.
        channels: Positions on the last axis to take, in this order; all where left out.

    Returns:
        An array of the source's library (NumPy for files) and dtype. Without margin and padding it is `source[index]`:
        for NumPy and memory maps a view.

    Raises:
        ValueError: The index has more axes than the source, the margin is negative, or a channel is not there.

    Example:
        >>> extract(np.arange(4), (slice(2, 6),)).tolist()
        [2, 3, 0, 0]
        >>> extract(np.arange(4), (slice(0, 1),), margin=((2, 1),), pad_mode=edge).tolist()
        [0, 0, 0, 1]
    """
    checks.require_shape("extract", "source", source)
    if not isinstance(index, tuple):
        checks.invalid_kind("extract", "index", "be a tuple of whole numbers and slices", checks.describe(index))
    if len(index) > len(source.shape):
        checks.invalid_value(
            "extract", "index", f"have at most {len(source.shape)} entries, one per axis of the source", len(index)
        )
    wanted = widened("extract", index, margin)
    chosen = None if channels is None else _channels(source.shape[len(index) :], channels)
    if chosen is None and _inside(wanted, source.shape):
        return _array.read_region(source, (*wanted, ...))
    checks.require_callable("extract", "pad_mode", pad_mode, PAD_MODES)
    places = [_positions(entry, size, pad_mode) for entry, size in zip(wanted, source.shape, strict=False)]
    return _gather(source, places, chosen, fill_value)


def extract_batch(
    source: Sliceable,
    indices: Iterable[Index],
    *,
    margin: Margin = 0,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
    channels: tuple[int, ...] | None = None,
) -> Array:
    """Return the parts of `source` at several indices as one batch, each read into its place (no list to be stacked).

    Args:
        source: As for `extract`.
        indices: Indices whose parts have one shape: any but those of `clip`.
        margin: As for `extract`, as are all that follow.
        fill_value: What lies outside of the source.
        pad_mode: `constant`, `edge` or `reflect`.
        channels: Positions on the last axis.

    Returns:
        An array `(count, *part)` in the library and dtype of what `extract` returns.

    Raises:
        ValueError: There is no index, or the parts differ in shape.

    Example:
        >>> extract_batch(np.arange(4), [(slice(0, 2),), (slice(2, 4),)]).tolist()
        [[0, 1], [2, 3]]
    """
    if not isinstance(indices, Iterable):
        checks.invalid_kind("extract_batch", "indices", "be indices of `mia_functional.indexing`", repr(indices))
    places = list(indices)
    parts = (
        extract(source, index, margin=margin, fill_value=fill_value, pad_mode=pad_mode, channels=channels)
        for index in places
    )
    first = next(parts, None)
    if first is None:
        checks.invalid_value("extract_batch", "indices", "hold at least one index", "none")
    return _array.stack(first, (_alike(first, part) for part in parts), len(places))


def _alike(first: Array, part: Array) -> Array:
    """Return a part; refuse one of another shape than the first."""
    if part.shape != first.shape:
        needed = f"give parts of one shape, {tuple(first.shape)}"
        checks.invalid_value("extract_batch", "indices", needed, tuple(part.shape))
    return part


def dynamic_patch(array: Array, start: Any, patch_shape: Shape) -> Array:
    """Return the patch of a fixed shape at a start that may be traced: for use within `jit`, `vmap` and `scan`.

    Args:
        array: `(*spatial, ...)`.
        start: First voxel along each axis: integers, or an integer array `(axes,)`. Where the patch would cross the
            border it is moved inside, as traced values cannot be refused.
        patch_shape: Voxels of the patch along each axis, at most those of the array.

    Returns:
        An array `(*patch_shape, ...)`; under `vmap` over the starts a batch of them.

    Raises:
        TypeError: The start is not made of whole numbers.
        ValueError: The patch does not fit into the array, or there is not one start per axis.

    Example:
        >>> dynamic_patch(np.arange(6), (3,), (2,)).tolist()
        [3, 4]
    """
    _array.checked_namespace("dynamic_patch", array=array)
    patch = checks.integer_tuple("dynamic_patch", "patch_shape", patch_shape, minimum=1)
    size = tuple(array.shape[: len(patch)])
    if len(size) < len(patch) or any(voxels > room for voxels, room in zip(patch, size, strict=True)):
        checks.invalid_value("dynamic_patch", "patch_shape", f"fit into the array, {tuple(array.shape)}", patch)
    if not hasattr(start, "shape") and not (isinstance(start, Sequence) and all(map(checks.is_integer, start))):
        checks.invalid_kind("dynamic_patch", "start", "hold whole numbers, one per axis", repr(start))
    for entry in (start,) if hasattr(start, "shape") else start:
        whole_numbers("dynamic_patch", "start", entry)
        if _array.is_traced(entry):
            _, (array, _) = _array.to_common_library("dynamic_patch", array=array, start=entry)
    count = tuple(start.shape) if hasattr(start, "shape") else (len(start),)
    if count != (len(patch),):
        actual = count[0] if len(count) == 1 else f"shape {count}"
        checks.invalid_value("dynamic_patch", "start", f"have {len(patch)} entries, one per axis", actual)
    room = [voxels - length for voxels, length in zip(size, patch, strict=True)]
    return _array.take_block(array, [_array.clamp(start[axis], high) for axis, high in enumerate(room)], patch)


def whole_numbers(function: str, argument: str, value: Any) -> None:
    """Refuse an array, perhaps traced, that does not hold whole numbers."""
    if hasattr(value, "dtype") and _array.dtype_kind(value) != "integer":
        checks.invalid_kind(function, argument, "hold whole numbers, one per axis", f"dtype {value.dtype}")


def _channels(extra: Shape, channels: tuple[int, ...]) -> Any:
    """Return positions on the last axis; refuse those that are not there."""
    chosen = checks.integer_tuple("extract", "channels", channels, minimum=0)
    if not extra:
        checks.invalid_value("extract", "channels", "be left out where the index uses up all axes", channels)
    if not chosen or max(chosen) >= extra[-1]:
        checks.invalid_value("extract", "channels", f"be some of the {extra[-1]} on the last axis", channels)
    return np.array(chosen)


def _inside(index: Index, shape: Shape) -> bool:
    """Tell whether an index stays within the array."""
    bounds = [(e.start or 0, e.stop) if isinstance(e, slice) else (e, e + 1) for e in index]
    return all(low >= 0 and (high is None or high <= size) for (low, high), size in zip(bounds, shape, strict=False))


def _positions(entry: int | slice, size: int, pad_mode: PadMode) -> Any:
    """Return the source positions of one entry of an index: an integer, or an array with -1 for padding."""
    if not isinstance(entry, slice):
        if not 0 <= entry < size:
            checks.invalid_value("extract", "index", f"lie within 0 and {size - 1} where it is an integer", entry)
        return entry
    return pad_mode(np.arange(entry.start or 0, size if entry.stop is None else entry.stop), size)


def _gather(source: Sliceable, places: list[Any], channels: Any, fill_value: float) -> Array:
    """Return the voxels at the product of `places`: one block is read, then rearranged and filled axis by axis."""
    spans = [_hull(place) if isinstance(place, np.ndarray) else place for place in places]
    last = () if channels is None else (_hull(channels),)
    block = _array.read_region(source, (*spans, ..., *last))
    xp = _array.checked_namespace("extract", source=block)
    _array.check_fits_dtype("extract", "fill_value", fill_value, block)
    arrays = [place for place in places if isinstance(place, np.ndarray)]
    for axis, positions in enumerate(arrays):
        block = _rearrange(xp, block, positions, axis, fill_value)
    return block if channels is None else _rearrange(xp, block, channels, block.ndim - 1, fill_value)


def _hull(positions: Any) -> slice:
    """Return the smallest slice that holds all positions that are not padding; one voxel where all are."""
    real = positions[positions >= 0]
    return slice(int(real.min()), int(real.max()) + 1) if real.size else slice(0, 1)


def _rearrange(xp: Namespace, block: Array, positions: Any, axis: int, fill_value: float) -> Array:
    """Return `block`, read at the hull of `positions`, with these positions along an axis, `fill_value` where -1."""
    inside = positions - _hull(positions).start
    if np.array_equal(inside, np.arange(block.shape[axis])):
        return block
    taken = xp.take(block, _array.from_numpy(np.maximum(inside, 0), xp, block), axis=axis)
    if (positions >= 0).all():
        return taken
    shape = tuple(-1 if place == axis else 1 for place in range(taken.ndim))
    real = xp.reshape(_array.from_numpy(positions >= 0, xp, block), shape)
    return xp.where(real, taken, xp.full_like(taken, fill_value))
