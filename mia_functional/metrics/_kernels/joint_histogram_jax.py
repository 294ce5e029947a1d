"""Joint counts of two label maps in a JAX program for one processor: the fast route behind the counts of many labels.

A pair of label sets is one code, and a loop over chunks of the volumes counts the codes. Volumes that are spread over
devices would have to be gathered for the loop, and devices other than processors compare faster than they count: there,
the maps are compared with every label.
"""

import numpy as np

from mia_functional import _array
from mia_functional.metrics._kernels.joint_histogram import LARGEST_TRANSLATED, MOST_COMPARED, MOST_COUNTED, LabelSets
from mia_functional.typing import Array


def can_count_codes(arrays: tuple[Array, ...], sets: LabelSets, axes: tuple[int, ...]) -> bool:
    """Return whether codes can be counted, and are worth it: all axes are reduced, and many sets share no label."""
    labels = [label for entry in sets for label in entry]
    worth_it = MOST_COMPARED < len(sets) <= MOST_COUNTED and max(labels) < LARGEST_TRANSLATED
    whole = len(axes) == arrays[0].ndim and len(set(labels)) == len(labels)
    return worth_it and whole and any(map(_array.is_traced, arrays)) and not any(map(_array.is_on_mesh, arrays))


def joint_matrix_jax(sets: LabelSets, *arrays: Array) -> Array:
    """Return how often each label set of the prediction meets each of the reference; all other labels come last.

    The arrays are the two maps and, if there is one, the mask of the voxels that count.
    """
    xp = _array.array_namespace(*arrays)
    width = len(sets) + 1
    # Traced values cannot be checked: a first cell stands for all negative labels, a last one for all that are larger.
    rows = np.full(max(map(max, sets)) + 3, len(sets))
    for row, labels in enumerate(sets):
        rows[[label + 1 for label in labels]] = row
    integer = _array.index_dtype(xp)

    def code(predicted: Array, referenced: Array, inside: Array | None = None) -> Array:
        table = xp.asarray(rows, dtype=integer)
        first, second = (
            xp.take(table, xp.clip(xp.astype(labels, integer), -1, len(rows) - 2) + 1)
            for labels in (predicted, referenced)
        )
        joined = first * width + second
        # Codes beyond the last are not counted.
        return joined if inside is None else xp.where(inside, joined, width**2)

    return xp.reshape(_array.bincount(code, arrays, width**2), (width, width))
