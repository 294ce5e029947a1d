"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mia_functional import _array, _check
from mia_functional.assembly.places import fit, refuse_gaps, walk
from mia_functional.assembly.reductions import Reduction, mean
from mia_functional.assembly.stacked import is_stacked, of_stacked
from mia_functional.assembly.steps import add, start
from mia_functional.assembly.voxels import joined, of_table, table_of, thickened
from mia_functional.assembly.windows import Window, uniform
from mia_functional.indexing import Boxes, sides
from mia_functional.typing import Array, Index, Margin, Shape


def assemble(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill: float | None = None,
    margin: Margin = 0,
    dtype: Any = None,
) -> Array:
    """Return the volume whose parts at `indices` are `patches` (aggregation, stitching, sliding-window inference).

    A voxel x that patches k cover gets `sum_k w_k(x) p_k(x) / sum_k w_k(x)` with `mean`, and the sum, the maximum, the
    last (in the order of `indices`) or the most frequent of the p_k(x) with the others. What a patch holds outside of
    the volume is cut off.
    Where all patches agree on a voxel, all but `total` give exactly what they agree on, with any window.

    Args:
        patches: An array `(count, *patch, ...)`, or any iterable of arrays `(*patch, ...)` of one library: the
            predictions, in the order of `indices`. Trailing axes (channels) are free, but the same for all. Voxels and
            slices of one array are brought in together; so are, in JAX, all patches of a grid, by one program.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote(labels)` (integer labels), or any record like them.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them; the weight
            of a voxel is the product over the axes. Only `mean` uses it.
        fill: Value of voxels that no patch covers; where left out, such voxels are an error.
        margin: Context that the patches still have, as it was given to `extract`; it is cut off.
        dtype: That of the volume; where left out, the one of the patches.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches, of their dtype; `mean` and `total` of
        integers or booleans are float32. Sums are held in float32 at least. Besides the volume it needs memory for
        some planes of a patch; for a mean over indices that are no grid, for one channel of weights too.

    Raises:
        TypeError: `vote` gets anything but integers, or the patches are no arrays of real numbers.
        ValueError: A patch does not match its index or has other channels than the first, the numbers of patches and
            indices differ, there are none, or voxels remain uncovered (the text states their fraction).

    Example:
        >>> import numpy as np
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = _check.integers("assemble", "shape", shape, minimum=1)
    table = table_of("assemble", indices, size) if isinstance(indices, Boxes) and hasattr(patches, "shape") else None
    if table is not None and margin == 0:
        state, seen = of_table("assemble", patches, table, size, reduction)
        return typed(filled("assemble", reduction.finish(state), [seen], fill), patches, dtype)
    patches, indices = joined(patches, indices, margin)
    weights = window if reduction.weighted else uniform
    if margin == 0 and is_stacked(patches, indices, size):
        return typed(of_stacked(patches, indices, size, weights, reduction), patches, dtype)
    walked, covered = walk("assemble", indices, size, weights, fill)
    state = part = None
    widths = sides("assemble", margin, len(size))
    fitted = (
        (fit("assemble", patch, index, size, widths), place)
        for patch, (index, place) in paired("assemble", patches, walked)
    )
    for part, place in thickened(fitted) if isinstance(patches, Sequence) else fitted:
        state = start(part, size, reduction=reduction) if state is None else state
        state = add(state, part, place, reduction=reduction)
    if state is None:
        _check.invalid_value("assemble", "patches", "hold at least one patch", "none")
    volume = reduction.finish(state)
    return typed(filled("assemble", volume, covered, fill), part, dtype)


def paired(function: str, patches: Any, walked: Iterator[Any]) -> Iterator[tuple[Array, Any]]:
    """Yield every patch with what belongs to it; refuse different numbers of them."""
    rows = (patches[k, ...] for k in range(patches.shape[0])) if hasattr(patches, "shape") else patches
    for patch in rows:
        place = next(walked, None)
        if place is None:
            raise ValueError(f"{function}: `patches` must be as many as `indices`; got fewer indices.")
        _array.namespace(function, patches=patch)
        yield patch, place
    if next(walked, None) is not None:
        raise ValueError(f"{function}: `patches` must be as many as `indices`; got fewer patches.")


def filled(function: str, volume: Array, covered: list[Any], fill: float | None) -> Array:
    """Return the volume with uncovered voxels filled; refuse it where they are not to be."""
    if all((part > 0).all() for part in covered):
        return volume
    if fill is None:
        refuse_gaps(function, covered)
    xp = _array.library(volume)
    for axis, part in enumerate(covered):
        volume = xp.where(_array.along(xp, part > 0, axis, volume), volume, xp.full_like(volume, fill))
    return volume


def typed(volume: Array, patch: Array, dtype: Any) -> Array:
    """Return a volume in the dtype asked for, else in that of patches of its kind, else as it is."""
    own = patch.dtype if _array.dtype_kind(patch) == _array.dtype_kind(volume) else volume.dtype
    return _array.library(volume).astype(volume, own if dtype is None else dtype, copy=False)
