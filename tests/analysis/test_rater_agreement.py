"""Intraclass correlations against published and recorded values; limits of agreement by hand."""

import math

import numpy as np
import pytest

from mia_functional.analysis import bland_altman, intraclass_correlations

SHROUT_AND_FLEISS = [[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]]
"""Four judges and six subjects, in table 2 of their paper."""

PUBLISHED = {
    "ICC(1,1)": (0.166, -0.133, 0.723),
    "ICC(2,1)": (0.290, 0.019, 0.761),
    "ICC(3,1)": (0.715, 0.342, 0.946),
    "ICC(1,k)": (0.443, -0.884, 0.912),
    "ICC(2,k)": (0.620, 0.071, 0.927),
    "ICC(3,k)": (0.909, 0.676, 0.986),
}
"""What the help of `ICC` of the package psych of R shows for them, with intervals of 95 %."""

VALUES = [
    [41.96, 47.8, 51.42, 48.12, 42.47, 52.35, 64.69, 63.64, 42.45, 42.81, 41.11, 51.82],
    [56.87, 51.06, 55.43, 49.36, 44.81, 56.5, 61.0, 60.63, 44.33, 41.51, 46.63, 53.83],
    [47.64, 47.16, 58.54, 56.02, 38.61, 58.67, 67.42, 61.6, 43.02, 35.09, 48.6, 57.25],
    [61.46, 56.94, 60.83, 49.22, 47.63, 59.24, 60.89, 64.05, 47.68, 43.13, 42.03, 50.77],
]

PINGOUIN = {
    "ICC(1,1)": (0.7479936431, 0.52, 0.91),
    "ICC(2,1)": (0.7498969607, 0.53, 0.91),
    "ICC(3,1)": (0.7732575572, 0.56, 0.92),
    "ICC(1,k)": (0.9223157095, 0.82, 0.97),
    "ICC(2,k)": (0.9230378986, 0.82, 0.98),
    "ICC(3,k)": (0.9316994068, 0.84, 0.98),
}
"""`intraclass_corr` of pingouin 0.7.0, which rounds the ends of intervals to two digits."""


def test_published_correlations():
    found = intraclass_correlations(SHROUT_AND_FLEISS)
    assert list(found) == list(PUBLISHED)
    for name, numbers in PUBLISHED.items():
        icc = found[name]
        assert (icc.value, icc.low, icc.high) == pytest.approx(numbers, abs=0.0011)
        assert (icc.n, icc.level, icc.method) == (6, 0.95, "F")


def test_correlations_of_pingouin():
    for name, icc in intraclass_correlations(np.array(VALUES)).items():
        value, low, high = PINGOUIN[name]
        assert icc.value == pytest.approx(value, abs=1e-9)
        assert (round(icc.low, 2), round(icc.high, 2)) == (low, high)


def test_raters_who_agree_and_ratings_without_differences():
    same = intraclass_correlations([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    assert [icc.value for icc in same.values()] == [1] * 6
    assert all(math.isnan(icc.low) for icc in same.values())
    assert all(math.isnan(icc.value) for icc in intraclass_correlations(np.ones((3, 4))).values())
    shifted = intraclass_correlations([[1.0, 2.0, 4.0], [3.0, 4.0, 6.0]])
    assert shifted["ICC(3,1)"].value == 1
    assert shifted["ICC(2,1)"].value < 1


def test_limits_of_agreement_by_hand():
    first, second = np.array(VALUES[0]), np.array(VALUES[1])
    found = bland_altman(first, second, coverage=0.95, level=0.9)
    differences = first - second
    mean, spread = differences.mean(), differences.std(ddof=1)
    z, t = 1.959963984540054, 1.7958848187036691  # quantiles of the normal and of Student's distribution with 11
    for record, value, error in (
        (found.bias, mean, spread / math.sqrt(12)),
        (found.lower, mean - z * spread, spread * math.sqrt(1 / 12 + z**2 / 22)),
        (found.upper, mean + z * spread, spread * math.sqrt(1 / 12 + z**2 / 22)),
    ):
        assert record.value == pytest.approx(value, rel=1e-12)
        assert (record.low, record.high) == pytest.approx((value - t * error, value + t * error), rel=1e-9)
        assert (record.n, record.level, record.method) == (12, 0.9, "t")
    alone = bland_altman([1.0], [0.5])
    assert alone.bias.value == 0.5
    assert math.isnan(alone.lower.value)
    assert math.isnan(alone.bias.low)


def test_the_intervals_hold_the_true_limits():
    """Of 2000 samples of 50 normal differences, 94.5 % of the intervals of the lower limit hold it."""
    rng = np.random.default_rng(0)
    held = 0
    for sample in rng.normal(2, 3, (2000, 50)):
        lower = bland_altman(sample, np.zeros(50)).lower
        held += lower.low <= 2 - 1.959963984540054 * 3 <= lower.high
    assert 0.93 < held / 2000 < 0.965


def test_bad_values_are_named():
    with pytest.raises(ValueError, match=r"^bland_altman: `second` must have 2 entries, as `first`; got 3"):
        bland_altman([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"^bland_altman: `first` must be finite"):
        bland_altman([1, math.nan], [1, 2])
    with pytest.raises(TypeError, match=r"^bland_altman: `first` must be numbers"):
        bland_altman("ab", [1, 2])
    with pytest.raises(ValueError, match=r"^bland_altman: `coverage` must lie between 0 and 1; got 95"):
        bland_altman([1, 2], [1, 2], coverage=95)
    with pytest.raises(ValueError, match=r"^intraclass_correlations: `ratings` must have two raters and two"):
        intraclass_correlations([[1, 2, 3]])
    with pytest.raises(ValueError, match=r"^intraclass_correlations: `level` must lie between 0 and 1"):
        intraclass_correlations(SHROUT_AND_FLEISS, level=1)
