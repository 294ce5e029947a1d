"""Folders and tables to subjects: which file belongs to whom, found by patterns, in a fixed order."""

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from mia_functional import _check, _headers
from mia_functional.dataset.description import Entry, Subject

FIELD = "{subject}"
"""What stands for the identifier in a pattern."""

Patterns = Mapping[str, Mapping[str, str]]
"""Per category and entry: a pattern of a path below the root."""

Columns = Mapping[str, Mapping[str, str]]
"""Per category and entry: the name of a column."""

Kind: TypeAlias = Callable[[str], float | str]
"""From a cell of a table to its value."""


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
            `*` or `?` as in a shell, `**/` for any folders in between: `{"images": {"T1": "{subject}/T1.nii.gz"}}`.
        table: A CSV or TSV file with a header, whose first column holds the identifiers.
        columns: For every category and entry the column of the table: `{"numerical": {"AGE": "age"}}`. The values of a
            category are numbers if all cells of its columns are, over all rows of the table, and else the texts of the
            cells as they stand there; codes with leading zeros are texts. Cells that are empty or say n/a, na, nan,
            null or none, in any case, are neither: a subject that is found must have none of them.

    Returns:
        The subjects, sorted by identifier (numbers in it as numbers), each with all entries.

    Raises:
        FileNotFoundError: The folder or the table does not exist.
        PermissionError: The folder must not be looked into.
        TypeError: Patterns or columns are no text by category and entry.
        ValueError: A pattern has no `{subject}`; nothing matches; an entry of a subject is missing or matches twice;
            the table lacks a subject, a column or a value; there are columns and no table.

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
    os.scandir(folder).close()
    places = places_of(patterns)
    wished = wishes_of({} if columns is None else columns, argument="columns")
    if wished and table is None:
        _check.invalid_value("discover", "table", "be given with `columns`", "none")
    found = {(category, name): matches(folder, pattern) for category, name, pattern in places}
    names = sorted({name for files in found.values() for name in files}, key=natural)
    if not names:
        searched = ", ".join(sorted({pattern for _, _, pattern in places}))
        _check.invalid_value("discover", "root", f"hold files that match {searched}", f"none in {folder}")
    rows = values(Path(table), columns or {}, names) if table is not None else {}
    subjects = []
    for name in names:
        files = [Entry(category=c, name=e, path=_one(found[c, e], name, f"{c} {e}")) for c, e, _ in places]
        subjects.append(Subject(name=name, entries=(*files, *rows.get(name, ()))))
    return tuple(subjects)


def matches(folder: Path, pattern: str) -> dict[str, list[str]]:
    """Return the files that match a pattern, by identifier; hidden ones are left out."""
    if FIELD not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        _check.invalid_value("discover", "patterns", f"be paths below the root with {FIELD}", repr(pattern))
    if any("**" in part and part != "**" for part in Path(pattern).parts) or Path(pattern).name == "**":
        _check.invalid_value("discover", "patterns", "have ** only in place of folders", repr(pattern))
    expression = expression_of(pattern)
    result: dict[str, list[str]] = {}
    for path in sorted(folder.glob(pattern.replace(FIELD, "*"))):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        if match is not None and path.exists() and not is_hidden(path, folder):
            result.setdefault(match["subject"], []).append(str(path))
    return result


def is_hidden(path: Path, folder: Path) -> bool:
    """Tell whether a file, or a folder that it lies in below another, is hidden; macOS leaves `._*` beside files."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def expression_of(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern; where the identifier stands twice, both must be the same."""
    parts = re.split(r"(\{subject\}|\*\*/|\*|\?)", pattern)
    signs = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    first = parts.index(FIELD)
    named = ["(?P<subject>[^/]+?)" if number == first else "(?P=subject)" for number in range(len(parts))]
    return re.compile(
        "".join(
            named[number] if part == FIELD else signs.get(part, re.escape(part)) for number, part in enumerate(parts)
        )
    )


def natural(name: str) -> tuple[object, ...]:
    """Return a sorting key that takes the numbers in a name for numbers: `case2` before `case10`.

    Example:
        >>> sorted(["case10", "case2", "case02"], key=natural)
        ['case02', 'case2', 'case10']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)), name


def places_of(wishes: Mapping[str, Mapping[str, str]], *, argument: str = "patterns") -> list[tuple[str, str, str]]:
    """Return category, entry and what is looked for, one after the other; refuse no wishes at all."""
    places = wishes_of(wishes, argument=argument)
    if not places:
        _check.invalid_value("discover", argument, "have at least one entry", dict(wishes))
    return places


def wishes_of(wishes: Mapping[str, Mapping[str, str]], *, argument: str) -> list[tuple[str, str, str]]:
    """Return category, entry and what is looked for, one after the other; refuse what is no text by both."""
    needed = "map categories to entries, and these to texts"
    if not (isinstance(wishes, Mapping) and all(isinstance(entries, Mapping) for entries in wishes.values())):
        _check.invalid_kind("discover", argument, needed, repr(wishes))
    places = [(category, name, wish) for category, entries in wishes.items() for name, wish in entries.items()]
    if not all(isinstance(text, str) for place in places for text in place):
        _check.invalid_kind("discover", argument, needed, repr(wishes))
    return places


def checked_file(path: Path) -> Path:
    """Return the path of a file; refuse an image that readers would mistake for the one beside it."""
    known = any(path.name.lower().endswith(suffix) for suffix in _headers.PARSERS)
    other = _headers.rival(path) if known else None
    if other is not None:
        needed = "match files without a double of another extension"
        _check.invalid_value("discover", "patterns", needed, f"{path} beside {other.name}")
    return path


def _one(found: dict[str, list[str]], subject: str, entry: str) -> str:
    """Return the one file of a subject's entry."""
    files = found.get(subject, [])
    if len(files) != 1:
        actual = f"{len(files)} for {entry} of {subject}" + (f": {', '.join(files)}" if files else "")
        _check.invalid_value("discover", "patterns", "match one file of every subject", actual)
    return str(checked_file(Path(files[0])))


