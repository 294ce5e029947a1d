"""Results of an evaluation as one immutable, long table: a row per subject, label and metric."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mia_functional._core import checks
from mia_functional.evaluation.run_record import Run
from mia_functional.metrics.names import canonical_abbreviation
from mia_functional.typing import Status

__all__ = ["STATUSES", "Result", "Results", "concatenate", "select_rows"]

STATUSES: tuple[Status, ...] = ("failed", "missing", "undefined", "aligned", "ok")
"""What a row may be; where several hold, the first of them is its status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One value, or why there is none.

    Args:
        method: What made the prediction; empty where only one did.
        subject: Identifier of the case.
        label: Name of the structure; empty where masks or whole images were compared.
        metric: Abbreviation with its parameter: `DICE`, `HDRFDST95`, `SURFDICE@2mm`.
        value: The number; inf and NaN where the metric's row in the table of metrics says so, NaN where there is none.
        unit: `mm`, `mm2`, `mm3`, or empty.
        convention: How the surface is defined (`surfels`, `voxels`); empty for metrics without surfaces.
        status: `failed` (what went wrong is the reason), `missing` (there is no prediction), `undefined` (NaN by the
            definition of the metric; any other NaN counts as this, too), `aligned` (the prediction was brought onto the
            grid of the reference), or `ok`; of several, the first.
        reason: One sentence: why the value is not finite, why there is none, or what was done to the prediction.

    Raises:
        ValueError: The status is none of these.
    """

    method: str = ""
    subject: str
    label: str
    metric: str
    value: float
    unit: str = ""
    convention: str = ""
    status: Status = "ok"
    reason: str = ""

    def __post_init__(self) -> None:
        """Let a value that is NaN be undefined."""
        checks.one_of("Result", "status", self.status, STATUSES)
        if self.status in ("aligned", "ok") and math.isnan(self.value):
            object.__setattr__(self, "status", "undefined")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """An immutable table of results, in the order of evaluation.

    A case that failed or is missing has a row for every label and metric, too, so that every count of cases is right.

    Args:
        rows: The values.
        runs: How they came about, for each evaluation of folders; what other tables came from is not known.

    Example:
        >>> table = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))
        >>> len(table), table[0].value
        (1, 0.5)
    """

    rows: tuple[Result, ...] = ()
    runs: tuple[Run, ...] = ()

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.rows)

    def __getitem__(self, position: int) -> Result:
        """Return the value at a position."""
        return self.rows[position]

    def __iter__(self) -> Iterator[Result]:
        """Iterate over the values in order."""
        return iter(self.rows)

    def __repr__(self) -> str:
        """Return how many subjects, labels and metrics there are, and how many values have no number."""
        counts = [len({getattr(row, field) for row in self.rows}) for field in ("subject", "label", "metric")]
        lacking = Counter(row.status for row in self.rows if row.status not in ("aligned", "ok"))
        rest = "".join(f", {lacking[status]} {status}" for status in STATUSES if lacking[status])
        return "Results({} values: {} subjects x {} labels x {} metrics{})".format(len(self), *counts, rest)


def concatenate(tables: Iterable[Results]) -> Results:
    """Return the rows of several tables, one after the other.

    Args:
        tables: Any iterable of tables.

    Raises:
        ValueError: A method, subject, label and metric occur twice.

    Example:
        >>> one = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))
        >>> other = Results(rows=(Result(subject="B", label="liver", metric="DICE", value=0.7),))
        >>> len(concatenate([one, other]))
        2
    """
    checks.require_instance("concatenate", "tables", tables, Iterable, "tables one after the other")
    tables = tuple(tables)
    rows = tuple(row for table in tables for row in table.rows)
    counts = Counter((row.method, row.subject, row.label, row.metric) for row in rows)
    # Two values for one cell of a wide table: the later would silently hide the earlier.
    if twice := [key for key, count in counts.items() if count > 1]:
        method, *key = twice[0]
        needed = "have every subject, label and metric once" + " for a method" * bool(method)
        checks.invalid_value("concatenate", "tables", needed, f"{tuple([method, *key] if method else key)} twice")
    return Results(rows=rows, runs=tuple(dict.fromkeys(run for table in tables for run in table.runs)))


def select_rows(
    results: Results, *, method: str | None = None, subject: str | None = None, label: str | None = None,
    metric: str | None = None, status: Status | None = None,
) -> Results:  # fmt: skip
    """Return the rows of one method, subject, label, metric or status, or any combination of them.

    Args:
        results: A table.
        method: Name of a method; all methods by default.
        subject: Identifier; all subjects by default.
        label: Name of a structure; all structures by default.
        metric: As it stands in the table, or any other name of the metric (`iou`, `nsd@2mm`, `hd95`); all by default.
        status: `failed`, `missing`, `undefined`, `aligned` or `ok`; all by default.

    Returns:
        A table with these rows in their order.

    Raises:
        ValueError: The table has no such method, subject, label or metric, or there is no such status. A status that no
            row has gives an empty table.

    Example:
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=0.5) for name in "AB")
        >>> [row.subject for row in select_rows(Results(rows=rows), subject="B", metric="dsc")]
        ['B']
    """
    checks.require_instance("select_rows", "results", results, Results, "a table of results")
    rows = results.rows
    for field, value in {"method": method, "subject": subject, "label": label, "metric": metric}.items():
        if value is None:
            continue
        present = tuple(dict.fromkeys(getattr(row, field) for row in results.rows))
        name = canonical_abbreviation(value) if field == "metric" and isinstance(value, str) else value
        # What stands in the table comes first: a metric of the user's own may be called as an alias of another.
        name = value if value in present else name
        if name not in present:
            checks.invalid_value("select_rows", field, f"be one of {', '.join(present)}", repr(value))
        rows = tuple(row for row in rows if getattr(row, field) == name)
    if status is not None:
        checks.one_of("select_rows", "status", status, STATUSES)
        rows = tuple(row for row in rows if row.status == status)
    return Results(rows=rows, runs=results.runs)
