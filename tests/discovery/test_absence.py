"""Subjects that lack a file or a value: refused, left out, or kept with empty values; counted and named."""

import math
import warnings

import numpy as np
import pytest

from mia_functional import cli, dataset, images
from mia_functional.geometry import Geometry

from .files import listed, touch

PATTERNS = {"images": {"T1": "{subject}_T1.mha", "T2": "{subject}_T2.mha"}}
COLUMNS = {"numerical": {"AGE": "age", "GPA": "gpa"}, "site": {"SITE": "site"}}
GRID = Geometry(shape=(3, 4), spacing=(1.0, 1.0))
TABLE = "id,age,gpa,site\na,31,3.5,x\nb,n/a,2,\nc,44,1,y\nd,50,,z\n"


@pytest.fixture
def folder(tmp_path):
    """Five subjects: `a` is complete, `b` and `d` lack values, `c` a file, and `e` its row."""
    touch(tmp_path, *(f"{name}_{entry}.mha" for name in "abcde" for entry in ("T1", "T2") if name + entry != "cT1"))
    (tmp_path / "table.csv").write_text(TABLE)
    return tmp_path


def test_subjects_that_lack_something_are_left_out_and_named(folder):
    words = (
        r"^4 of 5 subjects are left out: b \(numerical AGE, site SITE\), c \(images T1\), d \(numerical GPA\), "
        r"e \(numerical AGE, numerical GPA, site SITE\)\.$"
    )
    with pytest.warns(UserWarning, match=words) as caught:
        found = dataset.discover(folder, PATTERNS, table=folder / "table.csv", columns=COLUMNS, absent="skip")
    assert caught[0].filename == __file__
    assert [subject.name for subject in found] == ["a"]
    assert [entry.value for entry in found[0].entries[2:]] == [31.0, 3.5, "x"]
    with pytest.warns(UserWarning, match=r"^1 of 5 subjects are left out: c \(images T1\)\.$"):
        found = dataset.discover(folder, PATTERNS, absent="skip")
    assert [subject.name for subject in found] == ["a", "b", "d", "e"]


def test_missing_values_are_nan_and_empty_texts(folder):
    patterns = {"images": {"T2": "{subject}_T2.mha"}}
    words = (
        r"^3 of 5 subjects are kept with empty values: b \(numerical AGE, site SITE\), d \(numerical GPA\), "
        r"e \(numerical AGE, numerical GPA, site SITE\)\.$"
    )
    with pytest.warns(UserWarning, match=words):
        found = dataset.discover(folder, patterns, table=folder / "table.csv", columns=COLUMNS, absent="empty")
    values = [[entry.value for entry in subject.entries[1:]] for subject in found]
    nan = math.nan
    expected = [[31, 3.5, "x"], [nan, 2, ""], [44, 1, "y"], [50, nan, "z"], [nan, nan, ""]]
    assert str(values) == str([[v if isinstance(v, str) else float(v) for v in row] for row in expected])
    with pytest.raises(ValueError, match=r"^discover: `patterns` must match one file of every subject; got 0 for"):
        dataset.discover(folder, PATTERNS, absent="empty")


def test_what_is_empty_is_stored_and_read(folder):
    for name in "abcde":
        images.write(folder / f"{name}_T2.mha", np.ones((3, 4), np.float32), GRID, overwrite=True)
    with pytest.warns(UserWarning, match="3 of 5"):
        found = dataset.discover(
            folder, {"images": {"T2": "{subject}_T2.mha"}}, table=folder / "table.csv", columns=COLUMNS, absent="empty"
        )
    dataset.create(folder / "c.h5", found)
    data = dataset.open(folder / "c.h5", verify=True)
    np.testing.assert_array_equal(dataset.read(data, "b", "numerical"), [np.nan, 2])
    assert [dataset.read(data, name, "site") for name in "abe"] == [("x",), ("",), ("",)]
    # A missing value is no group, and a class of its own.
    with pytest.raises(ValueError, match=r"^split: `groups` must have a value for every subject; got none for 'b'\."):
        dataset.split(data, folds=2, groups="SITE", rng=np.random.default_rng(0))
    parts = dataset.split(data, folds=2, stratify="AGE", rng=np.random.default_rng(0))
    assert len({"b", "e"} & set(parts["fold1"])) == 1


