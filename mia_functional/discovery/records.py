"""Entries and subjects of a cohort: frozen records without data."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from mia_functional._core import checks
from mia_functional.geometry import Geometry

Load: TypeAlias = Callable[[str], tuple[Any, Geometry]]
"""From a path: voxels `(*spatial,)` or `(*spatial, channels)`, and where they lie."""


RESERVED = ("subject", "index", "geometry", "shape", "names", "files", "rng")
"""Names in a sample that are not categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or one value of a subject.

    Args:
        category: The group that it is stacked in: `images`, `labels`, `numerical`.
        name: Which part of the group it is: `T1`, `T2`, `AGE`.
        path: The file, which is kept as text; none for a value.
        value: The number or the text, array scalars too, which is kept as Python's own; none for a file.

    Raises:
        TypeError: The path or the value is of another kind.
        ValueError: A name cannot be one in a file, there is not exactly one of path and value, or no float64 is as
            large as the number.
    """

    category: str
    name: str
    path: str | os.PathLike[str] | None = None
    value: float | str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not be found again, and take paths and numbers for what they stand for."""
        check_name("Entry", "category", self.category)
        check_name("Entry", "name", self.name)
        if self.category in RESERVED:
            checks.invalid_value("Entry", "category", f"be none of {', '.join(RESERVED)}", self.category)
        if (self.path is None) == (self.value is None):
            checks.invalid_value("Entry", "path", "be given, or a value, and not both", (self.path, self.value))
        object.__setattr__(self, "path", None if self.path is None else path_text(self.path))
        object.__setattr__(self, "value", None if self.value is None else number_or_text(self.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject and all that belongs to it.

    Args:
        name: Identifier; unique in a cohort.
        entries: Files and values; the order of categories and of entries within them is that of the dataset.

    Raises:
        ValueError: The name cannot be one in a file, there is no entry, or two entries have one name.
    """

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Refuse what would not be found again."""
        check_name("Subject", "name", self.name)
        places = [(entry.category, entry.name) for entry in self.entries]
        if not places or len(set(places)) != len(places):
            checks.invalid_value("Subject", "entries", "have at least one entry and no name twice", places)


def path_text(path: object) -> str:
    """Return a path as text; refuse what is none."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str):
        checks.invalid_kind("Entry", "path", "be a path of text", repr(path))
    return str(text)


def number_or_text(value: object) -> float | str:
    """Return a value as Python's own number or text; refuse what is neither, and what float64 does not hold.

    Example:
        >>> from fractions import Fraction
        >>> number_or_text(Fraction(1, 4)), number_or_text(True), number_or_text("a")
        (0.25, True, 'a')
    """
    plain: Any = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    if isinstance(plain, str):
        return str(plain)
    whole, real = isinstance(plain, int), isinstance(plain, Real)
    if not real:
        checks.invalid_kind("Entry", "value", "be a number or text", checks.describe(value))
    try:
        number = float(plain)
    except OverflowError:
        checks.invalid_value("Entry", "value", "be a number that float64 holds", "one that is larger")
    return plain if whole else number


def check_name(function: str, argument: str, name: object) -> None:
    """Refuse identifiers that could lead elsewhere in a file or a folder, or that cannot be displayed."""
    if not isinstance(name, str):
        checks.invalid_kind(function, argument, "be text", repr(name))
    if not is_name(name):
        needed = "be a printable name of at most 200 bytes, without slashes, not empty, not `.` or `..`"
        checks.invalid_value(function, argument, needed, repr(name[:50]))


def is_name(name: str) -> bool:
    """Tell whether a text can be an identifier in a file and in a folder.

    Example:
        >>> is_name("Subject 1"), is_name("../secret")
        (True, False)
    """
    plain = bool(name.strip()) and name not in (".", "..") and not set(name) & set("/\\\0")
    return plain and name.isprintable() and len(name.encode(errors="surrogatepass")) <= 200
