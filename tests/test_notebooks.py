"""The notebooks run from end to end, the trainings in a short form, and give what they promise.

Both trainings share `training_data.py` and differ in the framework alone: the default part runs the shorter one.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mia_functional import images
from mia_functional.geometry import Geometry
from mia_functional.phantoms import LABELS

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
SHORT = "STEPS, EVERY, SUBJECTS, BATCH = 45, 15, 4, 12"


def cells(path):
    """Return the cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell):
    """Return the text of a cell."""
    return "".join(cell["source"])


def run(*names, folder, parameters="", data="", last=""):
    """Run the code of notebooks in a new process, with other parameters or data, and return what they print."""
    code, changes = [], {"parameters": parameters, "data": data}
    for name in names:
        for cell in cells(next(path for path in NOTEBOOKS if path.stem == name)):
            if cell["cell_type"] == "code":
                code += [source(cell), *(changes[tag] for tag in cell["metadata"].get("tags", ()))]
        code.append(last)
    environment = os.environ | {"MPLBACKEND": "agg", "PYTHONUTF8": "1", "TMPDIR": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join([str(NOTEBOOKS[0].parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-W", "error", "-c", "\n".join(code)]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_what_a_run_leaves(path):
    text = path.read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n"
    for cell in cells(path):
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert cells(path)[0]["cell_type"] == "markdown"
    assert len({cell["id"] for cell in cells(path)}) == len(cells(path))


@pytest.mark.slow
def test_the_tour_ends_with_a_table_of_good_values(tmp_path):
    last = "print(repr({(row.label, row.metric): row.value for row in results.rows}))"
    values = ast.literal_eval(run("tour", folder=tmp_path, last=last).splitlines()[-1])
    assert len(values) == 5 * 4
    assert min(values[label, "DICE"] for label in LABELS.values()) > 0.85
    assert max(values[label, "HDRFDST95"] for label in LABELS.values()) < 5.0


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.full)])
def test_other_data_than_volumes_come_back_to_the_bit(workers, tmp_path):
    names = ("reconstruction", "signals", "point_clouds")
    printed = run(*names, folder=tmp_path, parameters=f"WORKERS = {workers}", last='print("equal", equal)')
    results = [ast.literal_eval(line.removeprefix("equal ")) for line in printed.splitlines() if line[:5] == "equal"]
    assert [len(equal) for equal in results] == [3, 3, 4]
    assert all(set(equal.values()) == {True} for equal in results)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("train_flax", marks=pytest.mark.full), "train_torch"])
def test_training_learns_and_logs(name, tmp_path):
    copy = f"import shutil; shutil.copytree(folder / 'events', {str(tmp_path / 'events')!r}); print(history)"
    history = ast.literal_eval(run(name, folder=tmp_path, parameters=SHORT, last=copy).splitlines()[-1])
    assert [entry["step"] for entry in history] == [15, 30, 45]
    assert history[-1]["loss"] < history[0]["loss"]
    assert min(history[-1][f"val/DICE/{name} matter"] for name in ("white", "grey")) > 0.6
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"loss", *(f"val/DICE/{name}" for name in LABELS.values())}
    for tag in events.Tags()["tensors"]:
        logged = [float(event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]
        assert logged == pytest.approx([entry[tag] for entry in history], rel=1e-6)


OWN_DATA = """
folder = Path({folder!r})
PATTERNS = {{"images": {{"MR": "{{subject}}/mr.mha"}}, "labels": {{"truth": "{{subject}}/truth.mha"}}}}
LABELS = {{4: "inner", 2: "outer"}}
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("train_flax", marks=pytest.mark.full), "train_torch"])
def test_training_takes_other_data_without_other_lines(name, tmp_path):
    """Images of one channel, of other sizes in each subject, labels with gaps, one nobody asks for, and two dtypes."""
    for number, shape in enumerate([(5, 13, 10), (6, 9, 18), (4, 16, 11), (7, 12, 12)]):
        folder = tmp_path / "own" / f"P{number}"
        folder.mkdir(parents=True)
        distance = np.linalg.norm(np.indices(shape) - np.reshape(shape, (3, 1, 1, 1)) / 2, axis=0)
        truth = np.select([distance < 2, distance < 4, distance < 5], [4, 2, 9]).astype(["uint8", "int16"][number % 2])
        grid = Geometry(shape=shape, spacing=(3.0, 1.0, 1.0))
        images.write(folder / "truth.mha", truth, grid)
        images.write(folder / "mr.mha", (100 * truth).astype(["int16", "float64"][number % 2]), grid)
    printed = run(
        name, folder=tmp_path, parameters="STEPS, EVERY, SUBJECTS, BATCH = 4, 2, 1, 4", last="print(history)",
        data=OWN_DATA.format(folder=str(tmp_path / "own")),
    )  # fmt: skip
    history = ast.literal_eval(printed.splitlines()[-1])
    assert [entry["step"] for entry in history] == [2, 4]
    assert {key for key in history[0] if "DICE" in key} == {"val/DICE/inner", "val/DICE/outer"}
