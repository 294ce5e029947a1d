"""Rankings of methods, and how much they depend on the cases that happened to be tested."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.analysis.case_matrix import CaseMatrix, case_matrix
from mia_functional.analysis.groups import By, Group, group_rows
from mia_functional.analysis.paired_tests import bootstrap_wilcoxon
from mia_functional.analysis.policies import (
    Diagonals,
    Infinite,
    Missing,
    Policy,
    count_cases,
    direction_of,
    policy_name,
    resolve_policy,
)
from mia_functional.analysis.resampling import Estimator, bootstrap_counts, generator, resampled
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.run_record import diagonals as known_diagonals
from mia_functional.metrics.table import Metric
from mia_functional.typing import HostArray

__all__ = ["BOOTSTRAPS", "SCHEMES", "TIES", "Rank", "Ranking", "Scheme", "kendall_tau", "rank", "ranks_of"]

TIES = ("min", "average", "max")
"""The rank of methods that are equal: the best of theirs (1 1 3), the mean (1.5 1.5 3), or the worst (2 2 3)."""

BOOTSTRAPS = 1000
"""Bootstrap samples where no other number is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """One method in a ranking.

    Args:
        method: Its name.
        rank: 1 is best. A method of which no case has a value is last; NaN if it is the only one.
        score: What it is ranked by: the aggregate of its values, of its ranks, or the share of the other methods that
            it is significantly better than.
        low: Lower end of its rank in bootstrap samples of the cases.
        high: Upper end of its rank in bootstrap samples.
        mean: Mean of its rank in bootstrap samples.
        frequencies: Each rank that it had in bootstrap samples, and in which share of them.
        count: Values that the score is computed from.
        undefined: Cases that are undefined.
        infinite: Cases that are infinite.
        missing: Cases without a prediction.
        failed: Cases that could not be evaluated.
    """

    method: str
    rank: float
    score: float
    low: float = math.nan
    high: float = math.nan
    mean: float = math.nan
    frequencies: tuple[tuple[float, float], ...] = ()
    count: int = 0
    undefined: int = 0
    infinite: int = 0
    missing: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Methods from best to worst, by one metric of one label.

    Args:
        label: Name of the structure.
        metric: Abbreviation of the metric.
        ranks: The methods, best first.
        scheme: How it was made.
        ties: Which rank equal methods have.
        n: Cases.
        bootstraps: Bootstrap samples of the cases.
        level: Share of the bootstrap samples in which a rank lies between `low` and `high`.
        tau: Mean of Kendall's tau-b between this ranking and that of each bootstrap sample: 1 if none differs.
        tau_low: Lower end of tau in bootstrap samples.
        tau_high: Upper end of tau in bootstrap samples.
        group: Columns besides label and metric that the results are grouped by, and their values.
        policy: Name of the policy by which cases without a finite number entered, or its fields.
        methods: All methods of the table in its order, by which pictures give each its colour.
    """

    label: str
    metric: str
    ranks: tuple[Rank, ...]
    scheme: str
    ties: str
    n: int
    bootstraps: int
    level: float
    tau: float = math.nan
    tau_low: float = math.nan
    tau_high: float = math.nan
    group: Group = ()
    policy: str = ""
    methods: tuple[str, ...] = ()


Scheme: TypeAlias = Callable[[HostArray, HostArray], HostArray]
"""From values, `(cases, methods)`, of which higher is better and NaN is left out, and numbers of draws, `(cases,
samples)`, to scores, `(samples, methods)`, of which higher is better and NaN is last."""


def _rank_then_aggregate(function: Estimator, ties: str, alpha: float) -> Scheme:  # noqa: ARG001
    """Return the scheme that ranks methods by an aggregate of their ranks in each case."""

    def scores(values: HostArray, counts: HostArray) -> HostArray:
        ranks = np.where(np.isnan(values), np.nan, ranks_of(values, ties=ties))
        found: HostArray = -resampled(function, ranks, counts)
        return found

    return scores


def _test_then_rank(function: Estimator, ties: str, alpha: float) -> Scheme:  # noqa: ARG001
    """Return the scheme that ranks methods by how many others each is significantly better than."""

    def scores(values: HostArray, counts: HostArray) -> HostArray:
        methods = values.shape[1]
        wins = np.zeros((counts.shape[1], methods))
        for one in range(methods):
            for other in range(one + 1, methods):
                left, right = values[:, one], values[:, other]
                with np.errstate(invalid="ignore"):
                    differences = np.where(left == right, 0.0, left - right)
                better, worse = bootstrap_wilcoxon(differences, counts)
                wins[:, one] += better <= alpha
                wins[:, other] += worse <= alpha
        wins[:, np.isnan(values).all(axis=0)] = np.nan
        wins /= max(methods - 1, 1)
        return wins

    return scores


SCHEMES: Mapping[str, Callable[[Estimator, str, float], Scheme]] = MappingProxyType({
    "aggregate then rank": lambda function, *_: partial(resampled, function),
    "rank then aggregate": _rank_then_aggregate,
    "test then rank": _test_then_rank,
})  # fmt: skip
"""The schemes by name, each from the aggregating function, the rule for ties and the level of significance."""


def rank(
    results: Results,
    *,
    scheme: str | Scheme = "aggregate then rank",
    function: Estimator = np.mean,
    ties: str = "min",
    alpha: float = 0.05,
    by: By = None,
    policy: Policy | str = "mia",
    missing: Missing | None = None,
    infinite: Infinite | None = None,
    diagonals: Diagonals = None,
    metrics: Iterable[Metric] = (),
    bootstraps: int = BOOTSTRAPS,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> tuple[Ranking, ...]:
    """Rank methods, for every label and metric, and say how stable the ranking is.

    `"aggregate then rank"` orders methods by the mean (or another `function`) of their values, `"rank then aggregate"`
    by the mean of their ranks in every case, `"test then rank"` by the share of the other methods that each is
    significantly better than (one-sided Wilcoxon tests at `alpha`, by the normal distribution, without zeros and not
    corrected for their number, as in challengeR). Bootstrap samples of the cases are ranked the same way.

    Args:
        results: A table.
        scheme: One of these, or a function of values, `(cases, methods)`, and numbers of draws, `(cases, samples)`,
            that gives scores, `(samples, methods)`; higher is better in both.
        function: What values or ranks are aggregated by: `numpy.mean` and `numpy.median` are fast.
        ties: The rank of methods with equal scores: `"min"`, `"average"` or `"max"` of theirs.
        alpha: Level of significance.
        by: What to group by besides label and metric; as of `summarize`.
        policy: How undefined, infinite, missing and failed cases enter: a `Policy`, or a name in `POLICIES`. A case
            that a method has no row of is missing. A value that the policy leaves out is left out for this method
            alone.
        missing: In place of the policy's.
        infinite: In place of the policy's.
        diagonals: As of `summarize`.
        metrics: Rows of metrics of your own, which say whether higher is better.
        bootstraps: Bootstrap samples of the cases; 0 for none.
        level: Share of the bootstrap samples in which ranks lie between their `low` and `high`.
        rng: A generator of NumPy, which the call advances; a new one of seed 0 by default.

    Returns:
        One ranking per group, label and metric.

    Undefined:
        A method of which the policy leaves out all cases is last, whatever the scheme. Kendall's tau is NaN where all
        methods are equal, or there is only one.

    Raises:
        TypeError: These are no results, or the scheme is neither a word nor a function.
        ValueError: There is no such scheme or rule for ties, a metric is neither better high nor low, or the policy
            does not fit (see `summarize`).

    Example:
        >>> from mia_functional.evaluation import Result
        >>> values = {"a": (0.8, 0.7, 0.9), "b": (0.9, 0.8, 0.95), "c": (0.7, 0.75, 0.6)}
        >>> rows = [Result(method=name, subject=str(k), label="liver", metric="DICE", value=value)
        ...         for name, column in values.items() for k, value in enumerate(column)]
        >>> (found,) = rank(Results(rows=tuple(rows)))
        >>> [(entry.method, entry.rank, round(entry.score, 3)) for entry in found.ranks]
        [('b', 1.0, 0.883), ('a', 2.0, 0.8), ('c', 3.0, 0.683)]

    Source:
        Maier-Hein et al. 2018, doi 10.1038/s41467-018-07619-7; Wiesenfarth et al. 2021, doi
        10.1038/s41598-021-82017-6.

    Agrees with:
        challengeR 1.0.5, where no case is undefined.
    """
    groups = group_rows("rank", results, by, fields=("label", "metric"))
    checks.one_of("rank", "ties", ties, TIES)
    checks.require_callable("rank", "function", function, "numpy.mean")
    if isinstance(scheme, str):
        checks.one_of("rank", "scheme", scheme, tuple(SCHEMES))
        name, scores = scheme, SCHEMES[scheme](function, ties, checks.number("rank", "alpha", alpha))
    else:
        checks.require_callable("rank", "scheme", scheme, f"one of {', '.join(SCHEMES)}")
        name, scores = getattr(scheme, "__name__", repr(scheme)), scheme
    rule = resolve_policy("rank", policy, missing=missing, infinite=infinite)
    diagonals = known_diagonals(results.runs) if diagonals is None else diagonals
    bootstraps = checks.integer("rank", "bootstraps", bootstraps, minimum=0)
    if not 0 < checks.number("rank", "level", level) < 1:
        checks.invalid_value("rank", "level", "lie between 0 and 1", level)
    rng, metrics = generator("rank", rng), tuple(metrics)
    methods = tuple(dict.fromkeys(row.method for row in results))
    rankings = []
    for (group, (label, metric)), rows in groups.items():
        sign = direction_of("rank", metric, metrics)
        cases = case_matrix("rank", rows, rule, diagonals=diagonals, metrics=metrics)
        values = sign * cases.values
        with checks.speaking_for("rank", "resampled", statistic="function"):
            observed = scores(values, np.ones((len(values), 1), dtype=np.int16))[0]
        ranks = ranks_of(_without_last_digits(observed), ties=ties)
        blocks = bootstrap_counts(rng, len(values), bootstraps)
        drawn = [ranks_of(_without_last_digits(scores(values, counts)), ties=ties) for counts in blocks]
        samples = np.concatenate(drawn) if drawn else np.empty((0, len(ranks)))
        tau = kendall_tau(ranks, samples)
        tau = tau[~np.isnan(tau)]
        ends = _ends(tau[:, None], level)[0] if len(tau) else (math.nan, math.nan)
        # Scores are shown as users know them: a mean distance or a mean rank, not what is turned round.
        shown = {"aggregate then rank": sign, "rank then aggregate": -1}.get(name, 1) * observed
        rankings.append(Ranking(
            label=label, metric=metric, ranks=_entries(cases, ranks, shown, samples, level), scheme=name, ties=ties,
            n=len(values), bootstraps=bootstraps, level=float(level), tau=float(tau.mean()) if len(tau) else math.nan,
            tau_low=ends[0], tau_high=ends[1], group=group, policy=policy_name(policy, rule),
            methods=methods,
        ))  # fmt: skip
    return tuple(rankings)


def _without_last_digits(scores: HostArray) -> HostArray:
    """Return scores without their last digits, in which sums of the same numbers in another order differ."""
    largest = np.max(np.abs(scores), where=np.isfinite(scores), initial=0.0)
    if largest == 0:
        return scores
    unit = 2.0 ** (math.frexp(largest)[1] - 44)
    rounded: HostArray = np.round(scores / unit) * unit
    return rounded


def _entries(
    cases: CaseMatrix, ranks: HostArray, scores: HostArray, samples: HostArray, level: float
) -> tuple[Rank, ...]:
    """Return what is known of each method, best first; methods of equal rank in the order of the table."""
    ends = _ends(samples, level) if len(samples) else [(math.nan, math.nan)] * len(ranks)
    entries = []
    for k in np.argsort(ranks, kind="stable"):
        found, numbers = np.unique(samples[:, k], return_counts=True)
        counts = count_cases(cases.rows[k])
        entries.append(Rank(
            method=cases.methods[k], rank=float(ranks[k]), score=float(scores[k]), low=ends[k][0], high=ends[k][1],
            mean=float(samples[:, k].mean()) if len(samples) else math.nan,
            frequencies=tuple(zip(found.tolist(), (numbers / max(len(samples), 1)).tolist(), strict=True)),
            count=int((~np.isnan(cases.values[:, k])).sum()), undefined=counts.undefined, infinite=counts.infinite,
            missing=counts.missing, failed=counts.failed,
        ))  # fmt: skip
    return tuple(entries)


def _ends(samples: HostArray, level: float) -> list[tuple[float, float]]:
    """Return the two ends between which a share of the samples of each column lies; samples themselves."""
    ordered, size = np.sort(samples, axis=0), len(samples)
    low = math.floor((1 - level) / 2 * size)
    return list(zip(ordered[low].tolist(), ordered[size - 1 - low].tolist(), strict=True))


def ranks_of(scores: HostArray, *, ties: str = "min") -> HostArray:
    """Return ranks along the last axis, 1 for the highest score; NaN is last, and NaN again if it is the only score.

    Args:
        scores: Numbers of which higher is better.
        ties: `"min"`, `"average"` or `"max"` of the ranks that equal scores share.

    Example:
        >>> ranks_of(np.array([0.5, 0.9, 0.5, math.nan]), ties="average")
        array([2.5, 1. , 2.5, 4. ])
    """
    one, other = scores[..., :, None], scores[..., None, :]
    better = 1.0 + (other > one).sum(axis=-1)
    ranks = better + {"min": 0.0, "average": 0.5, "max": 1.0}[ties] * ((other == one).sum(axis=-1) - 1)
    size = scores.shape[-1]
    return np.where(np.isnan(scores), size if size > 1 else math.nan, ranks)


def kendall_tau(ranks: HostArray, others: HostArray) -> HostArray:
    """Return Kendall's tau-b between one ranking and each of several; NaN if either is constant.

    Args:
        ranks: `(m,)`.
        others: `(k, m)`.

    Example:
        >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0], [1.0, 3.0, 2.0]]))
        array([1.        , 0.33333333])

    Agrees with:
        `scipy.stats.kendalltau`.
    """
    first, second = np.triu_indices(ranks.shape[-1], k=1)
    one = np.sign(ranks[first] - ranks[second])
    many = np.sign(others[:, first] - others[:, second])
    # Pairs that neither ranking holds for equal, whose number corrects for ties.
    sizes = np.sqrt(np.abs(one).sum() * np.abs(many).sum(axis=1))
    tau: HostArray = np.divide(many @ one, sizes, out=np.full(len(others), np.nan), where=sizes > 0)
    return tau
