"""Folders and tables to subjects: which file belongs to whom, found by patterns, in a fixed order."""

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

from mia_functional import _check
from mia_functional.dataset.description import Entry, Subject

FIELD = "{subject}"
"""What stands for the identifier in a pattern."""

Patterns = Mapping[str, Mapping[str, str]]
"""Per category and entry: a pattern of a path below the root."""

Columns = Mapping[str, Mapping[str, str]]
"""Per category and entry: the name of a column."""


def discover(
    root: str | os.PathLike[str],
    patterns: Patterns,
    *,
    table: str | os.PathLike[str] | None = None,
    columns: Columns | None = None,
) -> tuple[Subject, ...]:
    """Find the files of every subject below a folder, and its numbers and texts in a table.

    Args:
        root: The folder.
        patterns: For every category and entry the path below `root`, with `{subject}` where the identifier stands and
            `*` or `?` as in a shell: `{"images": {"T1": "{subject}/T1.nii.gz", "T2": "{subject}/T2.nii.gz"}}`.
        table: A CSV or TSV file with a header, whose first column holds the identifiers.
        columns: For every category and entry the column of the table: `{"numerical": {"AGE": "age"}}`.

    Returns:
        The subjects, sorted by identifier (numbers in it as numbers), each with all entries.

    Raises:
        FileNotFoundError: The folder or the table does not exist.
        ValueError: A pattern has no `{subject}`; nothing matches; an entry of a subject is missing or matches twice;
            the table lacks a subject or a column.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "case1_T1.nii.gz").touch()
        ...     discover(folder, {"images": {"T1": "{subject}_T1.nii.gz"}})[0].name
        'case1'
    """
    folder = Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f"discover: the folder {folder} does not exist.")
    places = [(category, name) for category, entries in patterns.items() for name in entries]
    if not places:
        _check.invalid_value("discover", "patterns", "have at least one entry", dict(patterns))
    found = {place: matches(folder, patterns[place[0]][place[1]]) for place in places}
    names = sorted({name for files in found.values() for name in files}, key=natural)
    if not names:
        searched = ", ".join(sorted({patterns[category][name] for category, name in places}))
        _check.invalid_value("discover", "root", f"hold files that match {searched}", f"none in {folder}")
    rows = values(Path(table), columns or {}, names) if table is not None else {}
    subjects = []
    for name in names:
        files = [Entry(category=c, name=e, path=_one(found[c, e], name, f"{c} {e}")) for c, e in places]
        subjects.append(Subject(name=name, entries=(*files, *rows.get(name, ()))))
    return tuple(subjects)


def matches(folder: Path, pattern: str) -> dict[str, list[str]]:
    """Return the files that match a pattern, by identifier; hidden ones are left out."""
    if FIELD not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        _check.invalid_value("discover", "patterns", f"be paths below the root with {FIELD}", repr(pattern))
    expression = expression_of(pattern)
    result: dict[str, list[str]] = {}
    for path in sorted(folder.glob(pattern.replace(FIELD, "*"))):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is not None and path.is_file() and not path.name.startswith("."):
            result.setdefault(match["subject"], []).append(str(path))
    return result


def expression_of(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern; where the identifier stands twice, both must be the same."""
    parts = re.split(r"(\{subject\}|\*|\?)", pattern)
    signs = {"*": "[^/]*", "?": "[^/]"}
    first = parts.index(FIELD)
    named = ["(?P<subject>[^/]+?)" if number == first else "(?P=subject)" for number in range(len(parts))]
    return re.compile(
        "".join(
            named[number] if part == FIELD else signs.get(part, re.escape(part)) for number, part in enumerate(parts)
        )
    )


def natural(name: str) -> tuple[object, ...]:
    """Return a sorting key that takes the numbers in a name for numbers: `case2` before `case10`."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]+)", name)), name


def _one(found: dict[str, list[str]], subject: str, entry: str) -> str:
    """Return the one file of a subject's entry."""
    files = found.get(subject, [])
    if len(files) != 1:
        actual = f"{len(files)} for {entry} of {subject}" + (f": {', '.join(files)}" if files else "")
        _check.invalid_value("discover", "patterns", "match one file of every subject", actual)
    return files[0]


def values(table: Path, columns: Columns, names: list[str]) -> dict[str, list[Entry]]:
    """Return the entries of every subject that come from a table."""
    if not table.is_file():
        raise FileNotFoundError(f"discover: the table {table} does not exist.")
    with table.open(newline="", encoding="utf-8-sig") as stream:
        delimiter = delimiter_of(stream.readline())
        stream.seek(0)
        rows = list(csv.DictReader(stream, delimiter=delimiter))
    header = list(rows[0]) if rows else []
    by_name = {row[header[0]].strip(): row for row in rows}
    if len(by_name) != len(rows) or not rows:
        _check.invalid_value("discover", "table", "name every subject once in its first column", table)
    result = {}
    for name in names:
        if name not in by_name:
            _check.invalid_value("discover", "table", f"have a row for {name}", f"none in {table}")
        places = [(c, e, column) for c, entries in columns.items() for e, column in entries.items()]
        result[name] = [
            Entry(category=category, name=entry, value=_cell(table, by_name[name], column, name))
            for category, entry, column in places
        ]
    return result


def delimiter_of(line: str) -> str:
    """Return the sign that parts the columns of a header: tab, semicolon or comma."""
    return max("\t;,", key=line.count)


def _cell(table: Path, row: Mapping[str, str], column: str, subject: str) -> float | str:
    """Return a cell of a table as a number, or as text if it is none."""
    if column not in row:
        _check.invalid_value("discover", "columns", f"name columns of {table} ({', '.join(row)})", repr(column))
    text = (row[column] or "").strip()
    if not text:
        _check.invalid_value("discover", "table", f"have a value of {column} for {subject}", f"none in {table}")
    try:
        return float(text)
    except ValueError:
        return text
