"""What a dataset file says of all subjects: small tables, and where everything is.

The places and kinds are those of pymia 0.3, so that each library reads the other's files: `data/{category}/{number}`,
`meta/subjects`, `meta/shapes`, `meta/image_props` (in ITK's order), `meta/names`, `meta/files`. `meta/categories`,
`meta/digests`, `meta/file_digests` and `meta/scales` are ours.
"""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional.dataset.checkpoints import Part, detached, digest_of_texts
from mia_functional.discovery.records import Subject
from mia_functional.geometry import Geometry

SUBJECTS, CATEGORIES = "meta/subjects", "meta/categories"


SHAPES, NAMES, PROPERTIES = "meta/shapes/{}_shapes", "meta/names/{}_names", "meta/image_props/{}"


FILES, FILE_ROOT = "meta/files/{}_files", "meta/files/file_root"


DIGESTS, FILE_DIGESTS, SCALES = "meta/digests/{}", "meta/file_digests/{}", "meta/scales/{}"


DATA = "data/{}/{}"
"""Where things are."""


GROUPS = ("shapes", "names", "files", "image_props", "digests", "file_digests", "scales")
"""The groups of tables in `meta`."""


Tables: TypeAlias = dict[str, Any]
"""By location: small arrays of numbers, or of str objects."""


def number_name(number: int, count: int) -> str:
    """Return the name of a subject's arrays: its position, with leading zeros.

    Example:
        >>> number_name(7, 25)
        '07'
    """
    return f"{number:0{len(str(count))}}"


def tables_of(headers: Sequence[Part], subjects: Sequence[Subject]) -> Tables:
    """Return the tables of a cohort: what is known of all subjects."""
    names = [header.subject for header in headers]
    check_identifiers(names)
    check_categories(headers)
    order = [block.category for block in headers[0].blocks]
    tables: Tables = {SUBJECTS: texts(names), CATEGORIES: texts(order)}
    for category in order:
        blocks = [block for header in headers for block in header.blocks if block.category == category]
        if len({(len(block.shape), not block.dtype) for block in blocks}) != 1:
            shapes = sorted({str(block.shape) for block in blocks})
            needed = f"all have {category}, with one number of axes"
            checks.invalid_value("create", "subjects", needed, ", ".join(shapes))
        tables[SHAPES.format(category)] = compact([block.shape for block in blocks])
        tables[DIGESTS.format(category)] = digests([block.digest for block in blocks])
        entries = [entry.name for entry in subjects[0].entries if entry.category == category]
        if fits(category, entries, {name: block.shape for name, block in zip(names, blocks, strict=True)}):
            tables[NAMES.format(category)] = texts(entries)
    return tables | properties([header.geometry for header in headers]) | file_digests(headers) | scales(headers)


def check_categories(headers: Sequence[Part]) -> None:
    """Refuse subjects with other categories than the first has."""
    first = {block.category for block in headers[0].blocks}
    for header in headers:
        for category in sorted(first ^ {block.category for block in header.blocks}):
            pair = (headers[0].subject, header.subject)
            owner, other = pair if category in first else pair[::-1]
            needed = "leave all subjects the same categories"
            checks.invalid_value("create", "transform", needed, f"{category} of {owner} and none of {other}")


