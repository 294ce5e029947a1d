"""Intervals: against SciPy and definitions, where there is nothing to draw, and how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from mia_functional.analysis import interval
from mia_functional.analysis.intervals import INTERVAL_METHODS, column_intervals
from mia_functional.analysis.resampling import bootstrap, bootstrap_counts, jackknife, resampled

VALUES = np.random.default_rng(5).beta(8, 2, 80)


def rms(values, axis=None):
    """Return a statistic that the library does not know."""
    return np.sqrt(np.mean(np.square(values), axis=axis))


def spread(values):
    """Return a statistic without an axis."""
    return float(max(values) - min(values))


@pytest.mark.parametrize("statistic", [np.mean, np.median, rms, spread])
def test_samples_are_those_that_the_counts_stand_for(statistic):
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(size=(9, 3)), 1)
    values[2, 1] = np.nan
    values[:, 2] = np.nan
    (counts,) = bootstrap_counts(rng, 9, 50)
    assert counts.shape == (9, 50)
    assert (counts.sum(axis=0) == 9).all()
    found = resampled(statistic, values, counts)
    for sample in range(50):
        for column in range(2):
            drawn = np.repeat(values[:, column], counts[:, sample])
            assert found[sample, column] == pytest.approx(statistic(drawn[~np.isnan(drawn)]), rel=1e-12)
    assert np.isnan(found[:, 2]).all()


@pytest.mark.parametrize("statistic", [np.mean, np.median])
def test_infinities_are_values(statistic):
    values = np.array([[1.0], [np.inf], [2.0], [3.0], [np.inf]])
    for sample in (counts := next(bootstrap_counts(np.random.default_rng(1), 5, 40))).T:
        expected = statistic(np.repeat(values[:, 0], sample))
        assert resampled(statistic, values, sample[:, None]).item() == expected
    assert np.isinf(resampled(statistic, values, counts)).any()


def test_blocks_of_samples_are_as_many_as_asked_for():
    blocks = list(bootstrap_counts(np.random.default_rng(0), 80_000, 7))
    assert [block.shape for block in blocks] == [(80_000, 3), (80_000, 3), (80_000, 1)]
    assert all((block.sum(axis=0, dtype=int) == 80_000).all() for block in blocks)
    (beyond,) = bootstrap_counts(np.random.default_rng(0), 300_000, 1)
    assert beyond.shape == (300_000, 1)
    # Every case is as likely as any other.
    often = sum(block.sum(axis=1) for block in bootstrap_counts(np.random.default_rng(3), 5, 20_000))
    assert often == pytest.approx(np.full(5, 20_000), rel=0.03)


def test_jackknife_leaves_out_each_case_in_turn():
    found = jackknife(np.median, VALUES[:11, None])[:, 0]
    assert found.tolist() == [np.median(np.delete(VALUES[:11], k)) for k in range(11)]


@pytest.mark.parametrize("statistic", [np.mean, np.median, rms])
@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstraps_are_those_of_scipy(statistic, method):
    found = interval(VALUES, statistic=statistic, method=method, samples=20_000)
    peer = stats.bootstrap((VALUES,), statistic, method=method.replace("bca", "BCa"), n_resamples=20_000, rng=1)
    width = peer.confidence_interval.high - peer.confidence_interval.low
    assert [found.low, found.high] == pytest.approx(list(peer.confidence_interval), abs=0.04 * width)
    assert found.value == pytest.approx(statistic(VALUES), rel=1e-15)


def test_bca_is_its_formula():
    """By the same samples, with SciPy's distribution functions."""
    values = np.random.default_rng(2).exponential(size=60)
    found = interval(values, level=0.9, samples=5000, rng=np.random.default_rng(9))
    drawn = np.sort(bootstrap(np.random.default_rng(9), np.mean, values[:, None], 5000)[:, 0])
    left_out = np.array([np.delete(values, k).mean() for k in range(60)])
    deviations = left_out.mean() - left_out
    skew = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    bias = stats.norm.ppf(np.mean(drawn < values.mean()))
    shares = [stats.norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in stats.norm.ppf([0.05, 0.95])]
    assert found.low == drawn[math.floor(5000 * shares[0])]
    assert found.high == drawn[math.ceil(5000 * shares[1]) - 1]
    # The long tail is above: the interval reaches further up than the plain one.
    assert found.high > interval(values, level=0.9, method="percentile", samples=5000).high


