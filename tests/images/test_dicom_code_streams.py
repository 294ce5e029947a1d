"""Sizes that compressed frames state: JPEG, JPEG-LS and JPEG 2000, as a code stream or, against the rules, a file."""

import struct

import imagecodecs
import numpy as np
import pytest

from mia_functional.images._dicom.code_streams import code_size

GREY, COLOURS = np.arange(30, dtype=np.uint8).reshape(5, 6), np.arange(90, dtype=np.uint8).reshape(5, 6, 3)
CODES = {
    "JPEG": imagecodecs.jpeg8_encode(COLOURS), "JPEG-LS": imagecodecs.jpegls_encode(GREY),
    "JPEG 2000": imagecodecs.jpeg2k_encode(COLOURS, codecformat="j2k"),
    "file of JPEG 2000": imagecodecs.jpeg2k_encode(COLOURS, codecformat="jp2"),
}  # fmt: skip


@pytest.mark.parametrize("kind", CODES)
def test_sizes_are_those_of_the_pixels(kind):
    code = CODES[kind]
    assert code_size(code) == (5, 6, 1 if kind == "JPEG-LS" else 3)
    # However short a frame is, it states the size or none.
    assert {code_size(code[:length]) for length in range(len(code))} <= {(), code_size(code)}


def test_files_with_a_palette_or_without_a_code_stream_state_no_size():
    code = CODES["file of JPEG 2000"]
    assert code_size(code.replace(b"colr", b"pclr")) == ()
    assert code_size(code.replace(b"jp2c", b"free")) == ()
    start = code.index(b"jp2h") - 4
    for length in (0, 1, 7):  # to the end, 64 bits of length, and less than its own head
        assert code_size(code[:start] + struct.pack(">I", length) + code[start + 4 :]) == ()
