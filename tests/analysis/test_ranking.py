"""Rankings: expected values of challengeR's own tests, ties and gaps by hand, bootstraps against loops, and SciPy."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from mia_functional.analysis import rank
from mia_functional.analysis.ranking import SCHEMES, kendall_tau, ranks_of
from mia_functional.analysis.resampling import bootstrap_counts
from mia_functional.evaluation import Results, concatenate

from .tables import cohort, column, methods

NA = "missing"
SMALL, LARGE = "FNR", "DICE"
"""Metrics that are better when small, and when large; the worst value of the one is 1, of the other 0."""


def ranks(values, scheme="aggregate then rank", metric=LARGE, **rest):
    """Return score and rank of each method, in the order of the names."""
    (found,) = rank(methods(values, metric=metric), scheme=scheme, bootstraps=0, **rest)
    return [(pytest.approx(entry.score), entry.rank) for entry in sorted(found.ranks, key=lambda e: e.method)]


# Inputs and expected values of tests/testthat of challengeR 1.0.5 (commit beb3b67). Its 100 in place of a value, where
# small is better, is here the worst value, 1.
@pytest.mark.parametrize(
    ("scheme", "values", "rest", "expected"),
    [
        ("aggregate then rank", ([0.6], [0.8]), {"metric": SMALL}, [(0.6, 1), (0.8, 2)]),
        ("aggregate then rank", ([0.6], [0.8]), {}, [(0.6, 2), (0.8, 1)]),
        ("aggregate then rank", ([0.6], [0.6]), {"metric": SMALL, "ties": "min"}, [(0.6, 1), (0.6, 1)]),
        ("aggregate then rank", ([0.6], [0.6]), {"metric": SMALL, "ties": "max"}, [(0.6, 2), (0.6, 2)]),
        ("aggregate then rank", ([0.6, 0.4], [0.8, 1.0]), {"metric": SMALL}, [(0.5, 1), (0.9, 2)]),
        ("aggregate then rank", ([0.6, 0.4], [0.8, 1]), {"metric": SMALL, "function": np.median}, [(0.5, 1), (0.9, 2)]),
        ("aggregate then rank", ([0.6],), {"metric": SMALL}, [(0.6, 1)]),
        ("aggregate then rank", ([NA], [0.8]), {}, [(0.0, 2), (0.8, 1)]),
        ("aggregate then rank", ([0.5], [0.4]), {"metric": SMALL}, [(0.5, 2), (0.4, 1)]),
        ("rank then aggregate", ([0.6], [0.8]), {"metric": SMALL}, [(1, 1), (2, 2)]),
        ("rank then aggregate", ([0.6], [0.8]), {}, [(2, 2), (1, 1)]),
        ("rank then aggregate", ([0.6], [0.6]), {"metric": SMALL, "ties": "min"}, [(1, 1), (1, 1)]),
        ("rank then aggregate", ([0.6], [0.6]), {"metric": SMALL, "ties": "max"}, [(2, 2), (2, 2)]),
        ("rank then aggregate", ([0.6, 0.4], [0.8, 1.0]), {"metric": SMALL}, [(1, 1), (2, 2)]),
        ("rank then aggregate", ([0.6, 0.4], [0.8, 1.0]), {"metric": SMALL, "function": np.median}, [(1, 1), (2, 2)]),
        ("rank then aggregate", ([0.6],), {"metric": SMALL}, [(1, 1)]),
        ("rank then aggregate", ([NA], [0.8]), {}, [(2, 2), (1, 1)]),
        ("rank then aggregate", ([NA], [0.4]), {"metric": SMALL}, [(2, 2), (1, 1)]),
        ("test then rank", ([0.6], [0.8]), {"metric": SMALL}, [(0, 1), (0, 1)]),
        ("test then rank", ([0.2] * 4, [1.0] * 4), {"metric": SMALL}, [(1, 1), (0, 2)]),
        ("test then rank", ([0.2] * 4, [1.0] * 4), {}, [(0, 2), (1, 1)]),
        ("test then rank", ([0.6] * 2, [0.8] * 2), {"metric": SMALL, "ties": "max"}, [(0, 2), (0, 2)]),
        ("test then rank", ([0.0, *[0.2] * 3], [1.0] * 4), {"metric": SMALL}, [(1, 1), (0, 2)]),
        ("test then rank", ([NA, *[0.2] * 3], [1.0] * 4), {"metric": SMALL, "missing": "skip"}, [(0, 1), (0, 1)]),
        ("test then rank", ([0.6] * 2, [0.8] * 2), {"metric": SMALL}, [(0, 1), (0, 1)]),
    ],
)
def test_ranks_are_those_of_challenger(scheme, values, rest, expected):
    assert ranks({f"A{k}": entries for k, entries in enumerate(values, 1)}, scheme, **rest) == expected


def test_ties_by_hand():
    scores = np.array([[0.5, 0.9, 0.5, 0.1], [1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, math.nan]])
    assert ranks_of(scores).tolist() == [[2, 1, 2, 4], [1, 1, 1, 1], [3, 2, 1, 4]]
    assert ranks_of(scores, ties="max").tolist() == [[3, 1, 3, 4], [4, 4, 4, 4], [3, 2, 1, 4]]
    assert ranks_of(scores, ties="average").tolist() == [[2.5, 1, 2.5, 4], [2.5] * 4, [3, 2, 1, 4]]
    infinite = np.array([math.inf, -math.inf, math.inf])
    assert ranks_of(infinite).tolist() == [1, 3, 1]
    for ties in ("min", "max", "average"):
        values = np.round(np.random.default_rng(0).random((20, 7)), 1)
        assert (ranks_of(values, ties=ties) == stats.rankdata(-values, method=ties, axis=1)).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("metric", [SMALL, LARGE, "HDRFDST95"])
def test_a_method_whose_cases_are_all_undefined_is_never_first(scheme, metric):
    nothing = [math.nan] * 4
    (found,) = rank(methods({"none": nothing, "bad": [0.9] * 4, "worse": [0.8] * 4}, metric=metric), scheme=scheme)
    assert next(entry.method for entry in found.ranks if entry.rank == 1) != "none"
    last = found.ranks[-1]
    assert (last.method, last.rank, last.low, last.count, last.undefined) == ("none", 3, 3, 0, 4)
    (found,) = rank(methods({"none": nothing, "neither": nothing}, metric=metric), scheme=scheme)
    assert [entry.rank for entry in found.ranks] == [2, 2]
    (found,) = rank(methods({"none": nothing}, metric=metric), scheme=scheme)
    assert math.isnan(found.ranks[0].rank)


def test_what_is_missing_failed_and_absent_counts_against_a_method():
    rows = [*column((0.6, 0.6, 0.6), method="whole"), *column((0.9, "missing"), method="gaps")]
    (found,) = rank(Results(rows=tuple(rows)))
    assert [(e.method, e.rank, e.missing, e.failed, e.count) for e in found.ranks] == [
        ("whole", 1, 0, 0, 3),
        ("gaps", 2, 2, 0, 3),
    ]
    (found,) = rank(Results(rows=tuple(rows)), missing="skip")
    assert [(e.method, e.score, e.count) for e in found.ranks] == [("gaps", 0.9, 1), ("whole", pytest.approx(0.6), 3)]


def test_infinite_distances_are_last_and_may_be_replaced():
    far = {"a": (1.0, math.inf), "b": (5.0, 6.0)}
    (found,) = rank(methods(far, metric="ASSD", unit="mm"))
    assert [(e.method, e.score, e.infinite) for e in found.ranks] == [("b", 5.5, 0), ("a", math.inf, 1)]
    (found,) = rank(methods(far, metric="ASSD", unit="mm"), infinite="diagonal", diagonals=8)
    assert [(e.method, e.score) for e in found.ranks] == [("a", 4.5), ("b", 5.5)]


def loop(values, scheme, ties):
    """Return the ranks of a sample by loops over SciPy's functions."""
    if scheme == "aggregate then rank":
        return stats.rankdata(-values.mean(axis=0), method=ties)
    if scheme == "rank then aggregate":
        return stats.rankdata(stats.rankdata(-values, method=ties, axis=1).mean(axis=0), method=ties)
    wins = np.zeros(values.shape[1])
    for one, other in itertools.permutations(range(values.shape[1]), 2):
        differences = values[:, one] - values[:, other]
        kept = differences[differences != 0]
        p = stats.wilcoxon(kept, correction=True, alternative="greater", method="approx").pvalue if len(kept) else 1
        wins[one] += p <= 0.05
    return stats.rankdata(-wins, method=ties)


