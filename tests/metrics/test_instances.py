"""Components and their matches: against brute force on small arrays, by hand, merged, in programs; wrong arguments."""

import itertools
from functools import partial

import jax
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import (
    any_overlap,
    bipartite,
    centroid_within,
    greedy,
    instance_matches,
    many_to_one,
    merge,
)

from ..morphology.test_components import brute_components

SPACINGS = (2.0, 1.0, 0.5)
SHAPES = [(23,), (9, 8), (7, 7, 7), (5, 1, 6)]
OVERLAPS = {
    "iou": lambda one, other: len(one & other) / len(one | other),
    "dice": lambda one, other: 2 * len(one & other) / (len(one) + len(other)),
    "ior": lambda one, other: len(one & other) / len(other),
}


def scene(seed, shape, *, share=0.25):
    """Return two masks of few components each, which differ in some voxels."""
    rng = np.random.default_rng(seed)
    reference = rng.random(shape) < share
    return reference ^ (rng.random(shape) < 0.12), reference


def voxel_sets(mask, connectivity=None):
    """Return the components of a mask as sets of voxels, in order."""
    labels = brute_components(mask, mask.ndim if connectivity is None else connectivity)
    return [{tuple(voxel) for voxel in np.argwhere(labels == number).tolist()} for number in range(1, labels.max() + 1)]


def brute_greedy(scores, limit):
    """Return the pairs of components that a walk over all pairs by their scores matches."""
    pairs = sorted(((-score, *pair) for pair, score in scores.items() if score >= limit))
    chosen = []
    for _, one, other in pairs:
        if all(one != a and other != b for a, b in chosen):
            chosen.append((one, other))
    return sorted(chosen)


def brute_many_to_one(predictions, references, measure, limit):
    """Return the pairs that belong to references whose parts together overlap with them well enough."""
    owners = {}
    for number, part in enumerate(predictions):
        shared = [len(part & other) for other in references]
        if max(shared, default=0):
            owners[number] = shared.index(max(shared))
    pairs = []
    for number, other in enumerate(references):
        parts = [one for one, owner in owners.items() if owner == number]
        if parts and measure(set().union(*(predictions[one] for one in parts)), other) >= limit:
            pairs += [(one, number) for one in parts]
    return sorted(pairs)


def matched_pairs(found):
    """Return the matched pairs of a record."""
    pairs = found.pairs
    columns = (np.asarray(pairs.prediction), np.asarray(pairs.reference), np.asarray(pairs.matched))
    return [(int(one), int(other)) for one, other, matched in zip(*columns, strict=True) if matched]


@pytest.mark.parametrize("connectivity", [1, None])
@pytest.mark.sampled(16)
@pytest.mark.parametrize("shape", SHAPES)
def test_tables_equal_sets_of_voxels(xp, shape, connectivity):
    if xp.name == "jax-jit":
        pytest.skip("has fixed shapes, below")
    step = SPACINGS[: len(shape)]
    pair = scene(1, shape)
    found = xp.run(partial(instance_matches, spacing=step, connectivity=connectivity), *pair)
    one, other = (voxel_sets(mask, connectivity) for mask in pair)
    for table, components, partners in ((found.prediction, one, other), (found.reference, other, one)):
        assert table.sizes.tolist() == [len(component) for component in components]
        np.testing.assert_allclose(table.volumes, [len(component) * np.prod(step) for component in components])
        places = [np.array(sorted(component)) for component in components]
        np.testing.assert_allclose(table.centroids, [place.mean(axis=0) * step for place in places], rtol=1e-6)
        boxes = [np.stack([place.min(axis=0), place.max(axis=0) + 1], axis=1) for place in places]
        np.testing.assert_array_equal(table.boxes, boxes)
        assert table.partners.tolist() == [sum(bool(a & b) for b in partners) for a in components]
    shared = {
        (a, b): len(one[a] & other[b]) for a, b in itertools.product(range(len(one)), range(len(other)))
        if one[a] & other[b]
    }  # fmt: skip
    pairs = found.pairs
    assert list(zip(pairs.prediction.tolist(), pairs.reference.tolist(), strict=True)) == sorted(shared)
    assert pairs.intersection.tolist() == [shared[key] for key in sorted(shared)]
    for field, name in ((pairs.iou, "iou"), (pairs.dice, "dice")):
        np.testing.assert_allclose(field, [OVERLAPS[name](one[a], other[b]) for a, b in sorted(shared)], rtol=1e-6)


