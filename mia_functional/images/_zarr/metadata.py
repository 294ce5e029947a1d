"""What a Zarr store in a folder says of its groups and arrays (formats 2 and 3), parsed and judged by ourselves.

Only plain arrays of numbers are taken: regular chunks or shards, and codecs of an allow-list. Codecs that a store may
name run code (numcodecs' pickles) or read other arrays; shapes and chunks are whole numbers before anything is
multiplied; and no part of a path in a store may lead out of its folder.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mia_functional.images.header import MAX_HEADER_BYTES, invalid_file
from mia_functional.typing import HostArray, Shape

__all__ = ["ZARR_FILES", "Codec", "Shards", "ZarrArray", "ZarrNode", "inside_store", "read_node", "zarr_array"]

ZARR_FILES = ("zarr.json", ".zgroup", ".zarray")
"""The files that describe a group or an array; format 3 counts where there are both, as for zarr-python 3."""

_MAX_AXES, _MAX_SIZE = 8, 1 << 62
"""Most axes of an array, and of a size: NumPy's own limits are 64 axes, and 63 bits."""

_MAX_SHARD = 1 << 22
"""Most chunks of a shard, whose index is read as a whole: it takes 64 MiB."""

_DATA_TYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32",
               "float64")  # fmt: skip
"""Numbers of format 3 that are read, by its names, which are NumPy's."""

_COMPRESSORS = ("blosc", "gzip", "zlib", "zstd")
"""Compressors that are read: those of OME-Zarr's writers. Their decoders take an upper limit."""

_CHECKSUM_BYTES = 4
"""What the codec `crc32c` puts behind the bytes."""


class Codec(NamedTuple):
    """One step from bytes to bytes: a compressor, or the checksum `crc32c`; it turned `size` bytes into others."""

    name: str
    size: int


class Shards(NamedTuple):
    """How several chunks lie in one file.

    Args:
        counts: Chunks of a shard along each axis.
        at_end: Whether the index comes behind the chunks.
        checked: Whether a checksum follows the index.
    """

    counts: Shape
    at_end: bool
    checked: bool


class ZarrArray(NamedTuple):
    """An array in a folder, none of whose chunks was looked at.

    Args:
        path: Its folder.
        shape: Its sizes.
        chunks: Sizes of a chunk; those at the upper ends are as large as the others.
        dtype: That of the chunks, with their order of bytes.
        fill: What chunks hold that are not there.
        order: How the axes were permuted before the bytes were written.
        codecs: What was done to the bytes, in this order.
        prefix: What names of chunks begin with.
        separator: What stands between the numbers in names of chunks.
        shards: None if every chunk is a file of its own.
        names: Names of the axes; empty if there are none.
    """

    path: Path
    shape: Shape
    chunks: Shape
    dtype: np.dtype[np.generic]
    fill: HostArray
    order: Shape
    codecs: tuple[Codec, ...]
    prefix: str
    separator: str
    shards: Shards | None
    names: tuple[str | None, ...]


class ZarrNode(NamedTuple):
    """A group or an array, as its files describe it: attributes are those of the user, `fields` those of Zarr."""

    path: Path
    is_array: bool
    attributes: Mapping[str, Any]
    fields: Mapping[str, Any]


def read_node(path: Path) -> ZarrNode | None:
    """Return the group or array in a folder; None if the folder has none of the files of Zarr."""
    if not path.is_dir():
        return None
    present = [name for name in ZARR_FILES if (path / name).exists()]
    if not present:
        return None
    fields = _json_object(path / present[0])
    if present[0] == "zarr.json":
        kind = fields.get("node_type")
        if fields.get("zarr_format") != 3 or kind not in ("group", "array"):
            invalid_file(path / "zarr.json", "it describes neither a group nor an array of Zarr 3")
        attributes = fields.get("attributes", {})
    else:
        kind = "array" if ".zarray" in present else "group"
        fields = _json_object(path / ".zarray") if kind == "array" else fields
        if fields.get("zarr_format") != 2:
            invalid_file(path / present[0], "it describes no group or array of Zarr 2")
        attributes = _json_object(path / ".zattrs") if (path / ".zattrs").exists() else {}
    if not isinstance(attributes, dict):
        invalid_file(path, "its attributes are no object of JSON")
    return ZarrNode(path, kind == "array", attributes, fields)


