"""What is stored of a subject: one block per category, with its digest and the bytes that go to the disk."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from mia_functional._core import checks
from mia_functional.dataset._hdf5.compression import Chunk, compress
from mia_functional.dataset._hdf5.dtypes import dtype_text, is_storable
from mia_functional.dataset._hdf5.layout import ALIGNMENT
from mia_functional.discovery.records import RESERVED
from mia_functional.geometry import Geometry
from mia_functional.images.files import MAX_BYTES
from mia_functional.transforms.composition import Sample
from mia_functional.typing import HostArray, Role, Shape

Payload: TypeAlias = "HostArray | bytes"
"""The stored bytes of a block: a contiguous array, or compressed chunks."""

_NOT_STORED = ("subject", "geometry", "rng", "roles", "grids")
"""What a sample that is stored may hold besides its categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A category of a subject, as it is stored.

    Args:
        category: Its name.
        dtype: Of the array; empty for texts.
        shape: Of the array, or the number of texts.
        digest: SHA-256 of the array or the texts.
        offset: Where the stored bytes begin in their file.
        nbytes: How many there are; 0 for texts, and where the image files themselves remain the storage.
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
class StoredSubject:
    """A subject as it is stored: the header of its checkpoint.

    Args:
        subject: Identifier.
        fingerprint: What it was made from, and in which run; the name of the checkpoint says the same.
        geometry: The grid of the images; none without images.
        blocks: The categories in order.
        file_digests: Category and SHA-256 of every entry that is a file.
        scales: Category, slope and intercept of every entry that is a file.
        roles: Category and role, where there is one.
        grids: Category and geometry, of those that lie on another grid than the images.
        placed: Whether the arrays are in the common file, at the offsets they will have in the dataset.
    """

    subject: str
    fingerprint: str
    geometry: Geometry | None
    blocks: tuple[Block, ...]
    file_digests: tuple[tuple[str, str], ...] = ()
    scales: tuple[tuple[str, float, float], ...] = ()
    roles: tuple[tuple[str, Role], ...] = ()
    grids: tuple[tuple[str, Geometry], ...] = ()
    placed: bool = False


def blocks_of_sample(
    sample: Sample, compression: str | None, *, voxels: bool
) -> tuple[tuple[Block, ...], dict[str, Payload]]:
    """Return a sample as blocks, and payloads by category; offsets count from the end of the checkpoint's header.

    Uncompressed arrays get their digests later, while the disk is busy. Without `voxels`, arrays on a grid are
    described and not stored.
    """
    grids: dict[str, Geometry] = sample.get("grids", {})
    blocks: list[Block] = []
    payloads: dict[str, Payload] = {}
    offset = 0
    for name in _stored_categories(sample):
        value, geometry = sample[name], grids.get(name, sample["geometry"])
        if isinstance(value, tuple) and value and all(isinstance(text, str) for text in value):
            for text in value:
                checks.unicode_text("create", name, text)
            blocks.append(Block(category=name, dtype="", shape=(len(value),), digest=digest_of(value), texts=value))
            continue
        array = storable_array(name, value)
        block = Block(category=name, dtype=dtype_text(array.dtype), shape=array.shape, offset=offset)
        is_numbers = sample.get("roles", {}).get(name) == "numbers"
        if voxels or is_numbers or geometry is None or array.shape[: len(geometry.shape)] != geometry.shape:
            block, payloads[name] = _stored_block(block, array, compression)
            offset += round_up(block.nbytes)
        else:
            block = replace(block, digest=digest_of(array))
        blocks.append(block)
    for block in blocks:
        _check_channels(block, sample["geometry"] if block.category == "images" else grids.get(block.category))
    return tuple(blocks), payloads


def _stored_categories(sample: Sample) -> list[str]:
    """Return the names of the categories of a sample; raise if there is none, or if a name would not be stored."""
    if reserved := [name for name in sample if name in RESERVED and name not in _NOT_STORED]:
        requirement = f"return categories under names other than {', '.join(RESERVED)}"
        checks.invalid_value("create", "transform", requirement, ", ".join(reserved))
    names = [name for name in sample if name not in RESERVED]
    if not names:
        checks.invalid_value("create", "transform", "leave at least one category", f"none of {sample['subject']}")
    return names


def _check_channels(block: Block, geometry: Geometry | None) -> None:
    """Raise unless a category lies on its geometry, whose axes come first and are followed by those of channels."""
    axes = 0 if geometry is None else len(geometry.shape)
    if geometry is not None and (block.shape[:axes] != geometry.shape or len(block.shape) == axes):
        requirement = "keep an axis of channels behind those of `geometry`, and change both at once, as "
        requirement += '`on(("images", "geometry"), ...)` does'
        checks.invalid_value("create", block.category, requirement, f"{block.shape} on {geometry.shape}")


def _stored_block(block: Block, array: HostArray, compression: str | None) -> tuple[Block, Payload]:
    """Return a block with how it is stored, and its payload; only images are worth compressing."""
    if compression is None or array.ndim < 3:
        return replace(block, nbytes=array.nbytes), array
    if array.nbytes > MAX_BYTES:
        requirement = f"be without compression where arrays exceed {MAX_BYTES} bytes, which `read` does not decompress"
        checks.invalid_value("create", "storage", requirement, f"{array.nbytes} bytes of {block.category}")
    chunks, raw = compress(array, compression)
    return replace(block, digest=digest_of(array), nbytes=len(raw), stored=digest_of(raw), chunks=chunks), raw


def storable_array(name: str, value: object) -> HostArray:
    """Return an array as it is stored: contiguous and little-endian, as most machines are; booleans as uint8."""
    checks.no_hidden_elements("create", "subjects", value)
    array = np.asarray(value)
    if not is_storable(array.dtype) or array.ndim == 0 or array.size == 0:
        requirement = "hold arrays of integers, floats or booleans with at least one axis and element"
        checks.invalid_value("create", "subjects", requirement, f"{array.dtype} {array.shape} in {name}")
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def with_digests(header: StoredSubject, payloads: Mapping[str, Payload]) -> StoredSubject:
    """Return a header with the digests of its uncompressed arrays."""
    blocks = []
    for block in header.blocks:
        if block.nbytes and not block.chunks:
            digest = digest_of(payloads[block.category])
            block = replace(block, digest=digest, stored=digest)
        blocks.append(block)
    return replace(header, blocks=tuple(blocks))


def round_up(count: int) -> int:
    """Return the next multiple of the alignment."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def digest_of(content: "Payload | tuple[str, ...]") -> str:
    """Return the SHA-256 of bytes, of a contiguous array's bytes, or of texts: as JSON, so that their borders count."""
    if isinstance(content, tuple):
        content = json.dumps(content).encode()
    raw = content.reshape(-1).view(np.uint8).data if isinstance(content, np.ndarray) else content
    return hashlib.sha256(raw).hexdigest()
