"""DICOM objects that are damaged, absurd or hostile, and mutants of sound ones: read rightly, or one sentence."""

import io
import re
import struct
import time
import tracemalloc

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.sequence import Sequence

from mia_functional import images

from .frame_cases import PIXELS, TURN, capture, dose, enhanced, frame_item, position, shared_item, whole_object, write
from .fuzzing import byte_mutant, number_mutant
from .structure_cases import GRID, circle, contour, dataset, drawn, structure_set

FRAMES = [frame_item(position(number)) for number in range(6)]
DOSES = np.arange(60, dtype=np.uint32).reshape(4, 3, 5)


def scaled(**elements):
    """An enhanced object whose first frame is scaled so."""
    first = frame_item(position(0), PixelValueTransformationSequence=elements)
    return enhanced([first, *FRAMES[1:]])


def moved(place):
    """An enhanced object whose last frame lies elsewhere."""
    return enhanced([*FRAMES[:5], frame_item(place)])


def sharing(**groups):
    """An enhanced object whose frames share other groups."""
    return enhanced(FRAMES, shared=shared_item(**groups))


def nested(depth):
    """The bytes of a capture with sequences within sequences, all of which end with delimiters."""
    raw = content(capture(PIXELS[:1], PixelSpacing=[1, 1]))
    start = raw.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    first = struct.pack("<HH2sHI", 0x0020, 0x9116, b"SQ", 0, 2**32 - 1) + struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
    last = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    return raw[:start] + first * depth + last * depth + raw[start:]


def compressed(code, syntax, **tags):
    """A capture whose only frame is compressed so."""
    data = capture(PIXELS[:1].astype(np.uint8), PixelSpacing=[1, 1], **tags)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([code])
    data["PixelData"].VR, data["PixelData"].is_undefined_length = "OB", True
    return data


# Headers of codestreams alone: a JPEG 2000 of 60,000 x 60,000 pixels and a JPEG-LS of 65,000 x 65,000.
HUGE_2000 = bytes.fromhex("ff4fff51002f0000") + (60000).to_bytes(4, "big") * 2 + bytes(8) + (60000).to_bytes(
    4, "big") * 2 + bytes(8) + bytes.fromhex("0001070101") + b"\xff\x90" + bytes(40)  # fmt: skip
HUGE_LS = bytes.fromhex("ffd8fff7000b08fde8fde801011100") + bytes(40)
HUGE_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0000b08fde8fde801011100") + bytes(40)
# Behind a comment that looks like the header of a JPEG 2000 of the size that the object states.
SMALL_2000 = HUGE_2000[:42].replace((60000).to_bytes(4, "big") * 2, (4).to_bytes(4, "big") + (5).to_bytes(4, "big"))
HUGE_BEHIND = bytes.fromhex("ffd8fffe002c") + SMALL_2000 + HUGE_JPEG[20:]

