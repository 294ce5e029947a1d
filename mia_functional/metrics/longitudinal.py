"""Lesions at two times: which are new, gone, stable, split or merged, and how much they have grown."""

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.instance_matching import (
    OVERLAPS,
    Candidates,
    Overlap,
    any_overlap,
    centroid_within,
    greedy,
    overlap_of,
)
from mia_functional.metrics.instances import InstanceMatches, instance_matches
from mia_functional.metrics.lesion_sizes import equivalent_diameter
from mia_functional.morphology.runs import first_come_numbers
from mia_functional.typing import Array, Spacing

__all__ = ["CHANGE_KINDS", "ChangeCounts", "LesionChanges", "change_counts", "lesion_changes"]

CHANGE_KINDS = ("new", "gone", "stable", "split", "merged", "split and merged")
"""What has become of a group of lesions, by the numbers that `LesionChanges.kind` has."""


class LesionChanges(NamedTuple):
    """Groups of lesions that belong together at two times. `merge` joins those of several cases.

    Groups come in the order of their first lesion of the earlier time, then the new ones in the order of theirs.

    Attributes:
        kind: What has become of each group, a position in `CHANGE_KINDS`, shape (G,). One earlier lesion and one later
            one are stable, one and several split, several and one merged.
        earlier_count: Lesions of the group at the earlier time; of new ones 0.
        later_count: Lesions at the later time; of those gone 0.
        earlier_volume: Cubic millimetres of all these together (square ones in 2-D).
        later_volume: The same at the later time.
        growth: Later minus earlier volume.
        relative_growth: Growth over the earlier volume, -1 for what is gone; of new ones NaN.
        diameter_growth: By how many millimetres the `equivalent_diameter` of the volume has grown.
        earlier_group: The group of every lesion of the earlier time, in the order of `instance_matches`, shape (E,).
        later_group: The group of every lesion of the later time, shape (L,).
        cases: How many pairs of times there were.
    """

    kind: Array
    earlier_count: Array
    later_count: Array
    earlier_volume: Array
    later_volume: Array
    growth: Array
    relative_growth: Array
    diameter_growth: Array
    earlier_group: Array
    later_group: Array
    cases: Array


class ChangeCounts(NamedTuple):
    """How many groups of lesions there are of each kind, and how many of those at both times have grown or shrunk."""

    new: Array
    gone: Array
    stable: Array
    split: Array
    merged: Array
    split_and_merged: Array
    grown: Array
    shrunk: Array


@_array.one_node
def lesion_changes(
    earlier: Array,
    later: Array,
    *,
    spacing: Spacing,
    connectivity: int | None = None,
    instances: bool = False,
    ignore: Array | None = None,
    overlap: Overlap = "iou",
    threshold: float = 0.0,
    distance: float | None = None,
) -> LesionChanges:
    """Return what has become of lesions from one time to another, on one grid. It runs on the host.

    Lesions of both times that share voxels are linked, and what is linked, be it through others, is a group: a lesion
    that splits, or several that merge, are one.

    Args:
        earlier: Mask (bool, or integers 0 and 1) of one to three axes; with `instances`, a map of instance numbers from
            1 on, which need not be the same at both times.
        later: Array of the same shape, registered with the earlier one.
        spacing: Millimetres between voxel centres along each axis.
        connectivity: As in `instance_matches`.
        instances: Whether the arrays hold instance numbers.
        ignore: Mask of the same shape: voxels that belong to no lesion at either time.
        overlap: What the threshold is compared with: "iou", "dice", or "ior", the share of the earlier lesion.
        threshold: Smallest overlap of two lesions that are linked; by default one voxel is enough.
        distance: Lesions that are linked with none are linked too if their centroids are at most so many millimetres
            apart, the nearest first, each with one.

    Returns:
        A record of groups, of as many as there are.

    Raises:
        TypeError: An argument is not an array, holds floats or has no values, as in a program.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing or distance is not positive; a
            mask holds other values than 0 and 1; the threshold is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> earlier, later = np.array([1, 1, 1, 0, 1, 0, 0]), np.array([1, 0, 1, 0, 0, 0, 1])
        >>> changes = lesion_changes(earlier, later, spacing=(2.0,))
        >>> [CHANGE_KINDS[kind] for kind in changes.kind], changes.growth.tolist()
        (['split', 'gone', 'new'], [-2.0, -2.0, 2.0])

    Source:
        Commowick et al. 2021, MSSEG-2 challenge proceedings, for new lesions: those without a voxel in common with an
        earlier one.
    """
    name = "lesion_changes"
    checks.booleans(name, instances=instances)
    arrays = {"earlier": earlier, "later": later} | ({} if ignore is None else {"ignore": ignore})
    xp = _array.checked_namespace(name, **arrays)
    for argument, array in arrays.items():
        if _array.is_unknown(array):
            checks.invalid_kind(name, argument, "have values, of which the host finds lesions", "one in a program")
    checks.same_shape(name, "later", later.shape, earlier.shape, of="the earlier one")
    checks.one_of(name, "overlap", overlap, OVERLAPS)
    limit = checks.number(name, "threshold", threshold)
    if not 0 <= limit <= 1:
        checks.invalid_value(name, "threshold", "be between 0 and 1", threshold)
    reach = None if distance is None else checks.positive(name, "distance", distance)
    hosted = {argument: _array.to_numpy(array) for argument, array in arrays.items()}
    with checks.speaking_for(name, "instance_matches", prediction="later", reference="earlier"):
        found = instance_matches(
            hosted["later"],
            hosted["earlier"],
            spacing=spacing,
            connectivity=connectivity,
            instances=instances,
            ignore=hosted.get("ignore"),
            matching=any_overlap if reach is None else centroid_within,
            threshold=reach,
        )
    matches = cast(InstanceMatches, found)  # one record, as there are no labels
    changes = _changes_of(matches, *_links(matches, overlap, limit, reach))
    return LesionChanges(*(_array.from_numpy(_array.to_numpy(field), xp, earlier) for field in changes))


