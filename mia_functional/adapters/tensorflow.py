"""Samples for TensorFlow: a generator of dictionaries, and the `tf.data.Dataset` around it."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mia_functional._core import optional
from mia_functional.typing import SampleSequence

__all__ = ["dataset", "generate"]

__dir__ = __all__.copy  # dir() shows what users may touch


def generate(samples: SampleSequence) -> Iterator[dict[str, Any]]:
    """Yield the arrays and the texts of every sample, which is what TensorFlow takes, and nothing else.

    Args:
        samples: From `dataset.samples`, or any sequence of dictionaries.

    Example:
        >>> next(generate([{"images": np.zeros(2), "subject": "A", "geometry": None}]))
        {'images': array([0., 0.]), 'subject': 'A'}
    """
    for sample in samples:
        yield {name: value for name, value in sample.items() if isinstance(value, np.ndarray | str)}


def dataset(samples: SampleSequence) -> Any:
    """Return a `tf.data.Dataset` of the samples, one element each; batch, shuffle and prefetch it as any other.

    Args:
        samples: From `dataset.samples`; all must have the shapes of the first.
    """
    tensorflow = optional.require("tensorflow")
    first = next(generate(samples))
    # TensorFlow asks for shapes and dtypes before it sees an element.
    spec, text = tensorflow.TensorSpec, tensorflow.TensorSpec((), tensorflow.string)
    signature = {
        key: text if isinstance(value, str) else spec(value.shape, value.dtype) for key, value in first.items()
    }
    # TensorFlow (2.21) takes over memory that is aligned, and reads it later: 29 of 30 elements changed where the
    # sequence fills one array again.
    return tensorflow.data.Dataset.from_generator(
        lambda: (
            {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in sample.items()}
            for sample in generate(samples)
        ),
        output_signature=signature,
    )
