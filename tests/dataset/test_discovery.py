"""Discovery: which file belongs to whom, in a fixed order, or an error that names the files."""

import json
import os
import random
from pathlib import Path

import pytest

from mia_functional import dataset

TWO = {"images": {"T1": "{subject}/T1.nii.gz"}, "labels": {"GT": "{subject}/seg*.nii.gz"}}


def touch(folder, *names):
    """Make empty files, in a random order."""
    for name in random.Random(0).sample(names, len(names)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(subjects, folder):
    """Subjects as plain data, with paths below the folder."""
    return {
        s.name: [(e.category, e.name, str(e.path).removeprefix(f"{folder}/") if e.path else e.value) for e in s.entries]
        for s in subjects
    }


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
            r"without a double of another extension; got .*T1\.nii\.gz beside T1\.nii",
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


def test_numbers_and_texts_come_from_a_table(tmp_path):
    touch(tmp_path, "a.mha", "b.mha")
    columns = {"numerical": {"AGE": "age", "GPA": "gpa"}, "gender": {"GENDER": "sex"}}
    for delimiter in ",;\t":
        text = "\ufeffid,age,gpa,sex\nb,31,3.5,M\nunused,1,1,F\na,1e1,-.5,F\n".replace(",", delimiter)
        (tmp_path / "table").write_text(text, encoding="utf-8")
        found = dataset.discover(
            tmp_path, {"images": {"T1": "{subject}.mha"}}, table=tmp_path / "table", columns=columns
        )
        assert [[entry.value for entry in subject.entries[1:]] for subject in found] == [
            [10.0, -0.5, "F"],
            [31.0, 3.5, "M"],
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,age\nb,3", "have a row for a; got none"),
        ("id,age\na,3\na,4", r"name every subject once in its first column; got \['a'\] in"),
        ("id,years\na,3", r"name columns of .* \(id, years\); got 'age'"),
        ("id,age\na,", "have a value of age for a"),
        ("id,age\na,n/a", "have a value of age for a"),
        ("id,age\na", "have a value of age for a"),
        ("id,age\n", "have a header and rows"),
        ("", "have a header and rows"),
    ],
)
def test_tables_that_do_not_tell_are_refused(tmp_path, text, message):
    touch(tmp_path, "a.mha")
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        dataset.discover(
            tmp_path,
            {"images": {"T1": "{subject}.mha"}},
            table=tmp_path / "t.csv",
            columns={"numerical": {"AGE": "age"}},
        )


def test_folders_and_tables_that_are_not_there(tmp_path):
    touch(tmp_path, "a.mha")
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere does not exist"):
        dataset.discover(tmp_path / "nowhere", TWO)
    with pytest.raises(FileNotFoundError, match=r"the table .*none\.csv does not exist"):
        dataset.discover(tmp_path, {"images": {"T1": "{subject}.mha"}}, table=tmp_path / "none.csv")
    with pytest.raises(ValueError, match="have at least one entry"):
        dataset.discover(tmp_path, {})


def cells(folder, text, columns, *, name="t.csv"):
    """Write a table; return the values that are found in it for the subjects that have a file, one row each."""
    (folder / name).write_text(text)
    found = dataset.discover(folder, {"images": {"T1": "{subject}.mha"}}, table=folder / name, columns=columns)
    return [[entry.value for entry in subject.entries[1:]] for subject in found]


def test_numbers_beside_text_stay_the_text_they_are(tmp_path):
    touch(tmp_path, "a.mha", "b.mha")
    columns = {"text": {"HOSPITAL": "hospital", "SEX": "sex"}, "numerical": {"AGE": "age"}}
    text = "id,hospital,sex,age\na,00123,F,31\nb, 1e3,M,n/a\n"
    with pytest.raises(ValueError, match=r"have a value of age for b"):
        cells(tmp_path, text, columns)
    assert cells(tmp_path, text.replace("n/a", "5"), columns) == [["00123", "F", 31.0], [" 1e3", "M", 5.0]]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,12\nb,3B\n", [["12"], ["3B"]]),
        ("a,12\nb,3\nunused,3B\n", [["12"], ["3"]]),
        ("a,12\nb,3\nunused,n/a\n", [[12.0], [3.0]]),
        ('a,F\nb,"1,5"\n', [["F"], ["1,5"]]),
        ("a,00123\nb,45678\n", [["00123"], ["45678"]]),
        ("a,0.5\nb,-0\n", [[0.5], [0.0]]),
        ("a,10\nb,.5e2\n", [[10.0], [50.0]]),
    ],
)
def test_the_values_of_a_category_are_of_one_kind_in_all_rows_of_the_table(tmp_path, rows, expected):
    touch(tmp_path, "a.mha", "b.mha")
    assert cells(tmp_path, f"id,grade\n{rows}", {"clinical": {"GRADE": "grade"}}) == expected


