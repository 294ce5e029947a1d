"""The training examples run, in a short form, and learn; in full they take a minute or two."""

import importlib
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


@pytest.mark.parametrize("name", ["train_flax", "train_torch"])
def test_training_learns_and_logs(name, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(NOTEBOOKS)
    history = importlib.import_module(name).train(tmp_path, steps=45, subjects=4, every=15, batch_size=12)
    assert len(history) == 3
    assert history[-1] > 0.6, capsys.readouterr().out
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    losses = [float(event.tensor_proto.float_val[0]) for event in events.Tensors("loss")]
    assert losses[-1] < losses[0]
    assert {"dice/white matter", "dice/thalamus"} <= set(events.Tags()["tensors"])
