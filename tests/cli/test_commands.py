"""The command `mia`: what each subcommand prints, its exit status, and one sentence for every mistake."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest

import mia_functional as mia
from mia_functional import cli
from mia_functional.cli.parser import COMMANDS
from mia_functional.geometry import Geometry

from ..images.dicom_cases import heights, write_stack

GRID = Geometry(shape=(6, 7, 8), spacing=(2.0, 1.0, 0.5))
REFERENCE = np.zeros(GRID.shape, dtype=np.uint8)
REFERENCE[1:4, 1:4, 1:4], REFERENCE[4:6, 4:7, 4:8] = 1, 2

GT = "labels/GT={subject}/GT.mha"


@pytest.fixture
def cohort(tmp_path):
    """A folder with predictions, references, a table, and one prediction that is missing."""
    for number in (1, 2, 10):
        (tmp_path / "truth" / f"case{number}").mkdir(parents=True)
        mia.images.write(tmp_path / "truth" / f"case{number}" / "GT.mha", REFERENCE, GRID)
    (tmp_path / "found").mkdir()
    for number, shift in ((1, 0), (2, 1)):
        mia.images.write(tmp_path / "found" / f"case{number}.nii.gz", np.roll(REFERENCE, shift, axis=2), GRID)
    (tmp_path / "table.csv").write_text("subject,age\ncase1,31\ncase2,42\ncase10,53\n")
    return tmp_path


def run(capsys, *arguments):
    """Run the command in this process; return the exit status, standard output and standard error."""
    # Processes of their own take a second to start, each time.
    own = ("--jobs", "1") if arguments[0] == "evaluate" and "--jobs" not in arguments else ()
    status = cli.main(list(map(str, (*arguments, *own))))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_evaluate_prints_tables_names_the_failed_and_writes_the_values(cohort, capsys):
    arguments = ("evaluate", cohort / "found", cohort / "truth/{subject}/GT.mha", "--labels", "1=cube", "2", "1+2=all")
    status, out, err = run(capsys, *arguments, "--metrics", "dice", "hd95", "--output", cohort / "x.csv", "--jobs", 2)
    assert status == 1
    assert err.splitlines()[-1] == "case10: there is no prediction"
    lines = [line.split() for line in out.splitlines()]
    assert lines[0] == ["SUBJECT", "LABEL", "DICE", "HDRFDST95", "STATUS", "REASON"]
    assert lines[2:5] == [["case1", name, "1.000", "0.000", "ok"] for name in ("cube", "2", "all")]
    assert lines[5] == ["case2", "cube", f"{36 / 54:.3f}", "0.500", "ok"]
    reason = ["there", "is", "no", "prediction"]
    assert lines[8:11] == [["case10", name, "nan", "nan", "missing", *reason] for name in ("cube", "2", "all")]
    summary = ["cube", "HDRFDST95", "inf", "nan", "0.500", "0.250", "inf", "3", "0", "0", "1", "0", *reason]
    assert summary in lines
    assert mia.reporting.read_csv(cohort / "x.csv")[0].value == 1
    assert {row.status for row in mia.reporting.read_csv(cohort / "x.csv") if row.subject == "case10"} == {"missing"}
    status, out, _ = run(capsys, "summarize", cohort / "x.csv")
    assert status == 0
    assert summary in map(str.split, out.splitlines())
    (cohort / "truth" / "case10" / "GT.mha").unlink()
    assert run(capsys, *arguments)[0] == 0


def test_methods_stand_side_by_side(cohort, capsys):
    (cohort / "other").mkdir()
    mia.images.write(cohort / "other" / "case1.nii.gz", np.roll(REFERENCE, 1, axis=2), GRID)
    references = cohort / "truth/{subject}/GT.mha"
    arguments = ("evaluate", cohort / "found", cohort / "other", references, "--labels", "1", "--metrics", "dice")
    status, out, err = run(capsys, *arguments)
    assert status == 1
    lines = [line.split() for line in out.splitlines()]
    assert lines[0][:4] == ["METHOD", "SUBJECT", "LABEL", "DICE"]
    assert lines[2][:4] == ["found", "case1", "1", "1.000"]
    # Two cases without a prediction count as 0.
    statistics = (f"{value:.3f}" for value in (2 / 9, np.std([2 / 3, 0, 0], ddof=1), 0, 0, 1 / 3))
    assert ["other", "1", "DICE", *statistics, "3", "0", "0", "2", "0", "there", "is", "no", "prediction"] in lines
    assert err.splitlines()[-2:] == ["other, case2: there is no prediction", "other, case10: there is no prediction"]
    _, out, _ = run(capsys, *arguments, "--methods", "old", "new")
    assert {line.split()[0] for line in out.splitlines() if "case1 " in line} == {"old", "new"}


def test_beside_the_output_lies_how_it_came_about_and_a_journal_until_it_is_complete(cohort, capsys, monkeypatch):
    monkeypatch.chdir(cohort)
    arguments = ("evaluate", "found", "truth/{subject}/GT.mha", "--labels", "1=cube", "--metrics", "dice", "--output")
    expected = run(capsys, *arguments, "whole.csv", "--jobs", "1")[1]
    assert sorted(path.name for path in cohort.glob("whole*")) == ["whole.csv", "whole.run.json"]
    (record,) = mia.reporting.read_csv("whole.csv").runs
    assert (
        record.command
        == "mia evaluate found 'truth/{subject}/GT.mha' --labels 1=cube --metrics dice --output whole.csv --jobs 1"
    )
    assert record.cases[0].reference == "case1/GT.mha"
    assert dict(record.options)["labels"] == ((1, "cube"),)

    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mia.reporting, "write_results", stop)
        assert run(capsys, *arguments, "x.csv", "--jobs", "1")[0] == 130
    journal = cohort / "x.csv.journal"
    assert journal.read_text().count("\n") == 1 + 3
    status, _, err = run(capsys, *arguments, "x.csv")
    assert status == 2
    assert "mia: evaluate: x.csv.journal holds the finished cases of an interrupted run; `--resume` goes on" in err
    status, _, err = run(capsys, *arguments, "x.csv", "--resume", "--align")
    assert (status, err.splitlines()[-1].partition(", ")[0]) == (
        2,
        ("mia: evaluate: `--output` must name the journal of an evaluation with the same align"),
    )
    status, out, _ = run(capsys, *arguments, "x.csv", "--resume", "--jobs", "1")
    assert (status, out) == (1, expected)
    assert (cohort / "x.csv").read_bytes() == (cohort / "whole.csv").read_bytes()
    assert not journal.exists()
    status, _, err = run(capsys, *arguments, "x.json", "--jobs", "1")
    assert (status, err) == (2, "mia: evaluate: x.run.json is the record of x.csv; choose another name than x.json.\n")
    run(capsys, *arguments, "z.json", "--jobs", "1")
    written, expected = mia.reporting.read_json("z.json"), mia.reporting.read_csv("x.csv")
    assert repr(written.rows) == repr(expected.rows)
    assert written.runs[0].cases == expected.runs[0].cases
    status, _, err = run(capsys, *arguments, "y.json", "--layout", "wide", "--jobs", "1")
    assert (status, err) == (
        2,
        "mia: evaluate: `--output` must end in .csv or .xlsx for any layout but the long one; got y.json.\n",
    )
    run(capsys, *arguments, "wide.csv", "--layout", "wide", "--jobs", "1")
    assert (cohort / "wide.csv").read_text().splitlines()[0] == "SUBJECT,LABEL,DICE,STATUS,REASON"


@pytest.mark.slow
def test_evaluation_on_a_dask_cluster_gives_the_same_table(cohort, capsys):
    distributed = pytest.importorskip("distributed")
    arguments = ("evaluate", cohort / "found", cohort / "truth/{subject}/GT.mha", "--labels", "1", "--metrics", "hd95")
    expected = run(capsys, *arguments)[:2]
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        assert run(capsys, *arguments, "--dask", cluster.scheduler_address)[:2] == expected


@pytest.mark.slow
def test_labels_and_metrics_end_where_folders_begin(cohort, capsys, monkeypatch):
    monkeypatch.chdir(cohort)
    folders = ("found", "truth/{subject}/GT.mha")
    (cohort / "dataset.json").write_text('{"labels": {"background": 0, "1": 1, "2": 2, "1+2": [1, 2]}}')
    expected = run(capsys, "evaluate", *folders, "--labels", "1", "2", "1+2", "--metrics", "dice", "hd95")
    assert expected[1].count("case1 ") == 3
    for arguments in (
        ("--labels", "1", "2", "1+2", *folders, "--metrics", "dice", "hd95"),
        ("--metrics", "dice", "hd95", "--labels", "1,2,1+2", *folders),
        ("--labels", "dataset.json", "--metrics", "dice", "hd95", *folders),
        ("--labels", "dataset.json", *folders, "--metrics", "dice", "hd95"),
        ("--labels", str(cohort / "dataset.json"), *folders, "--metrics", "dice", "hd95"),
        ("--labels", "./dataset.json", "--metrics", "dice", "hd95", *folders),
        ("--jobs", "2", *folders, "--labels=1,2,1+2", "--metrics", "dice", "hd95"),
    ):
        found = run(capsys, "evaluate", *arguments)
        assert found[:2] == expected[:2]


def test_a_prediction_on_another_grid_fails_alone(cohort, capsys):
    other = Geometry(shape=GRID.shape, spacing=(2.0, 1.0, 1.0))
    mia.images.write(cohort / "found" / "case2.nii.gz", REFERENCE, other, overwrite=True)
    status, _, err = run(capsys, "evaluate", cohort / "found", cohort / "truth/{subject}/GT.mha", "--labels", 1)
    assert status == 1
    assert "case2: evaluate: `predictions` must lie on the grid of the reference" in err
    assert "evaluate_folders" not in err
    assert "spacing (2.0, 1.0, 1.0) and not (2.0, 1.0, 0.5) (cured by `--align resample`)." in err


def test_grids_are_aligned_on_demand(cohort, capsys):
    # The second case is written from the last slice to the first.
    turned = Geometry(
        shape=GRID.shape, spacing=GRID.spacing, origin=(10, 0, 0), direction=((-1, 0, 0), (0, 1, 0), (0, 0, 1))
    )
    mia.images.write(cohort / "found" / "case2.nii.gz", REFERENCE[::-1], turned, overwrite=True)
    for name in ("case1", "case2"):
        (cohort / "truth" / name / "PRED.nii.gz").write_bytes((cohort / "found" / f"{name}.nii.gz").read_bytes())
    (cohort / "truth" / "case10" / "GT.mha").unlink()
    evaluate = ("evaluate", cohort / "found", cohort / "truth/{subject}/GT.mha", "--labels", 1, "--metrics", "dice")
    create = ("create", cohort / "x.h5", cohort / "truth", GT, "labels/PRED={subject}/PRED.nii.gz")
    for arguments, status in ((evaluate, 1), (create, 2)):
        failed, _, err = run(capsys, *arguments)
        assert failed == status
        assert "axis 0 flipped (cured by `--align`)." in err
    status, out, _ = run(capsys, *evaluate, "--align")
    assert status == 0
    line = next(line for line in out.splitlines() if line.startswith("case2"))
    assert line.split()[:4] == ["case2", "1", "1.000", "aligned"]
    assert line.endswith("axis 0 flipped")
    assert run(capsys, *create, "--align", "--overwrite")[0] == 0
    stored = mia.dataset.read(mia.dataset.open(cohort / "x.h5"), "case2", "labels")
    np.testing.assert_array_equal(stored[..., 1], REFERENCE)
    assert run(capsys, *evaluate, "--align", "resample")[1] == out  # where axes suffice, nothing is interpolated
    with pytest.raises(SystemExit):
        run(capsys, *evaluate, "--align", "flip")


def test_a_label_that_is_in_neither_image_is_explained(cohort, capsys):
    _, out, _ = run(capsys, "evaluate", cohort / "found", cohort / "truth/{subject}/GT.mha", "--labels", 9)
    line = next(line for line in out.splitlines() if line.startswith("case1"))
    assert line.split()[:5] == ["case1", "9", "nan", "nan", "nan"]
    assert "undefined  empty in the prediction and the reference" in line


def test_create_info_and_verify(cohort, capsys):
    path = cohort / "cohort.h5"
    arguments = ("create", path, cohort / "truth", "labels/GT={subject}/GT.mha", "--table", cohort / "table.csv")
    status, out, _ = run(capsys, *arguments, "--column", "numerical/AGE=age", "--jobs", 2)
    assert status == 0
    assert "3 subjects: case1, case2, case10" in out
    assert run(capsys, "info", path)[1] == out
    assert mia.dataset.read(mia.dataset.open(path), "case10", "numerical").tolist() == [53.0]
    assert run(capsys, "verify", path)[:2] == (0, f"{path}: all 3 subjects are what was written.\n")
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert f"{path} exists already" in err


def test_verify_finds_a_flipped_bit(cohort, capsys):
    path = cohort / "cohort.h5"
    run(capsys, "create", path, cohort / "truth", "labels/GT={subject}/GT.mha")
    raw = bytearray(path.read_bytes())
    start = raw.find(REFERENCE.tobytes())
    raw[start + 100] ^= 1
    path.write_bytes(raw)
    status, out, _ = run(capsys, "verify", path)
    assert status == 1
    assert out == "labels of case1 is not what was written.\n"


def test_metrics_are_listed_and_described(capsys):
    status, out, _ = run(capsys, "metrics")
    assert status == 0
    assert len(out.splitlines()) >= len(mia.metrics.METRICS)
    _, out, _ = run(capsys, "metrics", "hd95")
    for words in ("hausdorff_distance", "mm", "inf", "arXiv 1809.04430"):
        assert words in out


def test_messages_name_options_and_no_arguments_of_functions(cohort, capsys):
    path = cohort / "cohort.h5"
    arguments = ("create", path, cohort / "truth", GT)
    assert run(capsys, *arguments)[0] == 0
    status, _, err = run(capsys, *arguments)
    assert (status, err.splitlines()[-1]) == (2, f"mia: create: {path} exists already; `--overwrite` replaces it.")
    assert run(capsys, *arguments, "--overwrite")[0] == 0
    (cohort / "masks").mkdir()
    for name in ("case1", "case2"):
        mia.images.write(cohort / "masks" / f"{name}.mha", REFERENCE > 0, GRID)
    _, _, err = run(capsys, "evaluate", cohort / "found", cohort / "masks")
    assert "; pass `--labels` for a label map.\n" in err


def test_the_subject_of_an_error_is_named(cohort, capsys):
    (cohort / "truth" / "case2" / "GT.mha").write_bytes(b"no image")
    status, _, err = run(capsys, "create", cohort / "cohort.h5", cohort / "truth", GT, "--jobs", 2)
    assert status == 2
    assert "well-formed image file" in err.splitlines()[-2]
    assert err.splitlines()[-1] == "mia: create: this happened with the subject case2."
    status, _, err = run(capsys, "create", cohort / "cohort.h5", cohort / "truth", GT)
    assert "holds parts of an interrupted run; `--resume` goes on, `--overwrite` starts anew." in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("evaluate", "found", "truth/{subject}/GT.mha", "--metrics", "DICEE"),
            "evaluate: `--metrics` must be the name of a metric; got 'DICEE'; the nearest are DICE",
        ),
        (("evaluate", "nowhere", "truth"), "mia: evaluate: `predictions` must be a folder; got nowhere"),
        (
            ("evaluate", "found", "truth"),
            "evaluate: `references` must hold image files, or be a pattern such as truth/",
        ),
        (("evaluate", "found", "truth", "--labels", "liver"), "'liver' is not of the form LABEL or LABEL=NAME, and no"),
        (("evaluate", "found", "truth", "--labels", "1", "table.csv"), "be labels, or one file; got table.csv beside"),
        (
            ("evaluate", "found", "truth", "--labels", "table.csv"),
            "evaluate: `--labels` must name a table of labels of",
        ),
        (
            ("evaluate", "found", "found", "truth"),
            "must be folders of different names, which `--methods` gives them; got ['found', 'found'].",
        ),
        (
            ("evaluate", "found", "truth", "--methods", "a", "b"),
            "evaluate: `--methods` must be 1 different names, one p",
        ),
        (("evaluate", "found", "found", "truth", "--methods", "a", "a"), "evaluate: `--methods` must be 2 different "),
        (("evaluate", "found", "truth", "--channels", "a=1"), "'a=1' is not of the form CHANNEL or CHANNEL=NAME"),
        (
            ("evaluate", "found", "truth", "--channels", "0=a", "1=a"),
            "evaluate: `--channels` must name every label and",
        ),
        (
            ("evaluate", "found", "truth", "--labels", "1", "--channels", "0"),
            "`--channels` must not be given with `--l",
        ),
        (("evaluate", "--labels", "1", "--metrics", "DICE"), "the following arguments are required: predictions, ref"),
        (("evaluate", "found", "truth", "--output", "table.csv"), "exists already; choose another `--output`."),
        (("evaluate", "found", "truth", "--output", "no/x.csv"), "mia: evaluate: the folder no does not exist."),
        (("evaluate", "found", "truth", "--output", "x.txt"), "evaluate: `--output` must end in .csv, .json"),
        (("evaluate", "found", "truth", "--resume"), "evaluate: `--output` must be given with `--resume`, as the jour"),
        (
            ("evaluate", "found", "truth", "--labels", "1=a", "1=b"),
            "evaluate: `--labels` must name every label and every structure once; got ['a', 'b'].",
        ),
        (("evaluate", "found", "truth", "--labels", "1=a", "2=a"), "every structure once; got ['a', 'a']."),
        (
            ("evaluate", "found", "truth", "--labels", "1", "--spacing", "0", "1"),
            "evaluate: `--spacing` must lie within",
        ),
        (("summarize", "found/case1.nii.gz"), "summarize: `results` must end in .csv, .json"),
        (("verify", "found/case1.nii.gz"), "it is no HDF5 file, or one that is damaged or cut off."),
        (("summarize", "table.csv"), "mia: summarize: `results` must name a table with SUBJECT, LABEL and metrics"),
        (("summarize", "nothing.csv"), "mia: summarize: nothing.csv: No such file or directory."),
        (("create", "x.h5", "truth", "GT={subject}/GT.mha"), "is not of the form CATEGORY/ENTRY=VALUE"),
        (
            ("create", "x.h5", "found", "labels/GT={subject}/GT.mha"),
            "mia: create: `root` must hold files that match {subject}/GT.mha",
        ),
        (("create", "x.h5", "truth", "labels/GT=GT.mha"), "`CATEGORY/ENTRY=PATTERN` must be paths below the root"),
        (("create", "x.hdf", "truth", GT), "mia: create: `dataset` must end in .h5"),
        (
            ("create", "x.h5", "truth", GT, "--column", "numerical/AGE=age"),
            "create: `--table` must be given with `--column`",
        ),
        (
            ("create", "x.h5", "truth", GT, "--table", "table.csv", "--column", "n/A=years"),
            "create: `--column` must name columns",
        ),
        (("create", "x.h5", "truth", GT, "--jobs", "0"), "argument --jobs: '0' is not a whole number above 0"),
        (("create", "x.h5", "truth", GT, "--jobs", "two"), "argument --jobs: 'two' is not a whole number above 0"),
        (("evaluate", "found", "truth", "--jobs", "-1"), "argument --jobs: '-1' is not a whole number above 0"),
        (
            ("create", "x.h5", "truth", GT, "labels/GT={subject}/*.mha"),
            "create: `labels/GT` must be given once; got {subject}/GT.mha and {subject}/*.mha.",
        ),
        (
            ("create", "x.h5", "truth", GT, "--table", "table.csv", "--column", "n/A=age", "--column", "n/A=sex"),
            "create: `n/A` must be given once; got age and sex.",
        ),
        (
            ("create", "x.h5", "truth", "ct/A={subject}/GT.mha", "--role", "ct=image", "--role", "ct=labels"),
            "create: `--role` must be given once for ct; got image and labels.",
        ),
        (("info", "table.csv"), "mia: info: `dataset` must name a complete, well-formed dataset; got "),
        (("verify", "nothing.h5"), "nothing.h5: No such file or directory."),
        (
            ("metrics", "hausdorf"),
            "mia: metrics: `name` must be the name of a metric; got 'hausdorf'; the nearest are HDR",
        ),
        (("demo", "--output", "/nowhere/at/all"), "mia: demo: the folder /nowhere/at does not exist"),
        (("demo", "--seed", "-1"), "mia: demo: `--seed` must be at least 0; got -1"),
        (("demo", "--seed", "x"), "invalid int value: 'x'"),
        (("demonstrate",), "invalid choice: 'demonstrate'"),
        ((), "required: COMMAND"),
    ],
)
def test_mistakes_are_one_sentence_and_wrong_usage(cohort, arguments, words, monkeypatch, capsys):
    monkeypatch.chdir(cohort)
    before = sorted(os.listdir(cohort))
    try:
        status = cli.main(list(arguments))
    except SystemExit as stop:
        status = stop.code
    err = capsys.readouterr().err
    assert status == 2
    *usage, sentence = err.splitlines()
    assert words in sentence
    assert len(usage) <= 1  # how to call it, where the command line cannot be read
    assert sorted(os.listdir(cohort)) == before


def command_of_its_own(*arguments, **options):
    """Run the installed command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "mia_functional", *arguments],
        capture_output=True,
        encoding="utf-8",
        check=False,
        **options,
    )


