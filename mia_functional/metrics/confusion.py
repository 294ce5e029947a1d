"""Counts of agreement and disagreement between masks: the statistic of every overlap, rate and agreement metric.

Axes: all axes of a case are spatial and all are counted over, unless `axis` names fewer; with labels, every field gains
a last axis, one entry per label. Counts are exact integers: 64 bits, or 32 where the library has no more (JAX without
x64).
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_mask, label_sets
from mia_functional.metrics._kernels import joint_histogram
from mia_functional.metrics._kernels.joint_histogram import LabelSets
from mia_functional.metrics._kernels.joint_histogram_jax import can_count_codes, joint_matrix_jax
from mia_functional.metrics.inputs import check_countable, map_cells, paired_arrays, prefers_host_loop
from mia_functional.metrics.probabilities import check_probabilities, probability_pair, structures_of
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.typing import Array, Label, Labels

__all__ = [
    "ConfusionCounts",
    "confusion_counts",
    "count_true",
    "float_counts",
    "from_counts",
    "map_label_sets",
    "proportions",
    "soft_confusion_counts",
]


class ConfusionCounts(NamedTuple):
    """How many voxels are true positive, false positive, false negative and true negative: four arrays of one shape."""

    tp: Array
    fp: Array
    fn: Array
    tn: Array


@_array.one_node
def confusion_counts(
    prediction: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    axis: int | tuple[int, ...] | None = None,
    mask: Array | None = None,
) -> ConfusionCounts:
    """Count true and false positives and negatives of a pair of masks, or of every label of a pair of label maps.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of any shape; with `labels`, an integer label map.
        reference: Array of the same shape.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        axis: The axes to count over, all of them by default; the others are kept, in order.
        mask: Mask of the same shape; only voxels inside it count.

    Returns:
        Integer counts. Each field has the shape of the axes that are kept, and with `labels` a last axis of length L.

    Raises:
        TypeError: An argument is not an array, or holds neither masks nor labels; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ or are empty; a mask holds values other than 0 and 1; a label is negative; the
            library's integers cannot count so many voxels.

    Example:
        >>> import numpy as np
        >>> counts = confusion_counts(np.array([1, 1, 0, 2]), np.array([1, 0, 0, 2]), labels=(1, 2, (1, 2)))
        >>> counts.tp.tolist(), counts.fp.tolist(), counts.fn.tolist(), counts.tn.tolist()
        ([1, 1, 2], [1, 0, 1], [0, 0, 0], [2, 3, 1])
    """
    name = "confusion_counts"
    arrays = paired_arrays(name, prediction, reference, mask=mask)
    sets = None if labels is None else label_sets(name, labels, *arrays[:2])
    axes = checks.axes(name, axis, prediction.ndim)
    check_countable(name, arrays[0])
    if prefers_host_loop(arrays, axes):
        sizes, total = _host_overlap_sizes(*arrays, sets=sets, axes=axes)
    elif all(map(_array.in_cpu_program, arrays)):
        sizes, total = _host_sizes_of_program(name, arrays, sets, axes)
    else:
        sizes, total = _device_overlap_sizes(name, arrays, sets, axes)
    shared, predicted, referenced = sizes[..., 0], sizes[..., 1], sizes[..., 2]
    tn = total[..., None] - predicted - referenced + shared
    counts = ConfusionCounts(shared, predicted - shared, referenced - shared, tn)
    return counts if sets is not None else ConfusionCounts(*(field[..., 0] for field in counts))


@_array.one_node
def soft_confusion_counts(
    probabilities: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    axis: int | tuple[int, ...] | None = None,
    mask: Array | None = None,
) -> ConfusionCounts:
    """Count with probabilities in place of a mask: every voxel adds its share to two of the four counts.

    With p the probability and r = 0 or 1 the reference: tp = sum p r, fp = sum p (1 - r), fn = sum (1 - p) r,
    tn = sum (1 - p) (1 - r). The counts are differentiable in p, so `1 - dice(soft_confusion_counts(...))` is a loss.

    Args:
        probabilities: Floats from 0 to 1, of the shape of the reference; with `labels`, one last axis of length L more.
        reference: Mask (bool, or integers 0 and 1); with `labels`, an integer label map.
        labels: Mapping from labels to names, or a sequence of labels, in the order of the last axis of `probabilities`.
        axis: The axes of the reference to count over, all of them by default.
        mask: Mask of the reference's shape; only voxels inside it count.

    Returns:
        Counts as floats, at least float32, with the shape that `confusion_counts` gives.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; a probability that counts lies outside of 0 and 1 by more than rounding,
            as logits do, where values can be looked at.

    Example:
        >>> import numpy as np
        >>> counts = soft_confusion_counts(np.array([0.75, 0.5, 0.0]), np.array([1, 0, 0]))
        >>> [float(count) for count in counts]
        [0.75, 0.5, 0.25, 1.5]

    Source:
        Milletari et al. 2016, V-Net, doi 10.1109/3DV.2016.79.
    """
    name = "soft_confusion_counts"
    pair = probability_pair(name, probabilities, reference, labels=labels, mask=mask)
    xp, structures = _array.array_namespace(pair.reference), structures_of(pair)
    share = xp.astype(pair.probabilities, _array.accumulator_dtype(pair.probabilities))
    target = xp.astype(structures, share.dtype)
    if pair.mask is not None:
        # Not a product with the mask: NaN outside of it must not count.
        counted = pair.mask if pair.sets is None else xp.expand_dims(pair.mask, axis=-1)
        share, target = (xp.where(counted, array, xp.zeros_like(array)) for array in (share, target))
    # NaN ends in NaN.
    check_probabilities(name, share, allows_nan=True)
    terms = [share * target, share * (1 - target), (1 - share) * target, (1 - share) * (1 - target)]
    if pair.mask is not None:
        terms[-1] = xp.where(counted, terms[-1], xp.zeros_like(terms[-1]))
    axes = checks.axes(name, axis, reference.ndim)
    return ConfusionCounts(*(xp.astype(_array.sum_along(term, axes), share.dtype, copy=False) for term in terms))


def _host_overlap_sizes(
    *arrays: Array, sets: LabelSets | None, axes: tuple[int, ...], function: str = "confusion_counts"
) -> list[Array]:
    """Return the sizes (*kept, L, 3) of intersection, prediction and reference, and the voxels (*kept)."""
    return map_cells(partial(joint_histogram.overlap_sizes, function, sets), arrays, axes)


def _host_sizes_of_program(
    function: str, arrays: tuple[Array, ...], sets: LabelSets | None, axes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return the sizes and voxels as an operation of a program: PyTorch's compiler counts far more slowly (2.13)."""
    check = binary_mask if sets is None else label_map
    for argument, array in zip(("prediction", "reference"), arrays, strict=False):
        check(function, argument, array)  # of the kind of numbers, which is known before the program runs
    xp, count = _array.array_namespace(*arrays), 1 if sets is None else len(sets)
    kept = tuple(size for axis, size in enumerate(arrays[0].shape) if axis not in axes)
    packed = _array.call_opaquely(
        "overlap_sizes", _packed_sizes, *arrays, shape=(*kept, 3 * count + 1), dtype=xp.int64, sets=sets, axes=axes
    )
    return xp.reshape(packed[..., :-1], (*kept, count, 3)), packed[..., -1]


