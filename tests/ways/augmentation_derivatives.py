"""By what the functions of augmentation are differentiable: calls on tiny arrays, away from kinks."""

from functools import partial
from typing import Any

import numpy as np

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters

from .augmentation_cases import LANDMARKS
from .tiny_arrays import SHAPE, channels, inside, joined, labels, uniform


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
            "transforms.ghosting",
            "by an array",
            "image, strength",
            partial(transforms.ghosting, ghosts=2),
            joined(channels, uniform((3,))),
        ),
        (
            "transforms.spikes",
            "by an array",
            "image, intensity",
            lambda image, height: transforms.spikes(image, [[1, 0, 1], [0, 1, 0]], height),
            joined(channels, uniform((2,))),
        ),
        (
            "transforms.motion",
            "by arrays",
            "image, matrices, offsets",
            lambda image, matrix, offset: transforms.motion(image, matrix[None], offset[None], [0.3]),
            joined(channels, lambda rng: (np.eye(3) + rng.uniform(-0.1, 0.1, (3, 3)), rng.uniform(0.05, 0.3, 3))),
        ),
        (
            "transforms.low_resolution",
            "by an array",
            "image, factor",
            transforms.low_resolution,
            joined(channels, lambda rng: (np.array([1.3, 2.2, 1.7]) + rng.uniform(0, 0.05, 3),)),
        ),
        ("transforms.cutout", "image", "image", partial(transforms.cutout, start=(1, 0, 1), size=(2, 2, 1)), channels),
        (
            "transforms.swap",
            "image",
            "image",
            partial(transforms.swap, first=[[0, 0, 0]], second=[[2, 1, 1]], patch_shape=(2, 2, 2)),
            channels,
        ),
        (
            "transforms.resized_crop",
            "by arrays",
            "image, start, size",
            partial(transforms.resized_crop, shape=(2, 4, 3)),
            joined(channels, lambda rng: (rng.uniform(0.31, 0.33, 3), rng.uniform(2.01, 2.03, 3))),
        ),
        (
            "transforms.mixup",
            "by an array",
            "images, weight",
            transforms.mixup,
            joined(channels, channels, uniform(())),
        ),
        (
            "transforms.cutmix",
            "images",
            "images",
            partial(transforms.cutmix, start=(1, 0, 1), size=(2, 2, 1)),
            joined(channels, channels),
        ),
        (
            "transforms.carvemix",
            "images",
            "images",
            lambda one, other, lesions: transforms.carvemix(one, other, 0.5, lesions=lesions),
            joined(channels, channels, inside),
        ),
        ("transforms.mix", "images", "images", _mixed, joined(channels, channels)),
        (
            "transforms.labels_to_image",
            "by arrays",
            "mean, sigma, field",
            lambda labels, *given: transforms.labels_to_image(labels[..., None], *given, values=(0, 1, 2)),
            joined(labels, uniform((3, 2)), uniform((3, 2)), uniform((*SHAPE, 2))),
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


def _mixed(image: Any, other: Any) -> Any:
    apply = transforms.mix("images", transforms.random_mixup, transforms.mixup)
    return apply({"images": image, "rng": np.random.default_rng(0)}, {"images": other})["images"]
