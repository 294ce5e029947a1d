"""A cohort into one HDF5 file: every subject becomes a part, and the parts become the file when all are there."""

import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed, wait
from contextlib import closing, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import h5py
import numpy as np

from mia_functional import _check, images
from mia_functional.dataset import handles
from mia_functional.dataset.description import Load, Storage, Subject
from mia_functional.dataset.parts import Part, build, read_part, usable, write_part
from mia_functional.dataset.places import Plan, give_up, moved, planned, reserve
from mia_functional.dataset.storage import write_file
from mia_functional.dataset.tables import check_same_entries, files, tables_of
from mia_functional.dataset.traversal import Transform, checked, sample_of
from mia_functional.typing import Progress

SUFFIXES = (".h5", ".hdf5")
"""Extensions of a dataset; pymia knows these two."""

DEFAULT = Storage()
"""Uncompressed, with relative paths, and flushed to the disk."""

NOTE = "create: this happened with the subject"
"""What is added to an error, before the identifier."""

Make: TypeAlias = Callable[[int, Subject, Path], str]
"""Makes the part of a subject (its position comes first) at a path and returns the identifier."""


class Recipe(NamedTuple):
    """How parts are made: loading, a transform, storage, and whether images are stored at all."""

    load: Load
    transform: Transform | None
    storage: Storage
    voxels: bool


def create(
    path: str | os.PathLike[str],
    subjects: Sequence[Subject],
    *,
    load: Load = images.read,
    transform: Transform | None = None,
    metadata_only: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    resume: bool = False,
    storage: Storage = DEFAULT,
) -> None:
    """Create a dataset file from subjects (convert a cohort to HDF5).

    Every subject is loaded, transformed and written to the folder `.NAME.parts` beside the dataset; once it is there,
    it survives a crash of the process and of the machine. When all are there, they become one file, and that takes its
    name. Until then nothing is at `path`, or what was there before.

    Args:
        path: Where to; ends in `.h5` or `.hdf5`. The folder must exist.
        subjects: From `discover`, or built by hand; all with the same entries in the same order.
        load: Reads one file, as in `traverse`. With `images.read_stored`, NIfTI's integers stay what they are in the
            file, and `scales` tells by what they are to be multiplied; with `images.read` they are scaled already.
        transform: From a sample to a sample, as in `traverse`; it may add categories, leave some out, or give the
            subject another identifier.
        metadata_only: Store shapes, geometry, digests and paths, and leave the images in their files, from which they
            are read later. There is no `transform` then.
        executor: Where subjects are loaded and transformed: any `concurrent.futures.Executor` (a `ThreadPoolExecutor`;
            processes with `spawn`; `dask.distributed.Client.get_executor()`; `mpi4py.futures.MPIPoolExecutor()` in a
            script that is run by `mpiexec -n 3 python -m mpi4py.futures script.py`); one after the other in this
            process where left out. The file is the same to the byte. Threads write every array once, to its place in
            the file; other workers write it on its own, and it is copied. Then `load` and `transform` have to be
            picklable, and the folder must be common to all.
        progress: Called with the number of subjects done, of all, and the identifier of the one just done.
        overwrite: Replace a dataset that is there, and parts that an interrupted run left behind.
        resume: Go on where an interrupted run stopped: parts that are whole and made from the same, unchanged files are
            kept. `load` and `transform` have to be those of that run.
        storage: Compression, what is kept of the files, and whether all is flushed to the disk.

    Raises:
        FileExistsError: A dataset is there, or parts of an interrupted run, and neither `overwrite` nor `resume` says
            what is to become of them.
        FileNotFoundError: There is no such folder, or a subject's file is missing.
        OSError: Something could not be written; the text names the path.
        ValueError: The extension is another; there are no subjects, two have one identifier, or their entries differ;
            a file cannot be read, or images of one subject do not lie on each other.

    Example:
        >>> import tempfile
        >>> from mia_functional.dataset import Entry, open, read
        >>> someone = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     create(f"{folder}/cohort.h5", [someone])
        ...     read(open(f"{folder}/cohort.h5"), "A", "numerical").tolist()
        [31.0]

    Differs from:
        pymia, which writes into the final file: it cannot be opened any more after a crash.
    """
    if metadata_only and (transform is not None or not storage.paths):
        _check.invalid_value("create", "metadata_only", "be without `transform`, and with paths", storage)
    check_same_entries(subjects)
    place = checked_place(Path(path), overwrite=overwrite)
    stamps = [fingerprint(subject, storage, voxels=not metadata_only) for subject in subjects]
    folder = parts_folder(place, overwrite=overwrite, resume=resume)
    parts = [folder / f"{stamp}.part" for stamp in stamps]
    recipe = Recipe(load, transform, storage, not metadata_only)
    here = (executor is None or type(executor) is ThreadPoolExecutor) and storage.compression is None
    with planned(folder, len(subjects)) if here else nullcontext() as plan:
        make = partial(make_part, recipe=recipe, plan=plan)
        with closing(finished(make, subjects, parts, executor)) as names:
            for done, name in enumerate(names, start=1):
                if progress is not None:
                    progress(done, len(subjects), name)
    join(place, parts, subjects, storage)
    shutil.rmtree(folder)


