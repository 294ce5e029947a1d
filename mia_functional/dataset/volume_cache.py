"""Volumes of datasets that leave the images in their files: decoded when needed, and the last ones kept.

Hidden state: `_VOLUMES`, the decoded volumes of this process in the order of their last use. `handles.FILES_LOCK`
guards it, but is not held while a volume is decoded: two threads that want the same volume may decode it twice. They
go when all together exceed the `cache_bytes` of a dataset (never the last one), and with `close` and `verify`. A
forked child shares the volumes with its parent (copy on write, and they are read-only); a spawned one begins empty.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from mia_functional._core import checks
from mia_functional.dataset._hdf5 import handles
from mia_functional.dataset._hdf5.blocks import storable_array
from mia_functional.dataset.records import Category, Dataset
from mia_functional.dataset.stored_volumes import StoredVolume, open_volume
from mia_functional.dataset.traversal import load_entry, stack_channels
from mia_functional.discovery.records import Entry, Load, Subject
from mia_functional.geometry import Geometry
from mia_functional.images.file_states import metadata_beside
from mia_functional.typing import Align, HostArray

__all__ = ["cached_volume", "forget_volumes"]

_VolumeKey: TypeAlias = tuple[str, str, int, str, str, Load, tuple[handles.FileStamp, ...]]
"""Path and digest of the dataset, subject, category, root, loader, and the stamps of the files."""

_VOLUMES: "OrderedDict[_VolumeKey, HostArray | StoredVolume]" = OrderedDict()


def cached_volume(
    dataset: Dataset, number: int, category: Category, names: tuple[str, ...], grid: Callable[[], Geometry | None], *,
    align: Align,
) -> "HostArray | StoredVolume":  # fmt: skip
    """Return a category of a subject, read from its files or kept from the last time; read-only.

    Files in chunks that need no change are not read, but opened: a part of them comes from the chunks in which it lies.

    Changed files, another folder and another `load` lead to another volume.

    Args:
        dataset: From `open`.
        number: Position of the subject.
        category: One that is not stored.
        names: Its files, relative to their folder.
        grid: Returns where the subject's images lie by the tables of the dataset, if these say so.
        align: How files that lie elsewhere are brought there, as in `create`.

    Raises:
        FileNotFoundError: A file is missing.
        ValueError: A file cannot be read, or has another shape or geometry than the dataset says.
    """
    files = dataset.files
    if files is None or files.root is None:
        requirement = "be opened with `root=`, as its files lie outside of its folder"
        checks.invalid_value("read", "dataset", requirement, ", ".join(names))
    for name in names:
        # Backslashes and colons lead out of the folder on Windows.
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
            requirement = "name a dataset whose files lie in one folder"
            checks.invalid_value("read", "path", requirement, f"{name} in {dataset.path}")
    paths = [str(PurePosixPath(files.root, name)) for name in names]
    # A missing file has no stamp: loading it will raise an error that says more.
    files_of = [str(file) for path in paths for file in (path, *metadata_beside(Path(path)))]
    stamps = tuple(handles.file_stamp(path) for path in files_of if os.path.exists(path))
    key = (dataset.path, dataset.digest, number, category.name, files.root, files.load, stamps)
    with handles.FILES_LOCK:
        if key in _VOLUMES:
            _VOLUMES.move_to_end(key)
            return _VOLUMES[key]
    role = category.role
    entries = [Entry(category=category.name, name=str(k), path=path, role=role) for k, path in enumerate(paths)]
    subject = Subject(name=dataset.subjects[number], entries=tuple(entries))
    opened = open_volume(subject.entries, files.load, grid())
    array = _decode(dataset.path, subject, files.load, grid(), align) if opened is None else opened
    if array.shape != category.shapes[number]:
        shape = category.shapes[number]
        requirement = f"hold the files that the dataset was made from, {', '.join(names)} of shape {shape}"
        checks.invalid_value("read", "root", requirement, array.shape)
    with handles.FILES_LOCK:
        _VOLUMES[key] = array
        while len(_VOLUMES) > 1 and sum(kept.nbytes for kept in _VOLUMES.values()) > files.cache_bytes:
            _VOLUMES.popitem(last=False)
    return array


def _decode(path: str, subject: Subject, load: Load, grid: Geometry | None, align: Align) -> HostArray:
    """Return the files of a subject side by side, as read-only memory; all on the grid of the dataset, if known."""
    # The dataset stands for the first entry: messages then name it, and not the first file, as what others differ from.
    grids = [] if grid is None else [(replace(subject.entries[0], path=path), grid)]
    # It is `create` that has the option.
    cures = {f'align="{word}"': f'create(align="{word}")' for word in ("reorient", "resample")}
    with checks.speaking_for("read", "traverse", "create", **cures):
        arrays = (load_entry(subject, entry, load, align, grids) for entry in subject.entries)
        array = storable_array(subject.entries[0].category, stack_channels(arrays, len(subject.entries))).view()
    array.flags.writeable = False  # of the view: what the loader returned may be an array that others write to
    return array


def forget_volumes(path: str) -> None:
    """Drop the volumes of a dataset."""
    with handles.FILES_LOCK:
        for key in [key for key in _VOLUMES if key[0] == path]:
            del _VOLUMES[key]
