"""The paper's example of an evaluation: four heads, five structures, three metrics; one table, however it is made."""

import csv
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mia_functional import cli, images, phantoms
from mia_functional.evaluation import evaluate_folders
from mia_functional.reporting import render_csv

METRICS = ["DICE", "HDRFDST95", "VOLSMTY"]
COMMAND = [
    "evaluate", "predictions", "references/{subject}_GT.mha", "--metrics", *METRICS,
    "--labels", *(f"{label}={name}" for label, name in phantoms.LABELS.items()),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Predictions and references of four subjects."""
    root = tmp_path_factory.mktemp("paper")
    for name in ("predictions", "references"):
        (root / name).mkdir()
    rng = np.random.default_rng(0)
    for someone in phantoms.cohort(rng, 4, (72, 86, 72), spacing=(2.0, 2.0, 2.0)):
        labels, grid = someone.head.labels, someone.head.geometry
        images.write(root / "references" / f"{someone.subject}_GT.mha", labels, grid)
        predicted = phantoms.degrade(rng, labels, displacement=1.0)
        images.write(root / "predictions" / f"{someone.subject}.nii.gz", predicted, grid)
    return root


@pytest.fixture(scope="module")
def table(folder):
    """The table by the function, without workers."""
    results = evaluate_folders(
        folder / "predictions", f"{folder}/references/{{subject}}_GT.mha", metrics=METRICS, labels=phantoms.LABELS
    )
    return render_csv(results)


def test_every_subject_structure_and_metric_has_a_row(table):
    rows = list(csv.DictReader(table.splitlines()))
    subjects = [f"Subject_{number}" for number in (1, 2, 3, 4)]
    assert [(row["SUBJECT"], row["LABEL"], row["METRIC"]) for row in rows] == [
        (subject, label, metric) for subject in subjects for label in phantoms.LABELS.values() for metric in METRICS
    ]
    assert all(0.5 < float(row["VALUE"]) < 1 for row in rows if row["METRIC"] == "DICE")
    assert {row["STATUS"] for row in rows} == {"ok"}


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_function_and_command_give_the_same(folder, table, workers, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    results = evaluate_folders(
        "predictions", "references/{subject}_GT.mha", metrics=METRICS, labels=phantoms.LABELS, workers=workers
    )
    assert render_csv(results) == table
    assert cli.main([*COMMAND, "--jobs", str(workers), "--output", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_text() == table


@pytest.mark.full
def test_a_cluster_gives_the_same(folder, table, monkeypatch, tmp_path):
    distributed = pytest.importorskip("distributed")
    monkeypatch.chdir(folder)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        address = cluster.scheduler_address
        assert cli.main([*COMMAND, "--dask", address, "--output", str(tmp_path / "out.csv")]) == 0
        with distributed.Client(address) as client:
            results = evaluate_folders(
                "predictions", "references/{subject}_GT.mha", metrics=METRICS, labels=phantoms.LABELS,
                executor=client.get_executor(),
            )  # fmt: skip
    assert (tmp_path / "out.csv").read_text() == table
    assert render_csv(results) == table


def start(folder, output, jobs):
    """Start the command in a process of its own, on the journal of an earlier one if there is any."""
    command = [sys.executable, "-m", "mia_functional", *COMMAND, "--jobs", str(jobs), "--output", output]
    resume = ["--resume"] if output.with_name(f"{output.name}.journal").exists() else []
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.Popen(
        [*command, *resume], cwd=folder, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip


def wait_for_lines(process, journal, count):
    """Wait until a journal has so many lines, or its process has ended."""
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < count):
        time.sleep(0.001)


@pytest.mark.full
@pytest.mark.parametrize("jobs", [1, 2])
def test_kills_at_twenty_moments_change_no_byte(folder, table, jobs, tmp_path):
    """Two kills in a row, ten times: at a random moment of a run, and at one of the run that goes on from there.

    Moments are spread evenly over what is finished by then, as most of the time passes before the first case.
    """
    rng, found = np.random.default_rng(jobs), []
    for trial in range(10):
        output = tmp_path / f"{trial}.csv"
        journal = output.with_name(f"{output.name}.journal")
        for _ in range(2):
            # One that was ready before it was killed is begun again.
            output.unlink(missing_ok=True)
            process = start(folder, output, jobs)
            # The first line says what is evaluated; the others are cases.
            wait_for_lines(process, journal, rng.integers(6))
            time.sleep(rng.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            found.append(journal.read_bytes().count(b"\n") - 1 if journal.exists() else None)
        output.unlink(missing_ok=True)
        printed, _ = start(folder, output, jobs).communicate(timeout=120)
        assert output.read_text() == table, printed
        assert not journal.exists()
    assert len(found) == 20
    assert len(set(found)) > 3, found  # kills in front of the first case, between cases, and behind the last one
