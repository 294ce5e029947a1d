"""Scores of lesions as challenges define them: autoPET, and ISLES 2022.

Each is a few of our metrics with the options of the challenge; those of BraTS are in `brats_lesions`. All axes are
spatial, one to three of them.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts
from mia_functional.metrics.instance_matching import any_overlap
from mia_functional.metrics.instances import InstanceMatches, instance_matches
from mia_functional.metrics.lesions import false_volume, lesion_count_difference, lesion_f1, missed_volume
from mia_functional.metrics.overlap import dice
from mia_functional.metrics.size import absolute_volume_difference
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["AutopetScores", "IslesScores", "autopet_scores", "isles_scores"]


class AutopetScores(NamedTuple):
    """Scores of the autoPET challenges, one entry per label.

    Attributes:
        dice: Dice coefficient of all voxels; NaN if both masks are empty.
        false_positive_volume: Cubic millimetres of predicted components that share no voxel with the reference.
        false_negative_volume: Cubic millimetres of reference components that share no voxel with the prediction.
    """

    dice: Array
    false_positive_volume: Array
    false_negative_volume: Array


class IslesScores(NamedTuple):
    """Scores of ISLES 2022, one entry per label.

    Attributes:
        dice: Dice coefficient of all voxels; 1 if both masks are empty.
        absolute_volume_difference: Cubic millimetres by which the volumes differ.
        lesion_count_difference: By how much the numbers of components differ.
        lesion_f1: F1 score of components that share a voxel; 1 if there are none.
    """

    dice: Array
    absolute_volume_difference: Array
    lesion_count_difference: Array
    lesion_f1: Array


@_array.one_node
def autopet_scores(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    max_components: int | None = None,
    max_pairs: int | None = None,
) -> AutopetScores:
    """Return the scores of autoPET: Dice, false-positive and false-negative volume.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ: 2 by default, for faces and edges (18 neighbours),
            but no more than there are axes.
        max_components: Room for so many components of each array, and
        max_pairs: room for so many pairs: both are needed in a program of JAX, as in `instance_matches`.

    Returns:
        Cubic millimetres, where the program of the challenge gives millilitres, which are 1,000 of them.

    Raises:
        TypeError: An argument is not an array or holds floats; arrays of two libraries other than NumPy, or of two
            devices, meet; in a program, a maximum is missing.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; a mask holds
            other values than 0 and 1; a label is negative; the connectivity is not possible.

    Example:
        >>> import numpy as np
        >>> scores = autopet_scores(np.array([1, 1, 0, 1, 0]), np.array([0, 1, 1, 0, 0]), spacing=(2.0,))
        >>> [float(score) for score in scores]
        [0.4, 2.0, 0.0]

    Source:
        Gatidis et al. 2024, autoPET, doi 10.1038/s42256-024-00912-9.

    Agrees with:
        autoPET's `val_script.py`.
    """
    counts, matches = _counts_and_matches(
        "autopet_scores", prediction, reference, spacing=spacing, labels=labels, max_components=max_components,
        max_pairs=max_pairs,
        connectivity=min(2, len(getattr(prediction, "shape", (0, 0)))) if connectivity is None else connectivity,
    )  # fmt: skip
    return AutopetScores(dice(counts), false_volume(matches), missed_volume(matches))


@_array.one_node
def isles_scores(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    max_components: int | None = None,
    max_pairs: int | None = None,
) -> IslesScores:
    """Return the scores of ISLES 2022: Dice, differences of volumes and of numbers of lesions, lesion-wise F1.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ: all by default (26 neighbours).
        max_components: Room for so many components of each array, and
        max_pairs: room for so many pairs: both are needed in a program of JAX, as in `instance_matches`.

    Returns:
        Cubic millimetres, where the program of the challenge gives millilitres, which are 1,000 of them.

    Raises:
        TypeError: An argument is not an array or holds floats; arrays of two libraries other than NumPy, or of two
            devices, meet; in a program, a maximum is missing.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; a mask holds
            other values than 0 and 1; a label is negative; the connectivity is not possible.

    Example:
        >>> import numpy as np
        >>> scores = isles_scores(np.array([1, 1, 0, 1, 0]), np.array([0, 1, 1, 0, 0]), spacing=(2.0,))
        >>> [float(score) for score in scores]
        [0.4, 2.0, 1.0, 0.6666666666666666]

    Source:
        Hernandez Petzsche et al. 2022, ISLES 2022, doi 10.1038/s41597-022-01875-5.

    Agrees with:
        `eval_utils.py` of ISLES 2022.
    """
    counts, matches = _counts_and_matches(
        "isles_scores", prediction, reference, spacing=spacing, labels=labels, max_components=max_components,
        max_pairs=max_pairs, connectivity=connectivity,
    )  # fmt: skip
    return IslesScores(
        dice(counts, zero_division=1.0),
        absolute_volume_difference(counts, spacing=spacing),
        lesion_count_difference(matches),
        lesion_f1(matches, zero_division=1.0),
    )


def _counts_and_matches(
    function: str, prediction: Array, reference: Array, *, labels: Labels | Iterable[Label] | None, **options: Any
) -> tuple[ConfusionCounts, InstanceMatches | tuple[InstanceMatches, ...]]:
    """Return the counts of all voxels, and the components, matched where they share one."""
    labels = None if labels is None else label_sets(function, labels)  # an iterator has to serve twice
    with checks.speaking_for(function, "confusion_counts", "instance_matches"):
        matches = instance_matches(prediction, reference, labels=labels, matching=any_overlap, **options)
        return confusion_counts(prediction, reference, labels=labels), matches
