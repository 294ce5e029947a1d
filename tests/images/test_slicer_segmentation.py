"""Segmentations of 3D Slicer: against slicerio 1.4.0, by hand as older versions wrote them, and what is refused."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slicerio

from mia_functional import dataset, images
from mia_functional.discovery import Entry, Subject
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry, regrid
from mia_functional.images import Code, Segment, Segmentation, read_segmentation, write_segmentation

BUNDLED = Path(slicerio.__file__).parent / "data"

HEADER = """NRRD0004
type: {type}
dimension: {dimension}
space: left-posterior-superior
sizes: {sizes}
space directions: {none}(0.5,0,0) (0,0,2) (0,1,0)
kinds: {kind}domain domain domain
endian: little
encoding: raw
space origin: (10,-20,30)
"""
GRID = Geometry(
    shape=(2, 3, 4), spacing=(1.0, 2.0, 0.5), origin=(30.0, -20.0, 10.0), direction=((0, 1, 0), (1, 0, 0), (0, 0, 1))
)
"""Where a file with that header lies."""


def nrrd(layers, keys="", *, type="unsigned char"):
    """Return the bytes of an NRRD file with layers `(z, y, x, layers)`, or without an axis of them."""
    several = layers.ndim == 4
    header = HEADER.format(
        type=type, dimension=layers.ndim, sizes=" ".join(map(str, (*layers.shape[3:], *layers.shape[2::-1]))),
        none="none " * several, kind="list " * several,
    )  # fmt: skip
    return (header + keys + "\n").encode() + layers.tobytes()


def keys(*segments):
    """Return the keys of segments, given as dictionaries."""
    return "".join(f"Segment{k}_{name}:={text}\n" for k, own in enumerate(segments) for name, text in own.items())


def written(tmp_path, layers, *segments, **options):
    path = tmp_path / "x.seg.nrrd"
    path.write_bytes(nrrd(layers, keys(*segments), **options))
    return path


LAYERS = np.random.default_rng(0).integers(0, 3, (*GRID.shape, 2), np.uint8)


@pytest.mark.parametrize("name", ["Segmentation.seg.nrrd", "SegmentationOverlapping.seg.nrrd"])
def test_bundled_files_are_read_as_slicerio_reads_them(name):
    found = read_segmentation(BUNDLED / name, channels=True)
    expected = slicerio.read_segmentation(str(BUNDLED / name))
    assert len(found.segments) == len(expected["segments"])
    for position, (own, theirs) in enumerate(zip(found.segments, expected["segments"], strict=True)):
        np.testing.assert_array_equal(found.array[..., position].T, slicerio.segment_mask(expected, theirs))
        assert (own.name, own.identifier, own.layer) == (theirs["name"], theirs["id"], theirs["layer"])
        assert own.colour == tuple(theirs["color"])
        terms = theirs["terminology"]
        for code, key in ((own.category, "category"), (own.type, "type"), (own.modifier, "typeModifier")):
            assert (None if code is None else [code.scheme, code.value, code.meaning]) == terms.get(key)
        assert dict(own.tags)["Segmentation.Status"] == theirs["status"]
    affine = expected["ijkToLPS"]
    np.testing.assert_allclose(affine[:3, 3][::-1], found.geometry.origin, rtol=1e-12)
    matrix = np.multiply(found.geometry.direction, found.geometry.spacing)
    np.testing.assert_allclose(affine[:3, :3][::-1, ::-1], matrix, atol=1e-12)
    assert images.read_segments(BUNDLED / name) == found.segments
    # What `read` gives tells overlaps by channels.
    array, grid = images.read(BUNDLED / name)
    assert grid == found.geometry == images.read_geometry(BUNDLED / name)
    if "Overlapping" in name:
        np.testing.assert_array_equal(array, found.array)
        with pytest.raises(
            ValueError, match="its 8 segments overlap or are fractions; `read_segmentation` returns a channel"
        ):
            images.read_labels(BUNDLED / name)
    else:
        np.testing.assert_array_equal(array.T, expected["voxels"])
        np.testing.assert_array_equal(images.read_labels(BUNDLED / name)[0], array)


def test_what_slicerio_writes_is_read(tmp_path):
    rng = np.random.default_rng(1)
    affine = np.diag([0.5, 2.0, 3.0, 1.0])
    affine[:3, 3] = 5, -7, 11
    theirs = slicerio.segmentation.create_segmentation((4, 3, 2), affine)
    masks = rng.random((3, 4, 3, 2)) < 0.4
    terms = {"category": ["SCT", "1", "Tissue"], "type": ["SCT", "2", "Mass"], "anatomicRegion": ["SCT", "3", "Liver"],
             "anatomicRegionModifier": ["SCT", "4", "Left"]}  # fmt: skip
    for position, mask in enumerate(masks):
        slicerio.add_segment(theirs, mask, {"id": f"s{position}", "name": f"part {position}", "terminology": terms})
    path = str(tmp_path / "x.seg.nrrd")
    slicerio.write_segmentation(path, theirs)
    found = read_segmentation(path)
    np.testing.assert_array_equal(np.moveaxis(found.array, -1, 0), masks.transpose(0, 3, 2, 1))
    assert [own.name for own in found.segments] == ["part 0", "part 1", "part 2"]
    assert found.segments[2].region == Code(value="3", scheme="SCT", meaning="Liver")
    assert found.segments[2].region_modifier == Code(value="4", scheme="SCT", meaning="Left")
    assert found.geometry == Geometry(shape=(2, 3, 4), spacing=(3.0, 2.0, 0.5), origin=(11.0, -7.0, 5.0))


def test_values_that_begin_again_in_each_layer_become_labels_of_their_own(tmp_path):
    layers = LAYERS.copy()
    layers[..., 1][layers[..., 0] != 0] = 0
    a, b, c = {"Name": "a", "LabelValue": 2, "Layer": 0}, {"Name": "b", "LabelValue": 1, "Layer": 1}, {"Name": "c"}
    found = read_segmentation(written(tmp_path, layers, a, b, c | {"LabelValue": 1, "Layer": 0}))
    assert [(own.name, own.label, own.layer) for own in found.segments] == [("a", 1, 0), ("b", 2, 1), ("c", 3, 0)]
    # A value of no segment, 2 in the second layer, is background.
    expected = np.select([layers[..., 0] == 2, layers[..., 1] == 1, layers[..., 0] == 1], [1, 2, 3])
    np.testing.assert_array_equal(found.array, expected)
    assert found.array.dtype == np.uint8
    assert found.geometry == GRID
    np.testing.assert_array_equal(images.read_labels(tmp_path / "x.seg.nrrd")[0], expected)
    # Values that are different anyway are the labels.
    found = read_segmentation(written(tmp_path, layers, a, b))
    assert [own.label for own in found.segments] == [2, 1]


def test_up_to_slicer_4_10_every_segment_is_a_layer(tmp_path):
    masks = (LAYERS > 0).astype(np.uint8)
    first = {"ID": "Segment_1", "Name": "liver", "DefaultColor": "1 0.5 0"}
    path = written(tmp_path, masks, first, {"ID": "Segment_2"})
    found = read_segmentation(path)
    np.testing.assert_array_equal(found.array, masks)
    assert [(own.name, own.label, own.layer) for own in found.segments] == [("liver", 1, 0), ("Segment_2", 2, 1)]
    assert found.segments[0].colour == (1.0, 0.5, 0.0)


def test_numbers_of_any_kind_are_labels_if_they_are_whole(tmp_path):
    segment = {"Name": "a", "LabelValue": 300}
    for kind, dtype in (("short", "<i2"), ("unsigned int", "<u4"), ("double", "<f8"), ("int64", "<i8")):
        values = np.where(LAYERS[..., 0] == 1, 300, LAYERS[..., 0]).astype(dtype)
        if dtype != "<u4":
            values[0, 0, 0] = -1
        found = read_segmentation(written(tmp_path, values, segment, type=kind))
        np.testing.assert_array_equal(found.array, np.where(values == 300, 300, 0))
        assert found.array.dtype == np.uint16


def test_a_file_without_segments_is_an_image_and_its_values_are_segments(tmp_path):
    path = written(tmp_path, LAYERS[..., 0])
    assert images.read_segments(path) is None
    np.testing.assert_array_equal(images.read(path)[0], LAYERS[..., 0])
    found = read_segmentation(path)
    assert [(own.label, own.name) for own in found.segments] == [(1, "Segment_1"), (2, "Segment_2")]
    np.testing.assert_array_equal(found.array, LAYERS[..., 0])
    # The layers of one are channels.
    np.testing.assert_array_equal(images.read(written(tmp_path, LAYERS))[0], LAYERS)
    with pytest.raises(ValueError, match="it holds 2 layers, and does not say what they are"):
        read_segmentation(path)


def test_texts_are_unicode_and_line_ends_are_escaped(tmp_path):
    path = written(tmp_path, LAYERS[..., 0], {"Name": rb"L\u00e4sion".decode("unicode_escape") + r"\na\\n"})
    assert read_segmentation(path).segments[0].name == "L\u00e4sion\na\\n"
    path.write_bytes(path.read_bytes().replace("\u00e4".encode(), b"\xe4"))
    assert read_segmentation(path).segments[0].name == "L\u00e4sion\na\\n"


TAGS = "TerminologyEntry:list~SCT^1^Tissue~SCT^2^Mass~^^"
REFUSED = {
    "a surface": ("Segmentation_MasterRepresentation:=Closed surface\n", "it holds a 'Closed surface'; export"),
    "fractions": ("Segmentation_SourceRepresentation:=Fractional labelmap\n", "it holds a 'Fractional labelmap'"),
    "twice": ("Segment0_Name:=b\n", "its header has Segment0_Name twice"),
    "padded twice": ("Segment00_Name:=b\n", "its header has Segment00_Name twice"),
    "layer beyond": ("Segment0_Layer:=2\n", "its segment 0 is in layer 2, and it has 2"),
    "layer below": ("Segment0_Layer:=-1\n", "its segment 0 is in layer -1"),
    "layer in words": ("Segment0_Layer:=first\n", "Segment0_Layer is 'first'"),
    "layer huge": ("Segment0_Layer:=99999999999\n", "Segment0_Layer is '99999999999'"),
    "fourth without a layer": ("Segment4_Name:=e\n", "its segment 4 is in layer 4"),
    "background": ("Segment0_LabelValue:=0\n", "its segment 0 has the value 0; 1 to 1048575 are read"),
    "negative": ("Segment0_LabelValue:=-3\n", "its segment 0 has the value -3"),
    "huge value": ("Segment0_LabelValue:=999999999\n", "its segment 0 has the value 999999999"),
    "fraction as value": ("Segment0_LabelValue:=1.5\n", "Segment0_LabelValue is '1.5'"),
    "one value for two": ("Segment1_Name:=b\nSegment1_Layer:=0\n", "two of its segments have one value in one layer"),
    "colour of two": ("Segment0_Color:=1 0\n", "Segment0_Color is '1 0'"),
    "colour of words": ("Segment0_Color:=red green blue\n", "Segment0_Color is 'red green blue'"),
    "bright colour": ("Segment0_Color:=255 0 0\n", "Segment0_Color is '255 0 0', and colours lie between 0 and 1"),
    "colour of nan": ("Segment0_Color:=nan 0 0\n", "and colours lie between 0 and 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_contradictory_keys_are_refused(tmp_path, name):
    more, reason = REFUSED[name]
    path = tmp_path / "x.seg.nrrd"
    path.write_bytes(nrrd(LAYERS, "Segment0_Name:=a\n" + more))
    for function, read in (("read_segmentation", read_segmentation), ("read", images.read)):
        with pytest.raises(ValueError, match=f"^{function}: `path` must name a complete.*{re.escape(reason)}"):
            read(path)
    with pytest.raises(ValueError, match=r"^read_segments: "):
        images.read_segments(path)


def test_bodies_that_are_no_label_map_are_refused(tmp_path):
    def refuse(path, reason, **options):
        with pytest.raises(ValueError, match=f"^read_segmentation: .*{re.escape(reason)}"):
            read_segmentation(path, **options)

    halves = np.full(GRID.shape, 0.5)
    for values in (halves, halves * np.nan, halves * np.inf, halves * 1e12):
        refuse(written(tmp_path, values, {"Name": "a"}, type="double"), "it holds fractions")
    refuse(written(tmp_path, np.ones((1, 1, 1), np.uint8), {"Name": "a"}), "it holds a single voxel")
    segments = [{"Name": "a", "Layer": k % 2, "LabelValue": k + 1} for k in range(40)]
    refuse(
        written(tmp_path, LAYERS, *segments), "its 40 segments take 960 bytes, and `max_bytes` is 959", max_bytes=959
    )
    refuse(written(tmp_path, LAYERS, segments[0]), "the image takes 48 bytes", max_bytes=47)
    path = written(tmp_path, LAYERS, segments[0])
    path.write_bytes(path.read_bytes()[:-1])
    refuse(path, "the header announces 48 bytes of pixels, and there are 47")
    plane = (HEADER.partition("space:")[0] + "sizes: 3 2\nencoding: raw\n\n").format(type="uchar", dimension=2)
    path.write_bytes(plane.encode() + bytes(6))
    refuse(path, "it has 2 axes in space; segmentations have three")


def test_segments_are_put_onto_the_grid_of_a_reference(tmp_path):
    # 3D Slicer may store the box around its segments alone, or one that is larger than the image.
    path = written(tmp_path, LAYERS[..., 0], {"Name": "a"})
    larger = regrid(GRID, (5, 4, 6), (-2, -1, -1))
    found = read_segmentation(path, larger)
    expected = np.zeros(larger.shape, np.uint8)
    expected[2:4, 1:4, 1:5] = LAYERS[..., 0] == 1
    np.testing.assert_array_equal(found.array, expected)
    assert found.geometry == larger
    images.write(tmp_path / "ct.mha", np.zeros(larger.shape, np.int16), larger)
    found = read_segmentation(path, tmp_path / "ct.mha", channels=True)
    np.testing.assert_array_equal(found.array[..., 0], expected)
    cut = LAYERS[..., 0].copy()
    cut[0] = cut[..., -1] = 0
    path = written(tmp_path, cut, {"Name": "a"})
    np.testing.assert_array_equal(
        read_segmentation(path, regrid(GRID, (1, 3, 3), (1, 0, 0))).array, cut[1:, :, :3] == 1
    )
    with pytest.raises(ValueError, match="`reference` must cover all segments of"):
        read_segmentation(path, regrid(GRID, (1, 3, 3), (0, 0, 0)))
    with pytest.raises(ValueError, match="`reference` must cover all segments of"):
        read_segmentation(path, regrid(GRID, (2, 3, 4), (9, -9, 0)))
    for other in (regrid(GRID, (2, 3, 4), (0, 0.4, 0)), regrid(GRID, (4, 3, 4), (0, 0, 0), factors=(0.5, 1, 1))):
        with pytest.raises(ValueError, match="`reference` must have the voxels of"):
            read_segmentation(path, other)
    with pytest.raises(ValueError, match="on the reference it takes 120 bytes, and `max_bytes` is 119"):
        read_segmentation(path, larger, max_bytes=119)


def test_a_dataset_takes_segments_as_labels(tmp_path):
    images.write(tmp_path / "ct.mha", np.zeros(GRID.shape, np.int16), GRID)
    path = written(tmp_path, LAYERS[..., 0], {"Name": "a"}, {"Name": "b", "LabelValue": 2})
    entries = (
        Entry(category="images", name="CT", path=tmp_path / "ct.mha"),
        Entry(category="labels", name="GT", path=path),
    )
    for metadata_only in (False, True):
        dataset.create(
            tmp_path / "x.h5", [Subject(name="A", entries=entries)], metadata_only=metadata_only, overwrite=True
        )
        whole = dataset.read(dataset.open(tmp_path / "x.h5"), "A", "labels")
        np.testing.assert_array_equal(whole[..., 0], LAYERS[..., 0])


def test_an_evaluation_takes_the_names_of_segments(tmp_path):
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
    # Segments of one name have other values in the prediction.
    whole, core = Segment(label=1, name="whole"), Segment(label=2, name="core")
    write_segmentation(tmp_path / "truth" / "A.seg.nrrd", Segmentation(LAYERS[..., 0], (whole, core), GRID))
    turned = np.array([0, 2, 1])[LAYERS[..., 0]]
    swapped = (replace(core, label=1), replace(whole, label=2))
    write_segmentation(tmp_path / "found" / "A.seg.nrrd", Segmentation(turned, swapped, GRID))
    results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"])
    assert {row.label: row.value for row in results} == {"whole": 1.0, "core": 1.0}
    # Those that overlap are compared as channels.
    masks = np.stack([LAYERS[..., 0] > 0, LAYERS[..., 0] == 1], axis=-1)
    for folder in ("found", "truth"):
        overlapping = Segmentation(masks, (whole, core), GRID)
        write_segmentation(tmp_path / folder / "A.seg.nrrd", overlapping, overwrite=True)
    (row, *_) = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"])
    assert (row.status, "its 2 segments overlap or are fractions" in row.reason) == ("failed", True)
    results = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"], channels={0: "all", 1: "core"})
    assert {row.label: row.value for row in results} == {"all": 1.0, "core": 1.0}


def test_the_bundled_volume_is_read_as_slicerio_reads_it():
    array, grid = images.read(BUNDLED / "CTChest4.nrrd")
    theirs = slicerio.read_volume(str(BUNDLED / "CTChest4.nrrd"))
    np.testing.assert_array_equal(array.T, theirs["voxels"])
    np.testing.assert_allclose(theirs["ijkToLPS"][:3, 3][::-1], grid.origin, rtol=1e-12)