@pytest.mark.parametrize("overlap", OVERLAPS)
@pytest.mark.parametrize("seed", range(6))
def test_rules_equal_brute_force(overlap, seed):
    shape = SHAPES[seed % 4]
    step, limit = SPACINGS[: len(shape)], (0.5, 0.25, 0.1)[seed % 3]
    pair = scene(seed, shape)
    one, other = map(voxel_sets, pair)
    measure = OVERLAPS[overlap]
    scores = {
        (a, b): measure(one[a], other[b]) for a, b in itertools.product(range(len(one)), range(len(other)))
        if one[a] & other[b]
    }  # fmt: skip
    options = {"spacing": step, "overlap": overlap, "threshold": limit}
    assert matched_pairs(instance_matches(*pair, **options)) == brute_greedy(scores, limit)
    found = matched_pairs(instance_matches(*pair, matching=many_to_one, **options))
    assert found == brute_many_to_one(one, other, measure, limit)
    assert matched_pairs(instance_matches(*pair, spacing=step, matching=any_overlap)) == sorted(scores)
    best = matched_pairs(instance_matches(*pair, matching=bipartite, **options))
    assert len({a for a, _ in best}) == len({b for _, b in best}) == len(best)
    accepted = {key: score for key, score in scores.items() if score >= limit}
    assert sum(accepted[key] for key in best) == pytest.approx(best_sum(accepted))
    centres = [[np.array(sorted(part)).mean(axis=0) * step for part in parts] for parts in (one, other)]
    near = {
        (a, b): -float(np.linalg.norm(centres[0][a] - centres[1][b]))
        for a, b in itertools.product(range(len(one)), range(len(other)))
    }
    found = instance_matches(*pair, spacing=step, matching=centroid_within, threshold=1.7)
    assert matched_pairs(found) == brute_greedy(near, -1.7)


def test_splits_and_merges_equal_brute_force():
    counted = []
    for seed in range(8):
        pair = scene(seed, SHAPES[seed % 4])
        found = instance_matches(*pair, spacing=SPACINGS[: pair[0].ndim], connectivity=1)
        one, other = (voxel_sets(mask, 1) for mask in pair)
        splits, merges = (
            sum(sum(bool(own & part) for part in parts) > 1 for own in owns)
            for owns, parts in ((other, one), (one, other))
        )
        assert (metrics.lesion_splits(found), metrics.lesion_merges(found)) == (splits, merges)
        counted.append((splits, merges))
    # The scenes have both, in different numbers.
    assert len({*counted}) > 4


def best_sum(scores):
    """Return the largest sum of scores of pairs of which no two share a component."""
    if not scores:
        return 0.0
    (one, other), score = next(iter(scores.items()))
    rest = {pair: value for pair, value in scores.items() if pair != (one, other)}
    free = {pair: value for pair, value in rest.items() if pair[0] != one and pair[1] != other}
    return max(score + best_sum(free), best_sum(rest))


RULES = [(greedy, 0.2), (many_to_one, 0.2), (any_overlap, None), (centroid_within, 1.7)]