def fits(category: str, entries: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether what is on the last axis of a category are its entries; refuse that of some subjects only."""
    others = [name for name, shape in shapes.items() if shape[-1] != len(entries)]
    if others and len(others) < len(shapes):
        needed = f"all have one channel for each entry of {category} ({', '.join(entries)}), or none of them"
        checks.invalid_value("create", "subjects", needed, f"{shapes[others[0]]} of {others[0]}")
    return not others


def texts(values: Sequence[Any]) -> Any:
    """Return texts as a table."""
    return np.array(values, dtype=object)


def digests(values: Sequence[str]) -> Any:
    """Return digests as a table of bytes."""
    return np.array([list(bytes.fromhex(value)) for value in values], dtype=np.uint8)


def compact(shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return shapes as a table, in pymia's uint16, or in int64 if one does not fit."""
    table = np.array(shapes)
    return table.astype(np.uint16 if table.max() < 1 << 16 else np.int64)


def properties(grids: Sequence[Geometry | None]) -> Tables:
    """Return the tables of geometries, in ITK's order as pymia has them; none where a subject has no images."""
    known = [images.to_itk(grid) for grid in grids if grid is not None]
    if not known:
        return {}
    if len(known) != len(grids) or len({len(grid.size) for grid in known}) != 1:
        checks.invalid_value("create", "subjects", "all have images with one number of axes", "some that have not")
    return {
        PROPERTIES.format("shapes"): compact([grid.size for grid in known]),
        PROPERTIES.format("origins"): np.array([grid.origin for grid in known]),
        PROPERTIES.format("directions"): np.array([grid.direction for grid in known]),
        PROPERTIES.format("spacing"): np.array([grid.spacing for grid in known]),
    }


def files(path: Path, subjects: Sequence[Subject]) -> Tables:
    """Return the tables of file names, relative to a common root that is relative to the folder of the dataset."""
    entries = [entry for subject in subjects for entry in subject.entries if entry.path is not None]
    if not entries:
        return {}
    places = {entry.path: straight(Path(entry.path)) for entry in entries if entry.path is not None}
    root = Path(os.path.commonpath([place.parent for place in places.values()]))
    tables: Tables = {FILE_ROOT: texts(stored_path(way(path.parent, root)))}
    for category in dict.fromkeys(entry.category for entry in entries):
        rows = [[entry.path for entry in subject.entries if entry.category == category] for subject in subjects]
        names = [[stored_path(places[name].relative_to(root)) for name in row if name is not None] for row in rows]
        tables[FILES.format(category)] = texts(names)
    return tables


def file_digests(headers: Sequence[Part]) -> Tables:
    """Return the tables of the digests of files, if they were made."""
    tables = {}
    for category in dict.fromkeys(name for name, _ in headers[0].file_digests):
        rows = [[value for name, value in header.file_digests if name == category] for header in headers]
        tables[FILE_DIGESTS.format(category)] = np.stack([digests(row) for row in rows])
    return tables


def scales(headers: Sequence[Part]) -> Tables:
    """Return the tables of slopes and intercepts of files, of categories where a file has one."""
    tables = {}
    for category in dict.fromkeys(name for name, *_ in headers[0].scales):
        table = np.array([[pair for name, *pair in header.scales if name == category] for header in headers])
        if (table != (1.0, 0.0)).any():
            tables[SCALES.format(category)] = table
    return tables


def scale_of(path: Path) -> tuple[float, float]:
    """Return slope and intercept of a file; those of one that only the user's loader can read are not known."""
    try:
        return images.scale(path)
    except ValueError:
        return 1.0, 0.0


def digest_of_files(path: Path) -> str:
    """Return the SHA-256 of a file; of header and pixels, or of all in a folder by name, that of their digests."""
    if path.is_dir():
        parts = [digest_of_files(inner) for inner in sorted(path.iterdir())]
    elif others := detached(path):
        parts = [digest_of_file(inner) for inner in (path, *others)]
    else:
        return digest_of_file(path)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_tables(tables: Mapping[str, Any]) -> str:
    """Return the SHA-256 over all tables: their places, shapes and contents."""
    total = hashlib.sha256()
    for location in sorted(tables):
        table = np.asarray(tables[location])
        text = table.dtype == object
        raw = digest_of_texts(map(str, table.ravel())).encode() if text else table.tobytes()
        total.update(f"{location} {'text' if text else table.dtype.str} {table.shape}\n".encode() + raw)
    return total.hexdigest()


def straight(path: Path) -> Path:
    """Return an absolute path without `..`, which behind a link leads elsewhere than it seems to."""
    place = path.absolute()
    return Path(os.path.normpath(place.parent.resolve() / place.name)) if ".." in place.parts else place


def way(folder: Path, root: Path) -> Path:
    """Return the path from a folder to another; a way up begins where the folder really is, if links lead to it."""
    place = straight(folder)
    if root.is_relative_to(place):
        return root.relative_to(place)
    return Path(os.path.relpath(root.resolve(), place.resolve()))


def stored_path(path: Path) -> str:
    """Return a path as it is stored; refuse one that is no Unicode."""
    text = path.as_posix()
    checks.unicode_text("create", "paths", text)
    return text


def check_same_entries(subjects: Sequence[Subject]) -> None:
    """Refuse no subjects, what is none, subjects with different entries, or with identifiers that look the same."""
    if not isinstance(subjects, Sequence) or not all(isinstance(subject, Subject) for subject in subjects):
        checks.invalid_kind("create", "subjects", "be a sequence of `Subject`", type(subjects).__name__)
    if not subjects:
        checks.invalid_value("create", "subjects", "be at least one", "none")
    expected = [(entry.category, entry.name, entry.path is None) for entry in subjects[0].entries]
    for subject in subjects:
        found = [(entry.category, entry.name, entry.path is None) for entry in subject.entries]
        if found != expected:
            needed = f"have the same entries in the same order, {listed(subjects[0])} as {subjects[0].name} has"
            checks.invalid_value("create", "subjects", needed, f"{listed(subject)} of {subject.name}")
    check_identifiers([subject.name for subject in subjects])


def check_identifiers(names: Sequence[str]) -> None:
    """Refuse identifiers that are there twice, or that differ only by case or in how accents are written.

    Files with such names would be one file on some systems.
    """
    plain = [unicodedata.normalize("NFC", name).casefold() for name in names]
    count = Counter(plain)
    same = [name for name, key in zip(names, plain, strict=True) if count[key] > 1]
    if same:
        needed = "have identifiers of their own, that differ by more than case"
        checks.invalid_value("create", "subjects", needed, ", ".join(map(repr, same[:5])))


def listed(subject: Subject) -> str:
    """Return the entries of a subject as text."""
    return ", ".join(f"{entry.category}/{entry.name}" for entry in subject.entries)
