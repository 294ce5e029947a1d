"""Discovery: which file belongs to whom, in a fixed order, or an error that names the files."""

import os
from pathlib import Path

import pytest

from mia_functional import dataset

from .files import listed, touch

TWO = {"images": {"T1": "{subject}/T1.nii.gz"}, "labels": {"GT": "{subject}/seg*.nii.gz"}}


def test_patterns_find_the_files_of_every_subject_in_order(tmp_path):
    names = [f"case{k}/{file}" for k in (10, 2, 1) for file in ("T1.nii.gz", "seg_x.nii.gz", "other.txt")]
    touch(tmp_path, *names, ".hidden/T1.nii.gz")
    found = dataset.discover(tmp_path, TWO)
    assert [subject.name for subject in found] == ["case1", "case2", "case10"]
    assert listed(found, tmp_path)["case2"] == [
        ("images", "T1", "case2/T1.nii.gz"),
        ("labels", "GT", "case2/seg_x.nii.gz"),
    ]


def test_the_identifier_may_stand_twice_and_beside_other_signs(tmp_path):
    touch(tmp_path, "a.b/a.b_T1.mha", "a.b/other_T1.mha", "x/x_T1.mha")
    found = dataset.discover(tmp_path, {"images": {"T1": "{subject}/{subject}_T1.mha"}})
    assert [subject.name for subject in found] == ["a.b", "x"]


def test_any_folders_may_lie_in_between(tmp_path):
    touch(tmp_path, "a/T1.mha", "b/day1/scan/T1.mha", "b/.old/T1.mha", "group/c_seg.mha", "a_seg.mha", "x/y/b_seg.mha")
    found = dataset.discover(tmp_path, {"images": {"T1": "{subject}/**/T1.mha"}})
    assert [entry[2] for entries in listed(found, tmp_path).values() for entry in entries] == [
        "a/T1.mha",
        "b/day1/scan/T1.mha",
    ]
    found = dataset.discover(tmp_path, {"labels": {"GT": "**/{subject}_seg.mha"}})
    assert [subject.name for subject in found] == ["a", "b", "c"]
    for pattern in ("{subject}/T1**", "{subject}/x**/T1.mha", "{subject}/**"):
        with pytest.raises(ValueError, match=r"have \*\* only in place of folders"):
            dataset.discover(tmp_path, {"images": {"T1": pattern}})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/T1.nii.gz", "b/T1.nii.gz", "b/seg.nii.gz"], r"one file of every subject; got 0 for labels GT of a"),
        (
            ["a/T1.nii.gz", "a/seg1.nii.gz", "a/seg2.nii.gz"],
            r"got 2 for labels GT of a: .*seg1\.nii\.gz, .*seg2\.nii\.gz",
        ),
        (
            ["a/T1.nii.gz", "a/T1.nii", "a/seg.nii.gz"],
            r"lead to files without a double of another extension; got .*T1\.nii\.gz beside T1\.nii",
        ),
        (["readme.txt"], r"hold files that match \{subject\}/T1\.nii\.gz, \{subject\}/seg\*\.nii\.gz; got none in"),
    ],
)
def test_what_is_missing_or_ambiguous_is_named(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        dataset.discover(touch(tmp_path, *names), TWO)


@pytest.mark.parametrize("pattern", ["T1.nii.gz", "/{subject}.nii", "../{subject}.nii", "{subject}/../../x.nii"])
def test_patterns_stay_below_the_root(tmp_path, pattern):
    with pytest.raises(ValueError, match="be paths below the root with"):
        dataset.discover(tmp_path, {"images": {"T1": pattern}})


def test_folders_and_tables_that_are_not_there(tmp_path):
    touch(tmp_path, "a.mha")
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        dataset.discover(tmp_path / "nowhere", TWO)
    with pytest.raises(FileNotFoundError, match=r"the table .*none\.csv does not exist"):
        dataset.discover(tmp_path, {"images": {"T1": "{subject}.mha"}}, table=tmp_path / "none.csv")
    with pytest.raises(ValueError, match="have at least one entry"):
        dataset.discover(tmp_path, {})


@pytest.mark.parametrize(
    "texts", [["a"], "a", 3, {"T1": "t1"}, {"T1": None}, {"images": {"T1": None}}, {"images": {1: "t1"}},
               {"images": {"T1": Path("x")}}, {"images": ["T1"]}, {1: {"T1": "t1"}}],
)  # fmt: skip
def test_mappings_of_another_form_are_one_sentence(tmp_path, texts):
    touch(tmp_path, "a.mha", "sub-01/anat/sub-01_T1w.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t41\n")
    (tmp_path / "t.csv").write_text("id,t1\na,a.mha\n")
    good, table = {"images": {"T1": "{subject}.mha"}}, tmp_path / "t.csv"
    paths, suffixes = {"images": {"T1": "t1"}}, {"images": {"T1": "T1w"}}
    calls = [
        ("discover: `patterns`", lambda: dataset.discover(tmp_path, texts)),
        ("discover: `columns`", lambda: dataset.discover(tmp_path, good, columns=texts)),
        ("discover: `columns`", lambda: dataset.discover(tmp_path, good, table=table, columns=texts)),
        ("discover_table: `paths`", lambda: dataset.discover_table(table, paths=texts)),
        ("discover_table: `columns`", lambda: dataset.discover_table(table, paths=paths, columns=texts)),
        ("discover_bids: `suffixes`", lambda: dataset.discover_bids(tmp_path, texts)),
        ("discover_bids: `columns`", lambda: dataset.discover_bids(tmp_path, suffixes, columns=texts)),
    ]
    for argument, call in calls:
        with pytest.raises(TypeError, match=rf"^{argument} must map categories to entries, and .*; got .*"):
            call()


def test_flat_patterns_and_locked_folders_are_refused(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="map categories to entries"):
        dataset.discover(tmp_path, {"T1": "{subject}.mha"})
    monkeypatch.setattr(os, "scandir", lambda folder: (_ for _ in ()).throw(PermissionError(13, "denied", str(folder))))
    with pytest.raises(PermissionError, match=str(tmp_path)):
        dataset.discover(tmp_path, {"images": {"T1": "{subject}.mha"}})
