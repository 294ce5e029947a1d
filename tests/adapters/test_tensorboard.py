"""Event files: what was logged is read back by TensorBoard itself."""

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mia_functional.adapters.tensorboard import event_file


def test_scalars_come_back(tmp_path):
    with event_file(tmp_path / "run") as log:
        for step in range(3):
            log(step, {"loss": 1.0 / (step + 1), "dice/white matter": 0.25 * step})
    events = EventAccumulator(str(tmp_path / "run"))
    events.Reload()
    assert set(events.Tags()["scalars"] + events.Tags()["tensors"]) == {"loss", "dice/white matter"}
    found = [(event.step, event.tensor_proto.float_val[0]) for event in events.Tensors("dice/white matter")]
    assert found == [(0, 0.0), (1, 0.25), (2, 0.5)]


def test_the_file_is_closed_after_an_error(tmp_path):
    def broken():
        with event_file(tmp_path) as log:
            log(0, {"loss": 1.0})
            raise KeyError("step")

    with pytest.raises(KeyError):
        broken()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert events.Tensors("loss")[0].step == 0
