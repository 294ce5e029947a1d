"""Segmentations for 3D Slicer: read back by us and by slicerio 1.4.0, and by Slicer's rules."""

import importlib
import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import slicerio
from hypothesis import given, settings
from hypothesis import strategies as st

from mia_functional import images
from mia_functional.geometry import Geometry, regrid
from mia_functional.images import Code, Segment, Segmentation, read_segmentation, write_segmentation
from mia_functional.images.slicer_writing import write_slicer_segments

TURN = ((0.0, 0.6, 0.8), (1.0, 0.0, 0.0), (0.0, -0.8, 0.6))
GRID = Geometry(shape=(3, 4, 5), spacing=(2.5, 0.7, 1 / 3), origin=(1e-7, -123.456789, 1 / 7), direction=TURN)
MASKS = np.random.default_rng(3).random((*GRID.shape, 3)) < 0.3
LIVER = Segment(
    label=1, name="liver", colour=(0.1, 1 / 3, 1.0), identifier="2.25.7",
    category=Code(value="123037004", scheme="SCT", meaning="Anatomical Structure"),
    type=Code(value="10200004", scheme="SCT", meaning="Liver"),
    region=Code(value="1", scheme="99X", meaning="here"),
    tags=(("Segmentation.Status", "completed"), ("note", "a:b c")),
)  # fmt: skip
TUMOUR = Segment(label=7, name="tumour", modifier=Code(value="7771000", scheme="SCT", meaning="Left"))
VESSEL = Segment(label=300, name="vessel \\ n\n2")


def keys_of(path):
    """Return the user's keys of an NRRD file."""
    header = path.read_bytes().partition(b"\n\n")[0].decode()
    return dict(line.split(":=", 1) for line in header.splitlines() if ":=" in line)


def test_overlapping_segments_come_back(tmp_path):
    path = tmp_path / "x.seg.nrrd"
    write_segmentation(path, Segmentation(MASKS, (LIVER, TUMOUR, VESSEL), GRID))
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.array, MASKS)
    expected = (
        LIVER,
        replace(TUMOUR, layer=1, identifier="Segment_7"),
        replace(VESSEL, layer=2, identifier="Segment_300"),
    )
    assert found.segments == expected
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(getattr(found.geometry, name), getattr(GRID, name), rtol=0, atol=1e-12)
    theirs = slicerio.read_segmentation(str(path))
    affine = np.array(theirs["ijkToLPS"])
    np.testing.assert_allclose(affine[:3, :3][::-1, ::-1], np.multiply(GRID.direction, GRID.spacing), atol=1e-12)
    np.testing.assert_allclose(affine[:3, 3][::-1], GRID.origin, atol=1e-12)
    for position, segment in enumerate(theirs["segments"]):
        np.testing.assert_array_equal(slicerio.segment_mask(theirs, segment).T, MASKS[..., position])
    assert theirs["masterRepresentation"] == "Binary labelmap"
    assert theirs["containedRepresentationNames"] == ["Binary labelmap"]
    assert theirs["referenceImageExtentOffset"] == [0, 0, 0]
    liver = theirs["segments"][0]
    assert (liver["id"], liver["name"], liver["color"]) == ("2.25.7", "liver", [0.1, 1 / 3, 1.0])
    assert liver["terminology"]["type"] == ["SCT", "10200004", "Liver"]
    assert liver["terminology"]["anatomicRegion"] == ["99X", "1", "here"]
    assert (liver["status"], liver["tags"]) == ("completed", {"note": "a:b c"})


