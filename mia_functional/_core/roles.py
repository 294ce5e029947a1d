"""Roles of categories: what they are decides on interpolation, whatever their dtype."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from mia_functional._core import checks
from mia_functional.typing import Role

__all__ = ["FILE_ROLES", "ROLES", "checked_roles", "role_by_name"]

ROLES: tuple[Role, ...] = get_args(Role)
"""All roles."""

FILE_ROLES: tuple[Role, ...] = ("image", "labels", "numbers")
"""Roles that a file may have."""

_BY_NAME: dict[str, Role] = {"image": "image", "images": "image", "label": "labels", "labels": "labels"}
"""Roles of categories by the names that they have in layouts and in pymia's files."""


def role_by_name(category: str) -> Role | None:
    """Return the role that the name of a category stands for; none for other names, of which nothing is guessed.

    Example:
        >>> role_by_name("images"), role_by_name("ct")
        ('image', None)
    """
    return _BY_NAME.get(category)


def checked_roles(
    function: str, roles: Mapping[str, Role] | None, categories: Sequence[str], *, possible: tuple[Role, ...] = ROLES
) -> dict[str, Role]:
    """Return roles by category as a dictionary; raise unless they are roles of the given categories."""
    given: Any = {} if roles is None else roles
    checks.require_instance(function, "roles", given, Mapping, "a dictionary of roles by category")
    for category, role in given.items():
        if category not in categories:
            checks.invalid_value(function, "roles", f"be of {', '.join(categories)}", repr(category))
        checks.one_of(function, "roles", role, possible)
    return dict(given)
