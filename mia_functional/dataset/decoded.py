"""Volumes of datasets that leave the images in their files: decoded when needed, and the last ones kept."""

import threading
from collections import OrderedDict
from pathlib import PurePosixPath
from typing import Any

from mia_functional import _check
from mia_functional.dataset.description import Files
from mia_functional.dataset.traversal import stacked, with_channels
from mia_functional.typing import Shape

CACHE: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
"""The volumes that were used last, by whatever tells them apart."""

LOCK = threading.Lock()


def volume(files: Files, key: tuple[Any, ...], names: tuple[str, ...], shape: Shape) -> Any:
    """Return a category of a subject, read from its files or kept from the last time; nobody may write to it.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, or is not of the shape that the dataset says.
    """
    with LOCK:
        if key in CACHE:
            CACHE.move_to_end(key)
            return CACHE[key]
    if files.root is None:
        needed = "be opened with `root=`, as its files lie outside of its folder"
        _check.invalid_value("read", "dataset", needed, ", ".join(names))
    images = (with_channels(*files.load(str(PurePosixPath(files.root, name)))) for name in names)
    array = stacked(images, len(names))
    if array.shape != shape:
        needed = f"hold the files that the dataset was made from, {', '.join(names)} of shape {shape}"
        _check.invalid_value("read", "root", needed, array.shape)
    array.flags.writeable = False
    with LOCK:
        CACHE[key] = array
        while len(CACHE) > 1 and sum(kept.nbytes for kept in CACHE.values()) > files.cache_bytes:
            CACHE.popitem(last=False)
    return array


def checked_names(path: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return file names of a dataset; refuse those that lead out of the folder of the files."""
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            _check.invalid_value("read", "path", "name a dataset whose files lie in one folder", f"{name} in {path}")
    return names