@pytest.mark.slow
@pytest.mark.sampled(1)
@pytest.mark.parametrize("connectivity", [1, 2, 3])
@pytest.mark.parametrize(("matching", "threshold"), RULES)
def test_programs_give_what_numpy_gives(matching, threshold, connectivity):
    options = {"matching": matching, "threshold": threshold, "connectivity": connectivity}
    measure = partial(instance_matches, spacing=SPACINGS, max_components=40, max_pairs=60, **options)
    program = jax.jit(measure)
    for seed in range(4):
        pair = scene(seed, (7, 6, 5))
        right = measure(*pair)
        assert right.overflow == 0
        for found, expected in zip(jax.tree.leaves(program(*pair)), jax.tree.leaves(right), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("traced", [(0,), (1,), (2,), (0, 2)])
def test_any_of_the_arrays_may_be_closed_over_in_a_program(traced):
    rng = np.random.default_rng(5)
    arrays = [*rng.integers(0, 4, (2, 5, 4, 3)).astype(np.int32), (rng.random((5, 4, 3)) < 0.2).astype(np.int32)]
    options = {"labels": ((2, 3),), "matching": any_overlap, "max_components": 30, "max_pairs": 60}

    def measure(prediction, reference, ignored):
        (record,) = instance_matches(prediction, reference, spacing=SPACINGS, ignore=ignored, **options)
        return record

    given = [jax.numpy.asarray(array) for array in arrays]

    def program(*arguments):
        return measure(*[arguments[traced.index(k)] if k in traced else array for k, array in enumerate(given)])

    found = jax.jit(program)(*(given[k] for k in traced))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(measure(*arrays)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.full
def test_an_overflow_is_told_and_never_a_wrong_number():
    pair = scene(1, (9, 8))
    components = max(len(voxel_sets(mask)) for mask in pair)
    pairs = len(instance_matches(*pair, spacing=(1, 1)).pairs.matched)
    for most, room in ((components - 1, pairs), (components, pairs - 1)):
        measure = partial(instance_matches, spacing=(1, 1), max_components=most, max_pairs=room)
        for found in (measure(*pair), jax.jit(measure)(*pair)):
            assert found.overflow == 1
            assert np.isnan(metrics.lesion_f1(found))
            assert np.isnan(metrics.lesion_recall_by_volume(found, edges=(2,))).all()
    measure = partial(instance_matches, spacing=(1, 1), max_components=components, max_pairs=pairs)
    for found in (measure(*pair), jax.jit(measure)(*pair)):
        assert found.overflow == 0
        assert metrics.lesion_f1(found) == pytest.approx(float(metrics.lesion_f1(*pair, spacing=(1, 1))))


@pytest.mark.full
def test_maps_of_instances_are_taken_as_they_are():
    prediction, reference = np.array([7, 7, 3, 3, 0, 7]), np.array([2, 2, 2, 0, 9, 2])
    measure = partial(instance_matches, spacing=(1.0,), instances=True)
    found = measure(prediction, reference)
    assert found.prediction.sizes.tolist() == [2, 3]
    assert found.reference.sizes.tolist() == [4, 1]
    assert found.pairs.intersection.tolist() == [1, 3]
    assert found.pairs.matched.tolist() == [False, True]
    fixed = partial(measure, max_components=9, max_pairs=5)
    for one, other in zip(
        jax.tree.leaves(jax.jit(fixed)(prediction, reference)), jax.tree.leaves(fixed(prediction, reference)),
        strict=True,
    ):  # fmt: skip
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_a_threshold_is_reached_or_passed():
    pair = np.array([1, 1, 0]), np.array([1, 0, 0])
    for overlap, value in (("iou", 0.5), ("dice", 2 / 3), ("ior", 1.0)):
        for comparison, expected in ((">=", 1.0), (">", 0.0)):
            options = {"overlap": overlap, "threshold": value, "comparison": comparison}
            assert metrics.lesion_f1(*pair, spacing=(1.0,), **options) == expected
    for comparison, expected in ((">=", 1.0), (">", 0.0)):
        options = {"matching": centroid_within, "threshold": 0.5, "comparison": comparison}
        assert metrics.lesion_f1(*pair, spacing=(1.0,), **options) == expected


#           one that is found well, one in two parts, one of two that are merged, missed ones of 1 and 3, an invention
REFERENCE = np.array([1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0])
PREDICTION = np.array([1, 1, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1])


@pytest.mark.sampled(10)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # References have 4, 5, 2, 3, 1 and 3 voxels, predictions 3, 2, 2, 6 and 2.
        ({}, {"TP": 2, "FP": 3, "FN": 4, "IOU": 3 / 4 + 3 / 6, "missed": 5 + 2 + 1 + 3, "false": 2 + 2 + 2}),
        ({"comparison": ">"}, {"TP": 1, "FP": 4, "FN": 5, "IOU": 3 / 4, "missed": 14, "false": 12}),
        (
            {"matching": many_to_one},
            {"TP": 3, "FP": 1, "FN": 3, "IOU": 3 / 4 + 4 / 5 + 3 / 6, "missed": 6, "false": 2},
        ),
        (
            {"matching": any_overlap},
            {"TP": 4, "FP": 1, "FN": 2, "IOU": 3 / 4 + 4 / 5 + 2 / 6 + 3 / 6, "missed": 4, "false": 2},
        ),
    ],
)
def test_metrics_of_a_scene_by_hand(xp, options, expected):
    if xp.name == "jax-jit":
        options = {**options, "max_components": 8, "max_pairs": 8}
    tp, fp, fn, iou = (expected[name] for name in ("TP", "FP", "FN", "IOU"))
    right = {
        "lesion_precision": tp / (tp + fp),
        "lesion_recall": tp / (tp + fn),
        "lesion_f1": 2 * tp / (2 * tp + fp + fn),
        "recognition_quality": tp / (tp + fp / 2 + fn / 2),
        "segmentation_quality": iou / tp,
        "panoptic_quality": iou / (tp + fp / 2 + fn / 2),
        "false_positives_per_case": fp,
        "lesion_splits": 1,
        "lesion_merges": 1,
        "missed_volume": 2.0 * expected["missed"],
        "false_volume": 2.0 * expected["false"],
    }

    def measure(prediction, reference):
        found = instance_matches(prediction, reference, spacing=(2.0,), **options)
        return tuple(getattr(metrics, name)(found) for name in right)

    np.testing.assert_allclose(xp.run(measure, PREDICTION, REFERENCE), [*right.values()], rtol=1e-6)


