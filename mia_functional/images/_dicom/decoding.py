"""Pixels of the frames of a DICOM object, of any kind of number and with colours, decoded by pydicom.

pydicom hands compressed frames to whatever decoder is installed, which makes room for what the frame itself says of its
size: it has to be that of the header, by which memory was allowed.
"""

import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mia_functional._core import optional
from mia_functional.images._dicom.code_streams import RLE, code_size
from mia_functional.images._dicom.elements import UNDEFINED
from mia_functional.images._dicom.header import DicomObject, pydicom_reads
from mia_functional.images.header import invalid_file
from mia_functional.typing import HostArray

__all__ = ["PixelLayout", "check_pixels", "decoded_frames", "pixel_layout"]

_INTEGER_PIXELS = 0x7FE00010

_PLAIN_COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")

_MOST_FRAMES = 1 << 24
"""More frames than any object has, and few enough for a list of what is known of each."""


class PixelLayout(NamedTuple):
    """What a header says of its pixels.

    Args:
        frames: How many frames there are.
        rows: Of a frame.
        columns: Of a frame.
        channels: 1, or 3 for colours.
        bits: Allocated for a number: 8, 16 or 32.
        stored: How many of these are used.
        signed: Whether numbers may be below 0.
        colours: The photometric interpretation.
    """

    frames: int
    rows: int
    columns: int
    channels: int
    bits: int
    stored: int
    signed: bool
    colours: str


def pixel_layout(found: DicomObject) -> PixelLayout:
    """Return what the header of an object says of its pixels; raise unless they are plain numbers or colours."""
    header, path = found.header, found.path
    with pydicom_reads(path):
        colours = str(header.get("PhotometricInterpretation", "") or "")
        numbers = [
            int(header.get(name) or 0)
            for name in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated", "BitsStored", "HighBit")
        ]
        frames = int(header.get("NumberOfFrames") or 1)
        sign = header.get("PixelRepresentation")
        lookup = "ModalityLUTSequence" in header and len(header.ModalityLUTSequence)
    rows, columns, channels, bits, stored, high = numbers
    if min(rows, columns, frames) < 1 or frames > _MOST_FRAMES:
        invalid_file(path, f"its header states {frames} frames of {rows} x {columns} pixels")
    if lookup:
        invalid_file(path, "its values depend on its ModalityLUTSequence, which is not read")
    if _INTEGER_PIXELS not in found.data_set.by_tag:
        invalid_file(path, "it holds no pixels of whole numbers")
    grey = channels == 1 and colours in ("MONOCHROME1", "MONOCHROME2") and bits in (8, 16, 32)
    if not grey and not (channels == 3 and colours in _PLAIN_COLOURS and bits in (8, 16, 32)):
        needed = "grey values and colours of 8, 16 or 32 bits are read"
        invalid_file(path, f"its pixels are {colours or 'unknown'} with BitsAllocated {bits}; {needed}")
    if not 1 <= stored <= bits or high != stored - 1 or sign not in (0, 1):
        words = f"BitsStored {stored}, HighBit {high}, PixelRepresentation {sign}"
        invalid_file(path, f"its pixels are {colours} of {bits} bits with {words}, which is no description of pixels")
    return PixelLayout(frames, rows, columns, channels, bits, stored, bool(sign), colours)


def check_pixels(found: DicomObject, layout: PixelLayout, nbytes: int, max_bytes: int) -> None:
    """Raise if an image takes more than `max_bytes`, or if pixels are missing or of another size than the header's."""
    if nbytes > max_bytes:
        invalid_file(found.path, f"the image takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    pixels = found.data_set.by_tag[_INTEGER_PIXELS]
    if pixels.length != UNDEFINED:
        values = layout.frames * layout.rows * layout.columns * layout.channels
        needed = values * layout.bits // 8 * (2 if layout.colours.endswith("_422") else 3) // 3
        if pixels.length < needed:
            invalid_file(found.path, f"it has {pixels.length} bytes of pixels instead of {needed}")
        return
    if found.data_set.syntax == RLE:
        return
    generate = optional.require("pydicom.encaps").generate_frames
    with pydicom_reads(found.path), found.path.open("rb") as stream:
        stream.seek(pixels.value)
        for number, code in enumerate(generate(stream, number_of_frames=layout.frames), start=1):
            size = code_size(bytes(code)) or (0, 0, 0)
            if size != (layout.rows, layout.columns, layout.channels):
                stated = f"{layout.rows} x {layout.columns} x {layout.channels}"
                text = f"the compressed frame {number} has the size {size}, and the header states {stated}"
                invalid_file(found.path, text)


def decoded_frames(found: DicomObject, layout: PixelLayout, numbers: Sequence[int]) -> Iterator[HostArray]:
    """Yield the pixels of frames, by their numbers from 0 on, with colours as red, green and blue.

    What is checked by `check_pixels` is taken for granted.
    """
    iter_pixels = optional.require("pydicom.pixels").iter_pixels
    shape = (layout.rows, layout.columns, *((3,) if layout.channels > 1 else ()))
    with pydicom_reads(found.path, fault="its pixels cannot be decoded"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of padding, and of transfer syntaxes that fit badly
        for frame in iter_pixels(found.path, indices=list(numbers)):
            if frame.shape != shape:
                invalid_file(found.path, f"pydicom decodes {frame.shape} pixels, and the header states {shape}")
            yield frame
