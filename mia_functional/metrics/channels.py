"""Structures that overlap, as masks side by side on a last axis: any statistic or metric, channel by channel."""

from collections.abc import Callable
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics.inputs import paired_arrays
from mia_functional.typing import Array

__all__ = ["by_channel"]


@_array.one_node
def by_channel(function: Callable[..., Any], prediction: Array, reference: Array, **options: Any) -> Any:
    """Return what a statistic or a metric gives for every channel of a pair: structures that may overlap, one-hot maps.

    Args:
        function: `surface_distances`, `dice`, or any function of a pair of arrays without channels.
        prediction: Array `(*axes, C)`: the masks of C structures, or their probabilities.
        reference: Array of the same shape.
        options: Keywords of the function, the same for all channels; masks among them have no channels.

    Returns:
        For a metric its values, with a last axis of C; for a statistic a tuple of C records.

    Raises:
        TypeError: An argument is not an array, or `function` cannot be called; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ, or there is no axis beside that of the channels.

    Example:
        >>> import numpy as np
        >>> from mia_functional.metrics import dice, hausdorff_distance
        >>> organ, tumour = np.array([1, 1, 1, 1]), np.array([0, 0, 1, 1])
        >>> one, other = np.stack([organ, tumour], axis=-1), np.stack([organ, tumour[::-1]], axis=-1)
        >>> by_channel(dice, one, other).tolist(), by_channel(hausdorff_distance, one, other, spacing=(2.0,)).tolist()
        ([1.0, 0.0], [0.0, 4.0])
    """
    name = "by_channel"
    checks.require_callable(name, "function", function, "`dice`")
    first, second = paired_arrays(name, prediction, reference)
    if first.ndim < 2:
        checks.invalid_value(name, "prediction", "have channels behind other axes", f"shape {tuple(first.shape)}")
    found = [function(first[..., channel], second[..., channel], **options) for channel in range(first.shape[-1])]
    if any(isinstance(entry, tuple) for entry in found):
        return tuple(found)
    return _array.array_namespace(*found).stack(found, axis=-1)
