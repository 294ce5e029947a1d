"""Arrays to the bytes that are stored: as they are, or in compressed chunks with checksums."""

import threading
from typing import Any, NamedTuple

import h5py

from mia_functional._core import optional
from mia_functional.typing import Shape

CHUNK = 64
"""Most voxels of a chunk along an axis."""


BLOSC = 32001
"""HDF5's number for Blosc."""


LEVEL = 4
"""Level of gzip: beyond it, files get hardly smaller."""


class Chunk(NamedTuple):
    """A piece of an array: where it begins, how many bytes it takes when stored, and which filters it did without."""

    start: Shape
    nbytes: int
    mask: int


def chunk_shape(shape: Shape) -> Shape:
    """Return the shape of the chunks of an array: cubes with all channels.

    Example:
        >>> chunk_shape((181, 217, 30, 2))
        (64, 64, 30, 2)
    """
    return (*(min(size, CHUNK) for size in shape[:-1]), shape[-1])


def encoded(array: Any, compression: str) -> tuple[tuple[Chunk, ...], bytes]:
    """Return an array in compressed chunks: where each belongs, and their bytes side by side."""
    with h5py.File(f"encoded {threading.get_ident()}", "w", driver="core", backing_store=False) as file:
        kind = h5py.h5t.py_create(array.dtype)
        space = h5py.h5s.create_simple(array.shape)
        found = h5py.h5d.create(file.id, b"array", kind, space, chunked(array.shape, compression))
        found.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
        file.flush()
        starts = [tuple(found.get_chunk_info(k).chunk_offset) for k in range(found.get_num_chunks())]
        pieces = [found.read_direct_chunk(start) for start in starts]
    chunks = tuple(Chunk(start, len(raw), mask) for start, (mask, raw) in zip(starts, pieces, strict=True))
    return chunks, b"".join(raw for _, raw in pieces)


def chunked(shape: Shape, compression: str) -> Any:
    """Return how HDF5 is to store an array in chunks: compressed, and with a checksum of each."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    creation.set_chunk(chunk_shape(shape))
    if compression == "blosc":
        optional.require("hdf5plugin")
        creation.set_filter(BLOSC, h5py.h5z.FLAG_OPTIONAL, (0, 0, 0, 0, 5, 1, 1))
    else:
        creation.set_shuffle()
        creation.set_deflate(LEVEL)
    creation.set_fletcher32()
    return creation
