"""Worst and best cases by hand."""

import math

import pytest

from mia_functional.analysis import worst
from mia_functional.evaluation import Results

from .tables import column, methods, table


def names(rows):
    """Return the subjects of rows."""
    return [row.subject for row in rows]


def test_failed_and_missing_cases_come_first_then_values():
    (found,) = worst(table((0.9, "missing", 0.2, math.nan, 0.8, "failed", 0.7, 0.5)), k=4)
    assert names(found.worst) == ["s5", "s1", "s2", "s7"]
    # No case is among the best and the worst, and an undefined one among neither.
    assert names(found.best) == ["s0", "s4", "s6"]
    assert (found.label, found.metric, found.method) == ("liver", "DICE", "")
    assert found.worst[0].reason == "failed on purpose"


def test_the_direction_is_that_of_the_metric():
    (found,) = worst(table((1.0, math.inf, 3.0, 2.0), metric="HDRFDST95", unit="mm"), k=2)
    assert (names(found.worst), names(found.best)) == (["s1", "s2"], ["s0", "s3"])


def test_nothing_but_failures_has_no_best_case():
    (found,) = worst(table(("failed", "missing", "failed")), k=1)
    assert (names(found.worst), found.best) == (["s0"], ())


def test_one_metric_label_and_method():
    rows = [*methods({"a": (0.1, 0.9), "b": (0.9, 0.2)}), *column((3.0,), metric="HDRFDST95", method="a")]
    found = worst(Results(rows=tuple(rows)), metric="dsc", method="b", label="liver", k=1)
    assert [(e.method, e.metric, names(e.worst), names(e.best)) for e in found] == [("b", "DICE", ["s1"], ["s0"])]
    assert len(worst(Results(rows=tuple(rows)))) == 3


@pytest.mark.parametrize(
    ("rest", "error", "words"),
    [
        ({"k": 0}, ValueError, "worst: `k` must be at least 1; got 0"),
        ({"metric": "ASSD"}, ValueError, "worst: `metric` must be one of DICE; got 'ASSD'"),
        ({"label": "x"}, ValueError, "worst: `label` must be one of liver; got 'x'"),
    ],
)
def test_mistakes_are_one_sentence(rest, error, words):
    with pytest.raises(error, match=words):
        worst(table((0.5,)), **rest)
    with pytest.raises(TypeError, match="worst: `results` must be a table of results"):
        worst([])
    with pytest.raises(ValueError, match="worst: `results` must hold metrics of which higher or lower is better"):
        worst(table((5.0,), metric="REFVOL"))
