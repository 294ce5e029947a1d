"""Volumes of datasets that leave the images in their files: decoded when needed, and the last ones kept."""

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from mia_functional._core import checks
from mia_functional.dataset._hdf5 import handles
from mia_functional.dataset.checkpoints import storable
from mia_functional.dataset.records import Category, Dataset
from mia_functional.dataset.traversal import load_entry, stacked
from mia_functional.discovery.records import Entry, Load, Subject
from mia_functional.geometry import Geometry

CACHE: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
"""The volumes that were used last, by dataset and whatever else tells them apart; `handles.LOCK` guards them."""


def volume(
    dataset: Dataset, number: int, category: Category, names: tuple[str, ...], grid: Callable[[], Geometry | None]
) -> Any:
    """Return a category of a subject, read from its files or kept from the last time; nobody may write to it.

    Files that were changed, another folder and another function that loads lead to another volume.

    Args:
        dataset: From `open`.
        number: Position of the subject.
        category: What is wanted of it.
        names: Its files, relative to their folder.
        grid: Tells where the subject's images lie by the tables of the dataset, if these know.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, or is not of the shape or not where the dataset says.
    """
    files = dataset.files
    if files is None or files.root is None:
        needed = "be opened with `root=`, as its files lie outside of its folder"
        checks.invalid_value("read", "dataset", needed, ", ".join(names))
    places = [str(PurePosixPath(files.root, name)) for name in names]
    stamps = tuple(map(stamp, places))
    key = (dataset.path, dataset.digest, number, category.name, files.root, files.load, stamps)
    with handles.LOCK:
        if key in CACHE:
            CACHE.move_to_end(key)
            return CACHE[key]
    entries = [Entry(category=category.name, name=str(k), path=place) for k, place in enumerate(places)]
    subject = Subject(name=dataset.subjects[number], entries=tuple(entries))
    array = loaded(dataset.path, subject, files.load, grid())
    if array.shape != category.shapes[number]:
        needed = f"hold the files that the dataset was made from, {', '.join(names)} of shape {category.shapes[number]}"
        checks.invalid_value("read", "root", needed, array.shape)
    with handles.LOCK:
        CACHE[key] = array
        while len(CACHE) > 1 and sum(kept.nbytes for kept in CACHE.values()) > files.cache_bytes:
            CACHE.popitem(last=False)
    return array


def loaded(path: str, subject: Subject, load: Load, grid: Geometry | None) -> Any:
    """Return the files of a subject side by side, as read-only memory; they have to lie where a dataset says."""
    known = [] if grid is None else [(replace(subject.entries[0], path=path), grid)]
    images = (load_entry(subject, entry, load, known) for entry in subject.entries)
    array = storable(subject.entries[0].category, stacked(images, len(subject.entries))).view()
    array.flags.writeable = False
    return array


def stamp(path: str) -> tuple[int, ...]:
    """Return what tells a file from one that took its place: number, size and time of the last change."""
    try:
        state = os.stat(path)
    except OSError:
        return ()
    return state.st_ino, state.st_size, state.st_mtime_ns


def forget(path: str) -> None:
    """Let go of the volumes of a dataset."""
    with handles.LOCK:
        for key in [key for key in CACHE if key[0] == path]:
            del CACHE[key]


def checked_names(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return file names of a dataset; refuse those that lead out of the folder of the files."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            checks.invalid_value("read", "path", "name a dataset whose files lie in one folder", f"{name} in {path}")
    return names
