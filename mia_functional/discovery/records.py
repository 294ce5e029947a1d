"""Entries and subjects of a cohort: frozen records without data."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from mia_functional._core import checks
from mia_functional._core.roles import FILE_ROLES, role_by_name
from mia_functional.geometry import Geometry
from mia_functional.typing import HostArray, Role

__all__ = ["RESERVED", "Entry", "Load", "Subject", "check_name", "is_name", "roles_of_files"]

Load: TypeAlias = Callable[[str], tuple[HostArray, Geometry]]
"""From a path: voxels `(*spatial,)` or `(*spatial, channels)`, and where they lie."""

RESERVED = ("subject", "index", "geometry", "shape", "names", "files", "rng", "epoch", "roles", "spatial_axes", "grids")
"""Keys of a sample that are not categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file or one value of a subject.

    Args:
        category: The group that it is stacked in: `images`, `labels`, `numerical`.
        name: Which member of the group it is: `T1`, `T2`, `AGE`.
        path: The file, which is kept as text; none for a value.
        value: The number or text (array scalars too), which is kept as Python's own; none for a file.
        role: What a file is, `image` or `labels`, which decides on interpolation whatever its dtype; files of `labels`
            are read as label maps. By default what `images` and `labels` are names of, and none for other names. Files
            of `numbers` (signals, point clouds) hold arrays without a grid, of any shape, which may differ by subject.
            A value is `numbers` or `text`.

    Raises:
        TypeError: The path or the value is of another kind.
        ValueError: A name is not usable in a file, there is not exactly one of path and value, the number is too
            large for float64, or the role is none of a file, or of a value.
    """

    category: str
    name: str
    path: str | os.PathLike[str] | None = None
    value: float | str | None = None
    role: Role | None = None

    def __post_init__(self) -> None:
        """Check the names, and convert path and value to plain Python objects."""
        check_name("Entry", "category", self.category)
        check_name("Entry", "name", self.name)
        if self.category in RESERVED:
            checks.invalid_value("Entry", "category", f"not be one of {', '.join(RESERVED)}", self.category)
        if (self.path is None) == (self.value is None):
            checks.invalid_value("Entry", "path", "be given, or a value, and not both", (self.path, self.value))
        if self.path is not None:
            path = os.fspath(self.path) if isinstance(self.path, str | os.PathLike) else self.path
            if not isinstance(path, str):
                checks.invalid_kind("Entry", "path", "be a path of text", repr(self.path))
            object.__setattr__(self, "path", str(path))  # `np.str_` becomes Python's own
            own = role_by_name(self.category)
            default, possible = (own if own in FILE_ROLES else None), FILE_ROLES
            if self.category == "images" and self.role == "numbers":
                # Readers take the shape of `images` for that of the grid.
                checks.invalid_value("Entry", "role", "be `image` for the category `images`", self.role)
        else:
            object.__setattr__(self, "value", _number_or_text(self.value))
            default = "text" if isinstance(self.value, str) else "numbers"
            possible = (default,)
        checks.one_of("Entry", "role", self.role, possible, optional=True)
        object.__setattr__(self, "role", self.role or default)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A subject and all its entries.

    Args:
        name: Identifier; unique in a cohort.
        entries: Files and values; the order of categories and of entries within them is that of the dataset.

    Raises:
        ValueError: The name is not usable in a file, there is no entry, two entries have one name, files of one
            category have two roles, or there are several of numbers in one.
    """

    name: str
    entries: tuple[Entry, ...]

    def __post_init__(self) -> None:
        """Check the names."""
        check_name("Subject", "name", self.name)
        names = [(entry.category, entry.name) for entry in self.entries]
        if not names or len(set(names)) != len(names):
            checks.invalid_value("Subject", "entries", "have at least one entry and no name twice", names)
        roles = roles_of_files(self.entries)
        for entry in self.entries:
            if entry.path is not None and entry.role != roles[entry.category]:
                actual = f"{roles[entry.category] or 'none'} and {entry.role or 'none'} of {entry.category}"
                checks.invalid_value("Subject", "entries", "have one role in a category", actual)
        several = Counter(entry.category for entry in self.entries if entry.path is not None)
        for category, count in several.items():
            if count > 1 and roles[category] == "numbers":
                needed = "have one file in a category of numbers, as their shapes may differ"
                checks.invalid_value("Subject", "entries", needed, f"{count} of {category}")


def roles_of_files(entries: Sequence[Entry]) -> dict[str, Role | None]:
    """Return the roles of categories that have files, those of their first ones."""
    return {entry.category: entry.role for entry in reversed(entries) if entry.path is not None}


def _number_or_text(value: object) -> float | str:
    """Return a value as Python's own number or text; raise if it is neither, or too large for float64.

    Example:
        >>> from fractions import Fraction
        >>> _number_or_text(Fraction(1, 4)), _number_or_text(True), _number_or_text("a")
        (0.25, True, 'a')
    """
    # Array scalars and arrays without axes, of any library, have `item`.
    plain: Any = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    if isinstance(plain, str):
        return str(plain)
    whole, real = isinstance(plain, int), isinstance(plain, Real)
    if not real:
        checks.invalid_kind("Entry", "value", "be a number or text", checks.describe(value))
    number = checks.number("Entry", "value", plain)
    # Whole numbers stay exact beyond 2**53; that float64 can hold them at all was tested above.
    return plain if whole else number


def check_name(function: str, argument: str, name: Any) -> None:
    """Raise unless an identifier can be a name in a file and in a folder, and can be displayed."""
    checks.require_instance(function, argument, name, str, "text")
    if not is_name(name):
        needed = "be a printable name of at most 200 bytes, without slashes, not empty, not `.` or `..`"
        checks.invalid_value(function, argument, needed, repr(name[:50]))


def is_name(name: str) -> bool:
    """Return whether a text can be an identifier in a file and in a folder.

    Example:
        >>> is_name("Subject 1"), is_name("../secret")
        (True, False)
    """
    # Names become links of HDF5 and files of checkpoints: slashes and dots would lead elsewhere, and file systems allow
    # 255 bytes, of which endings need some. Lone surrogates stand for bytes of file names that are not Unicode.
    plain = bool(name.strip()) and name not in (".", "..") and not set(name) & set("/\\\0")
    return plain and name.isprintable() and len(name.encode(errors="surrogatepass")) <= 200