def _json_object(path: Path) -> dict[str, Any]:
    """Return the object in a small file of JSON."""
    if not path.is_file() or path.is_symlink():
        invalid_file(path, "it is not a regular file")
    with path.open("rb") as stream:
        raw = stream.read(MAX_HEADER_BYTES + 1)
    if len(raw) > MAX_HEADER_BYTES:
        invalid_file(path, f"it takes more than {MAX_HEADER_BYTES} bytes")
    try:
        value = json.loads(raw)
    # Lists within lists, a hundred thousand deep, end in an error of Python's own.
    except (ValueError, RecursionError):
        invalid_file(path, "it is no JSON, or damaged")
    if not isinstance(value, dict):
        invalid_file(path, "it holds no object of JSON")
    return value


def inside_store(root: Path, name: object) -> Path:
    """Return the folder that a store names by a path; raise unless it lies in the folder `root` and below."""
    parts = name.split("/") if isinstance(name, str) else []
    # A backslash or a colon leads elsewhere on Windows; C ends names at a null character, and messages are one line.
    if not parts or any(part in ("", ".", "..") or re.search(r"[\\:\x00-\x1f\x7f]", part) for part in parts):
        invalid_file(root, f"it names the array {str(name)[:80]!r}, which is no path in its folder")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        invalid_file(root, f"its array {'/'.join(parts)} is a link that leads out of it")
    return path


def zarr_array(node: ZarrNode) -> ZarrArray:
    """Return the array that a node describes; raise unless it is a plain one of numbers, and of a known kind."""
    return _array_of_format_3(node) if node.fields["zarr_format"] == 3 else _array_of_format_2(node)


def _array_of_format_2(node: ZarrNode) -> ZarrArray:
    """Return an array that `.zarray` describes."""
    path, fields = node.path, node.fields
    shape, chunks = _axis_sizes(path, "shape", fields.get("shape")), _axis_sizes(path, "chunks", fields.get("chunks"))
    text = fields.get("dtype")
    # Structures, texts, times and objects, which are pickles, have other names.
    if not isinstance(text, str) or re.fullmatch(r"[<>|]([iu][1248]|f[248]|b1)", text) is None:
        invalid_file(path, f"its dtype is {_short(text)}; integers, floats and booleans are read")
    dtype = np.dtype(text)
    if fields.get("filters"):
        invalid_file(path, "it has filters, which are not read")
    if (order := fields.get("order", "C")) not in ("C", "F"):
        invalid_file(path, f"its order is {_short(order)}; C and F are known")
    axes = tuple(range(len(shape)))
    compressors = [] if fields.get("compressor") is None else [fields["compressor"]]
    return _fitting_array(
        ZarrArray(
            path=path, shape=shape, chunks=chunks, dtype=dtype, fill=_fill_value(path, fields.get("fill_value"), dtype),
            order=axes if order == "C" else axes[::-1],
            codecs=_byte_codecs(path, compressors, "id", math.prod(chunks) * dtype.itemsize),
            prefix="", separator=_separator(path, fields.get("dimension_separator", ".")), shards=None, names=(),
        )
    )  # fmt: skip


