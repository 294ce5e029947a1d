"""Tables for people: aligned, rounded, the same numbers on the console and in Markdown."""

import math

import pytest

from mia_functional.analysis import compare, rank, summarize
from mia_functional.evaluation import Results, select_rows
from mia_functional.reporting import comparison_table, ranking_table, render_console, render_latex, render_markdown

from .results import TABLE, row


def test_the_console_table_is_aligned_and_rounded():
    assert render_console(TABLE, precision=2).splitlines() == [
        f"SUBJECT     LABEL   DICE  HDRFDST95  STATUS          REASON{' ' * 60}".rstrip(),
        f"----------  ------  ----  ---------  --------------  {'-' * 66}",
        "Subject_2   liver   0.50       3.25  ok",
        "Subject_2   tumour  0.33      12.00  ok",
        "Subject_10  liver   0.90       1.00  ok",
        "Subject_10  tumour   nan        inf  DICE=undefined  "
        "empty in the prediction and the reference; empty in the prediction",
    ]


def test_markdown():
    text = render_markdown(select_rows(TABLE, subject="Subject_2", label="liver"), precision=1)
    assert text == "| SUBJECT | LABEL | DICE | HDRFDST95 |\n|---|---|---:|---:|\n| Subject_2 | liver | 0.5 | 3.2 |"
    assert "a\\|b" in render_markdown(Results(rows=(row("a|b", "", "DICE", 1.0),)))


def test_columns_in_which_nothing_stands_are_left_out():
    """A pair of masks has neither subject nor label; the first of several labels may have no name."""
    table = Results(rows=(row("", "", "DICE", 0.5), row("", "", "HDRFDST", 2.0)))
    assert render_console(table) == " DICE  HDRFDST\n-----  -------\n0.500    2.000"
    assert render_markdown(table).splitlines() == ["| DICE | HDRFDST |", "|---:|---:|", "| 0.500 | 2.000 |"]
    assert render_console(summarize(table)).split()[:2] == ["METRIC", "MEAN"]
    rows = (row("", "", "DICE", 0.5), row("", "b", "DICE", 0.25))
    assert render_console(Results(rows=rows)).splitlines()[2:] == ["       0.500", "b      0.250"]
    assert render_console(Results(rows=())).split("\n")[0] == "SUBJECT  LABEL"


def test_the_summary_table_is_that_of_statistics():
    entries = summarize(select_rows(TABLE, label="liver"))
    assert render_console(entries).splitlines() == [
        "LABEL  METRIC      MEAN    STD  MEDIAN     Q1     Q3  N  UNDEFINED  INFINITE  MISSING  FAILED",
        "-----  ---------  -----  -----  ------  -----  -----  -  ---------  --------  -------  ------",
        "liver  DICE       0.700  0.283   0.700  0.600  0.800  2          0         0        0       0",
        "liver  HDRFDST95  2.125  1.591   2.125  1.562  2.688  2          0         0        0       0",
    ]
    gap = row("Subject_3", "liver", "DICE", math.nan, status="missing", method="new", reason="no file")
    gaps = Results(rows=(*select_rows(TABLE, label="liver", metric="DICE"), gap))
    site = {"Subject_2": "Bern", "Subject_10": "Bern", "Subject_3": "Basel"}
    assert render_console(summarize(gaps, by={"site": site}, policy="pymia")).splitlines() == [
        "METHOD  SITE   LABEL  METRIC   MEAN    STD  N  UNDEFINED  INFINITE  MISSING  FAILED  REASON",
        "------  -----  -----  ------  -----  -----  -  ---------  --------  -------  ------  -------",
        "        Bern   liver  DICE    0.700  0.200  2          0         0        0       0",
        "new     Basel  liver  DICE      nan    nan  0          0         0        1       0  no file",
    ]


def test_a_cell_names_a_few_reasons_and_says_how_many_more_there_are():
    gaps = [row(f"s{k}", "liver", "DICE", math.nan, status="failed", reason=f"broken {k}") for k in range(5)]
    for count, words in ((3, "broken 0; broken 1; broken 2"), (5, "broken 0; broken 1; broken 2; and 2 more")):
        entries = summarize(Results(rows=tuple(gaps[:count])))
        assert render_console(entries).splitlines()[2].endswith(words)
        assert len(entries[0].reasons) == count


