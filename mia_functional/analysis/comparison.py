"""Methods against each other on the same cases: differences with intervals, tests, and who is better."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from mia_functional._core import checks
from mia_functional.analysis.case_matrix import CaseMatrix, case_matrix
from mia_functional.analysis.groups import By, Group, group_rows
from mia_functional.analysis.intervals import SAMPLES, Interval, column_intervals
from mia_functional.analysis.paired_tests import holm, permutation_tests, wilcoxon
from mia_functional.analysis.policies import (
    Diagonals,
    Infinite,
    Missing,
    Policy,
    direction_of,
    policy_name,
    resolve_policy,
)
from mia_functional.analysis.resampling import Estimator, generator
from mia_functional.evaluation.results import Results
from mia_functional.evaluation.run_record import diagonals as known_diagonals
from mia_functional.metrics.table import Metric
from mia_functional.typing import HostArray

__all__ = ["Comparison", "compare"]


_UNPAIRED = "nothing is paired: no case has both methods"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two methods on the same cases.

    Args:
        label: Name of the structure.
        metric: Abbreviation of the metric.
        method: One of the two.
        baseline: The other.
        difference: Mean over cases of the value of `method` less that of `baseline`, turned round for metrics that are
            better when lower: above 0, `method` is better.
        low: Lower end of its confidence interval.
        high: Upper end of its confidence interval.
        level: How often such an interval is meant to hold the true difference.
        interval_method: `bca`, `percentile` or `t`.
        wilcoxon: Two-sided p-value of Wilcoxon's signed-rank test, zeros by Pratt's method.
        wilcoxon_holm: The same, by Holm's method for all comparisons of the call.
        permutation: Two-sided p-value of a permutation test of the mean difference.
        permutation_holm: The same, by Holm's method for all comparisons of the call.
        superiority: Share of cases in which `method` is better, ties half.
        better: The method whose mean, or other statistic of the differences, is better in the direction of the metric;
            where there is no difference, or it is not a number, the one that is better in more cases. Whether by more
            than chance, interval and p-values say. Empty if neither is better, or if no case has both methods.
        n: Cases that are compared.
        only_method: Cases that `baseline` lacks: no row, no prediction, or failed.
        only_baseline: Cases that `method` lacks.
        left_out: Cases that are not compared, since the policy leaves out the value of one.
        unit: Unit of the difference.
        group: Columns besides label and metric that the results are grouped by, and their values.
        policy: Name of the policy by which cases without a finite number entered, or its fields.
        note: Why the figures should be read with care; empty if nothing is known against them.
    """

    label: str
    metric: str
    method: str
    baseline: str
    difference: float
    low: float
    high: float
    level: float
    interval_method: str
    wilcoxon: float
    permutation: float
    superiority: float
    n: int
    wilcoxon_holm: float = math.nan
    permutation_holm: float = math.nan
    better: str = ""
    only_method: tuple[str, ...] = ()
    only_baseline: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    unit: str = ""
    group: Group = ()
    policy: str = ""
    note: str = ""


