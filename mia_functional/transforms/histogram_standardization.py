"""Intensities of a cohort on one scale: landmarks of histograms are learnt from images, and others are moved there.

Magnetic resonance images have no units. Where percentiles of their histograms (landmarks) lie on a common scale, the
same tissue is about as bright in all of them.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import channel_statistics as statistics
from mia_functional.typing import Array, HostArray

__all__ = ["HistogramLandmarks", "histogram_landmarks", "merge_landmarks", "standardize_histogram"]

_PERCENTILES = (1.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0, 99.0)
"""Deciles between two cut-offs, beyond which there are artefacts and bright vessels."""

_SCALE = 100.0
"""Where the last landmark lies; the first is at 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramLandmarks:
    """Where the landmarks of some images lie on the common scale: sums, so that records of parts of a cohort add up.

    Args:
        percentiles: The percentiles that are landmarks, in order.
        totals: For each channel the sums of the positions of its landmarks, from 0 to 100 in each image.
        counts: For each channel the number of images; constant channels and empty masks do not count.
    """

    percentiles: tuple[float, ...]
    totals: tuple[tuple[float, ...], ...]
    counts: tuple[int, ...]


def histogram_landmarks(
    image: Array, *, mask: Array | None = None, percentiles: Sequence[float] = _PERCENTILES
) -> HistogramLandmarks:
    """Learn where the landmarks of an image lie between its first and its last one.

    `s_k = 100 (p_k - p_1) / (p_K - p_1)`, with p_k the percentiles of a channel. A cohort is learnt from by
    `merge_landmarks` of the records of its images.

    Args:
        image: Array `(*spatial, channel)` of any library, whose values are known.
        mask: Mask `(*spatial, 1)` or of the image's shape: the percentiles are those inside it. Without one, a
            background takes part in the histogram, and moves all landmarks.
        percentiles: At least two, in order within 0 and 100.

    Returns:
        Immutable record of Python's numbers, hashable, to be stored and to be a static argument of `jit`.

    Undefined:
        A constant channel or an empty mask has no landmarks: it counts as no image.

    Raises:
        TypeError: The image is traced.
        ValueError: The percentiles are not in order within 0 and 100, or less than two.

    Example:
        >>> histogram_landmarks(np.array([[0.0], [2.0], [8.0]]), percentiles=(0, 50, 100)).totals
        ((0.0, 25.0, 100.0),)

    Source:
        Nyul and Udupa 1999, On standardizing the MR image intensity scale,
        doi 10.1002/(SICI)1522-2594(199912)42:6<1072::AID-MRM11>3.0.CO;2-M; deciles as in Nyul, Udupa and Zhang 2000,
        New variants of a method of MRI scale standardization, doi 10.1109/42.836373.

    Agrees with:
        `torchio.HistogramStandardization.train`, which averages over images without a record.
    """
    percents = checks.float_tuple("histogram_landmarks", "percentiles", percentiles)
    if len(percents) < 2 or list(percents) != sorted(set(percents)) or not 0 <= percents[0] < percents[-1] <= 100:
        checks.invalid_value("histogram_landmarks", "percentiles", "be in order within 0 and 100", percents)
    places = _landmarks_of_channels("histogram_landmarks", image, mask, percents)
    # Of percentiles, channels: what is neither constant nor empty has a distance from the first to the last.
    lines = _array.to_numpy(_array.array_namespace(*places).stack(places)).astype(np.float64).reshape(len(percents), -1)
    ranges = lines[-1] - lines[0]
    counted = (ranges > 0) & np.isfinite(ranges)
    positions = np.zeros_like(lines)
    positions[:, counted] = _SCALE * (lines[:, counted] - lines[0, counted]) / ranges[counted]
    return HistogramLandmarks(
        percentiles=percents,
        totals=tuple(tuple(channel) for channel in positions.T.tolist()),
        counts=tuple(map(int, counted.tolist())),
    )


def merge_landmarks(*landmarks: HistogramLandmarks) -> HistogramLandmarks:
    """Return what was learnt from all images of several records, in any order.

    Args:
        landmarks: At least one record; all of the same percentiles and number of channels.

    Raises:
        ValueError: There is no record, or they differ in percentiles or channels.

    Example:
        >>> first = histogram_landmarks(np.array([[0], [2], [8]]), percentiles=(0, 50, 100))
        >>> second = histogram_landmarks(np.array([[0], [4], [8]]), percentiles=(0, 50, 100))
        >>> merge_landmarks(first, second).totals, merge_landmarks(first, second).counts
        (((0.0, 75.0, 200.0),), (2,))
    """
    if not landmarks:
        checks.invalid_value("merge_landmarks", "landmarks", "be at least one record", "none")
    for record in landmarks:
        checks.require_instance(
            "merge_landmarks", "landmarks", record, HistogramLandmarks, "records of `histogram_landmarks`"
        )
    first = landmarks[0]
    for record in landmarks[1:]:
        if (record.percentiles, len(record.counts)) != (first.percentiles, len(first.counts)):
            needed = f"be of the percentiles {first.percentiles} and {len(first.counts)} channels"
            actual = f"{record.percentiles} and {len(record.counts)}"
            checks.invalid_value("merge_landmarks", "landmarks", needed, actual)
    # `fsum` rounds once: the order of images makes no difference.
    return HistogramLandmarks(
        percentiles=first.percentiles,
        totals=tuple(
            tuple(map(math.fsum, zip(*channel, strict=True)))
            for channel in zip(*(record.totals for record in landmarks), strict=True)
        ),
        counts=tuple(map(sum, zip(*(record.counts for record in landmarks), strict=True))),
    )


