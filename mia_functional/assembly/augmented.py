"""Predictions for a volume that is seen in several ways, merged into one (test-time augmentation)."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.assembly.reductions import Reduction, check_reduction, mean
from mia_functional.assembly.streaming import merge_planes
from mia_functional.typing import Array

__all__ = ["tta"]

_OneDraw = TypeVar("_OneDraw")


def tta(
    network: Callable[[Array], Array],
    volume: Array,
    draws: Iterable[_OneDraw],
    *,
    apply: Callable[[Array, _OneDraw], Array],
    invert: Callable[[Array, _OneDraw], Array],
    reduction: Reduction = mean,
) -> Array:
    """Return what a network predicts for a volume that is transformed by each of some draws (test-time augmentation).

    It merges `invert(network(apply(volume, draw)), draw)` over the draws, one after the other: besides what the network
    needs, there are two predictions in memory. Where all of them agree, the mean is exactly what they agree on. The
    untransformed volume is one of the draws only if it is among them.

    Args:
        network: From a volume to a prediction; any function, such as `sliding_window` or `predict_labels` with all but
            their volume bound by `functools.partial`.
        volume: What `apply` takes, as `(*spatial, channels)`.
        draws: Parameters of transforms, one after the other, for example records that were drawn at random.
        apply: From the volume and a draw to the transformed volume, which may have another shape.
        invert: From a prediction of that and the same draw to the prediction in the place of the volume: what `apply`
            did, undone on the spatial axes.
        reduction: `mean`, `total`, `maximum`, `last`, or `vote(labels)` for predictions that are integer labels.

    Returns:
        An array of the shape that `invert` returns, in its library and dtype; means of integers are float32. It is
        differentiable as far as the three functions are.

    Raises:
        TypeError: `draws` is a single record, or predictions are not arrays of one library and dtype.
        ValueError: There are no draws, or predictions differ in shape.

    Example:
        >>> import numpy as np
        >>> def flip(array, axes):
        ...     return np.flip(array, axes)
        >>> from_the_left = lambda volume: np.cumsum(volume, axis=0)
        >>> tta(from_the_left, np.ones(3), [(), (0,)], apply=flip, invert=flip).tolist()
        [2.0, 2.0, 2.0]
    """
    for argument, function, needed in (
        ("network", network, "a network"),
        ("apply", apply, "a flip"),
        ("invert", invert, "a flip"),
    ):
        checks.require_callable("tta", argument, function, needed)
    check_reduction("tta", reduction)
    if hasattr(draws, "_fields") or checks.has_shape(draws) or not isinstance(draws, Iterable):
        needed = "hold draws one after the other, as a list does"
        checks.invalid_kind("tta", "draws", needed, f"a single {type(draws).__name__}")
    predictions = _undone(network, volume, draws, apply, invert)
    with checks.speaking_for("tta", "merge_planes", volumes="invert"):
        # A program of `torch.compile` consists of what the network does for each draw, beside one node of ours.
        return merge_planes(list(predictions) if _array.in_bytecode() else predictions, reduction=reduction)


def _undone(
    network: Callable[[Array], Array],
    volume: Array,
    draws: Iterable[_OneDraw],
    apply: Callable[[Array, _OneDraw], Array],
    invert: Callable[[Array, _OneDraw], Array],
) -> Iterator[Array]:
    """Yield the prediction for each draw in the place of the volume; raise unless they match, or if there are none."""
    expected: Any = None
    for draw in draws:
        output = network(apply(volume, draw))
        prediction = invert(output, draw) if checks.has_shape(output) else output
        if not checks.has_shape(prediction):
            argument = "invert" if checks.has_shape(output) else "network"
            checks.invalid_kind("tta", argument, "return an array", type(prediction).__name__)
        shape = tuple(prediction.shape)
        expected = shape if expected is None else expected
        if shape != expected or not shape:
            needed = f"return predictions of one shape, {expected}" if shape else "return predictions with axes"
            checks.invalid_value("tta", "invert", needed, shape)
        yield prediction
    if expected is None:
        checks.invalid_value("tta", "draws", "hold at least one draw", "none")
