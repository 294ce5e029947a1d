"""How tubes such as vessels branch, split and merge: counts of their skeletons in a prediction and a reference.

Each metric takes `TubeCounts`, or the pair `(prediction, reference)` and the options of `tube_counts`.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics.inputs import paired_arrays, structure_masks
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.morphology import connected_components, skeleton
from mia_functional.morphology.skeleton_graphs import branch_counts
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = ["GraphPart", "TubeCounts", "branch_error", "tube_counts", "tube_merges", "tube_splits"]

GraphPart: TypeAlias = Literal["branches", "branch_points", "end_points"]
"""What of the graph of a skeleton is counted."""

_PARTS = get_args(GraphPart)


class TubeCounts(NamedTuple):
    """Counts of the tubes of a pair: integers of shape (...), or (..., 3); with labels, with a first axis of labels.

    Attributes:
        prediction: Branches, branch points and end points of the prediction's skeleton, (..., 3).
        reference: Those of the reference's skeleton.
        splits: Reference tubes whose centre line runs through several components of the prediction.
        merges: Predicted tubes whose centre line runs through several components of the reference.
    """

    prediction: Array
    reference: Array
    splits: Array
    merges: Array


@_array.one_node
def tube_counts(
    prediction: Array,
    reference: Array,
    *,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
) -> TubeCounts:
    """Count branches, branch points and end points of both skeletons, and tubes that split or merge. On the host.

    A tube is a component of voxels that touch by faces, edges or corners. Its centre line is what the skeleton
    (`mia.morphology.skeleton`) has of it, whose graph is that of `mia.morphology.branch_counts`.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of two or three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        mask: Mask of the same shape; voxels outside of it are background in both.

    Returns:
        Integers. One entry, or row, per label.

    Raises:
        ImportError: scikit-image, which finds the centre lines, is not installed.
        TypeError: An argument is not an array, or holds neither masks nor labels; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ or are empty; the arrays do not have two or three axes; a mask holds values other
            than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 21), bool)
        >>> tube[1:4, 1:20] = True
        >>> counts = tube_counts(tube & (np.arange(21) != 10), tube)
        >>> counts.prediction.tolist(), counts.reference.tolist(), int(counts.splits)
        ([2, 0, 4], [1, 0, 2], 1)

    Source:
        Arganda-Carreras et al. 2010, doi 10.1002/jemt.20829.
    """
    name = "tube_counts"
    prediction, reference, *inside = paired_arrays(name, prediction, reference, mask=mask)
    checks.dimensions(name, "prediction", prediction.shape, (2, 3))
    # An iterator of labels has to serve both.
    sets = None if labels is None else label_sets(name, labels, prediction, reference)
    masks = (structure_masks(name, *named, sets) for named in (("prediction", prediction), ("reference", reference)))
    rows = [
        _counts_of_pair(*(_array.to_numpy(one & inside[0] if inside else one) for one in pair))
        for pair in zip(*masks, strict=True)
    ]
    xp = _array.array_namespace(prediction)
    fields = (np.array(column) if sets is not None else np.array(column[0]) for column in zip(*rows, strict=True))
    return TubeCounts(*(_array.from_numpy(field, xp, prediction) for field in fields))


def _counts_of_pair(prediction: HostArray, reference: HostArray) -> tuple[HostArray, HostArray, int, int]:
    """Return the counts of a pair of NumPy masks."""
    pair = prediction, reference
    lines = [_array.to_numpy(skeleton(one)) for one in pair]
    tubes = [_array.to_numpy(connected_components(one, connectivity=one.ndim)) for one in pair]
    graphs = [np.array(branch_counts(one)) for one in lines]
    return graphs[0], graphs[1], _divided(lines[1], tubes[1], tubes[0]), _divided(lines[0], tubes[0], tubes[1])


def _divided(lines: HostArray, tubes: NDArray[np.int32], others: NDArray[np.int32]) -> int:
    """Return how many tubes have a centre line that runs through several of the other tubes."""
    met = lines & (others > 0)
    pairs = np.unique(np.stack([tubes[met], others[met]]), axis=1)
    return int(np.count_nonzero(np.bincount(pairs[0]) > 1))


_from_tubes = derived_from(tube_counts, TubeCounts)


@_from_tubes
def branch_error(counts: TubeCounts, *, part: GraphPart = "branches") -> Array:
    """Return the branch error: by how many branches, branch points or end points the skeletons of a pair differ.

    Formula: |n_P - n_R|, with n the number of branches, of branch points or of end points of a skeleton.

    Args:
        counts: Counts of tubes, or the pair with the options of `tube_counts`.
        part: "branches", "branch_points" or "end_points".

    Returns:
        Whole numbers as floats, at least 0; lower is better. One entry per label. It is 0 for equally many in other
        places, too.

    Raises:
        ValueError: `part` is none of the three.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 21), bool)
        >>> tube[1:4, 1:20] = True
        >>> float(branch_error(tube & (np.arange(21) != 10), tube, part="end_points"))
        2.0

    Source:
        Arganda-Carreras et al. 2010, doi 10.1002/jemt.20829.
    """
    checks.one_of("branch_error", "part", part, _PARTS)
    position = _PARTS.index(part)
    return _as_float(abs(counts.prediction[..., position] - counts.reference[..., position]))


@_from_tubes
def tube_splits(counts: TubeCounts) -> Array:
    """Return the number of reference tubes whose centre line runs through several components of the prediction.

    Formula: number of r whose centre line meets more than one p, for reference components r and predicted ones p.

    Args:
        counts: Counts of tubes, or the pair with the options of `tube_counts`.

    Returns:
        Whole numbers as floats, at least 0; lower is better. One entry per label.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 21), bool)
        >>> tube[1:4, 1:20] = True
        >>> float(tube_splits(tube & (np.arange(21) != 10), tube))
        1.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    return _as_float(counts.splits)


@_from_tubes
def tube_merges(counts: TubeCounts) -> Array:
    """Return the number of predicted tubes whose centre line runs through several components of the reference.

    Formula: number of p whose centre line meets more than one r, for reference components r and predicted ones p.

    Args:
        counts: Counts of tubes, or the pair with the options of `tube_counts`.

    Returns:
        Whole numbers as floats, at least 0; lower is better. One entry per label.

    Example:
        >>> import numpy as np
        >>> tube = np.zeros((5, 21), bool)
        >>> tube[1:4, 1:20] = True
        >>> float(tube_merges(tube, tube & (np.arange(21) != 10)))
        1.0

    Source:
        Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.
    """
    return _as_float(counts.merges)


def _as_float(numbers: Array) -> Array:
    """Return whole numbers as floats, the widest of the library."""
    xp = _array.array_namespace(numbers)
    return xp.astype(numbers, _array.widest_float(xp, numbers))
