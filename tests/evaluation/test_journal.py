"""Never twice: what is finished survives kills, full disks and lost processes; a resumed run gives the same table."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import numpy as np
import pytest

from mia_functional import images
from mia_functional.evaluation import Results, concatenate, evaluate_folders, journal, select_rows
from mia_functional.evaluation.run_record import diagonals, run_from_json, run_to_json
from mia_functional.geometry import Geometry
from mia_functional.metrics import metric
from mia_functional.reporting import render_csv

GRID = Geometry(shape=(4, 5, 6), spacing=(2.0, 1.0, 0.5))
OPTIONS = {"metrics": ["DICE", "HDRFDST95"], "labels": {1: "one", 7: "none"}}


@pytest.fixture
def folders(tmp_path):
    """Six subjects, of which the last has no prediction and the third is damaged."""
    rng = np.random.default_rng(0)
    for number in range(6):
        for name in ("found", "truth"):
            (tmp_path / name).mkdir(exist_ok=True)
            path = tmp_path / name / f"case{number}.mha"
            if (name, number) != ("found", 5):
                images.write(path, rng.integers(0, 2, GRID.shape).astype(np.uint8), GRID)
    (tmp_path / "found" / "case2.mha").write_bytes(b"nothing")
    return tmp_path


def evaluated(folders, **options):
    return evaluate_folders(folders / "found", folders / "truth", **OPTIONS, **options)


def subjects_read(folders, **options):
    """Return the subjects that were evaluated, and the results."""
    seen = []

    def load(path):
        seen.append(os.path.basename(path))
        return images.read_labels(path)

    results = evaluated(folders, load=load, **options)
    return sorted({name.partition(".")[0] for name in seen}), results


@pytest.mark.slow
def test_workers_executors_and_journals_give_the_same_table(folders):
    expected = evaluated(folders)
    assert [row.status for row in select_rows(expected, metric="DICE", label="one")] == [
        "ok", "ok", "failed", "ok", "ok", "missing",
    ]  # fmt: skip
    with ThreadPoolExecutor(2) as pool:
        others = [
            evaluated(folders, workers=2),
            evaluated(folders, executor=pool, journal=folders / "j"),
            evaluated(folders, journal=folders / "j", resume=True),
        ]
    for results in others:
        assert render_csv(results) == render_csv(expected)  # NaN equals nothing
        assert results.runs == expected.runs


def test_finished_cases_are_not_evaluated_again_unless_their_files_changed(folders):
    everyone = [f"case{number}" for number in range(5)]
    journal = folders / "results.journal"
    read, expected = subjects_read(folders, journal=journal, resume=True)
    assert read == everyone
    # What failed is tried again, what is missing is known.
    assert subjects_read(folders, journal=journal, resume=True)[0] == ["case2"]
    images.write(folders / "truth" / "case4.mha", np.ones(GRID.shape, np.uint8), GRID, overwrite=True)
    images.write(folders / "found" / "case5.mha", np.ones(GRID.shape, np.uint8), GRID)
    read, results = subjects_read(folders, journal=journal, resume=True)
    assert read == ["case2", "case4", "case5"]
    texts = [
        render_csv(Results(rows=tuple(row for row in table if row.subject < "case4"))) for table in (results, expected)
    ]
    assert texts[0] == texts[1]
    assert select_rows(results, subject="case5", label="one")[0].status == "ok"


def applied(prediction, reference, *, function, weights):
    return float(function(int(prediction.sum()) - int(reference.sum())) * sum(weights))


def test_options_that_are_no_plain_data_are_noted_as_texts(folders):
    options = {"function": abs, "weights": [1, np.float32(0.5)]}
    own = {"metrics": [metric(applied, options=options)], "labels": (1,), "journal": folders / "j"}
    expected = evaluate_folders(folders / "found", folders / "truth", **own)
    (_, _, noted), *_ = dict(expected.runs[0].options)["metrics"]
    assert dict(noted) == {"function": "<built-in function abs>", "weights": (1, "np.float32(0.5)")}
    assert run_from_json(json.loads(json.dumps(run_to_json(expected.runs[0])))) == expected.runs[0]
    results = evaluate_folders(folders / "found", folders / "truth", **own, resume=True)
    assert render_csv(results) == render_csv(expected)
    other = metric(applied, options=options | {"function": float})
    with pytest.raises(ValueError, match="`journal` must name the journal of an evaluation with the same metrics"):
        evaluate_folders(folders / "found", folders / "truth", **own | {"metrics": [other]}, resume=True)


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_line_that_was_cut_off_is_no_line(folders, cut):
    journal = folders / "j"
    _, expected = subjects_read(folders, journal=journal)
    data = journal.read_bytes()
    complete = data[: data[:-1].rfind(b"\n") + 1]  # the last case is missing
    journal.write_bytes(complete + data[len(complete) :][:cut])
    read, results = subjects_read(folders, journal=journal, resume=True)
    assert read == ["case2"]
    assert render_csv(results) == render_csv(expected)
    assert journal.read_bytes().startswith(complete)
    assert [json.loads(line) for line in journal.read_bytes().splitlines()]


def test_a_journal_is_resumed_only_by_the_same_evaluation(folders):
    journal = folders / "j"
    evaluated(folders, journal=journal)
    with pytest.raises(
        FileExistsError, match=r"^evaluate_folders: .*j holds the finished cases of an interrupted run; `re"
    ):
        evaluated(folders, journal=journal)
    for change, name in (
        ({"metrics": ["DICE"]}, "metrics"),
        ({"labels": (1,)}, "labels"),
        ({"align": "reorient"}, "align"),
    ):
        with pytest.raises(
            ValueError, match=rf"^evaluate_folders: `journal` must name .* with the same {name}, .*; got .*j\.$"
        ):
            evaluate_folders(folders / "found", folders / "truth", journal=journal, resume=True, **(OPTIONS | change))
    for text in ("[1]\n", "no json\n", '{"metrics": 1}\n', "5\n6\n"):
        journal.write_text(text)
        with pytest.raises(ValueError, match=r"^evaluate_folders: `journal` must name a journal of an evaluation; got"):
            evaluated(folders, journal=journal, resume=True)
    with pytest.raises(OSError, match=r"evaluate_folders: .*no/j could not be written: No such file"):
        evaluated(folders, journal=folders / "no" / "j")


SCRIPT = """
import os, signal, sys, time
from mia_functional import images
from mia_functional.evaluation import evaluate_folders
from mia_functional.reporting import render_csv

