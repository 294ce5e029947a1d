"""Extract an index out of anything that can be sliced, with context around it: arrays, HDF5, memory maps, Zarr."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.indexing.margins import dilate
from mia_functional.typing import Array, HostArray, Index, Margin, Shape, Sliceable

__all__ = [
    "PadMode",
    "constant",
    "dynamic_patch",
    "edge",
    "extract",
    "extract_batch",
    "reflect",
]

__dir__ = __all__.copy  # dir() shows what users may touch

PadMode: TypeAlias = Callable[[HostArray, int], HostArray]
"""From positions along an axis (NumPy integers, some outside) and its size: positions inside, -1 for `fill_value`."""

_PAD_MODES = "`constant`, `edge` or `reflect`"
"""The pad modes of this module, for messages."""


def constant(positions: HostArray, size: int) -> HostArray:
    """Fill with `fill_value` outside of the image.

    Example:
        >>> constant(np.arange(-2, 4), 3).tolist()
        [-1, -1, 0, 1, 2, -1]
    """
    return np.where((positions >= 0) & (positions < _array.whole_number(size)), positions, -1)


def edge(positions: HostArray, size: int) -> HostArray:
    """Repeat the outermost voxel outside of the image.

    Example:
        >>> edge(np.arange(-2, 4), 3).tolist()
        [0, 0, 0, 1, 2, 2]
    """
    return np.minimum(np.maximum(positions, 0), _array.whole_number(size - 1))


def reflect(positions: HostArray, size: int) -> HostArray:
    """Mirror the image at its outermost voxels, which are not repeated, as often as needed.

    Example:
        >>> reflect(np.arange(-2, 5), 3).tolist()
        [2, 1, 0, 1, 2, 1, 0]
    """
    if size < 2:
        # A single voxel has no neighbours to mirror: the period would be 0.
        return np.zeros_like(positions)
    last = _array.whole_number(size - 1)
    mirrored: HostArray = last - abs(positions % (2 * last) - last)
    return mirrored


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
        index: One entry per leading axis, as `mia_functional.indexing` yields. Positions count from the first voxel,
            never from the end: a slice with start and stop may reach outside of the source on both sides.
        margin: Voxels of context to add on both sides: a number for all axes of the index, or one entry per axis, a
            number or `(before, after)`; a plane becomes a slab.
        fill_value: What lies outside of the source, with `pad_mode=constant`; the dtype of the source has to hold it.
        pad_mode: `constant`, `edge` or `reflect`, or any function of the same kind.
        channels: Positions on the last axis to take, in this order; all by default.

    Returns:
        An array of the source's library (NumPy for files) and dtype. Without margin and padding it is `source[index]`:
        for NumPy and memory maps a view.

    Raises:
        TypeError: The index has entries that are neither whole numbers nor slices of them without a step.
        ValueError: The index has more axes than the source, a slice stops before it starts (`slice(6, 2)`,
            `slice(None, -2)`) or has a start below 0 and no stop, the margin is negative, or a channel does not exist.

    Example:
        >>> extract(np.arange(4), (slice(2, 6),)).tolist()
        [2, 3, 0, 0]
        >>> extract(np.arange(4), (slice(0, 1),), margin=((2, 1),), pad_mode=edge).tolist()
        [0, 0, 0, 1]
    """
    checks.require_shape("extract", "source", source)
    checks.require_instance("extract", "index", index, tuple, "a tuple of whole numbers and slices")
    if len(index) > len(source.shape):
        needed = f"have at most {len(source.shape)} entries, one per axis of the source"
        checks.invalid_value("extract", "index", needed, len(index))
    with checks.speaking_for("extract", "dilate"):
        wanted = dilate(index, margin)
    picked = None if channels is None else _channel_positions(source.shape[len(index) :], channels)
    region = [_closed(entry, size) for entry, size in zip(wanted, source.shape, strict=False)]
    if picked is None and all(
        entry.start >= 0 and entry.stop <= size if isinstance(entry, slice) else 0 <= entry < size
        for entry, size in zip(region, source.shape, strict=False)
    ):
        # Nothing to pad or to rearrange: a view where the library has views.
        return _array.read_region(source, (*region, ...))
    checks.require_callable("extract", "pad_mode", pad_mode, _PAD_MODES)
    positions = [_axis_positions(entry, size, pad_mode) for entry, size in zip(region, source.shape, strict=False)]
    given: Any = source
    return _array.call_gathered(partial(_gather, positions, picked, fill_value), given)


