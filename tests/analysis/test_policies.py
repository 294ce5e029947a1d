"""Policies: what each word does with each case, and the very numbers of the packages that they are named after."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mia_functional.analysis import POLICIES, Policy, compare, rank, scalars, summarize
from mia_functional.evaluation import Results, concatenate
from mia_functional.evaluation.run_record import CaseRecord, Run
from mia_functional.metrics.table import METRICS

from .tables import column, table

NAN, INF = math.nan, math.inf
DICE = (1.0, 0.8, NAN, 0.0, "missing")
DISTANCES = (0.0, 2.0, NAN, INF, "failed")
"""Two cases with numbers, one that is empty in both masks, a missed structure, and a case without a value."""


def mean(values, *, metric="DICE", policy="mia", **rest):
    """Return mean and number of values."""
    unit = "mm" if metric.startswith("HDRFDST") else ""
    (entry,) = summarize(table(values, metric=metric, unit=unit), functions={"M": np.mean}, policy=policy, **rest)
    return entry.value, entry.count


@pytest.mark.parametrize(
    ("policy", "dice", "distance"),
    [
        (Policy(), (0.45, 4), (INF, 4)),
        (Policy(undefined="best"), (2.8 / 5, 5), (INF, 5)),
        (Policy(undefined="worst"), (1.8 / 5, 5), (INF, 5)),
        (Policy(undefined=0.5), (2.3 / 5, 5), (INF, 5)),
        (Policy(undefined="keep"), (NAN, 5), (NAN, 5)),
        (Policy(infinite="skip"), (0.45, 4), (1.0, 2)),
        (Policy(infinite=100), (0.45, 4), (202 / 4, 4)),
        (Policy(infinite="diagonal"), (0.45, 4), (2 * 10 / 4 + 0.5, 4)),
        (Policy(missing="skip"), (0.6, 3), (INF, 3)),
        (Policy(missing="skip", infinite="skip"), (0.6, 3), (1.0, 2)),
        (Policy(missing="undefined"), (0.6, 3), (INF, 3)),
        (Policy(missing="undefined", undefined=0.5), (2.8 / 5, 5), (INF, 5)),
        (Policy(missing=50, infinite="skip"), (0.45, 4), (52 / 3, 3)),
    ],
)
def test_each_word_by_hand(policy, dice, distance):
    assert mean(DICE, policy=policy) == pytest.approx(dice, nan_ok=True)
    found = mean(DISTANCES, metric="HDRFDST95", policy=policy, diagonals=10)
    assert found == pytest.approx(distance, nan_ok=True)


def test_fields_override_those_of_a_name():
    assert mean(DISTANCES, metric="HDRFDST", missing="skip", infinite=6) == pytest.approx((8 / 3, 3))
    entry = summarize(table(DICE), missing="skip")[0]
    assert entry.policy == "undefined=skip infinite=keep missing=skip"
    assert summarize(table(DICE))[0].policy == "mia"


def test_counts_are_of_what_was_measured_whatever_the_policy():
    for policy in POLICIES:
        entry = summarize(table((*DISTANCES, "missing"), metric="HDRFDST95", unit="mm"), policy=policy)[0]
        assert (entry.undefined, entry.infinite, entry.missing, entry.failed) == (1, 1, 1, 1)
        assert entry.reasons == ("failed on purpose", "missing on purpose")


def test_the_diagonal_is_that_of_each_subject_and_of_metrics_in_millimetres_alone():
    diagonals = {"s0": 30.0, "s1": 50.0, "s2": 70.0}
    assert mean((1.0, INF, "missing"), metric="HDRFDST", infinite="diagonal", diagonals=diagonals) == ((121) / 3, 3)
    # The structural signal of equal images is infinite, and that is the best.
    assert mean((INF, 20.0), metric="PSNR", infinite="diagonal")[0] == INF
    # A wide table has no units, but the table of metrics knows them.
    (entry,) = summarize(table((INF,), metric="ASSD"), functions={"M": np.mean}, infinite="diagonal", diagonals=30)
    assert entry.value == 30


def test_the_worst_value_is_the_end_of_the_range():
    for row in METRICS:
        value, count = mean(("failed",), metric=row.abbreviation)
        if math.isnan(row.best):
            assert math.isnan(value)
            assert count == 0
        else:
            assert value == {row.lowest: row.highest, row.highest: row.lowest}[row.best]


def test_infinities_keep_their_sign_where_a_number_replaces_them():
    assert mean((-INF, 1.0), metric="R2", infinite=5) == (-2.0, 2)


def test_own_metrics_say_what_is_worst():
    from dataclasses import replace

    own = replace(METRICS[0], abbreviation="MINE", lowest=-3.0)
    assert mean(("missing",), metric="MINE") == pytest.approx((NAN, 0), nan_ok=True)
    assert mean(("missing",), metric="MINE", metrics=[own]) == (-3.0, 1)


def test_metrics_reloaded():
    """What MetricsReloaded 0.1.0 (commit cb38dfc, run NumPy 2.4.6, pandas 3.1.1) said the mean of five cases is.

    They are squares that are found, found with half as much beside (Dice 0.8), empty in both masks and missed, and one
    without a prediction (`ref_missing`). It set 1 or 0 where both masks are empty, NaN for distances of the missed one,
    and 0 or 1000 for what has no prediction.
    """
    said = {
        "DICE": (DICE, 0.56, 5),
        "SURFDICE@1mm": ((1.0, 0.9, NAN, 0.0, "missing"), 0.58, 5),
        "HDRFDST": ((0.0, 2.0, NAN, INF, "missing"), 250.5, 4),
        "HDRFDST95": ((0.0, 2.0, NAN, INF, "missing"), 250.5, 4),
        "ASSD": ((0.0, 0.3, NAN, INF, "missing"), 250.075, 4),
        "MASD": ((0.0, 0.25, NAN, INF, "missing"), 250.0625, 4),
    }
    for metric, (values, average, count) in said.items():
        assert mean(values, metric=metric, policy="metrics_reloaded") == (pytest.approx(average, rel=1e-15), count)
    deviation = summarize(table(DICE), policy="metrics_reloaded", functions={"STD": lambda x: np.std(x, ddof=1)})
    assert deviation[0].value == pytest.approx(0.517687, abs=1e-6)


@pytest.mark.slow
def test_monai():
    import torch
    from monai.metrics.utils import do_metric_reduction

    for values in ((1.0, 0.8, NAN, 0.0), (0.0, 2.0, NAN, INF)):
        peer, _ = do_metric_reduction(torch.tensor(values)[:, None], "mean_batch")
        assert mean(values, policy="monai")[0] == pytest.approx(float(peer[0]))
    # Where nothing is defined, MONAI says 0: a distance that none can beat. Here it is NaN.
    peer, _ = do_metric_reduction(torch.tensor([[NAN]]), "mean_batch")
    assert float(peer[0]) == 0
    assert math.isnan(mean((NAN,), policy="monai")[0])


def test_nnunet():
    """What nnU-Net 2.8.1 wrote into `summary.json` for masks with these Dice values; a fifth case had no prediction."""
    assert mean(DICE, policy="nnunet") == (pytest.approx(0.6, rel=1e-15), 3)
    for values, said in (
        ((0.0, 0.6666666666666666, NAN, NAN), 0.3333333333333333),
        ((0.9696969696969697, 0.782608695652174, NAN, 0.0), 0.5841018884497146),
    ):
        assert mean(values, policy="nnunet")[0] == pytest.approx(said, rel=1e-15)


def test_brats():
    """What the code of BraTS 2023 said of a lesion that is found, half found, absent in both, missed, and made up.

    It set 1 and 0 where both masks are empty, and 374 in place of inf.
    """
    said = {"DICE": (1.0, 0.8, 1.0, 0.0, 0.0), "HDRFDST95": (0.0, 2.0, 0.0, 374.0, 374.0)}
    ours = {"DICE": (1.0, 0.8, NAN, 0.0, 0.0), "HDRFDST95": (0.0, 2.0, NAN, INF, INF)}
    for metric, values in ours.items():
        assert mean(values, metric=metric, policy="brats") == (pytest.approx(np.mean(said[metric]), rel=1e-15), 5)


def test_pymia():
    from pymia.evaluation.evaluator import Result
    from pymia.evaluation.writer import StatisticsAggregator

    for values in ((0.5, 0.75, 1.0), (0.5, NAN), (2.0, INF)):
        with np.errstate(invalid="ignore"):
            peer = StatisticsAggregator().calculate([Result(f"s{k}", "liver", "DICE", v) for k, v in enumerate(values)])
        ours = summarize(table(values), policy="pymia")
        assert [entry.statistic for entry in ours] == ["MEAN", "STD"]
        assert [e.value for e in ours] == pytest.approx([e.value for e in peer], nan_ok=True, rel=1e-12)
    assert mean((0.5, "missing"), policy="pymia") == (0.5, 1)


@pytest.mark.parametrize("function", [summarize, scalars, rank, compare])
def test_what_cannot_be_counted_is_one_sentence(function):
    results = concatenate([table((0.5, "missing"), method=name) for name in "ab"])
    name = function.__name__
    words = f'{name}: `results` must have DICE of liver for every subject under `missing="error"`; got none for s1.'
    with pytest.raises(ValueError, match="got none for s1") as caught:
        function(results, missing="error")
    assert str(caught.value) == words
    distances = concatenate([table((1.0, INF), metric="ASSD", unit="mm", method=name) for name in "ab"])
    with pytest.raises(ValueError, match=f"{name}: `diagonals` must have the millimetres from corner .* none for s1"):
        function(distances, infinite="diagonal", diagonals={"s0": 3.0})
    with pytest.raises(ValueError, match=f"{name}: `diagonals` must be positive and finite; got -1"):
        function(distances, infinite="diagonal", diagonals=-1)
    with pytest.raises(ValueError, match=f"{name}: `policy` must be one of mia, metrics_reloaded, .*; got 'ours'"):
        function(results, policy="ours")
    with pytest.raises(TypeError, match=f"{name}: `policy` must be a Policy or one of mia"):
        function(results, policy=3)
    with pytest.raises(ValueError, match=f"{name}: `missing` must be worst, undefined, skip, error or a number"):
        function(results, missing="zero")
    with pytest.raises(ValueError, match=f"{name}: `infinite` must be a number or a word; got nan"):
        function(results, infinite=NAN)
    with pytest.raises(TypeError, match=f"{name}: `metrics` must be from `metrics.metric`; .*`evaluation.select_rows`"):
        function(results, missing="skip", metrics=("DICE",))


def test_results_of_folders_know_their_diagonals():
    cases = tuple(
        CaseRecord(method=name, subject="s0", shape=(3, 4), spacing=(size, size))
        for name, size in (("a", 1.0), ("b", 2.0))
    )
    far = concatenate([table((INF,), metric="ASSD", unit="mm", method=name) for name in "ab"])
    known = Results(rows=far.rows, runs=(Run(versions=(), options=(), cases=cases),))
    entries = summarize(known, infinite="diagonal", functions={"M": np.mean})
    assert [entry.value for entry in entries] == [5, 10]
    assert [entry.score for entry in rank(known, infinite="diagonal", bootstraps=0)[0].ranks] == [5, 10]
    assert compare(known, infinite="diagonal")[0].difference == 5
    assert scalars(known, infinite="diagonal") == {"val/a/ASSD/liver": 5, "val/b/ASSD/liver": 10}
    # What is given counts.
    assert summarize(known, infinite="diagonal", functions={"M": np.mean}, diagonals=7)[1].value == 7


@pytest.mark.parametrize(
    ("one", "other", "text"),
    [
        ("monai, voxels", "surfels", "monai, voxels and surfels"),
        ("", "monai", "ours and monai"),
        ("surfels", "voxels", "surfels and voxels"),
        ("surfels", "", None),
        ("monai", "monai", None),
    ],
)
def test_numbers_of_two_conventions_are_not_mixed(one, other, text):
    """An empty one is that of a metric without surfaces, or of a file that has no such column."""
    rows = [replace(row, convention=name) for name, row in zip((one, other), column([0.5, 0.7]), strict=True)]
    if text is None:
        assert summarize(Results(rows=tuple(rows)))[0].value == pytest.approx(0.6)
        return
    with pytest.raises(ValueError, match=rf"^summarize: `results` must have DICE under one convention; got {text}\.$"):
        summarize(Results(rows=tuple(rows)))
    assert len(summarize(Results(rows=tuple(rows)), by="convention", functions={"MEAN": np.mean})) == 2
    rows = [replace(row, method=row.subject, subject="A") for row in rows]
    with pytest.raises(ValueError, match=rf"^rank: `results` must have DICE under one convention; got {text}\.$"):
        rank(Results(rows=tuple(rows)))
