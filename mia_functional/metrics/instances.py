"""Components of a prediction matched with those of a reference: the statistic of every metric of lesions.

All axes are spatial, one to three of them. A component (lesion, instance) is what hangs together in a mask, or what has
a number of its own in a map of instances. Which components stand for each other is a rule, chosen by a function.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels import instance_tables
from mia_functional.metrics._kernels.host_tables import host_tables
from mia_functional.metrics._kernels.instance_slabs import structure_pair, structure_slabs
from mia_functional.metrics._kernels.instance_tables import ComponentTable, PairTables
from mia_functional.metrics._kernels.numbered_runs import NumberedRuns, number_runs
from mia_functional.metrics.instance_matching import (
    MATCHINGS,
    AtThreshold,
    Candidates,
    Matching,
    Overlap,
    centroid_within,
    greedy,
    overlap_of,
)
from mia_functional.metrics.instance_rules import InstanceRules, checked_structures
from mia_functional.metrics.statistic_or_pair import derived_from_each
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["InstanceMatches", "InstancePairs", "Instances", "from_instances", "instance_matches", "matches_of_runs"]

_FUNCTION = "instance_matches"  # the function that messages name


_LISTED: tuple[Overlap, Overlap] = ("iou", "dice")
"""The overlaps that records list."""


class Instances(NamedTuple):
    """Components of one array, in order.

    Attributes:
        sizes: Voxels of each, shape (N,); 0 in what fills up a fixed shape.
        volumes: Cubic millimetres (square ones in 2-D).
        centroids: Mean positions in millimetres from the centre of the first voxel, shape (N, D).
        boxes: First voxel, and the one behind the last, along every axis: shape (N, D, 2).
        matched: Whether the rule matched it with a component of the other array.
        partners: How many components of the other array it shares a voxel with.
    """

    sizes: Array
    volumes: Array
    centroids: Array
    boxes: Array
    matched: Array
    partners: Array


class InstancePairs(NamedTuple):
    """Pairs of components that share a voxel, or are matched, in order of prediction, then reference.

    Attributes:
        prediction: Position of the predicted component, shape (K,); -1 in what fills up a fixed shape.
        reference: Position of the reference component.
        intersection: Voxels that both share.
        iou: Intersection over union.
        dice: Dice coefficient.
        matched: Whether the rule matched them.
    """

    prediction: Array
    reference: Array
    intersection: Array
    iou: Array
    dice: Array
    matched: Array


class InstanceMatches(NamedTuple):
    """Components of a prediction and a reference, and which stand for each other. `merge` joins those of several cases.

    Attributes:
        prediction: Components of the prediction.
        reference: Components of the reference.
        pairs: Pairs of them.
        shared: For every reference component, the voxels that it shares with the predictions matched to it.
        claimed: For every reference component, the voxels of the predictions matched to it.
        cases: How many pairs of arrays there were.
        overflow: How many of them had more components or pairs than the fixed shapes of a program hold: metrics are NaN
            then.
    """

    prediction: Instances
    reference: Instances
    pairs: InstancePairs
    shared: Array
    claimed: Array
    cases: Array
    overflow: Array


@_array.one_node
def instance_matches(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    connectivity: int | None = None,
    matching: Matching = greedy,
    overlap: Overlap = "iou",
    threshold: float | None = None,
    comparison: AtThreshold = ">=",
    instances: bool = False,
    ignore: Array | None = None,
    max_components: int | None = None,
    max_pairs: int | None = None,
    memory: int | None = None,
) -> InstanceMatches | tuple[InstanceMatches, ...]:
    """Find the components (lesions, instances) of a prediction and of a reference, and match them.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map; with
            `instances`, a map of instance numbers from 1 on.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        connectivity: How many coordinates of neighbours may differ, as in `morphology.connected_components`; as many as
            there are axes by default, so that what touches at a corner hangs together.
        matching: Which components stand for each other: `greedy`, `bipartite`, `many_to_one`, `any_overlap`,
            `centroid_within`, or a function of `Candidates` like them.
        overlap: What the threshold is compared with: "iou", "dice", or "ior", the share of the reference.
        threshold: Smallest overlap of a match, 0.5 by default; for `centroid_within` the largest distance in
            millimetres, which has to be given. `any_overlap` takes none.
        comparison: ">=" matches a pair whose overlap is the threshold (whose distance is, for `centroid_within`), ">"
            does not.
        instances: Whether the arrays hold instance numbers, so that nothing is looked for; not with `labels`.
        ignore: Mask of the same shape: voxels of which it is not known what they are. They belong to no component.
        max_components: Room for so many components of each array, and
        max_pairs: room for so many pairs: both are needed in a program of JAX, whose shapes are fixed.
        memory: About how many bytes may be taken beyond the arrays and the record: the arrays are worked through in
            slabs along the first axis, and the record is the same to the bit. By default whole arrays, which takes a
            quarter of a byte a voxel for lesions and up to 100 for noise. Programs take no notice of it.

    Returns:
        Components and pairs; with `labels`, a tuple of such records, one per label. Components are numbered by their
        first voxels in array order, instances by their numbers.

    Raises:
        TypeError: An argument is not an array or holds floats; arrays of two libraries other than NumPy, or of two
            devices, meet; in a program, a maximum is missing or the rule is `bipartite`.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; a mask holds
            other values than 0 and 1; a label is negative; an option is unknown or does not go with another.

    Example:
        >>> import numpy as np
        >>> found = instance_matches(np.array([1, 1, 0, 1, 0]), np.array([1, 1, 0, 0, 1]), spacing=(2.0,))
        >>> found.prediction.volumes.tolist(), found.pairs.iou.tolist(), found.reference.matched.tolist()
        ([4.0, 2.0], [1.0], [True, False])

    Source:
        Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.

    Agrees with:
        panoptica (`NaiveThresholdMatching` is `greedy`, `MaxBipartiteMatching` is `bipartite`).
    """
    checks.booleans(_FUNCTION, instances=instances)
    rules = InstanceRules(
        spacing, connectivity, matching, overlap, comparison, math.nan, max_components, max_pairs, memory
    )
    given = checked_structures(
        _FUNCTION, prediction, reference, rules, threshold=threshold, labels=labels, instances=instances, ignore=ignore
    )
    records = tuple(_matches_of_pair(given.maps, given.ignored, one, rules=given.rules) for one in given.label_sets)
    return records[0] if labels is None else records


def _matches_of_pair(
    maps: tuple[Array, ...], ignored: tuple[Array, ...], label_set: tuple[int, ...] | None, *, rules: InstanceRules
) -> InstanceMatches:
    """Return the record of a pair of boolean masks, of maps of instance numbers, or of one structure of label maps."""
    given = *maps, *ignored
    traced = any(map(_array.is_traced, given))
    unknown = any(_array.is_torch(array) and _array.is_unknown(array) for array in given)
    if (traced or unknown) and (rules.max_components is None or rules.max_pairs is None):
        name = "max_components" if rules.max_components is None else "max_pairs"
        checks.invalid_kind(_FUNCTION, name, "be given in a program, whose shapes are fixed", "None")
    if traced:
        return _array.jit_call(_matches_in_program, *structure_pair(maps, ignored, label_set), rules=rules)
    if unknown:
        return _matches_in_torch_program(*structure_pair(maps, ignored, label_set), rules=rules)
    slabs = structure_slabs(maps, ignored, label_set, memory=rules.memory)
    reach = rules.connectivity
    runs = ([number_runs(_array.to_numpy(array), reach) for array in pair] for pair in slabs)
    return matches_of_runs(runs, rules, maps[0])


def matches_of_runs(slabs: Iterable[Sequence[NumberedRuns]], rules: InstanceRules, model: Array) -> InstanceMatches:
    """Return the record of the runs of both arrays, in the library of `model`; of arrays in slabs, of every slab."""
    record, xp = _matches_on_host(slabs, rules), _array.array_namespace(model)
    return _rebuilt([_array.from_numpy(_array.to_numpy(field), xp, model) for field in _arrays_of(record)])


def _arrays_of(record: InstanceMatches) -> list[Array]:
    """Return the arrays of a record one after the other."""
    return [*record.prediction, *record.reference, *record.pairs, *record[3:]]


def _rebuilt(fields: list[Array]) -> InstanceMatches:
    """Return the record of such arrays."""
    return InstanceMatches(
        Instances(*fields[:6]), Instances(*fields[6:12]), InstancePairs(*fields[12:18]), *fields[18:]
    )


def _matches_on_host(slabs: Iterable[Sequence[NumberedRuns]], rules: InstanceRules) -> InstanceMatches:
    """Return the record of the runs of slabs as NumPy arrays."""
    tables = host_tables(slabs, connectivity=rules.connectivity)
    most, codes, shared = rules.max_components, tables.codes, _array.to_numpy(tables.shared)
    width = tables.reference.sizes.shape[0]
    first, second = divmod(cast(Any, codes), max(width, 1))
    overflow = tables.overflow
    if most is not None:
        sizes = tables.prediction.sizes, tables.reference.sizes
        overflow = np.asarray(max(size.shape[0] for size in sizes) > most)
        inside = (first < most) & (second < most)
        first, second, shared = first[inside], second[inside], shared[inside]
        padded = [instance_tables.padded_table(table, most) for table in tables[:2]]
        tables = PairTables(padded[0], padded[1], None, shared, overflow)
    if rules.matching is centroid_within:
        near = _array.to_numpy(_near(tables, rules))
        near[first, second] = True
        voxels = np.zeros(near.shape, np.int64)
        voxels[first, second] = shared
        first, second = np.nonzero(near)
        shared = voxels[first, second]
    if rules.max_pairs is not None:
        overflow = np.asarray(overflow | (first.size > rules.max_pairs))
        behind = (0, max(0, rules.max_pairs - first.size))
        first, second = (np.pad(index, behind, constant_values=-1)[: rules.max_pairs] for index in (first, second))
        shared = np.pad(shared, behind)[: rules.max_pairs]
    return _record(tables, (first, second, shared), rules, overflow)


def _matches_in_program(prediction: Array, reference: Array, *, rules: InstanceRules) -> InstanceMatches:
    """Return the record of arrays of JAX with fixed shapes."""
    most, pairs = cast(int, rules.max_components), cast(int, rules.max_pairs)
    tables = instance_tables.program_tables(prediction, reference, connectivity=rules.connectivity, most=most)
    xp, wanted = _array.array_namespace(tables.shared), tables.shared > 0
    if rules.matching is centroid_within:
        wanted |= _near(tables, rules)
    first, second, more = instance_tables.pairs_of_matrix(wanted, pairs)
    voxels = xp.take(xp.reshape(tables.shared, (-1,)), xp.maximum(first * most + second, 0))
    shared = xp.where(first < 0, 0, voxels)
    return _record(tables, (first, second, shared), rules, tables.overflow | more)


def _near(tables: PairTables, rules: InstanceRules) -> Array:
    """Return for all pairs of components whether their centroids are near enough, (P, R)."""
    points = _centroids(tables.prediction, rules), _centroids(tables.reference, rules)
    there = (tables.prediction.sizes > 0)[:, None] & (tables.reference.sizes > 0)[None, :]
    return there & _passes(-(instance_tables.squared_distances(*points) ** 0.5), -rules.threshold, rules.comparison)


def _centroids(table: ComponentTable, rules: InstanceRules) -> Array:
    """Return the centroids of components in millimetres."""
    xp = _array.array_namespace(table.centres)
    step = _array.broadcast_along(xp, np.asarray(rules.spacing), 1, table.centres)
    return table.centres * xp.astype(step, table.centres.dtype)


def _passes(score: Array, threshold: float, comparison: AtThreshold) -> Array:
    """Return whether scores pass the threshold."""
    return score >= threshold if comparison == ">=" else score > threshold


def _record(
    tables: PairTables, pairs: tuple[Array, Array, Array], rules: InstanceRules, overflow: Array
) -> InstanceMatches:
    """Return the record of components and of the pairs that share voxels or are near."""
    first, second, shared = pairs
    xp = _array.array_namespace(shared)
    sizes = [table.sizes for table in (tables.prediction, tables.reference)]
    places = [xp.maximum(index, 0) for index in (first, second)]

    def of_pair(side: int, field: Array) -> Array:
        # Of lists without an entry nothing can be taken.
        return xp.take(field, places[side], axis=0) if 0 not in (field.shape[0], first.shape[0]) else field[:0]

    parts = [xp.where(first < 0, 0, of_pair(side, field)) for side, field in enumerate(sizes)]
    is_pair = first >= 0
    if rules.matching is centroid_within:
        points = [of_pair(side, _centroids(table, rules)) for side, table in enumerate(tables[:2])]
        score = -xp.sqrt(xp.sum((points[0] - points[1]) ** 2, axis=-1))
        accepted = is_pair & _passes(score, -rules.threshold, rules.comparison)
    else:
        score = overlap_of(rules.overlap, shared, *parts)
        accepted = is_pair & (shared > 0) & _passes(score, rules.threshold, rules.comparison)

    def passes(intersection: Array, claimed: Array, referenced: Array) -> Array:
        value = overlap_of(rules.overlap, intersection, claimed, referenced)
        return _passes(value, rules.threshold, rules.comparison)

    matched = rules.matching(Candidates(first, second, shared, score, accepted, sizes[0], sizes[1], passes)) & is_pair

    def total(side: int, values: Array) -> Array:
        if 0 in (sizes[side].shape[0], first.shape[0]):
            return xp.zeros_like(sizes[side])
        return _array.add_at(xp.zeros_like(sizes[side]), places[side], xp.astype(values, sizes[side].dtype))

    volume = math.prod(rules.spacing)
    columns = [
        Instances(
            table.sizes, xp.astype(table.sizes, table.centres.dtype) * volume, _centroids(table, rules), table.boxes,
            total(side, matched) > 0, total(side, shared > 0),
        )
        for side, table in enumerate(tables[:2])
    ]  # fmt: skip
    iou, dice = (overlap_of(kind, shared, parts[0], parts[1]) for kind in _LISTED)
    return InstanceMatches(
        columns[0], columns[1], InstancePairs(first, second, shared, iou, dice, matched),
        total(1, xp.where(matched, shared, 0)),
        total(1, xp.where(matched, parts[0], 0)), xp.ones_like(xp.astype(overflow, sizes[0].dtype)),
        xp.astype(overflow, sizes[0].dtype),
    )  # fmt: skip


def _matches_in_torch_program(prediction: Array, reference: Array, *, rules: InstanceRules) -> InstanceMatches:
    """Return the record of tensors without values, as one operation of the program."""
    if rules.matching not in MATCHINGS.values():
        checks.invalid_kind(
            _FUNCTION, "matching", "be one of ours in a program of PyTorch", checks.describe(rules.matching)
        )
    xp, ndim = _array.array_namespace(prediction), prediction.ndim
    most, pairs = cast(int, rules.max_components), cast(int, rules.max_pairs)
    tables = [(most,), (most,), (most, ndim), (most, ndim, 2), (most,), (most,)]
    shapes = [*tables, *tables, *[(pairs,)] * 6, (most,), (most,), (), ()]
    bounds = [0, *itertools.accumulate(map(math.prod, shapes))]
    options = rules._asdict() | {"matching": rules.matching.__name__}
    packed = _array.call_opaquely(
        _FUNCTION, _packed_record, prediction, reference, shape=(bounds[-1],), dtype=xp.float64, **options
    )
    floats, flags = (1, 2, 7, 8, 15, 16), (4, 10, 17)
    fields = [
        xp.astype(
            xp.reshape(packed[low:high], shape),
            xp.float64 if number in floats else xp.bool if number in flags else xp.int64,
        )
        for number, (shape, low, high) in enumerate(zip(shapes, bounds, bounds[1:], strict=False))
    ]
    return _rebuilt(fields)


def _packed_record(prediction: Array, reference: Array, **options: Any) -> Array:
    """Return all numbers of a record in one array."""
    rules = InstanceRules(**options)
    rules = rules._replace(matching=MATCHINGS[options["matching"]], spacing=tuple(rules.spacing))
    runs = [number_runs(_array.to_numpy(array), rules.connectivity) for array in (prediction, reference)]
    record = _matches_on_host([runs], rules)
    flat = np.concatenate([np.ravel(_array.to_numpy(field)).astype(np.float64) for field in _arrays_of(record)])
    return _array.from_numpy(flat, _array.array_namespace(prediction), prediction)


def _value_if_complete(formula: Callable[..., Array], matches: InstanceMatches, options: dict[str, Any]) -> Array:
    """Return the value of a formula, NaN where components or pairs are missing from the record."""
    value = formula(matches, **options)
    return _array.array_namespace(matches.overflow).where(matches.overflow > 0, math.nan, value)


from_instances = derived_from_each(instance_matches, InstanceMatches, evaluate=_value_if_complete)
"""Decorator of the metrics of components that were matched."""
