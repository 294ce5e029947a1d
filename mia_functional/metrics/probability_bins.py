"""Probabilities in bins, beside how often what they say is so: the statistic of all calibration errors.

`calibration_bins` goes once over probabilities and reference, piece by piece in the host's memory and as one program on
other devices.
"""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.confusion import count_true
from mia_functional.metrics.inputs import check_countable
from mia_functional.metrics.probabilities import (
    ProbabilityPair,
    device_pair,
    host_pieces,
    probability_pair,
    runs_on_host,
)
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = ["CalibrationBins", "calibration_bins"]

_Closed: TypeAlias = Literal["right", "left"]
"""Which end of a bin belongs to it."""

_FACTORS = 16
"""Probabilities that are multiplied before a logarithm is taken, which takes as long as ten products."""

_SMALLEST_FLOOR = 2.0**-60
"""Products of so many numbers from here on have no less than 2^-960, which float64 holds."""

_SHORT = 2.0**-20
"""By this share positions among bins of one width are moved down, so that rounding never puts one too high."""


class CalibrationBins(NamedTuple):
    """Probabilities in bins, beside how often what they say is so.

    Attributes:
        edges: Edges of the bins, floats of shape (..., B + 1) from 0 to 1; `...` is L with labels, and nothing else
            for a mask or top labels.
        counts: Voxels in each bin, integers of shape (..., B).
        positives: Those of them that have the label (or whose top label is right), integers of shape (..., B).
        probability: Sum of the probabilities in each bin, floats of shape (..., B).
        squared_error: Sum of (p - r)^2 over all voxels, floats of shape (...).
        log_loss: Sum of -log of the probability of what is so, over all voxels, floats of shape (...).
    """

    edges: Array
    counts: Array
    positives: Array
    probability: Array
    squared_error: Array
    log_loss: Array


@_array.one_node
def calibration_bins(
    probabilities: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
    bins: int | Sequence[float] | Array = 15,
    by: Literal["width", "mass"] = "width",
    closed: _Closed = "right",
    top_label: bool = False,
    floor: float = 2.0**-23,
) -> CalibrationBins:
    """Put probabilities into bins, and count how often they are right: the statistic of all calibration errors.

    Peers put a probability on the edge of two bins into different ones. Here it is in the lower one by default,
    (edge, edge], and 0 is in the first: as Guo et al., scikit-learn and MONAI have it. With `closed="left"` it is in
    the upper one, [edge, edge), and 1 in the last: torchmetrics and netcal. Edges are rounded to the dtype of the
    probabilities, so that 0.3 in single precision lies on the edge 0.3.

    Args:
        probabilities: Floats from 0 to 1, of the shape of the reference; with `labels`, one last axis of length L more.
        reference: Mask (bool, or integers 0 and 1); with `labels`, an integer label map.
        labels: Mapping from labels to names, or a sequence of labels, in the order of the last axis of `probabilities`.
        mask: Mask of the reference's shape; only voxels inside it count: a region, or the band around the boundary of
            a mask, `morphology.distance_transform(morphology.border(mask), spacing=spacing) <= 3`, 3 mm to each side.
        bins: The number of bins; or their edges, increasing from 0 to 1, as `edges` of another record has them.
        by: What bins have in common: `"width"`, or `"mass"`, the number of voxels (equal probabilities stay together,
            so that bins differ where there are many of one). Records of bins by mass have edges of their own: to merge
            them, make all with the edges of one.
        closed: Which end of a bin belongs to it.
        top_label: Whether the largest probability of each voxel is put into bins, and is right where the voxel has its
            label (the first of equal ones). Errors and losses are then those of all labels together. The labels
            are classes: no voxel has two of them, or none.
        floor: The least probability of what is so, in the logarithm, so that one voxel cannot make the loss infinite;
            0 for none.

    Returns:
        Bins: floats are float64 where the library has it and the arrays lie in the host's memory, else the dtype of the
        probabilities, at least float32. They are differentiable in the probabilities, but for the choice of a bin.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; probabilities are NaN, or lie outside of 0 and 1 as logits do; edges do not
            increase from 0 to 1; `top_label` without labels, or with labels that leave a voxel out or share one.

    Example:
        >>> import numpy as np
        >>> record = calibration_bins(np.array([0.1, 0.2, 0.7, 0.9]), np.array([0, 1, 1, 1]), bins=2)
        >>> record.counts.tolist(), record.positives.tolist(), np.round(record.probability, 6).tolist()
        ([2, 2], [1, 2], [0.3, 1.6])

    Source:
        Guo et al. 2017, arXiv 1706.04599.
    """
    name = "calibration_bins"
    checks.booleans(name, top_label=top_label)
    checks.one_of(name, "by", by, ("width", "mass"))
    checks.one_of(name, "closed", closed, ("right", "left"))
    least = checks.number(name, "floor", floor)
    if not 0 <= least < 1:
        checks.invalid_value(name, "floor", "lie within 0 and 1", floor)
    pair = probability_pair(name, probabilities, reference, labels=labels, mask=mask)
    check_countable(name, pair.reference)
    _check_classes(name, pair, top_label=top_label)
    rows = 1 if pair.sets is None or top_label else len(pair.sets)
    edges = _given_edges(name, bins, rows)
    if by == "mass" and not checks.is_integer(bins):
        checks.invalid_value(name, "bins", 'be a number with by="mass"', checks.describe(bins))
    make = _host_bins if runs_on_host(pair) else _device_bins
    with _array.quiet():  # without a floor the logarithm of 0 is what it is
        record = make(pair, edges, by_mass=by == "mass", closed=closed, top_label=top_label, floor=least)
    if pair.sets is None or top_label:
        record = CalibrationBins(*(field[0, ...] for field in record))
    return record


