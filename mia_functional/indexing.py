"""Which parts of a volume become samples: index tuples from shapes, without touching data.

Every function takes the spatial shape and returns `Indices`: a lazy sequence of plain tuples of `int` and `slice`,
usable as `array[index]` in every library. Trailing axes (channels) stay untouched. The order is that of the array, last
axis fastest.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from typing import TypeAlias

from mia_functional import _check
from mia_functional.typing import Index, Shape

Step: TypeAlias = int | tuple[int, int]
"""A plane at a position, or the range from a start to a stop."""

Axis: TypeAlias = range | tuple[Step, ...]
"""All that is visited along one axis, in order."""

Boundary: TypeAlias = Callable[[int, int, int], tuple[tuple[int, int], ...]]
"""From an axis' size, the patch's size and the step: the (start, stop) of every patch along that axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Indices:
    """A lazy sequence of index tuples: one grid (a product of axes) after the other.

    It stores a few numbers per axis, however many indices it has; it is hashable and picklable.

    Args:
        grids: For every grid the visited positions of each axis.
    """

    grids: tuple[tuple[Axis, ...], ...]

    def __len__(self) -> int:
        """Return the number of indices."""
        return sum(math.prod(map(len, grid)) for grid in self.grids)

    def __getitem__(self, position: int) -> Index:
        """Return the index tuple at a position; negative ones count from the end."""
        size = len(self)
        if not -size <= position < size:
            raise IndexError(f"indices: `position` must lie within {-size} and {size - 1}; got {position}.")
        rest = position % size
        for grid in self.grids:
            count = math.prod(map(len, grid))
            if rest < count:
                return _locate(grid, rest)
            rest -= count
        raise AssertionError("unreachable: the position was checked against the length")

    def __iter__(self) -> Iterator[Index]:
        """Yield the index tuples in order."""
        steps = chain.from_iterable(product(*grid) for grid in self.grids)
        return (tuple(map(_as_index, entries)) for entries in steps)


def _locate(grid: tuple[Axis, ...], position: int) -> Index:
    """Return the index at a position within one grid."""
    entries: list[int | slice] = []
    for axis in reversed(grid):
        position, place = divmod(position, len(axis))
        entries.append(_as_index(axis[place]))
    return tuple(reversed(entries))


def _as_index(step: Step) -> int | slice:
    """Return a step as what indexing syntax takes."""
    return slice(*step) if isinstance(step, tuple) else step


