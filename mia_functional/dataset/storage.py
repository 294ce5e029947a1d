"""The HDF5 file of a cohort: where everything is in it, and how it is written.

The places and kinds are those of pymia 0.3, so that each library reads the other's files: `data/{category}/{number}`,
`meta/subjects`, `meta/shapes`, `meta/image_props` (in ITK's order), `meta/names`, `meta/files`. `meta/categories` and
`meta/digests` are ours.

The HDF5 library never touches the disk by itself: when a disk is full it ends the process. It is given a file object
that never fails, arrays are copied from the parts by the system, and what went wrong is raised afterwards.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, TypeAlias

import h5py
import numpy as np

from mia_functional import _check, images
from mia_functional.dataset.description import Subject
from mia_functional.dataset.parts import (
    ALIGNMENT,
    Block,
    Part,
    digest_of_texts,
    flush_folder,
    name_path,
    read_part,
    size_of,
    write_all,
)
from mia_functional.geometry import Geometry

FORMAT = "mia_functional 1"
"""What the attribute `format` of a file says."""

SUBJECTS, CATEGORIES, DIGESTS = "meta/subjects", "meta/categories", "meta/digests/{}"
SHAPES, NAMES = "meta/shapes/{}_shapes", "meta/names/{}_names"
DATA, FILES, FILE_ROOT, PROPERTIES = "data/{}/{}", "meta/files/{}_files", "meta/files/file_root", "meta/image_props/{}"
"""Where things are."""

Tables: TypeAlias = dict[str, Any]
"""By location: small arrays of numbers, or of str objects."""

COPIED = 1 << 24
"""Bytes that are copied at a time where the system has no call for it."""


def number_name(number: int, count: int) -> str:
    """Return the name of a subject's arrays: its position, with leading zeros.

    Example:
        >>> number_name(7, 25)
        '07'
    """
    return f"{number:0{len(str(count))}}"


def write_file(path: Path, parts: Sequence[Path], subjects: Sequence[Subject], versions: Mapping[str, str]) -> None:
    """Write the parts of all subjects into one file, flush it, and give it its name."""
    draft = path.with_name(f".{path.name}.draft")
    headers = [read_part(part) for part in parts]
    tables = tables_of(path, headers, subjects)
    try:
        with draft.open("w+b", buffering=0) as stream:
            fill(stream, parts, headers, tables, versions)
            os.fsync(stream.fileno())
        draft.replace(path)
        flush_folder(path.parent)
    except OSError as error:
        draft.unlink(missing_ok=True)
        name_path(error, path)


def fill(
    stream: BinaryIO, parts: Sequence[Path], headers: Sequence[Part], tables: Tables, versions: Mapping[str, str]
) -> None:
    """Write an HDF5 file with tables and the arrays of parts to an empty stream."""
    failures: list[OSError] = []
    options = {"alignment_threshold": ALIGNMENT, "alignment_interval": ALIGNMENT, "meta_block_size": 1 << 16}
    with h5py.File(sink(stream, failures), "w", libver=("v108", "v110"), **options) as file:
        for name, value in {"format": FORMAT, **versions, "digest": digest_of_tables(tables)}.items():
            file.attrs[name] = value
        for location, table in tables.items():
            write_table(file, location, table)
        for number, (part, header) in enumerate(zip(parts, headers, strict=True)):
            name = number_name(number, len(parts))
            for category, texts in header.texts:
                write_table(file, DATA.format(category, name), np.array(texts, dtype=object))
            with part.open("rb", buffering=0) as source:
                for block in header.blocks:
                    offset = reserve(file, DATA.format(block.category, name), block)
                    copy(source, block.offset, stream, offset, size_of(block))
            raise_first(failures)
    raise_first(failures)


def sink(stream: BinaryIO, failures: list[OSError]) -> Any:
    """Return a file object over a stream whose writing never fails; what went wrong is appended to `failures`."""

    def write(data: Any) -> int:
        try:
            write_all(stream, data)
        except OSError as error:
            failures.append(error)
        return len(data)

    def truncate(size: int) -> int:
        try:
            stream.truncate(size)
        except OSError as error:
            failures.append(error)
        return size

    def nothing() -> None:
        """Leave flushing to the one call at the end."""

    return SimpleNamespace(
        read=stream.read, readinto=stream.readinto, seek=stream.seek, tell=stream.tell,  # type: ignore[attr-defined]
        write=write, truncate=truncate, flush=nothing,
    )  # fmt: skip


def raise_first(failures: Sequence[OSError]) -> None:
    """Raise what went wrong first, if anything did."""
    if failures:
        raise failures[0]


def write_table(file: Any, location: str, table: Any) -> None:
    """Write a small array of numbers or texts."""
    kind = h5py.string_dtype() if table.dtype == object else table.dtype
    file.create_dataset(location, data=table, dtype=kind, track_times=False)


def reserve(file: Any, location: str, block: Block) -> int:
    """Make room for an array in the file and return where its bytes belong."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    space, kind = h5py.h5s.create_simple(block.shape), h5py.h5t.py_create(np.dtype(block.dtype))
    return int(h5py.h5d.create(file.id, location.encode(), kind, space, creation, links).get_offset())


