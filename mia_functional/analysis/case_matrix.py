"""Values of several methods for the same cases, side by side, as a policy counts them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mia_functional.analysis.policies import Diagonals, Policy, values_under
from mia_functional.evaluation.results import Result
from mia_functional.metrics.table import Metric
from mia_functional.typing import HostArray

__all__ = ["CaseMatrix", "case_matrix"]


class CaseMatrix(NamedTuple):
    """Cases in rows, methods in columns.

    Attributes:
        methods: Names of the methods.
        subjects: Names of the cases.
        values: Numbers of one metric and label, float64; NaN where the policy leaves a case out.
        rows: The results of each method, in the order of the cases; one that is missing where a method has no row.
        present: Whether the method has the case: there is a row, and it is neither missing nor failed.
    """

    methods: tuple[str, ...]
    subjects: tuple[str, ...]
    values: HostArray
    rows: tuple[tuple[Result, ...], ...]
    present: HostArray


def case_matrix(
    function: str, rows: Sequence[Result], policy: Policy, *, diagonals: Diagonals, metrics: Iterable[Metric]
) -> CaseMatrix:
    """Return the values of one label and metric by case and method.

    Args:
        function: The public function, for messages.
        rows: Results of one label and metric.
        policy: What cases without a finite number count as; a case that a method has no row of is missing.
        diagonals: As of `values_under`.
        metrics: As of `values_under`.
    """
    methods = tuple(dict.fromkeys(row.method for row in rows))
    subjects = tuple(dict.fromkeys(row.subject for row in rows))
    by_case = {(row.subject, row.method): row for row in rows}
    absent = replace(rows[0], value=np.nan, status="missing", reason="")
    table = [
        by_case.get((subject, method)) or replace(absent, subject=subject, method=method)
        for subject in subjects
        for method in methods
    ]
    shape = (len(subjects), len(methods))
    counted = values_under(function, table, policy, diagonals=diagonals, metrics=metrics)
    present = np.array([row.status not in ("missing", "failed") for row in table], dtype=bool)
    columns = tuple(tuple(table[k :: len(methods)]) for k in range(len(methods)))
    return CaseMatrix(methods, subjects, counted.values.reshape(shape), columns, present.reshape(shape))