def extract_batch(
    source: Sliceable,
    indices: Iterable[Index],
    *,
    margin: Margin = 0,
    fill_value: float = 0,
    pad_mode: PadMode = constant,
    channels: tuple[int, ...] | None = None,
) -> Array:
    """Return the parts of `source` at several indices as one batch, each written to its row as it is read.

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
    checks.require_instance("extract_batch", "indices", indices, Iterable, "indices of `mia_functional.indexing`")
    listed = list(indices)
    if not listed:
        checks.invalid_value("extract_batch", "indices", "hold at least one index", "none")
    cut = partial(extract, source, margin=margin, fill_value=fill_value, pad_mode=pad_mode, channels=channels)

    def others() -> Iterator[Array]:
        for patch in map(cut, listed[1:]):
            if patch.shape != first.shape:
                needed = f"give parts of one shape, {tuple(first.shape)}"
                checks.invalid_value("extract_batch", "indices", needed, tuple(patch.shape))
            yield patch

    with checks.speaking_for("extract_batch", "extract"):
        first = cut(listed[0])
        _array.checked_namespace("extract_batch", source=first)
        # A generator: each part is written to its row and dropped, so that no second batch is held.
        return _array.stack(first, others(), len(listed))


def dynamic_patch(array: Array, start: Array | Sequence[int], patch_shape: Shape) -> Array:
    """Return the patch of a fixed shape at a start that may be traced: for use within `jit`, `vmap` and `scan`.

    Args:
        array: `(*spatial, ...)`.
        start: First voxel along each axis: integers, or an integer array `(axes,)` of any dtype. Where the patch would
            cross the border it is moved inside, as traced values cannot be checked; what is below 0 becomes 0.
        patch_shape: Voxels of the patch along each axis, at most those of the array.

    Returns:
        An array `(*patch_shape, ...)`; under `vmap` over the starts a batch of them.

    Raises:
        TypeError: The start does not hold whole numbers.
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
    if not checks.has_shape(start) and not (isinstance(start, Sequence) and all(map(checks.is_integer, start))):
        checks.invalid_kind("dynamic_patch", "start", "hold whole numbers, one per axis", repr(start))
    given: Any = start
    entries: Any = (start,) if checks.has_shape(start) else start
    for entry in entries:
        _array.require_integers("dynamic_patch", "start", entry)
    count = tuple(given.shape) if checks.has_shape(given) else (len(given),)
    if count != (len(patch),):
        actual = count[0] if len(count) == 1 else f"shape {count}"
        checks.invalid_value("dynamic_patch", "start", f"have {len(patch)} entries, one per axis", actual)
    if checks.has_shape(given) and not (_array.is_jax(given) or _array.is_unknown(given)):
        given = _array.to_numpy(given)  # all entries at once: each of them would wait for a GPU
    last = [room - voxels for room, voxels in zip(size, patch, strict=True)]
    positions = [_array.clamp(given[axis], high) for axis, high in enumerate(last)]
    for position in filter(_array.is_unknown, positions):
        # Only its own library slices at an unknown position, so a NumPy array is moved there. In a
        # program, the entries of an array from outside are unknown as well.
        _, (array, _) = _array.to_common_library("dynamic_patch", array=array, start=position)
    return _array.take_block(array, positions, patch)


