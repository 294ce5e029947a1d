"""Assembly patch by patch, for loops of your own: `start`, `add` and `finish` trace under `jit` and `scan`."""

from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.placement import PATCHES, Placement, extent
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.voxelwise import bring
from mia_functional.typing import Array, Shape


def start(patch: Array, shape: Shape, *, reduction: Reduction = mean) -> Any:
    """Return the state of an assembly before its first patch.

    Args:
        patch: Any patch, `(*patch, ...)`: it tells the library, the device, the dtype and the channels.
        shape: Spatial shape of the volume.
        reduction: As for `assemble`.

    Returns:
        What `add` takes; for all reductions here an array `(*shape, ...)`, for `vote` with one more axis.

    Example:
        >>> import jax
        >>> from mia_functional.assembly.placement import placements
        >>> from mia_functional.indexing import patches
        >>> (places,) = placements(patches((3,), (2,), step=1), (3,))
        >>> parts = jax.numpy.asarray([[1.0, 1.0], [3.0, 3.0]])
        >>> state = start(parts[0], (3,))
        >>> state, _ = jax.lax.scan(lambda state, row: (add(state, *row), None), state, (parts, places))
        >>> finish(state).tolist()
        [1.0, 2.0, 3.0]
    """
    _array.checked_namespace("start", patch=patch)
    check_reduction("start", reduction)
    size = checks.integer_tuple("start", "shape", shape, minimum=1)
    if any(part > room for part, room in zip(patch.shape, size, strict=False)) or patch.ndim < len(size):
        checks.invalid_value("start", "patch", f"fit into the volume, {size}", tuple(patch.shape))
    return reduction.start(patch, (*size, *patch.shape[len(size) :]))


def add(state: Any, patch: Array, place: Placement, *, reduction: Reduction = mean) -> Any:
    """Return the state with a patch brought in, or several; the state given is used up (donate it: `donate_argnums=0`).

    Under `jit`, `scan` and `vmap` the place may be traced; in NumPy and PyTorch the state is changed in place. Several
    patches with several places come one after the other; single voxels at once, so that they must be different ones.

    Args:
        state: From `start` or `add`.
        patch: `(*patch, ...)`, with one axis for each of the volume: of size 1 where the index is an integer; or
            `(count, *patch, ...)`.
        place: One row of `placements`, of the reduction's indices, or `count` of them; it lies in the volume.
        reduction: As for `start`.

    Raises:
        TypeError: The place is none.
        ValueError: The patch has another shape than its place, or other channels than the volume.
    """
    check_reduction("add", reduction)
    if not isinstance(place, Placement):
        checks.invalid_kind("add", "place", "be a Placement, from `placements`", checks.describe(place))
    return added("add", state, patch, place, reduction)


def added(function: str, state: Any, patch: Array, place: Placement, reduction: Reduction) -> Any:
    """Return what `add` does, on behalf of a function."""
    argument = PATCHES.get(function, "patches")
    rows = tuple(place.start.shape[:-1])
    expected = rows + extent(place)
    if tuple(patch.shape[: len(expected)]) != expected:
        checks.invalid_value(function, argument, f"match its place, {expected}", tuple(patch.shape))
    channels = tuple(patch.shape[len(expected) :])
    shape = getattr(state, "shape", (*expected[len(rows) :], *channels, *(0,) * reduction.extra_axes))
    extra = tuple(shape[len(expected) - len(rows) : len(shape) - reduction.extra_axes])
    if channels != extra:
        checks.invalid_value(function, argument, f"have the channels of the volume, {extra}", channels)
    return bring(state, patch, place, reduction) if rows else reduction.add(state, patch, place)


def finish(state: Any, *, reduction: Reduction = mean) -> Array:
    """Return the volume of a state, in the dtype of its sums (float32 for smaller ones).

    Args:
        state: From `add`.
        reduction: As for `start`.
    """
    check_reduction("finish", reduction)
    return reduction.finish(state)
