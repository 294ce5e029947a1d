"""Statistics over subjects: by hand, with penalties, and with counts of what is undefined or infinite."""

import math

import numpy as np
import pytest

from mia_functional.analysis import summarize
from mia_functional.evaluation import Results

from ..reporting.results import TABLE, row


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


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: summarize(Results()), ValueError, "summarize: `results` must hold at least one value"),
        (
            lambda: summarize(TABLE, functions={"MEAN": 1}),
            TypeError,
            "summarize: `functions` must map names to functions",
        ),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call()
