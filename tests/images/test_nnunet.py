"""Preprocessed cases of nnU-Net: what its own code wrote, and what contradicts itself."""

import json
import re
from functools import partial

import blosc2
import numpy as np
import pytest

from mia_functional import dataset, images, indexing
from mia_functional.cli import main
from mia_functional.discovery import discover_nnunet
from mia_functional.evaluation import evaluate_folders
from mia_functional.geometry import Geometry
from mia_functional.images import Segment

from . import nnunet_cases
from .nnunet_cases import DATA, FOLDER, PLANS, SEGMENTATION, SHAPE

pytestmark = pytest.mark.filterwarnings("ignore:read. preprocessed cases of nnU-Net have lost origin and direction")

LABEL_MAP = np.maximum(SEGMENTATION[0], 0)
GRID = Geometry(shape=SHAPE, spacing=(4.0, 1.0, 0.7), direction=((0, 1, 0), (0, 0, 1), (1, 0, 0)))
"""The first axis was the last one of the image, `transpose_forward` says: it runs along x."""


def array_of(home):
    return np.moveaxis(blosc2.open(str(home / "case.b2nd"), mode="r")[:], 0, -1)


def test_voxels_and_spacing_are_those_of_the_case(tmp_path):
    home = nnunet_cases.dataset(tmp_path)
    with pytest.warns(UserWarning, match="have lost origin and direction; all lie at 0"):
        array, grid = images.read(home / "case.b2nd")
    np.testing.assert_array_equal(np.moveaxis(array, -1, 0), DATA)
    assert (array.dtype, grid) == (np.float32, GRID)
    np.testing.assert_array_equal(images.read(home / "case_seg.b2nd")[0], SEGMENTATION[0])
    # -1 is what surrounds the body, and no label.
    array, grid = images.read_labels(home / "case_seg.b2nd")
    np.testing.assert_array_equal(array, LABEL_MAP)
    assert (array.dtype, grid) == (np.int16, GRID)
    assert images.read_geometry(home / "case_seg.b2nd") == GRID
    assert images.read(home / "case.b2nd", spacing=(4.0, 1.0, 0.7))[1] == GRID
    image = images.open(home / "case.b2nd")
    assert (image.shape, image.dtype, image.geometry) == ((*SHAPE, 2), np.float32, GRID)
    for index in ((slice(1, 5), 2, slice(None, None, -2)), (..., 1), (slice(3, 3),), (4, 5, 6, 0)):
        np.testing.assert_array_equal(image[index], array_of(home)[index])
    with pytest.raises(ValueError, match=r"^read: `spacing` must be what .* states, \(4\.0, 1\.0, 0\.7\); got"):
        images.read(home / "case.b2nd", spacing=(4.0, 1.0, 0.8))


def test_the_folder_says_which_configuration_counts(tmp_path, monkeypatch):
    home = nnunet_cases.dataset(tmp_path, folder="nnUNetPlans_3d_lowres")
    monkeypatch.chdir(home)
    assert images.read_geometry("case.b2nd").spacing == (4.0, 2.0, 1.5)
    assert images.read_segments("case_seg.b2nd")[0].name == "liver"
    assert images.read_geometry(home / "case.b2nd").spacing == (4.0, 2.0, 1.5)
    # Plans of another name may share the data.
    (tmp_path / "nnUNetPlans.json").rename(tmp_path / "nnUNetResEncUNetMPlans.json")
    assert images.read_geometry(home / "case.b2nd").spacing == (4.0, 2.0, 1.5)
    (tmp_path / "nnUNetResEncUNetMPlans.json").unlink()
    with pytest.warns(UserWarning, match="B2ND files without a spacing have 1 everywhere"):
        grid = images.read_geometry(home / "case.b2nd")
    assert grid == Geometry(shape=SHAPE, spacing=(1.0, 1.0, 1.0))
    assert images.read_geometry(home / "case.b2nd", spacing=(3.0, 2.0, 1.0)).spacing == (3.0, 2.0, 1.0)


def test_plans_of_slices_need_the_distance_of_slices(tmp_path):
    home = nnunet_cases.dataset(tmp_path, folder="nnUNetPlans_2d")
    with pytest.raises(ValueError, match="of single slices, and state no distance of them; pass `spacing`"):
        images.read(home / "case.b2nd")
    assert images.read(home / "case.b2nd", spacing=(5.0, 1.0, 0.7))[1].spacing == (5.0, 1.0, 0.7)
    with pytest.raises(ValueError, match="`spacing` must be what"):
        images.read(home / "case.b2nd", spacing=(5.0, 1.0, 1.0))
    nnunet_cases.save(home / "photo.b2nd", DATA[:, :1], chunks=(1, 1, 6, 7), blocks=(1, 1, 6, 7))
    assert images.read(home / "photo.b2nd")[1].spacing == (1.0, 1.0, 0.7)


