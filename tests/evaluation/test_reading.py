"""Tables from files: what was written comes back, pymia's tables too, and what is none is refused."""

import math

import pytest

from mia_functional.evaluation import Result, Results
from mia_functional.reporting import long_table, read_csv, write_csv

TABLE = Results(
    rows=(
        Result(subject="A", label="liver", metric="DICE", value=1 / 3),
        Result(
            subject="A", label="liver", metric="HDRFDST95", value=math.inf, unit="mm", convention="surfels", reason="r"
        ),
        Result(subject="=B", label="liver", metric="DICE", value=-0.0),
        Result(subject="=B", label="liver", metric="HDRFDST95", value=1e-300, unit="mm", convention="surfels"),
    )
)


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_long_table_comes_back_as_it_was(tmp_path, delimiter):
    write_csv(tmp_path / "x.csv", TABLE, layout=long_table, delimiter=delimiter)
    assert read_csv(tmp_path / "x.csv") == TABLE


def test_a_wide_table_comes_back_but_for_units_and_conventions(tmp_path):
    write_csv(tmp_path / "x.csv", TABLE)
    again = read_csv(tmp_path / "x.csv")
    fields = ("subject", "label", "metric", "value", "reason")
    assert [[getattr(row, name) for name in fields] for row in again] == [
        [getattr(row, name) for name in fields] for row in TABLE
    ]


def test_a_table_of_pymia_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("SUBJECT;LABEL;DICE;HDRFDST\nA;liver;0.5;inf\nA;tumour;n/a;nan\n")
    rows = list(read_csv(tmp_path / "x.csv"))
    assert [(row.label, row.metric) for row in rows] == [("liver", "DICE"), ("liver", "HDRFDST"), ("tumour", "HDRFDST")]
    assert math.isinf(rows[1].value)
    assert math.isnan(rows[2].value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a table with SUBJECT, LABEL and metrics"),
        ("NAME;AGE\nA;3\n", "a table with SUBJECT, LABEL and metrics"),
        ("SUBJECT;LABEL;DICE\nA;liver\n", "a table with SUBJECT, LABEL and metrics"),
        ("SUBJECT;LABEL;DICE\nA;liver;0.5\nB;liver;high\n", "hold numbers; got 'high' in line 3"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, words):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_csv(tmp_path / "x.csv")
