"""Decisions on probabilities: their records, and the rows of the table that are made of them."""

from functools import partial

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics import decision_counts, risk_coverage_curve

pytestmark = pytest.mark.sampled(3)

RNG = np.random.default_rng(23)
LABELS = (1, 2, (1, 3))


def scene(dtype=np.float32):
    """Return probabilities of three structures, a label map, and a mask; many probabilities are equal or sure."""
    reference = RNG.integers(0, 4, (6, 7, 8)).astype(np.uint8)
    p = np.stack([reference == 1, reference == 2, (reference == 1) | (reference == 3)], axis=-1)
    p = np.clip(p + RNG.normal(0, 0.5, p.shape).round(1), 0, 1)
    return p.astype(dtype), reference, RNG.random(reference.shape) < 0.8


def structures(reference):
    """Return the masks of the labels."""
    return np.stack([np.isin(reference, label) for label in LABELS], axis=-1)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_counts_are_those_of_masks(xp, dtype):
    if dtype is np.float16 and xp.name.startswith("strict"):
        pytest.skip("the standard has no float16")
    p, reference, mask = scene(dtype)
    thresholds = (0.0, 0.2, 0.5, 1.0)
    record = xp.run(
        lambda p, r, m: decision_counts(p, r, labels=LABELS, mask=m, thresholds=thresholds), p, reference, mask
    )
    wrong = ((p >= 0.5) != structures(reference))[mask]
    unsure = (2 * np.minimum(p, 1 - p))[mask]
    for k, threshold in enumerate(np.asarray(thresholds).astype(dtype)):
        is_unsure = unsure >= threshold
        parts = wrong & is_unsure, ~wrong & is_unsure, wrong & ~is_unsure, ~wrong & ~is_unsure
        for field, part in zip(record.counts, parts, strict=True):
            np.testing.assert_array_equal(field[:, k], part.sum(axis=0))


def test_areas_are_those_of_all_voxels_in_order(xp):
    p, reference, mask = scene()
    unsure, wrong = 2 * np.minimum(p, 1 - p), (p >= 0.5) != structures(reference)
    counts = partial(decision_counts, labels=LABELS, thresholds=np.unique(unsure))
    curves = [risk_coverage_curve(unsure[mask, k].astype(np.float64), wrong[mask, k]) for k in range(3)]
    for area in (metrics.area_under_risk_coverage_curve, metrics.excess_area_under_risk_coverage_curve):
        np.testing.assert_allclose(
            xp.run(lambda p, r, m, area=area: area(counts(p, r, mask=m)), p, reference, mask),
            [float(area(curve)) for curve in curves],
            rtol=2e-5,
        )


def test_default_thresholds_are_fine_where_most_voxels_are_sure():
    sure = 2.0 ** -RNG.uniform(1, 24, 20000)
    truth = RNG.random(20000) < np.minimum(sure**0.7, 0.5)
    curve = risk_coverage_curve(2 * sure, truth)
    for name in ("area_under_risk_coverage_curve", "excess_area_under_risk_coverage_curve"):
        area = getattr(metrics, name)
        assert float(area(decision_counts(sure, truth))) == pytest.approx(float(area(curve)), rel=0.04)


def test_one_threshold_is_the_nearest_of_the_record(xp):
    p, reference, _ = scene()
    counts, dice = partial(decision_counts, labels=LABELS, thresholds=(0.0, 0.25, 0.75)), metrics.uncertainty_error_dice
    one, record = xp.run(lambda p, r: dice(counts(p, r), threshold=0.3), p, reference), counts(p, reference)
    np.testing.assert_allclose(one, dice(record)[:, 1], rtol=1e-6)
    with pytest.raises(ValueError, match="uncertainty_error_dice: `threshold` must be finite"):
        dice(record, threshold=np.inf)


def test_evaluate_knows_them():
    p, reference, _ = scene()
    names = ["AURC", "EAURC", "UEDICE", "UEDICE@threshold=0.2", "AURC@thresholds=11"]
    rows = evaluate(reference, reference, metrics=names, labels={1: "one", 2: "two", (1, 3): "three"}, probabilities=p)
    found = {(row.label, row.metric): row.value for row in rows}
    record = decision_counts(p, reference, labels=LABELS)
    expected = {
        "AURC": metrics.area_under_risk_coverage_curve(record),
        "EAURC": metrics.excess_area_under_risk_coverage_curve(record),
        "UEDICE": metrics.uncertainty_error_dice(record, threshold=0.5),
        "UEDICE@threshold=0.2": metrics.uncertainty_error_dice(record, threshold=0.2),
        "AURC@thresholds=11": metrics.area_under_risk_coverage_curve(
            decision_counts(p, reference, labels=LABELS, thresholds=11)
        ),
    }
    for name, values in expected.items():
        assert [found[label, name] for label in ("one", "two", "three")] == values.tolist()
    with pytest.raises(ValueError, match="`probabilities` must be given for AURC"):
        evaluate(reference > 0, reference > 0, metrics=["AURC"])
