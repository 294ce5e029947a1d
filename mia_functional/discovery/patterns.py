"""Find the files of every subject below a folder by patterns, in a fixed order."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mia_functional._core import checks
from mia_functional._core.roles import FILE_ROLES, checked_roles
from mia_functional.discovery.absence import check_absent, settle_absent
from mia_functional.discovery.records import Entry, Subject
from mia_functional.discovery.tables import ByEntry, entry_names, flat_entries, natural_key, table_entries
from mia_functional.images.formats import twin_of
from mia_functional.typing import Absent, Role

__all__ = ["discover", "existing_folder", "is_hidden", "matching_files", "only_file"]

_SUBJECT_FIELD = "{subject}"
"""What stands for the identifier in a pattern."""


@checks.speaking_for("discover", "Entry", "Subject", role="roles")
def discover(
    root: str | os.PathLike[str],
    patterns: ByEntry,
    *,
    table: str | os.PathLike[str] | None = None,
    columns: ByEntry | None = None,
    absent: Absent = "error",
    roles: Mapping[str, Role] | None = None,
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
            null or none, in any case, are missing values.
        absent: What is done about subjects that lack a file or a value that others have: `"error"`; `"skip"`, they are
            left out; or `"empty"`, a missing number is NaN, a missing text is empty, and a missing file is an error. A
            `UserWarning` counts them, and names each with what it lacks.
        roles: What the files of a category are, `image` or `labels`, where its name does not say so, as `images` and
            `labels` do: `{"ct": "image"}`. It decides on interpolation, and is kept in a dataset. Files of `numbers`
            (`.npy` of signals, point clouds, ...) are arrays of any shape without a grid: `{"eeg": "numbers"}`.

    Returns:
        The subjects, sorted by identifier (numbers in it as numbers), each with all entries.

    Raises:
        FileNotFoundError: The folder or the table does not exist.
        PermissionError: The folder may not be listed.
        TypeError: Patterns or columns are not texts by category and entry.
        ValueError: A pattern has no `{subject}`; nothing matches; an entry of a subject is missing (see `absent`) or
            matches twice; the table lacks a subject, a column or a value; no subject has all; there are columns and no
            table.

    Example:
        >>> (folder / "case1_T1.nii.gz").touch()
        >>> discover(folder, {"images": {"T1": "{subject}_T1.nii.gz"}})[0].name
        'case1'
    """
    check_absent(absent)
    folder = existing_folder(root)
    os.scandir(folder).close()  # raises PermissionError, where `Path.glob` silently finds nothing
    flat = flat_entries("patterns", patterns, required=True)
    if flat_entries("columns", {} if columns is None else columns) and table is None:
        checks.invalid_value("discover", "table", "be given with `columns`", "none")
    role_of = checked_roles("discover", roles, [category for category, *_ in flat], possible=FILE_ROLES)
    files = {(category, name): matching_files(folder, pattern) for category, name, pattern in flat}
    subjects = sorted({subject for by_subject in files.values() for subject in by_subject}, key=natural_key)
    if not subjects:
        searched = ", ".join(sorted({pattern for *_, pattern in flat}))
        checks.invalid_value("discover", "root", f"hold files that match {searched}", f"none in {folder}")
    values = table_entries(Path(table), columns or {}, subjects, absent=absent) if table is not None else {}
    cohort = []
    for subject in subjects:
        entries = []
        for category, name, _ in flat:
            if absent == "skip" and subject not in files[category, name]:
                continue
            path = only_file("patterns", files[category, name].get(subject, []), f"{category} {name} of {subject}")
            entries.append(Entry(category=category, name=name, path=path, role=role_of.get(category)))
        cohort.append((subject, (*entries, *values.get(subject, ()))))
    return settle_absent(cohort, entry_names(patterns, columns), absent)


def matching_files(folder: Path, pattern: str) -> dict[str, list[Path]]:
    """Return the files that match a pattern, by identifier; hidden ones are skipped."""
    if _SUBJECT_FIELD not in pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        checks.invalid_value("discover", "patterns", f"be paths below the root with {_SUBJECT_FIELD}", repr(pattern))
    if any("**" in name and name != "**" for name in Path(pattern).parts) or Path(pattern).name == "**":
        checks.invalid_value("discover", "patterns", "have ** only in place of folders", repr(pattern))
    expression = _pattern_expression(pattern)
    files: dict[str, list[Path]] = {}
    # Brackets are letters like any others here, and sets of letters to `glob`.
    for path in sorted(folder.glob(pattern.replace("[", "[[]").replace(_SUBJECT_FIELD, "*"))):
        match = expression.fullmatch(path.relative_to(folder).as_posix())
        # `exists` is false for a symbolic link that leads nowhere, which `glob` lists.
        if match is not None and path.exists() and not is_hidden(path, folder):
            files.setdefault(match["subject"], []).append(path)
    return files


def _pattern_expression(pattern: str) -> re.Pattern[str]:
    """Return the regular expression of a pattern, with a group `subject`."""
    wildcards = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    texts = [
        "".join(wildcards.get(piece, re.escape(piece)) for piece in re.split(r"(\*\*/|\*|\?)", text))
        for text in pattern.split(_SUBJECT_FIELD)
    ]
    # Where the identifier comes again, it must be the same.
    return re.compile(f"{texts[0]}(?P<subject>[^/]+?){'(?P=subject)'.join(texts[1:])}")


def is_hidden(path: Path, folder: Path) -> bool:
    """Return whether a file or a folder on its way from `folder` is hidden; macOS leaves `._*` beside files."""
    return any(name.startswith(".") for name in path.relative_to(folder).parts)


def existing_folder(root: str | os.PathLike[str]) -> Path:
    """Return a folder as a path; raise unless it exists."""
    folder = Path(checks.path_text("discover", "root", root))
    if not folder.is_dir():
        raise FileNotFoundError(f"discover: the folder {folder} does not exist.")
    return folder


def only_file(argument: str, paths: Sequence[Path], wanted: str) -> Path:
    """Return the only one of several paths; raise if it is not alone, or has a twin that readers confuse with it."""
    if len(paths) != 1:
        actual = f"{len(paths)} for {wanted}" + (f": {', '.join(map(str, paths))}" if paths else "")
        checks.invalid_value("discover", argument, "match one file of every subject", actual)
    if (twin := twin_of(paths[0])) is not None:
        needed = "lead to files without a double of another extension"
        checks.invalid_value("discover", argument, needed, f"{paths[0]} beside {twin.name}")
    return paths[0]
