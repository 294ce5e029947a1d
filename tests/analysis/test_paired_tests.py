"""Wilcoxon's test, permutations of signs and Holm's correction: SciPy's and statsmodels' numbers, brute force, hand."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mia_functional.analysis.paired_tests import bootstrap_wilcoxon, holm, permutation_tests, wilcoxon
from mia_functional.analysis.resampling import bootstrap_counts

RNG = np.random.default_rng


def permutation_test(rng, differences, *, samples):
    """Return the p-value of one pair of methods."""
    return permutation_tests(rng, differences[:, None], samples=samples).item()


def exact(differences):
    """Return Wilcoxon's p-value by trying all signs of the ranks, zeros by Pratt's method."""
    ranks = stats.rankdata(np.abs(differences))[differences != 0]
    observed = ranks[differences[differences != 0] > 0].sum()
    sums = [
        sum(r for r, up in zip(ranks, ups, strict=True) if up) for ups in itertools.product((0, 1), repeat=len(ranks))
    ]
    return min(1, 2 * min(np.mean(np.array(sums) <= observed), np.mean(np.array(sums) >= observed)))


@pytest.mark.parametrize("size", [1, 2, 5, 9])
@pytest.mark.parametrize("digits", [0, 9])
def test_few_differences_by_all_signs(size, digits):
    for seed in range(20):
        differences = np.round(RNG(seed).normal(0.4, 1.5, size), digits)
        expected = exact(differences) if differences.any() else 1
        assert wilcoxon(differences) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("size", [6, 13, 14, 30, 50, 51, 200])
@pytest.mark.parametrize("kind", ["distinct", "ties", "zeros"])
def test_wilcoxon_is_that_of_scipy(size, kind):
    """SciPy 1.17 chooses the distribution as here; 1.13 to 1.16 take the exact one with ties, too."""
    # SciPy's permutations of 13 signs take seconds.
    for seed in range(1 if size == 13 else 10):
        differences = RNG(seed).normal(0.3, 1, size)
        differences = differences if kind == "distinct" else np.round(differences, 1)
        differences[differences == 0] = 0.1
        differences[:3] = 0 if kind == "zeros" else differences[:3]
        tied = len(np.unique(np.abs(differences))) < size
        if size > 50 or (tied and size > 13):
            options = {"method": "approx"}
        else:
            options = {"method": "exact"} if not tied else {"method": stats.PermutationMethod(n_resamples=2**13)}
        expected = stats.wilcoxon(differences, zero_method="pratt", **options).pvalue
        assert wilcoxon(differences) == pytest.approx(expected, rel=1e-12)


def test_where_scipy_is_wrong_or_warns():
    # 20 differences of zero: SciPy divides zero by zero. Equal methods are as likely as nothing else.
    with np.errstate(all="ignore"):
        assert math.isnan(stats.wilcoxon(np.zeros(20), zero_method="pratt", method="approx").pvalue)
    assert wilcoxon(np.zeros(20)) == 1
    assert permutation_test(RNG(0), np.zeros(20), samples=100) == 1
    assert math.isnan(wilcoxon(np.array([])))
    assert math.isnan(permutation_test(RNG(0), np.array([]), samples=100))
    # A constant difference is no reason for doubt: all 2^20 signs but two are less extreme.
    assert permutation_test(RNG(0), np.full(12, 0.1), samples=5000) == 2 / 2**12
    # Infinite differences have ranks, but no mean.
    assert wilcoxon(np.array([1.0, 2.0, np.inf])) == wilcoxon(np.array([1.0, 2.0, 3.0])) == 0.25
    assert math.isnan(permutation_test(RNG(0), np.array([1.0, 2.0, np.inf]), samples=100))


def test_cases_without_a_difference_do_not_count():
    assert wilcoxon(np.array([1.0, np.nan, 2.0, -3.0])) == wilcoxon(np.array([1.0, 2.0, -3.0]))
    assert permutation_test(RNG(0), np.array([1.0, np.nan, 2.0]), samples=99) == 0.5


@pytest.mark.parametrize("size", [3, 8, 12])
def test_permutations_of_few_differences_are_all_tried(size):
    for seed in range(10):
        differences = np.round(RNG(seed).normal(0.4, 1, size), 2)
        means = [np.dot(signs, differences) for signs in itertools.product((-1, 1), repeat=size)]
        expected = np.mean(np.abs(means) >= abs(differences.sum()) - 1e-9)
        assert permutation_test(RNG(0), differences, samples=2**12) == expected
        peer = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
        assert expected == pytest.approx(peer.pvalue, rel=1e-12)


def test_permutations_of_many_differences_are_drawn():
    differences = RNG(1).normal(0.25, 1, 60)
    found = permutation_test(RNG(0), differences, samples=20_000)
    assert found == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)
    assert (
        found
        == permutation_test(RNG(0), differences, samples=20_000)
        != permutation_test(RNG(1), differences, samples=20_000)
    )
    # Never 0: the observed signs are one of those that could be.
    assert permutation_test(RNG(0), np.full(60, 1.0), samples=999) == 1 / 1000


def test_pairs_share_their_permutations():
    columns = RNG(1).normal(0.2, 1, (60, 4))
    columns[5:, 1], columns[30:, 2], columns[3, 3] = np.nan, np.nan, np.inf
    found = permutation_tests(RNG(0), columns, samples=2000)
    assert found[0] == permutation_test(RNG(0), columns[:, 0], samples=2000)
    # Five differences have 32 signs, which are all tried.
    assert found[1] == permutation_test(RNG(9), columns[:5, 1], samples=2000)
    # Cases that are left out change nothing but the draws.
    assert found[2] == pytest.approx(permutation_test(RNG(0), columns[:30, 2], samples=20_000), abs=0.03)
    assert math.isnan(found[3])


def test_holm_is_that_of_statsmodels():
    """Recorded from statsmodels 0.15.0, `multipletests(p, method="holm")`."""
    p_values = np.array([0.01, 0.04, 0.03, 0.005, 0.5, 0.04])
    assert holm(p_values) == pytest.approx([0.05, 0.12, 0.12, 0.03, 0.5, 0.12], rel=1e-12)
    p_values = np.array([0.1882, 0.0275, 0.2293, 0.0197, 0.1814, 0.0003, 0.48, 0.0047])
    expected = [0.7256, 0.1375, 0.7256, 0.1182, 0.7256, 0.0024, 0.7256, 0.0329]
    assert holm(p_values) == pytest.approx(expected, rel=1e-12)
    assert holm(np.array([0.4, 0.3])).tolist() == [0.6, 0.6]
    with_gaps = holm(np.array([0.01, np.nan, 0.02]))
    assert with_gaps[[0, 2]] == pytest.approx([0.02, 0.02])
    assert math.isnan(with_gaps[1])
    assert holm(np.array([])).size == 0


@pytest.mark.parametrize("digits", [1, 9])
def test_tests_of_samples_are_those_of_scipy(digits):
    """With SciPy's continuity correction on the sample that the counts stand for."""
    differences = np.round(RNG(3).normal(0.1, 0.4, 25), digits)
    differences[4] = np.nan
    counts = next(bootstrap_counts(RNG(0), 25, 60))
    found = bootstrap_wilcoxon(differences, counts)
    for sample in range(60):
        drawn = np.repeat(differences, counts[:, sample])
        drawn = drawn[~np.isnan(drawn)]
        for row, alternative in zip(found, ("greater", "less"), strict=True):
            peer = stats.wilcoxon(drawn[drawn != 0], correction=True, alternative=alternative, method="approx")
            assert row[sample] == pytest.approx(peer.pvalue, rel=1e-12)


def test_tests_of_samples_without_differences():
    counts = next(bootstrap_counts(RNG(0), 4, 30))
    assert np.isnan(bootstrap_wilcoxon(np.zeros(4), counts)).all()
    one = bootstrap_wilcoxon(np.array([0.0, 0.0, 0.0, 1.0]), counts)
    assert (np.isnan(one[0]) == (counts[3] == 0)).all()
    assert np.isfinite(bootstrap_wilcoxon(np.array([np.inf, np.inf, -np.inf, 1.0]), counts)).all()
