"""Agreement of raters: recorded values of peers, loops over pairs, votes by hand."""

import itertools
import math
from functools import partial

import numpy as np
import pytest

from mia_functional import metrics

pytestmark = pytest.mark.sampled(4)

RNG = np.random.default_rng(2026)
RATINGS = np.array([
    [1, 1, 2, 0, 2, 0, 1, 1, 2, 0, 2, 2, 2, 0, 2, 2, 0, 1, 1, 0],
    [1, 1, 2, 0, 2, 0, 1, 1, 2, 0, 2, 2, 2, 1, 1, 2, 1, 2, 0, 1],
    [1, 1, 2, 0, 2, 0, 1, 1, 2, 0, 2, 2, 2, 2, 2, 2, 0, 0, 0, 2],
    [1, 1, 2, 0, 2, 0, 1, 1, 2, 0, 2, 2, 1, 0, 1, 2, 1, 2, 1, 2],
])  # fmt: skip
VALUES = np.array([
    [41.96, 47.8, 51.42, 48.12, 42.47, 52.35, 64.69, 63.64, 42.45, 42.81, 41.11, 51.82],
    [56.87, 51.06, 55.43, 49.36, 44.81, 56.5, 61.0, 60.63, 44.33, 41.51, 46.63, 53.83],
    [47.64, 47.16, 58.54, 56.02, 38.61, 58.67, 67.42, 61.6, 43.02, 35.09, 48.6, 57.25],
    [61.46, 56.94, 60.83, 49.22, 47.63, 59.24, 60.89, 64.05, 47.68, 43.13, 42.03, 50.77],
])  # fmt: skip


def test_the_kappa_of_statsmodels(xp):
    """0.15.0: `fleiss_kappa` of the counts of `aggregate_raters`."""
    found = xp.run(partial(metrics.fleiss_kappa, labels=(0, 1, 2)), RATINGS)
    np.testing.assert_allclose(found, 0.6161228406909789, rtol=1e-6)
    inside = np.arange(20) < 15
    found = xp.run(lambda r, m: metrics.fleiss_kappa(r, labels=(0, 1, 2), mask=m), RATINGS, inside)
    np.testing.assert_allclose(found, metrics.fleiss_kappa(RATINGS[:, :15], labels=(0, 1, 2)), rtol=1e-6)


def test_the_kappa_of_two_raters_who_share_their_shares_is_cohens():
    one = np.array([0, 0, 1, 1, 2, 2, 0, 1, 2])
    other = np.array([0, 1, 1, 0, 2, 2, 0, 1, 2])
    cohen = metrics.cohen_kappa(metrics.confusion_matrix(one, other, labels=(0, 1, 2)))
    assert math.isclose(metrics.fleiss_kappa(np.stack([one, other]), labels=(0, 1, 2)), cohen)


def test_the_alpha_of_the_package_krippendorff(xp):
    """0.9.0, with missing ratings and without."""
    missing = RATINGS.copy()
    missing[0, 3] = missing[2, 15] = missing[1, 15] = missing[3, 15] = missing[1:, 7] = 9
    nominal = partial(metrics.krippendorff_alpha, labels=(0, 1, 2))
    np.testing.assert_allclose(xp.run(nominal, RATINGS), 0.6209213051823417, rtol=1e-6)
    np.testing.assert_allclose(xp.run(nominal, missing), 0.575242718446602, rtol=1e-6)
    values = VALUES.copy()
    values[0, 3] = values[1:, 7] = np.nan
    np.testing.assert_allclose(xp.run(metrics.krippendorff_alpha, VALUES), 0.7353585278855317, rtol=1e-5)
    np.testing.assert_allclose(xp.run(metrics.krippendorff_alpha, values), 0.6865956094031096, rtol=1e-5)


def exact_alpha(ratings, distance):
    """Return alpha by loops over all pairs of ratings that are not None."""
    units = [[value for value in unit if value is not None] for unit in zip(*ratings, strict=True)]
    units = [unit for unit in units if len(unit) > 1]
    total = sum(map(len, units))
    observed = (
        sum(distance(a, b) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2)) / total
    )
    expected = sum(distance(a, b) for a, b in itertools.permutations(itertools.chain(*units), 2))
    return 1 - observed / (expected / (total * (total - 1)))