def test_the_module_is_the_command_and_tells_its_version():
    assert command_of_its_own("--version").stdout == f"mia_functional {mia.__version__}\n"


@pytest.mark.slow
def test_a_reader_that_stops_early_is_no_error():
    code = f"{sys.executable} -m mia_functional metrics | head -n 1"
    outcome = subprocess.run(["bash", "-o", "pipefail", "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert outcome.returncode == 0
    assert outcome.stderr == ""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">&-"])
def test_work_goes_on_where_progress_cannot_be_told(cohort, redirection):
    words = f"evaluate found 'truth/{{subject}}/GT.mha' --labels 1 --metrics DICE --jobs 1 --output t.csv {redirection}"
    code = f"{sys.executable} -m mia_functional {words}"
    outcome = subprocess.run(["bash", "-c", code], capture_output=True, encoding="utf-8", check=False, cwd=cohort)
    assert outcome.returncode == 1  # as case10 is missing
    assert "Traceback" not in outcome.stderr
    assert len(mia.reporting.read_results(cohort / "t.csv")) == 3


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_option_is_explained(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command.name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert " ".join(text.split()).find(f"{command.summary[0].upper()}{command.summary[1:]}.") > 0
    for name, settings in command.options.items():
        assert settings["help"]
        assert (settings.get("metavar") or name) in text


def test_help_needs_none_of_the_heavy_packages():
    code = "import sys; sys.argv = ['mia', '--help']\ntry:\n    from mia_functional.cli import main; main()\nfinally:\n"
    code += "    print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)"
    names = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False
    ).stderr.split()
    assert set(names).isdisjoint({"jax", "torch", "scipy", "h5py", "SimpleITK", "matplotlib", "pandas", "numpy"})


