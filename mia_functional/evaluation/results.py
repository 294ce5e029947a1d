"""Results of an evaluation as one immutable, long table: a row per subject, label and metric."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mia_functional._core import checks


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One value.

    Args:
        subject: Identifier of the case.
        label: Name of the structure; empty where masks or whole images were compared.
        metric: Abbreviation with its parameter: `DICE`, `HDRFDST95`, `SURFDICE@2mm`.
        value: The number; inf and NaN where the catalogue of metrics says so.
        unit: `mm`, `mm2`, `mm3`, or empty.
        convention: What a surface was taken for (`surfels`, `voxels`); empty where there is none.
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
        """Tell how many subjects, labels and metrics there are."""
        counts = [len({getattr(row, field) for row in self.rows}) for field in ("subject", "label", "metric")]
        failed = f", {len(self.failures)} failed" if self.failures else ""
        return "Results({} values: {} subjects x {} labels x {} metrics{})".format(len(self), *counts, failed)


def concatenate(parts: Iterable[Results]) -> Results:
    """Return the rows and failures of several tables, one after the other.

    Raises:
        ValueError: A subject, label and metric occur twice.

    Example:
        >>> one = Results(rows=(Result(subject="A", label="liver", metric="DICE", value=0.5),))
        >>> other = Results(rows=(Result(subject="B", label="liver", metric="DICE", value=0.7),))
        >>> len(concatenate([one, other]))
        2
    """
    tables = tuple(parts)
    rows = tuple(row for table in tables for row in table.rows)
    seen: set[tuple[str, str, str]] = set()
    for row in rows:
        key = (row.subject, row.label, row.metric)
        if key in seen:
            checks.invalid_value("concatenate", "parts", "have every subject, label and metric once", f"{key} twice")
        seen.add(key)
    return Results(rows=rows, failures=tuple(failure for table in tables for failure in table.failures))


def select_rows(
    results: Results, *, subject: str | None = None, label: str | None = None, metric: str | None = None
) -> Results:
    """Return the rows of one subject, label, metric, or any combination of them.

    Args:
        results: A table.
        subject: Identifier; all where left out.
        label: Name of a structure; all where left out.
        metric: Abbreviation as it stands in the table; all where left out.

    Raises:
        ValueError: The table has no such subject, label or metric.

    Example:
        >>> rows = tuple(Result(subject=name, label="liver", metric="DICE", value=0.5) for name in "AB")
        >>> [row.subject for row in select_rows(Results(rows=rows), subject="B")]
        ['B']
    """
    wanted = {"subject": subject, "label": label, "metric": metric}
    rows = results.rows
    for field, value in wanted.items():
        if value is None:
            continue
        known = tuple(dict.fromkeys(getattr(row, field) for row in results.rows))
        if value not in known:
            checks.invalid_value("select_rows", field, f"be one of {', '.join(known)}", repr(value))
        rows = tuple(row for row in rows if getattr(row, field) == value)
    return Results(rows=rows, failures=results.failures)
