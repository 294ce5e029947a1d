"""Matches of one record at many thresholds against those of each, and panoptica's areas under threshold curves."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import (
    any_overlap,
    area_under_threshold_curve,
    instance_matches,
    many_to_one,
    matches_at_thresholds,
    merge,
)

from .test_instances import SPACINGS, boxes, scene
from .test_lesion_sizes import of_record

LIMITS = (0.0, 0.05, 0.2, 1 / 3, 0.5, 0.8, 1.0)


def test_one_record_gives_the_matches_of_every_threshold(xp):
    call = partial(instance_matches, *scene(2, (7, 6, 5)), spacing=SPACINGS, connectivity=1)
    # Whatever the rule of the record is: its pairs are matched anew.
    measure, arrays = of_record(partial(matches_at_thresholds, thresholds=LIMITS), call(matching=many_to_one))
    found = xp.run(measure, *arrays)
    right = jax.tree.map(lambda *fields: np.stack(fields), *(call(threshold=limit) for limit in LIMITS))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_cases_are_pooled_and_places_for_others_stay_empty():
    pairs = [scene(seed, (7, 6, 5)) for seed in range(3)]
    call = partial(instance_matches, spacing=SPACINGS, connectivity=1)
    records = [call(*pair, max_components=40, max_pairs=60) for pair in pairs]
    found = metrics.lesion_f1(matches_at_thresholds(merge(*records), thresholds=LIMITS))
    for limit, value in zip(LIMITS, found, strict=True):
        right = merge(*(call(*pair, threshold=limit) for pair in pairs))
        assert value == pytest.approx(float(metrics.lesion_f1(right)))


PANOPTICA = {
    32: ((0.4, 0.8843023255813953, 0.3115448504983389), (0.4142857142857143, 0.8712693798449612, 0.3146594684385382)),
    43: ((0.15, 0.1076086956521739, 0.04547101449275362), (0.15, 0.09836956521739129, 0.04501811594202898)),
    63: (
        (0.17142857142857143, 0.11066176470588238, 0.053151260504201686),
        (0.18571428571428572, 0.11819852941176472, 0.057457983193277315),
    ),
    112: (
        (0.2, 0.1138377192982456, 0.06422514619883041), (0.21666666666666665, 0.12172149122807017, 0.06948099415204677)
    ),
}  # fmt: skip
"""By the seed of a scene, the areas of RQ, SQ and PQ by panoptica 2.1.7 (`evaluate_autc`), in steps of 0.1 and 0.05."""


@pytest.mark.parametrize("seed", PANOPTICA)
def test_panopticas_areas(seed):
    found = instance_matches(*boxes(seed), spacing=(1, 1, 1), matching=any_overlap)
    names = (metrics.recognition_quality, metrics.segmentation_quality, metrics.panoptic_quality)
    for steps, right in zip((10, 20), PANOPTICA[seed], strict=True):
        limits = tuple(step / steps for step in range(1, steps + 1))
        areas = [area_under_threshold_curve(found, of=metric, thresholds=limits) for metric in names]
        np.testing.assert_allclose(areas, right, atol=1e-12)
    assert area_under_threshold_curve(found) == pytest.approx(PANOPTICA[seed][0][2])


def test_undefined_areas():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    measure = partial(area_under_threshold_curve, spacing=(1, 1))
    assert np.isnan(measure(none, none))
    assert measure(none, none, zero_division=1.0) == 1
    assert measure(none, some) == measure(some, none) == 0
    assert measure(some, some) == 1
    assert measure(some, some, thresholds=(0.25, 0.5)) == 0.5
    assert measure(none, some, of=metrics.segmentation_quality) == 0
    short = instance_matches(np.array([1, 0, 1]), np.array([1, 0, 1]), spacing=(1,), max_components=1, max_pairs=1)
    assert np.isnan(area_under_threshold_curve(short))


def test_areas_by_name():
    pair = boxes(43)
    rows = evaluate(*pair, metrics=["AUTC", "AUTC@of=recognition_quality"], labels={1: "lesion"}, spacing=(1, 1, 1))
    assert [row.metric for row in rows] == ["AUTC", "AUTC@of=recognition_quality"]
    np.testing.assert_allclose([row.value for row in rows], [PANOPTICA[43][0][2], PANOPTICA[43][0][0]])


def test_wrong_arguments():
    found = instance_matches(np.ones(3, bool), np.ones(3, bool), spacing=(1,))
    for limits in ((), (0.5, 0.2), (-0.1,), (0.5, 1.5), (np.nan,)):
        with pytest.raises(ValueError, match="`thresholds` must be numbers that ascend from 0 to 1"):
            matches_at_thresholds(found, thresholds=limits)
    with pytest.raises(ValueError, match="area_under_threshold_curve: `thresholds` must be numbers that ascend"):
        area_under_threshold_curve(found, thresholds=(2,))
    with pytest.raises(TypeError, match="`of` must be a function such as `panoptic_quality`"):
        area_under_threshold_curve(found, of="pq")
    with pytest.raises(ValueError, match="`matches` must be a record of one threshold"):
        matches_at_thresholds(matches_at_thresholds(found))
    with pytest.raises(TypeError, match="`matches` must be a record of `instance_matches`"):
        matches_at_thresholds((1, 2))
