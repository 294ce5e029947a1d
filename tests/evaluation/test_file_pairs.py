"""Folders as people have them: which files count, whose they are, and what is no pattern."""

import json
import unicodedata

import numpy as np
import pytest

from mia_functional import images
from mia_functional.evaluation import evaluate_folders, select_rows
from mia_functional.evaluation.file_pairs import files_by_subject, folder_of
from mia_functional.geometry import Geometry

from ..discovery.files import touch

GRID = Geometry(shape=(2, 3, 4), spacing=(2.0, 1.0, 0.5))
MASK = np.zeros(GRID.shape, np.uint8)
MASK[0, 1:, 1:3] = 1


def found(location, layout=None):
    """Return the names of the files by subject."""
    files = files_by_subject("evaluate_folders", "predictions", location, layout)
    return {subject: path.rpartition("/")[2] for subject, path in files.items()}


def test_only_images_count_and_names_may_have_points(tmp_path):
    touch(
        tmp_path,
        *("case10.nii.gz", "case2.mhd", "case2.raw", "1.2.840.113619.mha", "a.b.NRRD", "layers.seg.nrrd", "x.nhdr"),
        *("x.raw.gz", "case10.npz", "case10.pkl", "case10.json", "dataset.json", "plans.json", "README.md", "LIESMICH"),
        *("Thumbs.db", "._case10.nii.gz", ".DS_Store", "log.txt", "old/case1.nii.gz"),
    )
    assert found(tmp_path) == {
        "1.2.840.113619": "1.2.840.113619.mha", "a.b": "a.b.NRRD", "case2": "case2.mhd", "case10": "case10.nii.gz",
        "layers": "layers.seg.nrrd", "x": "x.nhdr",
    }  # fmt: skip
    touch(tmp_path, "case2.nii")
    with pytest.raises(ValueError, match=r"`predictions` must hold one file of every subject; got .*case2\.mhd and .*"):
        found(tmp_path)


def test_signs_of_patterns_in_names_that_exist_are_letters(tmp_path):
    folder = tmp_path / "scans [1] {a}? *"
    touch(folder, "A [left].nii.gz", "B?.nii.gz", "GT_[x]/C.mha")
    assert found(folder) == {"A [left]": "A [left].nii.gz", "B?": "B?.nii.gz"}
    assert found(folder / "{subject} [left].nii.gz") == {"A": "A [left].nii.gz"}
    assert found(folder / "GT_[x]" / "{subject}.mha") == {"C": "C.mha"}
    assert found(folder / "GT_[x]/{subject}.*") == {"C": "C.mha"}
    assert folder_of(folder / "GT_[x]/{subject}.*") == folder / "GT_[x]"


def test_the_name_of_a_method_is_that_of_its_folder(tmp_path, monkeypatch):
    (tmp_path / "net").mkdir()
    images.write(tmp_path / "net" / "A.mha", MASK, GRID)
    monkeypatch.chdir(tmp_path / "net")
    for location in (".", "{subject}.mha", f"{tmp_path}/net/", "../net"):
        assert evaluate_folders(location, tmp_path / "net", metrics=["DICE"])[0].method == "net"


def test_spellings_of_an_umlaut_are_one_name(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "Müller") for form in ("NFC", "NFD"))
    for folder, name in (("found", decomposed), ("truth", composed)):
        (tmp_path / folder).mkdir()
        images.write(tmp_path / folder / f"{name}.mha", MASK, GRID)
    (row,) = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"], labels=(1,))
    assert (row.subject, row.value) == (composed, 1)


def test_layouts(tmp_path):
    touch(tmp_path / "nn", "imagesTr/A_0000.nii.gz", "labelsTr/A.nii.gz", "dataset.json", "labelsTs/B.nii.gz")
    assert found(tmp_path / "nn", "nnunet") == {"A": "A.nii.gz"}
    touch(tmp_path / "test", "imagesTs/A_0000.nii.gz", "labelsTs/B.nii.gz")
    assert found(tmp_path / "test", "nnunet") == {"B": "B.nii.gz"}

    cases = [{"image": "./imagesTr/l_1.nii.gz", "label": "./labelsTr/l_1.nii.gz"}]
    touch(tmp_path / "task", "imagesTr/l_1.nii.gz", "labelsTr/l_1.nii.gz", "labelsTr/._l_1.nii.gz")
    (tmp_path / "task" / "dataset.json").write_text(json.dumps({"training": cases}))
    assert found(tmp_path / "task", "decathlon") == {"l_1": "l_1.nii.gz"}

    touch(
        tmp_path / "bids",
        *("sub-01/ses-1/anat/sub-01_ses-1_space-T1w_dseg.nii.gz", "sub-01/ses-1/anat/sub-01_ses-1_T1w.nii.gz"),
        *("sub-01/ses-2/anat/sub-01_ses-2_dseg.nii.gz", "sub-02/anat/sub-02_mask.nii", "dataset_description.json"),
    )
    assert found(tmp_path / "bids", "bids") == {
        "sub-01_ses-1": "sub-01_ses-1_space-T1w_dseg.nii.gz", "sub-01_ses-2": "sub-01_ses-2_dseg.nii.gz",
        "sub-02": "sub-02_mask.nii",
    }  # fmt: skip
    touch(tmp_path / "flat", "sub-01_ses-1_dseg.nii.gz", "sub-02_desc-net_dseg.nii.gz")
    assert list(found(tmp_path / "flat", "bids")) == ["sub-01_ses-1", "sub-02"]

    # Predictions beside a cohort of a layout are a folder as it is.
    touch(tmp_path / "plain", "A.nii.gz", "dataset.json")
    for layout in ("nnunet", "decathlon", "bids"):
        assert found(tmp_path / "plain", layout) == {"A": "A.nii.gz"}


