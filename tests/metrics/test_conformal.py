"""Conformal thresholds and sets: exact ranks, a peer's recorded values, and the promise of coverage."""

import math
from fractions import Fraction

import numpy as np
import pytest

from mia_functional.metrics import conformal_set, conformal_threshold

pytestmark = pytest.mark.sampled(3)

SCORES = np.array(
    [0.31, 0.02, 0.77, 0.45, 0.13, 0.58, 0.91, 0.26, 0.66, 0.40, 0.05, 0.83, 0.19, 0.52, 0.71, 0.36, 0.09, 0.62, 0.97]
)


@pytest.mark.parametrize(("miscoverage", "expected"), [(0.5, 0.45), (0.3, 0.66), (0.2, 0.77), (0.1, 0.91)])
def test_mapie_has_the_same_thresholds(xp, miscoverage, expected):
    # MAPIE 1.6.0, SplitConformalRegressor(prefit=True) of a regressor that says 0, of confidence 1 - miscoverage.
    found = xp.run(lambda scores: conformal_threshold(scores, miscoverage=miscoverage), SCORES)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_ranks_are_exact_and_too_few_scores_give_everything():
    for number in range(1, 60):
        scores = np.arange(1.0, number + 1)
        for percent in range(1, 100):
            rank = math.ceil((number + 1) * (1 - Fraction(percent, 100)))
            expected = rank if rank <= number else math.inf
            assert float(conformal_threshold(scores, miscoverage=percent / 100)) == expected


def test_thresholds_of_columns(xp):
    columns = np.stack([SCORES, -SCORES], axis=1).astype(np.float32)
    found = xp.run(lambda scores: conformal_threshold(scores, miscoverage=0.25), columns)
    np.testing.assert_allclose(found, [np.sort(column)[14] for column in columns.T])


def test_sets_are_labels_within_the_threshold(xp):
    probabilities = np.array([[0.75, 0.25, 0.0], [0.5, 0.25, 0.25]], np.float32)
    for threshold, expected in [
        (np.float32(0.5), [[1, 0, 0], [1, 0, 0]]),
        (np.array([0.25, 0.75, 0.75], np.float32), [[1, 1, 0], [0, 1, 1]]),
        (np.array(math.inf), [[1, 1, 1], [1, 1, 1]]),
    ]:
        np.testing.assert_array_equal(xp.run(conformal_set, probabilities, threshold), np.array(expected) == 1)
    assert conformal_set(probabilities, math.inf).all()
    assert conformal_set(probabilities, 0.5).tolist() == [[True, False, False], [True, False, False]]


@pytest.mark.parametrize(("number", "miscoverage"), [(9, 0.1), (19, 0.25), (40, 0.3)])
def test_the_promise_holds_on_average_over_calibrations(number, miscoverage):
    # By exchangeability the rank of a new score among n + 1 is uniform: coverage is k / (n + 1) exactly.
    rng, trials, labels = np.random.default_rng(1), 4000, 3
    probabilities = rng.dirichlet(np.full(labels, 0.7), (number + 1, trials))
    chances = probabilities.cumsum(axis=-1)
    truth = np.minimum((rng.random((number + 1, trials, 1)) > chances).sum(axis=-1), labels - 1)
    scores = 1 - np.take_along_axis(probabilities, truth[..., None], axis=-1)[..., 0]
    thresholds = conformal_threshold(scores[:number], miscoverage=miscoverage)
    # A threshold for each trial: sets of one label, its own.
    right = np.take_along_axis(probabilities[number], truth[number][:, None], axis=-1)[:, 0]
    covered = conformal_set(right, thresholds).mean()
    error = 4 * math.sqrt(miscoverage * (1 - miscoverage) / trials)
    assert 1 - miscoverage - error <= covered <= 1 - miscoverage + 1 / (number + 1) + error
    wanted = math.ceil((number + 1) * (1 - Fraction(str(miscoverage)))) / (number + 1)
    assert covered == pytest.approx(wanted, abs=error)


WRONG = [
    (lambda: conformal_threshold(SCORES, miscoverage=0), ValueError, "conformal_threshold: `miscoverage` must lie"),
    (lambda: conformal_threshold(SCORES, miscoverage=10), ValueError, "conformal_threshold: `miscoverage` must lie"),
    (lambda: conformal_threshold(SCORES, miscoverage=math.nan), ValueError, "conformal_threshold: `miscoverage` must"),
    (lambda: conformal_threshold(SCORES, miscoverage="1"), TypeError, "conformal_threshold: `miscoverage` must be a"),
    (lambda: conformal_threshold([0.5], miscoverage=0.1), TypeError, "conformal_threshold: `scores` must be an array"),
    (
        lambda: conformal_threshold(SCORES * np.nan, miscoverage=0.1),
        ValueError,
        "conformal_threshold: `scores` must be",
    ),
    (lambda: conformal_set(np.array([1, 0]), 0.5), TypeError, "conformal_set: `probabilities` must hold floats"),
    (lambda: conformal_set(SCORES, math.nan), ValueError, "conformal_set: `threshold` must be a number"),
    (lambda: conformal_set(SCORES, np.ones(2)), ValueError, "conformal_set: `threshold` must be one number or one for"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_is_wrong_is_one_sentence(call, kind, words):
    with pytest.raises(kind, match=f"^{words}"):
        call()
