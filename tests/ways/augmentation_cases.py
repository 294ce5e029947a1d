"""Typical calls of what augmentation is made of: how images are distorted, mixed and made, and how draws are undone."""

from collections.abc import Callable
from typing import Any

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters

from .drawing import Case, floats, integers, nearly_identity


def augmentation_cases() -> dict[str, list[Case]]:
    """Return the calls by public name."""
    calls: dict[str, list[tuple[str, Callable[..., Any], Any]]] = {
        "transforms.inverse": [
            (
                "of an affine map",
                lambda matrix, offset: tuple(transforms.inverse(parameters.Affine(matrix, offset))),
                lambda rng: (nearly_identity(rng), floats(3, low=-0.5, high=0.5)(rng)),
            ),
            (
                "of a shift",
                lambda offset: transforms.inverse(parameters.Shift(offset)).offset,
                lambda rng: (integers(3, 3, 3)(rng),),
            ),
            (
                "of exponents",
                lambda exponent: transforms.inverse(parameters.Gamma(exponent)).exponent,
                lambda rng: (floats(2, low=0.5, high=2)(rng),),
            ),
        ],
    }
    return {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}