@pytest.mark.parametrize(
    ("name", "text", "column"),
    [
        ("t.tsv", "id\tage (years, months, days)\na\t3\n", "age (years, months, days)"),
        ("t.TSV", "id\tage; weight; height\na\t3\n", "age; weight; height"),
        ("t.tsv", "id,age\na,3\n", "age"),
        ("t.csv", "\nid;age\na;3\n", "age"),
        ("t.csv", "\r\n  \r\nid;age\r\na;3\r\n", "age"),
        ("t.tsv", "\t\n\nid\tage\na\t3\n", "age"),
    ],
)
def test_commas_in_a_header_and_blank_lines_before_it_do_not_matter(tmp_path, name, text, column):
    touch(tmp_path, "a.mha")
    assert cells(tmp_path, text, {"numerical": {"AGE": column}}, name=name) == [[3.0]]


def test_columns_without_a_table_are_refused(tmp_path):
    patterns = {"images": {"T1": "{subject}.mha"}}
    touch(tmp_path, "a.mha")
    with pytest.raises(ValueError, match="discover: `table` must be given with `columns`; got none"):
        dataset.discover(tmp_path, patterns, columns={"numerical": {"AGE": "age"}})
    for none in (None, {}, {"numerical": {}}):
        assert len(dataset.discover(tmp_path, patterns, columns=none)) == 1


@pytest.mark.parametrize(
    "wishes", [["a"], "a", 3, {"T1": "t1"}, {"T1": None}, {"images": {"T1": None}}, {"images": {1: "t1"}},
               {"images": {"T1": Path("x")}}, {"images": ["T1"]}, {1: {"T1": "t1"}}],
)  # fmt: skip
def test_wishes_of_another_form_are_one_sentence(tmp_path, wishes):
    touch(tmp_path, "a.mha", "sub-01/anat/sub-01_T1w.nii.gz")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-01\t41\n")
    (tmp_path / "t.csv").write_text("id,t1\na,a.mha\n")
    good, table = {"images": {"T1": "{subject}.mha"}}, tmp_path / "t.csv"
    calls = [
        ("patterns", lambda: dataset.discover(tmp_path, wishes)),
        ("columns", lambda: dataset.discover(tmp_path, good, columns=wishes)),
        ("columns", lambda: dataset.discover(tmp_path, good, table=table, columns=wishes)),
        ("paths", lambda: dataset.discover_table(table, paths=wishes)),
        ("columns", lambda: dataset.discover_table(table, paths={"images": {"T1": "t1"}}, columns=wishes)),
        ("suffixes", lambda: dataset.discover_bids(tmp_path, wishes)),
        ("columns", lambda: dataset.discover_bids(tmp_path, {"images": {"T1": "T1w"}}, columns=wishes)),
    ]
    for argument, call in calls:
        with pytest.raises(TypeError, match=rf"^discover: `{argument}` must map categories to entries, and .*; got .*"):
            call()