HOSTILE = {
    "places of too few frames": (lambda: enhanced(FRAMES[:5]), "it has 6 frames, and says where 5 lie"),
    "a missing slice": (
        lambda: enhanced([frame_item(position(k)) for k in (0, 1, 2, 4, 5, 6)]),
        "frame 3 and frame 4 are 5 mm apart, and the others 2.5 mm: slices are missing",
    ),
    "two at one place": (lambda: moved(position(2)), "2 of its frames lie at one place, and nothing that is read sets"),
    "uneven": (lambda: moved(position(5.3)), "frame 5 and frame 6 are 3.25 mm apart.*uneven"),
    "sideways": (lambda: moved(np.add(position(5), 4 * TURN[0]).tolist()), "frame 1 and frame 6 do not lie above"),
    "a position of two": (lambda: moved([1, 2]), "the ImagePositionPatient of a frame is"),
    "a position that is none": (lambda: moved(["nan", "0", "0"]), "the ImagePositionPatient of a frame is"),
    "no position of one": (lambda: enhanced([*FRAMES[:5], dataset()]), "the ImagePositionPatient of a frame is"),
    "directions that lean": (
        lambda: sharing(PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}),
        "its ImageOrientationPatient is",
    ),
    "no spacing": (lambda: sharing(PixelMeasuresSequence={"SliceThickness": 1}), "the PixelSpacing of a frame is"),
    "a spacing below 0": (lambda: sharing(PixelMeasuresSequence={"PixelSpacing": [-1, 1]}), "the PixelSpacing of its"),
    "slope 0": (lambda: scaled(RescaleSlope=0, RescaleIntercept=0), "the slope or intercept of frame 1 is"),
    "endless slope": (lambda: scaled(RescaleSlope="1e400", RescaleIntercept=0), "the slope or intercept of frame 1"),
    "few pixels": (lambda: enhanced(FRAMES, PixelData=bytes(30)), "it has 30 bytes of pixels instead of 240"),
    "no pixels": (lambda: enhanced(FRAMES, PixelData=None), "it holds no pixels of whole numbers"),
    "billions of frames": (lambda: capture(PIXELS, NumberOfFrames=2**31 - 1), "its header states 2147483647 frames of"),
    "frames below 0": (lambda: capture(PIXELS, NumberOfFrames=-3), "its header states -3 frames of 5 x 4 pixels"),
    "pixels of a page": (
        lambda: capture(PIXELS[:1], NumberOfFrames=1, Rows=65535, Columns=65535),
        "the image takes 8589672450 bytes, and `max_bytes` is 4294967296",
    ),
    "a palette": (lambda: capture(PIXELS[:1], PhotometricInterpretation="PALETTE COLOR"), "its pixels are PALETTE"),
    "bits": (lambda: capture(PIXELS[:1], BitsAllocated=1), "its pixels are MONOCHROME2 with BitsAllocated 1"),
    "bits that contradict": (lambda: capture(PIXELS[:1], BitsStored=17), "BitsStored 17, HighBit 15"),
    "no sign": (lambda: capture(PIXELS[:1], PixelRepresentation=None), "PixelRepresentation None, which is no"),
    "a lookup table": (
        lambda: capture(PIXELS[:1], ModalityLUTSequence=Sequence([dataset(LUTDescriptor=[2, 0, 16])])),
        "its values depend on its ModalityLUTSequence",
    ),
    "a mosaic": (lambda: capture(PIXELS[:1], ImageType=["ORIGINAL", "PRIMARY", "MOSAIC"]), "it is a mosaic, with its"),
    "frames of one position": (lambda: capture(PIXELS, ImagePositionPatient=[1, 2, 3]), "6 frames and one position"),
    "a slide": (lambda: whole_object(PIXELS, uid.VLWholeSlideMicroscopyImageStorage), "a microscopic slide, in tiles"),
    "a map of values": (lambda: whole_object(PIXELS, uid.ParametricMapStorage), "a parametric map, whose values"),
    "a report": (lambda: without_pixels(uid.BasicTextSRStorage), "of the class Basic Text SR Storage without pixels"),
    "a dose without a factor": (lambda: dose(DOSES, DoseGridScaling=None), r"its DoseGridScaling is \[\]"),
    "a dose of factor 0": (lambda: dose(DOSES, DoseGridScaling="0"), r"its DoseGridScaling is \[0.0\]"),
    "a dose without offsets": (lambda: dose(DOSES, GridFrameOffsetVector=None), "it has 4 frames and 0 offsets"),
    "a dose of few offsets": (lambda: dose(DOSES, GridFrameOffsetVector=[0, 1]), "it has 4 frames and 2 offsets"),
    "uneven doses": (lambda: dose(DOSES, GridFrameOffsetVector=[0, 1, 2, 4]), "the slices are uneven|slices are miss"),
    "doses of one plane": (lambda: dose(DOSES, GridFrameOffsetVector=[0, 0, 0, 0]), "lie at the same place"),
    "doses elsewhere": (lambda: dose(DOSES, GridFrameOffsetVector=[7, 8, 9, 10]), "its offsets begin with 7, which is"),
    "a dose without a place": (lambda: dose(DOSES, ImagePositionPatient=None), "it lacks a position, an orientation"),
    "a huge JPEG 2000": (
        lambda: compressed(HUGE_2000, uid.JPEG2000Lossless),
        r"the compressed frame 1 has the size \(60000, 60000, 1\), and the header states 5 x 4 x 1",
    ),
    "a huge JPEG-LS": (lambda: compressed(HUGE_LS, uid.JPEGLSLossless), r"has the size \(65000, 65000, 1\)"),
    "a huge JPEG": (lambda: compressed(HUGE_JPEG, uid.JPEGBaseline8Bit), r"has the size \(65000, 65000, 1\)"),
    "a comment with a size": (lambda: compressed(HUGE_BEHIND, uid.JPEGBaseline8Bit), r"has the size \(65000, 65000"),
    "no JPEG at all": (lambda: compressed(b"\xff" * 70, uid.JPEGBaseline8Bit), r"has the size \(0, 0, 0\)"),
    "an RLE of zeros": (lambda: compressed(bytes(64), uid.RLELossless), "its pixels cannot be decoded"),
    "deep": (lambda: nested(5000), "pydicom cannot parse its header .RecursionError"),
}  # fmt: skip


def without_pixels(kind):
    """An object that is no image."""
    data = capture(PIXELS[:1], PixelData=None, Rows=None, Columns=None)
    data.SOPClassUID = kind
    return data


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_damaged_or_absurd_is_one_sentence(tmp_path, name):
    make, expected = HOSTILE[name]
    data, path = make(), tmp_path / "a.dcm"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        write(path, data)
    start = time.perf_counter()
    tracemalloc.start()
    try:
        images.read(path)
        refused = None
    except ValueError as error:
        refused = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 32 << 20
    assert time.perf_counter() - start < 10
    assert refused is not None
    assert re.match(rf"read: `path` must name a complete.*a\.dcm: .*({expected})", refused), refused


