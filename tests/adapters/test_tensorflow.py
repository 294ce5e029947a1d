"""TensorFlow: the dataset says what its elements are, by a stand-in; `test_real_tensorflow.py` has the package."""

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


class Elements(list):
    """Stands for a dataset: the list of its elements, its signature, and the number that was promised."""

    signature = cardinality = again = None

    def apply(self, change):
        return change(self)


@pytest.fixture
def stand_in(monkeypatch):
    """TensorFlow as far as the adapter needs it."""

    def from_generator(generator, *, output_signature):
        elements = Elements(generator())
        elements.signature, elements.again = output_signature, generator
        return elements

    def assert_cardinality(count):
        def change(elements):
            elements.cardinality = count
            return elements

        return change

    module = SimpleNamespace(
        TensorSpec=lambda shape, dtype: (shape, dtype),
        string="string",
        data=SimpleNamespace(
            Dataset=SimpleNamespace(from_generator=from_generator),
            experimental=SimpleNamespace(assert_cardinality=assert_cardinality),
        ),
    )
    monkeypatch.setitem(sys.modules, "tensorflow", module)


@pytest.mark.usefixtures("stand_in")
def test_the_signature_is_that_of_the_first_sample():
    elements = tensorflow.dataset(SAMPLES)
    assert elements.signature == {
        "images": ((4, 5, 2), np.float32),
        "labels": ((4, 5, 1), np.uint8),
        "subject": ((), "string"),
    }
    assert elements.cardinality == 6
    assert [element["subject"] for element in elements] == [sample["subject"] for sample in SAMPLES]


FIRST = {"x": np.zeros((2, 3), np.uint8), "name": "A"}


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        ([], "hold at least one sample; got none"),
        (iter(SAMPLES), "be a sequence of dictionaries, to be read once per epoch; got list_iterator"),
        (3, "be a sequence of dictionaries, to be read once per epoch; got int"),
        ([np.zeros(3)], r"be dictionaries of arrays by category; got an array of shape \(3,\)"),
        ([{"x": np.array([{}, None])}], "hold arrays of numbers; got Python objects as `x`"),
        (
            [FIRST, FIRST | {"x": np.zeros((3, 3), np.uint8)}],
            r"have the names, shapes and dtypes of the first, whose `x` is uint8 \(2, 3\); "
            r"got uint8 \(3, 3\) in sample 1",
        ),
        # TensorFlow would make 44 of 300.
        ([FIRST, FIRST, FIRST | {"x": np.full((2, 3), 300)}], r"`x` is uint8 \(2, 3\); got int64 \(2, 3\) in sample 2"),
        ([FIRST, {"x": FIRST["x"]}], "`name` is a text; got missing in sample 1"),
        ([FIRST, FIRST | {"y": FIRST["x"]}], r"`y` is missing; got uint8 \(2, 3\) in sample 1"),
    ],
)
def test_samples_that_tensorflow_would_not_take_or_change_are_refused(samples, sentence):
    with pytest.raises((TypeError, ValueError), match=rf"^dataset: `samples` must .*{sentence}\.$"):
        tensorflow.dataset(samples)


@pytest.mark.usefixtures("stand_in")
def test_byte_orders_may_differ_and_sequences_need_no_length():
    class Pair:
        def __getitem__(self, position):
            return [FIRST, FIRST | {"x": FIRST["x"].copy()}][position]

    assert tensorflow.dataset(Pair()).cardinality is None
    assert len(tensorflow.dataset([{"x": np.zeros(3, kind)} for kind in ("<f4", ">f4")])) == 2


def test_tensorflow_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match=r"pip install 'mia_functional\[tensorflow\]'"):
        tensorflow.dataset(SAMPLES)


def test_tensorflow_gets_arrays_and_texts_alone(samples):
    parts = list(tensorflow.generate([samples[0, position] for position in range(16)]))
    assert set(parts[0]) == {"images", "labels", "subject"}
    np.testing.assert_array_equal(parts[5]["images"], samples[0, 5]["images"])


@pytest.mark.usefixtures("stand_in")
def test_every_time_through_is_the_next_epoch(samples):
    elements = tensorflow.dataset(samples)
    assert elements.cardinality == 16
    for epoch, found in enumerate((elements, list(elements.again()), list(elements.again()))):
        for position, element in enumerate(found):
            np.testing.assert_array_equal(element["images"], samples[epoch, position]["images"])


@pytest.mark.usefixtures("stand_in")
def test_what_tensorflow_gets_may_be_filled_again():
    class Reader:
        buffer = np.zeros((2, 2), np.float32)

        def __iter__(self):
            for number in range(3):
                self.buffer[:] = number
                yield {"images": self.buffer}

    assert [element["images"].max() for element in tensorflow.dataset(Reader())] == [0, 1, 2]