def test_the_pose_of_a_file_that_states_two_is_an_option(tmp_path, capsys):
    image = nibabel.Nifti1Image(np.ones((4, 4, 4), np.uint8), np.diag([1.0, 1, 3, 1]))
    image.set_qform(np.diag([2.0, 2, 2, 1]), 1)
    image.set_sform(np.diag([1.0, 1, 3, 1]), 4)
    (tmp_path / "scans").mkdir()
    nibabel.save(image, tmp_path / "scans" / "A.nii")
    arguments = ("create", tmp_path / "x.h5", tmp_path / "scans", "images/T1={subject}.nii")
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert "mia: create: `--affine` must be 'sform' or 'qform' for a NIfTI file that states two places; got none" in err
    for pose, spacing in (("sform", "3 x 1 x 1"), ("qform", "2 x 2 x 2")):
        status, out, _ = run(capsys, *arguments, "--affine", pose, "--overwrite")
        assert status == 0
        assert f"spacing in mm: {spacing}" in out
    arguments = ("evaluate", tmp_path / "scans", tmp_path / "scans", "--metrics", "DICE")
    status, _, err = run(capsys, *arguments)
    assert status == 1
    assert "A: evaluate: `--affine` must be 'sform' or 'qform'" in err
    assert run(capsys, *arguments, "--affine", "sform")[0] == 0


