"""The cases to look at first: where a method is worst, and where it is best."""

from collections.abc import Iterable
from dataclasses import dataclass

from mia_functional._core import checks
from mia_functional.analysis.groups import group_rows
from mia_functional.analysis.policies import direction_of
from mia_functional.evaluation.results import Result, Results, select_rows
from mia_functional.metrics.table import Metric

__all__ = ["Extremes", "worst"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extremes:
    """The worst and the best cases of a method by one metric of one label.

    Args:
        method: What made the predictions; empty where one did.
        label: Name of the structure.
        metric: Abbreviation of the metric.
        worst: The rows of the worst cases, worst first: what failed, what is missing, then values.
        best: The rows of the best cases, best first; none that is among the worst.
    """

    method: str
    label: str
    metric: str
    worst: tuple[Result, ...]
    best: tuple[Result, ...]


def worst(
    results: Results,
    *,
    k: int = 5,
    metric: str | None = None,
    label: str | None = None,
    method: str | None = None,
    metrics: Iterable[Metric] = (),
) -> tuple[Extremes, ...]:
    """Return the worst cases, and the best, for every method, label and metric.

    What failed and what is missing comes first, as nothing is worse. Cases whose metric is undefined are neither.

    Args:
        results: A table.
        k: How many of each.
        metric: Only this metric, by any of its names.
        label: Only this label.
        method: Only this method.
        metrics: Rows of metrics of your own, which say whether higher is better.

    Returns:
        One record per method, label and metric, in the order of the table.

    Raises:
        TypeError: These are no results, or `k` is no whole number.
        ValueError: There are no results, there is no such metric, label or method, or a metric is neither better high
            nor low.

    Example:
        >>> values = zip("ABC", (0.5, 0.9, 0.7), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> (found,) = worst(Results(rows=rows), k=1)
        >>> found.worst[0].subject, found.best[0].subject
        ('A', 'B')
    """
    k = checks.integer("worst", "k", k, minimum=1)
    with checks.speaking_for("worst", "select_rows"):
        chosen = select_rows(results, metric=metric, label=label, method=method)
    metrics, found = tuple(metrics), []
    for (_, (by, structure, name)), rows in group_rows(
        "worst", chosen, None, fields=("method", "label", "metric")
    ).items():
        sign = direction_of("worst", name, metrics)
        # Failed cases first, then missing ones, then values from worst to best.
        groups = [[row for row in rows if row.status == status] for status in ("failed", "missing")]
        valued = [row for row in rows if row.status not in ("failed", "missing", "undefined")]
        ordered = [*groups[0], *groups[1], *sorted(valued, key=lambda row: sign * row.value)]
        rest = [row for row in ordered[k:] if row.status not in ("failed", "missing")]
        found.append(Extremes(
            method=by, label=structure, metric=name, worst=tuple(ordered[:k]), best=tuple(rest[::-1][:k])
        ))  # fmt: skip
    return tuple(found)
