"""Tables of subjects: CSV and TSV files."""

import csv
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.discovery.records import Entry
from mia_functional.typing import Absent

__all__ = ["ByEntry", "entry_names", "flat_entries", "natural_key", "table_entries", "table_rows"]

ByEntry: TypeAlias = Mapping[str, Mapping[str, str]]
"""Per category and entry a text, such as a pattern of paths or the name of a column: `{"images": {"T1": ...}}`."""

# What is a number in a table, or would be one in some country. Anything else is text, such as codes: 007 is not 7.
_NUMERAL = re.compile(r"[+-]?((0|[1-9][0-9]*)([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")

# How tables spell that there is no value: BIDS prescribes n/a, R writes NA.
_NO_VALUE = re.compile(r"|n/a|na|nan|null|none", re.IGNORECASE)


def natural_key(name: str) -> tuple[object, ...]:
    """Return a sorting key that takes the numbers in a name for numbers: `case2` before `case10`.

    Example:
        >>> sorted(["case10", "case2", "case02"], key=natural_key)
        ['case02', 'case2', 'case10']
    """
    pieces = re.split(r"([0-9]+)", name)
    # Every second piece is a number. Pairs compare at any position, where an int and a str would not; the name itself
    # decides between `case2` and `case02`.
    return tuple((int(piece), "") if at % 2 else (-1, piece) for at, piece in enumerate(pieces)), name


def flat_entries(argument: str, texts: ByEntry, *, required: bool = False) -> list[tuple[str, str, str]]:
    """Return category, entry and text of a nested mapping, one after the other; raise if it is of another form."""
    nested = isinstance(texts, Mapping) and all(isinstance(entries, Mapping) for entries in texts.values())
    flat = [(category, name, text) for category in texts for name, text in texts[category].items()] if nested else []
    if not nested or not all(isinstance(text, str) for triple in flat for text in triple):
        checks.invalid_kind("discover", argument, "map categories to entries, and these to texts", repr(texts))
    if required and not flat:
        checks.invalid_value("discover", argument, "have at least one entry", dict(texts))
    return flat


def entry_names(*texts: ByEntry | None) -> list[tuple[str, str]]:
    """Return category and name of all entries."""
    return [(category, name) for each in texts for category, names in (each or {}).items() for name in names]


_invalid_table = partial(checks.invalid_value, "discover", "table")
"""Raise for a table that does not fit: from what it has to be, and what it is."""


def table_entries(
    table: Path, columns: ByEntry, subjects: list[str], *, argument: str = "columns", as_text: bool = False,
    absent: Absent = "error",
) -> dict[str, list[Entry]]:  # fmt: skip
    """Return the entries that a table has for each subject; `as_text`, texts without blanks around them.

    Otherwise the values of a category are of one kind, as they end in one array: numbers if every cell that has a value
    is one, those of all subjects in the table, and else texts to the character. Where there is none, or no row, it is
    an error, or the entry is absent, or it is NaN or an empty text.
    """
    flat = flat_entries(argument, columns)
    rows = table_rows(table)
    if absent == "error" and (others := [subject for subject in subjects if subject not in rows]):
        _invalid_table(f"have a row for {', '.join(others[:5])}", f"none in {table}")
    header = next(iter(rows.values()))
    if unknown := [column for *_, column in flat if column not in header]:
        checks.invalid_value("discover", argument, f"name columns of {table} ({', '.join(header)})", repr(unknown[0]))
    # All rows decide, not those of the subjects alone: the same table gives the same kinds for any choice of them.
    textual = {
        category for category, _, column in flat for cell in (row[column].strip() for row in rows.values())
        if not (_NO_VALUE.fullmatch(cell) or _NUMERAL.fullmatch(cell))
    }  # fmt: skip
    convert: dict[str, Callable[[str], float | str]] = {
        category: str.strip if as_text else str if category in textual else float for category, *_ in flat
    }
    entries: dict[str, list[Entry]] = {subject: [] for subject in subjects}
    for subject in subjects:
        for category, name, column in flat:
            cell = rows.get(subject, {}).get(column, "")
            if _NO_VALUE.fullmatch(cell.strip()):
                if absent == "error":
                    _invalid_table(f"have a value of {column} for {subject}", f"none in {table}")
                if absent == "empty":
                    empty = math.nan if convert[category] is float else ""
                    entries[subject].append(Entry(category=category, name=name, value=empty))
                continue
            if convert[category] is float and "," in cell:
                _invalid_table(f"write numbers with a point ({column} of {subject})", f"{cell.strip()} in {table}")
            entries[subject].append(Entry(category=category, name=name, value=convert[category](cell)))
    return entries


def table_rows(table: Path) -> dict[str, dict[str, str]]:
    """Return the rows of a CSV or TSV file by their first column."""
    header, *rows = _read_cells(table) or [[]]
    if not rows:
        _invalid_table("have a header and rows", table)
    columns = [name for name in header if name]
    if len(set(columns)) != len(columns):
        _invalid_table("name every column once", f"{', '.join(columns)} in {table}")
    # A row may be shorter, as spreadsheets drop empty cells at its end; a longer one is an unquoted separator.
    if long := [row[0] for row in rows if len(row) > len(header)]:
        actual = f"more for {', '.join(long[:5])} in {table}"
        _invalid_table(f"have {len(header)} cells in a row, as in the header", actual)
    names = [row[0].strip() for row in rows]
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        _invalid_table("name every subject once in its first column", f"{repeated} in {table}")
    return {name: dict(zip_longest(header, row, fillvalue="")) for name, row in zip(names, rows, strict=True)}


def _read_cells(table: Path) -> list[list[str]]:
    """Return the cells of a CSV or TSV file, including the header; empty lines are skipped."""
    if not table.is_file():
        raise FileNotFoundError(f"discover: the table {table} does not exist.")
    try:
        # Excel begins UTF-8 with a byte order mark, which `utf-8-sig` drops.
        with table.open(newline="", encoding="utf-8-sig") as stream:
            header = next(filter(str.strip, stream), "")
            # In a `.tsv` file, columns may be called `age (years, months)`; elsewhere the most frequent sign separates.
            tabs = table.suffix.lower() == ".tsv" and "\t" in header
            delimiter = "\t" if tabs else max("\t;,", key=header.count)
            stream.seek(0)
            return [row for row in csv.reader(stream, delimiter=delimiter) if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        _invalid_table("be a CSV or TSV file in UTF-8", f"{table} ({error})")