BAD_PLANS = {
    "no numbers": ({"spacing": "4 1 0.7"}, {}, "it states the spacing 4 1 0.7"),
    "too many": ({"spacing": [1, 1, 1, 1]}, {}, "it states the spacing [1, 1, 1, 1]"),
    "zero": ({"spacing": [0, 1, 1]}, {}, "it states the spacing [0, 1, 1]"),
    "nan": ({"spacing": [float("nan"), 1, 1]}, {}, "it states the spacing [nan, 1, 1]"),
    "huge": ({"spacing": [10**400, 1, 1]}, {}, "it states the spacing [1000"),
    "truths": ({"spacing": [True, 1, 1]}, {}, "it states the spacing [True, 1, 1]"),
    "axis twice": ({}, {"transpose_forward": [0, 0, 1]}, "its transpose_forward is [0, 0, 1]"),
    "axis in words": ({}, {"transpose_forward": "zyx"}, "its transpose_forward is zyx"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PLANS)
def test_plans_that_contradict_themselves_are_refused(tmp_path, name):
    settings, more, reason = BAD_PLANS[name]
    own = {**PLANS["configurations"]["3d_fullres"], **settings}
    home = nnunet_cases.dataset(tmp_path, plans={**PLANS, "configurations": {"3d_fullres": own}, **more})
    with pytest.raises(ValueError, match=rf"nnUNetPlans\.json: {re.escape(reason)}"):
        images.read(home / "case.b2nd")


def test_files_beside_that_are_no_plans_are_passed_over(tmp_path):
    home = nnunet_cases.dataset(tmp_path)
    circle = {"a": {"inherits_from": "b"}, "b": {"inherits_from": "a"}, "c": {"inherits_from": ["a"]}, "d": 7}
    for name, text in {
        "circle": json.dumps({"configurations": circle}), "list": "[1]", "deep": "[" * 10**5, "binary": "\x00\xff",
        "cut": '{"configurations": ', "flat": '{"configurations": [1]}', "splits_final": "{",
    }.items():  # fmt: skip
        (tmp_path / f"{name}.json").write_text(text, encoding="latin-1")
    (tmp_path / "folder.json").mkdir()
    assert images.read_geometry(home / "case.b2nd") == GRID
    (tmp_path / "other.json").write_text(json.dumps({**PLANS, "transpose_forward": [0, 1, 2]}))
    with pytest.raises(ValueError, match=r"disagree on its spacing: nnUNetPlans\.json, other\.json"):
        images.read(home / "case.b2nd")


def test_segments_have_the_names_of_the_dataset(tmp_path):
    home = nnunet_cases.dataset(tmp_path)
    segments = (Segment(label=1, name="liver"), Segment(label=2, name="tumour"))
    assert images.read_segments(home / "case_seg.b2nd") == segments
    assert images.read_segments(home / "case.b2nd") is None
    found = images.read_segmentation(home / "case_seg.b2nd")
    np.testing.assert_array_equal(found.array, LABEL_MAP)
    assert (found.array.dtype, found.segments, found.geometry) == (np.uint8, segments, GRID)
    found = images.read_segmentation(home / "case_seg.b2nd", channels=True)
    np.testing.assert_array_equal(found.array, np.stack([SEGMENTATION[0] == 1, SEGMENTATION[0] == 2], axis=-1))
    with pytest.raises(ValueError, match="`reference` must be left out for preprocessed cases"):
        images.read_segmentation(home / "case_seg.b2nd", GRID)
    with pytest.raises(ValueError, match=r"it holds float32 of shape \(5, 6, 7, 2\), and no segmentation"):
        images.read_segmentation(home / "case.b2nd")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": {str(k): str(k) for k in range(4)}}))
    with pytest.raises(ValueError, match="its 3 segments take 630 bytes, and `max_bytes` is 629"):
        images.read_segmentation(home / "case_seg.b2nd", channels=True, max_bytes=629)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        ({"0": "background", "1": "liver", "2": "tumour"}, ["liver", "tumour"]),
        ({"background": 0, "liver": 1, "tumour": 2, "ignore": 3}, ["liver", "tumour"]),
        ({"background": 0, "whole": [1, 2], "tumour": 2}, None),
        ({"background": 0, "liver": 1, "again": 1}, None),
        ({"background": 0, "liver": 10**9}, None),
        ([1, 2], None),
    ],
)
def test_labels_of_either_version(tmp_path, labels, names):
    home = nnunet_cases.dataset(tmp_path, labels=labels)
    found = images.read_segments(home / "case_seg.b2nd")
    assert (found and [segment.name for segment in found]) == names
    if names is None:
        found = images.read_segmentation(home / "case_seg.b2nd").segments
        assert [(segment.label, segment.name) for segment in found] == [(1, "Segment_1"), (2, "Segment_2")]


