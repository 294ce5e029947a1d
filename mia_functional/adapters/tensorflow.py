"""Samples for TensorFlow: a generator of dictionaries, and the `tf.data.Dataset` around it."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any

import numpy as np

from mia_functional._core import checks, optional
from mia_functional.dataset.sampling import AnySamples, kept_epoch
from mia_functional.typing import SampleSequence

__all__ = ["dataset", "generate"]

__dir__ = __all__.copy  # dir() shows what users may touch


def generate(samples: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the arrays and the texts of every sample, which is what TensorFlow takes, and nothing else.

    Args:
        samples: From `dataset.samples`, or any dictionaries.

    Example:
        >>> next(generate([{"images": np.zeros(2), "subject": "A", "geometry": None}]))
        {'images': array([0., 0.]), 'subject': 'A'}
    """
    for sample in samples:
        yield {name: value for name, value in sample.items() if isinstance(value, np.ndarray | str)}


def dataset(samples: SampleSequence) -> Any:
    """Return a `tf.data.Dataset` of the samples, one element each; batch, shuffle and prefetch it as any other.

    Every time through samples from `dataset.samples` is the next epoch, with `repeat` and in Keras, too.

    It knows its number of elements where the samples do, so that Keras knows where an epoch ends.

    Args:
        samples: From `dataset.samples`, or any sequence of dictionaries; all must have the names, shapes and dtypes of
            the first.

    Raises:
        TypeError: The samples can be read once only, or are not dictionaries; or hold arrays of objects.
        ValueError: There is no sample. While it is read: a sample differs from the first, which TensorFlow reports as
            an error of its own, with the sentence in it.
    """
    tensorflow = optional.require("tensorflow")
    # Of an iterator, what is read here, to know shapes, would be lost, and the second epoch empty.
    if isinstance(samples, Iterator) or not (hasattr(samples, "__iter__") or hasattr(samples, "__getitem__")):
        needed = "be a sequence of dictionaries, to be read once per epoch"
        checks.invalid_kind("dataset", "samples", needed, type(samples).__name__)
    begin = samples.epoch if isinstance(samples, AnySamples) else 0
    epochs, first = itertools.count(begin), next(_of_epoch(samples, begin), None)
    if first is None:
        checks.invalid_value("dataset", "samples", "hold at least one sample", "none")
    checks.require_instance("dataset", "samples", first, Mapping, "dictionaries of arrays by category")
    expected = _kinds(next(generate([first])))
    for name, (_, dtype) in expected.items():
        if np.dtype(dtype).hasobject:
            checks.invalid_kind("dataset", "samples", "hold arrays of numbers", f"Python objects as `{name}`")
    # TensorFlow asks for shapes and dtypes before it sees an element.
    signature = {
        name: tensorflow.TensorSpec((), tensorflow.string) if dtype is str else tensorflow.TensorSpec(shape, dtype)
        for name, (shape, dtype) in expected.items()
    }

    def owned() -> Iterator[dict[str, Any]]:
        # TensorFlow (2.21) takes over memory that is aligned, and reads it later: 29 of 30 elements changed where the
        # sequence fills one array again.
        for number, sample in enumerate(generate(_of_epoch(samples, next(epochs)))):
            kinds = _kinds(sample)
            if kinds != expected:
                # TensorFlow would cast other dtypes without a word: 300 in uint8 to 44.
                name = next(name for name in (*expected, *kinds) if kinds.get(name) != expected.get(name))
                needed = f"have the names, shapes and dtypes of the first, whose `{name}` is {_words(expected, name)}"
                checks.invalid_value("dataset", "samples", needed, f"{_words(kinds, name)} in sample {number}")
            yield {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in sample.items()}

    elements = tensorflow.data.Dataset.from_generator(owned, output_signature=signature)
    known = isinstance(samples, Sized)
    return elements.apply(tensorflow.data.experimental.assert_cardinality(len(samples))) if known else elements


def _of_epoch(samples: SampleSequence, epoch: int) -> Iterator[Any]:
    """Return the samples of an epoch in order."""
    if not isinstance(samples, AnySamples):
        return iter(samples)
    return (samples[(epoch, position)] for position in range(len(kept_epoch(samples, epoch))))


def _kinds(sample: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the shape and the dtype of every array of a sample, and `str` as the dtype of its texts."""
    return {
        name: ((), str) if isinstance(value, str) else (value.shape, value.dtype.newbyteorder("="))
        for name, value in sample.items()
    }


def _words(kinds: Mapping[str, tuple[Any, Any]], name: str) -> str:
    """Return the shape and the dtype under a name in words."""
    if name not in kinds:
        return "missing"
    shape, dtype = kinds[name]
    return "a text" if dtype is str else f"{dtype} {shape}"