def _packed_sizes(*arrays: Array, sets: list[list[int]] | None, axes: list[int]) -> Array:
    """Return sizes and voxels along one last axis."""
    given = None if sets is None else tuple(map(tuple, sets))
    sizes, total = _host_overlap_sizes(*arrays, sets=given, axes=tuple(axes))
    xp = _array.array_namespace(sizes)
    return xp.concat([xp.reshape(sizes, (*total.shape, -1)), total[..., None]], axis=-1)


def _device_overlap_sizes(
    function: str, arrays: tuple[Array, ...], sets: LabelSets | None, axes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return the sizes (*kept, L, 3) of intersection, prediction and reference, and the voxels (*kept)."""
    check = binary_mask if sets is None else label_map
    checked = check(function, "prediction", arrays[0]), check(function, "reference", arrays[1]), *arrays[2:]
    if sets is not None and can_count_codes(checked, sets, axes):
        counted, compared = partial(_counted_sizes, sets=sets), partial(_compared_sizes, sets=sets, axes=axes)
        return _array.platform_dependent(counted, compared, *checked)
    return _array.jit_call(_compared_sizes, *checked, sets=sets, axes=axes)


def _counted_sizes(*arrays: Array, sets: LabelSets) -> tuple[Array, Array]:
    """Return the sizes from the joint counts of the label sets."""
    counts = joint_matrix_jax(sets, *arrays)
    xp = _array.array_namespace(counts)
    sizes = xp.stack([xp.linalg.diagonal(counts), xp.sum(counts, axis=1), xp.sum(counts, axis=0)], axis=-1)
    return sizes[:-1, :], xp.sum(counts)


def _compared_sizes(
    prediction: Array, reference: Array, mask: Array | None = None, *, sets: LabelSets | None, axes: tuple[int, ...]
) -> tuple[Array, Array]:
    """Return the sizes by comparing the maps with every label set."""
    xp = _array.array_namespace(prediction)
    inside = xp.ones_like(prediction, dtype=xp.bool) if mask is None else mask

    def sizes(predicted: Array, referenced: Array) -> Array:
        first, second = predicted & inside, referenced & inside
        return xp.stack([count_true(region, axes) for region in (first & second, first, second)], axis=-1)

    maps = prediction, reference
    rows = [sizes(*maps)] if sets is None else map_label_sets(sizes, maps, sets)
    return xp.stack(rows, axis=-2), count_true(inside, axes)


def map_label_sets(function: Callable[..., Array], maps: tuple[Array, ...], sets: LabelSets) -> list[Array]:
    """Return `function(*masks)` for the masks of every label set in the maps; by one loop in a JAX program."""
    xp = _array.array_namespace(*maps)
    largest = min(xp.iinfo(array.dtype).max for array in maps)
    # A loop keeps programs of many labels small. It takes one label a step, of the dtype of the maps: merged labels,
    # and those that a map cannot hold, are compared one by one.
    if any(map(_array.is_traced, maps)) and all(len(one) == 1 and one[0] <= largest for one in sets):
        rows = tuple(tuple(xp.asarray(one[0], dtype=array.dtype) for array in maps) for one in sets)
        return list(
            _array.map_rows(lambda *values: function(*(m == v for m, v in zip(maps, values, strict=True))), rows)
        )
    return [function(*(label_mask(array, one) for array in maps)) for one in sets]


def count_true(mask: Array, axes: tuple[int, ...]) -> Array:
    """Return the number of True values along axes."""
    xp = _array.array_namespace(mask)
    length = mask.shape[axes[0]]
    # The first axis is summed in the smallest integers that hold its length: compilers make vector code of those. It
    # may be a symbol, for any length.
    known = isinstance(length, int)
    small = xp.uint8 if known and length < 2**8 else xp.int16 if known and length < 2**15 else xp.int32
    lines = xp.sum(xp.astype(mask, small), axis=axes[0], keepdims=True, dtype=small)
    return xp.sum(lines, axis=axes, dtype=xp.__array_namespace_info__().default_dtypes()["integral"])


def float_counts(counts: ConfusionCounts) -> tuple[Array, Array, Array, Array]:
    """Return the counts as floating arrays: integers as the widest floats there are, Python numbers as NumPy's."""
    fields: list[Any] = list(counts)
    model = next((field for field in fields if not isinstance(field, int | float)), np.zeros((), np.int64))
    xp = _array.array_namespace(model)
    is_float = _array.dtype_kind(model) == "float"
    dtype = model.dtype if is_float else _array.widest_float(xp, model)
    # Numbers of Python become arrays of that dtype beside the others, on the same device.
    arrays = [
        _array.zeros(xp, (), dtype, model) + field if isinstance(field, int | float) else field for field in fields
    ]
    if not is_float:
        arrays = [xp.astype(array, dtype) for array in arrays]
    tp, fp, fn, tn = arrays
    return tp, fp, fn, tn


def proportions(
    counts: ConfusionCounts, *, zero_division: float = math.nan
) -> tuple[Array, Array, Array, Array, Array]:
    """Return the counts divided by the number of voxels, `zero_division` without voxels; and that number.

    What multiplies the number with them needs zeros there: the product of its gradient with NaN would be NaN.
    """
    fields = float_counts(counts)
    number = fields[0] + fields[1] + fields[2] + fields[3]
    tp, fp, fn, tn = (_array.ratio(field, number, zero_division=zero_division) for field in fields)
    return tp, fp, fn, tn, number


from_counts = derived_from(confusion_counts, ConfusionCounts)
"""Decorator of the metrics of counts."""
