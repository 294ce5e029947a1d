"""Statistics over subjects: by hand, of groups, and with counts of what is undefined, infinite, missing and failed."""

import math
import statistics

import numpy as np
import pytest

from mia_functional.analysis import summarize
from mia_functional.analysis.summary import first_quartile, third_quartile
from mia_functional.evaluation import Results

from ..reporting.results import TABLE, row
from .tables import methods, table


def test_statistics_by_hand_with_what_was_left_out():
    entries = {(e.label, e.metric, e.statistic): e for e in summarize(TABLE)}
    assert entries["liver", "DICE", "MEAN"].value == pytest.approx(0.7)
    assert entries["liver", "DICE", "STD"].value == pytest.approx(statistics.stdev((0.5, 0.9)))
    assert [entries["liver", "DICE", name].value for name in ("Q1", "MEDIAN", "Q3")] == pytest.approx([0.6, 0.7, 0.8])
    tumour = entries["tumour", "DICE", "MEAN"]
    assert (tumour.value, tumour.count, tumour.undefined) == (pytest.approx(1 / 3), 1, 1)
    assert tumour.reasons == ("empty in the prediction and the reference",)
    assert math.isnan(entries["tumour", "DICE", "STD"].value)
    far = entries["tumour", "HDRFDST95", "MEAN"]
    assert (far.value, far.count, far.infinite) == (math.inf, 2, 1)
    assert math.isnan(entries["tumour", "HDRFDST95", "STD"].value)
    assert entries["tumour", "HDRFDST95", "MEDIAN"].value == math.inf


def test_quartiles_are_those_of_numpy_and_take_infinities():
    rng = np.random.default_rng(0)
    for size in (1, 2, 3, 4, 5, 10, 101):
        values = rng.normal(size=size)
        assert first_quartile(values) == pytest.approx(np.quantile(values, 0.25), rel=1e-12)
        assert third_quartile(values) == pytest.approx(np.quantile(values, 0.75), rel=1e-12)
    assert [first_quartile(np.array([1, 2, math.inf, math.inf])), third_quartile(np.array([math.inf] * 2))] == [
        1.75,
        math.inf,
    ]
    assert math.isnan(first_quartile(np.array([1.0, math.nan])))
    assert math.isnan(third_quartile(np.array([])))


def test_what_is_missing_does_not_make_a_method_better():
    found = methods({"all": (0.9, 0.9, 0.2), "easy ones": (0.9, 0.9, "missing")})
    values = {e.method: e.value for e in summarize(found, functions={"MEAN": np.mean})}
    assert values == {"all": pytest.approx(2 / 3), "easy ones": pytest.approx(0.6)}


def test_nothing_but_nan_gives_nan_without_a_warning():
    for entry in summarize(Results(rows=(row("A", "x", "DICE", math.nan),))):
        assert math.isnan(entry.value)
        assert (entry.count, entry.undefined) == (0, 1)


def test_functions_cannot_change_each_others_values():
    def spoil(values):
        values[:] = 0
        return 0

    entries = summarize(table((0.5, 0.7)), functions={"SPOIL": spoil, "MEAN": np.mean})
    assert entries[1].value == pytest.approx(0.6)


SITES = {"s0": "Bern", "s1": "Basel", "s2": "Bern"}


def test_groups_of_subjects():
    results = methods({"a": (0.2, 0.4, 0.6), "b": (0.1, 0.3, 0.5)})
    entries = summarize(results, by={"site": SITES, "sex": dict.fromkeys(SITES, "f")}, functions={"MEAN": np.mean})
    found = {(e.method, e.group): (e.value, e.count) for e in entries}
    bern, basel = ((("SITE", site), ("SEX", "f")) for site in ("Bern", "Basel"))
    assert found == {
        ("a", bern): (pytest.approx(0.4), 2),
        ("a", basel): (0.4, 1),
        ("b", bern): (pytest.approx(0.3), 2),
        ("b", basel): (0.3, 1),
    }
    (entry,) = summarize(table((0.2, 0.4)), by={"s0": 1, "s1": 1}, functions={"MEAN": np.mean})
    assert entry.group == (("GROUP", "1"),)


def test_groups_by_columns_of_the_table():
    entries = summarize(TABLE, by="subject", functions={"MEAN": np.mean})
    assert {(e.group[0][1], e.label, e.metric): e.value for e in entries}["Subject_2", "liver", "DICE"] == 0.5
    assert len(entries) == len(TABLE)
    # These are what statistics are grouped by anyway.
    median = {"MEDIAN": np.median}
    assert summarize(TABLE, by=["label", "METHOD"], functions=median) == summarize(TABLE, functions=median)
    mixed = summarize(table((0.2, 0.4)), by=["unit", {"s0": 1, "s1": 2}])
    assert mixed[0].group == (("UNIT", ""), ("GROUP", "1"))
    both = summarize(TABLE, by=("STATUS", "unit"), functions={"MEAN": np.mean})
    assert {entry.group for entry in both} == {
        (("STATUS", "ok"), ("UNIT", "")),
        (("STATUS", "ok"), ("UNIT", "mm")),
        (("STATUS", "undefined"), ("UNIT", "")),
    }


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: summarize(Results()), ValueError, "summarize: `results` must hold at least one value"),
        (lambda: summarize([]), TypeError, "summarize: `results` must be a table of results"),
        (
            lambda: summarize(TABLE, functions={"MEAN": 1}),
            TypeError,
            "summarize: `functions` must map names to functions",
        ),
        (
            lambda: summarize(TABLE, functions={"MAX": np.max, "ALL": np.sort}),
            TypeError,
            r"summarize: `functions` must give a number; got an array of shape \(2,\) from ALL",
        ),
        (
            lambda: summarize(TABLE, functions={"TEXT": lambda values: "x"}),  # noqa: ARG005
            TypeError,
            "summarize: `functions` must give a number; got 'x' from TEXT",
        ),
        (lambda: summarize(TABLE, by="site"), ValueError, "summarize: `by` must be one of method, subject, .* 'site'"),
        (lambda: summarize(TABLE, by=3), TypeError, "summarize: `by` must name columns of the results, or map"),
        (
            lambda: summarize(TABLE, by={"site": {"Subject_2": "Bern"}}),
            ValueError,
            "summarize: `by` must have SITE for every subject of the results; got none for Subject_10",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