def load(path):
    time.sleep(float(sys.argv[2]))
    if "case1" in path and "kill" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    return images.read_labels(path)

if __name__ == "__main__":
    if "command" in sys.argv:
        from mia_functional._core.processes import run_as_command
        run_as_command()
    if "full" in sys.argv:
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[-1]),) * 2)
    results = evaluate_folders(
        sys.argv[1] + "/found", sys.argv[1] + "/truth", metrics=["DICE", "HDRFDST95"], labels={1: "one", 7: "none"},
        journal=sys.argv[1] + "/j", resume=True, load=load, workers=int(sys.argv[3]),
    )
    print(render_csv(results), end="")
"""


def start(folders, *arguments):
    """Start the evaluation in a process of its own."""
    (folders / "script.py").write_text(SCRIPT)
    command = [sys.executable, folders / "script.py", folders, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("workers", "process"), [pytest.param(1, "script", marks=pytest.mark.full), (2, "script"), (2, "command")]
)
def test_a_kill_at_any_moment_loses_nothing_and_the_table_is_the_same(folders, workers, process, request):
    output, errors = start(folders, 0, workers, process).communicate()
    (folders / "j").unlink()
    rng = np.random.default_rng(workers)
    for _ in range(20 if request.config.getoption("part") == "full" else 4):
        running = start(folders, 0.05, workers, process)
        time.sleep(rng.uniform(0.5, 2.5))
        running.send_signal(signal.SIGKILL)
        # The pipes end when its workers have: they must not outlive it.
        running.communicate(timeout=30)
    lines = (folders / "j").read_bytes().count(b"\n") if (folders / "j").exists() else 0
    resumed, errors = start(folders, 0, workers, process).communicate()
    assert resumed == output, errors
    assert (folders / "j").read_bytes().count(b"\n") >= lines
    assert output.count("\n") == 1 + 6 * 2 * 2


@pytest.mark.slow
@pytest.mark.parametrize("process", ["script", "command"])
def test_a_process_that_dies_costs_the_case_that_kills_it(folders, process):
    output, errors = start(folders, 0, 2, "kill", process).communicate()
    rows = [line.split(",") for line in output.splitlines()[1:]]
    assert {row[1] for row in rows if row[7] == "failed"} == {"case1", "case2"}, errors
    assert "ended twice" in next(row[8] for row in rows if row[1] == "case1")
    assert {row[1] for row in rows if row[7] == "ok"} == {"case0", "case3", "case4"}
    # What was finished is not evaluated again, what failed is.
    resumed, errors = start(folders, 0, 2, process).communicate()
    assert {line.split(",")[1] for line in resumed.splitlines() if ",failed," in line} == {"case2"}, errors


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_what_was_finished_stays(folders):
    output, _ = start(folders, 0, 1).communicate()
    size = (folders / "j").stat().st_size
    (folders / "j").unlink()
    process = start(folders, 0, 1, "full", size // 2)
    _, errors = process.communicate()
    assert process.returncode == 1
    sentence = f"OSError: [Errno 27] evaluate_folders: {folders}/j could not be written: File too large"
    assert errors.splitlines()[-1].startswith(sentence)
    before = (folders / "j").read_bytes().count(b"\n")
    assert before > 1
    assert start(folders, 0, 1).communicate()[0] == output


def test_what_is_finished_is_flushed_soon_though_the_next_case_takes_long(tmp_path, monkeypatch):
    """A loss of power costs no more than the last second, also after an interruption."""
    flushed = []
    monkeypatch.setattr(journal, "_FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(journal.os, "fsync", lambda _: flushed.append((tmp_path / "j").read_bytes().count(b"\n")))
    with suppress(KeyboardInterrupt), journal.open_journal("f", tmp_path / "j", {}, resume=False) as book:
        book.note("a", journal.Outcome(Results()))
        for _ in range(500):
            if flushed and flushed[-1] == 2:
                break
            time.sleep(0.01)
        assert flushed[-1] == 2
        book.note("b", journal.Outcome(Results()))
        raise KeyboardInterrupt
    assert flushed[-1] == 3


def test_a_disk_that_fails_is_one_sentence_and_failures_of_others_are_theirs(tmp_path, monkeypatch):
    opened = partial(journal.open_journal, "f", tmp_path / "j", {}, resume=True)
    with pytest.raises(OSError, match=r"^no journal$"), opened():
        raise OSError("no journal")
    monkeypatch.setattr(journal, "_FLUSH_SECONDS", 0.01)

    def fail(_):
        raise OSError(errno.EIO, "Input/output error")

    words = f"f: {tmp_path}/j could not be written: Input/output error"
    with pytest.raises(OSError, match="could not be") as caught, opened() as book:  # noqa: PT012
        monkeypatch.setattr(journal.os, "fsync", fail)
        for _ in range(500):
            book.note("a", journal.Outcome(Results()))
            time.sleep(0.01)
    assert caught.value.strerror == words


def test_results_tell_how_they_came_about(folders):
    results = evaluated(folders, align="reorient")
    (run,) = results.runs
    assert dict(run.versions)["numpy"] == np.__version__
    options = dict(run.options)
    assert options["labels"] == ((1, "one"), (7, "none"))
    assert options["align"] == "reorient"
    assert [metric[:2] for metric in options["metrics"]] == [("DICE", ""), ("HDRFDST95", "surfels")]
    case = run.cases[0]
    assert (case.method, case.subject, case.prediction, case.reference) == ("found", "case0", "case0.mha", "case0.mha")
    assert (case.shape, case.spacing) == (GRID.shape, GRID.spacing)
    assert run.cases[5].prediction == ""
    # That of the reference, also where the prediction is damaged or missing: what it counts as may depend on it.
    assert {case.shape for case in run.cases} == {GRID.shape}
    known = diagonals(results.runs)
    assert known["found", "case0"] == known["found", "case2"] == pytest.approx(np.hypot(np.hypot(8, 5), 3))
    (folders / "truth" / "case0.mha").write_bytes(b"nothing")
    results = evaluated(folders)
    assert results.runs[0].cases[0].shape == ()
    assert ("found", "case0") not in diagonals(results.runs)
    assert run_from_json(json.loads(json.dumps(run_to_json(run)))) == run
    assert hash(run)
    assert select_rows(results, label="one").runs == results.runs
    assert concatenate([select_rows(results, label="one"), select_rows(results, label="none")]).runs == results.runs
