"""Counts at thresholds, curves and areas: against counting by hand and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics as peer

from mia_functional import metrics
from mia_functional.metrics import threshold_counts

pytestmark = pytest.mark.sampled(4)


def scene(seed, size=200, digits=9):
    """Return probabilities, perhaps many equal ones, and whether it is so."""
    rng = np.random.default_rng(seed)
    truth = rng.random(size) < 0.4
    return np.clip(0.3 * truth + rng.normal(0.35, 0.2, size), 0, 1).round(digits), truth


def test_counts_are_those_of_masks(xp):
    rng = np.random.default_rng(0)
    soft, labels = rng.dirichlet((1, 1, 1), (4, 5, 6)).astype(np.float32), rng.integers(0, 3, (4, 5, 6))
    mask, thresholds = rng.random((4, 5, 6)) < 0.7, (0.0, 0.125, 0.5, float(soft[0, 0, 0, 0]))
    thresholds = tuple(sorted(thresholds))
    record = xp.run(
        lambda p, r, m: threshold_counts(p, r, labels=(0, (1, 2), 2), mask=m, thresholds=thresholds), soft, labels, mask
    )
    np.testing.assert_allclose(record.thresholds, thresholds, rtol=1e-7)
    for row, label in enumerate((0, (1, 2), 2)):
        for place, threshold in enumerate(thresholds):
            found, truth = soft[..., row] >= np.float32(threshold), np.isin(labels, label)
            counts = metrics.confusion_counts(found, truth, mask=mask)
            assert [int(field[row, place]) for field in record.counts] == list(map(int, counts))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("digits", [9, 1])
def test_scikit_learn_has_the_same_curves_and_areas(seed, digits):
    probabilities, truth = scene(seed, digits=digits)
    record = threshold_counts(probabilities, truth, thresholds=np.unique(probabilities))
    np.testing.assert_allclose(
        metrics.area_under_roc_curve(record), peer.roc_auc_score(truth, probabilities), rtol=1e-9
    )
    expected = peer.average_precision_score(truth, probabilities)
    np.testing.assert_allclose(metrics.average_precision(record), expected, rtol=1e-9)
    fpr, tpr, thresholds = peer.roc_curve(truth, probabilities, drop_intermediate=False)
    for one, other in zip(metrics.roc_curve(record), (thresholds, fpr, tpr), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)
    precision, recall, thresholds = peer.precision_recall_curve(truth, probabilities)
    curve = metrics.precision_recall_curve(record)
    for one, other in zip(curve, (thresholds, precision[:-1], recall[:-1]), strict=True):
        np.testing.assert_allclose(one, other[::-1], rtol=1e-12)


def test_areas_by_hand(xp):
    probabilities, truth = np.array([0.875, 0.75, 0.5, 0.25], np.float32), np.array([1, 0, 1, 0])
    # Three of four pairs are in order; precision 1 and 2/3 at the two positives.
    area = xp.run(lambda p, r: metrics.area_under_roc_curve(p, r, thresholds=9), probabilities, truth)
    precision = xp.run(lambda p, r: metrics.average_precision(p, r, thresholds=9), probabilities, truth)
    np.testing.assert_allclose([area, precision], [0.75, 5 / 6], rtol=1e-6)


@pytest.mark.slow
@pytest.mark.sampled(2)
def test_one_more_right_voxel_may_lower_the_average_precision():
    # Of five voxels that are meant, one and then two are found beside four false ones: 0.2 * 0.2 + 0.8 * 0.5, where
    # all voxels are taken, and then 0.4 / 3 + 0.6 * 0.5.
    reference = np.array([1] * 5 + [0] * 5)
    found, better = np.array([1, 0, 0, 0, 0, 1, 1, 1, 1, 0.0]), np.array([1, 1, 0, 0, 0, 1, 1, 1, 1, 0.0])
    values = [float(metrics.average_precision(scores, reference)) for scores in (found, better)]
    np.testing.assert_allclose(values, [0.44, 0.4 / 3 + 0.3])


def test_no_positives_or_no_negatives_are_undefined(xp):
    probabilities = np.array([0.25, 0.5, 0.75], np.float32)

    def scores(p, r):
        """In one function for both masks, which is compiled once."""
        both = (metrics.area_under_roc_curve, metrics.average_precision)
        return tuple(metric(p, r, zero_division=value) for metric in both for value in (np.nan, 0.0))

    np.testing.assert_array_equal(xp.run(scores, probabilities, np.zeros(3, bool)), [np.nan, 0, np.nan, 0])
    np.testing.assert_array_equal(xp.run(scores, probabilities, np.ones(3, bool)), [np.nan, 0, 1, 1])


def test_the_best_threshold_of_a_set_is_found_by_trying_all():
    cases = [scene(seed) for seed in range(3)]
    record = metrics.merge(*(threshold_counts(*case, thresholds=51) for case in cases))
    probabilities, truth = (np.concatenate(column) for column in zip(*cases, strict=True))
    for metric in (metrics.dice, metrics.youden_index):
        values = [float(metric(probabilities >= k / 50, truth)) for k in range(51)]
        assert float(metrics.best_threshold(record, metric=metric)) == pytest.approx(np.nanargmax(values) / 50)


def test_each_label_of_a_set_has_its_own_best_threshold():
    rng = np.random.default_rng(6)
    cases = [(rng.dirichlet((1, 2, 3), 50), rng.integers(0, 3, 50)) for _ in range(3)]
    record = metrics.merge(*(threshold_counts(*case, labels=(0, 1, (1, 2)), thresholds=21) for case in cases))
    best = metrics.best_threshold(record, metric=metrics.dice)
    probabilities, labels = (np.concatenate(column) for column in zip(*cases, strict=True))
    for row, label in enumerate((0, 1, (1, 2))):
        values = [float(metrics.dice(probabilities[:, row] >= k / 20, np.isin(labels, label))) for k in range(21)]
        assert best[row] == pytest.approx(np.nanargmax(values) / 20)


P, R = np.array([0.5, 0.25]), np.array([1, 0])
WRONG = [
    (lambda: threshold_counts(np.array([3.0, -1]), R), ValueError, "`probabilities` must lie within 0 and 1"),
    (lambda: threshold_counts(R, R), TypeError, "`probabilities` must hold floats"),
    (lambda: threshold_counts(P, R, thresholds=1), ValueError, "`thresholds` must be at least 2"),
    (lambda: threshold_counts(P, R, thresholds=(0.5, 0.5)), ValueError, "`thresholds` must be a number of thresholds"),
    (lambda: threshold_counts(P, R, thresholds=(0, 2)), ValueError, "`thresholds` must be a number of thresholds"),
    (lambda: threshold_counts(P, R, thresholds="5"), TypeError, "`thresholds` must be"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(call, kind, words):
    with pytest.raises(kind, match=f"^threshold_counts: {words}"):
        call()


def test_other_records_are_refused():
    for function in (metrics.roc_curve, metrics.precision_recall_curve):
        with pytest.raises(TypeError, match=rf"^{function.__name__}: `record` must be ThresholdCounts; got"):
            function((1, 2))
    with pytest.raises(ValueError, match=r"^merge: `others` must have the thresholds of the first"):
        metrics.merge(threshold_counts(P, R), threshold_counts(P, R, thresholds=5))