def test_a_cell_says_what_was_found_and_not_which_function_said_so():
    reason = "evaluate_folders: `predictions` must lie on the grid of the reference, r/a.nii.gz; got axis 2 flipped."
    gap = row("A", "liver", "DICE", math.nan, status="failed", reason=reason)
    assert render_console(summarize(Results(rows=(gap,)))).splitlines()[2].endswith("  axis 2 flipped.")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: render_console(TABLE, precision=-1), ValueError, "render_console: `precision` must be at least 0"),
        (lambda: render_markdown({}), TypeError, "render_markdown: `data` must be results"),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_latex_escapes_names_and_aligns_numbers():
    rows = (
        row("A_1 & B%", "[x]", "DICE", 0.5), row("\\b{$}", "<~^>", "DICE", math.inf), row("a--b", "x", "DICE", -0.25),
    )  # fmt: skip
    lines = render_latex(Results(rows=rows), precision=2).splitlines()
    assert lines[:4] == [r"\begin{tabular}{llr}", r"\toprule", r"SUBJECT & LABEL & DICE \\", r"\midrule"]
    assert lines[4] == r"A\_1 \& B\% & [x] & 0.50 \\"
    assert (
        lines[5]
        == r"\textbackslash{}b\{\$\} & \textless{}\textasciitilde{}\textasciicircum{}\textgreater{} & $\infty$ \\"
    )
    assert lines[6:] == [r"a{-}{-}b & x & $-0.25$ \\", r"\bottomrule", r"\end{tabular}"]
    bracket = Results(rows=(row('[A]"', "x", "DICE", math.nan),))
    assert render_latex(bracket).splitlines()[4].startswith(r"{}[A]'' & x & --")
    star = Results(rows=(row("*A", "x", "DICE", 0.5),))
    assert render_latex(star).splitlines()[4] == r"{}*A & x & 0.500 \\"


def test_comparisons_and_rankings_have_tables_of_their_own():
    site = {"A": "Bern", "B": "Bern"}
    rows = [
        row(name, "liver", "DICE", value, method=method)
        for method, values in (("old", (0.5, 0.75)), ("new", (0.75, 1.0)))
        for name, value in zip("AB", values, strict=True)
    ]
    both = Results(rows=(*rows, row("A", "liver", "DICE", math.nan, method="none", status="failed")))
    pairs = compare(both, by={"site": site}, baseline="old", missing="skip")
    assert [line.split()[:8] for line in render_console(pairs, precision=2).splitlines()] == [
        ["SITE", "LABEL", "METRIC", "METHOD", "BASELINE", "DIFFERENCE", "LOW", "HIGH"],
        ["-" * width for width in (4, 5, 6, 6, 8, 10, 4, 4)],
        ["Bern", "liver", "DICE", "new", "old", "0.25", "0.25", "0.25"],
        ["Bern", "liver", "DICE", "none", "old", "nan", "nan", "nan"],
    ]
    table = comparison_table(pairs)
    assert table.rows[1][table.header.index("N") : table.header.index("NOTE")] == (0, 2, 2)
    ranked = ranking_table(rank(both, by={"site": site}, bootstraps=0))
    assert ranked.header == ("SITE", "LABEL", "METRIC", "RANK", "METHOD", "SCORE", "RANK_LOW", "RANK_HIGH", "N",
                             "UNDEFINED", "INFINITE", "MISSING", "FAILED", "TAU")  # fmt: skip
    equal = Results(rows=tuple(row("A", "liver", "DICE", 0.5, method=name) for name in "ab"))
    assert [line[2] for line in ranking_table(rank(equal, ties="average")).rows] == [1.5, 1.5]
    assert [(line[3], line[4], line[5], line[11], line[12]) for line in ranked.rows] == [
        (1, "new", 0.875, 0, 0),
        (2, "old", 0.625, 0, 0),
        (3, "none", 0, 1, 1),
    ]
    assert render_markdown(()) == render_markdown(summarize(both)[:0])
    with pytest.raises(TypeError, match="render_console: `data` must be results, or what `summarize`"):
        render_console((*pairs, *rank(both, bootstraps=0)))