def standardize_histogram(image: Array, landmarks: HistogramLandmarks, *, mask: Array | None = None) -> Array:
    """Move the landmarks of an image to where those of a cohort are on average, and what is between them in proportion.

    `y = s_k + (s_{k+1} - s_k) (x - p_k) / (p_{k+1} - p_k)` for x from `p_k` on and below `p_{k+1}`, with p_k the
    percentiles of the channel and s_k the mean positions of `landmarks`, from 0 to 100. The first and the last line go
    on beyond.

    Args:
        image: Array `(*spatial, channel)`.
        landmarks: What was learnt: `merge_landmarks(*map(histogram_landmarks, images))`.
        mask: Mask `(*spatial, 1)` or of the image's shape: the percentiles are those inside it, as they were when
            landmarks were learnt. The rest is mapped along.

    Returns:
        Floats of the image's shape.

    Undefined:
        A constant channel has no contrast: 0 everywhere. An empty mask: NaN. Equal percentiles next to each other have
        nothing between them: what has that value goes to the last of their positions.

    Raises:
        ValueError: The image has not as many channels as were learnt from, or no image counted for one of them.

    Example:
        >>> learnt = histogram_landmarks(np.array([[0.0], [2.0], [8.0]]), percentiles=(0, 50, 100))
        >>> standardize_histogram(np.array([[10.0], [20.0], [40.0]]), learnt)[:, 0].tolist()
        [0.0, 25.0, 100.0]

    Source:
        Nyul, Udupa and Zhang 2000, New variants of a method of MRI scale standardization, doi 10.1109/42.836373.

    Agrees with:
        `torchio.HistogramStandardization`; its landmarks of the percentiles 25 and 75 have no effect there (1.2.1,
        `findings/torchio_histogram_quartiles.sh`), and all that are learnt count here.
    """
    checks.require_instance(
        "standardize_histogram", "landmarks", landmarks, HistogramLandmarks, "a record of `histogram_landmarks`"
    )
    channels = len(landmarks.counts)
    if not checks.has_shape(image) or tuple(image.shape[-1:]) != (channels,):
        checks.require_shape("standardize_histogram", "image", image)
        checks.invalid_value("standardize_histogram", "image", f"have {channels} channels", tuple(image.shape))
    if 0 in landmarks.counts:
        number = landmarks.counts.index(0)
        checks.invalid_value("standardize_histogram", "landmarks", "be of an image at least", f"none, channel {number}")
    values, inside = statistics.to_float_and_mask("standardize_histogram", image, mask)
    places = _landmarks_of_channels("standardize_histogram", values, inside, landmarks.percentiles)
    xp = _array.array_namespace(values)
    means: HostArray = np.asarray(landmarks.totals).T / np.asarray(landmarks.counts)
    # With all axes, as JAX may be told to refuse another rank.
    targets = [_array.asarray_like(row.reshape(places[0].shape), values) for row in means]
    # In a unit in which the first landmark is 0 and the last 1: slopes neither vanish nor overflow.
    unit, *inner = (statistics.within_range(entry, places[0], places[-1]) for entry in (values, *places))
    result = unit
    for number, (low, high) in enumerate(itertools.pairwise(inner)):
        start, rise = targets[number], targets[number + 1] - targets[number]
        # Of a segment without width there is no slope; what has its value belongs to a later one.
        slope = xp.where(high == low, 0.0, rise / statistics.one_where_zero(high - low))
        line = slope * unit + (start - slope * low)
        result = line if number == 0 else xp.where(unit >= low, line, result)
    return statistics.restore_dtype(xp.where(places[0] == places[-1], 0.0, result), image)


def _landmarks_of_channels(
    function: str, image: Array, mask: Array | None, percentiles: tuple[float, ...]
) -> list[Array]:
    """Return the percentiles of each channel, with all axes kept."""
    values, inside = statistics.to_float_and_mask(function, image, mask)
    _array.require_in_memory(function, "image", values)
    axes = statistics.reduction_axes(function, None, values.ndim)
    return statistics.masked_percentiles(values, inside, axes, percentiles)