@pytest.mark.slow
@pytest.mark.parametrize("ties", ["min", "average"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_bootstraps_are_those_of_a_loop(scheme, ties):
    entries = cohort(np.random.default_rng(1), 20, 4, spread=0.1)
    (found,) = rank(methods(entries), scheme=scheme, ties=ties, bootstraps=150, rng=np.random.default_rng(6))
    values = np.array(list(entries.values())).T
    samples = []
    for counts in bootstrap_counts(np.random.default_rng(6), 20, 150):
        samples += [loop(np.repeat(values, sample, axis=0), scheme, ties) for sample in counts.T]
    samples, observed = np.array(samples), loop(values, scheme, ties)
    for k, name in enumerate(entries):
        entry = next(e for e in found.ranks if e.method == name)
        assert entry.rank == observed[k]
        ordered = np.sort(samples[:, k])
        assert (entry.low, entry.high) == (ordered[3], ordered[146])
        assert entry.mean == pytest.approx(samples[:, k].mean())
        numbers = np.unique(samples[:, k], return_counts=True)
        assert entry.frequencies == tuple(zip(numbers[0], numbers[1] / 150, strict=True))
    taus = [stats.kendalltau(observed, sample).statistic for sample in samples]
    assert found.tau == pytest.approx(np.nanmean(taus))
    assert found.tau_low == pytest.approx(np.sort(taus)[3])


def test_kendalls_tau_is_that_of_scipy():
    rng = np.random.default_rng(0)
    one, many = rng.integers(1, 6, 7).astype(float), rng.integers(1, 6, (40, 7)).astype(float)
    many[3] = 2
    found = kendall_tau(one, many)
    expected = [stats.kendalltau(one, other).statistic for other in many]
    assert found == pytest.approx(expected, nan_ok=True)
    assert math.isnan(found[3])


def test_a_clear_ranking_is_stable_and_one_of_equals_is_not():
    values = np.random.default_rng(0).beta(8, 2, 60)
    (found,) = rank(methods({"good": values, "bad": values / 2, "poor": values / 4}))
    assert [(e.method, e.low, e.high, e.frequencies) for e in found.ranks] == [
        ("good", 1, 1, ((1, 1),)),
        ("bad", 2, 2, ((2, 1),)),
        ("poor", 3, 3, ((3, 1),)),
    ]
    assert (found.tau, found.tau_low, found.n, found.bootstraps, found.scheme) == (
        1,
        1,
        60,
        1000,
        "aggregate then rank",
    )
    # The same values in another order are as good, also where their sum differs in the last digit.
    order = np.random.default_rng(1).permutation(60)
    assert values.sum() != values[order].sum()
    (found,) = rank(methods({"one": values, "two": values, "three": values[order]}), bootstraps=0)
    assert [e.rank for e in found.ranks] == [1, 1, 1]
    (found,) = rank(methods({f"m{k}": values for k in range(11)}))
    assert {(e.rank, e.low, e.high, e.frequencies) for e in found.ranks} == {(1, 1, 1, ((1, 1),))}
    assert math.isnan(found.tau)


def test_labels_metrics_and_groups_are_ranked_apart():
    results = concatenate([methods({"a": (0.9, 0.1), "b": (0.5, 0.5)}, label=label) for label in ("x", "y")])
    found = rank(results, by={"sex": {"s0": "f", "s1": "m"}}, bootstraps=0)
    assert [(r.label, r.group, r.ranks[0].method) for r in found] == [
        ("x", (("SEX", "f"),), "a"),
        ("x", (("SEX", "m"),), "b"),
        ("y", (("SEX", "f"),), "a"),
        ("y", (("SEX", "m"),), "b"),
    ]


def test_a_scheme_of_ones_own_and_any_aggregate():
    def lowest(values, counts):
        return np.where(counts.T[:, :, None] > 0, values, np.inf).min(axis=1)

    results = methods({"a": (0.9, 0.1), "b": (0.5, 0.5)})
    (found,) = rank(results, scheme=lowest)
    assert [(e.method, e.score) for e in found.ranks] == [("b", 0.5), ("a", 0.1)]
    assert found.scheme == "lowest"
    (found,) = rank(results, function=np.max, bootstraps=20)
    assert [(e.method, e.score) for e in found.ranks] == [("a", 0.9), ("b", 0.5)]


@pytest.mark.parametrize(
    ("rest", "error", "words"),
    [
        (
            {"scheme": "vote"},
            ValueError,
            "rank: `scheme` must be one of aggregate then rank, rank then aggregate, test",
        ),
        ({"scheme": 3}, TypeError, "rank: `scheme` must be a function such as one of aggregate then rank"),
        ({"ties": "dense"}, ValueError, "rank: `ties` must be one of min, average, max; got 'dense'"),
        ({"function": "mean"}, TypeError, "rank: `function` must be a function such as numpy.mean; got 'mean'"),
        ({"function": str}, TypeError, r"rank: `function` must give a number; got '\[0.9\]' from str"),
        ({"bootstraps": -1}, ValueError, "rank: `bootstraps` must be at least 0; got -1"),
        ({"level": 2}, ValueError, "rank: `level` must lie between 0 and 1; got 2"),
        ({"alpha": "x"}, TypeError, "rank: `alpha` must be a number; got 'x'"),
        ({"rng": 0}, TypeError, "rank: `rng` must be a generator of NumPy; got 0"),
    ],
)
def test_mistakes_are_one_sentence(rest, error, words):
    with pytest.raises(error, match=words):
        rank(methods({"a": (0.9,), "b": (0.5,)}), **rest)
