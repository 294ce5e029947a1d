"""A cohort into one HDF5 file: every subject becomes a checkpoint, and the checkpoints become the file."""

import itertools
import os
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed, wait
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from mia_functional import images
from mia_functional._core import checks
from mia_functional.dataset import checkpoints
from mia_functional.dataset._hdf5 import handles
from mia_functional.dataset._hdf5.allocation import Allocation, open_allocation, reserve
from mia_functional.dataset._hdf5.blocks import Payload, StoredSubject, blocks_of_sample
from mia_functional.dataset._hdf5.metadata import check_same_entries, cohort_tables, file_name_tables
from mia_functional.dataset._hdf5.writer import write_file
from mia_functional.dataset.records import Storage
from mia_functional.dataset.source_files import digest_of_source, fingerprint, scale_or_identity
from mia_functional.dataset.traversal import check_loading, checked_grids, load_sample
from mia_functional.discovery.records import Load, Subject, roles_of_files
from mia_functional.transforms.composition import Transform
from mia_functional.typing import Align, Progress

__all__ = ["create"]

_DEFAULT_STORAGE = Storage()
"""Uncompressed, with relative paths, and flushed to the disk."""

_SUFFIXES = (".h5", ".hdf5")
"""Extensions of a dataset; pymia knows these two."""

_NOTE = "create: this happened with the subject"
"""Begins the note that is added to the error of a subject."""


class _Recipe(NamedTuple):
    """How checkpoints are made: loading, alignment, grids, a transform, storage, and whether images are stored."""

    load: Load
    align: Align
    grids: dict[str, str]
    transform: Transform | None
    storage: Storage
    voxels: bool


def create(
    path: str | os.PathLike[str],
    subjects: Sequence[Subject],
    *,
    load: Load = images.read,
    align: Align = None,
    grids: Mapping[str, str] | None = None,
    transform: Transform | None = None,
    metadata_only: bool = False,
    executor: Executor | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    resume: bool = False,
    storage: Storage = _DEFAULT_STORAGE,
) -> None:
    """Create a dataset file from subjects (convert a cohort to HDF5).

    Every subject is loaded, transformed and written to the folder `.NAME.parts` beside the dataset; once it is there,
    it survives a crash of the process and of the machine. When all are there, they become one file, and that takes its
    name. Until then `path` does not exist, or is what it was before. Of two runs on one path at a time, the second
    raises an error, unless the system (Windows) or the drive has no locks (`flock`).

    Args:
        path: Where to; ends in `.h5` or `.hdf5`. The folder must exist.
        subjects: From `discover`, or built by hand; all with the same entries in the same order.
        load: Reads one file, as in `traverse`. With `images.read_stored`, integers stay what they are in the file, but
            for labels, and `scales` returns how they are to be scaled; with `images.read` they are scaled already. For
            NIfTI files that state two poses: `functools.partial(images.read, affine="sform")`.
        align: What is done about files of a subject that do not lie on the grid of its first one, as in `traverse`:
            nothing, `"reorient"` or `"resample"`. A dataset of metadata keeps it, and its files are read so.
        grids: Categories that lie on grids of their own, as in `traverse`. `geometry` returns these, and
            `samples(grid=)` cuts them.
        transform: From a sample to a sample, as in `traverse`; it may add categories, remove some, or give the
            subject another identifier.
        metadata_only: Store shapes, geometry, digests and paths, and leave the images in their files, from which they
            are read later; not together with `transform`. A part of OME-Zarr and NIfTI-Zarr is then read from the
            chunks in which it lies, unless `align` or `load` have to change the image.
        executor: Where subjects are loaded and transformed: any `concurrent.futures.Executor` (a `ThreadPoolExecutor`;
            processes with `spawn`; `dask.distributed.Client.get_executor()`; `mpi4py.futures.MPIPoolExecutor()` in a
            script that is run by `mpiexec -n 3 python -m mpi4py.futures script.py`); by default one after
            the other in this process. The file is the same to the byte. Threads write every array once, to where it
            belongs in the file; other workers write it to a file of its own, from which it is copied. For them, `load`
            and `transform` have to be picklable, and the folder must be common to all.
        progress: Called with the number of subjects done, of all, and the identifier of the one just done.
        overwrite: Replace an existing dataset, and parts that an interrupted run left behind.
        resume: Go on where an interrupted run stopped: parts that are intact and made from the same, unchanged files
            are kept. `load` and `transform` have to be those of that run.
        storage: Compression, what is kept of the files, and whether all is flushed to the disk.

    Raises:
        BlockingIOError: Another run is at work on this path.
        FileExistsError: The dataset exists, or parts of an interrupted run, and neither `overwrite` nor `resume` says
            what is to become of them.
        FileNotFoundError: The folder or a subject's file does not exist.
        OSError: Something could not be written; the text names the path.
        TypeError: An argument is of the wrong kind.
        ValueError: The extension is wrong; there are no subjects, two have one identifier, or their entries differ;
            a file cannot be read, or images of one subject do not lie on one grid; `transform` leaves subjects
            without categories or with different ones, or images without their channels or geometry.

    Example:
        >>> from mia_functional.dataset import Entry
        >>> person = Subject(name="A", entries=(Entry(category="numerical", name="AGE", value=31.0),))
        >>> create(folder / "new.h5", [person])
        >>> [path.name for path in folder.iterdir()]
        ['new.h5']

    Differs from:
        pymia, which writes into the final file, and leaves one that cannot be opened after a crash.
    """
    checks.booleans("create", metadata_only=metadata_only, overwrite=overwrite, resume=resume)
    check_loading("create", load, align, transform, executor)
    checks.require_instance("create", "storage", storage, Storage, "a `Storage`")
    checks.booleans("create", paths=storage.paths, file_digests=storage.file_digests, durable=storage.durable)
    checks.require_callable("create", "progress", progress, "`print`", optional=True)
    if metadata_only and (transform is not None or not storage.paths):
        checks.invalid_value("create", "metadata_only", "be without `transform`, and with paths", storage)
    check_same_entries(subjects)
    target = Path(checks.path_text("create", "path", path)).absolute()
    _check_target(target, overwrite=overwrite)
    named = checked_grids("create", grids)
    fingerprints = [
        fingerprint(subject, storage, align=align, grids=named, voxels=not metadata_only) for subject in subjects
    ]
    file_names = file_name_tables(target, subjects, align) if storage.paths else {}
    recipe = _Recipe(load, align, named, transform, storage, not metadata_only)
    # Only workers of this process can reserve offsets, and only of arrays whose size is known before they are stored.
    in_place = (executor is None or type(executor) is ThreadPoolExecutor) and storage.compression is None
    with checkpoints.checkpoint_folder(target) as folder:
        _check_target(target, overwrite=overwrite)  # another run may have ended since
        run = checkpoints.begin_run(folder, overwrite=overwrite, resume=resume, durable=storage.durable)
        paths = [folder / f"{run}-{digest}.part" for digest in fingerprints]
        with open_allocation(folder, len(subjects)) if in_place else nullcontext() as allocation:
            tasks = [(number, subject, paths[number], recipe, allocation) for number, subject in enumerate(subjects)]
            with closing(_run_tasks(tasks, executor)) as names:
                for done, name in enumerate(names, start=1):
                    if progress is not None:
                        progress(done, len(subjects), name)
        headers = [checkpoints.read_checkpoint(checkpoint) for checkpoint in paths]
        tables = cohort_tables(headers, subjects) | file_names
        handles.release(str(target))
        write_file(target, list(zip(paths, headers, strict=True)), tables, storage)
        checkpoints.empty_folder(folder)


