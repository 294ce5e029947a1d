"""What a cohort consists of, before and after it became one file: frozen records without data."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, TypeAlias

from mia_functional import _check
from mia_functional.geometry import Geometry
from mia_functional.typing import Shape

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
            _check.invalid_value("Entry", "category", f"be none of {', '.join(RESERVED)}", self.category)
        if (self.path is None) == (self.value is None):
            _check.invalid_value("Entry", "path", "be given, or a value, and not both", (self.path, self.value))
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
            _check.invalid_value("Subject", "entries", "have at least one entry and no name twice", places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How a dataset file is written.

    Args:
        compression: `gzip`, which every HDF5 reads, or `blosc` (LZ4; needs the extra of that name): chunks of voxels
            with checksums, smaller and much slower to read than uncompressed voxels, which are mapped into memory.
        paths: Keep the names of the files, relative to a common folder.
        file_digests: Keep the SHA-256 of every file, for `dataset.file_digests`; of one whose pixels are in another
            file, and of a folder, it is that of the digests of all their files.
        durable: Flush everything to the disk, so that it survives a failure of power too.

    Raises:
        ValueError: The compression is another.
    """

    compression: str | None = None
    paths: bool = True
    file_digests: bool = False
    durable: bool = True

    def __post_init__(self) -> None:
        """Refuse what is not known."""
        if self.compression not in (None, "gzip", "blosc"):
            _check.invalid_value("Storage", "compression", "be gzip, blosc or none", repr(self.compression))


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A category of a dataset file.

    Args:
        name: `images`, `labels`, `numerical`.
        entries: Names of what is stacked on the last axis; empty where the file does not tell.
        shapes: The shape of every subject's array, in the order of the subjects.
        spatial: Whether it lies on the grid of the images, so that an index applies; numbers and texts do not.
        stored: Whether the arrays are in the file; if not, they are read from the files they came from.
    """

    name: str
    entries: tuple[str, ...]
    shapes: tuple[Shape, ...]
    spatial: bool
    stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a dataset that holds no voxels finds them.

    Args:
        root: The folder that the paths in the dataset start from; none where it is not known.
        load: Reads one file.
        cache_bytes: Most bytes of decoded volumes that a process keeps.
    """

    root: str | None
    load: Load
    cache_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A dataset file: all that is small enough to know. Hashable and picklable; holds no open file.

    Args:
        path: Absolute path of the HDF5 file.
        subjects: Identifiers in order.
        categories: What every subject has.
        grids: Spatial shape of every subject's images, in the order of the subjects; empty without images.
        digest: SHA-256 of the tables in the file, which tells it from one that took its place.
        files: Where the voxels are, if they are not in the file.
    """

    path: str
    subjects: tuple[str, ...]
    categories: tuple[Category, ...]
    grids: tuple[Shape, ...]
    digest: str
    files: Files | None = None

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self.subjects)

    def __repr__(self) -> str:
        """Tell the file, how many subjects there are and what each has."""
        parts = ", ".join(f"{c.name} ({' '.join(c.entries) or '?'})" for c in self.categories)
        return f"Dataset({self.path!r}: {len(self.subjects)} subjects with {parts})"


def path_text(path: object) -> str:
    """Return a path as text; refuse what is none."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else path
    if not isinstance(text, str):
        _check.invalid_kind("Entry", "path", "be a path of text", repr(path))
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
        _check.invalid_kind("Entry", "value", "be a number or text", _check.described(value))
    try:
        number = float(plain)
    except OverflowError:
        _check.invalid_value("Entry", "value", "be a number that float64 holds", "one that is larger")
    return plain if whole else number


def check_name(function: str, argument: str, name: object) -> None:
    """Refuse identifiers that could lead elsewhere in a file or a folder, or that cannot be displayed."""
    if not isinstance(name, str):
        _check.invalid_kind(function, argument, "be text", repr(name))
    if not is_name(name):
        needed = "be a printable name of at most 200 bytes, without slashes, not empty, not `.` or `..`"
        _check.invalid_value(function, argument, needed, repr(name[:50]))


def is_name(name: str) -> bool:
    """Tell whether a text can be an identifier in a file and in a folder.

    Example:
        >>> is_name("Subject 1"), is_name("../secret")
        (True, False)
    """
    plain = bool(name.strip()) and name not in (".", "..") and not set(name) & set("/\\\0")
    return plain and name.isprintable() and len(name.encode(errors="surrogatepass")) <= 200


def check_dataset(function: str, dataset: object) -> None:
    """Refuse what is no opened dataset."""
    if not isinstance(dataset, Dataset):
        _check.invalid_kind(function, "dataset", "come from `open`", repr(dataset))


def subject_number(function: str, dataset: Dataset, subject: str | int) -> int:
    """Return the position of a subject that is given by its identifier or its position."""
    check_dataset(function, dataset)
    if _check.is_integer(subject):
        if not 0 <= int(subject) < len(dataset.subjects):
            _check.invalid_value(function, "subject", f"lie within 0 and {len(dataset.subjects) - 1}", subject)
        return int(subject)
    if subject not in dataset.subjects:
        known = ", ".join(dataset.subjects[:5]) + (", ..." if len(dataset.subjects) > 5 else "")
        _check.invalid_value(function, "subject", f"be one of {known}", repr(subject))
    return dataset.subjects.index(str(subject))


def category_of(function: str, dataset: Dataset, name: str) -> Category:
    """Return the category of a name."""
    found = next((category for category in dataset.categories if category.name == name), None)
    if found is None:
        known = ", ".join(category.name for category in dataset.categories)
        _check.invalid_value(function, "category", f"be one of {known}", repr(name))
    return found
