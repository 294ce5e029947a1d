"""Checked arguments of `instance_matches`: the structures whose components are looked for, and the rules of a match."""

import math
from collections.abc import Iterable
from typing import NamedTuple

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import binary_mask, label_map, label_sets
from mia_functional.metrics.inputs import check_countable, paired_arrays
from mia_functional.metrics.instance_matching import (
    COMPARISONS,
    OVERLAPS,
    AtThreshold,
    Matching,
    Overlap,
    any_overlap,
    centroid_within,
)
from mia_functional.morphology.components import checked_connectivity
from mia_functional.morphology.masks import DIMENSIONS
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["CheckedStructures", "InstanceRules", "checked_structures"]


class InstanceRules(NamedTuple):
    """How components are found and matched; hashable once checked, so that programs are found again.

    Once checked, the threshold is set, and the connectivity is None for maps of instance numbers alone.
    """

    spacing: Spacing
    connectivity: int | None
    matching: Matching
    overlap: Overlap
    comparison: AtThreshold
    threshold: float = math.nan
    max_components: int | None = None
    max_pairs: int | None = None
    memory: int | None = None


class CheckedStructures(NamedTuple):
    """The structures of a pair, each of which gets a record.

    Attributes:
        maps: Boolean masks, label maps or maps of instance numbers.
        ignored: Behind it, the mask of voxels that belong to no component, if there is one.
        label_sets: The labels of every structure; a single None for all that is not 0.
        rules: The rules.
    """

    maps: tuple[Array, Array]
    ignored: tuple[Array, ...]
    label_sets: tuple[tuple[int, ...] | None, ...]
    rules: InstanceRules


def checked_structures(
    function: str,
    prediction: Array,
    reference: Array,
    rules: InstanceRules,
    *,
    threshold: float | None,
    labels: Labels | Iterable[Label] | None,
    instances: bool,
    ignore: Array | None,
) -> CheckedStructures:
    """Return the arguments of `instance_matches`, of which `rules` holds those that are no arrays, as its rules.

    Args:
        function: The public function, for messages.
        prediction: As in `instance_matches`, and
        reference: likewise.
        rules: The options as they were given.
        threshold: As in `instance_matches`, and
        labels: likewise, and
        instances: likewise, and
        ignore: likewise.
    """
    others = paired_arrays(function, prediction, reference, mask=ignore, name="ignore")
    first, second, *ignored = others
    for argument, array in zip(("prediction", "reference"), (first, second), strict=True):
        _array.require_in_memory(function, argument, array)
    checks.dimensions(function, "prediction", first.shape, DIMENSIONS)
    check_countable(function, first)
    ndim, reach = first.ndim, rules.connectivity
    reach = None if instances else checked_connectivity(function, ndim if reach is None else reach, ndim)
    memory = None if rules.memory is None else checks.integer(function, "memory", rules.memory, minimum=1)
    step = checks.spacing(function, rules.spacing, ndim)
    rules = _checked_rules(function, rules._replace(spacing=step, connectivity=reach, memory=memory), threshold)
    if instances and labels is not None:
        checks.invalid_value(function, "labels", "not be given with `instances`", labels)
    sets = (None,) if labels is None else label_sets(function, labels, first, second)
    check = label_map if instances or labels is not None else binary_mask
    maps = check(function, "prediction", first), check(function, "reference", second)
    return CheckedStructures(maps, tuple(ignored), sets, rules)


def _checked_rules(function: str, rules: InstanceRules, threshold: float | None) -> InstanceRules:
    """Return the rules with a threshold, all of which are possible."""
    checks.require_callable(function, "matching", rules.matching, "`greedy`")
    checks.one_of(function, "overlap", rules.overlap, OVERLAPS)
    checks.one_of(function, "comparison", rules.comparison, COMPARISONS)
    if rules.matching is any_overlap and threshold is not None:
        checks.invalid_value(function, "threshold", "not be given for `any_overlap`", threshold)
    if rules.matching is centroid_within and threshold is None:
        checks.invalid_value(function, "threshold", "be given in millimetres for `centroid_within`", "none")
    limit = 0.5 if threshold is None else checks.number(function, "threshold", threshold)
    if not (0 <= limit < math.inf and (limit <= 1 or rules.matching is centroid_within)):
        needed = "be at least 0 and, but for distances, at most 1"
        checks.invalid_value(function, "threshold", needed, threshold)
    sizes = [
        None if size is None else checks.integer(function, name, size, minimum=1)
        for name, size in (("max_components", rules.max_components), ("max_pairs", rules.max_pairs))
    ]
    return rules._replace(threshold=limit, max_components=sizes[0], max_pairs=sizes[1])