def _check_target(path: Path, *, overwrite: bool) -> None:
    """Raise unless a dataset may be written to `path`."""
    if path.suffix not in _SUFFIXES:
        checks.invalid_value("create", "path", f"end in {' or '.join(_SUFFIXES)}", path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"create: the folder {path.parent} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"create: {path} is a folder.")
    if os.path.lexists(path) and not overwrite:
        raise FileExistsError(f"create: {path} exists already; `overwrite=True` replaces it.")


_Task = tuple[int, Subject, Path, _Recipe, Allocation | None]
"""The arguments of `_make_checkpoint`."""


def _run_tasks(tasks: Sequence[_Task], executor: Executor | None) -> Generator[str, None, None]:
    """Make the checkpoints of all subjects and yield the identifier of each that is done."""
    if executor is None:
        yield from itertools.starmap(_make_checkpoint, tasks)
        return
    futures = [executor.submit(_make_checkpoint, *task) for task in tasks]
    try:
        for future in as_completed(futures):
            yield future.result()
    finally:
        # On failure cancel pending tasks in reverse order, so that none starts that would wait for a cancelled one.
        for future in reversed(futures):
            future.cancel()
        wait(futures)


def _make_checkpoint(number: int, subject: Subject, path: Path, recipe: _Recipe, allocation: Allocation | None) -> str:
    """Make a subject's checkpoint, unless a usable one exists, and return the identifier."""
    try:
        kept = checkpoints.usable_checkpoint(path)
        placed = None if kept is None or allocation is None else reserve(allocation, number, kept)
        # If an earlier subject has another size now, it may overwrite what is in the common file: it is made again, and
        # as its offset is reserved already, into a file of its own.
        if kept is None or (kept.placed and placed is not None and kept != placed):
            header, payloads = _load_header(subject, path.stem, recipe)
            if kept is None and allocation is not None:
                header = reserve(allocation, number, header)
            checkpoints.write_checkpoint(path, header, payloads, durable=recipe.storage.durable)
    except BaseException as error:
        # Later subjects would wait for the offsets of this one for ever.
        if allocation is not None and not allocation.turns[number + 1].done():
            allocation.turns[number + 1].set_exception(error)
        # Later subjects raise the same error object, which names the first already.
        if not any(note.startswith(_NOTE) for note in getattr(error, "__notes__", ())):
            error.add_note(f"{_NOTE} {subject.name}.")
        raise
    return subject.name


def _load_header(subject: Subject, fingerprint: str, recipe: _Recipe) -> tuple[StoredSubject, dict[str, Payload]]:
    """Load and transform a subject; return the header of its checkpoint, and the payloads of its arrays."""
    with checks.speaking_for("create", "traverse"):
        sample = load_sample(
            subject, load=recipe.load, align=recipe.align, grids=recipe.grids, transform=recipe.transform
        )
    blocks, payloads = blocks_of_sample(sample, recipe.storage.compression, voxels=recipe.voxels)
    files = [(entry.category, Path(entry.path)) for entry in subject.entries if entry.path is not None]
    digested = files if recipe.storage.file_digests else []
    role_of = roles_of_files(subject.entries)
    # Labels are stored as what they mean, whichever of our readers loads them, and numbers as they are.
    unscaled = ("labels", "numbers")
    scaled = [(name, (1.0, 0.0) if role_of[name] in unscaled else scale_or_identity(path)) for name, path in files]
    header = StoredSubject(
        subject=sample["subject"], fingerprint=fingerprint, geometry=sample["geometry"], blocks=blocks,
        roles=tuple(sample["roles"].items()), grids=tuple(sample.get("grids", {}).items()),
        file_digests=tuple((category, digest_of_source(path)) for category, path in digested),
        scales=tuple((name, *scale) for name, scale in scaled),
    )  # fmt: skip
    return header, payloads
