"""Results over subjects: one number per label, metric and statistic, with counts of undefined and infinite values."""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import SupportsFloat, TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.evaluation.results import Result, Results
from mia_functional.typing import HostArray

__all__ = ["Statistic", "summarize"]

_Function: TypeAlias = Callable[[HostArray], SupportsFloat]
"""From the values of all subjects, a float64 NumPy array, to one number."""

_FUNCTIONS: Mapping[str, _Function] = MappingProxyType({"MEAN": np.mean, "STD": np.std})
"""The statistics by default: mean and population standard deviation, as in pymia's tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """One number over all subjects.

    Args:
        label: Name of the structure.
        metric: Abbreviation of the metric.
        statistic: Name of the function.
        value: The number.
        unit: Unit of the metric.
        count: Values that it is computed from.
        undefined: Values that are NaN; they are skipped or replaced.
        infinite: Values that are infinite, counted before any is replaced.
        missing: Cases without a prediction.
        failed: Cases that could not be evaluated.
        method: What made the predictions; empty where one did.
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


def summarize(
    results: Results,
    *,
    functions: Mapping[str, _Function] = _FUNCTIONS,
    undefined: float | None = None,
    infinite: float | None = None,
) -> tuple[Statistic, ...]:
    """Summarize (aggregate) results over subjects, for every method, label and metric.

    Args:
        results: A table.
        functions: Names, and functions of a float64 NumPy array to a number: `{"MEDIAN": np.median}`. Mean and
            population standard deviation (`MEAN`, `STD`) by default.
        undefined: What a value that is undefined counts as, such as 0 for Dice; by default such values are skipped.
            What is missing or failed is always skipped, and counted.
        infinite: What inf counts as, such as the diagonal of the image for a distance; by default it stays inf, so that
            a missed structure cannot make a mean better.

    Returns:
        One record per method, label, metric and function, in the order of the table, each with the numbers of values
        used, undefined, infinite, missing and failed.

    Undefined:
        All values are skipped: NaN. An infinite value is used: whatever the function gives, inf for the mean and NaN
        for the standard deviation.

    Raises:
        TypeError: `functions` does not map names to functions.
        ValueError: There are no results.

    Example:
        >>> values = zip("ABC", (0.5, 0.7, math.nan), strict=True)
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=value) for name, value in values)
        >>> mean, _ = summarize(Results(rows=rows))
        >>> round(mean.value, 3), mean.count, mean.undefined
        (0.6, 2, 1)
    """
    if not isinstance(functions, Mapping) or not functions or not all(map(callable, functions.values())):
        checks.invalid_kind("summarize", "functions", "map names to functions", repr(functions))
    checks.require_instance("summarize", "results", results, Results, "a table of results")
    if not results.rows:
        checks.invalid_value("summarize", "results", "hold at least one value", "none")
    groups: dict[tuple[str, str, str], list[Result]] = {}
    for row in results:
        groups.setdefault((row.method, row.label, row.metric), []).append(row)
    statistics = []
    for (method, label, metric), rows in groups.items():
        lacking = Counter(row.status for row in rows)
        values = np.array([row.value for row in rows if row.status not in ("missing", "failed")], dtype=np.float64)
        is_undefined, is_infinite = np.isnan(values), np.isinf(values)
        if infinite is not None:
            values[is_infinite] = infinite
        if undefined is None:
            values = values[~is_undefined]
        else:
            values[is_undefined] = undefined
        for name, function in functions.items():
            # The standard deviation of an infinite value subtracts inf from inf: NaN is the answer, no reason to warn.
            with np.errstate(invalid="ignore"):
                value = float(function(values.copy())) if values.size else math.nan  # some functions sort in place
            statistics.append(Statistic(
                label=label, metric=metric, statistic=name, value=value, unit=rows[0].unit, count=values.size,
                undefined=int(is_undefined.sum()), infinite=int(is_infinite.sum()), missing=lacking["missing"],
                failed=lacking["failed"], method=method,
            ))  # fmt: skip
    return tuple(statistics)