def _check_classes(function: str, pair: ProbabilityPair, *, top_label: bool) -> None:
    """Raise for top labels of what are no classes."""
    if not top_label:
        return
    _array.require_in_memory(function, "probabilities", pair.probabilities)
    sets, xp = pair.sets, _array.array_namespace(pair.reference)
    if sets is None:
        checks.invalid_value(function, "top_label", "be given with `labels`", top_label)
    values = [value for one in sets for value in one]
    if len(set(values)) < len(values):
        checks.invalid_value(function, "labels", "put no label into two classes", sets)

    def strays(reference: Array) -> Array:
        known = xp.zeros_like(reference, dtype=xp.bool) if pair.mask is None else ~pair.mask
        for value in values:
            known = known | (reference == value)
        return xp.any(~known)

    if _array.is_known_true(strays, pair.reference):
        checks.invalid_value(function, "labels", "name every label that occurs", f"{sets} and voxels of other labels")


def _given_edges(function: str, bins: Any, rows: int) -> HostArray:
    """Return the edges of bins of one width, or those given, as float64 of shape (rows, B + 1)."""
    if not checks.has_shape(bins) and not isinstance(bins, Sequence):
        count = checks.integer(function, "bins", bins, minimum=1)
        return np.broadcast_to(np.arange(count + 1) / count, (rows, count + 1))
    edges = np.asarray(_array.to_numpy(bins) if checks.has_shape(bins) else checks.float_tuple(function, "bins", bins))
    needed = "be a number of bins, or edges that increase from 0 to 1"
    if edges.ndim == 0 or edges.ndim > 2 or edges.shape[-1] < 2 or (edges.ndim == 2 and len(edges) != rows):
        checks.invalid_value(function, "bins", needed, f"an array of shape {edges.shape}")
    edges = np.broadcast_to(edges.astype(np.float64), (rows, edges.shape[-1]))
    if not ((edges[:, 0] == 0) & (edges[:, -1] == 1) & (np.diff(edges) >= 0).all(axis=1)).all():
        checks.invalid_value(function, "bins", needed, edges.tolist())
    return edges


