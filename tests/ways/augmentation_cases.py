"""Typical calls of what augmentation is made of: how images are distorted, mixed and made, and how draws are undone."""

from collections.abc import Callable
from functools import partial
from typing import Any

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters

from .drawing import Case, drawn, floats, image, integers, nearly_identity, seed, signed_masks, with_image

LANDMARKS = transforms.HistogramLandmarks(
    percentiles=(1.0, 25.0, 50.0, 75.0, 99.0),
    totals=((0.0, 10.0, 30.0, 70.0, 100.0), (0.0, 40.0, 50.0, 60.0, 100.0)),
    counts=(1, 1),
)


def augmentation_cases() -> dict[str, list[Case]]:
    """Return the calls by public name."""
    two = floats(2, low=0.5, high=1.5)
    place = floats(3, low=1, high=4), floats(3, low=1, high=3), floats(2, low=0.5, high=2)
    calls: dict[str, list[tuple[str, Callable[..., Any], Any]]] = {
        "transforms.brightness": [("image", transforms.brightness, with_image(two, floats(2, low=-1, high=1)))],
        "transforms.contrast": [
            ("image", transforms.contrast, with_image(two)),
            ("in its range", partial(transforms.contrast, factor=2.0, keep_range=True), image),
        ],
        "transforms.sharpen": [
            ("by numbers", partial(transforms.sharpen, strength=0.5, sigma=(0.0, 1.0, 0.5)), image),
            (
                "by arrays",
                partial(transforms.sharpen, radius=2),
                with_image(floats(low=0, high=1), floats(3, low=0.5, high=1.0)),
            ),
        ],
        "transforms.local_gamma": [("image", transforms.local_gamma, with_image(*place))],
        "transforms.standardize_histogram": [
            ("image", partial(transforms.standardize_histogram, landmarks=LANDMARKS), image),
            (
                "in a mask",
                lambda x, m: transforms.standardize_histogram(x, LANDMARKS, mask=m[..., None]),
                lambda rng: (*image(rng), signed_masks(rng)[0]),
            ),
        ],
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
    samplers: dict[str, dict[str, Any]] = {
        "brightness": {"max_offset": 0.1},
        "contrast": {},
        "sharpen": {},
        "local_gamma": {},
    }
    cases = {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}
    for name, options in samplers.items():
        function = getattr(transforms, f"random_{name}")
        cases[f"transforms.random_{name}"] = [Case("by a key", drawn(function, **options), seed, keys=True)]
    return cases