def test_a_table_of_paths(tmp_path):
    touch(tmp_path, "x/1.mha", "x/2.mha")
    (tmp_path / "cohort.tsv").write_text("id\tt1\tage\nB\tx/2.mha\t7\nA\tx/1.mha\t8\n")
    wishes = {"paths": {"images": {"T1": "t1"}}, "columns": {"numerical": {"AGE": "age"}}}
    found = dataset.discover_table(tmp_path / "cohort.tsv", **wishes)
    assert listed(found, tmp_path) == {
        "B": [("images", "T1", "x/2.mha"), ("numerical", "AGE", 7.0)],
        "A": [("images", "T1", "x/1.mha"), ("numerical", "AGE", 8.0)],
    }
    assert dataset.discover_table(tmp_path / "cohort.tsv", root=tmp_path, **wishes) == found
    (tmp_path / "x" / "1.mha").unlink()
    with pytest.raises(FileNotFoundError, match=r"x/1\.mha, which is images T1, does not exist"):
        dataset.discover_table(tmp_path / "cohort.tsv", **wishes)


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfid,t1,age\nA,1.mha,8\n",
        b"id,t1,age\r\nA,1.mha,8\r\n",
        b"id;t1;age\nA;1.mha;8\n",
        b"id\tt1\tage\nA\t1.mha\t8\n",
        b'"id","t1","age"\n\n"A","1.mha","8"\n\n',
        b"id,t1,age,,\nA,1.mha,8,,\n,,,,\n",
        b"id,t1,age,note\nA,1.mha,8\n",
    ],
)
def test_every_table_of_this_kind_is_read(tmp_path, raw):
    touch(tmp_path, "1.mha")
    (tmp_path / "t.csv").write_bytes(raw)
    found = dataset.discover_table(
        tmp_path / "t.csv", paths={"images": {"T1": "t1"}}, columns={"numerical": {"AGE": "age"}}
    )
    assert listed(found, tmp_path) == {"A": [("images", "T1", "1.mha"), ("numerical", "AGE", 8.0)]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("id,age\nA,8\n".encode("utf-16"), "be a CSV or TSV file in UTF-8"),
        (b"id,age\nJ\xf6rg,8\n", "be a CSV or TSV file in UTF-8"),
        (b"id,age\nA," + b"x" * 200_000, "be a CSV or TSV file in UTF-8"),
        (b"", "have a header and rows"),
        (b"id,age\n", "have a header and rows"),
        (b"id,age\nA,8,5\n", "have 2 cells in a row, as in the header; got more for A"),
        (b"id;age\nA;8,5\n", r"write numbers with a point \(age of A\); got 8,5"),
        (b"id,age,age\nA,8,9\n", "name every column once; got id, age, age"),
        (b"id,age\nA,8\nA,9\n", "name every subject once"),
    ],
)
def test_other_tables_are_refused_by_name(tmp_path, raw, message):
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(ValueError, match=rf"discover: `table` must {message}.*{tmp_path}/t\.csv"):
        dataset.discover_table(tmp_path / "t.csv", paths={"numerical": {}}, columns={"numerical": {"AGE": "age"}})


def test_flat_patterns_and_locked_folders_are_refused(tmp_path, monkeypatch):
    with pytest.raises(TypeError, match="map categories to entries"):
        dataset.discover(tmp_path, {"T1": "{subject}.mha"})
    monkeypatch.setattr(os, "scandir", lambda folder: (_ for _ in ()).throw(PermissionError(13, "denied", str(folder))))
    with pytest.raises(PermissionError, match=str(tmp_path)):
        dataset.discover(tmp_path, {"images": {"T1": "{subject}.mha"}})


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
    assert len(nnunet(tmp_path, {"0": "T1", "1": "T2"}, *names)["a"]) == 3


def test_records_refuse_what_cannot_be_found_again():
    for wrong in (
        {"category": "a/b"},
        {"category": "index"},
        {"name": ""},
        {"path": None},
        {"value": 1.0},
        {"name": "a\nb"},
    ):
        with pytest.raises(ValueError, match="Entry: `"):
            dataset.Entry(**{"category": "images", "name": "T1", "path": "x.mha", **wrong})
    entry = dataset.Entry(category="images", name="T1", path="x.mha")
    for name, entries in (("..", (entry,)), ("A", ()), ("A", (entry, entry))):
        with pytest.raises(ValueError, match="Subject: `"):
            dataset.Subject(name=name, entries=entries)
    with pytest.raises(TypeError, match="be text; got 3"):
        dataset.Subject(name=3, entries=(entry,))