def values(table: Path, columns: Columns, names: list[str], *, text: bool = False) -> dict[str, list[Entry]]:
    """Return the entries of every subject that come from a table; with `text`, texts without blanks around them.

    Without, the values of a category are of one kind, as they end in one array: numbers if every cell that has a value
    is one, those of all subjects in the table, and else texts to the character.
    """
    argument = "paths" if text else "columns"
    places = wishes_of(columns, argument=argument)
    rows = table_rows(table)
    missing = [name for name in names if name not in rows]
    if missing:
        _check.invalid_value("discover", "table", f"have a row for {', '.join(missing[:5])}", f"none in {table}")
    header = next(iter(rows.values()))
    unknown = [column for *_, column in places if column not in header]
    if unknown:
        _check.invalid_value("discover", argument, f"name columns of {table} ({', '.join(header)})", repr(unknown[0]))
    wordy = {category for category, _, column in places if any(is_text(row[column]) for row in rows.values())}
    kinds = {category: str.strip if text else str if category in wordy else float for category, *_ in places}
    return {
        subject: [
            Entry(category=category, name=name, value=_cell(table, rows[subject], column, subject, kinds[category]))
            for category, name, column in places
        ]
        for subject in names
    }


def table_rows(table: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV or TSV file by their first column."""
    header, *rows = cells_of(table) or [[]]
    if not rows:
        _check.invalid_value("discover", "table", "have a header and rows", table)
    columns = [name for name in header if name]
    if len(set(columns)) != len(columns):
        _check.invalid_value("discover", "table", "name every column once", f"{', '.join(columns)} in {table}")
    long = [row[0] for row in rows if len(row) > len(header)]
    if long:
        needed = f"have {len(header)} cells in a row, as in the header"
        _check.invalid_value("discover", "table", needed, f"more for {', '.join(long[:5])} in {table}")
    names = [row[0].strip() for row in rows]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        _check.invalid_value("discover", "table", "name every subject once in its first column", f"{twice} in {table}")
    return {name: dict(zip_longest(header, row, fillvalue="")) for name, row in zip(names, rows, strict=True)}


def cells_of(table: Path) -> list[list[str]]:
    """Return the cells of a CSV or TSV file, the header among them; lines without any are left out."""
    if not table.is_file():
        raise FileNotFoundError(f"discover: the table {table} does not exist.")
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            header = next(filter(str.strip, stream), "")
            delimiter = delimiter_of(header, table.suffix)
            stream.seek(0)
            return [row for row in csv.reader(stream, delimiter=delimiter) if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        _check.invalid_value("discover", "table", "be a CSV or TSV file in UTF-8", f"{table} ({error})")


def delimiter_of(header: str, suffix: str) -> str:
    r"""Return the sign that parts the columns of a header: a tab in `.tsv`, else what is there most often.

    Example:
        >>> delimiter_of("id;age", ".csv"), delimiter_of("id\tage (years, months)", ".tsv")
        (';', '\t')
    """
    if suffix.lower() == ".tsv" and "\t" in header:
        return "\t"
    return max("\t;,", key=header.count)


NUMBER = re.compile(r"[+-]?((0|[1-9][0-9]*)([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
"""What is a number in a table, or would be one elsewhere; everything else is text, codes as 007 are."""

MISSING = ("", "n/a", "na", "nan", "null", "none")
"""How tables spell that there is no value, in any case."""


def is_text(cell: str) -> bool:
    """Tell whether a cell of a table has a value that is no number."""
    content = cell.strip()
    return content.lower() not in MISSING and not NUMBER.fullmatch(content)


def _cell(table: Path, row: Mapping[str, str], column: str, subject: str, kind: Kind) -> float | str:
    """Return a cell of a table as what its category is; refuse one without a value, and a number with a comma."""
    cell = row[column]
    if cell.strip().lower() in MISSING:
        _check.invalid_value("discover", "table", f"have a value of {column} for {subject}", f"none in {table}")
    if kind is float and "," in cell:
        needed = f"write numbers with a point ({column} of {subject})"
        _check.invalid_value("discover", "table", needed, f"{cell.strip()} in {table}")
    return kind(cell)
