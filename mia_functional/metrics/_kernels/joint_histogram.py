"""Joint counts of two label maps in the host's memory: the fast NumPy routes behind `confusion_counts`.

The arrays are walked in chunks that stay in the cache, in the order in which they lie in memory, so that the extra
memory is a few megabytes however large the volumes are. Arrays are NumPy's, of equal shape, boolean or integer;
counts are 64-bit integers.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from mia_functional._label_maps import binary_mask, label_map, label_mask
from mia_functional.typing import Array

CHUNK = 2**17
"""Voxels at a time; four times as many where labels are compared, as each step is short."""


COMPARED = 2
"""Up to so many structures, comparing with each label is faster than a histogram."""


LARGEST_CODE = 255
"""Label up to which the labels themselves are counted."""


MOST_VALUES = 1000
"""Label values up to which a joint histogram stays small."""


LARGEST_TABLE = 2**20
"""Label below which a table translates labels into positions."""


def overlap(
    function: str, prediction: Array, reference: Array, mask: Array | None, sets: Sequence[tuple[int, ...]] | None
) -> tuple[Any, int]:
    """Return the sizes (L, 3) of intersection, prediction and reference of every label set, and the number of voxels.

    Without label sets the pair are masks, and L is 1.
    """
    if sets is None:
        return _mask_overlap(function, prediction, reference, mask)
    maps = _labels(function, "prediction", prediction), _labels(function, "reference", reference)
    return _label_overlap(*maps, mask, sets)


def _labels(function: str, argument: str, array: Array) -> Any:
    """Return a label map as integers; booleans are seen as bytes."""
    return array.view(np.uint8) if array.dtype == np.bool_ else label_map(function, argument, array)


def _mask_overlap(function: str, prediction: Array, reference: Array, mask: Array | None) -> tuple[Any, int]:
    """Return the sizes (1, 3) of a pair of masks, and the number of voxels."""
    sizes, total = np.zeros((1, 3), np.int64), 0
    for first, second in _chunks(prediction, reference, mask):
        sizes[0] += _sizes(binary_mask(function, "prediction", first), binary_mask(function, "reference", second))
        total += first.size
    return sizes, total


def _label_overlap(
    prediction: Array, reference: Array, mask: Array | None, sets: Sequence[tuple[int, ...]]
) -> tuple[Any, int]:
    """Return the sizes (L, 3) of a pair of label maps, and the number of voxels."""
    if len(sets) <= COMPARED or sum(map(len, sets)) > MOST_VALUES:
        sizes, total = np.zeros((len(sets), 3), np.int64), 0
        buffers = np.empty((2, min(4 * CHUNK, prediction.size)), np.bool_)
        limit = min(np.iinfo(array.dtype).max for array in (prediction, reference))
        simple = [len(one) == 1 and one[0] <= limit for one in sets]
        measures = [
            partial(_one_label, one[0], buffers) if single else partial(_merged, one)
            for one, single in zip(sets, simple, strict=True)
        ]
        for first, second in _chunks(prediction, reference, mask, 4 * CHUNK):
            sizes += [measure(first, second) for measure in measures]
            total += first.size
        return sizes, total
    counts, codes = _joint_counts(prediction, reference, mask, sets)
    known = [[codes[value] for value in one] for one in sets]
    singles = np.array([(row, code) for row, one in enumerate(known) for code in one], np.intp).reshape(-1, 2).T
    couples = np.array([(row, *two) for row, one in enumerate(known) for two in product(one, one)], np.intp)
    row, first, second = couples.reshape(-1, 3).T
    columns = (
        (row, counts[first, second]),
        (singles[0], counts.sum(axis=1)[singles[1]]),
        (singles[0], counts.sum(axis=0)[singles[1]]),
    )
    found = [np.bincount(owner, weights=values, minlength=len(sets)) for owner, values in columns]
    return np.stack(found, axis=1).astype(np.int64), int(counts.sum())


def matrix(
    function: str, prediction: Array, reference: Array, mask: Array | None, sets: Sequence[tuple[int, ...]]
) -> tuple[Any, int]:
    """Return how often the label sets meet, (L, L), and the number of voxels."""
    maps = _labels(function, "prediction", prediction), _labels(function, "reference", reference)
    counts, codes = _joint_counts(*maps, mask, sets)
    place = np.full(len(counts), len(sets))
    for position, one in enumerate(sets):
        place[[codes[value] for value in one]] = position
    merged = np.zeros((len(sets) + 1,) * 2, np.int64)
    np.add.at(merged, (place[:, None], place), counts)
    return merged[:-1, :-1], int(counts.sum())


def _joint_counts(
    prediction: Array, reference: Array, mask: Array | None, sets: Sequence[tuple[int, ...]]
) -> tuple[Any, dict[int, int]]:
    """Return how often codes of labels meet, (A, A), and the codes of the labels of the sets.

    The code of a label is the label itself if all are small, else its position; labels of no set may share any code
    that is no set's.
    """
    values = sorted({value for one in sets for value in one})
    top, codes = values[-1], {value: position for position, value in enumerate(values)}
    size, translate = len(values) + 1, _translation(values)
    if top <= LARGEST_CODE:
        other = top + 1 if values[0] == 0 else 0
        codes = {value: value for value in values}
        size, translate = max(top, other) + 1, partial(_limited, top, other)
    pieces = ((translate(first), translate(second)) for first, second in _chunks(prediction, reference, mask))
    return _histogram(pieces, size), codes


def _limited(top: int, other: int, chunk: Any) -> Any:
    """Return labels with `other` in place of all above `top`."""
    return np.where(chunk > top, other, chunk) if chunk.max(initial=0) > top else chunk


def _translation(values: Sequence[int]) -> Callable[[Any], Any]:
    """Return a function from labels to their positions in ascending values; other labels go behind the last of them."""
    top, ordered = values[-1], np.asarray(values, np.int64)
    if top < LARGEST_TABLE:
        table = np.full(top + 2, len(values), np.intp)
        table[ordered] = np.arange(ordered.size)
        return lambda chunk: table[_limited(top, top + 1, chunk)]

    def search(chunk: Any) -> Any:
        nearest = np.searchsorted(ordered[:-1], chunk)
        return np.where(ordered[nearest] == chunk, nearest, len(values))

    return search


def _histogram(codes: Iterable[tuple[Any, Any]], size: int) -> Any:
    """Return the joint histogram (size, size) of chunks of codes below `size`."""
    if size <= 16:
        return _packed(codes, size)
    kind = np.uint16 if size <= 256 else np.int64
    counts = np.zeros(size * size, np.int64)
    for first, second in codes:
        pairs = first.astype(kind)
        pairs *= kind(size)
        np.add(pairs, second, out=pairs, casting="unsafe")
        counts += np.bincount(pairs, minlength=size * size)
    return counts.reshape(size, size)


def _packed(codes: Iterable[tuple[Any, Any]], size: int) -> Any:
    """Return the joint histogram of codes below `size` <= 16: a pair fits a byte, and two bytes are counted at once."""
    square = size * size
    counts = np.zeros((square, 2**8), np.int64)
    odd = np.zeros(2**8, np.int64)
    for first, second in codes:
        pairs = first.astype(np.uint8)
        pairs *= np.uint8(size)
        np.add(pairs, second, out=pairs, casting="unsafe")
        even = pairs.size // 2 * 2
        counts += np.bincount(pairs[:even].view(np.uint16), minlength=counts.size).reshape(counts.shape)
        odd += np.bincount(pairs[even:], minlength=2**8)
    return (counts.sum(axis=0) + odd)[:square].reshape(size, size) + counts.sum(axis=1).reshape(size, size)


def _sizes(first: Array, second: Array) -> tuple[int, int, int]:
    """Return the sizes of the intersection and of each of two boolean masks."""
    return int(np.count_nonzero(first & second)), int(np.count_nonzero(first)), int(np.count_nonzero(second))


def _merged(labels: tuple[int, ...], first: Array, second: Array) -> tuple[int, int, int]:
    """Return what `_sizes` does of merged labels in two chunks."""
    return _sizes(label_mask(first, labels), label_mask(second, labels))


def _one_label(label: int, buffers: Any, first: Array, second: Array) -> tuple[int, int, int]:
    """Return what `_sizes` does of one label in two chunks, with no memory but the buffers."""
    one = np.equal(first, label, out=buffers[0, : first.size])
    other = np.equal(second, label, out=buffers[1, : second.size])
    sizes = int(np.count_nonzero(one)), int(np.count_nonzero(other))
    return int(np.count_nonzero(np.logical_and(one, other, out=one))), *sizes


def _chunks(
    prediction: Array, reference: Array, mask: Array | None, size: int | None = None
) -> Iterator[tuple[Any, Any]]:
    """Yield flat pieces of a pair, in memory order; with a mask, only the voxels inside of it.

    They are pieces of CHUNK voxels unless `size` says otherwise.
    """
    arrays = [prediction, reference] if mask is None else [prediction, reference, mask]
    native = [array.dtype.newbyteorder("=") for array in arrays]
    access: Any = [["readonly"]] * len(arrays)
    for piece in np.nditer(arrays, ["external_loop", "buffered"], access, native, buffersize=size or CHUNK):
        yield (piece[0], piece[1]) if mask is None else (piece[0][piece[2]], piece[1][piece[2]])
