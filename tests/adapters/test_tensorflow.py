"""TensorFlow: the dataset says what its elements are; run against TensorFlow itself where that is installed."""

import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from mia_functional.adapters import tensorflow

SAMPLES = [
    {
        "images": np.full((4, 5, 2), number, np.float32),
        "labels": np.full((4, 5, 1), number, np.uint8),
        "subject": f"case{number}",
        "index": (slice(0, 4), 2),
        "geometry": None,
    }
    for number in range(6)
]


@pytest.fixture
def stand_in(monkeypatch):
    """TensorFlow as far as the adapter needs it: a dataset is the list of its elements, and its signature."""

    def from_generator(generator, *, output_signature):
        return list(generator()), output_signature

    module = SimpleNamespace(
        TensorSpec=lambda shape, dtype: (shape, dtype),
        string="string",
        data=SimpleNamespace(Dataset=SimpleNamespace(from_generator=from_generator)),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", module)


@pytest.mark.usefixtures("stand_in")
def test_the_signature_is_that_of_the_first_sample():
    elements, signature = tensorflow.dataset(SAMPLES)
    assert signature == {
        "images": ((4, 5, 2), np.float32),
        "labels": ((4, 5, 1), np.uint8),
        "subject": ((), "string"),
    }
    assert [element["subject"] for element in elements] == [sample["subject"] for sample in SAMPLES]


def test_tensorflow_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'mia_functional\[tensorflow\]'"):
        tensorflow.dataset(SAMPLES)


if importlib.util.find_spec("tensorflow"):

    def test_batches_of_tensorflow():
        batches = list(tensorflow.dataset(SAMPLES).batch(4))
        assert [tuple(batch["images"].shape) for batch in batches] == [(4, 4, 5, 2), (2, 4, 5, 2)]
        assert batches[1]["subject"].numpy().tolist() == [b"case4", b"case5"]
        np.testing.assert_array_equal(batches[0]["labels"][:, 0, 0, 0], range(4))


def test_tensorflow_gets_arrays_and_texts_alone(samples):
    parts = list(tensorflow.generate(samples))
    assert len(parts) == 16
    assert set(parts[0]) == {"images", "labels", "subject"}
    np.testing.assert_array_equal(parts[5]["images"], samples[5]["images"])


@pytest.mark.usefixtures("stand_in")
def test_what_tensorflow_gets_may_be_filled_again():
    class Reader:
        buffer = np.zeros((2, 2), np.float32)

        def __iter__(self):
            for number in range(3):
                self.buffer[:] = number
                yield {"images": self.buffer}

    elements, _ = tensorflow.dataset(Reader())
    assert [element["images"].max() for element in elements] == [0, 1, 2]
