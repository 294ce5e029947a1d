"""What a report says about results, as records: statistics with intervals, comparisons, rankings, extremes."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from mia_functional._core import checks
from mia_functional.analysis.comparison import Comparison, compare
from mia_functional.analysis.groups import group_rows
from mia_functional.analysis.intervals import Interval, interval
from mia_functional.analysis.policies import (
    Diagonals,
    Infinite,
    Missing,
    Policy,
    direction_of,
    resolve_policy,
    values_under,
)
from mia_functional.analysis.ranking import Ranking, rank
from mia_functional.analysis.summary import Statistic, summarize
from mia_functional.analysis.worst_cases import Extremes, worst
from mia_functional.evaluation.results import STATUSES, Result, Results
from mia_functional.evaluation.run_record import diagonals as known_diagonals
from mia_functional.metrics.table import Metric
from mia_functional.typing import Status

__all__ = ["CaseCount", "Conclusions", "OpenCase", "conclude"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCount:
    """How many cases of a method came to what; of several in one case the first of failed, missing, undefined counts.

    Args:
        method: Its name.
        cases: All of them.
        failed: Cases with a value that could not be computed.
        missing: Cases without a prediction.
        undefined: Cases with a value that is undefined.
        aligned: Cases whose prediction was brought onto the grid of the reference.
        ok: The others.
    """

    method: str
    cases: int
    failed: int
    missing: int
    undefined: int
    aligned: int
    ok: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCase:
    """Values of one case with the same status and reason: what is not as it should be.

    Args:
        method: What made the prediction.
        subject: The case.
        status: `failed`, `missing`, `undefined`, `aligned`, or `ok` for infinite values.
        reason: Why.
        values: The labels and metrics, `liver HDRFDST95`.
        count: How many these are.
    """

    method: str
    subject: str
    status: Status
    reason: str
    values: tuple[str, ...]
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusions:
    """What results say.

    Args:
        statistics: Of every method, label and metric.
        intervals: Of the mean, in the order of `statistics`, one for each group of them.
        comparisons: Of all pairs of methods, or with the baseline.
        rankings: For every label and metric.
        extremes: The worst and the best cases.
        cases: How many cases of each method came to what.
        open_cases: What failed, is missing, undefined, infinite or aligned, with the reasons.
        not_compared: Metrics of which neither high nor low is better, which cannot be compared or ranked.
        policy: How cases without a finite number entered.
    """

    statistics: tuple[Statistic, ...]
    intervals: tuple[Interval, ...]
    comparisons: tuple[Comparison, ...]
    rankings: tuple[Ranking, ...]
    extremes: tuple[Extremes, ...]
    cases: tuple[CaseCount, ...]
    open_cases: tuple[OpenCase, ...]
    not_compared: tuple[str, ...]
    policy: Policy


def conclude(
    results: Results, *, baseline: str | None = None, policy: Policy | str = "mia", missing: Missing | None = None,
    infinite: Infinite | None = None, diagonals: Diagonals = None, metrics: Iterable[Metric] = (), level: float = 0.95,
    k: int = 3,
) -> Conclusions:  # fmt: skip
    """Return what results say, each number as the functions of `analysis` give it on its own.

    Args:
        results: A table.
        baseline: The method that all others are compared with; by default all pairs are.
        policy: As of `summarize`.
        missing: As of `summarize`.
        infinite: As of `summarize`.
        diagonals: As of `summarize`.
        metrics: Rows of metrics of your own.
        level: Of the intervals.
        k: How many of the worst and the best cases.

    Raises:
        TypeError: These are no results.
        ValueError: There are no results, there is no such baseline, or the policy does not fit.

    Example:
        >>> values = zip("ABC", (0.5, 0.7, math.nan), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> found = conclude(Results(rows=rows))
        >>> found.intervals[0].n, found.cases[0].undefined, found.extremes[0].worst[0].subject
        (2, 1, 'A')
    """
    groups = group_rows("conclude", results, None, fields=("method", "label", "metric"))
    rule = resolve_policy("conclude", policy, missing=missing, infinite=infinite)
    diagonals = known_diagonals(results.runs) if diagonals is None else diagonals
    metrics = tuple(metrics)
    intervals = []
    with checks.speaking_for("conclude", "summarize", "compare", "rank", "worst", "interval"):
        statistics = summarize(results, policy=policy, missing=missing, infinite=infinite, diagonals=diagonals,
                               metrics=metrics)  # fmt: skip
        for rows in groups.values():
            counted = values_under("conclude", rows, rule, diagonals=diagonals, metrics=metrics)
            intervals.append(interval(counted.values[counted.used], level=level))
        ranked, not_compared = _with_direction(results, metrics)
        methods = dict.fromkeys(row.method for row in results)
        comparisons: tuple[Comparison, ...] = ()
        rankings: tuple[Ranking, ...] = ()
        if ranked.rows and len(methods) > 1:
            comparisons = compare(ranked, baseline=baseline, policy=policy, missing=missing, infinite=infinite,
                                  diagonals=diagonals, metrics=metrics, level=level)  # fmt: skip
            rankings = rank(ranked, policy=policy, missing=missing, infinite=infinite, diagonals=diagonals,
                            metrics=metrics, level=level)  # fmt: skip
        extremes = worst(ranked, k=k, metrics=metrics) if ranked.rows else ()
    return Conclusions(
        statistics=statistics, intervals=tuple(intervals), comparisons=comparisons, rankings=rankings,
        extremes=extremes, cases=_case_counts(results), open_cases=_open_cases(results),
        not_compared=not_compared, policy=rule,
    )  # fmt: skip


def _with_direction(results: Results, metrics: tuple[Metric, ...]) -> tuple[Results, tuple[str, ...]]:
    """Return the rows of metrics that are better high or low, and the names of the others."""
    unknown = []
    for name in dict.fromkeys(row.metric for row in results):
        try:
            direction_of("conclude", name, metrics)
        except ValueError:
            unknown.append(name)
    rows = tuple(row for row in results if row.metric not in unknown)
    return Results(rows=rows, runs=results.runs), tuple(unknown)


def _case_counts(results: Results) -> tuple[CaseCount, ...]:
    """Return how many cases of each method came to what."""
    status: dict[str, dict[str, Status]] = {}
    for row in results:
        cases = status.setdefault(row.method, {})
        cases[row.subject] = min(cases.get(row.subject, row.status), row.status, key=STATUSES.index)
    counts = []
    for method, cases in status.items():
        words = list(cases.values())
        counts.append(CaseCount(
            method=method, cases=len(words), failed=words.count("failed"), missing=words.count("missing"),
            undefined=words.count("undefined"), aligned=words.count("aligned"), ok=words.count("ok"),
        ))  # fmt: skip
    return tuple(counts)


def _open_cases(results: Results) -> tuple[OpenCase, ...]:
    """Return what is not an ordinary number, by case, status and reason; the worst first."""
    groups: dict[tuple[str, str, Status, str], list[Result]] = {}
    for row in results:
        if row.status != "ok" or math.isinf(row.value):
            groups.setdefault((row.method, row.subject, row.status, row.reason), []).append(row)
    ordered = sorted(groups.items(), key=lambda item: STATUSES.index(item[0][2]))
    return tuple(
        OpenCase(
            method=method, subject=subject, status=status, reason=reason, count=len(rows),
            values=tuple(" ".join(filter(None, (row.label, row.metric))) for row in rows),
        )
        for (method, subject, status, reason), rows in ordered
    )  # fmt: skip