def archive(tmp_path, version):
    """Make the archive of a case as a version of nnU-Net does; return it."""
    folder = "nnUNetData_plans_v2.1_stage0" if version == 1 else FOLDER
    home = nnunet_cases.dataset(tmp_path, folder=folder)
    for name in ("case.b2nd", "case_seg.b2nd"):
        (home / name).unlink()
    if version == 1:
        np.savez_compressed(home / "case.npz", data=np.concatenate([DATA, SEGMENTATION.astype(np.float32)]))
    else:
        np.savez_compressed(home / "case.npz", data=DATA, seg=SEGMENTATION.astype(np.int8))
    return home / "case.npz"


@pytest.mark.parametrize("version", [1, 2])
def test_archives_hold_an_image_and_its_labels(tmp_path, version):
    path = archive(tmp_path, version)
    spacing = (4.0, 1.0, 0.7)
    array, grid = images.read(path, spacing=spacing)
    np.testing.assert_array_equal(np.moveaxis(array, -1, 0), DATA)
    labels, same = images.read_labels(path, spacing=spacing)
    np.testing.assert_array_equal(labels, LABEL_MAP)
    assert labels.dtype == (np.int32 if version == 1 else np.int8)
    assert grid == same
    assert grid.spacing == spacing
    assert images.read_segments(path) == (Segment(label=1, name="liver"), Segment(label=2, name="tumour"))
    if version == 2:
        found = images.read_segmentation(path)
        np.testing.assert_array_equal(found.array, LABEL_MAP)
        assert found.geometry == GRID
    # Another archive of one array is what it was.
    np.savez(tmp_path / "x.npz", data=DATA)
    np.testing.assert_array_equal(images.read(tmp_path / "x.npz")[0], DATA)
    np.savez(path, data=DATA[0], seg=SEGMENTATION[0])
    for read in (images.read, images.read_labels):
        with pytest.raises(ValueError, match="arrays of nnU-Net have channels and three axes"):
            read(path)


@pytest.mark.filterwarnings("ignore:read. NPZ files without a spacing")
@pytest.mark.parametrize("kind", ["b2nd", 1, 2])
def test_a_preprocessed_folder_is_a_cohort(tmp_path, kind):
    home = nnunet_cases.dataset(tmp_path) if kind == "b2nd" else archive(tmp_path, kind).parent
    (subject,) = discover_nnunet(home)
    assert subject.name == "case"
    for metadata_only in (False, True):
        path = tmp_path / f"{metadata_only}.h5"
        dataset.create(path, [subject], metadata_only=metadata_only)
        cohort = dataset.open(path)
        np.testing.assert_array_equal(np.moveaxis(dataset.read(cohort, "case", "images"), -1, 0), DATA)
        np.testing.assert_array_equal(dataset.read(cohort, "case", "labels")[..., 0], LABEL_MAP)
        cut = partial(indexing.patches, patch_shape=(2, 3, 4))
        patches = dataset.samples(cohort, indexing=cut, extract=["images", "labels"])
        part = (slice(0, 2), slice(0, 3), slice(0, 4))
        np.testing.assert_array_equal(patches[0]["images"], np.moveaxis(DATA, 0, -1)[part])
        np.testing.assert_array_equal(patches[0]["labels"][..., 0], LABEL_MAP[part])
    assert not (home / "opened").exists()
    layout = "nnunet" if kind == "b2nd" else None
    results = evaluate_folders(home, home, metrics=["DICE"], labels={1: "liver"}, folder_layout=layout)
    assert [(row.subject, row.label, row.value) for row in results] == [("case", "liver", 1.0)]


def test_a_folder_of_both_kinds_is_refused(tmp_path):
    home = nnunet_cases.dataset(tmp_path)
    np.savez(home / "other.npz", data=DATA, seg=SEGMENTATION)
    with pytest.raises(ValueError, match="`root` must hold preprocessed cases of one kind"):
        discover_nnunet(home)
    (home / "other.npz").unlink()
    (home / "case_seg.b2nd").unlink()
    with pytest.raises(FileNotFoundError, match=r"case_seg\.b2nd, which is labels GT, does not exist"):
        discover_nnunet(home)


def test_the_command_describes_cases(tmp_path, capsys):
    home = nnunet_cases.dataset(tmp_path)
    assert main(["info", str(home / "case.b2nd")]) in (0, None)
    assert capsys.readouterr().out.splitlines()[1] == "spacing in mm: 4 x 1 x 0.7"
    assert main(["info", str(home / "case_seg.b2nd")]) in (0, None)
    assert "liver" in capsys.readouterr().out