def test_the_spacing_that_files_do_not_state_is_an_option(tmp_path, capsys):
    for name in "AB":
        (tmp_path / "series" / name).mkdir(parents=True)
        write_stack(tmp_path / "series" / name, heights([0, 2, 4]), PixelSpacing=None)
    arguments = ("create", tmp_path / "x.h5", tmp_path / "series", "images/CT={subject}")
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert "it has no PixelSpacing; state it by `--spacing SLICES ROWS COLUMNS` in millimetres.\n" in err
    status, out, _ = run(capsys, *arguments, "--spacing", 2, 0.5, 0.25, "--overwrite")
    assert status == 0
    assert "spacing in mm: 2 x 0.5 x 0.25" in out
    status, _, err = run(capsys, *arguments, "--spacing", 3, 0.5, 0.25, "--overwrite")
    assert status == 2
    assert "mia: create: `--spacing` must be what " in err
    pair = ("evaluate", tmp_path / "series/{subject}", tmp_path / "series/{subject}", "--metrics", "MAE")
    assert "A: evaluate: `predictions` must name" in run(capsys, *pair)[2]
    assert run(capsys, *pair, "--spacing", 2, 0.5, 0.25)[0] == 0


def test_notes_are_sentences_without_lines_of_code(tmp_path, capsys):
    (tmp_path / "series" / "A").mkdir(parents=True)
    write_stack(tmp_path / "series" / "A", heights([0]))
    path = tmp_path / "series" / "A" / "000.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        status, _, err = run(capsys, "create", tmp_path / "x.h5", tmp_path / "series", "images/CT={subject}")
    assert status == 0
    note = (
        f"mia: note: {path} is a series of one slice: its SliceThickness, 9.0 mm, is taken for the distance of slices."
    )
    assert note in [line.strip() for line in re.split(r"[\r\n]", err)]
    assert "dicom.py" not in err
