"""Images with several axes behind the spatial ones, as time and coils: to random transforms they are channels."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array

__all__ = ["call_with_channels", "count_spatial_axes", "function_for_axes"]


def function_for_axes(function: Callable[..., Any], name: str, sample: Mapping[str, Any]) -> Callable[..., Any]:
    """Return a function of a category's array, told how many axes are spatial if it asks and the sample knows."""
    try:
        parameter = inspect.signature(function).parameters.get("spatial_axes")
    except (TypeError, ValueError):  # of compiled functions
        return function
    if name == "geometry" or parameter is None or parameter.default is not None:
        return function
    is_known = name in (sample.get("spatial_axes") or {}) or sample.get("geometry") is not None
    return partial(function, spatial_axes=count_spatial_axes(sample, name, None)) if is_known else function


def count_spatial_axes(sample: Mapping[str, Any], name: str, given: int | None) -> int:
    """Return how many axes of a category are spatial.

    Those that are `given`, else what the sample says of itself or by its geometry, else all but the last.
    """
    told = given if given is not None else (sample.get("spatial_axes") or {}).get(name)
    if told is not None:
        return int(told)
    shape, geometry = tuple(sample[name].shape), sample.get("geometry")
    grid = () if geometry is None else tuple(geometry.shape)
    return len(grid) if grid and shape[: len(grid)] == grid else len(shape) - 1


def call_with_channels(
    caller: str, function: Callable[..., Any], name: str, array: Array, *, spatial: int, draw: tuple[Any, ...]
) -> Any:
    """Return `function(array, *draw)`; several axes behind the spatial ones are one of channels to the function.

    Args:
        caller: The public function, for messages.
        function: Keeps the number of channels.
        name: The category, for messages.
        array: Array `(*spatial, ...)`.
        spatial: How many axes are spatial.
        draw: What else the function gets.
    """
    trailing = tuple(array.shape[spatial:])
    if len(trailing) < 2:
        return function(array, *draw)
    flat = (*array.shape[:spatial], math.prod(trailing))
    result = function(_array.array_namespace(array).reshape(array, flat), *draw)
    if tuple(result.shape[-1:]) != flat[-1:]:
        needed = f"keep the {flat[-1]} channels of {name} {tuple(array.shape)}"
        checks.invalid_value(caller, "function", needed, tuple(result.shape))
    return _array.array_namespace(result).reshape(result, (*result.shape[:-1], *trailing))
