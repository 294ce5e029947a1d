"""Detection by scores: all thresholds by brute force, LUNA16's curve by scikit-learn, MONAI, pycocotools' numbers."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional.metrics import (
    any_overlap,
    detection_average_precision,
    detection_counts,
    froc_curve,
    froc_score,
    greedy,
    instance_matches,
    instance_scores,
    many_to_one,
    matches_at_thresholds,
    merge,
)

from .test_instances import RULES, SPACINGS, scene, voxel_sets
from .test_lesion_sizes import of_record


def cases(matching=any_overlap, threshold=None, *, seed=0):
    """Return the merged record of some cases, and a score for each predicted component; some are equal."""
    pairs = [scene(seed + case, (7, 6, 5)) for case in range(3)]
    rule = {"matching": matching, "threshold": threshold, "connectivity": 1}
    records = [instance_matches(*pair, spacing=SPACINGS, **rule) for pair in pairs]
    merged = merge(*records)
    rng = np.random.default_rng(seed)
    size = merged.prediction.sizes.size
    return merged, rng.integers(1, 6, size) / 8


def brute_points(matches, scores):
    """Return threshold, found and false of every score, from the highest on, by a walk over all components."""
    pairs = [*zip(*(np.asarray(field).tolist() for field in matches.pairs), strict=True)]
    matched = [(one, other) for one, other, *_, flag in pairs if flag]
    hits = {one for one, _ in matched}
    points = []
    for limit in sorted(set(scores.tolist()), reverse=True):
        found = {other for one, other in matched if scores[one] >= limit}
        false = [one for one in range(len(scores)) if scores[one] >= limit and one not in hits]
        points.append((limit, len(found), len(false)))
    return points


@pytest.mark.parametrize(("matching", "threshold"), RULES)
def test_counts_equal_a_walk_over_components(matching, threshold):
    for seed in range(4):
        matches, scores = cases(matching, threshold, seed=seed)
        counts = detection_counts(matches, scores)
        points = {*zip(*(field.tolist() for field in counts[:3]), strict=True)}
        assert sorted(points, reverse=True) == brute_points(matches, scores)
        assert (np.diff(counts.thresholds) <= 0).all()
        assert (counts.references, counts.cases, counts.overflow) == (matches.reference.sizes.size, 3, 0)


def brute_average_precision(points, references, interpolation):
    """Return the average precision of points by its definition."""
    recalls = [found / references for _, found, _ in points]
    precisions = [found / (found + false) for _, found, false in points]

    def best_from(recall):
        return max([value for value, reached in zip(precisions, recalls, strict=True) if reached >= recall], default=0)

    if interpolation in ("101-point", "11-point"):
        steps = int(interpolation.partition("-")[0])
        return np.mean([best_from(recall) for recall in np.linspace(0, 1, steps)])
    if interpolation == "all-point":
        precisions = [best_from(recall) for recall in recalls]
    before = [0.0, *recalls[:-1]]
    return sum((high - low) * p for low, high, p in zip(before, recalls, precisions, strict=True))


@pytest.mark.parametrize("interpolation", ["all-point", "101-point", "11-point", "none"])
def test_average_precision_equals_its_definition(interpolation):
    for seed in range(6):
        matches, scores = cases((any_overlap, many_to_one)[seed % 2], seed=seed)
        right = brute_average_precision(brute_points(matches, scores), matches.reference.sizes.size, interpolation)
        found = detection_average_precision(detection_counts(matches, scores), interpolation=interpolation)
        assert float(found) == pytest.approx(right)


def luna16_curve(matches, scores):
    """Return false positives per case and sensitivities as LUNA16 has them, from a ROC curve of lesions and others."""
    from sklearn.metrics import roc_curve

    pairs = matches.pairs
    best = [
        scores[pairs.prediction[pairs.matched & (pairs.reference == lesion)]].max()
        for lesion in np.flatnonzero(matches.reference.matched)
    ]
    others = scores[~matches.prediction.matched]
    rates, found, _ = roc_curve([1] * len(best) + [0] * len(others), [*best, *others])
    return rates * len(others) / matches.cases, found * len(best) / matches.reference.sizes.size


def test_froc_of_luna16_and_scikit_learn():
    from sklearn.metrics import average_precision_score

    for seed in range(4):
        matches, scores = cases(seed=seed)
        counts = detection_counts(matches, scores)
        x, y = luna16_curve(matches, scores)
        curve = froc_curve(counts)
        np.testing.assert_allclose(np.interp(curve.false_positives_per_case, x, y), curve.sensitivity)
        rates = (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8)
        assert float(froc_score(counts)) == pytest.approx(np.mean(np.interp(rates, x, y)))
        # Without an interpolation it is that of single components, as each finds at most one lesion.
        matches, scores = cases(greedy, 0.01, seed=seed)
        single = average_precision_score(matches.prediction.matched, scores) * matches.reference.matched.mean()
        found = detection_average_precision(detection_counts(matches, scores), interpolation="none")
        assert float(found) == pytest.approx(single)


@pytest.mark.slow
def test_froc_of_monai():
    from monai.metrics import compute_froc_curve_data, compute_froc_score

    for seed in range(4):
        matches, scores = cases(seed=seed)
        best = np.zeros(matches.reference.sizes.size)
        kept = matches.pairs.matched
        np.maximum.at(best, matches.pairs.reference[kept], scores[matches.pairs.prediction[kept]])
        # MONAI leaves out the lowest score of all, which is that of missed lesions: one below the others in any case.
        others = np.append(scores[~matches.prediction.matched], -1.0)
        x, y = compute_froc_curve_data(others, best[best > 0], len(best), 3)
        counts = detection_counts(matches, scores)
        curve = froc_curve(counts)
        points = {*zip(curve.false_positives_per_case.tolist(), curve.sensitivity.tolist(), strict=True)}
        assert points == {*zip(x.tolist(), y.tolist(), strict=True)}
        rates = (0.25, 0.5, 1, 2, 4, 8)
        assert float(froc_score(counts, at=rates)) == pytest.approx(compute_froc_score(x, y, rates))


COCO = {
    0: (0.18151815181518147, 0.09547383309759547, 0.09547383309759547),
    1: (0.2376237623762376, 0.13278974956319164, 0.045379537953795374),
    2: (0.4393876362426158, 0.35274241709885273, 0.09444021325209444),
    3: (0.36414817952383477, 0.30153897742715446, 0.008663366336633664),
}
"""The AP of pycocotools 2.0.11 for four scenes together, by IoU of 0.5, 0.6 and 0.75: masks of one class, any area."""


def flat_boxes(seed):
    """Return a prediction of boxes on a plane, some of them moved, missed or invented, and its reference."""
    rng = np.random.default_rng(seed)
    reference, prediction = np.zeros((2, 32, 30), np.uint8)
    for _ in range(7):
        corner, sides, moved = rng.integers(1, 24, 2), rng.integers(2, 7, 2), rng.integers(-1, 2, 2)
        chance = rng.random()
        for mask, first in ((reference, corner), (prediction, corner + moved)):
            if chance < 0.7 or (chance < 0.85) == (mask is reference):
                mask[tuple(slice(low, low + side) for low, side in zip(first, sides, strict=True))] = 1
    return prediction, reference


@pytest.mark.parametrize("group", COCO)
def test_average_precision_of_pycocotools(group):
    seeds = range(4 * group, 4 * group + 4)
    for limit, right in zip((0.5, 0.6, 0.75), COCO[group], strict=True):
        matches = merge(*(instance_matches(*flat_boxes(seed), spacing=(1, 1), threshold=limit) for seed in seeds))
        scores = np.random.default_rng(sum(seeds)).random(matches.prediction.sizes.size)
        found = detection_average_precision(detection_counts(matches, scores), interpolation="101-point")
        assert float(found) == pytest.approx(right)


@pytest.mark.parametrize("scores", [[0.9], [0.9, 0.8, 0.7, 0.6], [0.9] * 4])
def test_a_perfect_detector_has_the_best_score(scores):
    lesions = np.arange(2 * len(scores) + 1) % 2
    counts = detection_counts(instance_matches(lesions, lesions, spacing=(1.0,)), np.array(scores))
    assert froc_score(counts) == detection_average_precision(counts) == 1
    if len(scores) > 1:
        found = lesions.copy()
        found[-2] = 0
        missed = detection_counts(instance_matches(found, lesions, spacing=(1.0,)), np.array(scores[:-1]))
        assert froc_score(missed) == detection_average_precision(missed, interpolation="none") == 0.75


def test_a_curve_by_hand():
    """Two cases with four lesions: scores .9 (hit), .8 (false), .8 (hit), .4 (the first lesion again), .2 (hit)."""
    one = instance_matches(
        np.array([1, 0, 1, 0, 1, 1]), np.array([1, 1, 1, 0, 0, 0]), spacing=(1,), matching=any_overlap
    )
    other = instance_matches(np.array([1, 0, 1, 0, 0]), np.array([1, 0, 1, 0, 1]), spacing=(1,), matching=any_overlap)
    counts = detection_counts(merge(one, other), np.array([0.9, 0.4, 0.8, 0.8, 0.2]))
    assert counts.thresholds.tolist() == [0.9, 0.8, 0.8, 0.4, 0.2]
    assert counts.found.tolist() == [1, 2, 2, 2, 3]
    assert counts.false.tolist() == [0, 1, 1, 1, 1]
    curve = froc_curve(counts)
    assert curve.thresholds.tolist() == [np.inf, *counts.thresholds.tolist()]
    assert curve.false_positives_per_case.tolist() == [0, 0, 0.5, 0.5, 0.5, 0.5]
    assert curve.sensitivity.tolist() == [0, 0.25, 0.5, 0.5, 0.5, 0.75]
    assert froc_score(counts, at=(0.25,)) == pytest.approx(0.375)
    assert froc_score(counts, at=(0.25, 0.5), interpolation="step") == pytest.approx((0.25 + 0.75) / 2)
    assert froc_score(counts, at=(100,)) == 0.75
    assert detection_average_precision(counts, interpolation="none") == pytest.approx((1 + 2 / 3 + 3 / 4) / 4)
    assert detection_average_precision(counts) == pytest.approx((1 + 3 / 4 + 3 / 4) / 4)


def test_every_library_gives_what_numpy_gives(xp):
    matches, scores = cases()
    rebuild, fields = of_record(lambda record: record, matches)

    def measure(scores, *arrays):
        counts = detection_counts(rebuild(*arrays), scores)
        values = [froc_score(counts), froc_score(counts, interpolation="step")]
        kinds = ("all-point", "11-point")
        values += [detection_average_precision(counts, interpolation=kind) for kind in kinds]
        return *counts, *froc_curve(counts), *values

    arrays = scores, *fields
    for found, right in zip(xp.run(measure, *arrays), measure(*arrays), strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-5)


def test_places_for_others_change_nothing():
    pair, room = scene(1, (7, 6, 5)), {"max_components": 40, "max_pairs": 60}
    call = partial(instance_matches, *pair, spacing=SPACINGS, connectivity=1, threshold=0.1)
    few, many = call(), call(**room)
    scores = np.random.default_rng(0).random(few.prediction.sizes.size)
    padded = np.pad(scores, (0, 40 - scores.size), constant_values=np.nan)
    one, other = detection_counts(few, scores), detection_counts(many, padded)
    for metric in (froc_score, detection_average_precision):
        assert float(metric(one)) == pytest.approx(float(metric(other)))
    short = call(max_components=2, max_pairs=2)
    for metric in (froc_score, detection_average_precision):
        assert np.isnan(metric(detection_counts(short, np.ones(2))))


def test_nothing_to_find_or_nothing_found():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    for pair, scores, right in (
        ((none, none), [], np.nan),
        ((some, none), [0.5], np.nan),
        ((none, some), [], 0.0),
        ((some, some), [0.5], 1.0),
    ):
        for room in ({}, {"max_components": 1, "max_pairs": 1}):
            matches = instance_matches(*pair, spacing=(1, 1), **room)
            given = np.asarray(scores, float) if not room else np.resize(scores or [0.5], 1)
            counts = detection_counts(matches, given)
            for metric in (froc_score, detection_average_precision):
                np.testing.assert_equal(float(metric(counts)), right)
    assert detection_average_precision(detection_counts(matches, np.ones(1)), zero_division=0.0) == 1


@pytest.mark.parametrize("reduction", [np.max, np.mean])
def test_scores_of_components(xp, reduction):
    if xp.name == "jax-jit":
        pytest.skip("runs on the host")
    mask, _ = scene(3, (7, 6, 5))
    probabilities = np.random.default_rng(3).random(mask.shape)
    for connectivity in (1, 3):
        measure = partial(instance_scores, connectivity=connectivity, reduction=reduction)
        components = voxel_sets(mask, connectivity)
        right = [reduction([probabilities[voxel] for voxel in component]) for component in components]
        np.testing.assert_allclose(xp.run(measure, probabilities, mask), right, rtol=1e-6)
    numbers = np.array([9, 2, 0, 2, 9])
    values = np.array([0.25, 0.5, 1.0, 0.75, 0.0])
    right = [reduction([0.5, 0.75]), reduction([0.25, 0.0])]
    np.testing.assert_allclose(
        xp.run(partial(instance_scores, instances=True, reduction=reduction), values, numbers), right
    )


def test_wrong_arguments():
    mask, values = np.ones(3, bool), np.full(3, 0.5)
    matches = instance_matches(mask, mask, spacing=(1,))
    counts = detection_counts(matches, np.ones(1))
    with pytest.raises(ValueError, match="instance_scores: `probabilities` must have the shape of the array"):
        instance_scores(values[:2], mask)
    with pytest.raises(TypeError, match="instance_scores: `reduction` must be a function such as"):
        instance_scores(values, mask, reduction="max")
    with pytest.raises(TypeError, match="instance_scores: `array` must have values"):
        jax.jit(instance_scores)(values, mask)
    with pytest.raises(TypeError, match="detection_counts: `matches` must be a record of `instance_matches`"):
        detection_counts(counts, np.ones(1))
    with pytest.raises(ValueError, match="`scores` must have the shape of the predicted components"):
        detection_counts(matches, np.ones(2))
    with pytest.raises(TypeError, match="`scores` must hold floats"):
        detection_counts(matches, np.ones(1, int))
    with pytest.raises(ValueError, match="`scores` must be finite"):
        detection_counts(matches, np.array([np.nan]))
    with pytest.raises(ValueError, match="`matches` must be a record of one threshold"):
        detection_counts(matches_at_thresholds(matches), np.ones((10, 1)))
    for rates in ((), (-1,), (np.inf,)):
        with pytest.raises(ValueError, match="froc_score: `at` must be rates from 0 on"):
            froc_score(counts, at=rates)
    with pytest.raises(ValueError, match="froc_score: `interpolation` must be one of linear, step"):
        froc_score(counts, interpolation="log")
    with pytest.raises(ValueError, match="detection_average_precision: `interpolation` must be one of all-point, 101-"):
        detection_average_precision(counts, interpolation="coco")
    for function in (froc_curve, froc_score, detection_average_precision):
        with pytest.raises(TypeError, match="`counts` must be the record of `detection_counts`"):
            function(matches)