def test_nothing_is_said_where_nothing_is_absent(folder):
    (folder / "c_T1.mha").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for absent in ("error", "skip", "empty"):
            assert len(dataset.discover(folder, PATTERNS, absent=absent)) == 5


def test_no_subject_with_all_and_unknown_words_are_refused(folder):
    (folder / "a_T1.mha").unlink()
    patterns = {"images": {"T1": "{subject}_T1.mha", "T3": "{subject}_T3.mha"}}
    words = r"^discover: `absent` must leave a subject with all entries; got none: b \(images T3\), d \(images T3\)"
    with pytest.raises(ValueError, match=words):
        dataset.discover(folder, patterns, absent="skip")
    calls = (
        lambda: dataset.discover(folder, patterns, absent="drop"),
        lambda: dataset.discover_bids(folder, patterns, absent=None),
        lambda: dataset.discover_table(folder / "table.csv", paths={"images": {"T1": "age"}}, absent=True),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"^discover[_a-z]*: `absent` must be one of error, skip, empty; got "):
            call()


def test_bids(tmp_path):
    touch(tmp_path, *(f"sub-0{k}/anat/sub-0{k}_T1w.nii.gz" for k in (1, 2, 3)), "sub-04/anat/sub-04_T2w.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t41\nsub-02\tn/a\nsub-04\t3\n")
    options = {"suffixes": {"images": {"T1": "T1w"}}, "columns": {"numerical": {"AGE": "age"}}}
    words = (
        r"^3 of 4 subjects are left out: sub-02 \(numerical AGE\), sub-03 \(numerical AGE\), sub-04 \(images T1\)\.$"
    )
    with pytest.warns(UserWarning, match=words):
        found = dataset.discover_bids(tmp_path, absent="skip", **options)
    assert listed(found, tmp_path) == {
        "sub-01": [("images", "T1", "sub-01/anat/sub-01_T1w.nii.gz"), ("numerical", "AGE", 41.0)]
    }


def test_tables_of_paths(tmp_path):
    touch(tmp_path, "a.mha", "b.mha")
    (tmp_path / "t.csv").write_text("id,t1,age\nA,a.mha,3\nB,b.mha,\nC,c.mha,4\nD,n/a,5\n")
    options = {"paths": {"images": {"T1": "t1"}}, "columns": {"numerical": {"AGE": "age"}}}
    words = r"^3 of 4 subjects are left out: B \(numerical AGE\), C \(images T1\), D \(images T1\)\.$"
    with pytest.warns(UserWarning, match=words):
        found = dataset.discover_table(tmp_path / "t.csv", absent="skip", **options)
    assert [subject.name for subject in found] == ["A"]
    with pytest.raises(ValueError, match=r"^discover_table: `table` must have a value of t1 for D"):
        dataset.discover_table(tmp_path / "t.csv", absent="empty", **options)


@pytest.mark.filterwarnings("default")  # as in a shell
def test_the_command_names_whom_it_leaves_out(folder, capsys):
    for name in "ab":
        images.write(folder / f"{name}_T1.mha", np.ones((3, 4), np.float32), GRID, overwrite=True)
    arguments = ["create", str(folder / "c.h5"), str(folder), "images/T1={subject}_T1.mha"]
    arguments += ["--table", str(folder / "table.csv"), "--column", "numerical/AGE=age"]
    for name in "de":
        (folder / f"{name}_T1.mha").unlink()
    assert cli.main([*arguments, "--absent", "skip"]) == 0
    printed = capsys.readouterr()
    assert "1 of 2 subjects are left out: b (numerical AGE)." in printed.err
    assert "1 subjects: a" in printed.out
