"""Metrics of probabilities in evaluations: of arrays, channels and folders, and by the command."""

import re

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import metrics
from mia_functional.cli import main
from mia_functional.evaluation import Case, evaluate, evaluate_folders, evaluate_many
from mia_functional.geometry import Geometry

NAMES = ["DICE", "ECE", "BRIER", "NLL"]
SHAPE = (4, 5, 6)
GRID = Geometry(shape=SHAPE, spacing=(2.0, 1.0, 1.0))


def scene(seed=0):
    """Return probabilities of background and two labels, what they decide, and a reference."""
    rng = np.random.default_rng(seed)
    soft = rng.dirichlet((1, 0.5, 0.5), SHAPE).astype(np.float32)
    return soft, soft.argmax(axis=-1).astype(np.uint8), rng.integers(0, 3, SHAPE).astype(np.uint8)


def expected(soft, reference, label):
    """Return ECE, Brier score and NLL of a label."""
    p, r = soft[..., label], reference == label
    functions = metrics.expected_calibration_error, metrics.brier_score, metrics.negative_log_likelihood
    return [float(function(p, r)) for function in functions]


def values(results, label):
    return [row.value for row in results if row.label == label and row.metric != "DICE"]


def test_labels_and_masks():
    soft, prediction, reference = scene()
    results = evaluate(
        prediction, reference, metrics=NAMES, labels={1: "one", 2: "two"}, probabilities=soft[..., 1:], spacing=None
    )
    for label, name in ((1, "one"), (2, "two")):
        assert values(results, name) == pytest.approx(expected(soft, reference, label), rel=1e-9)
    one = evaluate(prediction == 2, reference == 2, metrics=["ECE", "ECE@bins=4"], probabilities=soft[..., 2])
    right = metrics.expected_calibration_error(soft[..., 2], reference == 2, bins=4)
    assert [row.value for row in one] == pytest.approx([expected(soft, reference, 2)[0], float(right)])
    assert [row.metric for row in one] == ["ECE", "ECE@bins=4"]


def test_channels():
    soft, prediction, reference = scene(1)
    layers = [np.stack([array == 1, array == 2], axis=-1) for array in (prediction, reference)]
    results = evaluate(*layers, metrics=NAMES, channels={1: "two"}, probabilities=soft[..., 1:])
    assert values(results, "two") == pytest.approx(expected(soft, reference, 2), rel=1e-9)
    with pytest.raises(ValueError, match=r"^evaluate: `probabilities` must have the shape of the reference"):
        evaluate(*layers, metrics=NAMES, channels={1: "two"}, probabilities=soft)


def test_without_probabilities_they_are_refused():
    _, prediction, reference = scene()
    words = r"`probabilities` must be given for ECE, NLL; got none\."
    with pytest.raises(ValueError, match=rf"^evaluate: {words}"):
        evaluate(prediction, reference, metrics=["ECE", "DICE", "NLL"], labels=(1,))
    with pytest.raises(ValueError, match=rf"^evaluate_folders: {words}"):
        evaluate_folders("nowhere", "nowhere", metrics=["ECE", "DICE", "NLL"], labels=(1,))
    rows = evaluate_many([Case("A", prediction, reference)], metrics=["ECE", "DICE"], labels=(1,))
    assert [row.status for row in rows] == ["failed", "ok"]
    assert rows[0].reason == "evaluate_many: `probabilities` must be given for ECE; got none."


def cohort(folder, subjects=("a", "b")):
    """Write predictions and references, and return the scenes."""
    scenes = {name: scene(seed) for seed, name in enumerate(subjects)}
    for name, (_, prediction, reference) in scenes.items():
        for kind, array in (("pred", prediction), ("ref", reference)):
            (folder / kind).mkdir(exist_ok=True)
            mia.images.write(folder / kind / f"{name}.nii.gz", array, GRID)
    return scenes


KINDS = {
    "nnU-Net": lambda soft: {"probabilities": np.moveaxis(soft, -1, 0)},
    "nnU-Net 1": lambda soft: {"softmax": np.moveaxis(soft, -1, 0)},
    "without background": lambda soft: {"probabilities": np.moveaxis(soft[..., 1:], -1, 0)},
    "channels last": lambda soft: {"arr_0": soft},
}


