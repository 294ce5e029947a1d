"""Pairs of methods: differences, signs and lists by hand, tests of SciPy, and what each policy makes of gaps."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mia_functional.analysis import compare, interval
from mia_functional.evaluation import Results, concatenate

from .tables import cohort, column, methods

A = (0.9, 0.8, 0.7, 0.6, 0.95, 0.5)
B = (0.8, 0.85, 0.5, 0.6, 0.75, 0.4)


def test_a_pair_by_hand():
    (found,) = compare(methods({"a": A, "b": B}))
    differences = np.subtract(A, B)
    assert (found.method, found.baseline, found.label, found.metric) == ("a", "b", "liver", "DICE")
    assert found.difference == pytest.approx(differences.mean())
    assert (found.better, found.n, found.superiority) == ("a", 6, pytest.approx((4 + 0.5) / 6))
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(np.round(differences, 9), zero_method="pratt").pvalue)
    signs = itertools.product((-1, 1), repeat=6)
    expected = np.mean([abs(np.dot(s, differences)) >= abs(differences.sum()) - 1e-9 for s in signs])
    assert found.permutation == expected
    # One comparison needs no correction.
    assert (found.wilcoxon_holm, found.permutation_holm) == (found.wilcoxon, found.permutation)
    assert [found.low, found.high] == [interval(differences).low, interval(differences).high]
    assert found.low < found.difference < found.high
    assert (found.interval_method, found.level, found.policy) == ("bca", 0.95, "mia")
    assert "fewer than 50 values" in found.note


@pytest.mark.parametrize(("metric", "better"), [("DICE", "a"), ("ASSD", "b"), ("FNR", "b"), ("PSNR", "a")])
def test_the_sign_says_who_is_better_whatever_the_direction(metric, better):
    (found,) = compare(methods({"a": A, "b": B}, metric=metric))
    (turned,) = compare(methods({"b": B, "a": A}, metric=metric))
    sign = 1 if better == "a" else -1
    assert math.copysign(1, found.difference) == sign
    assert turned.difference == pytest.approx(-found.difference)
    assert (found.better, turned.better) == (better, better)
    assert found.superiority + turned.superiority == 1
    assert found.wilcoxon == turned.wilcoxon


def test_all_pairs_or_those_with_a_baseline():
    results = methods({"a": A, "b": B, "c": A[::-1]})
    assert [(c.method, c.baseline) for c in compare(results)] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [(c.method, c.baseline) for c in compare(results, baseline="b")] == [("a", "b"), ("c", "b")]
    assert [(c.method, c.baseline) for c in compare(results, baseline="a")] == [("b", "a"), ("c", "a")]


def test_holm_takes_all_comparisons_of_the_call():
    rng = np.random.default_rng(0)
    tables = [methods(cohort(rng, 30, 3), label=label) for label in ("liver", "spleen")]
    together = compare(concatenate(tables))
    alone = [entry for part in tables for entry in compare(part)]
    assert [c.wilcoxon for c in together] == [c.wilcoxon for c in alone]
    order = np.argsort([c.wilcoxon for c in together])
    expected = np.maximum.accumulate([together[k].wilcoxon * (6 - step) for step, k in enumerate(order)])
    assert [together[k].wilcoxon_holm for k in order] == pytest.approx(np.minimum(expected, 1))
    assert all(c.permutation_holm >= c.permutation for c in together)


def test_cases_that_one_method_lacks_are_listed_and_count_by_the_policy():
    rows = [*column((0.9, 0.8, "failed", 0.7), method="a"), *column((0.8, "missing", 0.6), method="b")]
    (found,) = compare(Results(rows=tuple(rows)))
    assert (found.only_method, found.only_baseline, found.left_out) == (("s1", "s3"), ("s2",), ())
    assert (found.n, found.difference) == (4, pytest.approx((0.1 + 0.8 - 0.6 + 0.7) / 4))
    (found,) = compare(Results(rows=tuple(rows)), missing="skip")
    assert (found.only_method, found.only_baseline) == (("s1", "s3"), ("s2",))
    assert (found.n, found.left_out, found.difference) == (1, ("s1", "s2", "s3"), pytest.approx(0.1))
    with pytest.raises(ValueError, match=r"compare: `results` must have DICE of liver for every subject .* s1, s2, s3"):
        compare(Results(rows=tuple(rows)), missing="error")


@pytest.mark.parametrize("missing", [None, "worst", "undefined", "skip", 0.2])
def test_without_a_common_case_none_is_better(missing):
    """More cases are no better ones: each method lacks those of the other, whether there is a row for them or not."""
    alone = [*column((0.9, 0.8, 0.7), method="a"), *column((0.9,), method="b", first=3)]
    told = [*column((0.9, 0.8, 0.7, "missing", "failed"), method="a"),
            *column(("failed", "missing", "missing", 0.9, "missing"), method="b")]  # fmt: skip
    for rows in (alone, told):
        (found,) = compare(Results(rows=tuple(rows)), missing=missing)
        assert (found.only_method, found.only_baseline) == (("s0", "s1", "s2"), ("s3",))
        assert found.better == ""
        assert found.note.split("; ")[0] == "nothing is paired: no case has both methods"
        counted = missing in (None, "worst", 0.2)
        assert found.n == (len(rows) if rows is alone else 5) * counted
        # What the policy makes of it is told all the same.
        if counted:
            assert found.difference == pytest.approx((0.9 + 0.8 + 0.7 - 0.9) / found.n)
            assert "fewer than 50 values" in found.note


def test_with_one_common_case_the_others_count_by_the_policy():
    rows = [*column((0.9, 0.8, 0.7), method="a"), *column((0.95,), method="b")]
    (found,) = compare(Results(rows=tuple(rows)), missing="worst")
    assert (found.n, found.better, found.difference) == (3, "a", pytest.approx((0.9 - 0.95 + 0.8 + 0.7) / 3))
    assert "paired" not in found.note
    (found,) = compare(Results(rows=tuple(rows)), missing="skip")
    assert (found.n, found.better, found.difference) == (1, "b", pytest.approx(-0.05))
    # A case that both methods have is paired though it is undefined for one.
    rows = [*column((math.nan, 0.8), method="a"), *column((0.9, "missing"), method="b")]
    (found,) = compare(Results(rows=tuple(rows)))
    assert (found.n, found.better) == (1, "a")
    assert "paired" not in found.note


def test_undefined_cases_are_left_out_and_named():
    (found,) = compare(methods({"a": (0.9, math.nan, 0.7), "b": (0.8, math.nan, math.nan)}))
    assert (found.n, found.left_out, found.only_method) == (1, ("s1", "s2"), ())
    (found,) = compare(methods({"a": (math.nan,), "b": (math.nan,)}))
    assert (found.n, found.better, found.left_out) == (0, "", ("s0",))
    assert all(math.isnan(value) for value in (found.difference, found.low, found.wilcoxon, found.superiority))


def test_infinite_distances():
    far = {"a": (1.0, math.inf, 2.0, math.inf), "b": (2.0, math.inf, 3.0, 4.0)}
    (found,) = compare(methods(far, metric="HDRFDST", unit="mm"))
    # Two structures that both missed are equal; one that a alone missed makes its mean difference infinitely bad.
    assert (found.difference, found.better, found.superiority) == (-math.inf, "b", (2 + 0.5) / 4)
    assert math.isnan(found.low)
    assert math.isnan(found.permutation)
    assert found.wilcoxon == stats.wilcoxon([1, 0, 1, -9], zero_method="pratt").pvalue
    assert found.note == "the statistic is infinite"
    (found,) = compare(methods(far, metric="HDRFDST", unit="mm"), infinite="diagonal", diagonals=10)
    assert found.difference == pytest.approx((1 + 0 + 1 - 6) / 4)
    (found,) = compare(methods(far, metric="HDRFDST", unit="mm"), statistic=np.median)
    assert (found.difference, found.better) == (0.5, "a")


def test_equal_methods():
    (found,) = compare(methods({"a": A, "b": A}))
    assert (found.difference, found.low, found.high, found.better, found.superiority) == (0, 0, 0, "", 0.5)
    assert (found.wilcoxon, found.permutation, found.wilcoxon_holm) == (1, 1, 1)
    assert "all values are equal" in found.note


def test_groups_of_subjects_are_compared_apart():
    site = {f"s{k}": "Bern" if k < 3 else "Basel" for k in range(6)}
    found = compare(methods({"a": A, "b": B}), by={"site": site})
    assert [(c.group[0][1], c.n) for c in found] == [("Bern", 3), ("Basel", 3)]
    assert found[0].difference == pytest.approx(np.subtract(A, B)[:3].mean())


def test_methods_without_a_row_of_a_metric_are_not_compared_by_it():
    rows = [*methods({"a": A, "b": B, "c": A}), *methods({"a": A, "b": B}, metric="JACRD")]
    assert [(c.metric, c.method, c.baseline) for c in compare(Results(rows=tuple(rows)))][3:] == [("JACRD", "a", "b")]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: compare(Results()), ValueError, "compare: `results` must hold at least one value"),
        (lambda: compare(methods({"a": A})), ValueError, "compare: `results` must hold at least two methods; got 'a'"),
        (
            lambda: compare(methods({"a": A, "b": B}), baseline="c"),
            ValueError,
            "`baseline` must be one of a, b; got 'c'",
        ),
        (
            lambda: compare(methods({"a": A, "b": B}, metric="PREDVOL")),
            ValueError,
            "compare: `results` must hold metrics of which higher or lower is better, or `metrics` their",
        ),
        (lambda: compare(methods({"a": A, "b": B}), level=0), ValueError, "compare: `level` must lie between 0 and 1"),
        (lambda: compare(methods({"a": A, "b": B}), method="z"), ValueError, "compare: `method` must be one of bca"),
        (lambda: compare(methods({"a": A, "b": B}), rng=1), TypeError, "compare: `rng` must be a generator of NumPy"),
        (lambda: compare(methods({"a": A, "b": B}), statistic=1), TypeError, "compare: `statistic` must be a function"),
        (
            lambda: compare(methods({"a": A, "b": B}), statistic=np.sort),
            TypeError,
            r"compare: `statistic` must give a number for each row, along `axis=-1`; got an array of .* from sort\.",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
