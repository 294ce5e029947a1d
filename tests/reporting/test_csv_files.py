"""CSV files: all digits, no formulas, complete or absent; what was written comes back, and pymia's tables are read."""

import csv
import dataclasses
import functools
import io
import math
import os
import resource
import subprocess
import sys

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional.analysis import summarize
from mia_functional.evaluation import Result, Results, select_rows
from mia_functional.reporting import read_csv, render_csv, wide_table, write_csv

from .results import TABLE, row

WRITTEN = Results(
    rows=(
        Result(subject="A", label="liver", metric="DICE", value=1 / 3),
        Result(
            subject="A", label="liver", metric="HDRFDST95", value=math.inf, unit="mm", convention="surfels", reason="r"
        ),
        Result(subject="'t Hart", label="'=", metric="DICE", value=0.5, status="aligned", reason="axes; turned"),
        Result(subject="'t Hart", label="'=", metric="HDRFDST95", value=math.nan, status="failed", reason="no file"),
        Result(subject="C", label="liver", metric="DICE", value=math.nan, status="missing"),
        Result(subject="C", label="liver", metric="HDRFDST95", value=math.nan, status="missing"),
        Result(subject="=B", label="liver", metric="DICE", value=-0.0),
        Result(subject="=B", label="liver", metric="HDRFDST95", value=1e-300, unit="mm", convention="surfels"),
    )
)


as_pymia = functools.partial(render_csv, layout=wide_table, delimiter=";")


def test_a_wide_csv_has_a_row_per_subject_and_label_and_all_digits():
    lines = as_pymia(TABLE).splitlines()
    assert lines[0] == "SUBJECT;LABEL;DICE;HDRFDST95;STATUS;REASON"
    assert lines[1] == "Subject_2;liver;0.5;3.25;ok;"
    assert lines[2] == f"Subject_2;tumour;{1 / 3!r};12.0;ok;"
    assert lines[4] == (
        'Subject_10;tumour;nan;inf;DICE=undefined;"empty in the prediction and the reference; empty in the prediction"'
    )
    assert as_pymia(select_rows(TABLE, subject="Subject_2")).splitlines()[0] == "SUBJECT;LABEL;DICE;HDRFDST95"
    methods = [dataclasses.replace(entry, method=name) for name in "ab" for entry in TABLE.rows[:2]]
    assert as_pymia(Results(rows=tuple(methods))).splitlines() == [
        "METHOD;SUBJECT;LABEL;DICE;HDRFDST95", "a;Subject_2;liver;0.5;3.25", "b;Subject_2;liver;0.5;3.25",
    ]  # fmt: skip


def test_a_long_csv_tells_all():
    found = pandas.read_csv(io.StringIO(render_csv(TABLE)))
    names = ["METHOD", "SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "STATUS", "REASON"]
    assert list(found) == names
    np.testing.assert_array_equal(found["VALUE"], [entry.value for entry in TABLE])


@given(st.floats(allow_nan=False))
def test_numbers_survive_the_file(value):
    text = render_csv(Results(rows=(row("A", "x", "DICE", value),)))
    assert float(list(csv.reader(io.StringIO(text)))[1][4]) == value


def test_numbers_of_numpy_are_written_as_numbers():
    rows = (row("A", "x", "DICE", np.float64(1 / 3)), row("B", "x", "DICE", np.float32(0.5)))
    assert render_csv(Results(rows=rows)).splitlines()[1:] == [f",A,x,DICE,{1 / 3!r},,,ok,", ",B,x,DICE,0.5,,,ok,"]


def test_a_value_that_is_missing_is_not_a_number():
    partial = Results(rows=TABLE.rows[:3])
    assert as_pymia(partial).splitlines()[2].endswith(";n/a")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM", "|x", "%x", " =1", "\u00a0=1", "\uff1d1"])
def test_no_text_becomes_a_formula(text):
    written = render_csv(Results(rows=(row(text, "x", "DICE", -1.5),)))
    cells = list(csv.reader(io.StringIO(written)))[1]
    assert cells[1:5] == [f"'{text}", "x", "DICE", "-1.5"]


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x1b[31m", "\r=1", "\ufeff=1"])
def test_control_characters_are_refused(text):
    with pytest.raises(ValueError, match="printable text"):
        render_csv(Results(rows=(row("A", text, "DICE", 1.0),)))


def test_statistics_are_written_by_the_same_function(tmp_path):
    entries = summarize(select_rows(TABLE, label="liver"))
    write_csv(tmp_path / "statistics.csv", entries)
    found = pandas.read_csv(tmp_path / "statistics.csv", dtype={"VALUE": str})  # pandas 2 rounds numbers that it reads
    counts = ["N", "UNDEFINED", "INFINITE", "MISSING", "FAILED"]
    assert list(found) == ["LABEL", "METRIC", "STATISTIC", "VALUE", *counts, "POLICY"]
    assert [float(text) for text in found["VALUE"]] == [entry.value for entry in entries]


def test_a_file_is_complete_or_absent(tmp_path):
    path = tmp_path / "results.csv"
    write_csv(path, TABLE)
    assert path.read_text() == render_csv(TABLE)
    with pytest.raises(FileExistsError, match=r"results\.csv exists already"):
        write_csv(path, TABLE)
    write_csv(path, select_rows(TABLE, label="liver"), overwrite=True)
    assert len(path.read_text().splitlines()) == 5
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_csv(tmp_path / "nowhere" / "results.csv", TABLE)
    with pytest.raises(ValueError, match="printable"):
        write_csv(tmp_path / "bad.csv", Results(rows=(row("a\n", "x", "DICE", 1.0),)))
    assert os.listdir(tmp_path) == ["results.csv"]


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path):
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from mia_functional.evaluation import *; from mia_functional.reporting import *;"
        "rows = tuple(Result(subject=f'S{n}', label='x', metric='DICE', value=0.1) for n in range(2000));"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        f"write_csv({str(tmp_path / 'results.csv')!r}, Results(rows=rows))"
    )
    assert hasattr(resource, "RLIMIT_FSIZE")
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 1
    assert "OSError" in run.stderr
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_a_long_table_comes_back_as_it_was(tmp_path, delimiter):
    write_csv(tmp_path / "x.csv", WRITTEN, delimiter=delimiter)
    assert list(map(repr, read_csv(tmp_path / "x.csv"))) == list(map(repr, WRITTEN))  # NaN equals nothing