def _array_of_format_3(node: ZarrNode) -> ZarrArray:
    """Return an array that `zarr.json` describes."""
    path, fields = node.path, node.fields
    unknown = set(fields) - {
        "zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding", "fill_value", "codecs",
        "attributes", "dimension_names", "storage_transformers",
    }  # fmt: skip
    if any(not isinstance(fields[name], dict) or fields[name].get("must_understand", True) for name in unknown):
        invalid_file(path, f"it has fields of an extension of Zarr, {_short(sorted(unknown))}")
    if fields.get("storage_transformers"):
        invalid_file(path, "its storage is transformed, which is not read")
    shape, kind = _axis_sizes(path, "shape", fields.get("shape")), fields.get("data_type")
    if kind not in _DATA_TYPES:
        invalid_file(path, f"its data type is {_short(kind)}; integers, floats and booleans are read")
    grid, options = _named(path, fields.get("chunk_grid"), "name")
    if grid != "regular":
        invalid_file(path, f"its chunks are {_short(grid)}; regular ones are read")
    files = _axis_sizes(path, "chunk_shape", options.get("chunk_shape"))
    keys, key_options = _named(path, fields.get("chunk_key_encoding"), "name")
    if keys not in ("default", "v2"):
        invalid_file(path, f"names of its chunks are {_short(keys)}; default and v2 are known")
    codecs = _codec_list(path, fields.get("codecs"))
    chunks, shards = files, None
    if codecs and codecs[0][0] == "sharding_indexed":
        if len(codecs) > 1:
            invalid_file(path, "its shards are encoded as a whole, which is not read")
        chunks, codecs, shards = _sharding(path, codecs[0][1], files)
    order = tuple(range(len(chunks)))
    while codecs and codecs[0][0] == "transpose":
        turned = codecs.pop(0)[1].get("order")
        if not isinstance(turned, list) or [turned.count(axis) for axis in order] != [1] * len(turned):
            invalid_file(path, f"the codec transpose has the order {_short(turned)}")
        order = tuple(order[int(axis)] for axis in turned)
    if not codecs or codecs[0][0] != "bytes":
        invalid_file(path, f"its codecs begin with {_short(codecs[:1])}; numbers as bytes are read")
    endian = codecs.pop(0)[1].get("endian", "little")
    if endian not in ("little", "big"):
        invalid_file(path, f"its bytes are {_short(endian)}; little and big are known")
    dtype = np.dtype(kind).newbyteorder("<" if endian == "little" else ">")
    names = fields.get("dimension_names") or [None] * len(shape)
    if not isinstance(names, list) or not all(name is None or isinstance(name, str) for name in names):
        invalid_file(path, f"names of its axes are {_short(names)}")
    return _fitting_array(
        ZarrArray(
            path=path, shape=shape, chunks=chunks, dtype=dtype, fill=_fill_value(path, fields.get("fill_value"), dtype),
            order=order,
            codecs=_byte_codecs(
                path, [{"name": name, **options} for name, options in codecs], "name",
                math.prod(chunks) * dtype.itemsize,
            ),
            prefix="c" if keys == "default" else "",
            separator=_separator(path, key_options.get("separator", "/" if keys == "default" else ".")), shards=shards,
            names=tuple(names),
        )
    )  # fmt: skip


