"""The demo: the files that are promised, numbers that are computed, nothing half-written."""

import csv
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK

import mia_functional as mia
from mia_functional import phantoms
from mia_functional.demo import cohort, experiment

COMMAND = [sys.executable, "-m", "mia_functional"]


def run(*arguments, **options):
    """Run the command in a process of its own."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, encoding="utf-8", check=False, **options
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A finished demo: what the command printed, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    return run("demo", "--output", folder), folder


def rows(folder, name):
    with open(folder / name, newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.slow
def test_it_runs_to_the_end_and_says_where_everything_is(demo):
    outcome, folder = demo
    assert outcome.returncode == 0, outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0].split() == ["SUBJECT", "LABEL", "DICE", "HDRFDST95", "VOLSMTY"]
    assert lines[-1].startswith(f"Everything is in {folder}: ")
    assert {"results.csv", "statistics.csv", "overlay.png", "dataset.h5"} <= set(os.listdir(folder))
    assert "Training and predicting" in outcome.stderr
    assert "Training" not in outcome.stdout


@pytest.mark.slow
def test_the_tables_hold_four_subjects_by_all_labels_and_their_statistics(demo):
    _, folder = demo
    table = rows(folder, "results.csv")
    names = [f"Subject_{number}" for number in (1, 2, 3, 4)]
    metrics = ("DICE", "HDRFDST95", "VOLSMTY")
    assert [(row["SUBJECT"], row["LABEL"], row["METRIC"], row["STATUS"]) for row in table] == [
        (name, label, metric, "ok") for name in names for label in phantoms.LABELS.values() for metric in metrics
    ]
    for row in rows(folder, "statistics.csv"):
        same = [entry for entry in table if all(entry[name] == row[name] for name in ("LABEL", "METRIC"))]
        values = [float(entry["VALUE"]) for entry in same]
        quartiles = dict(zip(("Q1", "MEDIAN", "Q3"), np.quantile(values, (0.25, 0.5, 0.75)), strict=True))
        others = {"MEAN": np.mean(values), "STD": np.std(values, ddof=1)}
        expected = (quartiles | others)[row["STATISTIC"]]
        assert float(row["VALUE"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_the_predictions_lie_on_the_images_and_give_the_numbers(demo):
    _, folder = demo
    table = [row for row in rows(folder, "results.csv") if row["METRIC"] == "DICE"]
    dice = {(row["SUBJECT"], row["LABEL"]): float(row["VALUE"]) for row in table}
    assert len(list((folder / "predictions").iterdir())) == 4
    for path in (folder / "predictions").iterdir():
        name = path.name.removesuffix(".nii.gz")
        prediction, t1, truth = (
            SimpleITK.ReadImage(str(file))
            for file in (path, folder / "images" / f"{name}_T1.nii.gz", folder / "images" / f"{name}_GT.mha")
        )
        for image in (t1, truth):
            assert prediction.GetSize() == image.GetSize()
            np.testing.assert_allclose(prediction.GetOrigin(), image.GetOrigin(), atol=1e-5)
            np.testing.assert_allclose(prediction.GetSpacing(), image.GetSpacing(), atol=1e-6)
            np.testing.assert_allclose(prediction.GetDirection(), image.GetDirection(), atol=1e-6)
        overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
        overlap.Execute(truth, prediction)
        for label, words in phantoms.LABELS.items():
            assert dice[name, words] == pytest.approx(overlap.GetDiceCoefficient(label), abs=1e-12)
            assert 0.5 < dice[name, words] < 1


@pytest.mark.slow
def test_the_dataset_is_that_of_the_paper(demo):
    _, folder = demo
    data = mia.dataset.open(folder / "dataset.h5")
    entries = {category.name: category.entries for category in data.categories}
    assert entries == {
        "images": ("T1", "T2"), "labels": ("GT",), "mask": ("MASK",), "numerical": ("AGE", "GPA"),
        "gender": ("GENDER",),
    }  # fmt: skip
    assert mia.dataset.read(data, "Subject_2", "images").shape == (*data.grids[1], 2)
    assert mia.dataset.read(data, "Subject_2", "gender")[0] in ("female", "male")


@pytest.fixture
def small(monkeypatch):
    """Make the demo one of two subjects with few voxels, which takes a second; it misses the small structures."""
    monkeypatch.setattr(cohort, "_SUBJECTS", 2)
    monkeypatch.setattr(cohort, "_SHAPE", (24, 29, 24))
    monkeypatch.setattr(cohort, "_SPACING", (6.0, 6.0, 6.0))
    monkeypatch.setattr(experiment, "_PATCH", (12, 15, 12))
    monkeypatch.setattr(experiment, "_STEP", (12, 14, 12))


def no_stages(_title):
    """Return a progress function that shows nothing."""
    return lambda _done, _total, _name: None


def test_work_of_somebody_is_kept_even_with_force(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds other things than a demo writes"):
        mia.demo.run(tmp_path, force=True, progress=no_stages)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("thesis.txt", "years of work")]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_small_demo_repeats_with_its_seed_and_is_replaced_with_force(tmp_path, monkeypatch):
    first = mia.demo.run(tmp_path / "out", progress=no_stages)
    assert first.folder == tmp_path / "out"
    assert set(first.files) == set(os.listdir(tmp_path / "out")) == set(experiment._FILES)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "matplotlib" else find(name))
    again = mia.demo.run(tmp_path / "again", progress=no_stages)
    assert set(first.files) - set(again.files) == {"overlay.png"}
    assert (tmp_path / "again" / "results.csv").read_bytes() == (tmp_path / "out" / "results.csv").read_bytes()
    with pytest.raises(FileExistsError, match=r"^run: .* choose another `folder`, or `force=True` to replace it\.$"):
        mia.demo.run(tmp_path / "out", seed=1, progress=no_stages)
    (tmp_path / "out" / "statistics.csv").write_text("old")
    other = mia.demo.run(tmp_path / "out", seed=1, force=True, progress=no_stages)
    assert sorted(os.listdir(tmp_path)) == ["again", "out"]
    assert (tmp_path / "out" / "statistics.csv").read_text() != "old"
    for name in first.results[0].subject, first.results[-1].subject:
        one, two = (
            [row.value for row in mia.evaluation.select_rows(outcome.results, subject=name, metric="DICE")][:2]
            for outcome in (first, other)
        )
        assert min(one + two) > 0.3
        assert not set(one) & set(two)


@pytest.mark.full
def test_the_same_seed_gives_the_same_numbers_and_without_matplotlib_there_is_no_picture(demo, tmp_path):
    _, folder = demo
    hide = (
        "import importlib.util, sys; find = importlib.util.find_spec;"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'matplotlib' else find(name, *rest);"
        f"from mia_functional.cli import main; sys.exit(main(['demo', '--output', {str(tmp_path / 'out')!r}]))"
    )
    outcome = subprocess.run([sys.executable, "-c", hide], capture_output=True, encoding="utf-8", check=False)
    assert outcome.returncode == 0, outcome.stderr
    assert set(os.listdir(folder)) - set(os.listdir(tmp_path / "out")) == {"overlay.png"}
    assert "overlay" not in outcome.stdout
    assert (tmp_path / "out" / "results.csv").read_bytes() == (folder / "results.csv").read_bytes()


@pytest.mark.full
def test_an_earlier_demo_is_replaced_with_force_and_another_seed_gives_other_numbers(demo, tmp_path):
    _, folder = demo
    target = tmp_path / "out"
    (target / "predictions").mkdir(parents=True)
    (target / "results.csv").write_text("old")
    assert run("demo", "--output", target, "--force", "--seed", 1).returncode == 0
    assert os.listdir(tmp_path) == ["out"]
    first, second = (
        [row["VALUE"] for row in rows(where, "results.csv") if row["METRIC"] != "HDRFDST95"]
        for where in (folder, target)
    )
    assert len(first) == len(second) == 40
    assert sum(one == other for one, other in zip(first, second, strict=True)) <= 2


@pytest.mark.slow
def test_an_output_that_exists_is_kept_unless_forced(demo, tmp_path):
    _, folder = demo
    before = (folder / "results.csv").stat().st_mtime_ns
    refused = run("demo", "--output", folder)
    assert refused.returncode == 2
    assert (
        refused.stderr
        == f"mia: demo: {folder} exists already; choose another `--output`, or `--force` to replace it.\n"
    )
    assert (folder / "results.csv").stat().st_mtime_ns == before
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    refused = run("demo", "--output", tmp_path / "mine", "--force")
    assert refused.returncode == 2
    assert "holds other things than a demo writes" in refused.stderr
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path):
    limited = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000));"
        f"from mia_functional.cli import main; sys.exit(main(['demo', '--output', {str(tmp_path / 'out')!r}]))"
    )
    outcome = subprocess.run([sys.executable, "-c", limited], capture_output=True, encoding="utf-8", check=False)
    assert outcome.returncode == 2
    assert outcome.stderr.splitlines()[-1].startswith("mia: ")
    assert "Traceback" not in outcome.stderr
    assert os.listdir(tmp_path) == []