def test_students_interval_is_that_of_scipy():
    found = interval(VALUES, method="t", level=0.9)
    peer = stats.ttest_1samp(VALUES, 0).confidence_interval(0.9)
    assert [found.low, found.high] == pytest.approx(list(peer), rel=1e-12)


@pytest.mark.parametrize("method", INTERVAL_METHODS)
def test_where_there_is_nothing_to_draw(method):
    constant = interval([0.1] * 60, method=method)
    assert (constant.low, constant.high, constant.value) == (constant.value, constant.value, pytest.approx(0.1))
    assert constant.note == "all values are equal: nothing is known of cases that differ"
    one = interval([0.7], method=method)
    assert [math.isnan(end) for end in (one.low, one.high)] == [True, True]
    assert (one.value, one.n, one.note) == (0.7, 1, "one value says nothing about others")
    none = interval([], method=method)
    assert [math.isnan(end) for end in (none.low, none.high, none.value)] == [True] * 3
    assert (none.n, none.note) == (0, "there are no values")
    infinite = interval([1.0, math.inf, 2.0], method=method)
    assert math.isnan(infinite.low)
    assert (infinite.value, infinite.note) == (math.inf, "the statistic is infinite")


def test_a_median_of_few_infinities_has_an_interval():
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0, math.inf, math.inf], statistic=np.median)
    assert (found.value, found.high) == (4.0, math.inf)
    assert 1 <= found.low < 4


def test_notes():
    assert interval(VALUES).note == ""
    assert "fewer than 50 values" in interval(VALUES[:49]).note
    assert "1 undefined values are left out" in interval([*VALUES, math.nan]).note
    failures = np.append(VALUES, [0, 0, 0, 0])
    assert "a few values lie far off (skewness -" in interval(failures).note
    assert interval(failures, statistic=np.median).note == ""


def test_the_same_call_gives_the_same_interval_and_a_generator_goes_on():
    assert interval(VALUES) == interval(VALUES.tolist())
    rng = np.random.default_rng(0)
    assert interval(VALUES, rng=rng) == interval(VALUES) != interval(VALUES, rng=rng)


def test_columns_share_their_samples_and_have_the_intervals_of_each():
    values = np.random.default_rng(1).normal(size=(60, 3))
    found = column_intervals(
        "interval", np.random.default_rng(0), values, statistic=np.median, level=0.95, method="bca", samples=2000
    )
    assert found == [interval(column, statistic=np.median, samples=2000) for column in values.T]


@pytest.mark.slow
@pytest.mark.parametrize("statistic", [np.mean, np.median])
@pytest.mark.parametrize("parameters", [(8, 2), (3, 0.5)])
def test_the_default_holds_the_true_value_as_often_as_it_says(statistic, parameters):
    """400 cohorts of 50: 95 % are 380, and 363 to 395 are as likely as not for 92.5 to 97.5 %."""
    law = stats.beta(*parameters)
    cohorts = law.rvs((400, 50), random_state=np.random.default_rng(11))
    truth = law.mean() if statistic is np.mean else law.median()
    rng = np.random.default_rng(0)
    found = [interval(cohort, statistic=statistic, samples=1000, rng=rng) for cohort in cohorts]
    assert 0.91 <= np.mean([entry.low <= truth <= entry.high for entry in found]) <= 0.985


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: interval("abc"), TypeError, "interval: `values` must be numbers, one per case; got 'abc'"),
        (lambda: interval([[1.0]]), ValueError, "interval: `values` must have one axis, that of cases; got shape"),
        (lambda: interval([1.0], level=1), ValueError, "interval: `level` must lie between 0 and 1; got 1"),
        (lambda: interval([1.0], method="wald"), ValueError, "interval: `method` must be one of bca, percentile, t"),
        (lambda: interval([1.0], samples=0), ValueError, "interval: `samples` must be at least 1"),
        (lambda: interval([1.0], rng=3), TypeError, "interval: `rng` must be a generator of NumPy; got 3"),
        (lambda: interval([1.0], statistic="mean"), TypeError, "interval: `statistic` must be a function such as"),
        (
            lambda: interval([1.0], statistic=list),
            TypeError,
            r"interval: `statistic` must give a number; got \[.* list",
        ),
        (
            lambda: interval([1.0], statistic=np.median, method="t"),
            ValueError,
            "interval: `method` must be bca or percentile for another statistic than the mean",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
