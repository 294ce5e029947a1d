"""Evaluations by the convention of another package: values, what the table and the record say, and what is refused."""

import inspect
import json
import math

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import cli
from mia_functional.cli.evaluate import EVALUATE_COMMAND
from mia_functional.evaluation import Case, evaluate, evaluate_folders, evaluate_many
from mia_functional.geometry import Geometry
from mia_functional.metrics import hausdorff_distance, voxels

GRID = Geometry(shape=(1, 5, 9), spacing=(1.0, 2.0, 1.5))
REFERENCE = np.zeros(GRID.shape, np.uint8)
REFERENCE[:, 1:4, 1:4] = 1
REFERENCE[:, 1:4, 6:8] = 2
MISSED = np.where(np.roll(REFERENCE, 1, axis=2) == 1, 1, 0).astype(np.uint8)
LABELS = {1: "cube", 2: "bar", 3: "absent"}
ASKED = ("DICE", "HD95", "SURFDICE@2mm")


def test_a_convention_decides_on_surfaces_and_on_empty_masks():
    given = {"metrics": ASKED, "labels": LABELS, "spacing": GRID.spacing}
    rows = evaluate(MISSED, REFERENCE, convention="monai", **given)
    assert [row.metric for row in rows[:3]] == ["DICE", "HDRFDST95", "SURFDICE@2mm"]
    assert [row.convention for row in rows[:3]] == ["monai", "monai, voxels", "monai, voxels"]
    wanted = hausdorff_distance(MISSED == 1, REFERENCE == 1, spacing=GRID.spacing, percentile=95, boundary=voxels)
    assert rows[1].value == float(wanted)
    assert [row.value for row in rows[3:]] == pytest.approx([0, math.nan, 0, math.nan, math.nan, math.nan], nan_ok=True)
    assert rows[4].reason == "empty in the prediction"
    ours = evaluate(MISSED, REFERENCE, **given)
    assert [row.convention for row in ours[:3]] == ["", "surfels", "surfels"]
    assert math.isinf(ours[4].value)


@pytest.mark.parametrize(
    ("convention", "metric", "values"),
    [
        ("monai", "DICE", (0, math.nan, math.nan)),
        ("medpy", "HD95", (math.nan, math.nan, math.nan)),
        ("metrics_reloaded", "ASSD", (math.nan, math.nan, 0)),
        ("metrics_reloaded", "CENDST", (-1, -1, -1)),
        ("deepmind", "ASD_PR", (math.nan, math.inf, math.nan)),
        ("brats", "HD95", (374, 374, 0)),
        ("pymia", "SURFDICE", (0, 0, -math.inf)),
    ],
)
def test_empty_predictions_references_and_both(convention, metric, values):
    reference, empty = REFERENCE, np.zeros_like(REFERENCE)
    for labels in ((1,), None):
        for (one, other), value in zip(((empty, reference), (reference, empty), (empty, empty)), values, strict=True):
            pair = ((array == 1).astype(np.uint8) for array in (one, other))
            (row,) = evaluate(*pair, metrics=[metric], labels=labels, spacing=GRID.spacing, convention=convention)
            assert row.value == pytest.approx(value, nan_ok=True)


@pytest.mark.sampled(2)
def test_every_library_follows_a_convention(xp):
    pair = [xp.asarray(array) for array in (MISSED, REFERENCE)]
    rows = evaluate(*pair, metrics=["PRCISON"], labels=LABELS, spacing=GRID.spacing, convention="metrics_reloaded")
    assert [row.value for row in rows] == pytest.approx([2 / 3, 0, math.nan], rel=1e-6, nan_ok=True)


def test_voxels_that_are_ignored_make_no_mask():
    ignored = np.where(REFERENCE == 1, 255, REFERENCE).astype(np.uint8)
    (row,) = evaluate(MISSED, ignored, metrics=["DICE"], labels=(1,), ignore=255, convention="monai")
    assert (row.value, MISSED[ignored != 255].any()) == (pytest.approx(math.nan, nan_ok=True), True)


def test_many_cases_follow_a_convention():
    cases = [Case("A", MISSED == 1, REFERENCE == 1, GRID.spacing), Case("B", MISSED == 1, REFERENCE == 3, GRID.spacing)]
    for convention, value in (("monai", math.nan), ("nnunet", 0.0)):
        rows = evaluate_many(cases, metrics=["DICE"], convention=convention)
        assert [row.value for row in rows] == pytest.approx([2 / 3, value], nan_ok=True)
        assert {row.convention for row in rows} == {convention}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Two folders with a case each."""
    for name, array in (("net", MISSED), ("truth", REFERENCE)):
        (tmp_path / name).mkdir()
        mia.images.write(tmp_path / name / "A.mha", array, GRID)
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folders")
def test_folders_follow_a_convention_and_their_record_says_so():
    given = {"metrics": ["HD95", "DICE"], "labels": (1, 2)}
    journal = {"journal": "journal.jsonl"}
    results = evaluate_folders("net", "truth", convention="medpy", **given, **journal)
    assert [row.convention for row in results] == ["medpy, voxels", "medpy"] * 2
    assert dict(results.runs[0].options)["convention"] == "medpy"
    again = evaluate_folders("net", "truth", convention="medpy", **given, **journal, resume=True)
    assert [(row.metric, row.convention) for row in again] == [(row.metric, row.convention) for row in results]
    with pytest.raises(ValueError, match=r"^evaluate_folders: `journal` must name the journal of an evaluation"):
        evaluate_folders("net", "truth", convention="panoptica", **given, **journal, resume=True)
    assert "convention" not in dict(evaluate_folders("net", "truth", **given).runs[0].options)


@pytest.mark.usefixtures("folders")
def test_the_command_follows_a_convention(capsys):
    words = ["evaluate", "net", "truth", "--labels", "1=cube", "--metrics", "hd95", "--jobs", "1", "--json"]
    assert cli.main([*words, "--convention", "medpy", "--output", "table.csv"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["convention"] == "medpy, voxels"
    record = json.loads((mia.reporting.run_files.run_path("table.csv")).read_text(encoding="utf-8"))
    assert record["runs"][0]["options"]["convention"] == "medpy"
    for convention, text in (
        ("mine", "mia: evaluate: `--convention` must be one of deepmind, monai, "),
        ("skimage", "mia: evaluate: `--metrics` must be of scikit-image (VARINFO, HDRFDST, "),
    ):
        assert cli.main([*words, "--convention", convention]) == 2
        assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("function", "pair"),
    [("evaluate", (MISSED == 1, REFERENCE == 1)), ("evaluate_many", ([Case("A", MISSED == 1, REFERENCE == 1)],))],
)
def test_what_a_convention_lacks_is_refused_with_what_it_has(function, pair):
    call = getattr(mia.evaluation, function)
    text = rf"^{function}: `metrics` must be of nnU-Net \(DICE, JACRD, TP, FP, TN, FN\); got PRCISON: which it does"
    with pytest.raises(ValueError, match=text):
        call(*pair, metrics=["DICE", "PRCISON"], convention="nnunet")
    with pytest.raises(ValueError, match=rf"^{function}: `convention` must be one of deepmind, .*; got 'itk'"):
        call(*pair, metrics=["DICE"], convention="itk")


def test_what_is_said_of_conventions_names_all_of_them():
    texts = {"help": EVALUATE_COMMAND.options["--convention"]["help"]}
    texts |= {function.__name__: inspect.getdoc(function) for function in (evaluate, mia.metrics.under_convention)}
    assert {place: [name for name in mia.metrics.CONVENTIONS if name not in text] for place, text in texts.items()} == {
        place: [] for place in texts
    }
