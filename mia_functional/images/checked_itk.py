"""A SimpleITK image out of a file or into one, with every check that SimpleITK lacks.

What SimpleITK 2.5.7 does on its own, without an error: it fills a truncated NIfTI file up with zeros, reports success
when the disk is full, lets some twenty readers (VTK, HDF5, TIFF, ...) guess at a file of unknown content, and prefers
NIfTI's qform where nibabel and most others take the sform.
"""

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from pathlib import Path

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.conversion import DTYPES_BY_PIXEL_TYPE, ItkGrid, from_itk, image_memory, itk_grid
from mia_functional.images.header import GZIP, INFLATE_BLOCK, Header, invalid_file
from mia_functional.images.itk_globals import ItkImage, ItkReader, itk_message, quiet, simpleitk
from mia_functional.typing import HostArray

__all__ = ["file_geometry", "header_reader", "itk_reads", "load_checked", "write_checked"]

# glibc keeps freed blocks of up to 32 MiB (the most that M_MMAP_THRESHOLD grows to) for the thread that had them, and
# maps larger ones, which go back to the system at once. Each thread that reads volumes would hold on to such blocks, so
# those above 4 MiB are requested as 33 MiB. Pages that are never touched cost nothing.
_POOLED_BYTES, _MAPPED_BYTES = 1 << 22, 33 << 20

_MAX_DRIFT = 0.01
"""Voxels by which two statements of where the corners of an image lie may differ: rounding, not another place."""


def load_checked(header: Header, image_io: str, max_bytes: int, *, scaled: bool) -> tuple[HostArray, Geometry]:
    """Return voxels and geometry of a file whose header was parsed, after all checks.

    SimpleITK says where the image lies, by its class `image_io` alone. Plain numbers are taken from the file directly:
    uncompressed ones are copied once instead of twice, and compressed ones have to be decoded for the checks anyway (28
    MB: `.nii` 3 ms instead of 23, `.nii.gz` 56 instead of 98). SimpleITK reads what has to be scaled or reordered.
    """
    if header.nbytes > max_bytes:
        invalid_file(header.path, f"the image takes {header.nbytes} bytes, and `max_bytes` is {max_bytes}")
    as_stored = not scaled or header.scale == (1, 0)
    stored = _stored_numbers(header) if header.dtype and as_stored else None
    if stored is None:
        _check_complete(header)
    reader = _open_reader(header, image_io)
    source: ItkImage | ItkReader = reader
    if stored is not None and _means_stored(reader, stored, header):
        voxels = stored.reshape(reader.GetSize()[::-1])
    elif scaled or header.scale == (1, 0):
        with itk_reads(header.path):
            source = reader.Execute()
        voxels = image_memory(source)
    else:
        invalid_file(header.path, "it has a scale, and its stored numbers cannot be read without it")
    grid = itk_grid(source)
    if header.affine:
        _check_sform(header, grid)
    return voxels, file_geometry(header.path, grid)


def file_geometry(path: Path, grid: ItkGrid) -> Geometry:
    """Return the geometry of the grid that a file states; raise unless it is a valid one."""
    try:
        return from_itk(*grid)
    except ValueError as error:
        requirement = str(error).partition(": ")[2].removesuffix(".")
        invalid_file(path, f"its geometry is invalid: {requirement}")


@contextmanager
def itk_reads(path: Path) -> Iterator[None]:
    """Silence ITK's warnings, and turn an error of ITK's into that of an invalid file, in our words."""
    try:
        with quiet():
            yield
    except RuntimeError as error:
        invalid_file(path, itk_message(error))


def header_reader(path: Path, image_io: str, *, copy: Path | None = None) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file, or that of a copy of it; errors name the file."""
    reader = simpleitk().ImageFileReader()
    reader.SetImageIO(image_io)
    reader.SetFileName(copy or path)
    with itk_reads(path):
        reader.ReadImageInformation()
    return reader


def _stored_numbers(header: Header) -> HostArray:
    """Return the numbers of a file that is complete to the byte, flat, in the byte order of this machine."""
    size = header.length
    raw = np.empty(max(size, _MAPPED_BYTES) if size > _POOLED_BYTES else size, np.uint8).data[:size]
    end = 0
    if header.encoding:
        for piece in _decompressed(header):
            room = raw[end : end + len(piece)]
            room[:] = piece[: len(room)]
            end += len(piece)
    else:
        _check_complete(header)
        with header.data.open("rb", buffering=0) as stream:
            stream.seek(header.offset)
            # One call reads 2 GiB at most on Linux.
            while end < size and (count := stream.readinto(raw[end:])):
                end += count
    _check_complete(header, end)
    # The pixels come last: what is decompressed of NIfTI begins with its header.
    start = size - header.values * np.dtype(header.dtype).itemsize
    numbers = np.frombuffer(raw, header.dtype, header.values, start)
    return numbers.astype(numbers.dtype.newbyteorder("="), copy=not numbers.flags.aligned)


def _decompressed(header: Header) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file; stop soon after there are more than the header announces (gzip bombs)."""
    size = 0
    decoder = zlib.decompressobj(header.encoding)
    with header.data.open("rb") as stream:
        stream.seek(header.offset)
        while size <= header.length and (block := stream.read(INFLATE_BLOCK)):
            while block:
                # A gzip file may have several members, one after the other; MetaImage's zlib stream ends the file.
                if decoder.eof and header.encoding != GZIP:
                    invalid_file(header.data, "something follows the compressed data")
                decoder = zlib.decompressobj(header.encoding) if decoder.eof else decoder
                try:
                    piece = decoder.decompress(block)
                except zlib.error as error:  # a wrong checksum, too
                    invalid_file(header.data, f"the compressed data are damaged ({error})")
                size += len(piece)
                yield piece
                block = decoder.unused_data
    if not decoder.eof and size <= header.length:
        invalid_file(header.data, "the compressed data end too early")


