"""How well the centre lines of tubes such as vessels are covered: clDice, and its soft form as a loss.

Each metric takes `CenterlineCounts`, or the pair `(prediction, reference)` and the options of `centerline_counts`. The
result has the shape of the counts and is float64, or the widest float of the library.
"""

import functools
import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics.confusion import ConfusionCounts, float_counts
from mia_functional.metrics.inputs import paired_arrays, structure_masks
from mia_functional.metrics.probabilities import check_probabilities, probability_pair, structures_of
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.morphology.skeletons import skeleton
from mia_functional.typing import Array, Label, Labels

__all__ = [
    "CenterlineCounts",
    "centerline_counts",
    "centerline_dice",
    "centerline_precision",
    "centerline_sensitivity",
    "soft_centerline_counts",
    "soft_skeleton",
]

_DIMENSIONS = (2, 3)


class CenterlineCounts(NamedTuple):
    """How many voxels two centre lines have, and how many of them lie in the other mask: four arrays of one shape.

    Those of several cases can be merged; the centre lines of parts of a case are not those of the whole.

    Attributes:
        prediction_inside: Voxels of the prediction's centre line in the reference.
        prediction_length: Voxels of the prediction's centre line.
        reference_inside: Voxels of the reference's centre line in the prediction.
        reference_length: Voxels of the reference's centre line.
    """

    prediction_inside: Array
    prediction_length: Array
    reference_inside: Array
    reference_length: Array


@_array.one_node
def centerline_counts(
    prediction: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
) -> CenterlineCounts:
    """Count the voxels of both centre lines, and those that the other mask covers. It runs on the host.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of two or three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        mask: Mask of the same shape; voxels outside of it are background in both.

    Returns:
        Floats, the widest of the library. One entry per label.

    Raises:
        ImportError: scikit-image, which finds the centre lines (`mia.morphology.skeleton`), is not installed.
        TypeError: An argument is not an array, or holds neither masks nor labels; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ or are empty; the arrays do not have two or three axes; a mask holds values other
            than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 9), bool)
        >>> tube[1:4, 1:8] = True
        >>> counts = centerline_counts(tube & (np.arange(9) < 5), tube)
        >>> [float(count) for count in counts]
        [3.0, 3.0, 4.0, 6.0]

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.
    """
    name = "centerline_counts"
    prediction, reference, *inside = paired_arrays(name, prediction, reference, mask=mask)
    checks.dimensions(name, "prediction", prediction.shape, _DIMENSIONS)
    # An iterator of labels has to serve both.
    sets = None if labels is None else label_sets(name, labels, prediction, reference)
    xp = _array.array_namespace(prediction)
    rows = []
    masks = (structure_masks(name, *named, sets) for named in (("prediction", prediction), ("reference", reference)))
    for pair in zip(*masks, strict=True):
        one, other = (region & inside[0] for region in pair) if inside else pair
        lines = skeleton(one), skeleton(other)
        regions = lines[0] & other, lines[0], lines[1] & one, lines[1]
        rows.append([xp.astype(xp.count_nonzero(region), _array.widest_float(xp, region)) for region in regions])
    if sets is None:
        return CenterlineCounts(*rows[0])
    return CenterlineCounts(*(xp.stack(field) for field in zip(*rows, strict=True)))