def copy(source: BinaryIO, start: int, target: BinaryIO, place: int, count: int) -> None:
    """Copy bytes from one file to another; where the system can, it does so without moving them."""
    done = 0
    while done < count and hasattr(os, "copy_file_range"):
        try:
            step = os.copy_file_range(source.fileno(), target.fileno(), count - done, start + done, place + done)
        except OSError:
            break
        if step == 0:
            break
        done += step
    source.seek(start + done)
    target.seek(place + done)
    while done < count:
        piece = source.read(min(COPIED, count - done))
        if not piece:
            raise OSError(f"{source.name} ends too early")
        write_all(target, piece)
        done += len(piece)


def tables_of(path: Path, headers: Sequence[Part], subjects: Sequence[Subject]) -> Tables:
    """Return the tables of a cohort: what is known of all subjects."""
    order = headers[0].order
    tables: Tables = {SUBJECTS: np.array([header.subject for header in headers], dtype=object)}
    tables[CATEGORIES] = np.array(order, dtype=object)
    for category in order:
        shapes = [shapes_of(header).get(category) for header in headers]
        if len({None if shape is None else len(shape) for shape in shapes}) != 1 or None in shapes:
            _check.invalid_value(
                "create",
                "subjects",
                f"have {category} with one number of axes, all of them",
                sorted(set(map(str, shapes))),
            )
        tables[SHAPES.format(category)] = compact(np.array(shapes))
        tables[DIGESTS.format(category)] = np.array(
            [list(bytes.fromhex(digests_of(h)[category])) for h in headers], np.uint8
        )
        names = tuple(entry.name for entry in subjects[0].entries if entry.category == category)
        if len(names) == headers_width(headers[0], category):
            tables[NAMES.format(category)] = np.array(names, dtype=object)
    return {**tables, **properties([header.geometry for header in headers]), **files(path, subjects)}


def headers_width(header: Part, category: str) -> int:
    """Return the length of the last axis of a category."""
    return int(shapes_of(header)[category][-1])


def shapes_of(header: Part) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a part by category."""
    return {b.category: b.shape for b in header.blocks} | {name: (len(texts),) for name, texts in header.texts}


def digests_of(header: Part) -> dict[str, str]:
    """Return the digests of a part by category."""
    return {b.category: b.digest for b in header.blocks} | {name: digest_of_texts(t) for name, t in header.texts}


def compact(shapes: Any) -> Any:
    """Return shapes in pymia's uint16, or in int64 if one does not fit."""
    return shapes.astype(np.uint16 if shapes.max() < 1 << 16 else np.int64)


def properties(grids: Sequence[Geometry | None]) -> Tables:
    """Return the tables of geometries, in ITK's order as pymia has them; none where a subject has no images."""
    known = [images.to_itk(grid) for grid in grids if grid is not None]
    if not known:
        return {}
    if len(known) != len(grids) or len({len(grid.size) for grid in known}) != 1:
        _check.invalid_value("create", "subjects", "all have images with one number of axes", "some that have not")
    return {
        PROPERTIES.format("shapes"): compact(np.array([grid.size for grid in known])),
        PROPERTIES.format("origins"): np.array([grid.origin for grid in known]),
        PROPERTIES.format("directions"): np.array([grid.direction for grid in known]),
        PROPERTIES.format("spacing"): np.array([grid.spacing for grid in known]),
    }


def files(path: Path, subjects: Sequence[Subject]) -> Tables:
    """Return the tables of file names, relative to a common root that is relative to the dataset's folder."""
    paths = [entry.path for subject in subjects for entry in subject.entries if entry.path is not None]
    if not paths:
        return {}
    root = os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in paths])
    tables: Tables = {FILE_ROOT: np.array(os.path.relpath(root, path.parent), dtype=object)}
    for category in dict.fromkeys(entry.category for entry in subjects[0].entries):
        rows = [[entry.path for entry in subject.entries if entry.category == category] for subject in subjects]
        if all(None not in row and len(row) == len(rows[0]) for row in rows):
            names = [[os.path.relpath(name, root) for name in row if name is not None] for row in rows]
            tables[FILES.format(category)] = np.array(names, dtype=object)
    return tables


def digest_of_tables(tables: Mapping[str, Any]) -> str:
    """Return the SHA-256 over all tables: their places, shapes and contents."""
    total = hashlib.sha256()
    for location in sorted(tables):
        table = np.asarray(tables[location])
        text = table.dtype == object
        raw = digest_of_texts(map(str, table.ravel())).encode() if text else table.tobytes()
        total.update(f"{location} {'text' if text else table.dtype.str} {table.shape}\n".encode() + raw)
    return total.hexdigest()


def check_same_entries(subjects: Sequence[Subject]) -> None:
    """Refuse subjects of different entries, or with one identifier."""
    expected = [(entry.category, entry.name) for entry in subjects[0].entries]
    for subject in subjects:
        found = [(entry.category, entry.name) for entry in subject.entries]
        if found != expected:
            needed = f"have the same entries in the same order, {listed(expected)} as {subjects[0].name} has"
            _check.invalid_value("create", "subjects", needed, f"{listed(found)} of {subject.name}")
    names = [subject.name for subject in subjects]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) != len(names) else []
    if twice:
        _check.invalid_value("create", "subjects", "have identifiers of their own", f"{', '.join(twice)} twice")


def listed(places: Sequence[tuple[str, str]]) -> str:
    """Return entries as text."""
    return ", ".join(map("/".join, places))
