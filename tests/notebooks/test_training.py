"""The training notebooks learn, log what they learn, and take other data by naming files and labels alone."""

import ast

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.notebooks import execute

from mia_functional import images
from mia_functional.geometry import Geometry
from mia_functional.phantoms import LABELS

pytestmark = [pytest.mark.full, pytest.mark.slow]
each = pytest.mark.parametrize("name", ["train_flax", "train_torch"])


def history_of(run):
    """Return what the validations of a training gave, which its last cell printed."""
    assert execute.complaints(run.cells) == []
    return ast.literal_eval(execute.outputs_as_text(run.cells[-1])[0])


@each
def test_training_gives_what_is_stored_and_learns_and_logs(name, tmp_path):
    pytest.importorskip("nbclient")
    copy = f"import shutil; shutil.copytree(OUTPUT / 'events', {str(tmp_path / 'events')!r}); print(history)"
    run = execute.execute(name, last=copy)
    assert execute.differences(name, run.cells[:-1]) == []
    assert execute.in_time(run)
    history = history_of(run)
    assert history[-1]["loss"] < history[0]["loss"]
    assert min(history[-1][f"val/DICE/{tissue} matter"] for tissue in ("white", "grey")) > 0.8
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert set(events.Tags()["tensors"]) == {"loss", *(f"val/DICE/{structure}" for structure in LABELS.values())}
    for tag in events.Tags()["tensors"]:
        logged = [float(event.tensor_proto.float_val[0]) for event in events.Tensors(tag)]
        assert logged == pytest.approx([entry[tag] for entry in history], rel=1e-6)


OWN_DATA = """
OUTPUT = Path(tempfile.mkdtemp())
FOLDER = Path({folder!r})
PATTERNS = {{"images": {{"MR": "{{subject}}/mr.mha"}}, "labels": {{"truth": "{{subject}}/truth.mha"}}}}
LABELS = {{4: "inner", 2: "outer"}}
"""


@each
def test_training_takes_other_data_without_other_lines(name, tmp_path):
    """Images of one channel, of other sizes in each subject, labels with gaps, one nobody asks for, and two dtypes."""
    pytest.importorskip("nbclient")
    for number, shape in enumerate([(5, 13, 10), (6, 9, 18), (4, 16, 11), (7, 12, 12)]):
        folder = tmp_path / "own" / f"P{number}"
        folder.mkdir(parents=True)
        distance = np.linalg.norm(np.indices(shape) - np.reshape(shape, (3, 1, 1, 1)) / 2, axis=0)
        truth = np.select([distance < 2, distance < 4, distance < 5], [4, 2, 9]).astype(["uint8", "int16"][number % 2])
        grid = Geometry(shape=shape, spacing=(3.0, 1.0, 1.0))
        images.write(folder / "truth.mha", truth, grid)
        images.write(folder / "mr.mha", (100 * truth).astype(["int16", "float64"][number % 2]), grid)
    changes = {
        "parameters": "STEPS, EVERY, SUBJECTS, BATCH = 4, 2, 1, 4",
        "data": OWN_DATA.format(folder=str(tmp_path / "own")),
    }
    history = history_of(execute.execute(name, changes=changes, last="print(history)"))
    assert [entry["step"] for entry in history] == [2, 4]
    assert {key for key in history[0] if "DICE" in key} == {"val/DICE/inner", "val/DICE/outer"}
