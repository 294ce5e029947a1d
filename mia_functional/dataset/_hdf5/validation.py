"""What is allowed in a dataset file. A file may come from anywhere, and HDF5 can be made to read any other file.

Every step of a path is looked at before it is taken: hard links only, no data in other files, numbers and texts only,
filters that do not run foreign code, and no more bytes than there can be.
"""

import math
from pathlib import Path
from typing import Any, NoReturn

import h5py
import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset._hdf5 import vlen_strings
from mia_functional.dataset._hdf5.compression import BLOSC
from mia_functional.dataset.checkpoints import KINDS
from mia_functional.images.files import MAX_BYTES

FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf", BLOSC: "blosc"}
"""Filters that HDF5 and h5py have built in, and the one of an extra."""


TABLE_BYTES = 1 << 28
"""Most bytes of one table in `meta`."""


CHUNK_BYTES = 1 << 28
"""Most bytes of one chunk."""


EXPANSION = 1100
"""Most bytes that come out of one compressed byte; gzip reaches 1032."""


def refuse(path: str | Path, reason: str) -> NoReturn:
    """Raise the error of a file that is damaged, hostile or no dataset."""
    checks.invalid_value("open", "path", "name a complete, well-formed dataset", f"{path}: {reason}")


def child(group: Any, name: str) -> Any:
    """Return what is in a group under a name; refuse links that lead elsewhere."""
    try:
        kind = group.get(name, getlink=True)
        if isinstance(kind, h5py.HardLink):
            return group[name]
    except (KeyError, OSError, RuntimeError) as error:
        refuse(group.file.filename, f"{group.name}/{name} is damaged ({error})")
    found = "is missing" if kind is None else f"is {type(kind).__name__} and no part of the file"
    refuse(group.file.filename, f"{group.name}/{name} {found}")


def group_at(group: Any, name: str) -> Any:
    """Return a group in a group."""
    found = child(group, name)
    if not isinstance(found, h5py.Group):
        refuse(group.file.filename, f"{group.name}/{name} is no group")
    return found


def dataset_at(group: Any, name: str, *, max_bytes: float = math.inf) -> Any:
    """Return an HDF5 dataset in a group whose data can be read without a risk."""
    found = child(group, name)
    if not isinstance(found, h5py.Dataset):
        refuse(group.file.filename, f"{group.name}/{name} is no array")
    reason = fault(found, max_bytes)
    if reason:
        refuse(group.file.filename, f"{group.name}/{name} {reason}")
    return found


def fault(found: Any, max_bytes: float) -> str | None:
    """Return why an HDF5 dataset must not be read, or none."""
    creation = found.id.get_create_plist()
    layout = creation.get_layout()
    kind = found.dtype
    text = h5py.check_string_dtype(kind) is not None
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED, h5py.h5d.COMPACT) or creation.get_external_count():
        return "has its data in other files"
    if found.shape is None or not (text or (kind.kind in KINDS and kind.itemsize <= 8)):
        return f"holds {kind} and no numbers or texts"
    nbytes = math.prod(found.shape) * kind.itemsize
    if nbytes > max_bytes:
        return f"declares {nbytes} bytes, and {max_bytes} are the most"
    if layout == h5py.h5d.CHUNKED:
        return chunk_fault(found, creation, nbytes)
    if nbytes and layout == h5py.h5d.CONTIGUOUS:
        offset = found.id.get_offset()
        if offset is None or offset + nbytes > Path(found.file.filename).stat().st_size:
            return "is not there completely"
    return None


def chunk_fault(found: Any, creation: Any, nbytes: int) -> str | None:
    """Return why a chunked dataset must not be read, or none."""
    codes = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    unknown = sorted(set(codes) - FILTERS.keys())
    if unknown:
        return f"needs the filters {unknown}; {', '.join(FILTERS.values())} are known"
    if BLOSC in codes:
        optional.require("hdf5plugin")
    if nbytes > MAX_BYTES:
        return f"declares {nbytes} bytes in chunks, and {MAX_BYTES} are the most"
    if math.prod(found.chunks) * found.dtype.itemsize > CHUNK_BYTES:
        return f"has chunks of {found.chunks}"
    if nbytes > EXPANSION * found.id.get_storage_size():
        return f"declares {nbytes} bytes and stores {found.id.get_storage_size()}"
    return None


def attribute(file: Any, name: str) -> str | None:
    """Return a text that is attached to the file, or none where there is none."""
    if name not in file.attrs:
        return None
    found = file.attrs.get_id(name)
    if found.shape != () or found.dtype.kind != "S":
        refuse(file.filename, f"its attribute {name} is no text of fixed length")
    return str(file.attrs[name].decode(errors="replace"))


def table(group: Any, name: str, memory: Any) -> Any:
    """Return a small array: numbers, or an object array of str; `memory` holds the bytes of the file."""
    found = dataset_at(group, name, max_bytes=TABLE_BYTES)
    return found[()] if h5py.check_string_dtype(found.dtype) is None else texts_of(found, memory)


def texts_of(found: Any, memory: Any) -> Any:
    """Return an HDF5 dataset of texts as an object array of str."""
    try:
        if h5py.check_string_dtype(found.dtype).length is not None:
            return np.asarray(found.asstr()[()], dtype=object)
        if found.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
            raise ValueError("texts in chunks are not read")
        values = vlen_strings.texts(memory, found.id.get_offset(), found.size, found.file.userblock_size)
    except ValueError as error:
        refuse(found.file.filename, f"{found.name} holds no readable texts ({error})")
    return np.array(values, dtype=object).reshape(found.shape)