def test_a_wide_table_comes_back_but_for_units_and_conventions(tmp_path):
    write_csv(tmp_path / "x.csv", WRITTEN, layout=wide_table)
    again = read_csv(tmp_path / "x.csv")
    fields = ("subject", "label", "metric", "status")
    for name in fields:
        assert [getattr(row, name) for row in again] == [getattr(row, name) for row in WRITTEN]
    np.testing.assert_array_equal([row.value for row in again], [row.value for row in WRITTEN])
    reasons = [row.reason for row in again]
    assert reasons[:4] == ["", "r", "axes; turned; no file", "axes; turned; no file"]


def test_a_table_without_statuses_is_read(tmp_path):
    header = "SUBJECT,LABEL,METRIC,VALUE,UNIT,CONVENTION,REASON"
    (tmp_path / "x.csv").write_text(f"{header}\nA,liver,DICE,nan,,,empty\nB,liver,DICE,0.5,,,\n\n")
    rows = list(read_csv(tmp_path / "x.csv"))
    assert [(row.subject, row.status, row.reason) for row in rows] == [("A", "undefined", "empty"), ("B", "ok", "")]


def test_a_table_of_pymia_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("SUBJECT;LABEL;DICE;HDRFDST\nA;liver;0.5;inf\nA;tumour;n/a;nan\n")
    rows = list(read_csv(tmp_path / "x.csv"))
    assert [(row.label, row.metric) for row in rows] == [("liver", "DICE"), ("liver", "HDRFDST"), ("tumour", "HDRFDST")]
    assert math.isinf(rows[1].value)
    assert math.isnan(rows[2].value)


@pytest.mark.parametrize("layout", [None, wide_table])
@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("options", [{}, {"sep": ";", "decimal": ","}, {"sep": "\t", "decimal": ","}, {"sep": ";"}])
def test_a_table_that_pandas_saved_again_is_the_same(tmp_path, layout, index, encoding, options):
    write_csv(tmp_path / "x.csv", WRITTEN, layout=layout)
    pandas.read_csv(tmp_path / "x.csv").to_csv(tmp_path / "y.csv", index=index, encoding=encoding, **options)
    assert ",,missing," in (tmp_path / "y.csv").read_text(encoding) or options or layout
    again, first = read_csv(tmp_path / "y.csv"), read_csv(tmp_path / "x.csv")
    # Some versions of pandas change the last digit of numbers that they read.
    np.testing.assert_allclose([row.value for row in again], [row.value for row in first], rtol=1e-15)
    texts = (tuple(dataclasses.replace(row, value=0.0) for row in rows) for rows in (again, first))
    assert next(texts) == next(texts)
    assert [row.status for row in again][3:6] == ["failed", "missing", "missing"]


