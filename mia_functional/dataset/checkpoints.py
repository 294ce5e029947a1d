"""One subject on the disk while a dataset is being made: a file of its own, complete under its name or absent.

A part holds a line of JSON, the digest of that line, and the arrays as they will be stored, each aligned to the pages
of the machine; or the arrays lie at their final places in a file that is common to all, and will become the dataset.
All is built in memory, written with plain system calls and flushed to the disk before the part gets its name.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mia_functional._core import atomic_files, checks
from mia_functional.dataset._hdf5.compression import Chunk, encoded
from mia_functional.dataset.records import Storage
from mia_functional.dataset.traversal import Sample, categories
from mia_functional.discovery.records import Subject
from mia_functional.geometry import Geometry
from mia_functional.images import formats
from mia_functional.images.files import MAX_BYTES
from mia_functional.typing import Shape

ALIGNMENT = 4096
"""Bytes that every array is aligned to, in parts and in datasets: pages that can be mapped, shared and cloned."""


ARRAYS = "arrays"
"""Name of the common file, beside the parts."""


KINDS = "biuf"
"""NumPy's kinds of dtypes that are stored."""


DETACHED = (".mha", ".mhd", ".nrrd", ".nhdr")
"""Extensions of headers whose pixels may be in another file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A category of a part.

    Args:
        category: Its name.
        dtype: Of the array; empty for texts.
        shape: Of the array, or the number of texts.
        digest: SHA-256 of the array or the texts.
        offset: Where the stored bytes begin.
        nbytes: How many they are; 0 for texts, and where the files themselves remain the storage.
        stored: SHA-256 of the stored bytes.
        chunks: What the stored bytes consist of, if they are compressed.
        texts: The texts themselves.
    """

    category: str
    dtype: str
    shape: Shape
    digest: str = ""
    offset: int = 0
    nbytes: int = 0
    stored: str = ""
    chunks: tuple[Chunk, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """All that a part file says.

    Args:
        subject: Identifier.
        fingerprint: What the part was made from; it is the name of the file too.
        geometry: The grid of the images; none without images.
        blocks: The categories in order.
        file_digests: For every entry that is a file: category, and SHA-256.
        scales: For every entry that is a file: category, slope and intercept.
        placed: Whether the arrays are in the common file.
    """

    subject: str
    fingerprint: str
    geometry: Geometry | None
    blocks: tuple[Block, ...]
    file_digests: tuple[tuple[str, str], ...] = ()
    scales: tuple[tuple[str, float, float], ...] = ()
    placed: bool = False


def fingerprint(subject: Subject, storage: Storage, *, voxels: bool) -> str:
    """Return the SHA-256 of what a part is made from: values, names, sizes and times of files, and options."""
    places = [Path(entry.path) for entry in subject.entries if entry.path is not None]
    files = [inner for place in places for inner in (place, *sorted(place.glob("*")), *detached(place))]
    states = [inner.stat() for inner in files]
    times = [(state.st_size, state.st_mtime_ns) for state in states]
    facts = json.dumps([asdict(subject), times, asdict(storage), voxels])
    return hashlib.sha256(facts.encode()).hexdigest()


def detached(path: Path) -> list[Path]:
    """Return the file with the pixels, if the header at a path names another; what only users read names none."""
    if not path.name.lower().endswith(DETACHED):
        return []
    try:
        data = formats.parse_header(path).data
    except (OSError, ValueError):
        return []
    return [] if data == path else [data]


def build(sample: Sample, storage: Storage, *, voxels: bool) -> tuple[tuple[Block, ...], list[Any]]:
    """Return the categories of a sample as blocks, and their bytes; offsets count from the end of the header.

    Uncompressed arrays get their digests later. Without `voxels`, arrays on the grid of the images are described and
    not stored.
    """
    blocks: list[Block] = []
    pieces, offset = [], 0
    for name in categories(sample):
        if is_texts(sample[name]):
            blocks.append(block_of_texts(name, sample[name]))
            continue
        array = storable(name, sample[name])
        block = Block(category=name, dtype=array.dtype.str, shape=array.shape, offset=offset)
        if voxels or not on_grid(array.shape, sample["geometry"]):
            block, piece = stored(block, array, storage.compression)
            pieces.append(piece)
            offset += aligned(block.nbytes)
        else:
            block = replace(block, digest=digest(array))
        blocks.append(block)
    check_images(blocks, sample["geometry"])
    return tuple(blocks), pieces


def check_images(blocks: Sequence[Block], geometry: Geometry | None) -> None:
    """Refuse images that do not lie on their geometry: readers take all axes but the last for the grid."""
    shape = next((block.shape for block in blocks if block.category == "images"), None)
    if shape is not None and geometry is not None and shape[:-1] != geometry.shape:
        needed = "keep an axis of channels behind those of `geometry`, and change both at once"
        example = '`on(("images", "geometry"), ...)`'
        checks.invalid_value("create", "images", f"{needed}, as {example} does", f"{shape} on {geometry.shape}")


def on_grid(shape: Shape, geometry: Geometry | None) -> bool:
    """Tell whether an array consists of images."""
    return geometry is not None and shape[: len(geometry.shape)] == geometry.shape


def block_of_texts(name: str, texts: tuple[str, ...]) -> Block:
    """Return a category of texts as a block; refuse what HDF5 does not hold."""
    for text in texts:
        checks.unicode_text("create", name, text)
    return Block(category=name, dtype="", shape=(len(texts),), digest=digest_of_texts(texts), texts=texts)


def stored(block: Block, array: Any, compression: str | None) -> tuple[Block, Any]:
    """Return a block with how it is stored, and its bytes; only images are worth compressing."""
    if compression is None or array.ndim < 3:
        return replace(block, nbytes=array.nbytes), array
    if array.nbytes > MAX_BYTES:
        needed = f"be without compression where arrays have more than {MAX_BYTES} bytes, which are not decompressed"
        checks.invalid_value("create", "storage", needed, f"{array.nbytes} bytes of {block.category}")
    chunks, raw = encoded(array, compression)
    check = hashlib.sha256(raw).hexdigest()
    return replace(block, digest=digest(array), nbytes=len(raw), stored=check, chunks=chunks), raw


def storable(name: str, value: Any) -> Any:
    """Return an array as it is stored: contiguous, in the byte order of most machines; refuse what is no number."""
    array = np.asarray(value)
    if array.dtype.kind not in KINDS or array.dtype.itemsize > 8 or array.ndim == 0 or array.size == 0:
        needed = "hold arrays of integers, floats or booleans with at least one axis and element"
        checks.invalid_value("create", "subjects", needed, f"{array.dtype} {array.shape} in {name}")
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def is_texts(value: Any) -> bool:
    """Tell whether a value of a sample is a category of texts."""
    return isinstance(value, tuple) and len(value) > 0 and all(isinstance(entry, str) for entry in value)


def aligned(count: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def digest(array: Any) -> str:
    """Return the SHA-256 of a contiguous array's bytes."""
    return hashlib.sha256(array.reshape(-1).view(np.uint8)).hexdigest()


def digest_of_texts(texts: Iterable[str]) -> str:
    """Return the SHA-256 of texts."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()


def write_part(path: Path, part: Part, pieces: Sequence[Any], *, durable: bool) -> None:
    """Write a part; once this returns, the subject survives a crash."""
    part = write_placed(path.with_name(ARRAYS), part, pieces, durable=durable) if part.placed else hashed(part, pieces)
    with atomic_files.atomic_write("create", path, durable=durable) as draft, draft.open("wb", buffering=0) as stream:
        head = header(part)
        write_all(stream, head)
        if not part.placed:
            write_pieces(stream, part, pieces, aligned(len(head)))


def write_placed(common: Path, part: Part, pieces: Sequence[Any], *, durable: bool) -> Part:
    """Write the arrays of a part to the common file; return it with their digests, made while the disk works."""
    with (
        atomic_files.naming_failures("create", common),
        common.open("r+b", buffering=0) as stream,
        ThreadPoolExecutor(1) as helper,
    ):
        write_pieces(stream, part, pieces, 0)
        flushed = helper.submit(os.fsync, stream.fileno()) if durable else None
        part = hashed(part, pieces)
        if flushed is not None:
            flushed.result()
    return part


def hashed(part: Part, pieces: Sequence[Any]) -> Part:
    """Return a part with the digests of its uncompressed arrays."""
    rest = iter(pieces)
    blocks = []
    for block in part.blocks:
        piece = next(rest) if block.nbytes else None
        if block.nbytes and not block.chunks:
            check = digest(piece)
            blocks.append(replace(block, digest=check, stored=check))
        else:
            blocks.append(block)
    return replace(part, blocks=tuple(blocks))


def write_pieces(stream: Any, part: Part, pieces: Sequence[Any], start: int) -> None:
    """Write the bytes of a part's blocks, whose offsets count from `start`."""
    offsets = [start + block.offset for block in part.blocks if block.nbytes]
    for offset, piece in zip(offsets, pieces, strict=True):
        stream.seek(offset)
        write_all(stream, piece)


def write_all(stream: Any, piece: Any) -> None:
    """Write all bytes of a buffer; a system call may take fewer than it is given."""
    rest = memoryview(piece).cast("B")
    while len(rest):
        rest = rest[stream.write(rest) :]


def header(part: Part) -> bytes:
    """Return the first bytes of a part: a line of JSON and a line with its digest."""
    line = json.dumps(asdict(part)).encode()
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def read_part(path: Path) -> Part:
    """Return what a part says, without a look at its arrays; offsets count from the beginning of the file.

    Raises:
        ValueError: The file is no part, or its header is damaged.
    """
    with path.open("rb") as stream:
        line, check = stream.readline(), stream.readline()
        start = aligned(stream.tell())
    if hashlib.sha256(line[:-1]).hexdigest().encode() != check.strip():
        checks.invalid_value("create", "path", "lie beside whole parts", f"a damaged part, {path}")
    fields = json.loads(line)
    grid = fields.pop("geometry")
    blocks = tuple(block_from(entry, 0 if fields["placed"] else start) for entry in fields.pop("blocks"))
    fields |= {name: tuple(map(tuple, fields[name])) for name in ("file_digests", "scales")}
    return Part(**fields, geometry=None if grid is None else Geometry(**grid), blocks=blocks)


def block_from(entry: dict[str, Any], start: int) -> Block:
    """Return a block from what JSON made of it."""
    chunks = tuple(Chunk(tuple(place), *rest) for place, *rest in entry["chunks"])
    changed = {"shape": tuple(entry["shape"]), "texts": tuple(entry["texts"]), "chunks": chunks}
    return Block(**{**entry, **changed, "offset": start + entry["offset"]})


def source_of(path: Path, part: Part) -> Path:
    """Return the file that holds the arrays of a part."""
    return path.with_name(ARRAYS) if part.placed else path


def usable(path: Path) -> Part | None:
    """Return a part that is there, whole to the bit, and made from what its name says; none if it is not."""
    try:
        part = read_part(path)
        whole = part.fingerprint == path.stem and all(intact(source_of(path, part), block) for block in part.blocks)
    except (OSError, ValueError):
        return None
    return part if whole else None


def intact(path: Path, block: Block) -> bool:
    """Tell whether the stored bytes of a block are those that were written."""
    if not block.nbytes:
        return True
    raw = np.memmap(path, np.uint8, "r", block.offset, (block.nbytes,))
    return digest(raw) == block.stored