def _mass_ranks(count: Any, bins: int, *, closed: _Closed) -> list[Any]:
    """Return the positions, among sorted probabilities, of the inner edges of bins of equally many of them.

    The upper edge of a bin is its last probability where bins are closed on the right, else the first of the next.
    """
    # As a whole part and a rest, as the product could leave 32 bits.
    whole, rest = count // bins, count % bins
    if closed == "right":
        return [whole * step + (rest * step + bins - 1) // bins - 1 for step in range(1, bins)]
    return [whole * step + rest * step // bins for step in range(1, bins)]


def _top(values: Any, structures: Any) -> tuple[Any, Any]:
    """Return the largest probability of each voxel and whether its label is right, each with a last axis of one."""
    xp = _array.array_namespace(values)
    best = xp.expand_dims(xp.argmax(values, axis=-1), axis=-1)
    largest, right = (_array.take_along(array, best, axis=values.ndim - 1) for array in (values, structures))
    return largest, right


def _host_bins(
    pair: ProbabilityPair, edges: HostArray, *, by_mass: bool, closed: _Closed, top_label: bool, floor: float
) -> CalibrationBins:
    """Return the bins of arrays in the host's memory, piece by piece, with one row without labels."""
    xp, rows, bins = _array.array_namespace(pair.probabilities), len(edges), edges.shape[-1] - 1
    pieces = partial(host_pieces, "calibration_bins", pair)
    if by_mass:
        edges = _host_mass_edges(pieces, edges, closed=closed, top_label=top_label)
    # On the edges of the dtype, within which they are compared: 0.3 of float32 lies on the edge 0.3.
    dtype = _array.to_numpy(pair.probabilities).dtype
    edges = edges.astype(dtype).astype(np.float64)
    even = (np.arange(bins + 1) / bins).astype(dtype).astype(np.float64)
    short = max(_SHORT, 2 * float(xp.finfo(pair.probabilities.dtype).eps))
    is_even = bins * short < 1 and bool((edges == even).all())
    side: Literal["left", "right"] = "left" if closed == "right" else "right"
    upper = edges.copy()
    upper[:, -1] = math.inf
    counts = np.zeros(rows * bins * 2, np.int64)
    sums, losses = np.zeros(rows * bins * 2), np.zeros((2, rows))
    for values, structures in pieces():
        whole, known = values.astype(np.float64), structures
        error = whole - known
        squares = np.ones(len(error)) @ (error * error)
        if top_label:
            # Errors and losses are those of all labels.
            squares, chance = squares.sum(), np.sum(whole, axis=-1, where=known)[:, None]
            whole, known = _top(whole, known)
        else:
            chance = np.abs(whole - ~known)
        losses[0] += squares
        losses[1] -= _log_sums(chance, floor)
        if is_even:
            codes = _even_codes(whole, upper[0], bins * (1 - short), closed)
        else:
            columns = zip(edges[:, 1:-1], whole.T, strict=True)
            codes = np.stack([np.searchsorted(inner, column, side) for inner, column in columns], axis=-1)
        if rows > 1:
            codes += np.arange(rows) * bins
        flat = codes.reshape(-1)
        np.add(flat, rows * bins, out=flat, where=known.reshape(-1))
        counts += np.bincount(flat, minlength=counts.size)
        sums += np.bincount(flat, weights=whole.reshape(-1), minlength=counts.size)
    counts, sums = counts.reshape(2, rows, bins), sums.reshape(2, rows, bins).sum(axis=0)

    def own(array: HostArray) -> Array:
        return _array.from_numpy(array, xp, pair.probabilities)

    floats = [xp.astype(own(one), _array.widest_float(xp, pair.probabilities)) for one in (edges, sums, *losses)]
    return CalibrationBins(floats[0], own(counts.sum(axis=0)), own(counts[1]), *floats[1:])


def _even_codes(values: HostArray, upper: HostArray, scale: float, closed: _Closed) -> HostArray:
    """Return in which of the bins of one width probabilities are, the last of which has no upper edge."""
    # Truncated, a position is that of the bin or of the one below it, which a look at the edge between them decides:
    # a search takes four times as long.
    codes: HostArray = (values * scale).astype(np.intp)
    compare = np.greater if closed == "right" else np.greater_equal
    codes += compare(values, upper[1:][codes])
    return codes


def _log_sums(chances: HostArray, floor: float) -> HostArray:
    """Return for each column the sum of the logarithms of numbers, of which those below a floor count as that."""
    chances = np.maximum(chances, floor)
    even = len(chances) // _FACTORS * _FACTORS if floor >= _SMALLEST_FLOOR else 0
    rest: HostArray = np.sum(np.log(chances[even:]), axis=0)
    if even:
        products = np.multiply.reduce(chances[:even].reshape(_FACTORS, -1, chances.shape[-1]), axis=0)
        rest = rest + np.sum(np.log(products), axis=0)
    return rest


def _host_mass_edges(pieces: Any, edges: HostArray, *, closed: _Closed, top_label: bool) -> HostArray:
    """Return edges between which there are equally many probabilities."""
    chosen = [_top(values, known)[0] if top_label else np.array(values) for values, known in pieces()]
    if not chosen:
        return edges
    values = np.concatenate(chosen)
    ranks = _mass_ranks(len(values), edges.shape[-1] - 1, closed=closed)
    found = edges.copy()
    if ranks:
        found[:, 1:-1] = np.partition(values, np.maximum(ranks, 0), axis=0)[np.maximum(ranks, 0)].T
    return found


def _device_bins(
    pair: ProbabilityPair, edges: HostArray, *, by_mass: bool, closed: _Closed, top_label: bool, floor: float
) -> CalibrationBins:
    """Return the bins on any device and under `jit`, with one row without labels."""
    p, known, mask = device_pair("calibration_bins", pair)
    xp = _array.array_namespace(p)
    own = xp.astype(_array.from_numpy(edges, xp, p), pair.probabilities.dtype)
    # One program, in which what lies on several devices is brought together.
    return _array.jit_call(
        _binned, p, known, mask, xp.astype(own, p.dtype),
        by_mass=by_mass, closed=closed, top_label=top_label, floor=floor,
    )  # fmt: skip


def _binned(
    p: Array,
    known: Array,
    mask: Array,
    edges: Array,
    *,
    by_mass: bool,
    closed: _Closed,
    top_label: bool,
    floor: float,
) -> CalibrationBins:
    """Return the bins of arrays with a last axis of labels, and edges of shape (rows, B + 1)."""
    xp, axes = _array.array_namespace(p), tuple(range(p.ndim - 1))
    error = p - xp.astype(known, p.dtype)
    squares = xp.where(mask, error * error, xp.zeros_like(p))
    if top_label:
        squares = xp.sum(squares, axis=-1, keepdims=True)
        chance = xp.sum(xp.where(known, p, xp.zeros_like(p)), axis=-1, keepdims=True)
        p, known = _top(p, known)
        known = known & mask
    else:
        chance = xp.where(known, p, 1 - p)
    # The loss of what does not count is that of a sure hit; below the floor it is constant.
    chance = xp.where(mask, chance, xp.ones_like(chance))
    log_loss = -xp.log(xp.where(chance < floor, xp.full_like(chance, floor), chance))
    if by_mass:
        edges = _device_mass_edges(p, mask, edges, closed=closed)
    ends = [xp.full_like(edges[:, :1], end) for end in (-math.inf, math.inf)]
    lines = xp.concat([ends[0], edges[:, 1:-1], ends[1]], axis=1)
    lines = xp.reshape(lines, (1,) * (p.ndim - 1) + tuple(lines.shape))

    def fill(low: Array, high: Array) -> tuple[Array, Array, Array]:
        above, beyond = (p > low, p > high) if closed == "right" else (p >= low, p >= high)
        inside = above & ~beyond & mask
        amount = _array.sum_along(xp.where(inside, p, xp.zeros_like(p)), axes)
        return count_true(inside, axes), count_true(inside & known, axes), xp.astype(amount, p.dtype, copy=False)

    rows = _array.map_rows(fill, tuple((lines[..., k], lines[..., k + 1]) for k in range(edges.shape[-1] - 1)))
    binned = [xp.stack(column, axis=-1) for column in zip(*rows, strict=True)]
    sums = [xp.astype(_array.sum_along(part, axes), p.dtype, copy=False) for part in (squares, log_loss)]
    return CalibrationBins(edges, *binned, *sums)


def _device_mass_edges(p: Array, mask: Array, edges: Array, *, closed: _Closed) -> Array:
    """Return edges between which there are equally many probabilities, of those that count."""
    xp, rows = _array.array_namespace(p), p.shape[-1]
    beyond = xp.full_like(p, math.inf)
    ordered = xp.sort(xp.reshape(xp.where(mask, p, beyond), (-1, rows)), axis=0)
    count = count_true(mask, tuple(range(mask.ndim)))
    ranks = _mass_ranks(count, edges.shape[-1] - 1, closed=closed)
    if not ranks:
        return edges
    chosen = xp.astype(xp.stack(ranks), _array.index_dtype(xp))
    found = xp.take(ordered, xp.maximum(chosen, xp.zeros_like(chosen)), axis=0)
    inner = xp.where(xp.isinf(found), xp.permute_dims(edges[:, 1:-1], (1, 0)), found)
    inner = xp.permute_dims(inner, (1, 0))
    return xp.concat([edges[:, :1], inner, edges[:, -1:]], axis=1)
