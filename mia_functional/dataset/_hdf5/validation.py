"""Validation of untrusted HDF5 files.

A file may come from anywhere, and HDF5 can be made to read any other file of the user. Every step of a path is checked
before it is taken: hard links only, no data in other files, numbers and texts only, filters that run no foreign code,
and no more bytes than can be true.
"""

import math
import mmap
from functools import partial

import h5py
import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset._hdf5.compression import BLOSC
from mia_functional.dataset._hdf5.layout import STORABLE_KINDS
from mia_functional.dataset._hdf5.vlen_strings import parse_texts
from mia_functional.images.files import MAX_BYTES
from mia_functional.images.hdf5_checks import BUILT_IN_FILTERS, linked_object, storage_fault
from mia_functional.typing import HostArray

_FILTERS = BUILT_IN_FILTERS | {BLOSC: "blosc"}
"""Filters that HDF5 and h5py have built in, and the one of an extra."""


malformed = partial(checks.invalid_content, "open", "name a complete, well-formed dataset")
"""Raise the error of the file at a path that is damaged, hostile or not a dataset, for a reason."""


def group_at(group: h5py.Group, name: str) -> h5py.Group:
    """Return a group in a group."""
    child = linked_object(group, name, malformed)
    if not isinstance(child, h5py.Group):
        malformed(group.file.filename, f"{group.name}/{name} is not a group")
    return child


def dataset_at(group: h5py.Group, name: str, *, max_bytes: float = math.inf) -> h5py.Dataset:
    """Return an HDF5 dataset in a group, whose data can be read without a risk."""
    child = linked_object(group, name, malformed)
    if not isinstance(child, h5py.Dataset):
        malformed(group.file.filename, f"{group.name}/{name} is not an array")
    fault = storage_fault(child, kinds=STORABLE_KINDS, filters=_FILTERS, max_bytes=max_bytes, max_chunked=MAX_BYTES)
    if fault is not None:
        malformed(group.file.filename, f"{group.name}/{name} {fault}")
    creation = child.id.get_create_plist()
    if BLOSC in (creation.get_filter(number)[0] for number in range(creation.get_nfilters())):
        optional.require("hdf5plugin")
    return child


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
