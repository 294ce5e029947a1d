"""What people see while a command works and when they stop it, and what programs read: one object of plain data."""

import argparse
import json
from contextlib import ExitStack

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import cli
from mia_functional.cli.options import progress_bar
from mia_functional.geometry import Geometry
from mia_functional.images import Segment, Segmentation

GRID = Geometry(shape=(3, 4, 5), spacing=(3.0, 1.0, 0.5), origin=(1.0, 2.0, 3.0))
REFERENCE = np.zeros(GRID.shape, np.uint8)
REFERENCE[1:, 1:3, 1:3] = 1


@pytest.fixture
def cohort(tmp_path, monkeypatch):
    """One method, references, and the working directory there."""
    for folder in ("found", "truth"):
        (tmp_path / folder).mkdir()
        for name in "AB":
            mia.images.write(tmp_path / folder / f"{name}.nii.gz", REFERENCE, GRID)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    """Run the command in this process; return the exit status, standard output and standard error."""
    status = cli.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def printed_object(capsys, *arguments):
    """Return the object that a command prints, in which no number is beyond JSON."""
    status, out, err = run(capsys, *arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out, parse_constant=pytest.fail)


def test_the_time_left_and_what_was_done_last_are_one_list(capsys):
    with ExitStack() as bars:
        progress_bar(argparse.Namespace(bars=bars), "Evaluating")(1, 2, "net_a, s01")
    assert capsys.readouterr().err.splitlines()[-1].endswith("1/2 00:00 left, net_a, s01")


EVALUATE = ("evaluate", "found", "truth", "--metrics", "DICE", "--jobs", "1")


def stop(*_, **__):
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.usefixtures("cohort")
def test_who_interrupts_is_told_of_resuming_where_there_is_a_journal(capsys, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(mia.reporting, "write_results", stop)
        status, _, err = run(capsys, *EVALUATE, "--output", "x.csv")
    assert (status, err.splitlines()[-1]) == (130, "mia: interrupted; `--resume` goes on.")
    assert run(capsys, *EVALUATE, "--output", "x.csv", "--resume")[0] == 0
    for output in ((), ("--output", "y.csv")):  # nothing is finished yet
        with monkeypatch.context() as patched:
            patched.setattr(mia.evaluation, "evaluate_folders", stop)
            status, _, err = run(capsys, *EVALUATE, *output)
        assert (status, err) == (130, "\nmia: interrupted.\n")


@pytest.mark.usefixtures("cohort")
def test_lacking_probabilities_are_called_like_the_option(capsys):
    status, _, err = run(capsys, "evaluate", "found", "truth", "--metrics", "ECE", "--labels", "1", "--jobs", "1")
    assert (status, err) == (2, "mia: evaluate: `--probabilities` must be given for ECE; got none.\n")


def test_metrics_as_plain_data(capsys):
    everything = printed_object(capsys, "metrics")["metrics"]
    assert [entry["abbreviation"] for entry in everything] == [row.abbreviation for row in mia.metrics.METRICS]
    (entry,) = printed_object(capsys, "metrics", "hd95")["metrics"]
    assert (entry["abbreviation"], entry["name"], entry["unit"]) == ("HDRFDST95", "hausdorff_distance", "mm")
    assert (entry["lowest"], entry["highest"], entry["best"]) == (0.0, "inf", 0.0)
    assert (entry["options"], entry["symmetric"]) == ({"percentile": 95.0}, True)
    status, out, err = run(capsys, "metrics", "hausdorf", "--json")
    assert (status, out) == (2, "")
    assert err.startswith("mia: metrics: `name` must be the name of a metric; got 'hausdorf'; the nearest are HDR")


def test_files_as_plain_data(cohort, capsys):
    assert printed_object(capsys, "info", "truth/A.nii.gz") == {
        "file": "truth/A.nii.gz", "shape": [3, 4, 5], "spacing": [3, 1, 0.5], "origin": [1, 2, 3],
        "direction": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    }  # fmt: skip
    segmentation = Segmentation(REFERENCE, (Segment(label=1, name="liver", colour=(1.0, 0.0, 0.0)),), GRID)
    mia.images.write_segmentation(cohort / "s.seg.nrrd", segmentation)
    found = printed_object(capsys, "info", "s.seg.nrrd")
    (segment,) = found["segments"]
    assert (segment["label"], segment["name"], segment["colour"]) == (1, "liver", [1, 0, 0])
    (cohort / "table.csv").write_text("subject,age\nA,31\nB,42\n")
    arguments = ("truth", "images/T1={subject}.nii.gz", "--table", "table.csv", "--column", "numerical/AGE=age")
    assert run(capsys, "create", "x.h5", *arguments)[0] == 0
    found = printed_object(capsys, "info", "x.h5")
    assert (found["file"], found["bytes"]) == (str(cohort / "x.h5"), (cohort / "x.h5").stat().st_size)
    assert (found["subjects"], found["spacings"]) == (["A", "B"], {"images": [[3, 1, 0.5]] * 2})
    assert found["categories"] == [
        {"name": "images", "entries": ["T1"], "shapes": [[3, 4, 5, 1]] * 2, "dtype": "uint8", "role": "image",
         "grid": "images"},
        {"name": "numerical", "entries": ["AGE"], "shapes": [[1]] * 2, "dtype": "float64", "role": "numbers",
         "grid": ""},
    ]  # fmt: skip
