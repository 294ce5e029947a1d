"""Tables of labels: nnU-Net, Decathlon, BIDS, ITK-SNAP, FreeSurfer and 3D Slicer; what is none is one sentence."""

import json

import pytest

from mia_functional.discovery.label_tables import read_label_table

NNUNET = {"background": 0, "oedema": 1, "core": [2, 3], "whole": [1, 2, 3], "ignore": 4}
DECATHLON = {"0": "background", "1": "liver", "2": "cancer"}

ITK_SNAP = """################################################
# ITK-SnAP Label Description File
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "Left ventricle"
    3     0  255    0      0.5  1  1    "Wall, of it"
"""
FREESURFER = """#No. Label Name:                            R   G   B   A

0   Unknown                                     0   0   0   0
2   Left-Cerebral-White-Matter                  245 245 245 0
1001  ctx-lh-bankssts                           25  100 40  0
"""
BIDS = "index\tname\tabbreviation\n0\tBackground\tBG\n1\tGray Matter\tGM\n2\tWhite Matter\tWM\n"


@pytest.mark.parametrize(
    ("name", "text", "labels", "ignore"),
    [
        ("dataset.json", json.dumps({"labels": NNUNET}), {1: "oedema", (2, 3): "core", (1, 2, 3): "whole"}, 4),
        ("dataset.json", "\ufeff" + json.dumps({"labels": DECATHLON}), {1: "liver", 2: "cancer"}, None),
        ("dataset.json", json.dumps({"labels": {"nothing": 0, "one": [1]}}), {1: "one"}, None),
        ("x_dseg.tsv", BIDS, {1: "Gray Matter", 2: "White Matter"}, None),
        ("labels.txt", ITK_SNAP, {1: "Left ventricle", 3: "Wall, of it"}, None),
        ("lut.txt", FREESURFER, {2: "Left-Cerebral-White-Matter", 1001: "ctx-lh-bankssts"}, None),
        ("colours.ctbl", "# Slicer\n1 liver 1 2 3 255\n2 spleen 4 5 6 255\n", {1: "liver", 2: "spleen"}, None),
    ],
)
def test_labels_and_names_come_in_the_order_of_the_file(tmp_path, name, text, labels, ignore):
    (tmp_path / name).write_text(text, encoding="utf-8")
    table = read_label_table(tmp_path / name)
    assert table == (labels, ignore)
    assert list(table.labels) == list(labels)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dataset.json", "{", "it is no JSON"),
        ("dataset.json", "[" * 100_000, "it is no JSON"),
        ("dataset.json", "[1]", "it has no labels"),
        ("dataset.json", '{"labels": {"liver": -1}}', "label 'liver' is -1"),
        ("dataset.json", '{"labels": {"liver": true}}', "label 'liver' is True"),
        ("dataset.json", '{"labels": {"liver": []}}', r"label 'liver' is \[\]"),
        ("dataset.json", '{"labels": {"background": 0}}', "it has none but the background"),
        ("dataset.json", '{"labels": {"a": 1, "b": 1}}', "it has 1 twice"),
        ("dataset.json", '{"labels": {"1": "a", "2": "a"}}', "it has 'a' twice"),
        ("dataset.json", '{"labels": {"a": 1, "ignore": [2, 3]}}', r"label 'ignore' is \[2, 3\]"),
        ("x.tsv", "index\tlabel\n1\tGM\n", "it lacks a whole number in the column `index` or a text in `name`"),
        ("x.tsv", "index\tname\none\tGM\n", "it lacks a whole number in the column `index`"),
        ("x.txt", "1 2 3\n", "line 1 is '1 2 3'"),
        ("x.txt", "", "it has none but the background"),
    ],
)
def test_what_is_no_table_of_labels_is_one_sentence(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=rf"^read_label_table: `path` must name a table of labels .*{name}: {words}"):
        read_label_table(tmp_path / name)


def test_files_that_are_no_text_or_not_there(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(ValueError, match="it is no text in UTF-8"):
        read_label_table(tmp_path / "x.txt")
    with (tmp_path / "x.json").open("wb") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(ValueError, match="it has 17825792 bytes"):
        read_label_table(tmp_path / "x.json")
    with pytest.raises(FileNotFoundError):
        read_label_table(tmp_path / "none.json")
