"""Tables with a row for each subject: classes, probabilities of classes or values, predicted and true."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.discovery.tables import table_rows
from mia_functional.evaluation.cases import evaluate
from mia_functional.evaluation.results import Results
from mia_functional.metrics.names import AnyMetric
from mia_functional.typing import HostArray

__all__ = ["evaluate_table"]

_EVALUATE_TABLE = "evaluate_table"

_HALF = 0.5
"""The probability from which on a single label is predicted."""

_Rows: TypeAlias = Mapping[str, Mapping[str, str]]
"""The cells of a table by subject and column."""

_NO_VALUES = ("", "n/a", "na", "nan", "null", "none")
"""How tables spell that there is no value, in small letters."""


def evaluate_table(
    table: str | os.PathLike[str],
    *,
    metrics: Sequence[AnyMetric],
    reference: str,
    prediction: str | None = None,
    probabilities: str | Sequence[str] | None = None,
    labels: Mapping[int | str, str] | Iterable[int | str] | None = None,
    subject: str = "",
) -> Results:
    r"""Evaluate a table of subjects: classification, its probabilities, or regression.

    All subjects together are one case, as the voxels of one image are: sensitivity is the share of the diseased that
    are found, AUROC the area over all of them. Of several tables, or methods, `concatenate` makes one.

    Args:
        table: Path of a CSV or TSV file with a header, whose first column names the subjects.
        metrics: As in `evaluate`: `"SNSVTY"`, `"MCC"`, `"AUROC"`, `"ECE"` of classes, `"MAE"`, `"R2"`, `"CCC"` of
            values.
        reference: Name of the column that has the true class or value of each subject.
        prediction: Name of the column of the predicted class or value. None with probabilities: it is the class of the
            largest one, or whether a single one is at least 0.5.
        probabilities: Name of the column of the probability of the label, where there are 0 and 1 only; with `labels`,
            a column for each of them, in their order.
        labels: The classes as they are written in the cells, and the names to report them under, or a sequence of
            classes: `{0: "healthy", 1: "ill"}`, `("benign", "malignant")`. Each is judged against the rest. None for
            classes 0 and 1, and for values.
        subject: Identifier to report for the table.

    Returns:
        A table with one row per label and metric, as `evaluate` returns it.

    Raises:
        FileNotFoundError: The table does not exist.
        ValueError: A column does not exist, a cell has no value or none that fits, subjects occur twice; else as
            `evaluate`.
        TypeError: As `evaluate`.

    Example:
        >>> import tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "cohort.csv"
        >>> _ = path.write_text("subject,ill,p\nA,0,0.1\nB,0,0.4\nC,1,0.35\nD,1,0.8\n")
        >>> for row in evaluate_table(path, reference="ill", probabilities="p", metrics=["AUROC", "SNSVTY"]):
        ...     print(row.metric, row.value)
        AUROC 0.75
        SNSVTY 0.5
    """
    path = Path(checks.path_text(_EVALUATE_TABLE, "table", table))
    with checks.speaking_for(_EVALUATE_TABLE, "discover"):
        rows = table_rows(path)
    names = None if labels is None else _names(labels)
    known = _classes_or_numbers(rows, "reference", reference, names)
    chances = None if probabilities is None else _probabilities(rows, probabilities, names)
    if prediction is not None:
        found = _classes_or_numbers(rows, "prediction", prediction, names)
    elif chances is None:
        checks.invalid_value(_EVALUATE_TABLE, "prediction", "be the name of a column, without `probabilities`", None)
    else:
        found = (chances >= _HALF).astype(np.int64) if names is None else chances.argmax(axis=-1)
    given = None if names is None else dict(enumerate(names.values()))
    with checks.speaking_for(_EVALUATE_TABLE, "evaluate"):
        return evaluate(found, known, metrics=metrics, labels=given, probabilities=chances, subject=subject)


def _names(labels: Mapping[int | str, str] | Iterable[int | str]) -> dict[str, str]:
    """Return the names of classes by what is written in the cells."""
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        checks.invalid_kind(_EVALUATE_TABLE, "labels", "be a mapping or a sequence of classes", repr(labels))
    listed = list(labels.items() if isinstance(labels, Mapping) else ((label, label) for label in labels))
    names = {str(label): str(name) for label, name in listed}
    if not names or len(names) < len(listed):
        checks.invalid_value(_EVALUATE_TABLE, "labels", "name at least one class, and none of them twice", listed)
    return names


def _classes_or_numbers(rows: _Rows, argument: str, column: str, names: Mapping[str, str] | None) -> HostArray:
    """Return the classes of a column by their positions among the labels, or its numbers."""
    cells = _cells(rows, argument, column)
    if names is None:
        numbers = _parsed_numbers(argument, column, cells)
        # Zeros and ones alone are classes, of which metrics of counts are asked; those of values take them as well.
        return numbers.astype(np.int64) if np.isin(numbers, (0, 1)).all() else numbers
    positions = {name: position for position, name in enumerate(names)}
    for subject, cell in cells.items():
        if cell not in positions:
            actual = f"{cell} for {subject} in {column}"
            checks.invalid_value(_EVALUATE_TABLE, argument, f"hold the classes {', '.join(names)}", actual)
    return np.array([positions[cell] for cell in cells.values()], np.int64)


def _probabilities(rows: _Rows, columns: str | Sequence[str], names: Mapping[str, str] | None) -> HostArray:
    """Return probabilities of shape (subjects,), or (subjects, labels)."""
    listed = [columns] if isinstance(columns, str) else list(columns)
    if (names is None and not isinstance(columns, str)) or (names is not None and len(listed) != len(names)):
        needed = "name one column without labels, and one for each of them with labels"
        checks.invalid_value(_EVALUATE_TABLE, "probabilities", needed, repr(columns))
    read = [_parsed_numbers("probabilities", column, _cells(rows, "probabilities", column)) for column in listed]
    return read[0] if names is None else np.stack(read, axis=-1)


def _cells(rows: _Rows, argument: str, column: str) -> dict[str, str]:
    """Return the cells of a column by subject, each with a value."""
    header = next(iter(rows.values()))
    if column not in header:
        checks.invalid_value(_EVALUATE_TABLE, argument, f"name a column of {', '.join(header)}", repr(column))
    cells = {subject: row[column].strip() for subject, row in rows.items()}
    for subject, cell in cells.items():
        if cell.lower() in _NO_VALUES:
            actual = f"{cell or 'an empty cell'} for {subject} in {column}"
            checks.invalid_value(_EVALUATE_TABLE, argument, "have a value for every subject", actual)
    return cells


def _parsed_numbers(argument: str, column: str, cells: Mapping[str, str]) -> HostArray:
    """Return the numbers of a column."""
    numbers = []
    for subject, cell in cells.items():
        try:
            numbers.append(float(cell))
        except ValueError:
            actual = f"{cell} for {subject} in {column}"
            checks.invalid_value(_EVALUATE_TABLE, argument, "hold numbers, with a point", actual)
    return np.array(numbers)
