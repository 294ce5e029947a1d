"""How a category is interpolated: by its role, which its dtype does not tell."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mia_functional._core import checks
from mia_functional._core.roles import role_by_name
from mia_functional.transforms.interpolation import Interpolation, linear, nearest
from mia_functional.typing import Role

__all__ = ["INTERPOLATIONS", "function_for_role", "interpolation_of", "leaves_interpolation_open", "refuse_labels"]

INTERPOLATIONS: dict[Role, Interpolation] = {"image": linear, "labels": nearest}
"""How categories are interpolated; others cannot be."""


def interpolation_of(
    function: str, category: str, sample: Mapping[str, Any], roles: Mapping[str, Role]
) -> Interpolation:
    """Return how a category of a sample is interpolated; raise if its role does not say.

    The role is that of `roles`, else that in `sample["roles"]`, else that of the category's name.
    """
    role = _role_of(category, sample, roles)
    if role not in INTERPOLATIONS:
        # A guess by the dtype would make blocks of some images, and labels that do not exist.
        needed = f"say whether {category!r} is an `image` or `labels`, to be interpolated"
        checks.invalid_value(function, "roles", needed, role or "no role")
    return INTERPOLATIONS[role]


def refuse_labels(
    public: str, function: Callable[..., Any], category: str, sample: Mapping[str, Any], roles: Mapping[str, Role]
) -> None:
    """Raise if a function of this package that changes intensities is to change labels, which would be none any more.

    Such functions call their first argument `image`; those that move voxels as they are call it `array`.
    """
    if _role_of(category, sample, roles) != "labels":
        return
    while isinstance(function, partial):
        function = function.func
    if getattr(function, "__module__", "").startswith("mia_functional.transforms."):
        name = getattr(function, "__name__", "")
        if next(iter(inspect.signature(function).parameters), "") == "image":
            needed = (
                f'hold no labels where {name} changes intensities (roles={{{category!r}: "image"}} says they are none)'
            )
            checks.invalid_value(public, "categories", needed, category)


def _role_of(category: str, sample: Mapping[str, Any], roles: Mapping[str, Role]) -> Role | None:
    """Return the role of a category: that which was given, else that of the sample, else that of its name."""
    return roles.get(category) or (sample.get("roles") or {}).get(category) or role_by_name(category)


def leaves_interpolation_open(function: Callable[..., Any]) -> bool:
    """Return whether a function takes an `interpolation`, and none is bound to it."""
    try:
        parameter = inspect.signature(function).parameters.get("interpolation")
    except (TypeError, ValueError):  # of compiled functions
        return False
    return parameter is not None and parameter.default is None


def function_for_role(
    public: str, function: Callable[..., Any], category: str, sample: Mapping[str, Any], roles: Mapping[str, Role]
) -> Callable[..., Any]:
    """Return a function of a category's array, with the interpolation of its role if it leaves that open."""
    if category == "geometry" or not leaves_interpolation_open(function):
        return function
    return partial(function, interpolation=interpolation_of(public, category, sample, roles))
