"""Tables of subjects: CSV and TSV files."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.discovery.records import Entry

FIELD = "{subject}"
"""What stands for the identifier in a pattern."""


Columns = Mapping[str, Mapping[str, str]]
"""Per category and entry: the name of a column."""


Kind: TypeAlias = Callable[[str], float | str]
"""From a cell of a table to its value."""


def natural(name: str) -> tuple[object, ...]:
    """Return a sorting key that takes the numbers in a name for numbers: `case2` before `case10`.

    Example:
        >>> sorted(["case10", "case2", "case02"], key=natural)
        ['case02', 'case2', 'case10']
    """
    parts = re.split(r"([0-9]+)", name)
    return tuple((int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)), name


def wishes_of(wishes: Mapping[str, Mapping[str, str]], *, argument: str) -> list[tuple[str, str, str]]:
    """Return category, entry and what is looked for, one after the other; refuse what is no text by both."""
    needed = "map categories to entries, and these to texts"
    if not (isinstance(wishes, Mapping) and all(isinstance(entries, Mapping) for entries in wishes.values())):
        checks.invalid_kind("discover", argument, needed, repr(wishes))
    places = [(category, name, wish) for category, entries in wishes.items() for name, wish in entries.items()]
    if not all(isinstance(text, str) for place in places for text in place):
        checks.invalid_kind("discover", argument, needed, repr(wishes))
    return places


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
        checks.invalid_value("discover", "table", f"have a row for {', '.join(missing[:5])}", f"none in {table}")
    header = next(iter(rows.values()))
    unknown = [column for *_, column in places if column not in header]
    if unknown:
        checks.invalid_value("discover", argument, f"name columns of {table} ({', '.join(header)})", repr(unknown[0]))
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
        checks.invalid_value("discover", "table", "have a header and rows", table)
    columns = [name for name in header if name]
    if len(set(columns)) != len(columns):
        checks.invalid_value("discover", "table", "name every column once", f"{', '.join(columns)} in {table}")
    long = [row[0] for row in rows if len(row) > len(header)]
    if long:
        needed = f"have {len(header)} cells in a row, as in the header"
        checks.invalid_value("discover", "table", needed, f"more for {', '.join(long[:5])} in {table}")
    names = [row[0].strip() for row in rows]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        checks.invalid_value("discover", "table", "name every subject once in its first column", f"{twice} in {table}")
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
        checks.invalid_value("discover", "table", "be a CSV or TSV file in UTF-8", f"{table} ({error})")


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
        checks.invalid_value("discover", "table", f"have a value of {column} for {subject}", f"none in {table}")
    if kind is float and "," in cell:
        needed = f"write numbers with a point ({column} of {subject})"
        checks.invalid_value("discover", "table", needed, f"{cell.strip()} in {table}")
    return kind(cell)
