"""Folders of well-known layouts: BIDS, the Decathlon, nnU-Net, and tables of paths."""

import json

import pytest

from mia_functional import dataset

from .files import listed, touch


def test_a_table_of_paths(tmp_path):
    touch(tmp_path, "x/1.mha", "x/2.mha")
    (tmp_path / "cohort.tsv").write_text("id\tt1\tage\nB\tx/2.mha\t7\nA\tx/1.mha\t8\n")
    options = {"paths": {"images": {"T1": "t1"}}, "columns": {"numerical": {"AGE": "age"}}}
    found = dataset.discover_table(tmp_path / "cohort.tsv", **options)
    assert listed(found, tmp_path) == {
        "B": [("images", "T1", "x/2.mha"), ("numerical", "AGE", 7.0)],
        "A": [("images", "T1", "x/1.mha"), ("numerical", "AGE", 8.0)],
    }
    assert dataset.discover_table(tmp_path / "cohort.tsv", root=tmp_path, **options) == found
    (tmp_path / "x" / "1.mha").unlink()
    with pytest.raises(FileNotFoundError, match=r"x/1\.mha, which is images T1, does not exist"):
        dataset.discover_table(tmp_path / "cohort.tsv", **options)


def test_bids_with_and_without_sessions(tmp_path):
    touch(
        tmp_path, "sub-02/anat/sub-02_T1w.nii.gz", "sub-02/anat/sub-02_T2w.nii", "sub-02/func/sub-02_bold.nii.gz",
        *(f"sub-01/ses-{k}/anat/sub-01_ses-{k}_T{t}w.nii.gz" for k in (2, 10) for t in (1, 2)),
    )  # fmt: skip
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t41\nsub-02\t52\n")
    found = dataset.discover_bids(
        tmp_path, {"images": {"T1": "T1w", "T2": "T2w"}}, columns={"numerical": {"AGE": "age"}}
    )
    table = listed(found, tmp_path)
    assert list(table) == ["sub-01_ses-2", "sub-01_ses-10", "sub-02"]
    assert table["sub-01_ses-10"][1] == ("images", "T2", "sub-01/ses-10/anat/sub-01_ses-10_T2w.nii.gz")
    assert table["sub-02"][1:] == [("images", "T2", "sub-02/anat/sub-02_T2w.nii"), ("numerical", "AGE", 52.0)]
    touch(tmp_path, "sub-02/anat/sub-02_run-2_T1w.nii.gz")
    with pytest.raises(ValueError, match=r"got 2 for T1w in .*sub-02: .*sub-02_T1w\.nii\.gz, .*run-2_T1w\.nii\.gz"):
        dataset.discover_bids(tmp_path, {"images": {"T1": "T1w"}})
    with pytest.raises(ValueError, match="got 0 for FLAIR"):
        dataset.discover_bids(tmp_path, {"images": {"F": "FLAIR"}})
    with pytest.raises(ValueError, match="hold folders `sub-"):
        dataset.discover_bids(tmp_path / "sub-02" / "anat", {"images": {"T1": "T1w"}})


def test_decathlon(tmp_path):
    touch(tmp_path, "imagesTr/la_007.nii.gz", "labelsTr/la_007.nii.gz", "imagesTs/la_001.nii.gz")
    facts = {
        "modality": {"0": "MRI"},
        "training": [{"image": "./imagesTr/la_007.nii.gz", "label": "./labelsTr/la_007.nii.gz"}],
        "test": ["./imagesTs/la_001.nii.gz"],
    }
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    found = listed(dataset.discover_decathlon(tmp_path), tmp_path)
    expected = [("images", "IMAGE", "imagesTr/la_007.nii.gz"), ("labels", "GT", "labelsTr/la_007.nii.gz")]
    assert found == {"la_007": expected}
    found = listed(dataset.discover_decathlon(tmp_path, split="test"), tmp_path)
    assert found == {"la_001": [("images", "IMAGE", "imagesTs/la_001.nii.gz")]}
    for name in ("/etc/passwd", "../secret.nii"):
        (tmp_path / "dataset.json").write_text(json.dumps({"training": [{"image": name}]}))
        with pytest.raises(ValueError, match="names files below it"):
            dataset.discover_decathlon(tmp_path)
    for case in (5, {"x": "y"}, {"image": 1}):
        (tmp_path / "dataset.json").write_text(json.dumps({"training": [case]}))
        with pytest.raises(ValueError, match="names the files of cases"):
            dataset.discover_decathlon(tmp_path)