def test_alpha_is_that_of_loops():
    for _ in range(10):
        ratings = RNG.integers(0, 4, (3, 9))
        given = [[None if value == 3 else int(value) for value in row] for row in ratings]
        expected = exact_alpha(given, lambda a, b: a != b)
        np.testing.assert_allclose(metrics.krippendorff_alpha(ratings, labels=(0, 1, 2)), expected, rtol=1e-12)
        squares = exact_alpha(given, lambda a, b: (a - b) ** 2)
        floats = np.where(ratings == 3, np.nan, ratings)
        np.testing.assert_allclose(metrics.krippendorff_alpha(floats), squares, rtol=1e-12)


def test_ratings_without_anything_to_disagree_about(xp):
    same = np.ones((3, 4), np.int32)
    for zero_division in (np.nan, 0.5):
        options = {"labels": (0, 1), "zero_division": zero_division}
        assert np.array_equal(xp.run(partial(metrics.fleiss_kappa, **options), same), zero_division, equal_nan=True)
        found = xp.run(partial(metrics.krippendorff_alpha, **options), same)
        assert np.array_equal(found, zero_division, equal_nan=True)
        alone = np.array([[1.0, np.nan], [np.nan, 2.0]])
        found = xp.run(partial(metrics.krippendorff_alpha, zero_division=zero_division), alone)
        assert np.array_equal(found, zero_division, equal_nan=True)


def test_dice_of_all_pairs(xp):
    maps = RNG.integers(0, 3, (3, 5, 6))
    found = xp.run(partial(metrics.pairwise_dice, labels=(1, 2)), maps)
    assert found.shape == (3, 3, 2)
    for a, b in itertools.product(range(3), repeat=2):
        np.testing.assert_allclose(found[a, b], metrics.dice(maps[a], maps[b], labels=(1, 2)), rtol=1e-6)
    masks = np.stack([maps[0] == 1, np.zeros((5, 6), bool)])
    expected = [[1, 0], [0, np.nan]]
    np.testing.assert_array_equal(xp.run(metrics.pairwise_dice, masks), expected)


def test_votes_by_hand(xp):
    ratings = np.array([[0, 1, 2, 5, 2], [0, 1, 1, 5, 1], [2, 0, 2, 5, 0]], np.uint8)
    found = xp.run(partial(metrics.majority_vote, labels=(2, 1, 0)), ratings)
    assert found.tolist() == [0, 1, 2, 2, 2]
    assert found.dtype == np.uint8
    assert xp.run(partial(metrics.majority_vote, labels=(0, 1)), ratings > 1).tolist() == [0, 0, 1, 1, 0]


@pytest.mark.parametrize("function", [metrics.fleiss_kappa, metrics.krippendorff_alpha, metrics.majority_vote])
def test_bad_ratings_are_named(function):
    name = function.__name__
    with pytest.raises(ValueError, match=rf"^{name}: `ratings` must have the raters, two or more, on its first axis"):
        function(RATINGS[:1], labels=(0, 1, 2))
    with pytest.raises(TypeError, match=rf"^{name}: `ratings` must be an? "):
        function(VALUES, labels=(0, 1))
    with pytest.raises(TypeError, match=rf"^{name}: `ratings` must be an array"):
        function([[1, 2], [1, 2]], labels=(0, 1))
    with pytest.raises(ValueError, match=r"^fleiss_kappa: `labels` must name every label that occurs"):
        metrics.fleiss_kappa(RATINGS, labels=(0, 1))
    with pytest.raises(ValueError, match=r"^majority_vote: `labels` must be at most 255"):
        metrics.majority_vote(RATINGS.astype(np.uint8), labels=(0, 256))
    with pytest.raises(TypeError, match=r"^majority_vote: `labels` must be whole numbers"):
        metrics.majority_vote(RATINGS, labels=((0, 1), 2))