def join(place: Path, parts: Sequence[Path], subjects: Sequence[Subject], storage: Storage) -> None:
    """Write the parts of all subjects into the dataset file."""
    headers = [read_part(part) for part in parts]
    tables = tables_of(headers, subjects) | (files(place, subjects) if storage.paths else {})
    versions = {"numpy": np.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
    handles.release(str(place))
    write_file(
        place,
        list(zip(parts, headers, strict=True)),
        tables,
        attributes={**versions, "storage": json.dumps(asdict(storage))},
        compression=storage.compression,
        durable=storage.durable,
    )


def checked_place(path: Path, *, overwrite: bool) -> Path:
    """Return where the dataset goes, as an absolute path; refuse what must not be touched."""
    if path.suffix not in SUFFIXES:
        _check.invalid_value("create", "path", f"end in {' or '.join(SUFFIXES)}", path)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"create: the folder {path.absolute().parent} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"create: {path} is a folder.")
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(f"create: {path} exists already; `overwrite=True` replaces it.")
    return path.absolute()


def parts_folder(place: Path, *, overwrite: bool, resume: bool) -> Path:
    """Return the folder for parts, empty unless those of an interrupted run are to be used."""
    folder = place.with_name(f".{place.name}.parts")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"create: {folder} is a file, and parts need a folder of this name.")
    if folder.exists() and not resume:
        if any(folder.glob("*.part")) and not overwrite:
            choice = "`resume=True` goes on, `overwrite=True` starts anew"
            raise FileExistsError(f"create: {folder} holds parts of an interrupted run; {choice}.")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=resume)
    return folder


def finished(
    make: Make, subjects: Sequence[Subject], parts: Sequence[Path], executor: Executor | None
) -> Generator[str, None, None]:
    """Make the parts of all subjects and yield the identifier of each that is done.

    What fails cancels the rest, the last first: none must start that would wait for one that never does.
    """
    tasks = [(number, *pair) for number, pair in enumerate(zip(subjects, parts, strict=True))]
    if executor is None:
        yield from itertools.starmap(make, tasks)
        return
    futures = [executor.submit(make, *task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in reversed(futures):
            future.cancel()
        wait(futures)


def make_part(number: int, subject: Subject, path: Path, *, recipe: Recipe, plan: Plan | None) -> str:
    """Make a subject's part, unless a usable one is there; with a plan, at its place. Return the identifier."""
    try:
        part = usable(path)
        places = None if part is None or plan is None else reserve(plan, number, part.blocks)
        if part is None or (part.placed and places is not None and part != moved(part, places)):
            fresh, pieces = made(subject, path.stem, recipe)
            if part is None and plan is not None:
                fresh = moved(fresh, reserve(plan, number, fresh.blocks))
            write_part(path, fresh, pieces, durable=recipe.storage.durable)
    except BaseException as error:
        if plan is not None:
            give_up(plan, number, error)
        if not any(note.startswith(NOTE) for note in getattr(error, "__notes__", ())):
            error.add_note(f"{NOTE} {subject.name}.")
        raise
    return subject.name


def made(subject: Subject, stamp: str, recipe: Recipe) -> tuple[Part, list[Any]]:
    """Load and transform a subject; return its part and the bytes of its arrays."""
    sample = checked(sample_of(subject, load=recipe.load, transform=recipe.transform))
    blocks, pieces = build(sample, recipe.storage, voxels=recipe.voxels)
    files = [(entry.category, Path(entry.path)) for entry in subject.entries if entry.path is not None]
    hashed = files if recipe.storage.file_digests else []
    part = Part(
        subject=sample["subject"], fingerprint=stamp, geometry=sample["geometry"], blocks=blocks,
        file_digests=tuple((category, digest_of_files(path)) for category, path in hashed),
        scales=tuple((category, *scale_of(path)) for category, path in files),
    )  # fmt: skip
    return part, pieces


def scale_of(path: Path) -> tuple[float, float]:
    """Return slope and intercept of a file; those of one that only the user's loader can read are not known."""
    try:
        return images.scale(path)
    except ValueError:
        return 1.0, 0.0


def fingerprint(subject: Subject, storage: Storage, *, voxels: bool) -> str:
    """Return the SHA-256 of what a part is made from: values, names, sizes and times of files, and options."""
    places = [Path(entry.path) for entry in subject.entries if entry.path is not None]
    states = [inner.stat() for place in places for inner in (place, *sorted(place.glob("*")))]
    times = [(state.st_size, state.st_mtime_ns) for state in states]
    facts = json.dumps([asdict(subject), times, asdict(storage), voxels])
    return hashlib.sha256(facts.encode()).hexdigest()


def digest_of_files(path: Path) -> str:
    """Return the SHA-256 of a file, or of the digests of all files in a folder (a DICOM series), in order of names."""
    if path.is_dir():
        parts = "".join(digest_of_files(inner) for inner in sorted(path.iterdir()))
        return hashlib.sha256(parts.encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