def _channel_positions(trailing: Shape, channels: tuple[int, ...]) -> HostArray:
    """Return positions on the last axis; raise unless all of them exist."""
    picked = checks.integer_tuple("extract", "channels", channels, minimum=0)
    if not trailing:
        checks.invalid_value("extract", "channels", "be None where the index uses up all axes", channels)
    if not picked or max(picked) >= trailing[-1]:
        checks.invalid_value("extract", "channels", f"be some of the {trailing[-1]} on the last axis", channels)
    return np.array(picked)


def _closed(entry: int | slice, size: int) -> int | slice:
    """Return one entry of an index with a start and a stop; a slice that starts behind the end is empty, as Python's.

    Sources differ in what they make of a start behind the end: TensorStore refuses it.
    """
    if not isinstance(entry, slice):
        return entry
    start = entry.start or 0
    return slice(start, max(start, size) if entry.stop is None else entry.stop)


def _axis_positions(entry: int | slice, size: int, pad_mode: PadMode) -> "int | HostArray":
    """Return the source positions of one entry of an index: an integer, or an array with -1 for padding."""
    if isinstance(entry, slice):
        return pad_mode(np.arange(entry.start, entry.stop), size)
    if not 0 <= entry < size:
        checks.invalid_value("extract", "index", f"lie within 0 and {size - 1} where it is an integer", entry)
    return entry


def _gather(positions: "list[int | HostArray]", channels: "HostArray | None", fill: float, source: Sliceable) -> Array:
    """Return the voxels at the product of positions along the leading axes, and at `channels` of the last axis."""
    # One block is read, then rearranged axis by axis: files have one way in, slices that ascend.
    region = tuple(_hull(entry) if isinstance(entry, np.ndarray) else entry for entry in positions)
    block = _array.read_region(source, (*region, ..., *(() if channels is None else (_hull(channels),))))
    xp = _array.checked_namespace("extract", source=block)
    _array.check_fits_dtype("extract", "fill_value", fill, block)
    arrays = [entry for entry in positions if isinstance(entry, np.ndarray)]
    for axis, wanted in [*enumerate(arrays), *([] if channels is None else [(block.ndim - 1, channels)])]:
        real, is_unknown, count = wanted >= 0, _array.is_unknown(wanted), block.shape[axis]
        inside = wanted - (_hull(wanted).start or 0)
        if not is_unknown and np.array_equal(inside[real], np.arange(count)):
            outside = np.flatnonzero(~real)
            before = int(real.argmax())
            if not ((outside >= before) & (outside < before + count)).any():
                block = _pad_ends(block, axis, (before, wanted.size - before - count), fill)
                continue
        if is_unknown or not np.array_equal(inside, np.arange(count)):
            block = _array.take(block, _array.from_numpy(np.maximum(inside, 0), xp, block), axis)
        if is_unknown or not real.all():
            mask = _array.from_numpy(real.reshape(-1, *(1,) * (block.ndim - axis - 1)), xp, block)
            block = xp.where(mask, block, xp.full_like(block, fill))
    return block


def _pad_ends(block: Array, axis: int, ends: tuple[int, int], fill: float) -> Array:
    """Return a block with padding before and behind along an axis: one copy, where a gather and a choice take two."""
    xp, parts = _array.array_namespace(block), [block]
    for position, size in ((0, ends[0]), (2, ends[1])):
        if size:
            shape = (*block.shape[:axis], size, *block.shape[axis + 1 :])
            padding = xp.full_like(_array.zeros(xp, shape, block.dtype, block), fill)
            parts.insert(position, padding)
    return _array.concat(parts, axis) if len(parts) > 1 else block


def _hull(positions: HostArray) -> slice:
    """Return the smallest slice that holds all positions that are not padding; the whole axis if they are unknown."""
    if _array.is_unknown(positions):
        return slice(None)
    # One voxel even where all is padding: something has to be read that says which library and dtype the result has.
    real = positions[positions >= 0]
    return slice(int(real.min()), int(real.max()) + 1) if real.size else slice(0, 1)