def test_counts_are_right_after_pandas(tmp_path):
    rows = [row(name, "x", "DICE", value, status=status) for name, value, status in (
        ("A", 0.8712, "ok"), ("B", math.nan, "missing"), ("C", math.nan, "failed"), ("D", math.nan, "undefined"),
    )]  # fmt: skip
    write_csv(tmp_path / "x.csv", Results(rows=tuple(rows)))
    pandas.read_csv(tmp_path / "x.csv").to_csv(tmp_path / "y.csv", sep=";", decimal=",", encoding="utf-8-sig")
    mean = summarize(read_csv(tmp_path / "y.csv"), functions={"MEAN": np.mean})[0]
    assert (mean.count, mean.undefined, mean.missing, mean.failed) == (3, 1, 1, 1)
    assert mean.value == pytest.approx(0.8712 / 3)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (("0,8712", "0,5", "1,0"), (0.8712, 0.5, 1.0)),
        (("0,871", "12", "0,9"), (0.871, 12.0, 0.9)),
        (("-1,5e-05", "inf", "nan"), (-1.5e-05, math.inf, math.nan)),
        (("12", "13", "1234"), (12.0, 13.0, 1234.0)),
    ],
)
def test_decimal_commas_are_read_where_they_can_be_nothing_else(tmp_path, numbers, expected):
    lines = [f"{name};liver;{text}" for name, text in zip("ABC", numbers, strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(["SUBJECT;LABEL;DICE", *lines, ""]))
    np.testing.assert_array_equal([row.value for row in read_csv(tmp_path / "x.csv")], expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a table with SUBJECT, LABEL and metrics"),
        ("NAME;AGE\nA;3\n", "a table with SUBJECT, LABEL and metrics"),
        ("SUBJECT;LABEL;STATUS\nA;liver;ok\n", "a table with SUBJECT, LABEL and metrics"),
        ("SUBJECT;LABEL;DICE\nA;liver\n", "a table with a cell for every column; got 2 of 3 in line 2 of"),
        ("SUBJECT;LABEL;DICE;DICE\nA;liver;1;1\n", "have every column once; got DICE twice"),
        (
            "SUBJECT;LABEL;DICE\nA;liver;1\nA;liver;1\n",
            "label and metric of a method once; got A, liver, DICE twice in ",
        ),
        ("SUBJECT;LABEL;DICE;STATUS\nA;liver;1;lost\n", "state one of failed, .*, ok; got 'lost' in line 2"),
        ("SUBJECT;LABEL;DICE\nA;liver;0.5\nB;liver;high\n", "hold numbers; got 'high' in line 3"),
        (
            "SUBJECT,LABEL,METRIC,VALUE,STATUS\nA,x,DICE,,missing\nB,x,DICE,,ok\n",
            r"hold numbers \(an empty cell is NaN only where STATUS is failed, .*; write nan\); got '' in line 3",
        ),
        ("SUBJECT;LABEL;DICE\nA;x;0,5\nB;x;\n", r"an empty cell is NaN only .* got '' in line 3"),
        (
            'SUBJECT,LABEL,DICE\nA,x,"0,8712"\n',
            "hold numbers .with decimal points, or with ; or tab between cells .*; got '0,8712' in line 2",
        ),
        (
            "SUBJECT;LABEL;VOLUME\nA;x;1,234\nB;x;12,345\nC;x;7\n",
            "can only be decimal ones .save it with points, or with more digits.; got '1,234' in line 2 .* thousands",
        ),
        (
            "SUBJECT;LABEL;VOLUME\nA;x;1,234,567\nB;x;1,5\n",
            "commas can only be decimal ones .* got '1,234,567' in line 2",
        ),
        ("SUBJECT;LABEL;DICE\nA;x;0.5\nB;x;0,25\n", "decimal ones .* got '0,25' in line 3 .* have points, too"),
        ("SUBJECT;LABEL;VOLUME\nA;x;1.234,5\n", "decimal ones .* got '1.234,5' in line 2"),
        ("SUBJECT;LABEL;DICE\nA;x;0,5\nB;x;a,b\n", "hold numbers .*; got '0,5' in line 2"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, text, words):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=words):
        read_csv(tmp_path / "x.csv")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: render_csv(TABLE, delimiter=";;"), ValueError, "render_csv: `delimiter` must be one character"),
        (
            lambda: render_csv([1]),
            TypeError,
            "render_csv: `data` must be results, or what `summarize`, `compare` or `rank` returns; got list",
        ),
        (lambda: write_csv("x.csv", (1,)), TypeError, "write_csv: `data` must be results, or what"),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
