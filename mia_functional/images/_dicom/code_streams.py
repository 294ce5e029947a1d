"""What compressed frames of a DICOM object state of their size, before a decoder makes room for it."""

import struct

__all__ = ["RLE", "code_size"]

RLE = "1.2.840.10008.1.2.5"
"""The transfer syntax of the only compression of which a frame does not state its size."""

_JPEG, _JPEG_2000 = b"\xff\xd8", b"\xff\x4f\xff\x51"

_JP2_FILE = b"\x00\x00\x00\x0cjP  "
"""What a whole file of JPEG 2000 begins with, which some writers store where the standard has a code stream."""

_JPEG_SIZES = (0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7)
"""The markers of JPEG and JPEG-LS behind which size and channels stand."""


def code_size(code: bytes) -> tuple[int, ...]:
    """Return rows, columns and channels that a frame of JPEG, JPEG-LS or JPEG 2000 states; nothing if it states none.

    They are read where decoders read them, from the beginning on: comments may hold what looks like another header.
    """
    if code.startswith(_JPEG_2000) and len(code) >= 42:
        right, bottom, left, top = struct.unpack_from(">IIII", code, 8)
        return bottom - top, right - left, struct.unpack_from(">H", code, 40)[0]
    if code.startswith(_JP2_FILE):
        return _size_in_boxes(code)
    position = len(_JPEG)
    while code.startswith(_JPEG) and position + 10 <= len(code) and code[position] == 0xFF:
        marker, length = struct.unpack_from(">xBH", code, position)
        if marker in _JPEG_SIZES:
            rows, columns, channels = struct.unpack_from(">HHB", code, position + 5)
            return rows, columns, channels
        # Bytes of 255 in a row only fill up.
        position += 1 if marker == 0xFF else 2 + length
    return ()


def _size_in_boxes(code: bytes) -> tuple[int, ...]:
    """Return what the code stream in a file of JPEG 2000 states; nothing if there is none, or a palette of colours."""
    position = 0
    while position + 8 <= len(code):
        length, kind = struct.unpack_from(">I4s", code, position)
        if kind == b"jp2c":
            return code_size(code[position + 8 :]) if code[position + 8 :].startswith(_JPEG_2000) else ()
        # A palette makes several numbers of one.
        if length < 8 or (kind == b"jp2h" and b"pclr" in code[position : position + length]):
            return ()
        position += length
    return ()
