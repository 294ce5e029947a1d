"""Which component of a prediction stands for which of a reference: rules of matching, chosen by a function.

A rule gets `Candidates`, the pairs of components that may be matched, and returns which of them are. All are written
for arrays of NumPy and, with fixed shapes, for programs of JAX.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array

__all__ = [
    "COMPARISONS",
    "MATCHINGS",
    "OVERLAPS",
    "AtThreshold",
    "Candidates",
    "Matching",
    "Overlap",
    "any_overlap",
    "bipartite",
    "centroid_within",
    "greedy",
    "many_to_one",
    "overlap_of",
]

Overlap: TypeAlias = Literal["iou", "dice", "ior"]
"""How well two components agree: intersection over union, Dice, intersection over the reference."""

AtThreshold: TypeAlias = Literal[">=", ">"]
"""Whether a pair whose overlap is the threshold is matched."""

OVERLAPS, COMPARISONS = get_args(Overlap), get_args(AtThreshold)


class Candidates(NamedTuple):
    """Pairs of a predicted and a reference component that may be matched, in order of prediction, then reference.

    Attributes:
        prediction: Position of the predicted component of every pair, shape (K,); -1 in what fills up a fixed shape.
        reference: Position of the reference component of every pair.
        intersection: Voxels that the two share.
        score: How well the two agree; the better, the larger.
        accepted: Whether that passes the threshold.
        prediction_sizes: Voxels of every predicted component, shape (P,).
        reference_sizes: Voxels of every reference component, shape (R,).
        passes: From voxels of an intersection, of predicted components and of reference components to whether their
            overlap passes the threshold.
    """

    prediction: Array
    reference: Array
    intersection: Array
    score: Array
    accepted: Array
    prediction_sizes: Array
    reference_sizes: Array
    passes: Callable[[Array, Array, Array], Array]


Matching: TypeAlias = Callable[[Candidates], Array]
"""From candidates to whether each of them is matched."""


def overlap_of(kind: Overlap, intersection: Array, prediction: Array, reference: Array) -> Array:
    """Return the overlap of components from their voxels and those of their intersections, 0 where there are none."""
    xp = _array.array_namespace(intersection)
    shared, first, second = (
        xp.astype(sizes, _array.widest_float(xp, intersection)) for sizes in (intersection, prediction, reference)
    )
    if kind == "ior":
        return _array.ratio(shared, second, zero_division=0.0)
    if kind == "dice":
        return _array.ratio(2 * shared, first + second, zero_division=0.0)
    return _array.ratio(shared, first + second - shared, zero_division=0.0)


def greedy(candidates: Candidates) -> Array:
    """Match the best pair first, then the best of what is left: each component at most once.

    Of pairs that are equally good, the one with the first prediction goes first, then the one with the first reference.

    Args:
        candidates: Pairs that may be matched.

    Returns:
        Whether each pair is matched.

    Raises:
        TypeError: The argument is no record of candidates.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches
        >>> instance_matches(np.array([1, 1, 0]), np.array([1, 0, 0]), spacing=(1.0,)).pairs.matched.tolist()
        [True]
    """
    _require_candidates("greedy", candidates)
    xp = _array.array_namespace(candidates.score)
    count, (first, second) = candidates.score.shape[0], _valid_positions(candidates)
    order = xp.argsort(-candidates.score, stable=True)
    ranks = xp.argsort(order)
    sizes = candidates.prediction_sizes, candidates.reference_sizes

    def step(state: tuple[Array, Array]) -> tuple[Array, Array]:
        # All pairs that come first for both of their components would be matched in turn, so they are at once.
        left, matched = state
        keys = xp.where(left, ranks, count)
        best = [
            xp.take(_array.lower_at(xp.full_like(size, count, dtype=keys.dtype), index, keys), index)
            for size, index in zip(sizes, (first, second), strict=True)
        ]
        chosen = left & (keys == best[0]) & (keys == best[1])
        taken = [
            xp.take(_array.add_at(xp.zeros_like(size), index, xp.astype(chosen, size.dtype)) > 0, index)
            for size, index in zip(sizes, (first, second), strict=True)
        ]
        return left & ~(taken[0] | taken[1]), matched | chosen

    start = candidates.accepted, xp.zeros_like(candidates.accepted)
    if 0 in (count, sizes[0].shape[0], sizes[1].shape[0]):
        return start[1]
    return _array.while_loop(lambda state: xp.any(state[0]), step, start)[1]


def bipartite(candidates: Candidates) -> Array:
    """Match so that the sum of the overlaps of all matched pairs is the largest there is: each component at most once.

    SciPy's `linear_sum_assignment` finds the pairs on the host, so that this rule is none for programs.

    Args:
        candidates: Pairs that may be matched.

    Returns:
        Whether each pair is matched.

    Raises:
        TypeError: The argument is no record of candidates, or they have no values, as in a program.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches, bipartite
        >>> one, other = np.array([1, 1, 0]), np.array([1, 0, 0])
        >>> instance_matches(one, other, spacing=(1.0,), matching=bipartite).pairs.matched.tolist()
        [True]
    """
    _require_candidates("bipartite", candidates)
    if not _array.is_numpy(candidates.score):
        needed = "be greedy, many_to_one, any_overlap or centroid_within in a program"
        checks.invalid_kind("instance_matches", "matching", needed, "bipartite")
    from scipy.optimize import linear_sum_assignment  # at its first use: it takes as long to import as NumPy

    first, second = map(_array.to_numpy, (candidates.prediction, candidates.reference))
    accepted = np.flatnonzero(_array.to_numpy(candidates.accepted))
    gains = np.zeros((candidates.prediction_sizes.shape[0], candidates.reference_sizes.shape[0]))
    number = np.full(gains.shape, -1)
    gains[first[accepted], second[accepted]] = _array.to_numpy(candidates.score)[accepted]
    number[first[accepted], second[accepted]] = accepted
    chosen = number[linear_sum_assignment(gains, maximize=True)]
    matched = np.zeros(first.shape, np.bool_)
    matched[chosen[chosen >= 0]] = True
    return matched


def many_to_one(candidates: Candidates) -> Array:
    """Match each prediction to the reference that it shares most voxels with; the threshold is one for their union.

    A reference that a network splits is found if all parts together overlap with it well enough. Of references that
    share as many voxels with a prediction, the first gets it.

    Args:
        candidates: Pairs that may be matched.

    Returns:
        Whether each pair is matched.

    Raises:
        TypeError: The argument is no record of candidates.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import instance_matches, many_to_one
        >>> parts, whole = np.array([1, 1, 0, 1, 1]), np.ones(5, int)
        >>> instance_matches(parts, whole, spacing=(1.0,), matching=many_to_one).pairs.matched.tolist()
        [True, True]
    """
    _require_candidates("many_to_one", candidates)
    xp = _array.array_namespace(candidates.score)
    count, (first, second) = candidates.score.shape[0], _valid_positions(candidates)
    sizes, others = candidates.prediction_sizes, candidates.reference_sizes
    if 0 in (count, sizes.shape[0], others.shape[0]):
        return xp.zeros_like(candidates.accepted)
    ranks = xp.argsort(xp.argsort(-candidates.intersection, stable=True))
    keys = xp.where(candidates.intersection > 0, ranks, count)
    best = _array.lower_at(xp.full_like(sizes, count, dtype=keys.dtype), first, keys)
    chosen = (candidates.intersection > 0) & (keys == xp.take(best, first))
    parts = candidates.intersection, xp.take(sizes, first)
    shared, claimed = (
        _array.add_at(xp.zeros_like(others), second, xp.where(chosen, xp.astype(part, others.dtype), 0))
        for part in parts
    )
    return chosen & xp.take(candidates.passes(shared, claimed, others), second)


def any_overlap(candidates: Candidates) -> Array:
    """Match all pairs that share a voxel, whatever the threshold, each component as often as that is the case.

    Args:
        candidates: Pairs that may be matched.

    Returns:
        Whether each pair is matched.

    Raises:
        TypeError: The argument is no record of candidates.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import any_overlap, instance_matches
        >>> one, other = np.array([1, 1, 1, 1]), np.array([1, 0, 0, 1])
        >>> instance_matches(one, other, spacing=(1.0,), matching=any_overlap).pairs.matched.tolist()
        [True, True]
    """
    _require_candidates("any_overlap", candidates)
    return candidates.intersection > 0


def centroid_within(candidates: Candidates) -> Array:
    """Match components whose centroids are at most `threshold` millimetres apart, the nearest first, each at most once.

    Args:
        candidates: Pairs that may be matched; their scores are negative distances.

    Returns:
        Whether each pair is matched.

    Raises:
        TypeError: The argument is no record of candidates.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import centroid_within, instance_matches
        >>> options = {"spacing": (2.0,), "matching": centroid_within, "threshold": 2.0}
        >>> instance_matches(np.array([1, 0, 0]), np.array([0, 1, 0]), **options).pairs.matched.tolist()
        [True]
    """
    _require_candidates("centroid_within", candidates)
    return greedy(candidates)


def _require_candidates(function: str, candidates: object) -> None:
    """Raise unless a rule was given what `instance_matches` gives it."""
    checks.require_instance(function, "candidates", candidates, Candidates, "the `Candidates` of `instance_matches`")


def _valid_positions(candidates: Candidates) -> tuple[Array, Array]:
    """Return the positions of both components of each pair; what fills up a fixed shape points at the first ones."""
    xp = _array.array_namespace(candidates.score)
    first, second = (xp.where(index < 0, 0, index) for index in (candidates.prediction, candidates.reference))
    return first, second


MATCHINGS = {rule.__name__: rule for rule in (greedy, bipartite, many_to_one, any_overlap, centroid_within)}
"""The rules by name."""