@pytest.mark.parametrize("kind", KINDS)
def test_archives_beside_predictions(tmp_path, kind):
    scenes = cohort(tmp_path)
    for name, (soft, _, _) in scenes.items():
        np.savez_compressed(tmp_path / "pred" / f"{name}.npz", **KINDS[kind](soft))
    results = evaluate_folders(
        tmp_path / "pred", tmp_path / "ref", metrics=NAMES, labels=(1, 2), probabilities=tmp_path / "pred"
    )
    for name, (soft, _, reference) in scenes.items():
        own = [row for row in results if row.subject == name]
        for label in (1, 2):
            assert values(own, str(label)) == pytest.approx(expected(soft, reference, label), rel=1e-9)
    assert [case.probabilities for case in results.runs[0].cases] == ["a.npz", "b.npz"]


def test_images_with_channels_and_a_subject_without(tmp_path):
    scenes = cohort(tmp_path)
    (tmp_path / "soft").mkdir()
    grid = Geometry(shape=(3, *SHAPE), spacing=(1.0, *GRID.spacing))
    mia.images.write(tmp_path / "soft" / "a.nii.gz", np.moveaxis(scenes["a"][0], -1, 0), grid)
    results = evaluate_folders(
        tmp_path / "pred", tmp_path / "ref", metrics=["DICE", "BRIER"], labels=(0, 1, 2),
        probabilities=[tmp_path / "soft"],
    )  # fmt: skip
    first = [row.value for row in results if row.subject == "a" and row.metric == "BRIER"]
    assert first == pytest.approx([expected(*scenes["a"][::2], label)[1] for label in range(3)], rel=1e-9)
    others = {(row.metric, row.status) for row in results if row.subject == "b"}
    assert others == {("DICE", "ok"), ("BRIER", "failed")}


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, *SHAPE)), "have 2 channels, one for each label, or one more in front for a background"),
        (np.zeros((3, *SHAPE[1:], 7)), "have the shape .* of the prediction, and channels"),
        (np.zeros((2, *SHAPE), np.int32), "name a complete, well-formed image file"),
        (np.full((2, *SHAPE), 3.0), "lie within 0 and 1"),
    ],
)
def test_what_does_not_fit_is_a_reason(tmp_path, array, words):
    cohort(tmp_path, ("a",))
    np.savez(tmp_path / "pred" / "a.npz", array)
    results = evaluate_folders(
        tmp_path / "pred", tmp_path / "ref", metrics=["ECE"], labels=(1, 2), probabilities=tmp_path / "pred"
    )
    assert {row.status for row in results} == {"failed"}
    assert results[0].reason.startswith("evaluate_folders: `probabilities` must")
    assert re.search(words, results[0].reason)


def test_folders_of_methods_are_counted_and_named(tmp_path):
    cohort(tmp_path)
    for soft in ([tmp_path, tmp_path], {"other": tmp_path}):
        with pytest.raises(ValueError, match=r"^evaluate_folders: `probabilities` must"):
            evaluate_folders(tmp_path / "pred", tmp_path / "ref", metrics=["ECE"], labels=(1,), probabilities=soft)


def test_the_command(tmp_path, capsys):
    scenes = cohort(tmp_path)
    for name, (soft, _, _) in scenes.items():
        np.savez(tmp_path / "pred" / f"{name}.npz", probabilities=np.moveaxis(soft, -1, 0))
    folders = [str(tmp_path / "pred"), str(tmp_path / "ref")]
    words = ["--labels", "1=one", "2=two", "--metrics", "DICE", "ece", "--jobs", "1"]
    assert main(["evaluate", *folders, *words, "--output", str(tmp_path / "a.csv")]) == 2
    assert "must be given for ECE" in capsys.readouterr().err
    more = ["--probabilities", folders[0], "--methods", "net", "--output", str(tmp_path / "a.csv")]
    assert main(["evaluate", *folders, *words, *more]) == 0
    rows = mia.reporting.read_csv(tmp_path / "a.csv")
    found = [row.value for row in rows if (row.subject, row.label, row.metric) == ("b", "two", "ECE")]
    assert found == pytest.approx([expected(*scenes["b"][::2], 2)[0]])
