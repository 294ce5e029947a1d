"""A SimpleITK image out of a file or into one, with every check that SimpleITK leaves out.

SimpleITK fills up a NIfTI file that is cut off with zeros, reports success when the disk is full, lets twenty readers
guess at a foreign file, and prefers NIfTI's qform where others take the sform. None of it happens silently here.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, NoReturn

import numpy as np

from mia_functional._core import checks
from mia_functional.images.formats import parse, suffix
from mia_functional.images.header import BLOCK, GZIP, Header, refuse
from mia_functional.images.itk_globals import quiet, simpleitk

READERS = dict.fromkeys((".nii", ".nii.gz"), "NiftiImageIO") | dict.fromkeys((".mha", ".mhd"), "MetaImageIO")


READERS |= dict.fromkeys((".nrrd", ".nhdr"), "NrrdImageIO")
"""The only readers of SimpleITK that are ever let at a file, by extension."""


DTYPES = {
    f"{bits}-bit {word} integer": f"{sign}int{bits}"
    for word, sign in (("signed", ""), ("unsigned", "u"))
    for bits in (8, 16, 32, 64)
} | {f"{bits}-bit float": f"float{bits}" for bits in (32, 64)}
"""NumPy's name for each of SimpleITK's types of pixels that is one number."""


SMALL, ALONE = 1 << 22, 33 << 20
"""The C library keeps freed memory of up to 32 MB for itself, in every thread: beyond SMALL, ask it for ALONE bytes."""


TOLERANCE = 0.01
"""Voxels by which two ways of placing the corners of an image may differ: rounding, and not another place."""


class Stack(NamedTuple):
    """A volume, and its grid in ITK's order."""

    voxels: Any
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]


def load(path: Path, max_bytes: int, *, scaled: bool) -> Stack:
    """Return the volume of a file, after all checks.

    SimpleITK says where it lies. Plain numbers are taken from the file without its help, as that is faster, and
    compressed ones have to be decoded for the checks anyway. SimpleITK reads what has to be scaled.
    """
    header = parse(path)
    if header.nbytes > max_bytes:
        refuse(path, f"the image takes {header.nbytes} bytes, and `max_bytes` is {max_bytes}")
    meant = not scaled or header.scale == (1, 0)
    numbers = plain(header) if header.dtype and meant else verified(header)
    source = informed(header)
    if suits(numbers, source, header):
        voxels = numbers.reshape(source.GetSize()[::-1])
    elif scaled or header.scale == (1, 0):
        source = execute(header)
        voxels = memory(source)
    else:
        refuse(path, "it has a scale, and its numbers cannot be read without it")
    if header.affine:
        place_once(header, source)
    return Stack(voxels, source.GetSize(), source.GetSpacing(), source.GetOrigin(), source.GetDirection())


def plain(header: Header) -> Any:
    """Return the stored numbers of a file that is complete to the byte, in the order of this machine."""
    raw = room(header.length)
    end = 0
    for piece in decoded(header) if header.encoding else ():
        raw[end : end + len(piece)] = piece[: len(raw) - end]
        end += len(piece)
    if not header.encoding:
        verify(header)
        end = filled(raw, header)
    check_length(header, end)
    width = np.dtype(header.dtype).itemsize
    array = np.frombuffer(raw, header.dtype, header.values, header.length - header.values * width)
    return array.astype(array.dtype.newbyteorder("="), copy=not array.flags.aligned)


def room(nbytes: int) -> memoryview:
    """Return memory that goes back to the system as soon as nobody needs it."""
    return np.empty(max(nbytes, ALONE) if nbytes > SMALL else nbytes, np.uint8).data[:nbytes]


def filled(raw: memoryview, header: Header) -> int:
    """Fill memory with the pixels of a file, and return how many bytes there were."""
    end = 0
    with header.data.open("rb", buffering=0) as stream:
        stream.seek(header.offset)
        while end < len(raw) and (count := stream.readinto(raw[end:])):
            end += count
    return end


def verified(header: Header) -> Any:
    """Return no numbers of a file that is complete to the byte."""
    verify(header)
    return np.empty(0)


def suits(numbers: Any, reader: Any, header: Header) -> bool:
    """Tell whether numbers are what SimpleITK would scale: one per voxel, of the same type, on no mirrored axis."""
    kind = DTYPES.get(simpleitk().GetPixelIDValueAsString(reader.GetPixelID()))
    known = kind is not None if header.scale != (1, 0) else kind == numbers.dtype.name
    return bool(known and math.prod(reader.GetSize()) == numbers.size and min(reader.GetSpacing()) > 0)


def memory(image: Any) -> Any:
    """Return the memory of a SimpleITK image as an array; it lives as long as the array does."""
    seen = simpleitk().GetArrayViewFromImage(image)
    facts = {**seen.__array_interface__, "data": (seen.__array_interface__["data"][0], False)}
    return np.asarray(SimpleNamespace(__array_interface__=facts, owner=image))


def informed(header: Header) -> Any:
    """Return a reader of SimpleITK that has seen the header of a file, and takes it for what we do."""
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO(READERS[suffix(header.path)])
    reader.SetFileName(header.path)
    try:
        with quiet():
            reader.ReadImageInformation()
    except RuntimeError as error:
        refuse(header.path, last_line(error))
    agree(header, reader)
    return reader


