"""`mia summarize`, `compare` and `rank`: groups, policies, JSON, and one sentence for every mistake."""

import json

import pytest

from mia_functional import cli
from mia_functional.evaluation.results import Result, Results
from mia_functional.evaluation.run_record import CaseRecord, Run
from mia_functional.reporting import write_csv, write_runs


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of four cases, of which one missed the structure and one is missing, and a table of their sites."""
    monkeypatch.chdir(tmp_path)
    cases = (("A", 2.0, "ok"), ("B", float("inf"), "ok"), ("C", float("nan"), "missing"), ("D", 4.0, "ok"))
    rows = tuple(
        Result(subject=name, label="x", metric="ASSD", unit="mm", value=value, status=status)
        for name, value, status in cases
    )
    records = tuple(CaseRecord(method="", subject=name, shape=(3, 4), spacing=(2.0, 2.0)) for name, *_ in cases)
    results = Results(rows=rows, runs=(Run(versions=(), options=(), cases=records),))
    write_csv("results.csv", results)
    write_runs("results.csv", results)
    (tmp_path / "subjects.csv").write_text("id,site\nA,Bern\nB,Basel\nC,Bern\nD,Basel\n")
    return tmp_path


def run(capsys, *arguments):
    """Run the command in this process; return the exit status, lines of words of standard output, standard error."""
    status = cli.main(["summarize", "results.csv", *arguments])
    captured = capsys.readouterr()
    return status, [line.split() for line in captured.out.splitlines()], captured.err


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("options", "cells"),
    [
        ((), ["inf", "nan", "inf", "3.500", "inf", "4"]),
        (("--missing", "skip"), ["inf", "nan", "4.000", "3.000", "inf", "3"]),
        (("--missing", "skip", "--infinite", "skip"), ["3.000", "1.414", "3.000", "2.500", "3.500", "2"]),
        (("--infinite", "diagonal", "--missing", "skip"), ["5.333", "4.163", "4.000", "3.000", "7.000", "3"]),
        (("--infinite", "6", "--missing", "skip"), ["4.000", "2.000", "4.000", "3.000", "5.000", "3"]),
        (("--policy", "pymia"), ["inf", "nan", "3"]),
    ],
)
def test_policies_and_their_fields(capsys, options, cells):
    status, lines, _ = run(capsys, *options)
    assert status == 0
    assert lines[2] == ["x", "ASSD", *cells, "0", "1", "1", "0"]


@pytest.mark.usefixtures("table")
def test_groups_of_a_table_and_of_columns(capsys):
    _, lines, _ = run(capsys, "--by", "site", "status", "--table", "subjects.csv", "--policy", "monai")
    assert lines[0][:4] == ["SITE", "STATUS", "LABEL", "METRIC"]
    assert [line[:5] for line in lines[2:]] == [
        ["Bern", "ok", "x", "ASSD", "2.000"],
        ["Basel", "ok", "x", "ASSD", "inf"],
        ["Bern", "missing", "x", "ASSD", "nan"],
    ]


@pytest.mark.usefixtures("table")
def test_json_has_the_names_of_the_records(capsys):
    cli.main(["summarize", "results.csv", "--by", "site", "--table", "subjects.csv", "--json"])
    found = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    first = found["statistics"][0]
    assert first["group"] == [["site".upper(), "Bern"]]
    assert (first["label"], first["metric"], first["statistic"], first["value"]) == ("x", "ASSD", "MEAN", "inf")
    assert (first["count"], first["missing"], first["policy"]) == (2, 1, "mia")


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            ("--by", "site"),
            "`--by` must be one of method, subject, label, metric, unit, convention, status, reason; got",
        ),
        (("--by", "sex", "--table", "subjects.csv"), "`--by` must name a column of subjects.csv; got sex"),
        (("--table", "subjects.csv"), "`--by` must name a column of subjects.csv; got none"),
        (("--by", "site", "--table", "none.csv"), "the table none.csv does not exist"),
        (
            ("--policy", "ours"),
            "`--policy` must be one of mia, metrics_reloaded, monai, nnunet, brats, pymia; got 'ours'",
        ),
        (("--missing", "zero"), "`--missing` must be worst, undefined, skip, error or a number; got 'zero'"),
        (("--infinite", "far"), "`--infinite` must be keep, diagonal, skip or a number; got 'far'"),
        (("--missing", "error"), "must have ASSD of x for every subject under `--missing error`; got none for C"),
    ],
)
def test_mistakes_are_one_sentence(capsys, options, words):
    status, _, err = run(capsys, *options)
    assert status == 2
    assert err.startswith("mia: summarize: ")
    assert words in err
    assert len(err.splitlines()) == 1


def test_a_diagonal_that_is_not_known_may_be_given(table, capsys):
    (table / "results.run.json").unlink()
    status, _, err = run(capsys, "--infinite", "diagonal")
    assert status == 2
    assert err == (
        "mia: summarize: `--diagonal` must have the millimetres from corner to corner of every reference under "
        "`--infinite diagonal`; got none for B, C.\n"
    )
    _, lines, _ = run(capsys, "--infinite", "diagonal", "--diagonal", "9")
    assert lines[2][2] == "6.000"


@pytest.fixture
def rivals(tmp_path, monkeypatch):
    """Tables of two methods, of which the second is better and lacks a case."""
    monkeypatch.chdir(tmp_path)
    for name, values in (("old", (0.5, 0.6, 0.7)), ("new", (0.6, 0.8, float("nan")))):
        rows = tuple(
            Result(
                method=name,
                subject=f"s{k}",
                label="x",
                metric=metric,
                value=value,
                status="missing" if value != value else "ok",
            )
            for k, value in enumerate(values)
            for metric in ("DICE", "REFVOL")
        )
        write_csv(f"{name}.csv", Results(rows=rows))
    return tmp_path


@pytest.mark.usefixtures("rivals")
def test_compare_prints_pairs_of_methods_of_several_tables(capsys):
    assert cli.main(["compare", "new.csv", "old.csv", "--metrics", "dice", "--missing", "skip"]) == 0
    header, _, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header[:5] == ["LABEL", "METRIC", "METHOD", "BASELINE", "DIFFERENCE"]
    assert [row[:5] for row in rows] == [["x", "DICE", "new", "old", "0.150"]]
    assert rows[0][9:14] == ["1.000", "new", "2", "1", "1"]
    cli.main(["compare", "new.csv", "old.csv", "--metrics", "DICE", "--baseline", "new", "--interval", "t", "--json"])
    (found,) = json.loads(capsys.readouterr().out)["comparisons"]
    # The missing case counts as 0.
    assert (found["method"], found["better"], found["interval_method"]) == ("old", "old", "t")
    assert found["difference"] == pytest.approx((-0.1 - 0.2 + 0.7) / 3)
    assert (found["only_method"], found["permutation"]) == (["s2"], 1)


@pytest.mark.usefixtures("rivals")
def test_rank_prints_methods_from_best_to_worst(capsys):
    assert cli.main(["rank", "new.csv", "old.csv", "--metrics", "DICE", "--scheme", "rank-then-aggregate"]) == 0
    header, _, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header[:5] == ["LABEL", "METRIC", "RANK", "METHOD", "SCORE"]
    assert [row[2:5] for row in rows] == [["1", "new", "1.333"], ["2", "old", "1.667"]]
    cli.main(["rank", "new.csv", "old.csv", "--metrics", "DICE", "--function", "median", "--bootstraps", "0", "--json"])
    (found,) = json.loads(capsys.readouterr().out)["rankings"]
    assert [(entry["method"], entry["score"]) for entry in found["ranks"]] == [("new", 0.6), ("old", 0.6)]
    assert (found["ranks"][1]["rank"], found["scheme"]) == (1.0, "aggregate then rank")


@pytest.mark.usefixtures("rivals")
@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("compare", "new.csv"), "mia: compare: `results` must hold at least two methods; got 'new'.\n"),
        (
            ("compare", "new.csv", "old.csv", "--baseline", "x", "--metrics", "DICE"),
            "mia: compare: `--baseline` must be one of new, old; got 'x'.\n",
        ),
        (
            ("rank", "new.csv", "old.csv"),
            "mia: rank: `results` must hold metrics of which higher or lower is better, or `metrics` their rows; "
            "got REFVOL.\n",
        ),
        (("rank", "new.csv", "--metrics", "ASSD"), "mia: rank: `--metrics` must be one of DICE, REFVOL; got 'ASSD'.\n"),
        (
            ("rank", "new.csv", "new.csv"),
            "mia: rank: `results` must have every subject, label and metric once for a method; got ('new', 's0', 'x', "
            "'DICE') twice.\n",
        ),
        (
            ("rank", "new.csv", "--metrics", "DICE", "--bootstraps", "-1"),
            "mia: rank: `--bootstraps` must be at least 0; got -1.\n",
        ),
    ],
)
def test_mistakes_about_methods_are_one_sentence(capsys, words, sentence):
    assert cli.main(list(words)) == 2
    assert capsys.readouterr().err == sentence
