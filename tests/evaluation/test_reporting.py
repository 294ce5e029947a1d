"""Tables: the same numbers in every form, all digits in files, no formulas, complete or absent."""

import csv
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
from mia_functional.evaluation import Failure, Result, Results, concatenate, select_rows
from mia_functional.reporting import (
    long_table,
    render_console,
    render_csv,
    render_markdown,
    write_csv,
    write_statistics_csv,
)


def row(subject, label, metric, value, **rest):
    return Result(subject=subject, label=label, metric=metric, value=value, **rest)


TABLE = Results(
    rows=(
        row("Subject_2", "liver", "DICE", 0.5),
        row("Subject_2", "liver", "HDRFDST95", 3.25, unit="mm"),
        row("Subject_2", "tumour", "DICE", 1 / 3),
        row("Subject_2", "tumour", "HDRFDST95", 12.0, unit="mm"),
        row("Subject_10", "liver", "DICE", 0.9),
        row("Subject_10", "liver", "HDRFDST95", 1.0, unit="mm"),
        row("Subject_10", "tumour", "DICE", math.nan, reason="empty in the prediction and the reference"),
        row("Subject_10", "tumour", "HDRFDST95", math.inf, unit="mm", reason="empty in the prediction"),
    )
)


def test_a_wide_csv_has_a_row_per_subject_and_label_and_all_digits():
    lines = render_csv(TABLE).splitlines()
    assert lines[0] == "SUBJECT;LABEL;DICE;HDRFDST95;REASON"
    assert lines[1] == "Subject_2;liver;0.5;3.25;"
    assert lines[2] == f"Subject_2;tumour;{1 / 3!r};12.0;"
    assert lines[4] == "Subject_10;tumour;nan;inf;empty in the prediction and the reference"
    assert render_csv(select_rows(TABLE, subject="Subject_2")).splitlines()[0] == "SUBJECT;LABEL;DICE;HDRFDST95"


def test_a_long_csv_tells_all():
    found = pandas.read_csv(io.StringIO(render_csv(TABLE, layout=long_table, delimiter=",")))
    assert list(found) == ["SUBJECT", "LABEL", "METRIC", "VALUE", "UNIT", "CONVENTION", "REASON"]
    np.testing.assert_array_equal(found["VALUE"], [entry.value for entry in TABLE])


@given(st.floats(allow_nan=False))
def test_numbers_survive_the_file(value):
    text = render_csv(Results(rows=(row("A", "x", "DICE", value),)))
    assert float(list(csv.reader(io.StringIO(text), delimiter=";"))[1][2]) == value


def test_a_value_that_is_missing_is_not_a_number():
    partial = Results(rows=TABLE.rows[:3])
    assert render_csv(partial).splitlines()[2].endswith(";n/a")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM", "|x", "%x", " =1", "\u00a0=1", "\uff1d1"])
