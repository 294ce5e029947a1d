"""The policy of the summary that `mia evaluate` prints."""

import json

import numpy as np
import pytest

import mia_functional as mia
from mia_functional import cli
from mia_functional.geometry import Geometry

GRID = Geometry(shape=(1, 4, 8), spacing=(1.0, 1.0, 1.0))


@pytest.fixture
def cohort(tmp_path):
    """Three references, and one prediction that lies a third of the structure beside it."""
    reference = np.zeros(GRID.shape, np.uint8)
    reference[:, :, 1:4] = 1
    (tmp_path / "other").mkdir()
    mia.images.write(tmp_path / "other" / "case1.nii.gz", np.roll(reference, 1, axis=2), GRID)
    for number in (1, 2, 10):
        (tmp_path / "truth" / f"case{number}").mkdir(parents=True)
        mia.images.write(tmp_path / "truth" / f"case{number}" / "GT.mha", reference, GRID)
    return tmp_path


def run(capsys, *arguments):
    """Run the command in this process; return the exit status, standard output and standard error."""
    status = cli.main(list(arguments))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_the_policy_of_the_summary_is_chosen_noted_and_refused_before_work(cohort, capsys, monkeypatch):
    monkeypatch.chdir(cohort)
    arguments = (
        "evaluate",
        "other",
        "truth/{subject}/GT.mha",
        "--labels",
        "1=cube",
        "--metrics",
        "dice",
        "--jobs",
        "1",
    )
    for number, (options, name, mean) in enumerate([
        ((), "mia", 2 / 9),
        (("--policy", "monai"), "monai", 2 / 3),
        (("--missing", "0.5", "--infinite", "diagonal"), "undefined=skip infinite=diagonal missing=0.5", 2 / 9),
    ]):  # fmt: skip
        status, out, _ = run(capsys, *arguments, *options, "--json", "--output", f"{number}.csv")
        found = json.loads(out)
        assert status == 1
        assert [row["status"] for row in found["rows"]] == ["ok", "missing", "missing"]
        assert found["statistics"][0]["value"] == pytest.approx(mean)
        assert found["statistics"][0]["policy"] == found["runs"][0]["policy"] == name
        (record,) = mia.reporting.read_csv(f"{number}.csv").runs
        assert (record.policy, record.command.endswith(f"--output {number}.csv")) == (name, True)
    assert (cohort / "0.csv").read_bytes() == (cohort / "2.csv").read_bytes()  # the table is the same
    # The table is saved before the summary refuses.
    status, _, err = run(capsys, *arguments, "--missing", "error", "--output", "3.csv")
    assert (status, (cohort / "3.csv").read_bytes()) == (2, (cohort / "0.csv").read_bytes())
    assert "summarize" not in err
    for options, words in (
        (("--policy", "mine"), "mia: evaluate: `--policy` must be one of"),
        (("--missing", "best"), "mia: evaluate: `--missing` must be worst, undefined, skip, error or a number; got"),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(mia.evaluation, "evaluate_folders", None)
            status, _, err = run(capsys, *arguments, *options)
        assert (status, err.startswith(words)) == (2, True), err
