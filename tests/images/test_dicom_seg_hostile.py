"""Segmentations that are damaged or hostile: refused by one sentence before anything is allocated, or read rightly."""

import io
import re
import struct
import warnings

import numpy as np
import pydicom
import pytest
from PIL import Image

from mia_functional import images
from mia_functional.geometry import index_to_world

from .fuzzing import byte_mutant, number_mutant
from .seg_cases import label_scene, write_by_highdicom, write_series

SHAPE = (9, 5, 7)
SENTENCE = r"^read: `path` must name a complete, well-formed image file; got .*a\.dcm: [^\n]*\.$"


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return the bytes of segmentations of several types, by name."""
    folder = tmp_path_factory.mktemp("seg")
    headers, labels = write_series(folder / "ct", SHAPE), label_scene(SHAPE)
    rle, jpeg = pydicom.uid.RLELossless, pydicom.uid.JPEGLSLossless
    files = {
        "bits": (labels, "BINARY", {}),
        "implicit": (labels, "BINARY", {"transfer_syntax_uid": pydicom.uid.ImplicitVRLittleEndian}),
        "labels": (labels, "LABELMAP", {"transfer_syntax_uid": rle}),
        "fractions": ((labels > 0).astype(float), "FRACTIONAL", {"transfer_syntax_uid": jpeg}),
    }
    return {
        name: write_by_highdicom(folder / f"{name}.dcm", headers, array, kind, **options).read_bytes()
        for name, (array, kind, options) in files.items()
    }


def changed(content, path, **values):
    """Write a file with elements changed, or removed where None is given; return its path."""
    data = pydicom.dcmread(io.BytesIO(content))
    for name, value in values.items():
        setattr(data, name, value) if value is not None else delattr(data, name)
    data.save_as(path)
    return path


def frame_change(**values):
    """Return a function that changes elements of the first frame's groups."""

    def change(data):
        """Change the data set."""
        for group, (name, value) in values.items():
            setattr(data.PerFrameFunctionalGroupsSequence[0][group].value[0], name, value)

    return change