def _check_complete(header: Header, size: int | None = None) -> None:
    """Raise unless a file is complete to the byte; `size` if its bytes of pixels were counted already.

    Counting compressed pixels means to decode them, which tests their checksums.
    """
    if size is None and header.encoding:
        size = sum(map(len, _decompressed(header)))
    elif size is None:
        size = header.data.stat().st_size - header.offset
    if size != header.length:
        actual = "more" if size > header.length else size
        invalid_file(header.data, f"the header announces {header.length} bytes of pixels, and there are {actual}")


def _open_reader(header: Header, image_io: str) -> ItkReader:
    """Return a SimpleITK reader that has seen the header of a file and agrees with ours."""
    reader = header_reader(header.path, image_io)
    size, pixel_type = reader.GetSize(), simpleitk().GetPixelIDValueAsString(reader.GetPixelID())
    # Both parsers must see one image: what ITK allocates and fills is what was checked against `max_bytes`.
    if math.prod(size) * reader.GetNumberOfComponents() != header.values:
        invalid_file(header.path, f"it has {header.values} values, and its reader takes them for the size {size}")
    if len(size) not in (2, 3, 4) or "complex" in pixel_type:
        invalid_file(header.path, f"it holds {len(size)} axes of {pixel_type}; 2 to 4 of integers or floats are read")
    return reader


def _means_stored(reader: ItkReader, stored: HostArray, header: Header) -> bool:
    """Return whether the stored numbers, in their order, are what SimpleITK would return or scale."""
    dtype = DTYPES_BY_PIXEL_TYPE.get(simpleitk().GetPixelIDValueAsString(reader.GetPixelID()))
    # With a scale the reader announces the type of the scaled values, which says nothing of the stored ones.
    same_type = dtype is not None if header.scale != (1, 0) else dtype == stored.dtype.name
    # A spacing below zero becomes positive, and the axis of the direction negative, when ITK reads the pixels.
    return bool(same_type and math.prod(reader.GetSize()) == stored.size and min(reader.GetSpacing()) > 0)


def _check_sform(header: Header, grid: ItkGrid) -> None:
    """Raise unless the sform of a NIfTI file, where it is in use, places the image as SimpleITK does, by the qform."""
    ndim = min(len(grid.size), 3)
    # NIfTI's world is (R, A, S), ITK's (L, P, S).
    sform = (np.array(header.affine) * [[-1.0], [-1.0], [1.0]])[:ndim, [*range(ndim), 3]]
    if (gap := _corner_gap(_index_to_point(grid, ndim), sform, grid.size)) > _MAX_DRIFT:
        invalid_file(header.path, f"its sform, qform and pixdim place it {gap:.3g} voxels apart")


def _index_to_point(grid: ItkGrid, ndim: int) -> HostArray:
    """Return the affine matrix of the first `ndim` axes in ITK's order, the origin as its last column."""
    direction = np.reshape(grid.direction, (len(grid.size),) * 2)
    return np.column_stack([direction * grid.spacing, grid.origin])[:ndim, [*range(ndim), -1]]


def _corner_gap(first: HostArray, second: HostArray, size: Sequence[int]) -> float:
    """Return how far apart two affine matrices place the corners of an image, in the smallest voxels of the first."""
    ndim = len(first)
    corners = np.array([(*corner, 1) for corner in product(*((0, count - 1) for count in size[:ndim]))])
    gaps = np.linalg.norm(corners @ (first - second).T, axis=1)
    return float(gaps.max() / np.linalg.norm(first[:, :ndim], axis=0).min())


def write_checked(image: ItkImage, draft: Path, *, path: Path, image_io: str, parse: Callable[[Path], Header]) -> None:
    """Write an image to `draft` and raise unless the same image is read back from there; messages name `path`."""
    try:
        with quiet():
            simpleitk().WriteImage(image, draft, imageIO=image_io)
        header = parse(draft)
        _check_complete(header)
    except (RuntimeError, ValueError) as error:
        reason = "not all of it reached the disk, which may be full"
        raise OSError(f"write: {path} could not be written completely: {reason}.") from error
    voxels = image_memory(image)
    suitable = f"name a format for {voxels.dtype} {voxels.shape}"
    try:
        reader = _open_reader(header, image_io)
        with itk_reads(draft):
            copy = reader.Execute()
    except ValueError:
        checks.invalid_value("write", "path", suitable, f"{path} (something else came back)")
    returned = image_memory(copy)
    if voxels.dtype != returned.dtype or not np.array_equal(voxels, returned, equal_nan=True):
        checks.invalid_value("write", "path", suitable, f"{path} ({returned.dtype} {returned.shape} came back)")
    ndim, grid = image.GetDimension(), itk_grid(image)
    if (gap := _corner_gap(_index_to_point(grid, ndim), _index_to_point(itk_grid(copy), ndim), grid.size)) > _MAX_DRIFT:
        requirement = "name a format that keeps the geometry (NIfTI: right angles only)"
        checks.invalid_value("write", "path", requirement, f"{path} (off by {gap:.3g} voxels)")
