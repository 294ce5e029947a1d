"""Results of an evaluation as one immutable, long table: a row per subject, label and metric."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mia_functional._core import checks
from mia_functional.metrics.table import canonical_abbreviation

__all__ = ["Failure", "Result", "Results", "concatenate", "select_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One value.

    Args:
        subject: Identifier of the case.
        label: Name of the structure; empty where masks or whole images were compared.
        metric: Abbreviation with its parameter: `DICE`, `HDRFDST95`, `SURFDICE@2mm`.
        value: The number; inf and NaN where the metric's row in the table of metrics says so.
        unit: `mm`, `mm2`, `mm3`, or empty.
        convention: How the surface is defined (`surfels`, `voxels`); empty for metrics without surfaces.
        reason: Why the value is not finite; empty where it is.
    """

    subject: str
    label: str
    metric: str
    value: float
    unit: str = ""
    convention: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that could not be evaluated.

    Args:
        subject: Identifier of the case.
        message: One sentence: what was wrong.
    """

    subject: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """An immutable table of results, in the order of evaluation, and the cases that failed.

    Args:
        rows: The values.
        failures: Cases without values.

    Example:
        >>> table = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))
        >>> len(table), table[0].value
        (1, 0.5)
    """

    rows: tuple[Result, ...] = ()
    failures: tuple[Failure, ...] = ()

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
        """Return how many subjects, labels and metrics there are."""
        counts = [len({getattr(row, field) for row in self.rows}) for field in ("subject", "label", "metric")]
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return "Results({} values: {} subjects x {} labels x {} metrics{})".format(len(self), *counts, failed)


def concatenate(tables: Iterable[Results]) -> Results:
    """Return the rows and failures of several tables, one after the other.

    Args:
        tables: Any iterable of tables.

    Raises:
        ValueError: A subject, label and metric occur twice.

    Example:
        >>> one = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))
        >>> other = Results(rows=(Result(subject="B", label="liver", metric="DICE", value=0.7),))
        >>> len(concatenate([one, other]))
        2
    """
    checks.require_instance("concatenate", "tables", tables, Iterable, "tables one after the other")
    tables = tuple(tables)
    rows = tuple(row for table in tables for row in table.rows)
    counts = Counter((row.subject, row.label, row.metric) for row in rows)
    # Two values for one cell of a wide table: the later would silently hide the earlier.
    if twice := [key for key, count in counts.items() if count > 1]:
        checks.invalid_value("concatenate", "tables", "have every subject, label and metric once", f"{twice[0]} twice")
    return Results(rows=rows, failures=tuple(failure for table in tables for failure in table.failures))


def select_rows(
    results: Results, *, subject: str | None = None, label: str | None = None, metric: str | None = None
) -> Results:
    """Return the rows of one subject, label, metric, or any combination of them.

    Args:
        results: A table.
        subject: Identifier; all subjects by default.
        label: Name of a structure; all structures by default.
        metric: As it stands in the table, or any other name of the metric (`iou`, `nsd@2mm`, `hd95`); all by default.

    Returns:
        A table with these rows in their order, and all failures.

    Raises:
        ValueError: The table has no such subject, label or metric.

    Example:
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=0.5) for name in "AB")
        >>> [row.subject for row in select_rows(Results(rows=rows), subject="B", metric="dsc")]
        ['B']
    """
    checks.require_instance("select_rows", "results", results, Results, "a table of results")
    rows = results.rows
    for field, value in {"subject": subject, "label": label, "metric": metric}.items():
        if value is None:
            continue
        present = tuple(dict.fromkeys(getattr(row, field) for row in results.rows))
        name = canonical_abbreviation(value) if field == "metric" and isinstance(value, str) else value
        # What stands in the table comes first: a metric of the user's own may be called as an alias of another.
        name = value if value in present else name
        if name not in present:
            checks.invalid_value("select_rows", field, f"be one of {', '.join(present)}", repr(value))
        rows = tuple(row for row in rows if getattr(row, field) == name)
    return Results(rows=rows, failures=results.failures)
