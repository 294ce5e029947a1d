"""Dtypes of stored arrays: NumPy's own numbers, and bfloat16 of ml_dtypes.

HDF5 1.x has no type of its own for bfloat16, but can describe it: sign, exponent and mantissa of a float32 without its
lower half. Any program that reads the file by HDF5, as pymia does, gets float32 of the same values.
"""

from typing import Any

import h5py
import numpy as np

from mia_functional._core import optional
from mia_functional.dataset._hdf5.layout import STORABLE_KINDS
from mia_functional.typing import HostArray

BFLOAT16 = "bfloat16"
"""Name of the dtype, in NumPy and in files."""


def dtype_text(dtype: np.dtype[Any]) -> str:
    """Return a dtype as text, from which `dtype_of_text` makes it again; `str` of bfloat16 is that of raw bytes.

    Example:
        >>> dtype_text(np.dtype(np.float32))
        '<f4'
    """
    return BFLOAT16 if dtype.name == BFLOAT16 else dtype.str


def dtype_of_text(text: str) -> np.dtype[Any]:
    """Return the dtype of a text."""
    return np.dtype(optional.require("ml_dtypes").bfloat16 if text == BFLOAT16 else text)


def is_storable(dtype: np.dtype[Any]) -> bool:
    """Return whether arrays of a dtype can be stored."""
    return dtype.name == BFLOAT16 or (dtype.kind in STORABLE_KINDS and dtype.itemsize <= 8)


def hdf5_type(text: str) -> h5py.h5t.TypeID:
    """Return the type of HDF5 for a dtype as text."""
    if text != BFLOAT16:
        return h5py.h5t.py_create(np.dtype(text))
    kind = h5py.h5t.IEEE_F16LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)  # where the sign is; where 8 bits of exponent and 7 of mantissa begin
    kind.set_ebias(127)
    return kind


def dtype_in_file(stored: h5py.Dataset) -> np.dtype[Any] | None:
    """Return the dtype that the bytes of an HDF5 dataset have; none if HDF5 has to convert them.

    h5py names the nearest dtype of NumPy, which has other bytes where the type is of somebody's own making.
    """
    kind = stored.id.get_type()
    if kind == hdf5_type(BFLOAT16):
        return dtype_of_text(BFLOAT16)
    # Enumerations, such as booleans of h5py, are integers with metadata.
    is_plain = stored.dtype.kind in STORABLE_KINDS and not stored.dtype.metadata
    return stored.dtype if is_plain and kind == h5py.h5t.py_create(stored.dtype) else None


def read_block(stored: h5py.Dataset, spans: tuple[slice, ...]) -> HostArray:
    """Return a block of an HDF5 dataset, whose spans have whole bounds."""
    dtype = dtype_in_file(stored)
    if dtype is None or dtype.name != BFLOAT16:
        block: HostArray = stored[spans]
        return block
    # h5py would convert to float32, which changes the payloads of NaN: the bytes are read as they are.
    spans += tuple(slice(0, size) for size in stored.shape[len(spans) :])
    shape = tuple(span.stop - span.start for span in spans)
    raw = np.empty(shape, np.uint16)
    if raw.size:
        space = stored.id.get_space()
        space.select_hyperslab(tuple(span.start for span in spans), shape)
        stored.id.read(h5py.h5s.create_simple(shape), space, raw, hdf5_type(BFLOAT16))
    return raw.view(dtype)
