"""Validation of untrusted HDF5 files.

A file may come from anywhere, and HDF5 can be made to read any other file of the user. Every step of a path is checked
before it is taken: hard links only, no data in other files, numbers and texts only, filters that run no foreign code,
and no more bytes than can be true.
"""

import math
import mmap
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset._hdf5.compression import BLOSC
from mia_functional.dataset._hdf5.layout import STORABLE_KINDS
from mia_functional.dataset._hdf5.vlen_strings import parse_texts
from mia_functional.images.files import MAX_BYTES
from mia_functional.typing import HostArray

_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32", 32000: "lzf", BLOSC: "blosc"}
"""Filters that HDF5 and h5py have built in, and the one of an extra. HDF5 would load others as plugins."""

_CHUNK_BYTES = 1 << 28
"""Most bytes of one chunk, which is decompressed as a whole."""

_EXPANSION = 1100
"""Most bytes that come out of one compressed byte; gzip reaches 1032."""


malformed = partial(checks.invalid_content, "open", "name a complete, well-formed dataset")
"""Raise the error of the file at a path that is damaged, hostile or not a dataset, for a reason."""


def _child(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return what a group holds under a name; raise if it is a link that leads elsewhere."""
    try:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.HardLink):
            return group[name]
    except (KeyError, OSError, RuntimeError) as error:
        malformed(group.file.filename, f"{group.name}/{name} is damaged ({error})")
    reason = "is missing" if link is None else f"is {type(link).__name__} and not part of the file"
    return malformed(group.file.filename, f"{group.name}/{name} {reason}")


def group_at(group: h5py.Group, name: str) -> h5py.Group:
    """Return a group in a group."""
    child = _child(group, name)
    if not isinstance(child, h5py.Group):
        malformed(group.file.filename, f"{group.name}/{name} is not a group")
    return child


def dataset_at(group: h5py.Group, name: str, *, max_bytes: float = math.inf) -> h5py.Dataset:
    """Return an HDF5 dataset in a group, whose data can be read without a risk."""
    child = _child(group, name)
    if not isinstance(child, h5py.Dataset):
        malformed(group.file.filename, f"{group.name}/{name} is not an array")
    if fault := _storage_fault(child, max_bytes):
        malformed(group.file.filename, f"{group.name}/{name} {fault}")
    return child


def _storage_fault(stored: h5py.Dataset, max_bytes: float) -> str | None:
    """Return why an HDF5 dataset must not be read, if so."""
    creation = stored.id.get_create_plist()
    layout, dtype = creation.get_layout(), stored.dtype
    text = h5py.check_string_dtype(dtype) is not None
    if layout not in (h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED, h5py.h5d.COMPACT) or creation.get_external_count():
        return "has its data in other files"
    if stored.shape is None or not (text or (dtype.kind in STORABLE_KINDS and dtype.itemsize <= 8)):
        return f"holds {dtype} instead of numbers or texts"
    # Types of somebody's own making may be smaller in the file than the dtype that h5py converts them to, or larger.
    nbytes = math.prod(stored.shape) * stored.id.get_type().get_size()
    if max(nbytes, math.prod(stored.shape) * dtype.itemsize) > max_bytes:
        return f"declares {nbytes} bytes, and {max_bytes} are the most"
    if layout == h5py.h5d.CHUNKED:
        return _chunk_fault(stored, creation, nbytes)
    if nbytes and layout == h5py.h5d.CONTIGUOUS:
        offset = stored.id.get_offset()
        if offset is None or offset + nbytes > Path(stored.file.filename).stat().st_size:
            return "is incomplete"
    return None


def _chunk_fault(stored: h5py.Dataset, creation: h5py.h5p.PropDCID, nbytes: int) -> str | None:
    """Return why a chunked dataset must not be read, if so."""
    codes = [creation.get_filter(number)[0] for number in range(creation.get_nfilters())]
    if unknown := sorted(set(codes) - _FILTERS.keys()):
        return f"needs the filters {unknown}; {', '.join(_FILTERS.values())} are known"
    if BLOSC in codes:
        optional.require("hdf5plugin")
    if nbytes > MAX_BYTES:
        return f"declares {nbytes} bytes in chunks, and {MAX_BYTES} are the most"
    if math.prod(stored.chunks) * stored.id.get_type().get_size() > _CHUNK_BYTES:
        return f"has chunks of {stored.chunks}"
    if nbytes > _EXPANSION * stored.id.get_storage_size():
        return f"declares {nbytes} bytes and stores {stored.id.get_storage_size()}"
    return None


def text_attribute(file: h5py.File, name: str) -> str | None:
    """Return a text that is attached to the file, if it is there."""
    if name not in file.attrs:
        return None
    # Attributes of variable length would be read from a heap, which HDF5 itself must not do (see `vlen_strings`).
    attribute = file.attrs.get_id(name)
    if attribute.shape != () or attribute.dtype.kind != "S":
        malformed(file.filename, f"its attribute {name} is not a text of fixed length")
    return str(file.attrs[name].decode(errors="replace"))


def read_texts(stored: h5py.Dataset, memory: mmap.mmap) -> HostArray:
    """Return an HDF5 dataset of texts as an object array of str."""
    try:
        if h5py.check_string_dtype(stored.dtype).length is not None:
            return np.asarray(stored.asstr()[()], dtype=object)
        if stored.id.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS:
            raise ValueError("texts in chunks are not read")
        texts = parse_texts(memory, stored.id.get_offset(), stored.size, stored.file.userblock_size)
    except ValueError as error:
        malformed(stored.file.filename, f"{stored.name} holds no readable texts ({error})")
    return np.array(texts, dtype=object).reshape(stored.shape)
