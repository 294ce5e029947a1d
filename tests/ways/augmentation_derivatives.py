"""By what the functions of augmentation are differentiable: calls on tiny arrays, away from kinks."""

from functools import partial
from typing import Any

import numpy as np

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters

from .augmentation_cases import LANDMARKS
from .tiny_arrays import channels, joined, uniform


def augmentation_calls() -> list[tuple[str, *tuple[Any, ...]]]:
    """Return name, label, what is differentiated by, the call, and what draws its arrays."""
    two = uniform((2,), low=0.5, high=2)
    return [
        (
            "transforms.brightness",
            "by arrays",
            "image, factor, offset",
            transforms.brightness,
            joined(channels, two, two),
        ),
        ("transforms.contrast", "by an array", "image, factor", transforms.contrast, joined(channels, two)),
        (
            "transforms.sharpen",
            "by arrays",
            "image, strength, sigma",
            partial(transforms.sharpen, radius=2),
            joined(channels, uniform((), low=0.5), uniform((3,), low=0.5)),
        ),
        (
            "transforms.local_gamma",
            "by arrays",
            "image, centre, sigma, exponent",
            transforms.local_gamma,
            joined(channels, uniform((3,), low=0.5, high=2), uniform((3,), low=1, high=2), two),
        ),
        (
            "transforms.standardize_histogram",
            "image",
            "image",
            partial(transforms.standardize_histogram, landmarks=LANDMARKS),
            channels,
        ),
        (
            "transforms.inverse",
            "of an affine map",
            "matrix, offset",
            lambda matrix, offset: tuple(transforms.inverse(parameters.Affine(matrix, offset))),
            lambda rng: (np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3)), rng.normal(size=3)),
        ),
    ]
