"""Results over subjects: one number per method, label, metric and statistic, and what became of all other cases."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import SupportsFloat, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.analysis.groups import By, Group, group_rows
from mia_functional.analysis.policies import (
    Diagonals,
    Infinite,
    Missing,
    Policy,
    count_cases,
    policy_name,
    resolve_policy,
    values_under,
)
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.run_record import diagonals as known_diagonals
from mia_functional.metrics.table import Metric
from mia_functional.typing import HostArray

__all__ = ["Statistic", "first_quartile", "sample_deviation", "summarize", "third_quartile"]

_Function: TypeAlias = Callable[[HostArray], SupportsFloat]
"""From the values of all subjects, a float64 NumPy array, to one number."""


def sample_deviation(values: HostArray) -> float:
    """Return the standard deviation of a sample, `sqrt(sum((x - mean)^2) / (n - 1))`; NaN for fewer than two values.

    Example:
        >>> sample_deviation(np.array([1.0, 3.0]))
        1.4142135623730951
    """
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def first_quartile(values: HostArray) -> float:
    """Return the value below which a quarter lies, linear between two values as of NumPy; infinities are values.

    Example:
        >>> first_quartile(np.array([1.0, 2.0, 3.0, math.inf]))
        1.75
    """
    return _quantile(values, 0.25)


def third_quartile(values: HostArray) -> float:
    """Return the value below which three quarters lie, linear between two values as of NumPy; infinities are values.

    Example:
        >>> third_quartile(np.array([1.0, 2.0, 3.0, math.inf])), third_quartile(np.array([1.0, math.inf, math.inf]))
        (inf, inf)
    """
    return _quantile(values, 0.75)


def _quantile(values: HostArray, share: float) -> float:
    """Return a quantile, linear between two values."""
    if not len(values) or np.isnan(values).any():
        return math.nan
    ordered, position = np.sort(values), share * (len(values) - 1)
    low, high = float(ordered[math.floor(position)]), float(ordered[math.ceil(position)])
    # NumPy subtracts the one from the other, and infinity from infinity is NaN.
    return low if low == high or position == math.floor(position) else low + (high - low) * (position % 1)


_FUNCTIONS: Mapping[str, _Function] = MappingProxyType({
    "MEAN": np.mean, "STD": sample_deviation, "MEDIAN": np.median, "Q1": first_quartile, "Q3": third_quartile,
})  # fmt: skip
"""The statistics by default."""

_PYMIA_FUNCTIONS: Mapping[str, _Function] = MappingProxyType({"MEAN": np.mean, "STD": np.std})
"""Those of pymia's tables, whose standard deviation is that of a population."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number over all subjects, or those of a group.

    Args:
        label: Name of the structure.
        metric: Abbreviation of the metric.
        statistic: Name of the function.
        value: The number.
        unit: Unit of the metric.
        count: Values that it is computed from, those that a policy put in place of others included.
        undefined: Values that are NaN by the definition of the metric, whether they are left out or replaced.
        infinite: Values that are infinite, counted before any is replaced.
        missing: Cases without a prediction.
        failed: Cases that could not be evaluated.
        method: What made the predictions; empty where one did.
        group: Columns besides method, label and metric that the results are grouped by, and their values.
        policy: Name of the policy by which cases without a finite number entered, or its fields.
        reasons: Why cases have no finite number, or what was done to predictions: each sentence once.
    """

    label: str
    metric: str
    statistic: str
    value: float
    unit: str = ""
    count: int = 0
    undefined: int = 0
    infinite: int = 0
    missing: int = 0
    failed: int = 0
    method: str = ""
    group: Group = ()
    policy: str = ""
    reasons: tuple[str, ...] = ()


def summarize(
    results: Results,
    *,
    by: By = None,
    functions: Mapping[str, _Function] | None = None,
    policy: Policy | str = "mia",
    missing: Missing | None = None,
    infinite: Infinite | None = None,
    diagonals: Diagonals = None,
    metrics: Iterable[Metric] = (),
) -> tuple[Statistic, ...]:
    """Summarize (aggregate) results over subjects, for every method, label and metric, and every group of subjects.

    Args:
        results: A table.
        by: What else to group by: columns of the results (`"convention"`), a mapping from subjects to values,
            `{"site": {subject: value}, "sex": {...}}`, or several of these.
        functions: Names, and functions of a float64 NumPy array to a number: `{"MAX": np.max}`. By default mean, sample
            standard deviation (n - 1), median and quartiles: `MEAN`, `STD`, `MEDIAN`, `Q1`, `Q3`; under the policy
            `"pymia"` its mean and population standard deviation.
        policy: How undefined, infinite, missing and failed cases enter: a `Policy`, or a name in `POLICIES`. By default
            what is undefined is left out, infinity stays infinity, and what is missing or failed counts as the worst
            value, so that no method gains by leaving a case out.
        missing: In place of the policy's: `"worst"`, `"undefined"`, `"skip"`, `"error"` or a number.
        infinite: In place of the policy's: `"keep"`, `"diagonal"`, `"skip"` or a number.
        diagonals: Millimetres from corner to corner of the reference, by subject or the same for all, for
            `infinite="diagonal"`; known of results of folders.
        metrics: Rows of metrics of your own, of which the worst value is needed.

    Returns:
        One record per group, method, label, metric and function, in the order of the table, each with the numbers of
        values used, undefined, infinite, missing and failed, and with the reasons.

    Undefined:
        No value is used: NaN. An infinite value is used: whatever the function gives, inf for the mean and NaN for the
        standard deviation.

    Raises:
        TypeError: `functions` does not map names to functions that give numbers, or `by` is no columns and no table.
        ValueError: There are no results, a table lacks a subject, a diagonal is needed, there is no such policy, or a
            case is missing under `missing="error"`.

    Example:
        >>> from mia_functional.evaluation import Result
        >>> values = zip("ABC", (0.5, 0.7, math.nan), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> mean, *_ = summarize(Results(rows=rows))
        >>> round(mean.value, 3), mean.count, mean.undefined
        (0.6, 2, 1)
    """
    if functions is None:
        functions = _PYMIA_FUNCTIONS if policy == "pymia" else _FUNCTIONS
    if not isinstance(functions, Mapping) or not functions or not all(map(callable, functions.values())):
        checks.invalid_kind("summarize", "functions", "map names to functions", repr(functions))
    groups = group_rows("summarize", results, by, fields=("method", "label", "metric"))
    rule = resolve_policy("summarize", policy, missing=missing, infinite=infinite)
    diagonals = known_diagonals(results.runs) if diagonals is None else diagonals
    metrics = tuple(metrics)
    statistics = []
    for (group, (method, label, metric)), rows in groups.items():
        counted = values_under("summarize", rows, rule, diagonals=diagonals, metrics=metrics)
        values = counted.values[counted.used]
        counts = count_cases(rows)
        reasons = tuple(dict.fromkeys(row.reason for row in rows if row.reason))
        for name, function in functions.items():
            # The standard deviation of an infinite value subtracts inf from inf: NaN is the answer, no reason to warn.
            with np.errstate(invalid="ignore", over="ignore"):
                given = function(values.copy()) if values.size else math.nan  # some functions sort in place
            value = checks.number_given("summarize", "functions", given, name)
            statistics.append(Statistic(
                label=label, metric=metric, statistic=name, value=value, unit=rows[0].unit, count=values.size,
                undefined=counts.undefined, infinite=counts.infinite, missing=counts.missing, failed=counts.failed,
                method=method, group=group, policy=policy_name(policy, rule), reasons=reasons,
            ))  # fmt: skip
    return tuple(statistics)
