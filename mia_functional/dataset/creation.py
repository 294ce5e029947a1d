"""A cohort into one HDF5 file: every subject becomes a part, and the parts become the file when all are there."""

import itertools
import json
import os
import secrets
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed, wait
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import h5py
import numpy as np

from mia_functional import images
from mia_functional._core import atomic_files, checks
from mia_functional.dataset._hdf5 import handles
from mia_functional.dataset._hdf5.allocation import Plan, give_up, moved, planned, reserve
from mia_functional.dataset._hdf5.metadata import (
    Tables,
    check_same_entries,
    digest_of_files,
    files,
    scale_of,
    tables_of,
)
from mia_functional.dataset._hdf5.writer import checked_place, write_file
from mia_functional.dataset.checkpoints import (
    Part,
    build,
    fingerprint,
    read_part,
    usable,
    write_part,
)
from mia_functional.dataset.locking import LOCK, empty, locked
from mia_functional.dataset.records import Storage
from mia_functional.dataset.traversal import Transform, check_work, checked, sample_of
from mia_functional.discovery.records import Load, Subject
from mia_functional.typing import Progress

DEFAULT = Storage()
"""Uncompressed, with relative paths, and flushed to the disk."""


NOTE = "create: this happened with the subject"
"""What is added to an error, before the identifier."""


RUN = "run"
"""Name of the file, beside the parts, with the word that their names begin with."""


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
    name. Until then nothing is at `path`, or what was there before. Of two runs on one path at a time, the second is
    refused, unless the system (Windows) or the drive has no locks (`flock`).

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
        BlockingIOError: Another run is at work on this path.
        FileExistsError: A dataset is there, or parts of an interrupted run, and neither `overwrite` nor `resume` says
            what is to become of them.
        FileNotFoundError: There is no such folder, or a subject's file is missing.
        OSError: Something could not be written; the text names the path.
        TypeError: An argument is of another kind.
        ValueError: The extension is another; there are no subjects, two have one identifier, or their entries differ;
            a file cannot be read, or images of one subject do not lie on each other; `transform` leaves subjects
            without categories or with different ones, or images without their channels or geometry.

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
    check_work("create", load, transform, executor)
    check_options(storage, progress)
    if metadata_only and (transform is not None or not storage.paths):
        checks.invalid_value("create", "metadata_only", "be without `transform`, and with paths", storage)
    check_same_entries(subjects)
    place = checked_place(Path(path), overwrite=overwrite)
    stamps = [fingerprint(subject, storage, voxels=not metadata_only) for subject in subjects]
    named = files(place, subjects) if storage.paths else {}
    recipe = Recipe(load, transform, storage, not metadata_only)
    here = (executor is None or type(executor) is ThreadPoolExecutor) and storage.compression is None
    with parts_folder(place) as folder:
        checked_place(place, overwrite=overwrite)
        run = run_in(folder, overwrite=overwrite, resume=resume, durable=storage.durable)
        parts = [folder / f"{run}-{stamp}.part" for stamp in stamps]
        with planned(folder, len(subjects)) if here else nullcontext() as plan:
            make = partial(make_part, recipe=recipe, plan=plan)
            with closing(finished(make, subjects, parts, executor)) as names:
                for done, name in enumerate(names, start=1):
                    if progress is not None:
                        progress(done, len(subjects), name)
        headers = [read_part(part) for part in parts]
        join(place, parts, headers, tables_of(headers, subjects) | named, storage)
        empty(folder)


def check_options(storage: object, progress: object) -> None:
    """Refuse other kinds of options."""
    if not isinstance(storage, Storage):
        checks.invalid_kind("create", "storage", "be a `Storage`", repr(storage))
    if progress is not None:
        checks.require_callable("create", "progress", progress, "`print`")


def join(place: Path, parts: Sequence[Path], headers: Sequence[Part], tables: Tables, storage: Storage) -> None:
    """Write the parts of all subjects into the dataset file."""
    own = {"mia_functional": sys.modules["mia_functional"].__version__}
    versions = own | {"numpy": np.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
    handles.release(str(place))
    write_file(
        place,
        list(zip(parts, headers, strict=True)),
        tables,
        attributes={**versions, "storage": json.dumps(asdict(storage))},
        compression=storage.compression,
        durable=storage.durable,
    )


@contextmanager
def parts_folder(place: Path) -> Iterator[Path]:
    """Make the folder for parts, which no other run touches meanwhile; it goes in the end, unless there are parts."""
    folder = place.with_name(f".{place.name}.parts")
    if folder.is_file() or folder.is_symlink():
        raise FileExistsError(f"create: {folder} is a file or a link, and parts need a folder of this name.")
    with suppress(FileExistsError):
        folder.mkdir()
    try:
        with nullcontext() if sys.platform == "win32" else locked(place, folder):
            try:
                yield folder
            finally:
                if not any(folder.glob("*.part")):
                    empty(folder)
                    (folder / LOCK).unlink(missing_ok=True)
    finally:
        with suppress(OSError):
            folder.rmdir()


def run_in(folder: Path, *, overwrite: bool, resume: bool, durable: bool) -> str:
    """Empty the folder for parts, unless those of an interrupted run are to be used; return the word of the run.

    Workers may outlive a run that was killed: what they write has another word and is not taken for a part of this run.
    """
    if not resume and not overwrite and any(folder.glob("*.part")):
        choice = "`resume=True` goes on, `overwrite=True` starts anew"
        raise FileExistsError(f"create: {folder} holds parts of an interrupted run; {choice}.")
    if not resume or not (folder / RUN).exists():
        empty(folder)
        with atomic_files.atomic_write("create", folder / RUN, durable=durable) as draft:
            draft.write_text(secrets.token_hex(4))
    return (folder / RUN).read_text()


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