@_array.one_node
def soft_centerline_counts(
    probabilities: Array,
    reference: Array,
    *,
    iterations: int = 10,
    labels: Labels | Iterable[Label] | None = None,
) -> CenterlineCounts:
    """Count with soft skeletons of probabilities: a loss is `1 - centerline_dice(soft_centerline_counts(...))`.

    With p the probabilities, r = 0 or 1 the reference and S the soft skeleton: sum S(p) r, sum S(p), sum S(r) p and
    sum S(r). The counts are differentiable in p.

    Args:
        probabilities: Floats from 0 to 1, of the shape of the reference; with `labels`, one last axis of length L more.
        reference: Mask (bool, or integers 0 and 1) of two or three axes; with `labels`, an integer label map.
        iterations: As in `soft_skeleton`.
        labels: Mapping from labels to names, or a sequence of labels, in the order of the last axis of `probabilities`.

    Returns:
        Floats, at least float32. One entry per label.

    Raises:
        TypeError: `probabilities` does not hold floats; the reference holds floats; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes do not fit; the reference does not have two or three axes; probabilities lie outside of 0
            and 1, where values can be looked at.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 9), bool)
        >>> tube[1:4, 1:8] = True
        >>> counts = soft_centerline_counts(0.5 * tube, tube, iterations=2)
        >>> [float(count) for count in counts]
        [2.5, 2.5, 2.5, 5.0]

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.

    Differs from:
        The authors' code, which adds 1 to both terms of every quotient.
    """
    name = "soft_centerline_counts"
    pair = probability_pair(name, probabilities, reference, labels=labels)
    checks.dimensions(name, "reference", pair.reference.shape, _DIMENSIONS)
    axes, xp = tuple(range(pair.reference.ndim)), _array.array_namespace(pair.reference)
    share = xp.astype(pair.probabilities, _array.accumulator_dtype(pair.probabilities))
    # NaN ends in NaN.
    check_probabilities(name, share, allows_nan=True)
    target = xp.astype(structures_of(pair), share.dtype)
    openings = checks.integer(name, "iterations", iterations, minimum=0) + 1  # one before the first erosion
    thin = functools.partial(_soft_skeleton, axes=axes, iterations=openings)
    lines = thin(share), thin(target)
    terms = lines[0] * target, lines[0], lines[1] * share, lines[1]
    sums = (_array.sum_along(term, axes) for term in terms)
    return CenterlineCounts(*(xp.astype(total, share.dtype, copy=False) for total in sums))


@_array.one_node
def soft_skeleton(image: Array, *, iterations: int = 10) -> Array:
    """Return the soft skeleton of probabilities, differentiable: what each of several openings takes away.

    Formula: S_0 = 0 and S_k+1 = S_k + d_k (1 - S_k) with d_k = max(E_k - dilation(erosion(E_k)), 0), where E_k is the
    image eroded k times. The erosion is the minimum over the voxel and its face neighbours, the dilation the maximum
    over all neighbours; beyond the image is nothing.

    Args:
        image: Floats from 0 to 1, of two or three axes.
        iterations: How often is eroded; at least the radius of the thickest tube in voxels.

    Returns:
        Floats of the shape of the image, at least float32, from 0 to 1.

    Raises:
        TypeError: The image does not hold floats.
        ValueError: The image is empty or does not have two or three axes; `iterations` is negative.

    Example:
        >>> import numpy as np
        >>> soft_skeleton(np.pad(np.full((3, 3), 0.5), 1), iterations=2)[2].tolist()
        [0.0, 0.0, 0.5, 0.0, 0.0]

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.
    """
    name = "soft_skeleton"
    xp = _array.checked_namespace(name, image=image)
    checks.dimensions(name, "image", image.shape, _DIMENSIONS)
    checks.not_empty(name, "image", image.shape)
    if _array.dtype_kind(image) != "float":
        checks.invalid_kind(name, "image", "hold floats", f"dtype {image.dtype}")
    share = xp.astype(image, _array.accumulator_dtype(image))
    openings = checks.integer(name, "iterations", iterations, minimum=0) + 1  # one before the first erosion
    return _soft_skeleton(share, axes=tuple(range(image.ndim)), iterations=openings)


def _soft_skeleton(image: Array, *, axes: tuple[int, ...], iterations: int) -> Array:
    """Return the soft skeleton along some axes."""
    xp = _array.array_namespace(image)

    def step(_: int, state: tuple[Array, Array]) -> tuple[Array, Array]:
        whole, lines = state
        eroded = functools.reduce(xp.minimum, [_around(whole, axis, xp.minimum) for axis in axes])
        opened = functools.reduce(lambda array, axis: _around(array, axis, xp.maximum), axes, eroded)
        # Not a maximum, whose derivative where nothing is taken away would be a half.
        taken = xp.where(whole > opened, whole - opened, xp.zeros_like(whole))
        return eroded, lines + taken * (1 - lines)

    def thin(whole: Array) -> Array:
        lines: Array = _array.fori_loop(xp, iterations, step, (whole, xp.zeros_like(whole)), unroll=1)[1]
        return lines

    return _array.call_gathered(thin, image)