def test_empty_masks():
    none, some = np.zeros((3, 4), bool), np.zeros((3, 4), bool)
    some[1, 1:3] = True
    call = partial(instance_matches, spacing=(1.0, 2.0))
    both, missed, invented = call(none, none), call(none, some), call(some, none)
    for name in ("lesion_f1", "recognition_quality", "panoptic_quality"):
        metric = getattr(metrics, name)
        assert np.isnan(metric(both))
        assert metric(both, zero_division=1.0) == 1
        assert metric(missed) == metric(invented) == 0
    assert np.isnan(metrics.lesion_precision(missed))
    assert np.isnan(metrics.lesion_recall(invented))
    assert np.isnan(metrics.segmentation_quality(missed))
    assert metrics.lesion_recall(missed) == metrics.lesion_precision(invented) == 0
    assert metrics.missed_volume(missed) == metrics.false_volume(invented) == 4
    for rule, threshold in [*RULES, (bipartite, None)]:
        for pair in ((none, none), (none, some), (some, none)):
            assert not call(*pair, matching=rule, threshold=threshold).pairs.matched.any()


@pytest.mark.parametrize("matching", [greedy, bipartite, many_to_one, any_overlap])
def test_merged_records_are_those_of_all_cases(matching):
    """Cases side by side, with a plane of background between them, are one case with the components of both."""
    pairs = [scene(seed, (5, 6, 4)) for seed in range(3)]
    call = partial(instance_matches, spacing=SPACINGS, matching=matching)
    records = [call(*pair) for pair in pairs]
    merged = merge(*records)
    wall = np.zeros((1, 6, 4), bool)
    whole = call(
        *(np.concatenate([part for mask in masks for part in (mask, wall)]) for masks in zip(*pairs, strict=True))
    )
    assert merged.cases == 3
    for field in ("sizes", "volumes", "matched", "partners"):
        for side in range(2):
            np.testing.assert_array_equal(getattr(merged[side], field), getattr(whole[side], field))
    for one, other in zip((*merged.pairs, merged.shared, merged.claimed), (*whole.pairs, *whole[3:5]), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("lesion_f1", "panoptic_quality", "segmentation_quality"):
        assert getattr(metrics, name)(merged) == pytest.approx(float(getattr(metrics, name)(whole)))
    assert metrics.false_positives_per_case(merged) == pytest.approx(float(metrics.false_positives_per_case(whole)) / 3)
    empty = metrics.identity(records[0])
    again = merge(empty, records[0], empty)
    for one, other in zip(jax.tree.leaves(again), jax.tree.leaves(records[0]), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("matching", [greedy, bipartite, many_to_one])
def test_flips_permutations_and_numbers_change_nothing(matching):
    rng = np.random.default_rng(3)
    for seed in range(4):
        pair = scene(seed, (6, 7, 5))
        call = partial(metrics.panoptic_quality, matching=matching)
        value = float(call(*pair, spacing=SPACINGS))
        assert float(call(*(np.flip(mask, (0, 2)) for mask in pair), spacing=SPACINGS)) == pytest.approx(value)
        turned = [mask.transpose(2, 0, 1) for mask in pair]
        assert float(call(*turned, spacing=(0.5, 2.0, 1.0))) == pytest.approx(value)
        maps = [brute_components(mask, 3) for mask in pair]
        numbers = [np.concatenate([[0], 1 + rng.permutation(200)[: labels.max()]]) for labels in maps]
        renumbered = [table[labels] for table, labels in zip(numbers, maps, strict=True)]
        assert float(call(*renumbered, spacing=SPACINGS, instances=True)) == pytest.approx(value)


PANOPTICA = {
    32: {
        "greedy": (1, 2, 3, 1.0, 0.2857142857142857, 1.0),
        "bipartite": (1, 2, 3, 1.0, 0.2857142857142857, 1.0),
        "greedy_dice": (2, 1, 2, 0.625, 0.3571428571428571, 0.7),
    },
    43: {
        "greedy": (1, 3, 3, 0.3333333333333333, 0.08333333333333333, 0.5),
        "bipartite": (1, 3, 3, 0.3333333333333333, 0.08333333333333333, 0.5),
        "greedy_dice": (2, 2, 2, 0.2971014492753623, 0.14855072463768115, 0.4568965517241379),
    },
    63: {
        "greedy": (1, 4, 1, 0.35294117647058826, 0.10084033613445378, 0.5217391304347826),
        "bipartite": (1, 4, 1, 0.35294117647058826, 0.10084033613445378, 0.5217391304347826),
        "greedy_dice": (2, 3, 0, 0.30147058823529416, 0.17226890756302524, 0.4608695652173913),
    },
    112: {
        "greedy": (1, 3, 1, 0.35, 0.11666666666666665, 0.5185185185185185),
        "bipartite": (1, 3, 1, 0.35, 0.11666666666666665, 0.5185185185185185),
        "greedy_dice": (2, 2, 0, 0.31535087719298244, 0.21023391812865494, 0.47843734145104005),
    },
}
"""By the seed of a scene and the rule, what panoptica 2.1.7 gives: TP, FP, FN, SQ of IoU, PQ of IoU, SQ of Dice."""

PANOPTICAS_RULES = {
    "greedy": {"threshold": 0.3},
    "bipartite": {"threshold": 0.3, "matching": bipartite},
    "greedy_dice": {"threshold": 0.4, "overlap": "dice"},
}


def boxes(seed):
    """Return a prediction of boxes that is moved by up to a voxel, with some missed, and its reference."""
    rng = np.random.default_rng(seed)
    reference, prediction = np.zeros((2, 9, 8, 7), np.uint8)
    for _ in range(6):
        corner = [rng.integers(0, size - 2) for size in reference.shape]
        sides, moved = rng.integers(1, 4, 3), rng.integers(-1, 2, 3)
        reference[tuple(slice(first, first + side) for first, side in zip(corner, sides, strict=True))] = 1
        if rng.random() < 0.8:
            starts = [max(first + step, 0) for first, step in zip(corner, moved, strict=True)]
            prediction[tuple(slice(first, first + side) for first, side in zip(starts, sides, strict=True))] = 1
    return prediction, reference


@pytest.mark.parametrize("rule", PANOPTICAS_RULES)
@pytest.mark.parametrize("seed", PANOPTICA)
def test_panopticas_numbers(seed, rule):
    found = instance_matches(*boxes(seed), spacing=(1, 1, 1), **PANOPTICAS_RULES[rule])
    values = [
        found.reference.matched.sum(),
        (~found.prediction.matched).sum(),
        (~found.reference.matched).sum(),
        metrics.segmentation_quality(found),
        metrics.panoptic_quality(found),
        found.pairs.dice[found.pairs.matched].mean(),
    ]
    np.testing.assert_allclose(values, PANOPTICA[seed][rule], atol=1e-9)


def test_labels_and_evaluate():
    rng = np.random.default_rng(5)
    maps = rng.integers(0, 3, (2, 9, 8)).astype(np.uint8)
    labels, step = {1: "core", 2: "rim", (1, 2): "whole"}, (1.0, 2.0)
    names = ["LESION_F1", "PQ@Dice0.3", "LESION_RECALL@matching=any_overlap", "LESION_FP@IoR0.2,matching=many_to_one"]
    table = evaluate(*maps, metrics=names, labels=labels, spacing=step)
    assert [row.metric for row in table][:4] == [
        "LESION_F1@IoU0.5", "PQ@Dice0.3", "LESION_RECALL@matching=any_overlap", "LESION_FP@IoR0.2,matching=many_to_one"
    ]  # fmt: skip
    for position, label in enumerate(labels):
        pair = [np.isin(one, label) for one in maps]
        right = [
            metrics.lesion_f1(*pair, spacing=step),
            metrics.panoptic_quality(*pair, spacing=step, overlap="dice", threshold=0.3),
            metrics.lesion_recall(*pair, spacing=step, matching=any_overlap),
            metrics.false_positives_per_case(*pair, spacing=step, overlap="ior", threshold=0.2, matching=many_to_one),
        ]
        np.testing.assert_allclose([row.value for row in table[4 * position : 4 * position + 4]], right)


MASK = np.ones((2, 3), bool)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"spacing": (1,)}, ValueError, "`spacing` must have 2 entries"),
        ({"connectivity": 3}, ValueError, "`connectivity` must be at most 2"),
        ({"connectivity": 0}, ValueError, "`connectivity` must be at least 1"),
        ({"matching": "greedy"}, TypeError, "`matching` must be a function such as `greedy`; got 'greedy'"),
        ({"overlap": "IoU"}, ValueError, "`overlap` must be one of iou, dice, ior"),
        ({"comparison": "<"}, ValueError, "`comparison` must be one of >=, >"),
        ({"threshold": 1.5}, ValueError, "`threshold` must be at least 0 and, but for distances, at most 1"),
        ({"threshold": np.nan}, ValueError, "`threshold`"),
        ({"threshold": "a"}, TypeError, "`threshold` must be a number"),
        ({"matching": any_overlap, "threshold": 0.5}, ValueError, "`threshold` must not be given for `any_overlap`"),
        ({"matching": centroid_within}, ValueError, "`threshold` must be given in millimetres"),
        ({"instances": True, "labels": (1,)}, ValueError, "`labels` must not be given with `instances`"),
        ({"max_components": 0}, ValueError, "`max_components` must be at least 1"),
        ({"max_pairs": 1.5}, TypeError, "`max_pairs` must be a whole number"),
        ({"memory": 0}, ValueError, "`memory` must be at least 1"),
        ({"ignore": MASK[:1]}, ValueError, "`ignore` must have the shape of the pair"),
    ],
)
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=f"instance_matches: {words}"):
        instance_matches(MASK, MASK, **{"spacing": (1, 1), **options})


def test_wrong_arrays_and_records():
    with pytest.raises(ValueError, match="lesion_f1: `prediction` must have the shape of the reference"):
        metrics.lesion_f1(MASK, MASK[:1], spacing=(1, 1))
    with pytest.raises(TypeError, match="instance_matches: `prediction` must be a boolean mask"):
        instance_matches(MASK * 0.5, MASK, spacing=(1, 1))
    with pytest.raises(TypeError, match="lesion_f1: `matches` must be InstanceMatches"):
        metrics.lesion_f1(metrics.confusion_counts(MASK, MASK))
    for options, name in (({}, "max_components"), ({"max_components": 3}, "max_pairs")):
        with pytest.raises(TypeError, match=f"`{name}` must be given in a program, whose shapes are fixed"):
            jax.jit(partial(instance_matches, spacing=(1, 1), **options))(MASK, MASK)


@pytest.mark.full
def test_the_optimal_rule_is_none_for_programs():
    measure = partial(instance_matches, spacing=(1, 1), max_components=2, max_pairs=2, matching=bipartite)
    with pytest.raises(TypeError, match="`matching` must be greedy, many_to_one, any_overlap or centroid_within in a"):
        jax.jit(measure)(MASK, MASK)
