"""Incremental assembly, for loops of your own: `placements`, `start`, `add` and `finish`.

`placements` says where the patches of a grid go; `start` returns the state before the first patch, `add` the state with
one patch more, or several, and `finish` the volume. All but `placements` trace under `jit`, `scan` and `vmap`; the
example of `start` shows the loop. `assemble` and `sliding_window` are made of them.
"""

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import Placement, placed_shape
from mia_functional.assembly.reductions import Reduction, State, check_reduction, mean
from mia_functional.assembly.voxelwise import add_several
from mia_functional.typing import Array, Shape

__all__ = ["add", "add_placed", "finish", "start"]


@_array.one_node
def start(patch: Array, shape: Shape, *, reduction: Reduction = mean) -> State:
    """Return the state of an incremental assembly before its first patch, for `add`.

    Args:
        patch: Any patch, `(*patch, ...)`: it determines the library, the device, the dtype and the channels.
        shape: Spatial shape of the volume.
        reduction: As for `assemble`.

    Returns:
        What `add` takes; for all reductions here an array `(*shape, ...)`, for `vote` with one more axis.

    Example:
        >>> import jax
        >>> from mia_functional.assembly.placement import placements
        >>> from mia_functional.indexing import patches
        >>> (table,) = placements(patches((3,), (2,), step=1), (3,))
        >>> parts = jax.numpy.asarray([[1.0, 1.0], [3.0, 3.0]])
        >>> state = start(parts[0], (3,))
        >>> state, _ = jax.lax.scan(lambda state, row: (add(state, *row), None), state, (parts, table))
        >>> finish(state).tolist()
        [1.0, 2.0, 3.0]
    """
    _array.checked_namespace("start", patch=patch)
    _array.require_in_memory("start", "patch", patch)
    check_reduction("start", reduction)
    size = checks.integer_tuple("start", "shape", shape, minimum=1)
    if any(voxels > room for voxels, room in zip(patch.shape, size, strict=False)) or patch.ndim < len(size):
        checks.invalid_value("start", "patch", f"fit into the volume, {size}", tuple(patch.shape))
    return reduction.start(patch, (*size, *patch.shape[len(size) :]))


@_array.one_node
def add(state: State, patch: Array, placement: Placement, *, reduction: Reduction = mean) -> State:
    """Return the state with a patch added, or several; the state given is used up (donate it: `donate_argnums=0`).

    Under `jit`, `scan` and `vmap` the placement may be traced; in NumPy and PyTorch the state is changed in place.
    Several patches with several placements come one after the other; single voxels at once, so that they must be
    different ones. The loop is shown with `start`; `finish` makes the volume of the last state.

    Args:
        state: From `start` or `add`.
        patch: `(*patch, ...)`, with one axis for each of the volume: of size 1 where the index is an integer; or
            `(count, *patch, ...)`.
        placement: One row of `placements`, of the reduction's indices, or `count` of them, with starts of any integers;
            it lies in the volume. That cannot be checked of a traced one: a patch is moved inside, single voxels that
            are outside are left out, and nothing ever counts from the end.
        reduction: As for `start`.

    Raises:
        TypeError: The placement is not a `Placement`.
        ValueError: The patch has another shape than its placement, or other channels than the volume; the placement is
            not inside of the volume.
    """
    check_reduction("add", reduction)
    checks.require_instance("add", "placement", placement, Placement, "a Placement, from `placements`")
    return add_placed(state, patch, _inside(placement, getattr(state, "shape", None)), reduction=reduction)


def add_placed(state: State, patch: Array, placement: Placement, *, reduction: Reduction = mean) -> State:
    """Return the state with a patch added, or several, as `add` does, where the placement is known to be right."""
    shape = placed_shape(placement)
    expected = (*placement.start.shape[:-1], *shape)
    if tuple(patch.shape[: len(expected)]) != expected:
        checks.invalid_value("add", "patch", f"match its placement, {expected}", tuple(patch.shape))
    channels = tuple(patch.shape[len(expected) :])
    # A state may be any pytree: only that of one array says which channels it has.
    volume = getattr(state, "shape", (*shape, *channels, *(0,) * reduction.extra_axes))
    own = tuple(volume[len(shape) : len(volume) - reduction.extra_axes])
    if channels != own:
        checks.invalid_value("add", "patch", f"have the channels of the volume, {own}", channels)
    several = placement.start.ndim > 1
    return add_several(state, patch, placement, reduction) if several else reduction.add(state, patch, placement)


def _inside(placement: Placement, volume: Shape | None) -> Placement:
    """Return a placement whose starts are wide integers inside of a volume; raise if they are known to be elsewhere."""
    start, patch = placement.start, placed_shape(placement)
    _array.require_integers("add", "placement", start)
    room = None if volume is None else tuple(size - voxels for size, voxels in zip(volume, patch, strict=False))
    # Wide, as sums of a narrow start and other positions wrap around: uint8 ends at 255.
    if not _array.is_unknown(start) and (not _array.is_jax(start) or _array.in_host_memory(start)):
        known = _array.to_numpy(start)
        # One patch after the other is the usual loop: Python's numbers are compared in a fifth of the time.
        if (
            known.ndim == 1
            and room is not None
            and all(0 <= at <= free for at, free in zip(known.tolist(), room, strict=True))
        ):
            # JAX's own array stays: a program takes one of NumPy in half as much time again.
            stays = _array.is_jax(start) and known.dtype == np.int32
            return placement if stays else placement._replace(start=known.astype(np.int32, copy=False))
        known = known.astype(np.int64)
        outside = known < 0 if room is None else (known < 0) | (known > room)
        if outside.any():
            rows = outside.reshape(-1, len(patch)).any(axis=1)
            first = tuple(known.reshape(-1, len(patch))[rows.argmax()].tolist())
            needed = "start inside of the volume" if room is None else f"start within 0 and {room}"
            checks.invalid_value("add", "placement", needed, first)
        # JAX has integers of 32 bits, which hold every position in a volume.
        return placement._replace(start=known if room is None else known.astype(np.int32))
    if room is None or (start.ndim > 1 and set(map(int, patch)) == {1}):
        # Voxels that are added together have to stay different ones: those outside are left out instead.
        return placement._replace(start=_array.widen(start))
    return placement._replace(start=_array.clamp(start, room))


@_array.one_node
def finish(state: State, *, reduction: Reduction = mean) -> Array:
    """Return the volume of an incremental assembly, in the dtype of its sums (float32 for smaller ones).

    Args:
        state: From `add`.
        reduction: As for `start`.
    """
    check_reduction("finish", reduction)
    return reduction.finish(state)
