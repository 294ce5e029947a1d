"""Single DICOM objects as images: enhanced objects, doses and captures are what their elements say, or a sentence."""

import numpy as np
import pydicom
import pytest
from pydicom import uid
from pydicom.sequence import Sequence

from mia_functional import images
from mia_functional.geometry import Geometry, same_geometry

from .dicom_cases import heights, write_slice, write_stack
from .frame_cases import (
    GAP,
    NORMAL,
    PIXELS,
    TURN,
    capture,
    dose,
    enhanced,
    frame_item,
    position,
    shared_item,
    whole_object,
    write,
)  # fmt: skip
from .structure_cases import dataset

ORDER = [3, 0, 5, 1, 4, 2]
GRID = Geometry(
    shape=(6, 5, 4), spacing=(GAP, 0.75, 0.5), origin=(30.0, -20.0, 10.0),
    direction=tuple(map(tuple, np.column_stack([*TURN, NORMAL])[::-1, ::-1])),
)  # fmt: skip


PACKED = (uid.RLELossless, uid.JPEGLSLossless)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, *PACKED])
def test_frames_lie_where_they_say_in_any_order(tmp_path, syntax):
    data = enhanced([frame_item(position(number)) for number in ORDER], PIXELS[ORDER])
    data.file_meta.TransferSyntaxUID = syntax if syntax not in PACKED else uid.ExplicitVRLittleEndian
    if syntax in PACKED:
        pytest.importorskip("jpeg_ls")
        data.compress(syntax)
    path = write(tmp_path / "a.dcm", data)
    array, geometry = images.read(path)
    np.testing.assert_array_equal(array, PIXELS)
    assert array.dtype == np.int16
    assert same_geometry(geometry, GRID, tolerance=1e-6)
    assert images.read_geometry(path) == geometry
    # A folder with this file alone is the same, and so is its only stack.
    for same in (images.read(tmp_path), images.read_stack(path, 0), images.read_stack(tmp_path, 0)):
        np.testing.assert_array_equal(same[0], array)
        assert same[1] == geometry
    assert images.read_geometry(tmp_path) == geometry
    assert images.read(path, spacing=(GAP, 0.75, 0.5))[1] == geometry
    with pytest.raises(ValueError, match="`spacing` must be what"):
        images.read(path, spacing=(GAP, 0.5, 0.75))


def test_every_frame_has_a_scale_of_its_own(tmp_path):
    slopes, intercepts = np.arange(1, 7) / 4, np.arange(6) - 2.0
    frames = [
        frame_item(position(k), PixelValueTransformationSequence={
            "RescaleSlope": str(slopes[k]), "RescaleIntercept": str(intercepts[k]), "RescaleType": "US"})
        for k in range(6)
    ]  # fmt: skip
    array, _ = images.read(write(tmp_path / "a.dcm", enhanced(frames, sop_class=uid.EnhancedPETImageStorage)))
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, PIXELS * slopes[:, None, None] + intercepts[:, None, None])
    # Whole numbers stay whole, in a dtype that holds them all.
    hounsfield = {"RescaleSlope": "1", "RescaleIntercept": "-1024", "RescaleType": "HU"}
    data = enhanced(
        [frame_item(position(k)) for k in range(6)], np.abs(PIXELS).astype(np.uint16),
        shared_item(PixelValueTransformationSequence=hounsfield), sop_class=uid.EnhancedCTImageStorage,
        BitsStored=12, HighBit=11,
    )  # fmt: skip
    array, _ = images.read(write(tmp_path / "b.dcm", data))
    assert array.dtype == np.int16
    np.testing.assert_array_equal(array, np.abs(PIXELS) - 1024)