def _sharding(
    path: Path, options: Mapping[str, Any], files: Shape
) -> tuple[Shape, list[tuple[str, Mapping[str, Any]]], Shards]:
    """Return the chunks of shards, their codecs, and how they lie in a file."""
    chunks = _axis_sizes(path, "chunk_shape", options.get("chunk_shape"))
    if len(chunks) != len(files) or any(file % chunk for file, chunk in zip(files, chunks, strict=True)):
        invalid_file(path, f"its shards {files} are not made of whole chunks {chunks}")
    codecs = _codec_list(path, options.get("codecs"))
    # The index is of fixed size, so that it can be found: a compressed one is not allowed.
    described = _codec_list(path, options.get("index_codecs"))
    index = [name for name, _ in described]
    location = options.get("index_location", "end")
    is_plain = index in (["bytes"], ["bytes", "crc32c"]) and described[0][1].get("endian") == "little"
    if not is_plain or location not in ("start", "end"):
        invalid_file(path, f"the index of its shards is {_short(index)} at the {_short(location)}")
    counts = tuple(file // chunk for file, chunk in zip(files, chunks, strict=True))
    if math.prod(counts) > _MAX_SHARD:
        invalid_file(path, f"its shards hold {math.prod(counts)} chunks; up to {_MAX_SHARD} are read")
    return chunks, codecs, Shards(counts, location == "end", len(index) == 2)


def _fitting_array(array: ZarrArray) -> ZarrArray:
    """Return an array; raise unless its sizes fit each other."""
    sizes = {len(array.shape), len(array.chunks), len(array.names or array.shape)}
    if len(sizes) > 1:
        invalid_file(array.path, f"its shape {array.shape}, chunks {array.chunks} and axes {array.names} do not fit")
    return array


def _axis_sizes(path: Path, field: str, value: object) -> Shape:
    """Return sizes as a tuple; raise unless they are whole numbers above zero, few of them."""
    sizes = value if isinstance(value, list) else []
    # A boolean is an integer of Python's.
    if not 1 <= len(sizes) <= _MAX_AXES or not all(type(size) is int and 0 < size < _MAX_SIZE for size in sizes):
        invalid_file(path, f"its {field} is {_short(value)}; sizes of up to {_MAX_AXES} axes are read")
    return tuple(sizes)


def _separator(path: Path, value: object) -> str:
    """Return what stands between the numbers in names of chunks."""
    if value not in ("/", "."):
        invalid_file(path, f"the numbers of its chunks are separated by {_short(value)}; / and . are known")
    return str(value)


def _codec_list(path: Path, value: object) -> list[tuple[str, Mapping[str, Any]]]:
    """Return names and options of codecs of format 3."""
    if not isinstance(value, list) or not 1 <= len(value) <= 2 * _MAX_AXES:
        invalid_file(path, "it names no codecs, or too many")
    return [_named(path, entry, "name") for entry in value]


def _named(path: Path, value: object, key: str) -> tuple[str, Mapping[str, Any]]:
    """Return the name and the options of an extension point of Zarr."""
    entry: Any = {key: value} if isinstance(value, str) else value
    options = entry.get("configuration", {}) if isinstance(entry, dict) else None
    if not isinstance(options, dict) or not isinstance(entry.get(key), str):
        invalid_file(path, f"{_short(value)} names neither a codec nor a kind of chunks")
    return entry[key], options


def _byte_codecs(path: Path, entries: Sequence[object], key: str, size: int) -> tuple[Codec, ...]:
    """Return what is done to the bytes of a chunk; raise for codecs that are not on the list."""
    codecs: list[Codec] = []
    for entry in entries:
        name: Any = entry.get(key) if isinstance(entry, dict) else entry
        if name not in (*_COMPRESSORS, "crc32c"):
            invalid_file(path, f"its codec is {_short(name)}; what is read is {', '.join(_COMPRESSORS)} and crc32c")
        # What a second compressor was given has a size that nobody states, and could be as large as it likes.
        if name != "crc32c" and any(codec.name != "crc32c" for codec in codecs):
            invalid_file(path, "it was compressed twice")
        codecs.append(Codec(name, size))
        size += _CHECKSUM_BYTES
    return tuple(codecs)


def _fill_value(path: Path, value: object, dtype: np.dtype[np.generic]) -> HostArray:
    """Return what missing chunks hold, as an array without axes."""
    numbers: Any = {None: 0, "NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    number: Any = numbers.get(value) if value is None or isinstance(value, str) else value
    if isinstance(value, str) and dtype.kind == "f" and re.fullmatch(r"0x[0-9a-fA-F]{1,16}", value):
        # The bits of a number, such as a NaN that is not the usual one.
        bits = int(value, 16) % (1 << 8 * dtype.itemsize)
        return np.frombuffer(bits.to_bytes(dtype.itemsize, "little"), dtype.newbyteorder("<")).reshape(())
    limits = np.iinfo(dtype.name) if dtype.kind in "iu" else None
    try:
        # A boolean of JSON is a number of Python's. What is too large for single precision becomes infinite.
        with np.errstate(over="ignore"):
            fill = np.array(float(number) if dtype.kind == "f" else int(number)).astype(dtype.newbyteorder("="))
        is_whole = dtype.kind == "f" or number == int(number)
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if not is_whole or (limits is not None and not limits.min <= number <= limits.max):
        invalid_file(path, f"its fill value is {_short(value)}, which is no {dtype.name}")
    return fill


def _short(value: object) -> str:
    """Return how a value of a stranger looks in a message: not longer than a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
