"""Label images of OME-Zarr: names and colours of labels, beside an image or alone, read and written."""

import numpy as np
import pytest
import zarr

from mia_functional import images
from mia_functional.geometry import Geometry
from mia_functional.images import Code, Segment, Segmentation

from .cases import oblique
from .zarr_cases import ARRAY, describe, group_fields, image_attributes, put_image

ONE = [((3, 2, 1), (0, 0, 0))]
LABELS = np.where(ARRAY % 5 == 0, 7, np.where(ARRAY % 3 == 0, 300, 0)).astype(np.int32)
METADATA = {
    "version": "0.5", "source": {"image": "../../"},
    "properties": [{"label-value": 300, "name": "liver", "area": 5}, {"label-value": 7, "class": "spleen"},
                   {"label-value": 0, "name": "background"}],
    "colors": [{"label-value": 7, "rgba": [255, 0, 51, 128]}, {"label-value": 0, "rgba": [0, 0, 0, 0]}],
}  # fmt: skip


def put_labels(folder, metadata=METADATA, labels=LABELS):
    """Write a label image."""
    attributes = image_attributes(levels=ONE)
    attributes["ome"]["image-label"] = metadata
    return put_image(folder, labels, attributes=attributes)


def put_beside(store, *names):
    """Write an image with label images beside it."""
    put_image(store, ARRAY, levels=ONE)
    describe(store / "labels", "zarr.json", group_fields({"ome": {"version": "0.5", "labels": list(names)}}))
    for name in names:
        put_labels(store / "labels" / name)
    return store


def test_names_and_colours_are_those_of_the_metadata(tmp_path):
    store = put_beside(tmp_path / "a.ome.zarr", "organs")
    path = store / "labels" / "organs"
    listed = images.read_segments(path)
    assert listed == (Segment(label=300, name="liver"), Segment(label=7, name="spleen", colour=(1, 0, 0.2)))
    assert images.read_segments(store) is None
    for named in (path, store):
        array, segments, geometry = images.read_segmentation(named)
        assert segments == listed
        assert array.dtype == np.uint16
        np.testing.assert_array_equal(array, LABELS)
        assert geometry.spacing == (3, 2, 1)
    masks = images.read_segmentation(path, channels=True).array
    np.testing.assert_array_equal(masks, np.stack([LABELS == 300, LABELS == 7], axis=-1))
    np.testing.assert_array_equal(images.read_labels(path)[0], LABELS)


def test_labels_are_put_onto_a_reference(tmp_path):
    path = put_labels(tmp_path / "a.ome.zarr")
    larger = Geometry(shape=(6, 7, 8), spacing=(3, 2, 1), origin=(-3, -2, 0))
    array, _, geometry = images.read_segmentation(path, larger)
    assert geometry == larger
    np.testing.assert_array_equal(array[1:5, 1:6, :6], LABELS)
    with pytest.raises(ValueError, match="`reference` must have the voxels of"):
        images.read_segmentation(path, Geometry(shape=(6, 7, 8), spacing=(3, 2, 2)))


def test_labels_without_names_are_numbered(tmp_path):
    path = put_labels(tmp_path / "a.ome.zarr", {"colors": [{"label-value": 7, "rgba": [0, 0, 255, 255]}]})
    assert images.read_segments(path) == (Segment(label=7, name="Segment_7", colour=(0, 0, 1)),)
    names = [(own.label, own.name) for own in images.read_segmentation(path).segments]
    assert names == [(7, "Segment_7"), (300, "Segment_300")]
    assert images.read_segments(put_labels(tmp_path / "b.ome.zarr", {})) is None


@pytest.mark.parametrize(
    ("metadata", "labels", "words"),
    [
        ({"colors": [{"label-value": True, "rgba": [0, 0, 0, 0]}]}, LABELS, "its colors of labels name True"),
        ({"properties": [{"label-value": 1.5}]}, LABELS, "its properties of labels name 1.5"),
        ({"properties": [{"label-value": 1}] * 2}, LABELS, "or one twice"),
        ({"properties": [5]}, LABELS, "its properties of labels name None"),
        ({"colors": [{"label-value": 1, "rgba": "red"}]}, LABELS, "the colour of its label 1 is none"),
        ({"colors": [{"label-value": 1, "rgba": [0, 0, 256]}]}, LABELS, "the colour of its label 1 is none"),
        ({}, LABELS.astype(np.float32), "label images have one whole number for each voxel"),
        ({}, -LABELS, "it holds the label -300"),
    ],
)
def test_what_is_no_label_image_is_refused(tmp_path, metadata, labels, words):
    path = put_labels(tmp_path / "a.ome.zarr", metadata, labels)
    with pytest.raises(ValueError, match=rf"^read_segmentation: `path` must name .*{words}"):
        images.read_segmentation(path)


def test_one_of_several_label_images_has_to_be_named(tmp_path):
    store = put_beside(tmp_path / "a.ome.zarr", "organs", "lesions")
    with pytest.raises(ValueError, match="it has the label images organs, lesions; name one of them"):
        images.read_segmentation(store)
    describe(store / "labels", "zarr.json", group_fields({"labels": ["../../b.ome.zarr"]}))
    with pytest.raises(ValueError, match="which is no path in its folder"):
        images.read_segmentation(store)


SEGMENTS = (
    Segment(label=300, name="liver", type=Code(value="10200004", scheme="SCT", meaning="Liver"),
            algorithm_type="AUTOMATIC", algorithm="net"),
    Segment(label=7, name="spleen", colour=(1.0, 0.2, 0.0)),
)  # fmt: skip


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.nii.zarr"])
def test_segmentations_come_back(tmp_path, name):
    grid = oblique(LABELS.shape, seed=1)
    if name == "a.ome.zarr":
        grid = Geometry(shape=grid.shape, spacing=grid.spacing, origin=grid.origin)
    images.write_segmentation(tmp_path / name, Segmentation(LABELS, SEGMENTS, grid))
    array, segments, geometry = images.read_segmentation(tmp_path / name)
    np.testing.assert_array_equal(array, LABELS)
    assert segments == SEGMENTS
    np.testing.assert_allclose(geometry.origin, grid.origin, atol=1e-6)
    stored = zarr.open_group(tmp_path / name, mode="r").attrs["ome"]["image-label"]
    assert stored["colors"] == [{"label-value": 7, "rgba": [255, 51, 0, 255]}]
    assert stored["properties"][1] == {"label-value": 7, "name": "spleen"}


PLAIN = Geometry(shape=LABELS.shape, spacing=(1, 1, 1))


@pytest.mark.parametrize(
    ("segmentation", "words"),
    [
        (Segmentation(LABELS, SEGMENTS[:1], PLAIN), "a segment for every label"),
        (Segmentation(LABELS, SEGMENTS * 2, PLAIN), "a label of its own"),
        (Segmentation(LABELS[..., None], SEGMENTS, PLAIN), "a label map for Zarr"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, segmentation, words):
    with pytest.raises(ValueError, match=f"^write_segmentation: `segmentation` must have .*{words}"):
        images.write_segmentation(tmp_path / "a.ome.zarr", segmentation)
    with pytest.raises(ValueError, match=r"^write_segmentation: `segmentation` must have axes along"):
        images.write_segmentation(tmp_path / "a.ome.zarr", Segmentation(LABELS, SEGMENTS, oblique(LABELS.shape)))
    assert not any(tmp_path.iterdir())