def test_what_is_not_there_is_one_sentence(tmp_path):
    touch(tmp_path, "A/labels.nii.gz", "notes.txt")
    with pytest.raises(
        ValueError, match=r"`predictions` must hold image files, or be a pattern such as .*/\{subject\}/"
    ):
        found(tmp_path)
    assert found(tmp_path / "{subject}/labels.nii.gz") == {"A": "labels.nii.gz"}
    for wrong in ("nowhere", "A/labels.nii.gz", "nowhere/{subject}.nii"):
        with pytest.raises(
            FileNotFoundError, match=r"^evaluate_folders: `predictions` must be a folder; got .*[A-z]\.$"
        ):
            found(tmp_path / wrong)
    with pytest.raises(ValueError, match=r"^evaluate_folders: `folder_layout` must be one of nnunet, decathlon, bids"):
        evaluate_folders(tmp_path, tmp_path, metrics=["DICE"], folder_layout="mine")


def test_labels_may_be_a_file(tmp_path):
    images.write(tmp_path / "A.mha", MASK, GRID)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "one": 1, "all": [1, 2]}}')
    rows = evaluate_folders(tmp_path, tmp_path, metrics=["DICE"], labels=tmp_path / "dataset.json")
    assert [(row.label, row.value) for row in rows] == [("one", 1), ("all", 1)]
    unknown = np.where(np.indices(GRID.shape)[2] > 1, 9, MASK).astype(np.uint8)
    images.write(tmp_path / "B.mha", unknown, GRID)
    (tmp_path / "found").mkdir()
    images.write(tmp_path / "found" / "B.mha", np.maximum(MASK, unknown == 9), GRID)
    (tmp_path / "dataset.json").write_text('{"labels": {"background": 0, "one": 1, "ignore": 9}}')
    options = {"metrics": ["DICE", "HD"], "labels": tmp_path / "dataset.json"}
    rows = select_rows(evaluate_folders(tmp_path / "found", tmp_path, **options), subject="B")
    assert [row.value for row in rows] == [1, 0]
    (tmp_path / "dataset.json").write_text("{}")
    with pytest.raises(ValueError, match=r"^evaluate_folders: `labels` must name a table of labels .*it has no labels"):
        evaluate_folders(tmp_path, tmp_path, metrics=["DICE"], labels=tmp_path / "dataset.json")


@pytest.mark.parametrize("name", ["A.mha", "A.nii.gz"])
def test_channels_hold_structures_that_overlap(tmp_path, name):
    layers = np.stack([MASK, np.roll(MASK, 1, axis=2)], axis=-1).astype(np.float32)
    shifted = np.stack([MASK, MASK], axis=-1)
    for folder, array in (("found", shifted), ("truth", layers)):
        (tmp_path / folder).mkdir()
        images.write(tmp_path / folder / name, array, GRID)
    options = {"metrics": ["DICE", "HDRFDST"], "channels": {1: "heart", 0: "lung"}}
    rows = evaluate_folders(tmp_path / "found", tmp_path / "truth", **options)
    assert [(row.label, row.metric, row.value) for row in rows] == [
        ("heart", "DICE", 0.5), ("heart", "HDRFDST", 0.5), ("lung", "DICE", 1), ("lung", "HDRFDST", 0),
    ]  # fmt: skip
    (row,) = evaluate_folders(tmp_path / "found", tmp_path / "truth", metrics=["DICE"], channels={2: "third"})
    assert row.status == "failed"
    assert "`channels` must be positions on the last axis of shape (2, 3, 4, 2); got (2,)" in row.reason
    images.write(tmp_path / "found" / name, MASK, GRID, overwrite=True)
    rows = evaluate_folders(tmp_path / "found", tmp_path / "truth", **options)
    assert {row.status for row in rows} == {"failed"}
    assert "evaluate_folders: `predictions` must name an image with channels; got one without" in rows[0].reason


def test_any_function_may_read_the_files(tmp_path):
    touch(tmp_path, "A.npy", "B.npy")

    def load(path):
        return MASK * ("A.npy" in path), GRID

    rows = evaluate_folders(tmp_path, tmp_path, metrics=["DICE"], labels=(1,), load=load)
    assert [(row.subject, row.status) for row in rows] == [("A", "ok"), ("B", "undefined")]