def _around(array: Array, axis: int, choose: Callable[[Array, Array], Array]) -> Array:
    """Return of every entry and its two neighbours along an axis the one that is chosen."""
    xp = _array.array_namespace(array)
    before = (slice(None),) * axis
    above = xp.concat([array[(*before, slice(1, None), ...)], array[(*before, slice(-1, None), ...)]], axis=axis)
    below = xp.concat([array[(*before, slice(0, 1), ...)], array[(*before, slice(None, -1), ...)]], axis=axis)
    return choose(array, choose(above, below))


_from_centerlines = derived_from(centerline_counts, CenterlineCounts)


@_from_centerlines
def centerline_precision(counts: CenterlineCounts, *, zero_division: float = math.nan) -> Array:
    """Return the topology precision of clDice: the share of the prediction's centre line that lies in the reference.

    Formula: |S_P in R| / |S_P|, with the skeleton S_P of the prediction.

    Args:
        counts: Counts of any shape, or the pair with the options of `centerline_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Prediction empty: NaN.

    Example:
        >>> float(centerline_precision(CenterlineCounts(3.0, 4.0, 2.0, 8.0)))
        0.75

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.
    """
    inside, length, _, _ = _float_fields(counts)
    return _array.ratio(inside, length, zero_division=zero_division)


@_from_centerlines
def centerline_sensitivity(counts: CenterlineCounts, *, zero_division: float = math.nan) -> Array:
    """Return the topology sensitivity of clDice: the share of the reference's centre line that lies in the prediction.

    Formula: |S_R in P| / |S_R|, with the skeleton S_R of the reference.

    Args:
        counts: Counts of any shape, or the pair with the options of `centerline_counts`.
        zero_division: The value where the metric is undefined.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Reference empty: NaN.

    Example:
        >>> float(centerline_sensitivity(CenterlineCounts(3.0, 4.0, 2.0, 8.0)))
        0.25

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.
    """
    _, _, inside, length = _float_fields(counts)
    return _array.ratio(inside, length, zero_division=zero_division)


@_from_centerlines
def centerline_dice(counts: CenterlineCounts, *, zero_division: float = math.nan) -> Array:
    """Return clDice: the harmonic mean of how far the two centre lines lie in the other mask.

    Formula: 2 T_p T_s / (T_p + T_s), with T_p = |S_P in R| / |S_P| and T_s = |S_R in P| / |S_R| of the skeletons S.

    Args:
        counts: Counts of any shape, or the pair with the options of `centerline_counts`; for probabilities,
            `soft_centerline_counts` of the pair.
        zero_division: The value if both masks are empty.

    Returns:
        Array of the shape of the counts, from 0 to 1; higher is better.

    Undefined:
        Both masks empty: NaN. One empty: 0.

    Example:
        >>> float(centerline_dice(CenterlineCounts(3.0, 4.0, 2.0, 8.0)))
        0.375

    Source:
        Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.
    """
    predicted, length, referenced, whole = _float_fields(counts)
    precision = _array.ratio(predicted, length, zero_division=0)
    sensitivity = _array.ratio(referenced, whole, zero_division=0)
    value = _array.ratio(2 * precision * sensitivity, precision + sensitivity, zero_division=0)
    xp = _array.array_namespace(value)
    return xp.where((length == 0) & (whole == 0), zero_division, value)


def _float_fields(counts: CenterlineCounts) -> tuple[Array, Array, Array, Array]:
    """Return the fields as floating arrays."""
    return float_counts(ConfusionCounts(*counts))