def test_what_is_converted_from_slices_is_what_the_slices_are(tmp_path):
    legacy = pytest.importorskip("highdicom.legacy")
    folder = tmp_path / "slices"
    folder.mkdir()
    tags = {
        "RescaleSlope": "2", "RescaleIntercept": "-1000", "FrameOfReferenceUID": "1.2.9", "StudyInstanceUID": "1.2.8",
        "PatientID": "a", "PatientBirthDate": "", "PatientSex": "", "StudyDate": "20200101", "StudyTime": "000000",
        "StudyID": "1", "AccessionNumber": "", "ReferringPhysicianName": "", "SeriesNumber": 1, "InstanceNumber": 1,
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "Manufacturer": "x", "PositionReferenceIndicator": "",
        "KVP": "120", "AcquisitionNumber": 1, "ConvolutionKernel": "a", "ContentDate": "20200101",
        "ContentTime": "000000", "PatientPosition": "HFS",
    }  # fmt: skip
    write_stack(folder, heights(np.arange(6) * 2.5 - 7), PIXELS, **tags)
    slices = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    for number, entry in enumerate(slices):
        entry.InstanceNumber = number + 1
    converted = legacy.LegacyConvertedEnhancedCTImage(
        legacy_datasets=slices, series_instance_uid="1.2.5", series_number=2, sop_instance_uid="1.2.6",
        instance_number=1,
    )  # fmt: skip
    converted.save_as(tmp_path / "a.dcm")
    array, geometry = images.read(tmp_path / "a.dcm")
    expected, place = images.read(folder)
    np.testing.assert_array_equal(array, expected)
    assert array.dtype == expected.dtype
    assert geometry == place


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["EnhancedMRImageStorage", "EnhancedCTImageStorage", "EnhancedPETImageStorage"])
def test_volumes_are_those_of_highdicom(tmp_path, kind):
    """Its volumes (0.28.2) run from the last slice to the first."""
    highdicom = pytest.importorskip("highdicom")
    frames = [
        frame_item(
            position(k), FrameContentSequence={"DimensionIndexValues": [number + 1]},
            PixelValueTransformationSequence={
                "RescaleSlope": k / 4 + 0.5, "RescaleIntercept": k - 3, "RescaleType": "US",
            },
        )
        for number, k in enumerate(ORDER)
    ]  # fmt: skip
    tags = dict.fromkeys(
        ("StudyID", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber",
         "ReferringPhysicianName", "Manufacturer", "Modality"), "",
    )  # fmt: skip
    tags |= {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.3", "FrameOfReferenceUID": "1.4"}
    pointer = dataset(DimensionIndexPointer=0x00200032, FunctionalGroupPointer=0x00209113)
    data = enhanced(
        frames, PIXELS[ORDER], sop_class=getattr(uid, kind), DimensionIndexSequence=Sequence([pointer]),
        InstanceNumber=1, SeriesNumber=1, **tags,
    )  # fmt: skip
    path = write(tmp_path / "a.dcm", data)
    array, geometry = images.read(path)
    volume = highdicom.imread(path).get_volume()
    np.testing.assert_array_equal(volume.array[::-1], array)
    last = volume.affine @ [len(array) - 1, 0, 0, 1]
    np.testing.assert_allclose(last[:3], geometry.origin[::-1], atol=1e-9)
    steps = np.array(geometry.direction)[::-1] * geometry.spacing
    np.testing.assert_allclose(volume.affine[:3, :3] * [-1, 1, 1], steps, atol=1e-9)


def diffusion():
    """Frames of two b-values and two time points on three slices, the slices innermost."""
    return [
        frame_item(position(k), MRDiffusionSequence={"DiffusionBValue": b},
                   FrameContentSequence={"TemporalPositionIndex": t, "StackID": "1"})
        for b in (1000.0, 0.0) for t in (1, 2) for k in range(3)
    ]  # fmt: skip


def test_one_of_several_stacks_is_read_by_its_number(tmp_path):
    pixels = np.arange(12 * 20, dtype=np.uint16).reshape(12, 5, 4)
    path = write(tmp_path / "a.dcm", enhanced(diffusion(), pixels))
    listed = r"0: time point 1, b-value 0; 1: time point 1, b-value 1000; 2: time point 2, b-value 0; 3: time point 2"
    with pytest.raises(ValueError, match=rf"it holds 4 stacks of frames .*`read_stack` reads one .*\({listed}"):
        images.read(path)
    for number, start in enumerate((6, 0, 9, 3)):
        array, geometry = images.read_stack(path, number)
        np.testing.assert_array_equal(array, pixels[start : start + 3])
        assert geometry.shape == (3, 5, 4)
    for wrong in (4, 99):
        with pytest.raises(ValueError, match=r"^read_stack: `stack` must be below 4, the number of stacks in"):
            images.read_stack(path, wrong)
    with pytest.raises(ValueError, match="`stack` must be"):
        images.read_stack(path, -1)


TRAITS = {
    "echo time 4": {"MREchoSequence": {"EffectiveEchoTime": 4.0}},
    "cardiac delay 250": {"CardiacSynchronizationSequence": {"NominalCardiacTriggerDelayTime": 250.0}},
    "frame type ORIGINAL PRIMARY T1": {"MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "T1"]}},
    "component PHASE": {"MRImageFrameTypeSequence": {"ComplexImageComponent": "PHASE"}},
    "flip angle 30": {"MRTimingAndRelatedParametersSequence": {"FlipAngle": "30"}},
    "stack second": {"FrameContentSequence": {"StackID": "second"}},
}


@pytest.mark.parametrize("words", TRAITS)
def test_what_sets_frames_at_one_place_apart_is_named(tmp_path, words):
    frames = [frame_item(position(k)) for k in range(3)] + [frame_item(position(k), **TRAITS[words]) for k in range(3)]
    path = write(tmp_path / "a.dcm", enhanced(frames))
    with pytest.raises(ValueError, match=f"it holds 2 stacks .*{words}"):
        images.read(path)
    both = [images.read_stack(path, number)[0] for number in (0, 1)]
    assert sorted(int(array[0, 0, 0]) for array in both) == sorted([PIXELS[0, 0, 0], PIXELS[3, 0, 0]])


def test_times_of_single_slices_make_no_stacks_and_indices_do(tmp_path):
    timed = [frame_item(position(k), FrameContentSequence={"TemporalPositionIndex": k + 1}) for k in range(6)]
    np.testing.assert_array_equal(images.read(write(tmp_path / "a.dcm", enhanced(timed)))[0], PIXELS)
    # Directions of diffusion, which only an index of a dimension tells apart; slices have times of their own.
    frames = [
        frame_item(
            position(k),
            TemporalPositionSequence={"TemporalPositionTimeOffset": float(3 * d + k)},
            FrameContentSequence={"DimensionIndexValues": [k + 1, d + 1]},
        )
        for d in range(2)
        for k in range(3)
    ]
    pointers = [dataset(DimensionIndexPointer=0x00209057), dataset(DimensionIndexPointer=0x00189089)]
    pointers[1].DimensionDescriptionLabel = "Gradient"
    path = write(tmp_path / "b.dcm", enhanced(frames, DimensionIndexSequence=Sequence(pointers)))
    with pytest.raises(ValueError, match=r"it holds 2 stacks .*0: index of Gradient 1; 1: index of Gradient 2"):
        images.read(path)
    np.testing.assert_array_equal(images.read_stack(path, 1)[0], PIXELS[3:])


def test_directions_are_stacks(tmp_path):
    across = {"PlaneOrientationSequence": {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}}
    along = {"PlaneOrientationSequence": {"ImageOrientationPatient": TURN.ravel().tolist()}}
    frames = [frame_item(position(k), **along) for k in range(4)]
    frames += [frame_item([0, 0, 4.0 * k], **across) for k in range(2)]
    shared = shared_item()
    del shared.PlaneOrientationSequence
    path = write(tmp_path / "a.dcm", enhanced(frames, shared=shared))
    with pytest.raises(ValueError, match=r"it holds 2 stacks .*orientation"):
        images.read(path)
    shapes = {images.read_stack(path, number)[1].shape for number in (0, 1)}
    assert shapes == {(4, 5, 4), (2, 5, 4)}


DOSES = np.random.default_rng(1).integers(0, 2**31, (4, 3, 5)).astype(np.uint32)
DOSE_GRID = Geometry(shape=(4, 3, 5), spacing=(GAP, 3.0, 2.0), origin=(30.0, -20.0, 10.0))


@pytest.mark.parametrize("kind", ["relative", "absolute", "downwards", "16 bits"])
def test_doses_are_scaled_and_lie_at_their_offsets(tmp_path, kind):
    pixels, tags, origin = DOSES, {}, 30.0
    if kind == "absolute":
        tags = {"GridFrameOffsetVector": [30, 32.5, 35, 37.5]}
    elif kind == "downwards":
        tags, origin = {"GridFrameOffsetVector": [0, -2.5, -5, -7.5]}, 22.5
    elif kind == "16 bits":
        pixels = (DOSES >> 16).astype(np.uint16)
    array, geometry = images.read(write(tmp_path / "a.dcm", dose(pixels, **tags)))
    expected = pixels * 2.5e-5
    np.testing.assert_array_equal(array, expected[::-1] if kind == "downwards" else expected)
    assert array.dtype == np.float64
    assert geometry.origin[0] == pytest.approx(origin, abs=1e-9)
    assert geometry.shape == (4, 3, 5)
    np.testing.assert_allclose(geometry.spacing, (GAP, 3, 2), rtol=1e-12)


def test_a_dose_of_one_plane_and_of_another_direction(tmp_path):
    tags = {"GridFrameOffsetVector": None, "SliceThickness": 4}
    with pytest.warns(UserWarning, match="has one slice: its SliceThickness, 4 mm, is taken for the distance"):
        array, geometry = images.read(write(tmp_path / "a.dcm", dose(DOSES[:1], **tags)))
    np.testing.assert_array_equal(array, DOSES[:1] * 2.5e-5)
    assert geometry.spacing == (4.0, 3.0, 2.0)
    assert images.read(tmp_path / "a.dcm", spacing=(5, 3, 2))[1].spacing == (5.0, 3.0, 2.0)
    # Head to feet: the normal is along -z, and so are offsets from 0 on.
    path = write(tmp_path / "b.dcm", dose(DOSES, ImageOrientationPatient=[1, 0, 0, 0, -1, 0]))
    geometry = images.read(path)[1]
    np.testing.assert_allclose(np.array(geometry.direction)[:, 0], (-1, 0, 0))
    assert geometry.origin[0] == pytest.approx(30)


COLOURS = np.random.default_rng(2).integers(0, 256, (1, 6, 7, 3)).astype(np.uint8)


def test_captures_are_pictures_of_two_axes(tmp_path):
    grey = PIXELS[:1].astype(np.uint8)
    path = write(tmp_path / "a.dcm", capture(grey))
    text = "DICOM files without a spacing have 1 everywhere, which need not be millimetres; pass `spacing`"
    with pytest.warns(UserWarning, match=text):
        array, geometry = images.read(path)
    np.testing.assert_array_equal(array, grey[0])
    assert geometry == Geometry(shape=(5, 4), spacing=(1.0, 1.0))
    assert images.read(path, spacing=(0.5, 0.25))[1].spacing == (0.5, 0.25)
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        path = write(tmp_path / "b.dcm", capture(COLOURS, **{name: [0.5, 0.25]}))
        array, geometry = images.read(path)
        np.testing.assert_array_equal(array, COLOURS[0])
        assert geometry == Geometry(shape=(6, 7), spacing=(0.5, 0.25))
    with pytest.raises(ValueError, match="`spacing` must be what"):
        images.read(path, spacing=(1, 1))
    ratio = write(tmp_path / "c.dcm", capture(grey, PixelAspectRatio=[2, 1]))
    with pytest.raises(ValueError, match=r"its pixels are not square \(PixelAspectRatio 2:1\), and nothing states how"):
        images.read(ratio)
    assert images.read(ratio, spacing=(2, 1))[1].spacing == (2.0, 1.0)
    several = write(tmp_path / "d.dcm", capture(PIXELS[:3], PixelSpacing=[1, 1]))
    with pytest.raises(ValueError, match=r"it holds 3 stacks of frames or single pictures.*\(0: frame 1; 1: frame 2;"):
        images.read(several)
    np.testing.assert_array_equal(images.read_stack(several, 2)[0], PIXELS[2])


def test_colours_are_channels_whatever_they_are_stored_as(tmp_path):
    planes = COLOURS.transpose(0, 3, 1, 2)
    data = capture(COLOURS, PixelSpacing=[1, 1], PlanarConfiguration=1)
    data.PixelData = planes.tobytes()
    np.testing.assert_array_equal(images.read(write(tmp_path / "a.dcm", data))[0], COLOURS[0])
    data = capture(COLOURS, PixelSpacing=[1, 1], PhotometricInterpretation="YBR_FULL")
    array, _ = images.read(write(tmp_path / "b.dcm", data))
    y, blue, red = np.moveaxis(COLOURS[0].astype(float), -1, 0)
    expected = np.stack([y + 1.402 * (red - 128), y - 0.344136 * (blue - 128) - 0.714136 * (red - 128),
                         y + 1.772 * (blue - 128)], axis=-1)  # fmt: skip
    assert np.abs(array - np.clip(expected, 0, 255)).max() <= 1
    with pytest.raises(ValueError, match=r"^read_labels: .*it has 3 channels"):
        images.read_labels(write(tmp_path / "c.dcm", capture(COLOURS, PixelSpacing=[1, 1])))


def test_a_slice_is_a_series_of_one(tmp_path):
    write_slice(tmp_path / "a.dcm", PIXELS[0], (1, 2, 3), RescaleSlope=2, RescaleIntercept=1)
    with pytest.warns(UserWarning, match="one slice"):
        array, geometry = images.read(tmp_path / "a.dcm")
    with pytest.warns(UserWarning, match="one slice"):
        expected, place = images.read(tmp_path)
    np.testing.assert_array_equal(array, expected)
    assert geometry == place
    with pytest.raises(ValueError, match="`stack` must be below 1"):
        images.read_stack(tmp_path / "a.dcm", 1)


def test_an_object_of_nothing_but_frames_needs_no_more_memory_than_is_allowed(tmp_path):
    path = write(tmp_path / "a.dcm", enhanced([frame_item(position(k)) for k in range(6)]))
    with pytest.raises(ValueError, match="the image takes 240 bytes, and `max_bytes` is 239"):
        images.read(path, max_bytes=239)
    assert images.read(path, max_bytes=240)[0].nbytes == 240


def test_whole_object_makes_no_place(tmp_path):
    data = whole_object(PIXELS, uid.NuclearMedicineImageStorage)
    with pytest.raises(ValueError, match="it holds nuclear medicine, whose frames lie where detectors were"):
        images.read(write(tmp_path / "a.dcm", data))