def compare(
    results: Results,
    *,
    baseline: str | None = None,
    by: By = None,
    policy: Policy | str = "mia",
    missing: Missing | None = None,
    infinite: Infinite | None = None,
    diagonals: Diagonals = None,
    metrics: Iterable[Metric] = (),
    statistic: Estimator = np.mean,
    level: float = 0.95,
    method: str = "bca",
    samples: int = SAMPLES,
    rng: np.random.Generator | None = None,
) -> tuple[Comparison, ...]:
    """Compare methods by pairs of values of the same case, for every label and metric.

    A case that only one of two methods has is listed, and counts by the policy: as the worst value of the other, unless
    told otherwise. If no case has both, nothing is paired: figures then are those of the policy alone, none is called
    better, and the note says so. Two values that are both infinite are equal.

    Args:
        results: A table of two methods or more.
        baseline: The method that all others are compared with; by default, all pairs are compared.
        by: What to group by besides label and metric; as of `summarize`.
        policy: How undefined, infinite, missing and failed cases enter: a `Policy`, or a name in `POLICIES`.
        missing: In place of the policy's.
        infinite: In place of the policy's.
        diagonals: As of `summarize`.
        metrics: Rows of metrics of your own, which say whether higher is better.
        statistic: What is reported of the differences; the mean by default.
        level: Of the confidence intervals.
        method: `"bca"`, `"percentile"` or `"t"`; see `interval`.
        samples: Bootstrap samples, and permutations of signs if there are more than these.
        rng: A generator of NumPy, which the call advances; a new one of seed 0 by default.

    Returns:
        One record per group, label, metric and pair. Holm's method takes all comparisons of the call together, for each
        of the two tests on its own: report the one that was chosen before.

    Undefined:
        No case is compared: NaN. All differences are zero: both p-values are 1. A difference is infinite: the mean
        difference is, and has no interval and no permutation test; Wilcoxon's test and the superiority hold.

    Raises:
        TypeError: These are no results.
        ValueError: There are fewer than two methods, there is no such baseline, a metric is neither better high nor
            low, or the policy does not fit (see `summarize`).

    Example:
        >>> from mia_functional.evaluation import Result
        >>> values = {"a": (4.0, 5.0, 6.0, 9.0), "b": (3.0, 4.5, 6.0, 5.0)}
        >>> rows = [Result(method=name, subject=str(k), label="liver", metric="HDRFDST95", value=value, unit="mm")
        ...         for name, column in values.items() for k, value in enumerate(column)]
        >>> (found,) = compare(Results(rows=tuple(rows)))
        >>> found.difference, found.better, found.superiority, found.wilcoxon
        (-1.375, 'b', 0.125, 0.25)

    Source:
        Pratt 1959, doi 10.1080/01621459.1959.10501526.

    Agrees with:
        `scipy.stats.wilcoxon(zero_method="pratt")` and statsmodels' `multipletests(method="holm")`.
    """
    groups = group_rows("compare", results, by, fields=("label", "metric"))
    names = tuple(dict.fromkeys(row.method for row in results))
    if len(names) < 2:
        checks.invalid_value("compare", "results", "hold at least two methods", ", ".join(map(repr, names)))
    if baseline is not None:
        checks.one_of("compare", "baseline", baseline, names)
    rule = resolve_policy("compare", policy, missing=missing, infinite=infinite)
    diagonals = known_diagonals(results.runs) if diagonals is None else diagonals
    rng, metrics = generator("compare", rng), tuple(metrics)
    checks.require_callable("compare", "statistic", statistic, "numpy.mean")
    comparisons: list[Comparison] = []
    for (group, (_, metric)), rows in groups.items():
        sign = direction_of("compare", metric, metrics)
        cases = case_matrix("compare", rows, rule, diagonals=diagonals, metrics=metrics)
        pairs = [
            (one, other)
            for one, other in itertools.combinations(range(len(cases.methods)), 2)
            if baseline in (None, cases.methods[one], cases.methods[other])
        ]
        pairs = [(b, a) if cases.methods[a] == baseline else (a, b) for a, b in pairs]
        if not pairs:  # all others lack this metric of this label
            continue
        ones, others = (list(side) for side in zip(*pairs, strict=True))
        first, second = cases.values[:, ones], cases.values[:, others]
        # Above 0 where the first are better; of equal infinities, 0.
        with np.errstate(invalid="ignore"):
            differences = np.where(first == second, 0.0, sign * (first - second))
        intervals = _intervals(rng, differences, statistic=statistic, level=level, method=method, samples=samples)
        permutations = permutation_tests(rng, differences, samples=samples).tolist()
        comparisons += [
            replace(
                _comparison(cases, pair, values, found), permutation=p, group=group, policy=policy_name(policy, rule)
            )
            for pair, values, found, p in zip(pairs, differences.T, intervals, permutations, strict=True)
        ]
    corrected = (holm(np.array([getattr(c, name) for c in comparisons])) for name in ("wilcoxon", "permutation"))
    return tuple(
        replace(comparison, wilcoxon_holm=ranks, permutation_holm=signs)
        for comparison, ranks, signs in zip(comparisons, *(p.tolist() for p in corrected), strict=True)
    )


def _intervals(
    rng: np.random.Generator, differences: HostArray, *, statistic: Estimator, level: float, method: str, samples: int
) -> list[Interval]:
    """Return the interval of the differences of each pair; pairs of the same cases share their bootstrap samples."""
    by_cases: dict[bytes, list[int]] = {}
    for k, left_out in enumerate(np.isnan(differences).T):
        by_cases.setdefault(left_out.tobytes(), []).append(k)
    found: dict[int, Interval] = {}
    for columns in by_cases.values():
        together = differences[~np.isnan(differences[:, columns[0]])][:, columns]
        entries = column_intervals(
            "compare", rng, together, statistic=statistic, level=level, method=method, samples=samples
        )
        found.update(zip(columns, entries, strict=True))
    return [found[k] for k in range(differences.shape[1])]


def _comparison(cases: CaseMatrix, pair: tuple[int, int], differences: HostArray, found: Interval) -> Comparison:
    """Return what the differences of two methods say, but for what is computed of all pairs together."""
    a, b = pair
    row = cases.rows[a][0]
    used = differences[~np.isnan(differences)]
    superiority = float(((used > 0) + (used == 0) / 2).mean()) if len(used) else math.nan
    balance = found.value or superiority - 0.5
    balance = superiority - 0.5 if math.isnan(balance) else balance
    better = "" if balance == 0 or math.isnan(balance) else cases.methods[a if balance > 0 else b]
    note = found.note
    if not (cases.present[:, a] & cases.present[:, b]).any():
        # Differences from the worst value count which method has more cases, not which is better.
        better, note = "", "; ".join(filter(None, (_UNPAIRED, note)))
    only_method, only_baseline, left_out = (
        tuple(cases.subjects[k] for k in np.flatnonzero(mask).tolist())
        for mask in (
            cases.present[:, a] & ~cases.present[:, b],
            cases.present[:, b] & ~cases.present[:, a],
            np.isnan(differences),
        )
    )
    return Comparison(
        label=row.label, metric=row.metric, unit=row.unit, method=cases.methods[a], baseline=cases.methods[b],
        difference=found.value, low=found.low, high=found.high, level=found.level, interval_method=found.method,
        wilcoxon=wilcoxon(differences), permutation=math.nan,
        superiority=superiority, better=better, n=found.n, only_method=only_method, only_baseline=only_baseline,
        left_out=left_out, note=note,
    )  # fmt: skip