def test_nnunet(tmp_path):
    touch(tmp_path, *(f"imagesTr/case_{c}_000{k}.nrrd" for c in "12" for k in (0, 1)), "imagesTs/new_0000.nrrd")
    touch(tmp_path, "labelsTr/case_1.nrrd", "labelsTr/case_2.nrrd", "imagesTs/new_0001.nrrd")
    facts = {"channel_names": {"0": "T2", "1": "ADC"}, "labels": {"background": 0}, "file_ending": ".nrrd"}
    (tmp_path / "dataset.json").write_text(json.dumps(facts))
    found = listed(dataset.discover_nnunet(tmp_path), tmp_path)
    assert list(found) == ["case_1", "case_2"]
    assert found["case_2"] == [
        ("images", "T2", "imagesTr/case_2_0000.nrrd"),
        ("images", "ADC", "imagesTr/case_2_0001.nrrd"),
        ("labels", "GT", "labelsTr/case_2.nrrd"),
    ]
    assert [entry[1] for entry in listed(dataset.discover_nnunet(tmp_path, split="test"), tmp_path)["new"]] == [
        "T2",
        "ADC",
    ]
    (tmp_path / "labelsTr" / "case_1.nrrd").unlink()
    with pytest.raises(FileNotFoundError, match=r"case_1\.nrrd, which is labels GT, does not exist"):
        dataset.discover_nnunet(tmp_path)
    (tmp_path / "dataset.json").write_text('{"channel_names": {"T2": "0"}}')
    with pytest.raises(ValueError, match="numbered channel_names"):
        dataset.discover_nnunet(tmp_path)
    for wrong in ("{", "[" * 100_000):
        (tmp_path / "dataset.json").write_text(wrong)
        with pytest.raises(ValueError, match="that is JSON"):
            dataset.discover_nnunet(tmp_path)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"dataset\.json does not exist"):
        dataset.discover_nnunet(tmp_path)


def nnunet(folder, channels, *names, mark=""):
    """Make a raw dataset of nnU-Net and return what is found in it."""
    touch(folder, *names)
    (folder / "dataset.json").write_text(mark + json.dumps({"channel_names": channels}), encoding="utf-8")
    return listed(dataset.discover_nnunet(folder), folder)


def test_hidden_files_are_left_out_of_every_layout(tmp_path):
    names = [f"{folder}/{sign}{name}" for folder, name in
             (("imagesTr", "liver_0_0000.nii.gz"), ("labelsTr", "liver_0.nii.gz"), ("sub-01/anat", "sub-01_T1w.nii.gz"))
             for sign in ("", "._")]  # fmt: skip
    assert list(nnunet(tmp_path, {"0": "CT"}, *names, "imagesTr/._liver_0_0001.nii.gz")) == ["liver_0"]
    touch(tmp_path, "sub-01/.old/sub-01_T1w.nii.gz")
    found = listed(dataset.discover_bids(tmp_path, {"images": {"T1": "T1w"}}), tmp_path)
    assert found == {"sub-01": [("images", "T1", "sub-01/anat/sub-01_T1w.nii.gz")]}


def test_a_byte_order_mark_before_json_does_not_matter(tmp_path):
    assert list(nnunet(tmp_path, {"0": "CT"}, "imagesTr/a_0000.nii.gz", "labelsTr/a.nii.gz", mark="\ufeff")) == ["a"]


def test_channels_of_nnunet_have_a_name_each(tmp_path):
    names = ("imagesTr/a_0000.nii.gz", "imagesTr/a_0001.nii.gz", "labelsTr/a.nii.gz")
    with pytest.raises(ValueError, match=r"names the channels of all files; got none for a_0001\.nii\.gz in .*\.json"):
        nnunet(tmp_path, {"0": "T1"}, *names)
    with pytest.raises(ValueError, match=r"a name of its own for every channel; got \['MRI'\] twice in .*\.json"):
        nnunet(tmp_path, {"0": "MRI", "1": "MRI"}, *names)
    with pytest.raises(ValueError, match=r"a name of its own for every channel; got \['0', '1', '01'\] twice in"):
        nnunet(tmp_path, {"0": "T1", "1": "T2", "01": "T3"}, *names)
    assert len(nnunet(tmp_path, {"0": "T1", "1": "T2"}, *names)["a"]) == 3


def test_errors_name_the_function_that_was_called(tmp_path):
    nowhere = tmp_path / "nowhere"
    calls = {
        "discover": lambda: dataset.discover(nowhere, {"images": {"T1": "{subject}.mha"}}),
        "discover_table": lambda: dataset.discover_table(nowhere, paths={"images": {"T1": "t1"}}),
        "discover_bids": lambda: dataset.discover_bids(nowhere, {"images": {"T1": "T1w"}}),
        "discover_decathlon": lambda: dataset.discover_decathlon(nowhere),
        "discover_nnunet": lambda: dataset.discover_nnunet(nowhere),
    }
    for name, call in calls.items():
        with pytest.raises(FileNotFoundError, match=rf"^{name}: the (folder|table) .*nowhere does not exist"):
            call()
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument"):
            getattr(dataset, name)(tmp_path, rooot=1)
    touch(tmp_path, "sub-01/anat/sub-01_T1w.nii", "sub-01/anat/sub-01_T1w.nii.gz", "a.nii", "a.nii.gz")
    (tmp_path / "t.csv").write_text("id,t1\na,a.nii")
    with pytest.raises(ValueError, match=r"^discover_table: `paths` must lead to files without a double"):
        dataset.discover_table(tmp_path / "t.csv", paths={"images": {"T1": "t1"}})
    (tmp_path / "sub-01/anat/sub-01_T1w.nii").unlink()
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-02\t41\n")
    with pytest.raises(ValueError, match=r"^discover_bids: `participants\.tsv` must have a row for sub-01; got none"):
        dataset.discover_bids(tmp_path, {"images": {"T1": "T1w"}}, columns={"numerical": {"AGE": "age"}})
