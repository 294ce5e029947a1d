"""The small tables of a dataset file: what is known of all subjects, gathered from their headers."""

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mia_functional import images
from mia_functional._core import checks
from mia_functional._core.roles import role_by_name
from mia_functional.dataset._hdf5 import layout
from mia_functional.dataset._hdf5.blocks import StoredSubject, digest_of
from mia_functional.dataset._hdf5.dtypes import BFLOAT16
from mia_functional.discovery.records import Subject, roles_of_files
from mia_functional.geometry import Geometry
from mia_functional.typing import Align, HostArray, Role, Shape


def cohort_tables(headers: Sequence[StoredSubject], subjects: Sequence[Subject]) -> layout.Tables:
    """Return the tables of a cohort, but for the names of its files."""
    names = [header.subject for header in headers]
    _check_identifiers(names)
    _check_same_categories(headers)
    order = [block.category for block in headers[0].blocks]
    tables: layout.Tables = {layout.SUBJECTS: np.array(names, object), layout.CATEGORIES: np.array(order, object)}
    roles = {name: [dict(one.roles).get(name) or role_by_name(name) for one in headers] for name in order}
    for category in order:
        _require_one_role(category, roles[category])
    tables[layout.ROLES] = np.array([roles[category][0] or "" for category in order], object)
    for category in order:
        blocks = [block for header in headers for block in header.blocks if block.category == category]
        if len({(len(block.shape), not block.dtype) for block in blocks}) != 1:
            shapes = sorted({str(block.shape) for block in blocks})
            requirement = f"all have {category}, with one number of axes"
            checks.invalid_value("create", "subjects", requirement, ", ".join(shapes))
        tables[layout.SHAPES.format(category)] = _shape_table([block.shape for block in blocks])
        if any(block.dtype == BFLOAT16 for block in blocks):
            tables[layout.DTYPES.format(category)] = np.array([block.dtype for block in blocks], dtype=object)
        digests = [list(bytes.fromhex(block.digest)) for block in blocks]
        tables[layout.DIGESTS.format(category)] = np.array(digests, dtype=np.uint8)
        entries = [entry.name for entry in subjects[0].entries if entry.category == category]
        # Numbers in a file have the axes that they have; values are the entries.
        is_array = roles_of_files(subjects[0].entries).get(category) == "numbers"
        by_subject = dict(zip(names, (block.shape for block in blocks), strict=True))
        if not is_array and _channels_are_entries(category, entries, by_subject):
            tables[layout.NAMES.format(category)] = np.array(entries, dtype=object)
    main = _geometry_tables([header.geometry for header in headers])
    return tables | main | _grid_tables([dict(header.grids) for header in headers], order) | _file_tables(headers)


def _require_one_role(category: str, roles: Sequence[Role | None]) -> None:
    """Raise unless the roles of a category are equal."""
    if len(distinct := sorted({role or "none" for role in roles})) > 1:
        checks.invalid_value("create", "subjects", f"all have one role of {category}", ", ".join(distinct))


def _check_same_categories(headers: Sequence[StoredSubject]) -> None:
    """Raise unless all subjects have the categories of the first."""
    first = {block.category for block in headers[0].blocks}
    for header in headers:
        for category in sorted(first ^ {block.category for block in header.blocks}):
            pair = (headers[0].subject, header.subject)
            owner, other = pair if category in first else pair[::-1]
            actual = f"{category} of {owner} and none of {other}"
            checks.invalid_value("create", "transform", "leave all subjects the same categories", actual)


def _channels_are_entries(category: str, entries: Sequence[str], shapes: Mapping[str, Shape]) -> bool:
    """Return whether the last axis of a category has one channel per entry; raise if in some subjects only."""
    others = [name for name, shape in shapes.items() if shape[-1] != len(entries)]
    if others and len(others) < len(shapes):
        requirement = f"all have one channel for each entry of {category} ({', '.join(entries)}), or none of them"
        checks.invalid_value("create", "subjects", requirement, f"{shapes[others[0]]} of {others[0]}")
    return not others


def _shape_table(shapes: Sequence[Shape]) -> HostArray:
    """Return shapes as rows: of uint16 as in pymia, or of int64 if one does not fit."""
    table = np.array(shapes)
    return table.astype(np.uint16 if table.max() < 1 << 16 else np.int64)


def _geometry_tables(grids: Sequence[Geometry | None]) -> layout.Tables:
    """Return the tables of geometries, in ITK's axis order as in pymia; none if no subject has images."""
    known = [images.to_itk(grid) for grid in grids if grid is not None]
    if not known:
        return {}
    if len(known) != len(grids) or len({len(grid.size) for grid in known}) != 1:
        actual = "some without, or with another number"
        checks.invalid_value("create", "subjects", "all have images with one number of axes", actual)
    sizes, *others = zip(*known, strict=True)
    return dict(zip(layout.IMAGE_PROPERTIES, (_shape_table(sizes), *map(np.array, others)), strict=True))


