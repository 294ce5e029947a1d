"""NumPy's own files: an array without a place, read without running anything."""

import math
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional.images.header import refuse

KINDS = "biuf"
"""Kinds of dtypes that are read: no objects, which could run code."""


def load_npy(path: Path, max_bytes: int) -> Any:
    """Return the array of a `.npy` file that is complete to the byte."""
    if path.exists() and not path.is_file():
        refuse(path, "it is no regular file")
    with path.open("rb") as stream:
        try:
            version = np.lib.format.read_magic(stream)
            parse = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = parse(stream)
        except (ValueError, OSError, TypeError, SyntaxError, tokenize.TokenError) as error:
            refuse(path, f"it is no NumPy file ({str(error).splitlines()[0]})")
        if dtype.kind not in KINDS or dtype.itemsize > 8:
            refuse(path, f"it holds {dtype}, and integers, floats and booleans are read")
        if not shape:
            refuse(path, "it holds a single number, and arrays are read")
        count = math.prod(shape)
        if count * dtype.itemsize > max_bytes:
            refuse(path, f"the array takes {count * dtype.itemsize} bytes, and `max_bytes` is {max_bytes}")
        if stream.tell() + count * dtype.itemsize != path.stat().st_size:
            refuse(path, f"its header announces {count} numbers, which is not what there is")
        array = np.fromfile(stream, dtype, count)
    return array.reshape(shape, order="F" if fortran else "C")