HEADERS = {
    "bits of labels": ("bits", {"BitsAllocated": 8, "BitsStored": 8}, "its pixels are BINARY of 8 bits in 8"),
    "no type": ("bits", {"SegmentationType": None}, "its pixels are of no SegmentationType"),
    "colours": ("labels", {"SamplesPerPixel": 3}, "its pixels are LABELMAP of 8 bits in 8, 3 each"),
    "signed": ("labels", {"PixelRepresentation": 1}, "its pixels are LABELMAP"),
    "no rows": ("bits", {"Rows": 0}, "its header states 15 frames of 0 x 7 pixels"),
    "many rows": ("bits", {"Rows": 65535, "Columns": 65535}, "bytes of pixels instead of|takes .* bytes, and `max_by"),
    "many frames": ("bits", {"NumberOfFrames": 2**31 - 1}, "its header states 2147483647 frames"),
    "one frame more": ("bits", {"NumberOfFrames": 16}, "it has 16 frames, and a table of 15"),
    "no segments": ("bits", {"SegmentSequence": []}, "the numbers of its segments are"),
    "no pixels": ("bits", {"PixelData": None}, "it holds no pixels of whole numbers"),
    "few pixels": ("bits", {"PixelData": b"ab"}, "it has 2 bytes of pixels instead of 66"),
    "more pixels": ("bits", {"PixelData": bytes(200)}, "it has 200 bytes of pixels instead of 66"),
    "no fraction": ("fractions", {"MaximumFractionalValue": 0}, "its MaximumFractionalValue is 0"),
    "small fraction": ("fractions", {"MaximumFractionalValue": 7}, "it holds the fraction 255 / 7"),
    "another class": (
        "bits",
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"},
        "BitsAllocated 1; grey values",
    ),
    "class unknown": ("bits", {"SOPClassUID": "1.2.3"}, "BitsAllocated 1; grey values"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie_are_refused(tmp_path, sources, name):
    source, values, words = HEADERS[name]
    path = changed(sources[source], tmp_path / "a.dcm", **values)
    with pytest.raises(ValueError, match=SENTENCE) as caught:
        images.read(path, max_bytes=1 << 30)
    assert re.search(words, str(caught.value))


FRAMES = {
    "far away": (frame_change(PlanePositionSequence=("ImagePositionPatient", [-100.5, -90.25, 1e9])), "`max_bytes` is"),
    "beyond numbers": (frame_change(PlanePositionSequence=("ImagePositionPatient", [0, 0, "1e300"])), "1e300"),
    "beside": (frame_change(PlanePositionSequence=("ImagePositionPatient", [-80.25, -90.25, 40])), "do not lie on"),
    "no segment": (frame_change(SegmentIdentificationSequence=("ReferencedSegmentNumber", 77)), "to segment 77, and"),
    "same place": (lambda data: data.PerFrameFunctionalGroupsSequence.__setitem__(
        1, data.PerFrameFunctionalGroupsSequence[0]), "lies where another frame of its segment does"),
    "no place": (lambda data: delattr(data.PerFrameFunctionalGroupsSequence[2], "PlanePositionSequence"),
                 "the ImagePositionPatient of a frame is ''"),
    "no direction": (lambda data: delattr(data.SharedFunctionalGroupsSequence[0], "PlaneOrientationSequence"),
                     "the ImageOrientationPatient of a frame is ''"),
    "flat": (lambda data: setattr(data.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0],
                                  "ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "its ImageOrientationPatient is"),
    "no size": (lambda data: setattr(data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0], "PixelSpacing",
                                     [0, 1]), "the PixelSpacing of its frames is not positive"),
    "two numbers": (lambda data: setattr(data.SegmentSequence[1], "SegmentNumber", 1), r"segments are \[1, 1, 3\]"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_frames_that_lie_are_refused(tmp_path, sources, name):
    change, words = FRAMES[name]
    data = pydicom.dcmread(io.BytesIO(sources["bits"]))
    change(data)
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(ValueError, match=SENTENCE) as caught:
        images.read(tmp_path / "a.dcm", max_bytes=1 << 20)
    assert re.search(words, str(caught.value))


def refused(path, content, words, **options):
    """Check that bytes are refused."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match=words):
        images.read(path, **options)


def test_compressed_frames_that_are_bombs_are_refused_before_they_are_decoded(tmp_path, sources):
    path, jpeg, rle = tmp_path / "a.dcm", sources["fractions"], sources["labels"]
    start = jpeg.index(b"\xff\xf7") + 5
    bomb = jpeg[:start] + struct.pack(">HH", 60000, 60000) + jpeg[start + 4 :]
    refused(path, bomb, r"a compressed frame has the size \(60000, 60000, 1\), and the header states \(5, 7, 1\)")
    refused(path, jpeg.replace(b"\xff\xf7", b"\xff\xf0"), r"a compressed frame has the size \(\)")
    data = pydicom.dcmread(io.BytesIO(rle))
    frames = list(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=data.NumberOfFrames))
    header = struct.pack("<16I", 1, 64, *[0] * 14)
    data.PixelData = pydicom.encaps.encapsulate([header + b"\x81\x00" * 5000, *frames[1:]])
    data.save_as(path)
    refused(path, path.read_bytes(), "a frame takes 10064 bytes compressed, more than without")
    data.PixelData = pydicom.encaps.encapsulate([header + b"\x81\x00" * 50, *frames[1:]])
    data.save_as(path)
    refused(path, path.read_bytes(), "frame 1 cannot be decoded")
    data.PixelData = pydicom.encaps.encapsulate(frames[:-1])
    data.save_as(path)
    refused(path, path.read_bytes(), "frames are in 4 fragments|fragments, without a table")
    refused(path, rle[:-30], "announces|cut off|damaged")
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEGBaseline8Bit
    data.save_as(path)
    refused(path, path.read_bytes(), "its pixels are compressed by JPEG Baseline")


def test_frames_in_several_fragments_are_found_by_the_table_of_offsets(tmp_path, sources):
    data = pydicom.dcmread(io.BytesIO(sources["labels"]))
    expected = images.read(changed(sources["labels"], tmp_path / "a.dcm"))[0]
    frames = list(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=data.NumberOfFrames))
    data.PixelData = pydicom.encaps.encapsulate(frames, fragments_per_frame=2)
    data.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(images.read(tmp_path / "b.dcm")[0], expected)
    data.PixelData = pydicom.encaps.encapsulate(frames, fragments_per_frame=2, has_bot=False)
    data.save_as(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="without a table of offsets"):
        images.read(tmp_path / "b.dcm")


def test_frames_of_jpeg_2000_are_decoded(tmp_path, sources):
    """Those of Pillow, which pydicom decodes them by as well."""
    data = pydicom.dcmread(io.BytesIO(sources["labels"]))
    expected = images.read(changed(sources["labels"], tmp_path / "a.dcm"))[0]
    codes = []
    for frame in data.pixel_array:
        buffer = io.BytesIO()
        Image.fromarray(frame).save(buffer, "JPEG2000", irreversible=False, no_jp2=True, num_resolutions=1)
        codes.append(buffer.getvalue())
    data.file_meta.TransferSyntaxUID = pydicom.uid.JPEG2000Lossless
    data.PixelData = pydicom.encaps.encapsulate(codes)
    data.save_as(tmp_path / "b.dcm")
    np.testing.assert_array_equal(images.read(tmp_path / "b.dcm")[0], expected)
    bomb = codes[0].replace(struct.pack(">II", 7, 5), struct.pack(">II", 60000, 60000))
    data.PixelData = pydicom.encaps.encapsulate([bomb, *codes[1:]])
    data.save_as(tmp_path / "b.dcm")
    refused(tmp_path / "b.dcm", (tmp_path / "b.dcm").read_bytes(), r"has the size \(60000, 60000, 1\)")


def test_bits_may_be_compressed_as_well(tmp_path):
    """A frame of 33 x 35 bits with a rectangle, as highdicom 0.28.2 compresses it by OpenJPEG 2.5.2."""
    code = bytes.fromhex(
        "ff4fff510029000000000023000000210000000000000000000000230000002100000000000000000001000101ff52000c0000000100050404"
        "0001ff5c00134008101018101018101018101018101018ff640025000143726561746564206279204f70656e4a5045472076657273696f6e20"
        "322e352e32ff90000a0000000000370001ff93d08003a42001c88001bfc8a451102207181f223fa4604b6abfc9649118235e76ae7494a6834f"
        "917629ffd9"
    )
    headers = write_series(tmp_path / "ct", (2, 33, 35))
    mask = np.zeros((2, 33, 35), np.uint8)
    mask[:, 4:20, 7:30] = 1
    data = pydicom.dcmread(write_by_highdicom(tmp_path / "a.dcm", headers, mask))
    data.PixelData, data.file_meta.TransferSyntaxUID = (
        pydicom.encaps.encapsulate([code] * 2),
        pydicom.uid.JPEG2000Lossless,
    )
    data.save_as(tmp_path / "a.dcm")
    np.testing.assert_array_equal(images.read_segmentation(tmp_path / "a.dcm", tmp_path / "ct").array, mask)


def test_what_is_larger_than_allowed_is_refused(tmp_path, sources):
    path = changed(sources["bits"], tmp_path / "a.dcm")
    assert images.read(path, max_bytes=210)[0].nbytes == 210
    with pytest.raises(ValueError, match="the label map takes 210 bytes, and `max_bytes` is 209"):
        images.read(path, max_bytes=209)
    with pytest.raises(ValueError, match=r"^read_segmentation: .*3 channels take 630 bytes, and `max_bytes` is 629"):
        images.read_segmentation(path, channels=True, max_bytes=629)


def test_labels_of_no_segment_are_refused(tmp_path, sources):
    data = pydicom.dcmread(io.BytesIO(sources["labels"]))
    data.SegmentSequence = [item for item in data.SegmentSequence if item.SegmentNumber != 3]
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(ValueError, match="it holds the label 3, which is no segment's"):
        images.read(tmp_path / "a.dcm")
    data.PixelPaddingValue = 3
    data.save_as(tmp_path / "a.dcm")
    assert images.read(tmp_path / "a.dcm")[0].max() == 2
    data.PixelPaddingValue = 60000  # which no pixel has
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(ValueError, match="it holds the label 3, which is no segment's"):
        images.read(tmp_path / "a.dcm")
    data.SegmentSequence = [item for item in data.SegmentSequence if item.SegmentNumber == 0]
    data.save_as(tmp_path / "a.dcm")
    with pytest.raises(ValueError, match=r"the numbers of its segments are \[0\]"):
        images.read(tmp_path / "a.dcm")


def points_of_pydicom(path):
    """Return all points with a value that is not 0, as pydicom has them frame by frame."""
    data = pydicom.dcmread(path)
    frames, shared = np.atleast_3d(data.pixel_array), data.SharedFunctionalGroupsSequence[0]
    points = set()
    for frame, groups in zip(frames, data.PerFrameFunctionalGroupsSequence, strict=True):
        axes = np.reshape(list(map(float, shared.PlaneOrientationSequence[0].ImageOrientationPatient)), (2, 3))
        rows, columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
        start = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        number = 0
        if data.SegmentationType != "LABELMAP":
            number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        for row, column in np.argwhere(frame):
            point = start + axes[0] * columns * column + axes[1] * rows * row
            points.add((number or int(frame[row, column]), *(float(f"{entry:.2g}") for entry in point)))
    return points


def points_of_ours(path):
    """Return the same of what we read, and whether anything was said."""
    found = images.read_segmentation(path, channels=True, max_bytes=1 << 22)
    points = set()
    for *index, channel in np.argwhere(found.array):
        world = index_to_world(found.geometry, [int(entry) for entry in index])[::-1]
        points.add((found.segments[int(channel)].label, *(float(f"{entry:.2g}") for entry in world)))
    return points


def seg_mutant(content, number):
    """Return a file with one or two faults in its header or its pixels."""
    rng = np.random.default_rng(number)
    for _ in range(int(rng.choice([1, 1, 2]))):
        kind = (number_mutant, byte_mutant, byte_mutant)[int(rng.integers(3))]
        content = kind(rng, content, len(content) - 1) or content
    return content


def outcome(path):
    """Return `refused` or `read` for a file; raise if it is read otherwise than by pydicom."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ours = points_of_ours(path)
        except (ValueError, FileNotFoundError) as error:
            return "refused" if re.fullmatch(r"read_segmentation: [^\n]*\.", str(error)) else f"said {error}"
        try:
            theirs = points_of_pydicom(path)
        except Exception:  # whatever it raises, it does not read the file
            return "read"
    assert ours == theirs
    return "read"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bits", "implicit", "labels", "fractions"])
def test_mutants_are_read_rightly_or_refused(tmp_path, sources, name, request):
    count = {"default": 20, "full": 500}[request.config.getoption("part")]
    path = tmp_path / "a.dcm"
    outcomes = []
    for number in range(count):
        path.write_bytes(seg_mutant(sources[name], number))
        outcomes.append(outcome(path))
    assert set(outcomes) == {"read", "refused"}
