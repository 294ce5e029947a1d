"""Several categories of a sample that one map warps: where their voxels come from is computed once."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from mia_functional import _array
from mia_functional.transforms.warping import affine, affine_together, elastic, elastic_together

__all__ = ["warp_together"]


class _Warp(NamedTuple):
    """A function of one array, that of several, and the name of the parameter with an entry for each spatial axis."""

    together: Callable[..., Sequence[Any]]
    first_parameter: str


_WARPS: dict[Any, _Warp] = {
    affine: _Warp(affine_together, "matrix"),
    elastic: _Warp(elastic_together, "control"),
}

_OWN = {"interpolation": None, "fill_value": 0}
"""Options in which the categories may differ, and what they are by default."""


def warp_together(
    functions: Mapping[str, Callable[..., Any]], arrays: Mapping[str, Any], *draw: Any, **options: Any
) -> dict[str, Any]:
    """Return `functions[name](arrays[name], *draw, **options)` of the categories that can share places with another.

    They have the same spatial shape, library and dtype of coordinates, and the same function but for interpolation and
    fill value.
    """
    groups: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = {}
    for name, function in functions.items():
        # `function_for_role` makes partials: a function with options of no role is the caller's own affair.
        if isinstance(function, partial) and function.func in _WARPS and not function.args:
            key = _places_key(function, arrays[name], draw, options)
            groups.setdefault(key, {})[name] = function.keywords
    results: dict[str, Any] = {}
    for (function, *_), members in groups.items():
        if len(members) > 1:
            every = list(members.values())
            own = {option: [given.get(option, default) for given in every] for option, default in _OWN.items()}
            common = {**every[0], **options, **own}
            warped = _WARPS[function].together([arrays[name] for name in members], *draw, **common)
            results |= zip(members, warped, strict=True)
    return results


def _places_key(
    function: "partial[Any]", array: Any, draw: tuple[Any, ...], options: Mapping[str, Any]
) -> tuple[Any, ...]:
    """Return the function and all that decides on places; what shares none has a key of its own."""
    given = {**function.keywords, **options}
    first = draw[0] if draw else given.get(_WARPS[function.func].first_parameter)
    # Matrices and control points have an entry for each spatial axis.
    axes = next(iter(np.shape(first) if isinstance(first, Sequence) else getattr(first, "shape", ())), 0)
    if not axes or not hasattr(array, "dtype") or not options.keys().isdisjoint(_OWN):
        return function.func, object()
    common = sorted((option, id(value)) for option, value in function.keywords.items() if option not in _OWN)
    # Coordinates have the precision of the array: those of integers, too, are in single precision.
    is_double = str(array.dtype).rpartition(".")[2] in ("float64", "<f8", ">f8")
    device = array.device if _array.is_torch(array) else None
    return function.func, tuple(array.shape[:axes]), type(array), device, is_double, *common