def drop(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Leave out the patches that would cross the border: voxels behind the last full patch are not visited.

    Example:
        >>> drop(10, 4, 4)
        ((0, 4), (4, 8))
    """
    return tuple((start, start + patch) for start in range(0, size - patch + 1, step))


def clip(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Cut patches off at the border: the last ones are smaller.

    Example:
        >>> clip(10, 4, 4)
        ((0, 4), (4, 8), (8, 10))
    """
    return tuple((start, min(start + patch, size)) for start in _covering(size, patch, step) if start < size)


def shift(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Move the last patch back so that it ends at the border: all patches are whole and lie inside.

    Example:
        >>> shift(10, 4, 4)
        ((0, 4), (4, 8), (6, 10))
    """
    _fits(size, patch)
    return tuple((min(start, size - patch), min(start + patch, size)) for start in _covering(size, patch, step))


def even(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Spread whole patches evenly from border to border, at most `step` apart (rounded to voxels).

    Example:
        >>> even(10, 4, 4)
        ((0, 4), (3, 7), (6, 10))
    """
    _fits(size, patch)
    gaps = math.ceil((size - patch) / step)
    starts = [round(position * (size - patch) / gaps) for position in range(gaps + 1)] if gaps else [0]
    return tuple((start, start + patch) for start in starts)


def overhang(size: int, patch: int, step: int) -> tuple[tuple[int, int], ...]:
    """Let the last patch reach over the border; `extraction.extract` pads it, assembly cuts it off.

    Example:
        >>> overhang(10, 4, 4)
        ((0, 4), (4, 8), (8, 12))
    """
    return tuple((start, start + patch) for start in _covering(size, patch, step) if start < size)


def _covering(size: int, patch: int, step: int) -> range:
    """Return the starts, `step` apart from 0, up to the first patch that reaches the end of the axis."""
    return range(0, step * math.ceil(max(size - patch, 0) / step) + 1, step)


def _fits(size: int, patch: int) -> None:
    """Refuse a patch that is larger than the axis where it has to lie inside."""
    if patch > size:
        _check.invalid_value(
            "patches", "patch_shape", f"fit into the image, {size} voxels (or use `clip` or `overhang`)", patch
        )


def whole(shape: Shape) -> Indices:
    """Return the one index of the entire volume.

    Args:
        shape: Spatial shape.

    Example:
        >>> list(whole((2, 3)))
        [(slice(0, 2, None), slice(0, 3, None))]
    """
    return Indices(grids=(_full(_spatial("whole", shape)),))


def slices(shape: Shape, *, axis: int | tuple[int, ...] = 0) -> Indices:
    """Return one index per 2-D slice; with several axes all slices of the first, then of the next (2.5-D).

    Args:
        shape: Spatial shape.
        axis: The axis across which to slice, or several; the sliced axis is dropped by indexing.

    Example:
        >>> list(slices((2, 3)))
        [(0, slice(0, 3, None)), (1, slice(0, 3, None))]
    """
    size = _spatial("slices", shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    places = [_check.axis("slices", entry, len(size)) for entry in axes]
    return Indices(grids=tuple(_replace(_full(size), place, range(size[place])) for place in places))


def slabs(shape: Shape, thickness: int, *, axis: int = 0, step: int | None = None) -> Indices:
    """Return indices of slabs of consecutive slices, full in the other axes; the last slab ends at the border.

    Args:
        shape: Spatial shape.
        thickness: Slices per slab, at most the size of the axis.
        axis: The axis across which the slabs lie.
        step: Slices from one slab to the next; `thickness` where left out.

    Example:
        >>> [index[0] for index in slabs((5, 4), 2)]
        [slice(0, 2, None), slice(2, 4, None), slice(3, 5, None)]
    """
    size = _spatial("slabs", shape)
    place = _check.axis("slabs", axis, len(size))
    thick = _check.integer("slabs", "thickness", thickness, minimum=1)
    stride = thick if step is None else _check.integer("slabs", "step", step, minimum=1)
    return Indices(grids=(_replace(_full(size), place, shift(size[place], thick, stride)),))


def patches(
    shape: Shape, patch_shape: Shape, *, step: int | Shape | None = None, boundary: Boundary = shift
) -> Indices:
    """Return the indices of a regular grid of patches.

    Args:
        shape: Spatial shape, any number of axes.
        patch_shape: Voxels of a patch along each axis.
        step: Voxels from one patch to the next, for all axes or each; `patch_shape` (no overlap) where left out.
        boundary: What happens where the grid does not fit: `drop`, `clip`, `shift` (default), `even` or `overhang`,
            or any function of the same kind.

    Raises:
        ValueError: A size or a step is smaller than 1, or a patch does not fit with `shift` or `even`.

    Example:
        >>> [index[0] for index in patches((5,), (2,), boundary=overhang)]
        [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    size = _spatial("patches", shape)
    patch = _check.integers("patches", "patch_shape", patch_shape, length=len(size), minimum=1)
    strides = (step,) * len(size) if _check.is_integer(step) else patch if step is None else step
    stride = _check.integers("patches", "step", strides, length=len(size), minimum=1)
    return Indices(grids=(tuple(map(boundary, size, patch, stride)),))


def voxels(shape: Shape) -> Indices:
    """Return one index per voxel.

    Args:
        shape: Spatial shape.

    Example:
        >>> list(voxels((1, 2)))
        [(0, 0), (0, 1)]
    """
    return Indices(grids=(tuple(map(range, _spatial("voxels", shape))),))


def dilate(index: Index, margin: int | Shape) -> Index:
    """Return an index that is wider by `margin` voxels on both sides of each axis.

    The result may reach outside of the array (start below 0), which `extraction.extract` pads; a plane becomes a slab.

    Args:
        index: Entries with explicit starts and stops, as all functions here yield.
        margin: Voxels to add on each side, for all axes or each.

    Example:
        >>> dilate((slice(0, 4), 7), (2, 1))
        (slice(-2, 6, None), slice(6, 9, None))
    """
    margins = (margin,) * len(index) if isinstance(margin, int) else margin
    widths = _check.integers("dilate", "margin", margins, length=len(index), minimum=0)
    return tuple(entry if width == 0 else _widen(entry, width) for entry, width in zip(index, widths, strict=True))


def _widen(entry: int | slice, width: int) -> slice:
    """Return one entry of an index with `width` voxels more on both sides."""
    start, stop = (entry.start, entry.stop) if isinstance(entry, slice) else (entry, entry + 1)
    return slice(start - width, stop + width)


def _spatial(function: str, shape: Shape) -> Shape:
    """Return a checked spatial shape."""
    size = _check.integers(function, "shape", shape, minimum=1)
    _check.not_empty(function, "shape", size)
    return size


def _full(shape: Shape) -> tuple[Axis, ...]:
    """Return the grid with one full range on every axis."""
    return tuple(((0, size),) for size in shape)


def _replace(grid: tuple[Axis, ...], place: int, axis: Axis) -> tuple[Axis, ...]:
    """Return a grid with another axis at `place`."""
    return (*grid[:place], axis, *grid[place + 1 :])