def _links(
    matches: InstanceMatches, overlap: Overlap, threshold: float, distance: float | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the earlier and later lesions that are linked: those that overlap enough, and of others the nearest."""
    pairs, sides = matches.pairs, (matches.prediction, matches.reference)
    later, earlier, shared = (_array.to_numpy(field) for field in pairs[:3])
    sizes, centroids = ([_array.to_numpy(getattr(side, name)) for side in sides] for name in ("sizes", "centroids"))
    value = _array.to_numpy(overlap_of(overlap, shared, sizes[0][later], sizes[1][earlier]))
    linked = (shared > 0) & (value >= threshold)
    if distance is not None:
        free = [
            np.bincount(index[linked], minlength=size.size) == 0
            for index, size in zip((later, earlier), sizes, strict=True)
        ]
        apart = np.linalg.norm(centroids[0][later] - centroids[1][earlier], axis=1)
        near = free[0][later] & free[1][earlier] & (apart <= distance)
        candidates = Candidates(later, earlier, shared, -apart, near, sizes[0], sizes[1], lambda *_: near)
        linked |= _array.to_numpy(greedy(candidates))
    return earlier[linked], later[linked]


def _changes_of(matches: InstanceMatches, earlier: NDArray[np.int64], later: NDArray[np.int64]) -> LesionChanges:
    """Return the groups that links between lesions of both times make, with arrays of NumPy."""
    from scipy.sparse import coo_matrix, csgraph  # at its first use: it takes as long to import as NumPy

    tables = matches.reference, matches.prediction
    volumes = [_array.to_numpy(table.volumes) for table in tables]
    first, count = volumes[0].size, volumes[0].size + volumes[1].size
    graph = coo_matrix((np.ones(earlier.size, np.bool_), (earlier, first + later)), (count, count))
    total, labels = csgraph.connected_components(graph, directed=False)
    groups = first_come_numbers(labels, int(total))
    owners = groups[:first], groups[first:]
    counts = [np.bincount(own, minlength=total) for own in owners]
    # Without any lesions the counts of NumPy are whole numbers, whatever the weights are.
    sums = [
        np.bincount(own, weights=part, minlength=total).astype(np.float64)
        for own, part in zip(owners, volumes, strict=True)
    ]
    before, after = (
        _array.to_numpy(equivalent_diameter(matches.reference._replace(volumes=volume))) for volume in sums
    )
    # By whether there are none, one or several lesions at the earlier time and at the later one.
    kinds = np.array([[0, 0, 0], [1, 2, 3], [1, 4, 5]])
    kind = kinds[np.minimum(counts[0], 2), np.minimum(counts[1], 2)]
    growth = sums[1] - sums[0]
    return LesionChanges(
        kind=kind,
        earlier_count=counts[0],
        later_count=counts[1],
        earlier_volume=sums[0],
        later_volume=sums[1],
        growth=growth,
        relative_growth=_array.ratio(growth, sums[0]),
        diameter_growth=after - before,
        earlier_group=owners[0],
        later_group=owners[1],
        cases=np.asarray(1),
    )


@_array.one_node
def change_counts(changes: LesionChanges, *, growth: float = 0.25) -> ChangeCounts:
    """Count the groups of lesions of each kind, and those that have grown or shrunk.

    Args:
        changes: Groups of lesions; those of several cases are joined by `merge`.
        growth: By which share of the earlier volume a group that is there at both times has to grow, or shrink, to
            count: a quarter is what the guideline for lung nodules calls growth.

    Returns:
        Integers: how many new, gone, stable and so on, in total and not per case. What has split or merged can have
        grown or shrunk as well.

    Raises:
        TypeError: `changes` is no record of `lesion_changes`; the growth is no number.
        ValueError: The growth is not positive and finite.

    Example:
        >>> import numpy as np
        >>> earlier, later = np.array([1, 1, 0, 1, 0, 0]), np.array([1, 1, 1, 0, 0, 1])
        >>> counts = change_counts(lesion_changes(earlier, later, spacing=(2.0,)))
        >>> int(counts.new), int(counts.stable), int(counts.grown)
        (1, 1, 1)

    Source:
        Callister et al. 2015, British Thoracic Society guidelines for pulmonary nodules,
        doi 10.1136/thoraxjnl-2015-207168.
    """
    name = "change_counts"
    checks.require_instance(name, "changes", changes, LesionChanges, "a record of `lesion_changes`")
    share = checks.positive(name, "growth", growth)
    kind, relative = changes.kind, changes.relative_growth
    xp = _array.array_namespace(kind)
    both = (changes.earlier_count > 0) & (changes.later_count > 0)
    chosen = [kind == number for number in range(len(CHANGE_KINDS))]
    chosen += [both & (relative >= share), both & (relative <= -share)]
    return ChangeCounts(*(xp.sum(xp.astype(flags, kind.dtype)) for flags in chosen))
