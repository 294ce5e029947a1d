"""Segmentations on an enhanced object, whose frames are slices in an order of its own."""

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom import uid

from mia_functional import images
from mia_functional.images import Segment, Segmentation

from .frame_cases import capture, dose, enhanced, frame_item, position, write
from .seg_cases import STUDY, label_scene

ORDER = (3, 0, 5, 1, 4, 2)
"""Which slice each frame is."""

PARTS = tuple(Segment(label=label, name=f"part {label}", algorithm_type="MANUAL") for label in (1, 2, 3))


def stack(path, kind="EnhancedMRImageStorage", *, frames=ORDER, **tags):
    """Write an enhanced object of a study; return its path."""
    own = {name: value for name, value in STUDY.items() if name != "SeriesInstanceUID"} | tags
    items = [frame_item(position(number)) for number in frames]
    pixels = np.zeros((len(items), 5, 4), np.int16)
    data = enhanced(items, pixels, sop_class=getattr(uid, kind), SeriesInstanceUID="1.2.44", Modality="MR", **own)
    return write(path, data)


@pytest.mark.sampled(2)
@pytest.mark.parametrize("kind", ["EnhancedMRImageStorage", "EnhancedCTImageStorage", "EnhancedPETImageStorage"])
@pytest.mark.parametrize("array", [label_scene((6, 5, 4)), np.stack([label_scene((6, 5, 4)) > 0] * 3, axis=-1)],
                         ids=["labels", "channels"])  # fmt: skip
def test_what_is_written_is_read_back_by_us_and_by_highdicom(tmp_path, kind, array):
    (tmp_path / "mr").mkdir()
    source = stack(tmp_path / "mr" / "IM1", kind)
    grid = images.read_geometry(source)
    # The file, or the folder in which it lies alone.
    for number, reference in enumerate((source, source.parent)):
        path = tmp_path / f"{number}.dcm"
        images.write_segmentation(path, Segmentation(array, PARTS, grid), reference)
        found = images.read_segmentation(path, reference, channels=array.ndim > 3)
        np.testing.assert_array_equal(found.array, array)
        assert found.geometry == grid
        assert [(own.label, own.name) for own in found.segments] == [(own.label, own.name) for own in PARTS]
    own = images.read_segmentation(path, channels=array.ndim > 3)
    volume = highdicom.seg.segread(path).get_volume(combine_segments=array.ndim == 3)
    np.testing.assert_array_equal(volume.array[::-1], own.array)
    # Every frame names the frame of the source that lies where it does.
    data = pydicom.dcmread(path)
    for item in data.PerFrameFunctionalGroupsSequence:
        (referred,) = item.DerivationImageSequence[0].SourceImageSequence
        place = position(ORDER[referred.ReferencedFrameNumber - 1])
        np.testing.assert_allclose(item.PlanePositionSequence[0].ImagePositionPatient, place, atol=1e-6)
        assert referred.ReferencedSOPInstanceUID == "1.2.3.4.7"
    assert data.FrameOfReferenceUID == STUDY["FrameOfReferenceUID"]


def test_objects_of_other_kinds_and_frames_of_reference_are_refused(tmp_path):
    source = stack(tmp_path / "a.dcm")
    grid = images.read_geometry(source)
    labels = Segmentation(label_scene((6, 5, 4)), PARTS, grid)
    images.write_segmentation(tmp_path / "seg.dcm", labels, source)
    elsewhere = stack(tmp_path / "b.dcm", FrameOfReferenceUID="1.2.99")
    with pytest.raises(ValueError, match=r"its frame of reference is 1\.2\.42, and that of .* is 1\.2\.99"):
        images.read_segmentation(tmp_path / "seg.dcm", elsewhere)
    plan = write(tmp_path / "dose.dcm", dose(np.ones((6, 5, 4), np.uint16)))
    on_dose = Segmentation(labels.array, PARTS, images.read_geometry(plan))
    with pytest.raises(ValueError, match=r"must be a series, or an object with a frame for each slice; got .* with 1"):
        images.write_segmentation(tmp_path / "x.dcm", on_dose, plan)
    picture = write(tmp_path / "picture.dcm", capture(np.ones((1, 5, 4), np.uint8), PixelSpacing=[0.75, 0.5]))
    flat = Segmentation(labels.array[3], PARTS, images.read_geometry(picture, spacing=(0.75, 0.5)))
    with pytest.raises(ValueError, match=r"or an object with a frame for each slice; got .* which has no place"):
        images.write_segmentation(tmp_path / "x.dcm", flat, picture)
    with pytest.raises(ValueError, match="must be the DICOM series that was segmented"):
        images.write_segmentation(tmp_path / "x.dcm", labels)
    assert not (tmp_path / "x.dcm").exists()