def _grid_tables(grids: Sequence[Mapping[str, Geometry]], order: Sequence[str]) -> layout.Tables:
    """Return the tables of grids of their own, by category; categories whose grids are the same share the first's."""
    first = [category for category in order if category in grids[0]]
    if any(set(one) != set(first) for one in grids):
        texts = sorted({" ".join(sorted(one)) or "none" for one in grids})
        checks.invalid_value("create", "transform", "leave all subjects the same grids", " and ".join(texts))
    names: dict[str, str] = {}
    tables: layout.Tables = {}
    for category in first:
        same = (other for other in names if all(one[other] == one[category] for one in grids))
        names[category] = next(same, category)
        rows = [np.concatenate(images.to_itk(one[category])) for one in grids]
        if len({len(row) for row in rows}) != 1:
            actual = f"several numbers of axes of {category}"
            checks.invalid_value("create", "subjects", "all have images with one number of axes", actual)
        tables[layout.GEOMETRIES.format(names[category])] = np.array(rows, dtype=np.float64)
    if names:
        tables[layout.GRIDS] = np.array([names.get(category, "") for category in order], dtype=object)
    return tables


def _file_tables(headers: Sequence[StoredSubject]) -> layout.Tables:
    """Return the tables of file digests, if they were made, and of scales of the categories where a file has one."""
    tables = {}
    for category in dict.fromkeys(name for name, _ in headers[0].file_digests):
        rows = [[list(bytes.fromhex(sha)) for name, sha in one.file_digests if name == category] for one in headers]
        tables[layout.FILE_DIGESTS.format(category)] = np.array(rows, dtype=np.uint8)
    for category in dict.fromkeys(name for name, *_ in headers[0].scales):
        table = np.array([[pair for name, *pair in header.scales if name == category] for header in headers])
        if (table != (1.0, 0.0)).any():
            tables[layout.SCALES.format(category)] = table
    return tables


def file_name_tables(path: Path, subjects: Sequence[Subject], align: Align) -> layout.Tables:
    """Return the tables of file names: relative to a common root, which is relative to the folder of the dataset.

    With them goes how files of a subject are brought onto one grid, which a dataset of metadata does at every reading.
    """
    entries = [entry for subject in subjects for entry in subject.entries if entry.path is not None]
    if not entries:
        return {}
    paths = {str(entry.path): _without_parents(Path(str(entry.path))) for entry in entries}
    root = Path(os.path.commonpath([file.parent for file in paths.values()]))
    root_text = _relative_root(path.parent, root).as_posix()
    texts = {name: file.relative_to(root).as_posix() for name, file in paths.items()}
    for text in (root_text, *texts.values()):
        checks.unicode_text("create", "paths", text)
    tables: layout.Tables = {layout.FILE_ROOT: np.array(root_text, dtype=object)}
    if align is not None:
        tables[layout.ALIGN] = np.array(align, dtype=object)
    for category in dict.fromkeys(entry.category for entry in entries):
        names = [[texts[str(entry.path)] for entry in one.entries if entry.category == category] for one in subjects]
        tables[layout.FILE_NAMES.format(category)] = np.array(names, dtype=object)
    return tables


def _without_parents(path: Path) -> Path:
    """Return an absolute path without `..`."""
    absolute = path.absolute()
    if ".." not in absolute.parts:
        return absolute
    # `a/link/..` is the parent of what the link leads to, not `a`: links have to be followed before `..` is removed.
    return Path(os.path.normpath(absolute.parent.resolve() / absolute.name))


def _relative_root(folder: Path, root: Path) -> Path:
    """Return the path from the folder of the dataset to the root of the files."""
    start = _without_parents(folder)
    if root.is_relative_to(start):
        return root.relative_to(start)
    # A path with `..` is followed by the system from where the folder really is, whatever links lead to it.
    return Path(os.path.relpath(root.resolve(), start.resolve()))


def digest_of_tables(tables: layout.Tables) -> str:
    """Return the SHA-256 over all tables: their paths, dtypes, shapes and contents."""
    total = hashlib.sha256()
    for path in sorted(tables):
        table = np.asarray(tables[path])
        text = table.dtype == object
        raw = digest_of(tuple(map(str, table.ravel()))).encode() if text else table.tobytes()
        total.update(f"{path} {'text' if text else table.dtype.str} {table.shape}\n".encode() + raw)
    return total.hexdigest()


def check_same_entries(subjects: Sequence[Subject]) -> None:
    """Raise unless there are subjects, all with the same entries, and with identifiers that can be told apart."""
    if not isinstance(subjects, Sequence) or not all(isinstance(subject, Subject) for subject in subjects):
        checks.invalid_kind("create", "subjects", "be a sequence of `Subject`", type(subjects).__name__)
    if not subjects:
        checks.invalid_value("create", "subjects", "be at least one", "none")
    expected: dict[str, bool] = {}
    for subject in subjects:
        are_files = {f"{entry.category}/{entry.name}": entry.path is not None for entry in subject.entries}
        expected = expected or are_files
        if list(are_files.items()) != list(expected.items()):
            requirement = f"have the same entries in the same order, {', '.join(expected)} as {subjects[0].name} has"
            checks.invalid_value("create", "subjects", requirement, f"{', '.join(are_files)} of {subject.name}")
    of_subjects = [roles_of_files(subject.entries) for subject in subjects]
    for category in of_subjects[0]:
        _require_one_role(category, [roles[category] for roles in of_subjects])
    _check_identifiers([subject.name for subject in subjects])


def _check_identifiers(names: Sequence[str]) -> None:
    """Raise unless identifiers differ by more than case or the spelling of accents.

    Files with such names would be one file on some systems.
    """
    plain = [unicodedata.normalize("NFC", name).casefold() for name in names]
    count = Counter(plain)
    if same := [name for name, key in zip(names, plain, strict=True) if count[key] > 1]:
        requirement = "have identifiers of their own, that differ by more than case"
        checks.invalid_value("create", "subjects", requirement, ", ".join(map(repr, same[:5])))
