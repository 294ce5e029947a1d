"""Archives of NumPy (`.npz`): one array, or the probabilities of a segmentation of nnU-Net; nothing is unpickled."""

import errno
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.images.npy import MAX_AXES, grid_of_array
from mia_functional.typing import HostArray, Spacing

__all__ = ["load_npz", "load_probabilities"]

_NAMES = ("probabilities", "softmax")
"""The array of nnU-Net 2, and that of nnU-Net 1."""


def load_npz(path: Path, max_bytes: int, spacing: Spacing | None) -> tuple[HostArray, Geometry]:
    """Return the only array of an archive, on a grid of that spacing, or 1 everywhere."""
    array = _load_member(path, max_bytes, ())
    return array, grid_of_array(array, spacing)


def load_probabilities(path: Path, max_bytes: int) -> HostArray:
    """Return the floats of an archive: its `probabilities` or `softmax`, or the only array that it has."""
    return _load_member(path, max_bytes, _NAMES)


def _load_member(path: Path, max_bytes: int, names: tuple[str, ...]) -> HostArray:
    """Return the array of one of these names, which are of probabilities, or the only one there is."""
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            chosen = [name for name in names if name in members] or members
            if len(chosen) != 1 or len(members) != len(set(members)):
                wanted = "`probabilities` is read" if names else "one is read"
                invalid_file(path, f"it holds the arrays {', '.join(members) or 'of nothing'}; {wanted}")
            with archive.open(f"{chosen[0]}.npy") as stream:
                shape, fortran, dtype = _read_array_header(path, stream)
                # What is inflated is limited by what the header says, which is limited before.
                count = math.prod(shape)
                if names and (dtype.kind != "f" or dtype.itemsize > 8 or not 2 <= len(shape) <= 4):
                    invalid_file(
                        path, f"it holds {dtype} of shape {shape}; floats of up to three axes and channels are read"
                    )
                # Objects are pickles, which run code.
                if dtype.kind not in "biuf" or dtype.itemsize > 8 or count < 1 or not 1 <= len(shape) <= MAX_AXES:
                    invalid_file(path, f"it holds {dtype} of shape {shape}; arrays of integers and floats are read")
                if count * dtype.itemsize > max_bytes:
                    invalid_file(
                        path, f"the array takes {count * dtype.itemsize} bytes, and `max_bytes` is {max_bytes}"
                    )
                data = bytearray(stream.read(count * dtype.itemsize + 1))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        # A place before the beginning of the file is an invalid argument of the system.
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        invalid_file(path, "it is not an archive of NumPy, or damaged")
    if len(data) != count * dtype.itemsize:
        invalid_file(path, f"its header announces {count} numbers, and its size does not fit them")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def _read_array_header(path: Path, stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and dtype of the array that a stream goes on with."""
    try:
        version = np.lib.format.read_magic(stream)
        parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return parse(stream)
    # NumPy evaluates the header as a Python literal and lets errors of Python's own parser through.
    except (ValueError, TypeError, SyntaxError, tokenize.TokenError):
        invalid_file(path, "its header is damaged")