def test_no_text_becomes_a_formula(text):
    written = render_csv(Results(rows=(row(text, "x", "DICE", -1.5),)))
    cells = list(csv.reader(io.StringIO(written), delimiter=";"))[1]
    assert cells == [f"'{text}", "x", "-1.5"]


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\x1b[31m", "\r=1", "\ufeff=1"])
def test_control_characters_are_refused(text):
    with pytest.raises(ValueError, match="printable text"):
        render_csv(Results(rows=(row("A", text, "DICE", 1.0),)))


def test_the_console_table_is_aligned_and_rounded():
    assert render_console(TABLE, precision=2).splitlines() == [
        "SUBJECT     LABEL   DICE  HDRFDST95  REASON",
        "----------  ------  ----  ---------  -----------------------------------------",
        "Subject_2   liver   0.50       3.25",
        "Subject_2   tumour  0.33      12.00",
        "Subject_10  liver   0.90       1.00",
        "Subject_10  tumour   nan        inf  empty in the prediction and the reference",
    ]


def test_markdown():
    text = render_markdown(select_rows(TABLE, subject="Subject_2", label="liver"), precision=1)
    assert text == "| SUBJECT | LABEL | DICE | HDRFDST95 |\n|---|---|---:|---:|\n| Subject_2 | liver | 0.5 | 3.2 |"
    assert "a\\|b" in render_markdown(Results(rows=(row("a|b", "", "DICE", 1.0),)))


def test_statistics_by_hand_with_what_was_left_out():
    entries = {(e.label, e.metric, e.statistic): e for e in summarize(TABLE)}
    assert entries["liver", "DICE", "MEAN"].value == pytest.approx(0.7)
    assert entries["liver", "DICE", "STD"].value == pytest.approx(0.2)
    tumour = entries["tumour", "DICE", "MEAN"]
    assert (tumour.value, tumour.count, tumour.undefined) == (pytest.approx(1 / 3), 1, 1)
    far = entries["tumour", "HDRFDST95", "MEAN"]
    assert (far.value, far.count, far.infinite) == (math.inf, 2, 1)
    assert math.isnan(entries["tumour", "HDRFDST95", "STD"].value)


def test_penalties_replace_what_has_no_number():
    entries = {(e.label, e.metric): e for e in summarize(TABLE, functions={"MAX": np.max}, undefined=0, infinite=300)}
    assert entries["tumour", "HDRFDST95"].value == 300
    assert entries["tumour", "DICE"].count == 2
    entries = {(e.label, e.metric): e for e in summarize(TABLE, functions={"MEDIAN": np.median}, undefined=0)}
    assert entries["tumour", "DICE"].value == pytest.approx(1 / 6)


def test_nothing_but_nan_gives_nan_without_a_warning():
    only = Results(rows=(row("A", "x", "DICE", math.nan),))
    entry = summarize(only)[0]
    assert math.isnan(entry.value)
    assert (entry.count, entry.undefined) == (0, 1)


def test_the_summary_table_and_the_statistics_file(tmp_path):
    entries = summarize(select_rows(TABLE, label="liver"))
    assert render_console(entries).splitlines() == [
        "LABEL  METRIC      MEAN    STD  N",
        "-----  ---------  -----  -----  -",
        "liver  DICE       0.700  0.200  2",
        "liver  HDRFDST95  2.125  1.125  2",
    ]
    write_statistics_csv(tmp_path / "statistics.csv", entries)
    found = pandas.read_csv(tmp_path / "statistics.csv", sep=";")
    assert list(found) == ["LABEL", "METRIC", "STATISTIC", "VALUE", "N", "UNDEFINED", "INFINITE"]
    assert found["VALUE"].tolist() == [entry.value for entry in entries]


def test_a_file_is_complete_or_absent(tmp_path):
    path = tmp_path / "results.csv"
    write_csv(path, TABLE)
    assert path.read_text() == render_csv(TABLE)
    with pytest.raises(FileExistsError, match=r"results\.csv exists already"):
        write_csv(path, TABLE)
    write_csv(path, select_rows(TABLE, label="liver"), overwrite=True)
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_csv(tmp_path / "nowhere" / "results.csv", TABLE)
    with pytest.raises(ValueError, match="printable"):
        write_csv(tmp_path / "bad.csv", Results(rows=(row("a\n", "x", "DICE", 1.0),)))
    assert os.listdir(tmp_path) == ["results.csv"]


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


def test_records_are_immutable_hashable_and_tell_what_they_hold():
    assert repr(TABLE) == "Results(8 values: 2 subjects x 2 labels x 2 metrics)"
    assert repr(Results(failures=(Failure(subject="A", message="no"),))).endswith("1 failed)")
    assert hash(TABLE) == hash(concatenate([Results(rows=TABLE.rows[:4]), Results(rows=TABLE.rows[4:])]))
    with pytest.raises(AttributeError):
        TABLE.rows[0].value = 1.0
    with pytest.raises(ValueError, match="twice"):
        concatenate([TABLE, TABLE])
    with pytest.raises(ValueError, match="`label` must be one of liver, tumour; got 'kidney'"):
        select_rows(TABLE, label="kidney")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: summarize(Results()), ValueError, "at least one value"),
        (lambda: summarize(TABLE, functions={"MEAN": 1}), TypeError, "names to functions"),
        (lambda: render_csv(TABLE, delimiter=";;"), ValueError, "one character"),
        (lambda: render_console(TABLE, precision=-1), ValueError, "at least 0"),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