def execute(header: Header) -> Any:
    """Let SimpleITK read a file whose header is known and which was found complete."""
    reader = informed(header)
    try:
        with quiet():
            return reader.Execute()
    except RuntimeError as error:
        refuse(header.path, last_line(error))


def agree(header: Header, reader: Any) -> None:
    """Refuse a file that SimpleITK takes for another image than we do, or for one that is no array of numbers."""
    size, kind = reader.GetSize(), simpleitk().GetPixelIDValueAsString(reader.GetPixelID())
    if math.prod(size) * reader.GetNumberOfComponents() != header.values:
        refuse(header.path, f"it has {header.values} values, which its reader takes for the size {size}")
    if len(size) not in (2, 3, 4) or "complex" in kind:
        refuse(header.path, f"it holds {len(size)} axes of {kind}; 2 to 4 axes of integers or floats are read")


def place_once(header: Header, image: Any) -> None:
    """Refuse a NIfTI file whose sform, which is in use, is not where SimpleITK places the image."""
    count = min(image.GetDimension(), 3)
    stated = (np.array(header.affine) * [[-1.0], [-1.0], [1.0]])[:count, [*range(count), 3]]
    if (gap := drift(affine(image, count), stated, image.GetSize())) > TOLERANCE:
        refuse(header.path, f"its sform, qform and pixdim place it {gap:.3g} voxels apart")


def affine(image: Any, count: int) -> Any:
    """Return the matrix from an index to a point along the first `count` axes in ITK's order, the origin last."""
    direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)
    return np.column_stack([direction * image.GetSpacing(), image.GetOrigin()])[:count, [*range(count), -1]]


def drift(first: Any, second: Any, size: Sequence[int]) -> float:
    """Return how far apart two affine matrices place the corners of an image, in voxels of the first."""
    count = len(first)
    corners = np.array([(*corner, 1) for corner in product(*((0, entry - 1) for entry in size[:count]))])
    gaps = np.linalg.norm(corners @ (first - second).T, axis=1)
    return float(gaps.max() / np.linalg.norm(first[:, :count], axis=0).min())


def written(image: Any, draft: Path, place: Path) -> Any:
    """Write an image to `draft` and return what a reader finds there; `place` is for messages."""
    try:
        with quiet():
            simpleitk().WriteImage(image, draft, imageIO=READERS[suffix(draft)])
        header = parse(draft)
        verify(header)
    except (RuntimeError, ValueError) as error:
        raise OSError(f"write: {place} could not be written completely: {last_line(error)}") from error
    try:
        return execute(header)
    except ValueError:
        unsuitable(image, place, "something else")


def unsuitable(image: Any, place: Path, found: str) -> NoReturn:
    """Raise the error of a format that cannot hold an image."""
    voxels = simpleitk().GetArrayViewFromImage(image)
    checks.invalid_value(
        "write", "path", f"name a format for {voxels.dtype} {voxels.shape}", f"{place} ({found} came back)"
    )


def compare(place: Path, image: Any, again: Any) -> None:
    """Refuse a format that changed the image."""
    voxels, copy = simpleitk().GetArrayViewFromImage(image), simpleitk().GetArrayViewFromImage(again)
    if voxels.dtype != copy.dtype or not np.array_equal(voxels, copy, equal_nan=True):
        unsuitable(image, place, f"{copy.dtype} {copy.shape}")
    count = image.GetDimension()
    if (gap := drift(affine(image, count), affine(again, count), image.GetSize())) > TOLERANCE:
        needed = "name a format that keeps the geometry (NIfTI: right angles only)"
        checks.invalid_value("write", "path", needed, f"{place} (off by {gap:.3g} voxels)")


def verify(header: Header) -> None:
    """Refuse a file that is not complete to the byte; compressed pixels are decompressed and their checksum tested."""
    if header.encoding:
        check_length(header, sum(map(len, decoded(header))))
    else:
        check_length(header, header.data.stat().st_size - header.offset)


def check_length(header: Header, size: int) -> None:
    """Refuse a file that holds more or fewer bytes of pixels than its header announces."""
    if size != header.length:
        found = "more" if size > header.length else size
        refuse(header.data, f"the header announces {header.length} bytes of pixels, and there are {found}")


def decoded(header: Header) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file; where they are too many, stop soon after that shows."""
    size = 0
    decoder = zlib.decompressobj(header.encoding)
    with header.data.open("rb") as stream:
        stream.seek(header.offset)
        while size <= header.length and (block := stream.read(BLOCK)):
            while block:
                if decoder.eof and header.encoding != GZIP:
                    refuse(header.data, "something follows the compressed data")
                decoder = zlib.decompressobj(header.encoding) if decoder.eof else decoder
                try:
                    piece = decoder.decompress(block)
                except zlib.error as error:
                    refuse(header.data, f"the compressed data are damaged ({error})")
                size += len(piece)
                yield piece
                block = decoder.unused_data
    if not decoder.eof and size <= header.length:
        refuse(header.data, "the compressed data end too early")


def last_line(error: Exception) -> str:
    """Return the line of an error that says what happened, without the C++ that leads to it."""
    return str(error).strip().splitlines()[-1].removeprefix("ITK ERROR: ")
