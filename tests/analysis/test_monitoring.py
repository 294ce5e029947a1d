"""Numbers for the course of a training."""

import math

import numpy as np
import pytest

from mia_functional.analysis import scalars
from mia_functional.evaluation import Results

from .tables import column, methods, table


def test_one_number_per_metric_and_label():
    rows = [*column((0.7, 0.9)), *column((0.5, 0.6), label="left/right"), *column((1.0, 3.0), metric="ASSD", label="")]
    assert scalars(Results(rows=tuple(rows))) == {
        "val/DICE/liver": pytest.approx(0.8),
        "val/DICE/left-right": pytest.approx(0.55),
        "val/ASSD": 2.0,
    }


def test_methods_stand_in_the_name_if_there_are_several():
    both = scalars(methods({"a": (0.7,), "b": (0.9,)}), prefix="test")
    assert both == {"test/a/DICE/liver": 0.7, "test/b/DICE/liver": 0.9}
    assert scalars(table((0.7,), method="a"), prefix="") == {"DICE/liver": 0.7}


def test_what_is_missing_counts_by_the_policy():
    results = table((0.8, "failed", math.nan))
    assert scalars(results) == {"val/DICE/liver": 0.4}
    assert scalars(results, policy="monai", function=np.max) == {"val/DICE/liver": 0.8}
    assert all(map(math.isnan, scalars(table((math.nan,))).values()))


def test_mistakes_are_one_sentence():
    with pytest.raises(TypeError, match="scalars: `prefix` must be text; got 3"):
        scalars(table((0.5,)), prefix=3)
    with pytest.raises(TypeError, match="scalars: `function` must be a function such as"):
        scalars(table((0.5,)), function="mean")
    with pytest.raises(TypeError, match=r"scalars: `function` must give a number; got '\[0.5\]' from str\."):
        scalars(table((0.5,)), function=str)
    with pytest.raises(ValueError, match="scalars: `results` must hold at least one value"):
        scalars(Results())