def test_files_that_end_early(tmp_path):
    for data in (enhanced(FRAMES), dose(DOSES), capture(PIXELS[:1], PixelSpacing=[1, 1])):
        whole = write(tmp_path / "a.dcm", data).read_bytes()
        for length in (0, 100, 132, 140, 300, len(whole) // 2, len(whole) - 1):
            (tmp_path / "a.dcm").write_bytes(whole[:length])
            with pytest.raises(ValueError, match=r"^read: `path` must name a complete"):
                images.read(tmp_path / "a.dcm")


def content(data):
    """The bytes of a file."""
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, data, little_endian=True, implicit_vr=False, enforce_file_format=True)
    return stream.getvalue()


def slopes():
    """An enhanced object with a slope for every frame."""
    return enhanced([
        frame_item(position(k), PixelValueTransformationSequence={"RescaleSlope": str(k + 1), "RescaleIntercept": "0"})
        for k in range(6)
    ])  # fmt: skip


RING = [contour(drawn(GRID, 4, circle((20, 24), radius, 12))) for radius in (14, 6)]

SOURCES = {
    "enhanced": (content(slopes()), (number_mutant, byte_mutant)),
    "dose": (content(dose(DOSES)), (number_mutant, byte_mutant)),
    "capture": (content(capture(PIXELS[:1], PixelSpacing=["0.5", "0.25"])), (number_mutant, byte_mutant)),
    "structures": (content(structure_set({"ring": RING})), (number_mutant, byte_mutant, byte_mutant)),
}
"""Bytes of sound files, and what is done to them."""

COUNTS = {"quick": 20, "default": 60, "full": 2500}
"""Mutants of each source, by part of the suite."""


def mutant(name, number):
    """Return the bytes of mutant `number` of a source: one to three faults."""
    rng = np.random.default_rng([number, *name.encode()])
    raw, kinds = SOURCES[name]
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        raw = kinds[int(rng.integers(len(kinds)))](rng, raw, len(raw) - 1) or raw
    return raw


def ours(path, name):
    """What is read of a file: an array, or the sentence that refuses it."""
    try:
        if name == "structures":
            return images.read_structures(path, GRID).array
        return images.read(path, max_bytes=1 << 22)[0]
    except ValueError as error:
        return str(error)


def respected(path, name):
    """What pydicom makes of a file: frames in the order of their places, scaled."""
    data = pydicom.dcmread(path)
    frames = pixel_array(data).reshape(-1, data.Rows, data.Columns)
    if name == "capture":
        return frames[0] * float(data.get("RescaleSlope") or 1) + float(data.get("RescaleIntercept") or 0)
    if name == "dose":
        along, scale = np.array(data.GridFrameOffsetVector, float), float(data.DoseGridScaling)
        order = np.argsort(along, kind="stable")
        return frames[order] * scale
    items = data.PerFrameFunctionalGroupsSequence
    cosines = np.reshape(
        data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)
    ).astype(float)
    places = np.array([item.PlanePositionSequence[0].ImagePositionPatient for item in items], float)
    order = np.argsort(places @ np.cross(*cosines), kind="stable")
    scales = [item.get("PixelValueTransformationSequence") for item in items]
    factors = np.array([float(scale[0].get("RescaleSlope", 1)) if scale else 1.0 for scale in scales])
    offsets = np.array([float(scale[0].get("RescaleIntercept", 0)) if scale else 0.0 for scale in scales])
    return (frames * factors[:, None, None] + offsets[:, None, None])[order]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SOURCES)
def test_mutants_are_read_rightly_or_refused(name, tmp_path, request):
    path = tmp_path / "a.dcm"
    path.write_bytes(SOURCES[name][0])
    unchanged, outcomes = ours(path, name), {"read": 0, "refused": 0}
    for number in range(COUNTS[request.config.getoption("part")]):
        path.write_bytes(mutant(name, number))
        start = time.perf_counter()
        found = ours(path, name)
        assert time.perf_counter() - start < 10, number
        outcomes["refused" if isinstance(found, str) else "read"] += 1
        if isinstance(found, str):
            assert re.match(r"read(_structures)?: ", found), (number, found)
            assert not re.search(r"0x[0-9a-f]{6,}|Traceback|\.\.$", found), (number, found)
        # Points of contours may lie elsewhere in a mutant, and nobody else says where.
        elif name != "structures":
            try:
                expected = respected(path, name)
            except Exception:  # whatever it raises, it does not read the file
                expected = unchanged
            assert found.shape == expected.shape, number
            np.testing.assert_allclose(found, expected, rtol=1e-12, err_msg=str(number))
    assert min(outcomes.values()) > 0
