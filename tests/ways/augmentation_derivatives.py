"""By what the functions of augmentation are differentiable: calls on tiny arrays, away from kinks."""

from typing import Any

import numpy as np

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters


def augmentation_calls() -> list[tuple[str, *tuple[Any, ...]]]:
    """Return name, label, what is differentiated by, the call, and what draws its arrays."""
    return [
        (
            "transforms.inverse",
            "of an affine map",
            "matrix, offset",
            lambda matrix, offset: tuple(transforms.inverse(parameters.Affine(matrix, offset))),
            lambda rng: (np.eye(3) + rng.uniform(-0.2, 0.2, (3, 3)), rng.normal(size=3)),
        ),
    ]
