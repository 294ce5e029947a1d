"""Typical calls of what augmentation is made of: how images are distorted, mixed and made, and how draws are undone."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mia_functional import transforms
from mia_functional.transforms import random_parameters as parameters

from .drawing import (
    SPACING,
    Case,
    drawn,
    floats,
    image,
    integers,
    label_maps,
    nearly_identity,
    seed,
    signed_masks,
    with_image,
)

LANDMARKS = transforms.HistogramLandmarks(
    percentiles=(1.0, 25.0, 50.0, 75.0, 99.0),
    totals=((0.0, 10.0, 30.0, 70.0, 100.0), (0.0, 40.0, 50.0, 60.0, 100.0)),
    counts=(1, 1),
)


def integers_from(low: int, high: int, *shape: int) -> Callable[[np.random.Generator], NDArray[np.int32]]:
    """Return what draws whole numbers from one to another."""
    return lambda rng: np.asarray(rng.integers(low, high, shape, endpoint=True), dtype=np.int32)


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
        "transforms.ghosting": [
            ("by numbers", partial(transforms.ghosting, strength=(0.0, 0.5, 0.0), ghosts=3), image),
            ("by arrays", transforms.ghosting, with_image(floats(3, low=0, high=1), integers_from(2, 4))),
        ],
        "transforms.spikes": [
            ("image", transforms.spikes, with_image(integers_from(0, 3, 2, 3), floats(2, low=0.1, high=1)))
        ],
        "transforms.motion": [
            (
                "image",
                partial(transforms.motion, axis=1),
                with_image(
                    lambda rng: np.stack([nearly_identity(rng)] * 2),
                    floats(2, 3, low=-1, high=1),
                    lambda rng: np.sort(floats(2, low=0.05, high=0.95)(rng)),
                ),
            )
        ],
        "transforms.low_resolution": [
            ("by numbers", partial(transforms.low_resolution, factor=(2.0, 1.0, 1.5)), image),
            ("by an array", transforms.low_resolution, with_image(floats(3, low=1, high=3))),
            (
                "labels",
                partial(transforms.low_resolution, factor=(2.0, 1.0, 1.5)),
                lambda rng: (label_maps(rng)[0][..., None],),
            ),
        ],
        "transforms.cutout": [
            ("by numbers", partial(transforms.cutout, start=(1, 2, 0), size=(2, 3, 4)), image),
            ("by arrays", transforms.cutout, with_image(integers_from(0, 4, 2, 3), integers_from(1, 4, 2, 3))),
        ],
        "transforms.swap": [
            (
                "by numbers",
                partial(transforms.swap, first=[[0, 1, 2]], second=[[4, 3, 0]], patch_shape=(3, 2, 4)),
                image,
            ),
            (
                "by arrays",
                partial(transforms.swap, patch_shape=(3, 2, 4)),
                with_image(integers_from(0, 2, 2, 3), integers_from(0, 2, 2, 3)),
            ),
        ],
        "transforms.resized_crop": [
            (
                "image",
                partial(transforms.resized_crop, shape=(4, 6, 5)),
                with_image(floats(3, low=0, high=2), floats(3, low=2, high=4)),
            ),
            (
                "labels",
                lambda x, start, size: transforms.resized_crop(x, start, size, shape=(4, 6, 5)),
                lambda rng: (label_maps(rng)[0], floats(3, low=0, high=2)(rng), floats(3, low=2, high=4)(rng)),
            ),
        ],
        "transforms.mixup": [
            ("images", transforms.mixup, with_image(lambda rng: image(rng)[0], floats(low=0.1, high=0.9))),
            ("labels", transforms.mixup, lambda rng: (*label_maps(rng), floats(low=0.1, high=0.9)(rng))),
        ],
        "transforms.cutmix": [
            (
                "images",
                transforms.cutmix,
                with_image(lambda rng: image(rng)[0], integers_from(0, 4, 1, 3), integers_from(1, 4, 1, 3)),
            )
        ],
        "transforms.carvemix": [
            (
                "images",
                lambda x, other, level, lesions: transforms.carvemix(
                    x, other, level, lesions=lesions[..., None], spacing=SPACING
                ),
                lambda rng: (*image(rng), *image(rng), floats(low=-0.4, high=1)(rng), label_maps(rng)[0]),
            )
        ],
        "transforms.labels_to_image": [
            (
                "of label maps",
                lambda labels, *given: transforms.labels_to_image(labels[..., None], *given, values=(0, (1, 3), 2)),
                lambda rng: (
                    label_maps(rng)[0],
                    floats(3, 2, low=0, high=1)(rng),
                    floats(3, 2, low=0.1, high=0.5)(rng),
                    *image(rng),
                ),
            )
        ],
        "transforms.label_dilation": [
            (
                "of label maps",
                lambda labels, radius: transforms.label_dilation(
                    labels[..., None], radius, values=(2, 1), spacing=SPACING
                ),
                lambda rng: (label_maps(rng)[0], floats(low=0.5, high=3)(rng)),
            )
        ],
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
    calls["transforms.mix"] = [("by a key", _mixed, lambda rng: (*image(rng), *image(rng), *seed(rng)))]
    samplers: dict[str, dict[str, Any]] = {
        "brightness": {"max_offset": 0.1},
        "contrast": {},
        "sharpen": {},
        "local_gamma": {},
        "ghosting": {},
        "spikes": {"count": 2},
        "motion": {"spacing": SPACING},
        "low_resolution": {},
        "anisotropy": {},
        "cutout": {"boxes": 2},
        "swap": {"patch_shape": (3, 2, 4), "swaps": 3},
        "resized_crop": {"max_stretch": 0.1},
        "mixup": {},
        "carvemix": {},
        "labels_to_image": {"values": (1, 2)},
        "label_dilation": {},
    }
    cases = {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}
    cases["transforms.mix"] = [case._replace(keys=True) for case in cases["transforms.mix"]]
    for name, options in samplers.items():
        function = getattr(transforms, f"random_{name}")
        cases[f"transforms.random_{name}"] = [Case("by a key", drawn(function, **options), seed, keys=True)]
    return cases


def _mixed(array: Any, other: Any, number: Any) -> Any:
    """Return an image that is blended with another one."""
    import jax

    apply = transforms.mix("images", transforms.random_mixup, transforms.mixup)
    return apply({"images": array, "rng": jax.random.key(number)}, {"images": other})["images"]
