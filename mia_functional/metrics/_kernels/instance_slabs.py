"""The structures of a pair of arrays whose components are looked for, whole or slab after slab along the first axis."""

import math
from collections.abc import Iterable, Iterator

from mia_functional import _array
from mia_functional._label_maps import label_mask
from mia_functional.typing import Array, HostArray

__all__ = ["structure_pair", "structure_slabs"]

_BYTES_PER_VOXEL = 100
"""What runs of noise and their pairs take for each voxel of a slab; those of lesions take a quarter of a byte."""


def structure_pair(
    maps: Iterable[Array], ignored: Iterable[Array], label_set: tuple[int, ...] | None
) -> tuple[Array, ...]:
    """Return both arrays, or where they have a label, without what is ignored."""
    found = [array if label_set is None else label_mask(array, label_set) for array in maps]
    for unknown in ignored:
        xp = _array.array_namespace(unknown)
        found = [xp.where(unknown, xp.zeros_like(array), array) for array in found]
    return tuple(found)


def structure_slabs(
    maps: tuple[Array, ...], ignored: tuple[Array, ...], label_set: tuple[int, ...] | None, *, memory: int | None
) -> Iterator[tuple[HostArray, ...]]:
    """Yield both structures on the host, whole or cut along the first axis so that a slab takes so much memory."""
    shape = maps[0].shape
    # Of one axis nothing can be cut off, as runs lie along it.
    if memory is None or len(shape) == 1:
        # JAX's before anything is compared: within a program it traces what is computed of arrays from outside.
        near = [_array.to_numpy(array) if _array.is_jax(array) else array for array in (*maps, *ignored)]
        pair = structure_pair(near[: len(maps)], near[len(maps) :], label_set)
        yield tuple(map(_array.to_numpy, pair))
        return
    given, unknown = ([*map(_array.to_numpy, arrays)] for arrays in (maps, ignored))
    planes = max(1, memory // (_BYTES_PER_VOXEL * math.prod(shape[1:])))
    for first in range(0, shape[0], planes):
        cut = slice(first, first + planes)
        pair = structure_pair([array[cut] for array in given], [array[cut] for array in unknown], label_set)
        yield tuple(map(_array.to_numpy, pair))