@pytest.mark.parametrize("library", ["uint8", "int64", "bool", "torch", "array_api_strict"])
def test_a_label_map_is_one_layer(tmp_path, library):
    values = np.array([0, 1, 1] if library == "bool" else [0, 1, 7])
    labels = values[np.random.default_rng(2).integers(0, 3, GRID.shape)]
    array = (
        importlib.import_module(library).asarray(labels)
        if library in ("torch", "array_api_strict")
        else labels.astype(library)
    )
    path = tmp_path / "x.seg.nrrd"
    write_segmentation(path, Segmentation(array, (LIVER, TUMOUR), GRID))
    assert b"dimension: 3\n" in path.read_bytes()
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.array, labels)
    np.testing.assert_array_equal(images.read(path)[0], labels)
    np.testing.assert_array_equal(slicerio.read_segmentation(str(path))["voxels"].T, labels)
    # Equal segmentations are equal files, and what is there is kept.
    write_segmentation(tmp_path / "y.seg.nrrd", Segmentation(array, (LIVER, TUMOUR), GRID))
    assert (tmp_path / "y.seg.nrrd").read_bytes() == path.read_bytes()
    with pytest.raises(FileExistsError, match="write_segmentation: "):
        write_segmentation(path, Segmentation(array, (LIVER, TUMOUR), GRID))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_there_are_layers_only_where_segments_overlap(tmp_path_factory, data):
    count = data.draw(st.integers(1, 5))
    bits = data.draw(st.lists(st.booleans(), min_size=12 * count, max_size=12 * count))
    masks = np.reshape(bits, (2, 2, 3, count))
    labels = data.draw(st.lists(st.integers(1, 400), min_size=count, max_size=count, unique=True))
    grid = Geometry(shape=(2, 2, 3), spacing=(3.0, 2.0, 1.0))
    path = tmp_path_factory.mktemp("laws") / "x.seg.nrrd"
    segments = tuple(Segment(label=label, name=f"s{label}") for label in labels)
    write_slicer_segments(path, Segmentation(masks, segments, grid), None)  # without waiting for the disk
    found = read_segmentation(path, channels=True)
    np.testing.assert_array_equal(found.array, masks)
    assert [own.label for own in found.segments] == labels
    overlaps = [(a, b) for a, b in combinations(range(count), 2) if (masks[..., a] & masks[..., b]).any()]
    layers = [own.layer for own in found.segments]
    assert (max(layers) > 0) == bool(overlaps)
    assert all(layers[a] != layers[b] for a, b in overlaps)
    assert set(layers) == set(range(max(layers) + 1))
    # Versions of 3D Slicer cut a layer to the extent of its first segment.
    stated = keys_of(path)
    for position, layer in enumerate(layers):
        ends = list(map(int, stated[f"Segment{position}_Extent"].split()))
        union = masks[..., [other for other, own in enumerate(layers) if own == layer]].any(axis=-1)
        held = np.argwhere(union)[:, ::-1]
        expected = [
            end for axis in range(3) for end in ((held[:, axis].min(), held[:, axis].max()) if len(held) else (0, -1))
        ]
        assert ends == expected
    kinds = b"kinds: list domain domain domain\n" if overlaps else b"kinds: domain domain domain\n"
    assert kinds in path.read_bytes()
    assert len({stated[f"Segment{position}_ID"] for position in range(count)}) == count


def test_a_part_of_an_image_says_which(tmp_path):
    image = regrid(GRID, (9, 8, 7), (-4, -3, -2))
    images.write(tmp_path / "ct.mha", np.zeros(image.shape, np.uint8), image)
    path = tmp_path / "x.seg.nrrd"
    segmentation = Segmentation(MASKS[..., :1], (LIVER,), GRID)
    write_segmentation(path, segmentation, tmp_path / "ct.mha")
    assert keys_of(path)["Segmentation_ReferenceImageExtentOffset"] == "2 3 4"
    found = read_segmentation(path, tmp_path / "ct.mha")
    np.testing.assert_array_equal(found.array[4:7, 3:7, 2:7], MASKS[..., 0])
    images.write(tmp_path / "mr.mha", np.zeros(GRID.shape, np.uint8), replace(GRID, origin=(0.3, -123.456789, 1 / 7)))
    with pytest.raises(ValueError, match="`reference` must have the voxels of the segmentation"):
        write_segmentation(tmp_path / "y.seg.nrrd", segmentation, tmp_path / "mr.mha")
    assert not (tmp_path / "y.seg.nrrd").exists()


ONE = np.zeros(GRID.shape, np.uint8)
BAR = Code(value="1", scheme="SCT", meaning="a|b")
REFUSED = {
    "one voxel": (ONE[:1, :1, :1], [LIVER], "lie on three axes with more than one voxel"),
    "two axes": (ONE[0], [LIVER], "lie on three axes"),
    "unnamed label": (ONE + 2, [LIVER], "have a segment for every label; got [2]"),
    "fractions": (MASKS[..., :1] * 0.5, [LIVER], "have masks of 0 and 1 as channels; got [0.5]"),
    "texts": (ONE.astype(str), [LIVER], "have an array of labels or masks"),
    "channels": (MASKS, [LIVER], "have an array of shape (3, 4, 5), or 1 channels of it"),
    "label 0": (ONE, [replace(LIVER, label=0)], "have a label of its own, from 1 to 1048575, for every segment"),
    "label twice": (ONE, [LIVER, replace(TUMOUR, label=1)], "have a label of its own"),
    "name": (ONE, [replace(LIVER, name="")], "have a name for every segment"),
    "identifiers": (ONE, [LIVER, replace(TUMOUR, identifier="2.25.7")], "have an identifier of its own"),
    "control": (ONE, [replace(LIVER, name="a\tb\r")], "have texts without control characters"),
    "meaning": (ONE, [replace(LIVER, type=BAR)], "have codes and tags without |, ~ and ^"),
    "tag": (ONE, [replace(LIVER, tags=(("a:b", "c"),))], "have tags whose names are without a colon"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_slicer_cannot_hold_is_refused(tmp_path, name):
    array, segments, reason = REFUSED[name]
    shape = array.shape if name in ("one voxel", "two axes") else GRID.shape
    segmentation = Segmentation(array, tuple(segments), Geometry(shape=shape, spacing=(1.0,) * len(shape)))
    with pytest.raises(ValueError, match=rf"^write_segmentation: `segmentation` must .*{re.escape(reason)}"):
        write_segmentation(tmp_path / "x.seg.nrrd", segmentation)
    assert not list(tmp_path.iterdir())
