"""Patches back into volumes: every prediction goes to its index, and overlaps are resolved by a reduction."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mia_functional import _array, _check
from mia_functional.indexing import Indices
from mia_functional.typing import Array, Index, Shape

Window: TypeAlias = Callable[[int], Any]
"""From the size of a patch along one axis: its weights along that axis (NumPy floats, all positive)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduction:
    """How the predictions of a voxel become one value.

    Args:
        name: For messages and displays.
        start: `start(patch, shape) -> state`, from the first patch and the shape of the volume, channels included.
        add: `add(state, index, patch) -> state` brings one patch in; the state is its own to change.
        finish: `finish(state) -> volume`.
        weighted: Whether patches come multiplied by the window, and the volume is divided by the sum of the weights.
    """

    name: str
    start: Callable[[Array, Shape], Any]
    add: Callable[[Any, Any, Array], Any]
    finish: Callable[[Any], Array]
    weighted: bool = False


def _sums(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of sums."""
    return _array.zeros(_array.library(patch), shape, _array.accumulator_dtype(patch), patch)


def _zeros(patch: Array, shape: Shape) -> Array:
    """Return zeros in the dtype of the patch."""
    return _array.zeros(_array.library(patch), shape, patch.dtype, patch)


def _lowest(patch: Array, shape: Shape) -> Array:
    """Return the smallest value of the dtype everywhere."""
    xp = _array.library(patch)
    low = -math.inf if _array.dtype_kind(patch) == "float" else xp.iinfo(patch.dtype).min
    return xp.full_like(_zeros(patch, shape), low)


def _itself(state: Array) -> Array:
    """Return a state that is the volume already."""
    return state


def _add(state: Array, index: Any, patch: Array) -> Array:
    """Return sums with a patch added, promoted first."""
    return _array.add_at(state, index, _array.library(patch).astype(patch, state.dtype))


Votes: TypeAlias = tuple[Shape, dict[int, Array]]
"""The shape of a volume, and per label the number of patches that predicted it."""


def _no_votes(patch: Array, shape: Shape) -> Votes:
    """Return the state of a vote before the first patch."""
    if _array.dtype_kind(patch) != "integer":
        _check.invalid_kind("vote", "patches", "hold integer labels", f"dtype {patch.dtype}")
    if _array.is_traced(patch):
        _check.invalid_kind("vote", "patches", "be concrete; reduce one-hot labels with `total` under jit", "a tracer")
    return shape, {}


def _cast(state: Votes, index: Any, patch: Array) -> Votes:
    """Return votes with those of a patch."""
    shape, votes = state
    xp = _array.library(patch)
    for label in np.unique(_array.to_numpy(patch)).tolist():
        ballots = votes[label] if label in votes else _array.zeros(xp, shape, xp.int32, patch)
        votes = {**votes, label: _array.add_at(ballots, index, xp.astype(patch == label, xp.int32))}
    return shape, votes


def _elect(state: Votes) -> Array:
    """Return the label with the most votes; of equal ones the smallest."""
    _, votes = state
    labels = sorted(votes)
    best, winner = votes[labels[0]], None
    xp = _array.library(best)
    winner = xp.full_like(best, labels[0])
    for label in labels[1:]:
        winner = xp.where(votes[label] > best, xp.full_like(winner, label), winner)
        best = xp.maximum(best, votes[label])
    return winner


mean = Reduction(name="mean", start=_sums, add=_add, finish=_itself, weighted=True)
"""The mean of all predictions of a voxel, weighted by the window."""

total = Reduction(name="total", start=_sums, add=_add, finish=_itself)
"""The sum of all predictions of a voxel."""

last = Reduction(name="last", start=_zeros, add=_array.set_at, finish=_itself)
"""The prediction that came last."""

maximum = Reduction(name="maximum", start=_lowest, add=_array.maximum_at, finish=_itself)
"""The largest prediction of a voxel."""

vote = Reduction(name="vote", start=_no_votes, add=_cast, finish=_elect)
"""The integer label that most predictions of a voxel have; of equally frequent ones the smallest."""


def uniform(size: int) -> Any:
    """Weigh all voxels of a patch alike.

    Example:
        >>> uniform(3).tolist()
        [1.0, 1.0, 1.0]
    """
    return np.ones(size, dtype=np.float64)


def hann(size: int) -> Any:
    """Weigh by a raised cosine that is largest in the middle and positive at the ends (Hann window).

    `w(i) = sin(pi (i + 1) / (size + 1))^2`.

    Example:
        >>> hann(3).round(3).tolist()
        [0.5, 1.0, 0.5]
    """
    return np.sin(np.pi * np.arange(1, size + 1) / (size + 1)) ** 2


def gaussian(size: int) -> Any:
    """Weigh by a Gaussian around the middle with a standard deviation of an eighth of the patch.

    `w(i) = exp(-((i - (size - 1) / 2) / (size / 8))^2 / 2)`, at least 0.001 of the largest weight.

    Example:
        >>> gaussian(4).round(3).tolist()
        [0.011, 0.607, 0.607, 0.011]

    Source:
        F. Isensee et al., nnU-Net, 2021, doi 10.1038/s41592-020-01008-z: sigma of 1/8 of the patch.
    """
    places = (np.arange(size) - (size - 1) / 2) / (size / 8)
    return np.maximum(np.exp(-(places**2) / 2), 1e-3)


def assemble(
    patches: Iterable[Array],
    indices: Iterable[Index],
    shape: Shape,
    *,
    reduction: Reduction = mean,
    window: Window = uniform,
    fill: float | None = None,
) -> Array:
    """Return the volume whose parts at `indices` are `patches`.

    A voxel x that patches k cover gets `sum_k w_k(x) p_k(x) / sum_k w_k(x)` with `mean`, and the sum, the maximum, the
    last or the most frequent of the p_k(x) with the others. What a patch holds outside of the volume is cut off.

    Args:
        patches: An array `(count, *patch, ...)`, or any iterable of arrays `(*patch, ...)` of one library: the
            predictions, in the order of `indices`. Trailing axes (channels) are free, but the same for all.
        indices: The indices that the patches were extracted at, from `mia_functional.indexing`.
        shape: Spatial shape of the volume.
        reduction: `mean`, `total`, `maximum`, `last`, `vote` (integer labels), or any record like them.
        window: Weights along one axis of a patch: `uniform`, `hann`, `gaussian` or any function like them; the weight
            of a voxel is the product over the axes. Only `mean` uses it.
        fill: Value of voxels that no patch covers; where left out, such voxels are an error.

    Returns:
        An array `(*shape, ...)` in the library and on the device of the patches, of their dtype; `mean` and `total` of
        integers or booleans are float32. Sums are held in float32 at least.

    Raises:
        TypeError: `vote` gets anything but concrete integers.
        ValueError: A patch does not match its index, the numbers of patches and indices differ, there are none, or
            voxels remain uncovered (the text states their fraction).

    Example:
        >>> parts = [np.array([1.0, 1.0]), np.array([3.0, 3.0])]
        >>> assemble(parts, [(slice(0, 2),), (slice(1, 3),)], (3,)).tolist()
        [1.0, 2.0, 3.0]
    """
    size = _check.integers("assemble", "shape", shape, minimum=1)
    places = indices if isinstance(indices, Indices) else list(indices)
    profile = window if reduction.weighted else uniform
    state: Any = None
    kind: Any = None
    for patch, index in _pairs(patches, places):
        if state is None:
            state, kind = _start(patch, index, size, reduction)
        inner, part = _inner(patch, index, size)
        state = reduction.add(state, (*inner, ...), _weigh(part, index, inner, profile))
    if state is None:
        _check.invalid_value("assemble", "patches", "hold at least one patch", "none")
    weights = weight_sums(places, size, window=profile)
    volume = reduction.finish(state)
    if reduction.weighted:
        volume = divide(volume, weights)
    return _array.library(volume).astype(_covered(volume, weights, fill), kind)


def _pairs(patches: Iterable[Array], indices: Any) -> Iterator[tuple[Array, Index]]:
    """Yield every patch with its index; refuse different numbers of them."""
    places = iter(indices)
    for patch in patches:
        index = next(places, None)
        if index is None:
            raise ValueError("assemble: `patches` must be as many as `indices`; got fewer indices.")
        yield patch, index
    if next(places, None) is not None:
        raise ValueError("assemble: `patches` must be as many as `indices`; got fewer patches.")


def _start(patch: Array, index: Index, shape: Shape, reduction: Reduction) -> tuple[Any, Any]:
    """Return the first state of a reduction and the dtype of the result, from the first patch."""
    _array.namespace("assemble", patches=patch)
    if len(index) != len(shape):
        _check.invalid_value("assemble", "indices", f"have {len(shape)} entries, one per axis", len(index))
    extra = patch.shape[sum(isinstance(entry, slice) for entry in index) :]
    sums = reduction.start is _sums and _array.dtype_kind(patch) != "float"
    kind = _array.accumulator_dtype(patch) if sums else patch.dtype
    return reduction.start(patch, (*shape, *extra)), kind


def _inner(patch: Array, index: Index, shape: Shape) -> tuple[Index, Array]:
    """Return the part of an index that lies in the volume, and the part of the patch that belongs there."""
    expected = tuple(entry.stop - entry.start for entry in index if isinstance(entry, slice))
    if tuple(patch.shape[: len(expected)]) != expected:
        _check.invalid_value("assemble", "patches", f"match their index, {expected}", tuple(patch.shape))
    inner: list[int | slice] = []
    cut = []
    for entry, size in zip(index, shape, strict=True):
        if isinstance(entry, slice):
            start, stop = max(entry.start, 0), min(entry.stop, size)
            cut.append(slice(start - entry.start, stop - entry.start))
            inner.append(slice(start, stop))
        else:
            inner.append(entry)
    return tuple(inner), patch[(*cut, ...)]


def _weigh(part: Array, index: Index, inner: Index, window: Window) -> Array:
    """Return a patch times its window, in the dtype of the sums; with the uniform window, as it is."""
    if window is uniform:
        return part
    result = _array.library(part).astype(part, _array.accumulator_dtype(part))
    spans = [(e, k) for e, k in zip(index, inner, strict=True) if isinstance(e, slice) and isinstance(k, slice)]
    lines = [window(e.stop - e.start)[k.start - e.start : k.stop - e.start] for e, k in spans]
    return result * _array.along(_array.library(result), outer(lines).astype(np.float32), 0, result)


def weight_sums(indices: Iterable[Index], shape: Shape, *, window: Window = uniform) -> list[Any]:
    """Return how much weight falls on the voxels of a volume: one factor per axis for a grid, else one full array.

    Args:
        indices: The indices of all patches.
        shape: Spatial shape of the volume.
        window: Weights along one axis of a patch.

    Returns:
        NumPy arrays whose outer product is the sum of the weights of every voxel: for `Indices` of one grid one 1-D
        array per axis, so that no second volume is needed; else a list of one array of `shape`.

    Example:
        >>> weight_sums([(slice(0, 2),), (slice(1, 3),)], (3,))[0].tolist()
        [1.0, 2.0, 1.0]
    """
    if isinstance(indices, Indices) and len(indices.grids) == 1:
        axes = zip(indices.grids[0], shape, strict=True)
        return [sum((_profile(step, size, window) for step in axis), np.zeros(size)) for axis, size in axes]
    sums = np.zeros(shape, dtype=np.float32)
    for index in indices:
        steps = [(entry.start, entry.stop) if isinstance(entry, slice) else entry for entry in index]
        lines = [_profile(step, size, window) for step, size in zip(steps, shape, strict=True)]
        hull = tuple(slice(int(line.nonzero()[0][0]), int(line.nonzero()[0][-1]) + 1) for line in lines)
        sums[hull] += outer([line[part] for line, part in zip(lines, hull, strict=True)])
    return [sums]


def _profile(step: Any, size: int, window: Window) -> Any:
    """Return the weights that one step puts on an axis of a volume."""
    line = np.zeros(size, dtype=np.float64)
    start, stop = step if isinstance(step, tuple) else (step, step + 1)
    inside = slice(max(start, 0), min(stop, size))
    line[inside] = window(stop - start)[inside.start - start : inside.stop - start]
    return line


def outer(lines: list[Any]) -> Any:
    """Return the product of 1-D weights over all axes; 1 without any.

    Example:
        >>> outer([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).tolist()
        [[3.0, 4.0], [6.0, 8.0]]
    """
    result = np.ones(())
    for line in lines:
        result = result[..., np.newaxis] * line
    return result


def divide(volume: Array, weights: list[Any]) -> Array:
    """Return sums divided by their weights, as `weight_sums` gives them; the volume is the caller's own and may change.

    Args:
        volume: Weighted sums, `(*shape, ...)`, floating.
        weights: Their weights; where they are 0, the volume stays.

    Example:
        >>> divide(np.array([1.0, 4.0, 3.0]), [np.array([1.0, 2.0, 0.0])]).tolist()
        [1.0, 2.0, 3.0]
    """
    xp = _array.library(volume)
    for axis, part in enumerate(weights):
        inverse = np.divide(1.0, part, out=np.ones_like(part), where=part > 0)
        volume *= xp.astype(_array.along(xp, inverse, axis, volume), volume.dtype)
    return volume


def _covered(volume: Array, weights: list[Any], fill: float | None) -> Array:
    """Return the volume with uncovered voxels filled; refuse it where they are not to be."""
    missing = 1.0 - math.prod(float(np.mean(part > 0)) for part in weights)
    if missing <= 0:
        return volume
    if fill is None:
        raise ValueError(f"assemble: `indices` must cover the volume, or `fill` be given; {missing:.4%} is missing.")
    xp = _array.library(volume)
    for axis, part in enumerate(weights):
        volume = xp.where(_array.along(xp, part > 0, axis, volume), volume, xp.full_like(volume, fill))
    return volume
