"""Compression of arrays into chunks with checksums, by the filters of HDF5."""

import math
import threading
from typing import NamedTuple

import h5py

from mia_functional._core import optional
from mia_functional.dataset._hdf5.dtypes import dtype_text, hdf5_type
from mia_functional.typing import HostArray, Shape

BLOSC = 32001
"""Number of the Blosc filter in the registry of the HDF Group."""

_CHUNK_EDGE = 64
"""Most voxels of a chunk along an axis: a MiB of float32 per channel."""

_CHUNK_TARGET = 1 << 26
"""Most bytes of a chunk, which is decompressed as a whole; `validation` refuses larger ones than four times that."""

_GZIP_LEVEL = 4
"""Beyond it files hardly get smaller, and take much longer to write."""


class Chunk(NamedTuple):
    """A piece of an array: where it begins, the bytes it takes when stored, and the mask of filters it skipped."""

    start: Shape
    nbytes: int
    mask: int


def compress(array: HostArray, compression: str) -> tuple[tuple[Chunk, ...], bytes]:
    """Return the compressed chunks of an array, and their bytes one after the other."""
    # HDF5's filters cannot be called alone: it compresses into a file in memory, whose chunks are taken as they are.
    # The name must differ between threads: two open files of one name would be the same file to HDF5.
    with h5py.File(f"compressed {threading.get_ident()}", "w", driver="core", backing_store=False) as file:
        kind, space = hdf5_type(dtype_text(array.dtype)), h5py.h5s.create_simple(array.shape)
        stored = h5py.h5d.create(
            file.id, b"array", kind, space, chunked_creation(array.shape, array.itemsize, compression)
        )
        # As bytes, which h5py knows for any dtype of that size.
        stored.write(h5py.h5s.ALL, h5py.h5s.ALL, array.view(f"u{array.itemsize}"), kind)
        file.flush()
        starts = [tuple(stored.get_chunk_info(k).chunk_offset) for k in range(stored.get_num_chunks())]
        pieces = [stored.read_direct_chunk(start) for start in starts]
    chunks = tuple(Chunk(start, len(raw), mask) for start, (mask, raw) in zip(starts, pieces, strict=True))
    return chunks, b"".join(raw for _, raw in pieces)


def chunked_creation(shape: Shape, itemsize: int, compression: str) -> h5py.h5p.PropDCID:
    """Return the creation properties of a chunked HDF5 dataset: compressed, with a checksum of each chunk."""
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)  # the file must depend on its content alone
    chunk = [*(min(size, _CHUNK_EDGE) for size in shape[:-1]), shape[-1]]
    # Axes of time and many channels make more than a patch of voxels: the longest edge is halved until it fits.
    while math.prod(chunk) * itemsize > _CHUNK_TARGET:
        longest = chunk.index(max(chunk))
        chunk[longest] = -(-chunk[longest] // 2)
    creation.set_chunk(tuple(chunk))
    if compression == "blosc":
        optional.require("hdf5plugin")
        # level 5, shuffled bytes, LZ4; the first four values are filled in by the filter itself
        creation.set_filter(BLOSC, h5py.h5z.FLAG_OPTIONAL, (0, 0, 0, 0, 5, 1, 1))
    else:
        creation.set_shuffle()
        creation.set_deflate(_GZIP_LEVEL)
    creation.set_fletcher32()
    return creation
