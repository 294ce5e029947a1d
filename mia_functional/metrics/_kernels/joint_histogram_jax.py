"""Joint counts of two label maps in a JAX program for one processor: the fast route behind the counts of many labels.

A pair of label sets is one code, and a loop over chunks of the volumes counts the codes. Volumes that are spread over
devices would have to be gathered for the loop, and other devices than processors compare faster than they count: there,
the maps are compared with every label.
"""

from collections.abc import Sequence

import numpy as np

from mia_functional import _array
from mia_functional.metrics._kernels import joint_histogram
from mia_functional.typing import Array


def usable(arrays: Sequence[Array], sets: Sequence[tuple[int, ...]], axes: tuple[int, ...]) -> bool:
    """Tell whether codes can be counted, and are worth it: all axes are reduced, and many sets share no label."""
    labels = [label for one in sets for label in one]
    few = (
        joint_histogram.COMPARED < len(sets) <= joint_histogram.MOST_VALUES
        and max(labels) < joint_histogram.LARGEST_TABLE
    )
    whole = len(axes) == arrays[0].ndim and len(set(labels)) == len(labels)
    return few and whole and any(map(_array.is_traced, arrays)) and not any(map(_array.is_on_mesh, arrays))


def matrix(prediction: Array, reference: Array, mask: Array | None, sets: Sequence[tuple[int, ...]]) -> Array:
    """Return how often each label set of the prediction meets each of the reference; all other labels come last."""
    xp = _array.array_namespace(prediction)
    width = len(sets) + 1
    position = np.full(max(map(max, sets)) + 3, len(sets))
    for place, one in enumerate(sets):
        position[[label + 1 for label in one]] = place
    whole = _array.index_dtype(xp)

    def code(predicted: Array, referenced: Array, inside: Array | None = None) -> Array:
        table = xp.asarray(position, dtype=whole)
        first, second = (
            xp.take(table, xp.clip(xp.astype(labels, whole), -1, len(position) - 2) + 1)
            for labels in (predicted, referenced)
        )
        joined = first * width + second
        return joined if inside is None else xp.where(inside, joined, width**2)

    arrays = (prediction, reference) if mask is None else (prediction, reference, mask)
    return xp.reshape(_array.bincount(code, arrays, width**2), (width, width))
