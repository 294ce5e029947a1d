"""Probabilities beside a reference: checked pairs, and pieces of them for loops of NumPy.

Without labels, probabilities have the shape of a mask. With labels they have one last axis more, whose channel k is the
probability of the k-th label; each label is judged against the rest.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.metrics._kernels.joint_histogram import LabelSets
from mia_functional.metrics.inputs import paired_arrays
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = [
    "ProbabilityPair",
    "check_probabilities",
    "device_pair",
    "host_pieces",
    "probability_pair",
    "runs_on_host",
    "structures_of",
]

_ROUNDING = 2.0**-6
"""By how much a probability may lie outside of 0 and 1: two steps of the narrowest floats (bfloat16) at 1."""

_NEEDED = "lie within 0 and 1 (logits need a sigmoid or a softmax first)"
"""What probabilities have to do."""

_PIECE = 2**13
"""Probabilities at a time in the host's memory: as float64 they and what is made of them stay in the cache."""


class ProbabilityPair(NamedTuple):
    """Probabilities and a reference that go together.

    Attributes:
        probabilities: Floats of the shape of the reference; with labels, one last axis more.
        reference: Boolean mask, or with labels an integer label map.
        sets: The values of each label; None for a mask.
        mask: Boolean array of the voxels that count; None if all do.
    """

    probabilities: Array
    reference: Array
    sets: LabelSets | None
    mask: Array | None


def probability_pair(
    function: str,
    probabilities: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None,
    mask: Array | None = None,
) -> ProbabilityPair:
    """Return probabilities and a reference of one library, of shapes that fit; their values are not looked at.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; the reference holds other values than masks or label maps may.
    """
    _, (probabilities, reference) = _array.to_common_library(function, probabilities=probabilities, reference=reference)
    sets = None if labels is None else label_sets(function, labels, reference)
    if _array.dtype_kind(probabilities) != "float":
        checks.invalid_kind(function, "probabilities", "hold floats", f"dtype {probabilities.dtype}")
    checks.not_empty(function, "reference", reference.shape)
    shape = tuple(reference.shape) if sets is None else (*reference.shape, len(sets))
    if tuple(probabilities.shape) != shape:
        checks.invalid_value(function, "probabilities", f"have the shape {shape}", f"{tuple(probabilities.shape)}")
    check = binary_mask if sets is None else label_map
    known = check(function, "reference", reference)
    inside = None if mask is None else paired_arrays(function, reference, reference, mask=mask)[2]
    return ProbabilityPair(_array.computable(probabilities), known, sets, inside)


def check_probabilities(function: str, shares: Array, *, allows_nan: bool = False) -> None:
    """Raise if a number lies outside of 0 and 1 by more than rounding, or is NaN, where that can be known."""
    xp = _array.array_namespace(shares)

    def strays(numbers: Array) -> Array:
        apart = xp.abs(numbers - 0.5)
        return xp.any(apart > 0.5 + _ROUNDING) if allows_nan else xp.any(~(apart <= 0.5 + _ROUNDING))

    if _array.is_known_true(strays, shares):
        found = f"numbers from {float(xp.min(shares)):g} to {float(xp.max(shares)):g}"
        checks.invalid_value(function, "probabilities", _NEEDED, found)


def structures_of(pair: ProbabilityPair) -> Array:
    """Return the boolean masks of all labels, along one last axis; without labels the reference itself."""
    if pair.sets is None:
        return pair.reference
    xp = _array.array_namespace(pair.reference)
    return xp.stack([label_mask(pair.reference, one) for one in pair.sets], axis=-1)


def device_pair(function: str, pair: ProbabilityPair) -> tuple[Array, Array, Array]:
    """Return probabilities, the masks of all labels and what counts, each with a last axis of labels, on any device.

    The probabilities are at least float32, within 0 and 1, and 0 where they do not count.
    """
    p, structures, xp = pair.probabilities, structures_of(pair), _array.array_namespace(pair.probabilities)
    if pair.sets is None:
        p, structures = (xp.expand_dims(array, axis=-1) for array in (p, structures))
    mask = xp.ones_like(pair.reference, dtype=xp.bool) if pair.mask is None else pair.mask
    mask = xp.expand_dims(mask, axis=-1)
    p = xp.astype(p, _array.accumulator_dtype(p))
    # Not a product with the mask: NaN outside of it must not count.
    p = p if pair.mask is None else xp.where(mask, p, xp.zeros_like(p))
    check_probabilities(function, p)
    return _array.clip_to(p, 0, 1), structures & mask, mask


def runs_on_host(pair: ProbabilityPair) -> bool:
    """Return whether loops of NumPy are possible: all arrays lie in the host's memory."""
    return all(_array.in_host_memory(array) for array in (*pair[:2], pair.mask) if array is not None)


def host_pieces(function: str, pair: ProbabilityPair, *, size: int = _PIECE) -> Iterator[tuple[HostArray, HostArray]]:
    """Yield the probabilities and the masks of all labels of some voxels at a time, (voxels, labels), with checks.

    Args:
        function: Name for messages.
        pair: Arrays in the host's memory.
        size: Probabilities at a time.
    """
    p, reference = _array.to_numpy(pair.probabilities), _array.to_numpy(pair.reference)
    count = 1 if pair.sets is None else len(pair.sets)
    voxels = max(16, size // count // 16 * 16)
    single = pair.sets is not None and all(len(one) == 1 for one in pair.sets)
    largest = 0 if pair.sets is None else np.iinfo(reference.dtype).max
    values = np.array([one[0] for one in pair.sets], np.int64) if single and pair.sets is not None else None
    if values is not None and values.max() <= largest:
        values = values.astype(reference.dtype)
    planes = max(1, voxels // max(1, reference[0].size))
    for first in range(0, len(reference), planes):
        # Planes are flattened a few at a time: channels that lie in front in memory are not all copied at once.
        slab = slice(first, first + planes)
        flat, labels = p[slab].reshape(-1, count), reference[slab].reshape(-1)
        inside = None if pair.mask is None else _array.to_numpy(pair.mask)[slab].reshape(-1)
        for begin in range(0, len(labels), voxels):
            part = slice(begin, begin + voxels)
            piece, known = flat[part], labels[part]
            if inside is not None:
                piece, known = piece[inside[part]], known[inside[part]]
            if not piece.size:
                continue
            low, high = piece.min(), piece.max()
            if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
                found = "NaN" if np.isnan(low) else f"numbers from {low:g} to {high:g}"
                checks.invalid_value(function, "probabilities", _NEEDED, found)
            if low < 0 or high > 1:
                piece = np.clip(piece, 0, 1)
            if pair.sets is None:
                structures: HostArray = known[:, None]
            elif values is not None:
                structures = known[:, None] == values
            else:
                structures = np.stack([_array.to_numpy(label_mask(known, one)) for one in pair.sets], axis=-1)
            yield piece, structures
