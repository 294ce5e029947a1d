"""Uncertainties beside errors: against definitions over all cases, counting by hand and a peer's recorded value."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import metrics
from mia_functional.metrics import (
    area_under_risk_coverage_curve,
    error_coverage_curve,
    excess_area_under_risk_coverage_curve,
    risk_coverage_curve,
    uncertainty_counts,
    uncertainty_error_dice,
)

pytestmark = pytest.mark.sampled(3)


def defined_areas(uncertainty, losses):
    """Return AURC and its excess by their definitions, one case after the other."""
    risks = [losses[uncertainty <= own].mean() for own in uncertainty]
    ordered = np.sort(losses)
    best = [ordered[: k + 1].mean() for k in range(len(ordered))]
    return np.mean(risks), np.mean(risks) - np.mean(best)


TIES = np.array([0.5, 0.25, 0.5, 1.0, 0.25, 0.5, 0.0, 0.75]), np.array([1.0, 0, 0, 1, 1, 0, 0, 0.5])


def test_points_areas_and_ties_by_definition(xp):
    curve = xp.run(risk_coverage_curve, *(array.astype(np.float32) for array in TIES))
    # One operating point for each uncertainty that occurs: 0, 0.25 (two), 0.5 (three), 0.75 and 1.
    np.testing.assert_allclose(curve.coverage, np.array([1, 3, 6, 7, 8, 8, 8, 8]) / 8, rtol=1e-6)
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 2 / 6, 2.5 / 7] + 4 * [3.5 / 8], rtol=1e-6)
    np.testing.assert_allclose(curve.share, np.array([1, 2, 3, 1, 1, 0, 0, 0]) / 8, rtol=1e-6)
    areas = area_under_risk_coverage_curve(curve), excess_area_under_risk_coverage_curve(curve)
    np.testing.assert_allclose(areas, defined_areas(*TIES), rtol=1e-6)
    assert (risk_coverage_curve(*(array[::-1] for array in TIES)).risk == risk_coverage_curve(*TIES).risk).all()


def test_cases_outside_of_a_mask_change_nothing(xp):
    uncertainty, losses = TIES
    inside = np.array([1, 1, 0, 1, 0, 1, 1, 0])
    odd = np.where(inside, losses, np.nan), np.where(inside, uncertainty, np.nan)
    area = xp.run(lambda u, e, m: excess_area_under_risk_coverage_curve(u, e, mask=m), *odd[::-1], inside)
    chosen = inside == 1
    np.testing.assert_allclose(area, defined_areas(uncertainty[chosen], losses[chosen])[1], rtol=1e-5)


def test_nothing_is_undefined(xp):
    empty = np.zeros(3, bool)
    for metric in (area_under_risk_coverage_curve, excess_area_under_risk_coverage_curve):
        for value in (np.nan, 2.0):
            found = xp.run(
                lambda u, e, m, f=metric, v=value: f(u, e, mask=m, zero_division=v), np.ones(3), np.ones(3), empty
            )
            np.testing.assert_array_equal(found, value)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1, width=16)), min_size=1, max_size=12))
def test_the_excess_is_that_of_the_definition_and_never_negative(cases):
    uncertainty, losses = np.array(cases, dtype=np.float64).T
    found = [float(one(uncertainty, losses)) for one in (AREA, EXCESS)]
    np.testing.assert_allclose(found, defined_areas(uncertainty, losses), atol=1e-12)
    assert found[1] >= -1e-12
    # The losses themselves, all different, are the best order.
    order = np.lexsort((np.arange(len(losses)), losses)).argsort().astype(np.float64)
    assert float(EXCESS(order, losses)) == pytest.approx(0, abs=1e-12)


AREA, EXCESS = area_under_risk_coverage_curve, excess_area_under_risk_coverage_curve


def test_torch_uncertainty_has_the_trapezoids_of_the_same_curve():
    confidence = np.array([0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6])
    curve = risk_coverage_curve(-confidence, np.array([0, 0, 1, 0, 0, 1, 1, 0]))
    trapezoids = np.trapezoid(curve.risk, curve.coverage) / (1 - 1 / 8)
    # torch-uncertainty 0.13.0, AURC of these probabilities of the second class and targets 1 - error.
    assert trapezoids == pytest.approx(0.24753401360544222, rel=1e-12)


def scene(seed, shape=(4, 5, 6)):
    """Return two label maps, an uncertainty with many equal values, and a mask."""
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 3, shape)
    prediction = np.where(rng.random(shape) < 0.3, rng.integers(0, 3, shape), reference)
    uncertainty = (rng.random(shape) + 0.7 * (prediction != reference)).round(1).astype(np.float32)
    return prediction, reference, uncertainty, rng.random(shape) < 0.7


def test_uncertain_voxels_and_wrong_ones_are_those_of_masks(xp):
    prediction, reference, uncertainty, mask = scene(0)
    thresholds = (-1.0, 0.25, 0.5, 0.75, 1.25, 3.0)
    record = xp.run(
        lambda p, r, u, m: uncertainty_counts(p, r, uncertainty=u, mask=m, thresholds=thresholds), *scene(0)
    )
    dices = uncertainty_error_dice(record)
    for place, threshold in enumerate(thresholds):
        pair = uncertainty >= threshold, prediction != reference
        counts = metrics.confusion_counts(*pair, mask=mask)
        assert [int(field[place]) for field in record.counts] == list(map(int, counts))
        assert float(dices[place]) == pytest.approx(float(metrics.dice(*pair, mask=mask)))


def test_the_curve_of_counts_is_that_of_the_voxels():
    prediction, reference, uncertainty, mask = scene(1)
    exact = risk_coverage_curve(uncertainty[mask], (prediction != reference)[mask])
    record = uncertainty_counts(
        prediction, reference, uncertainty=uncertainty, mask=mask, thresholds=np.unique(uncertainty)
    )
    curve = error_coverage_curve(record)
    for metric in (AREA, EXCESS):
        np.testing.assert_allclose(metric(curve), metric(exact), rtol=1e-12)
    parts = [
        uncertainty_counts(prediction[k], reference[k], uncertainty=uncertainty[k], mask=mask[k], thresholds=9)
        for k in range(4)
    ]
    whole = uncertainty_counts(prediction, reference, uncertainty=uncertainty, mask=mask, thresholds=9)
    for one, other in zip(metrics.merge(*parts).counts, whole.counts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("wrong", "right"), [(0, 5), (5, 0), (1, 1), (3, 7), (40, 9), (200, 1000)])
def test_the_best_area_of_errors_is_the_sum_over_their_ranks(xp, wrong, right):
    errors = np.arange(wrong + right) < wrong
    uncertainty = np.zeros(wrong + right, np.float32)
    area = xp.run(
        lambda p, u: error_coverage_curve(uncertainty_counts(p, 0 * p, uncertainty=u, thresholds=2)).best_area,
        errors.astype(np.int32),
        uncertainty,
    )
    expected = sum(k / (right + k) for k in range(1, wrong + 1)) / (wrong + right)
    np.testing.assert_allclose(area, expected, rtol=1e-9 if area.dtype == np.float64 else 1e-5, atol=1e-12)


def test_the_best_threshold_of_a_set_of_cases():
    cases = [scene(seed) for seed in range(3)]
    record = metrics.merge(*(uncertainty_counts(p, r, uncertainty=u, thresholds=11) for p, r, u, _ in cases))
    prediction, reference, uncertainty, _ = (np.concatenate(column) for column in zip(*cases, strict=True))
    dices = [float(metrics.dice(uncertainty >= np.float32(k / 10), prediction != reference)) for k in range(11)]
    np.testing.assert_allclose(uncertainty_error_dice(record), dices, rtol=1e-12)
    assert float(metrics.best_threshold(record, metric=metrics.dice)) == pytest.approx(np.argmax(dices) / 10)


P, U = np.array([0, 1, 1]), np.array([0.5, 0.25, 0.0])
WRONG = [
    (lambda: risk_coverage_curve(U, U[:2]), ValueError, "risk_coverage_curve: `losses` must have the shape"),
    (lambda: risk_coverage_curve(U * np.nan, U), ValueError, "risk_coverage_curve: `uncertainty` must be ordered"),
    (lambda: risk_coverage_curve(U * 1j, U), TypeError, "risk_coverage_curve: `uncertainty` must hold real numbers"),
    (lambda: AREA(U * np.nan, U), ValueError, "area_under_risk_coverage_curve: `uncertainty` must be ordered"),
    (
        lambda: uncertainty_counts(P, P, uncertainty=U * 1j),
        TypeError,
        "uncertainty_counts: `uncertainty` must hold",
    ),
    (
        lambda: uncertainty_counts(P, P, uncertainty=U * np.nan),
        ValueError,
        "uncertainty_counts: `uncertainty` must be numbers; got NaN",
    ),
    (
        lambda: uncertainty_counts(P, P, uncertainty=U, thresholds=(2, 1)),
        ValueError,
        "uncertainty_counts: `thresholds` must be a number of thresholds, or numbers that increase; got",
    ),
    (lambda: uncertainty_counts(U, P, uncertainty=U), TypeError, "uncertainty_counts: `prediction` must be an integer"),
    (lambda: error_coverage_curve((1, 2)), TypeError, "error_coverage_curve: `record` must be ThresholdCounts"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(call, kind, words):
    with pytest.raises(kind, match=f"^{words}"):
        call()
