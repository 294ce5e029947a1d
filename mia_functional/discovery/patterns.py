"""Folders and tables to subjects: which file belongs to whom, found by patterns, in a fixed order."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from mia_functional._core import checks
from mia_functional.discovery.records import Entry, Subject
from mia_functional.discovery.tables import FIELD, Columns, natural, values, wishes_of
from mia_functional.images import formats

Patterns = Mapping[str, Mapping[str, str]]
"""Per category and entry: a pattern of a path below the root."""


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
        checks.invalid_value("discover", "table", "be given with `columns`", "none")
    found = {(category, name): matches(folder, pattern) for category, name, pattern in places}
    names = sorted({name for files in found.values() for name in files}, key=natural)
    if not names:
        searched = ", ".join(sorted({pattern for _, _, pattern in places}))
        checks.invalid_value("discover", "root", f"hold files that match {searched}", f"none in {folder}")
    rows = values(Path(table), columns or {}, names) if table is not None else {}
    subjects = []
    for name in names:
        files = [Entry(category=c, name=e, path=_one(found[c, e], name, f"{c} {e}")) for c, e, _ in places]
        subjects.append(Subject(name=name, entries=(*files, *rows.get(name, ()))))
    return tuple(subjects)


def matches(folder: Path, pattern: str) -> dict[str, list[str]]:
    """Return the files that match a pattern, by identifier; hidden ones are left out."""
    if FIELD not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        checks.invalid_value("discover", "patterns", f"be paths below the root with {FIELD}", repr(pattern))
    if any("**" in part and part != "**" for part in Path(pattern).parts) or Path(pattern).name == "**":
        checks.invalid_value("discover", "patterns", "have ** only in place of folders", repr(pattern))
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


def places_of(wishes: Mapping[str, Mapping[str, str]], *, argument: str = "patterns") -> list[tuple[str, str, str]]:
    """Return category, entry and what is looked for, one after the other; refuse no wishes at all."""
    places = wishes_of(wishes, argument=argument)
    if not places:
        checks.invalid_value("discover", argument, "have at least one entry", dict(wishes))
    return places


def checked_file(path: Path) -> Path:
    """Return the path of a file; refuse an image that readers would mistake for the one beside it."""
    known = any(path.name.lower().endswith(suffix) for suffix in formats.PARSERS)
    other = formats.rival(path) if known else None
    if other is not None:
        needed = "match files without a double of another extension"
        checks.invalid_value("discover", "patterns", needed, f"{path} beside {other.name}")
    return path


def _one(found: dict[str, list[str]], subject: str, entry: str) -> str:
    """Return the one file of a subject's entry."""
    files = found.get(subject, [])
    if len(files) != 1:
        actual = f"{len(files)} for {entry} of {subject}" + (f": {', '.join(files)}" if files else "")
        checks.invalid_value("discover", "patterns", "match one file of every subject", actual)
    return str(checked_file(Path(files[0])))
