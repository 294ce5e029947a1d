"""Label maps: new labels for old ones, labels to channels and back.

A label map is an integer or boolean array; with channels it is `(*spatial, 1)`. Labels are given, never discovered, so
that everything traces under `jit`; what they may be is checked against the dtype.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_map, label_mask, label_sets
from mia_functional.typing import Array, Label, Labels

__all__ = ["argmax", "one_hot", "relabel"]


def relabel(labels: Array, mapping: Mapping[Label, int]) -> Array:
    """Replace labels by others, all at once, so that two can swap (remap, merge labels).

    Args:
        labels: Integer array of any shape.
        mapping: From an old label, or a tuple of old labels, to the new label. Labels that are not named stay.

    Returns:
        Integer array of the same shape and dtype (uint8 for booleans).

    Raises:
        TypeError: The array does not hold integers, or `mapping` is not a mapping.
        ValueError: The dtype cannot hold a new label; an old label is named twice or negative; the mapping is empty.

    Example:
        >>> relabel(np.array([0, 1, 2, 3]), {1: 2, 2: 1, 3: 0}).tolist()
        [0, 2, 1, 0]
        >>> relabel(np.array([0, 1, 2, 3]), {(1, 2, 3): 1}).tolist()
        [0, 1, 1, 1]
    """
    xp = _array.checked_namespace("relabel", labels=labels)
    array = label_map("relabel", "labels", labels)
    checks.require_instance("relabel", "mapping", mapping, Mapping, "a mapping from old labels to new ones")
    if not mapping:
        checks.invalid_value("relabel", "mapping", "name at least one label", "none")
    sets = label_sets("relabel", mapping)
    old = [label for entry in sets for label in entry]
    if len(set(old)) != len(old):
        checks.invalid_value("relabel", "mapping", "name every old label once", old)
    new = checks.integer_tuple("relabel", "mapping", list(mapping.values()), minimum=0)
    own = array if _array.dtype_kind(labels) == "bool" else labels
    _, largest = _array.integer_range(own)
    if max(new) > largest:
        checks.invalid_value("relabel", "mapping", f"give labels up to {largest}, the most of {own.dtype}", max(new))
    # Masks are taken from the old array, so that two labels can swap.
    result = array
    for entry, label in zip(sets, new, strict=True):
        result = xp.where(label_mask(array, entry), xp.full_like(array, label), result)
    return xp.astype(result, own.dtype, copy=False)


def one_hot(labels: Array, values: Labels | Iterable[Label]) -> Array:
    """Turn a label map into one channel per label: 1 where the label is, else 0 (one-hot encoding).

    Args:
        labels: Integer array `(*spatial, 1)`.
        values: The label of every channel, or a tuple of labels to merge; a mapping from labels to names will do.

    Returns:
        Float32 array `(*spatial, L)`.

    Raises:
        TypeError: The array does not hold integers.
        ValueError: The last axis is not one channel.

    Example:
        >>> one_hot(np.array([[0], [2], [5]]), (0, 2)).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    xp = _array.checked_namespace("one_hot", labels=labels)
    if labels.ndim < 1 or labels.shape[-1] != 1:
        checks.invalid_value("one_hot", "labels", "have one channel as its last axis", f"shape {tuple(labels.shape)}")
    array = label_map("one_hot", "labels", labels)
    channels = [label_mask(array, entry) for entry in label_sets("one_hot", values)]
    return xp.astype(xp.concat(channels, axis=-1), xp.float32)


def argmax(scores: Array, *, values: Iterable[int] | None = None) -> Array:
    """Turn one channel per label into the label map of the highest: the inverse of `one_hot`.

    Args:
        scores: Array `(*spatial, L)`: probabilities, logits or votes.
        values: The label of every channel; by default 0, 1, 2 and so on.

    Returns:
        Integer array `(*spatial, 1)`, uint8 if all labels are below 256, else int32. Of equal scores the first wins.

    Raises:
        TypeError: The scores are not real numbers.
        ValueError: There are not as many labels as channels.

    Example:
        >>> argmax(np.array([[0.1, 0.9], [0.8, 0.2]]), values=(3, 7)).tolist()
        [[7], [3]]
    """
    xp = _array.checked_namespace("argmax", scores=scores)
    checks.not_empty("argmax", "scores", scores.shape)
    _array.require_real("argmax", "scores", scores)
    count = scores.shape[-1]
    listed = tuple(range(count) if values is None else values)
    labels = checks.integer_tuple("argmax", "values", listed, length=count, minimum=0)
    table = np.asarray(labels, dtype=np.uint8 if max(labels) < 256 else np.int32)

    def best(scores: Array) -> Array:
        channels = xp.argmax(_array.computable(scores), axis=-1, keepdims=True)
        # `take` accepts positions along one axis only, in the standard.
        found: Array = xp.take(_array.from_numpy(table, xp, scores), xp.reshape(channels, (-1,)))
        return xp.reshape(found, channels.shape)

    return _array.call_gathered(best, scores)
