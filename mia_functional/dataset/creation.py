"""A cohort into one HDF5 file: every subject becomes a part, and the parts become the file when all are there."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed, wait
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeAlias

import h5py
import numpy as np

from mia_functional import _check, images
from mia_functional.dataset.description import Subject
from mia_functional.dataset.parts import usable, write_part
from mia_functional.dataset.storage import check_same_entries, write_file
from mia_functional.dataset.traversal import Load, Transform, checked, load_subject
from mia_functional.typing import Progress

SUFFIXES = (".h5", ".hdf5")
"""Extensions of a dataset; pymia knows these two."""

Make: TypeAlias = Callable[[Subject, Path], str]
"""Makes a subject's part at a path and returns the identifier."""


def create(
    path: str | os.PathLike[str],
    subjects: Sequence[Subject],
    *,
    load: Load = images.read,
    transform: Transform | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    resume: bool = False,
) -> None:
    """Create a dataset file from subjects (convert a cohort to HDF5).

    Every subject is loaded, transformed and written to a part, a file in the folder `.NAME.parts` beside the dataset;
    once it is there, it survives a crash of the process and of the machine. When all are there, they are joined, and
    the file takes its name. Until then nothing is at `path`, or what was there before.

    Args:
        path: Where to; ends in `.h5` or `.hdf5`. The folder must exist.
        subjects: From `discover`, or built by hand; all with the same entries in the same order.
        load: Reads one file, as in `traverse`.
        transform: From a sample to a sample, as in `traverse`; it may add categories and leave some out.
        executor: Where subjects are loaded and transformed: any `concurrent.futures.Executor` (threads, processes with
            `spawn`, dask, MPI); one after the other in this process where left out. The file is the same to the byte.
            With processes, `load` and `transform` have to be picklable.
        progress: Called with the number of subjects done, of all, and the identifier of the one just done.
        overwrite: Replace a dataset that is there, and parts that an interrupted run left behind.
        resume: Go on where an interrupted run stopped: parts that are whole and made from the same, unchanged files are
            kept. `load` and `transform` have to be those of that run.

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
    check_same_entries(subjects)
    place = checked_place(Path(path), overwrite=overwrite)
    folder = parts_folder(place, overwrite=overwrite, resume=resume)
    parts = [folder / f"{subject.name}.part" for subject in subjects]
    make = partial(make_part, load=load, transform=transform)
    for done, name in enumerate(finished(make, subjects, parts, executor), start=1):
        if progress is not None:
            progress(done, len(subjects), name)
    write_file(place, parts, subjects, versions())
    shutil.rmtree(folder)


def checked_place(path: Path, *, overwrite: bool) -> Path:
    """Return where the dataset goes, as an absolute path; refuse what must not be touched."""
    if path.suffix not in SUFFIXES:
        _check.invalid_value("create", "path", f"end in {' or '.join(SUFFIXES)}", path)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"create: the folder {path.absolute().parent} does not exist.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"create: {path} exists already; `overwrite=True` replaces it.")
    return path.absolute()


def parts_folder(place: Path, *, overwrite: bool, resume: bool) -> Path:
    """Return the folder for parts, empty unless those of an interrupted run are to be used."""
    folder = place.with_name(f".{place.name}.parts")
    if folder.exists() and not resume:
        if not overwrite:
            choice = "`resume=True` goes on, `overwrite=True` starts anew"
            raise FileExistsError(f"create: {folder} holds parts of an interrupted run; {choice}.")
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    return folder


def finished(
    make: Make, subjects: Sequence[Subject], parts: Sequence[Path], executor: Executor | None
) -> Iterator[str]:
    """Make the parts of all subjects and yield the identifier of each that is done."""
    if executor is None:
        yield from map(make, subjects, parts)
        return
    futures = [executor.submit(make, subject, part) for subject, part in zip(subjects, parts, strict=True)]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


def make_part(subject: Subject, path: Path, *, load: Load, transform: Transform | None) -> str:
    """Load and transform a subject and write its part, unless a usable one is there; return the identifier."""
    stamp = fingerprint(subject)
    if not usable(path, stamp):
        try:
            sample = load_subject(subject, load)
            write_part(path, checked(sample if transform is None else transform(sample)), stamp)
        except Exception as error:
            error.add_note(f"create: this happened with the subject {subject.name}.")
            raise
    return subject.name


def fingerprint(subject: Subject) -> str:
    """Return the SHA-256 of what a subject consists of: values, and names, sizes and times of files."""
    states = [os.stat(entry.path) for entry in subject.entries if entry.path is not None]
    facts = [asdict(subject), [(state.st_size, state.st_mtime_ns) for state in states]]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what writes a dataset, for its attributes."""
    return {"numpy": np.__version__, "h5py": h5py.__version__, "hdf5": h5py.version.hdf5_version}
