"""Typical calls of all public functions of arrays, on small arrays of three different sizes and signed labels.

`CASES` has calls by the public name. A name that stands in the `__all__` of a namespace and neither here nor in
`NO_ARRAYS` fails `test_matrix.py`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import mia_functional as mia

from .augmentation_cases import augmentation_cases
from .drawing import (
    GRID,
    SHAPE,
    SPACING,
    VOXELS,
    Case,
    counts,
    drawn,
    floats,
    image,
    in_steps,
    integers,
    label_maps,
    masks,
    nearly_identity,
    one,
    parts,
    planes,
    seed,
    signed_masks,
    together,
    traced_start,
    volumes,
    with_image,
)
from .metric_cases import cases_beside_the_table, metric_cases


def _cases_of_other_rooms() -> dict[str, list[Case]]:
    """Return the calls of all functions of arrays in the other rooms."""
    transforms, assembly = mia.transforms, mia.assembly
    spaced = {"spacing": SPACING}
    affine = nearly_identity, floats(3, low=-0.5, high=0.5)
    calls: dict[str, list[tuple[str, Callable[..., Any], Any]]] = {
        "transforms.affine": [
            ("image", transforms.affine, with_image(*affine)),
            ("labels", transforms.affine, lambda rng: (label_maps(rng)[0], *(draw(rng) for draw in affine))),
            (
                "integers between voxels",
                partial(transforms.affine, interpolation=transforms.linear),
                lambda rng: (*counts(rng), *(draw(rng) for draw in affine)),
            ),
        ],
        "transforms.argmax": [("of scores", transforms.argmax, image)],
        "transforms.bias_field": [("image", transforms.bias_field, with_image(floats(3, low=-0.3, high=0.3)))],
        "transforms.blur": [
            ("by numbers", partial(transforms.blur, sigma=(0.0, 1.0, 0.5)), image),
            ("by an array", partial(transforms.blur, radius=2), with_image(floats(3, low=0.5, high=1.0))),
        ],
        "transforms.clip_percentile": [
            ("image", transforms.clip_percentile, image),
            (
                "in a mask",
                lambda x, m: transforms.clip_percentile(x, mask=m[..., None]),
                lambda rng: (*image(rng), signed_masks(rng)[0]),
            ),
        ],
        "transforms.crop": [
            ("by numbers", partial(transforms.crop, start=(1, 2, 0), shape=(4, 3, 2)), image),
            ("by an array", partial(transforms.crop, shape=(4, 3, 2)), with_image(integers(4, 4, 4))),
            ("by both", lambda x, s: transforms.crop(x, (s[0], 1, 2), (4, 3, 2)), with_image(integers(4, 4, 4))),
        ],
        "transforms.crop_or_pad": [("image", partial(transforms.crop_or_pad, shape=(5, 9, 6)), image)],
        "transforms.elastic": [
            ("image", transforms.elastic, with_image(floats(3, 4, 4, 5, low=-1, high=1))),
            (
                "integers between voxels",
                partial(transforms.elastic, interpolation=transforms.linear),
                lambda rng: (*counts(rng), floats(3, 4, 4, 5, low=-1, high=1)(rng)),
            ),
        ],
        "transforms.flip": [
            ("by numbers", partial(transforms.flip, axes=(0, 2)), image),
            ("by an array", transforms.flip, lambda rng: (*image(rng), rng.random(3) < 0.5)),
        ],
        "transforms.gamma": [
            ("by a number", partial(transforms.gamma, exponent=1.5), image),
            ("by an array", transforms.gamma, with_image(floats(2, low=0.5, high=2))),
        ],
        "transforms.mask_outside": [
            ("image", transforms.mask_outside, lambda rng: (*image(rng), signed_masks(rng)[0][..., None]))
        ],
        "transforms.noise": [("image", transforms.noise, with_image(lambda rng: image(rng)[0]))],
        "transforms.one_hot": [("labels", lambda x: transforms.one_hot(x[..., None], (1, (2, 3))), one(label_maps))],
        "transforms.pad": [
            ("zeros", partial(transforms.pad, widths=((1, 0), (0, 2), 1)), image),
            ("edge", partial(transforms.pad, widths=2, pad_mode=mia.extraction.edge), image),
        ],
        "transforms.permute": [("image", partial(transforms.permute, axes=(2, 0, 1)), image)],
        "transforms.randomly": [("by a key", _randomly, lambda rng: (*image(rng), *seed(rng)))],
        "transforms.relabel": [("labels", partial(transforms.relabel, mapping={1: 2, (2, 3): 1}), one(label_maps))],
        "transforms.reorient_onto": [("image", _reorient_onto, image)],
        "transforms.resample": [
            ("image", partial(transforms.resample, scale=(2.0, 0.7, 1.0)), image),
            ("smoothed", partial(transforms.resample, scale=(2.0, 1.0, 1.5), antialias=True), image),
            ("labels", partial(transforms.resample, scale=(2.0, 0.7, 1.0)), one(label_maps)),
            (
                "integers between voxels",
                partial(transforms.resample, scale=(2.0, 0.5, 1.0), interpolation=transforms.linear),
                counts,
            ),
        ],
        "transforms.resample_onto": [("image", _resample_onto, image)],
        "transforms.rescale": [("image", transforms.rescale, image)],
        "transforms.reshape": [("image", partial(transforms.reshape, shape=(7, -1)), image)],
        "transforms.rician_noise": [("image", transforms.rician_noise, with_image(*[lambda rng: image(rng)[0]] * 2))],
        "transforms.rot90": [
            ("by a number", partial(transforms.rot90, turns=1), image),
            ("by an array", lambda x, n: transforms.rot90(x[:, :6, ...], n[0]), with_image(integers(3))),
        ],
        "transforms.shift": [
            ("by numbers", partial(transforms.shift, offset=(1, -2, 0)), image),
            ("by an array", transforms.shift, with_image(integers(3, 3, 3))),
            ("around", partial(transforms.shift, wrap=True), with_image(integers(3, 3, 3))),
        ],
        "transforms.squeeze": [("image", lambda x: transforms.squeeze(x[..., :1]), image)],
        "transforms.standardize": [
            ("image", transforms.standardize, image),
            (
                "in a mask",
                lambda x, m: transforms.standardize(x, mask=m[..., None]),
                lambda rng: (*image(rng), signed_masks(rng)[0]),
            ),
        ],
        "transforms.unsqueeze": [("image", transforms.unsqueeze, image)],
        "transforms.warp": [
            ("image", transforms.warp, with_image(floats(3, 4, 5, 3, low=-1, high=8))),
            ("labels", transforms.warp, lambda rng: (label_maps(rng)[0], floats(3, 4, 5, 3, low=-1, high=8)(rng))),
            (
                "integers between voxels",
                partial(transforms.warp, interpolation=transforms.linear),
                lambda rng: (*counts(rng), floats(3, 4, 5, 3, low=-1, high=8)(rng)),
            ),
        ],
        "assembly.assemble": [
            ("a mean", lambda x: assembly.assemble(x, GRID, SHAPE, window=assembly.gaussian), parts),
            ("a list", lambda x: assembly.assemble([x[k, ...] for k in range(len(GRID))], list(GRID), SHAPE), parts),
            ("a maximum", lambda x: assembly.assemble(x, GRID, SHAPE, reduction=assembly.maximum), parts),
            ("the last", lambda x: assembly.assemble(x, GRID, SHAPE, reduction=assembly.last), parts),
            ("a vote", _votes, lambda rng: (rng.integers(0, 3, (len(GRID), 4, 4, 4), dtype=np.int32),)),
            ("voxels", lambda x: assembly.assemble(x, VOXELS, SHAPE), lambda rng: (image(rng)[0].reshape(-1, 2),)),
        ],
        "assembly.assemble_planes": [("a mean", planes, parts)],
        "assembly.start": [("a mean", in_steps, parts)],
        "assembly.add": [
            ("a total", partial(in_steps, reduction=assembly.total), parts),
            ("all at once", together, parts),
            ("at an array", traced_start, lambda rng: (*parts(rng), integers(4, 3, 2)(rng))),
        ],
        "assembly.finish": [("a maximum", partial(in_steps, reduction=assembly.maximum), parts)],
        "assembly.merge_planes": [("a mean", lambda p, r: assembly.merge_planes([p, r]), volumes)],
        "assembly.predict_labels": [
            ("one by one", lambda x: assembly.predict_labels(lambda batch: batch, x, (4, 4, 4)), image),
            ("in batches", lambda x: assembly.predict_labels(lambda b: b, x, (4, 4, 9), batch_size=4), image),
        ],
        "assembly.tta": [
            (
                "flips",
                lambda x: assembly.tta(lambda v: v, x, (0, 1, 2), apply=transforms.flip, invert=transforms.flip),
                image,
            )
        ],
        "assembly.sliding_window": [
            ("one by one", lambda x: assembly.sliding_window(lambda batch: batch[..., 1:], x, (4, 4, 4)), image),
            ("in batches", lambda x: assembly.sliding_window(lambda b: b[..., :1], x, (4, 4, 9), batch_size=4), image),
        ],
        "morphology.connected_components": [
            ("by faces", mia.morphology.connected_components, one(signed_masks)),
            ("by corners", partial(mia.morphology.connected_components, connectivity=3), one(masks)),
        ],
        "morphology.border": [("a mask", mia.morphology.border, one(signed_masks))],
        "morphology.distance_transform": [
            ("a mask", partial(mia.morphology.distance_transform, **spaced), one(signed_masks)),
            ("capped", partial(mia.morphology.distance_transform, cap=2.0, **spaced), one(masks)),
            ("called back", partial(mia.morphology.distance_transform, method="host", **spaced), one(masks)),
        ],
        "extraction.dynamic_patch": [
            ("by an array", partial(mia.extraction.dynamic_patch, patch_shape=(4, 3, 2)), with_image(integers(4, 4, 4)))
        ],
        "extraction.extract": [
            ("inside", partial(mia.extraction.extract, index=(slice(1, 4), 3)), image),
            ("beyond", partial(mia.extraction.extract, index=(slice(-2, 4), slice(5, 9))), image),
            ("channels", partial(mia.extraction.extract, index=(slice(0, 4),), channels=(1, 0)), image),
        ],
        "extraction.extract_batch": [("of a grid", partial(mia.extraction.extract_batch, indices=list(GRID)), image)],
    }
    samplers: dict[str, dict[str, Any]] = {
        "affine": {"rotation": (5, 0, 10), "spacing": SPACING},
        "bias_field": {"degree": 2},
        "blur": {},
        "crop": {"patch_shape": (4, 4, 4)},
        "elastic": {"points": 5},
        "flip": {"probability": (0.5, 0.0, 1.0)},
        "gamma": {},
        "noise": {},
        "rician_noise": {"sigma": (0.1, 0.2)},
        "rot90": {},
        "shift": {"max_offset": (2, 0, 1)},
    }
    cases = {name: [Case(*entry) for entry in entries] for name, entries in calls.items()}
    cases["transforms.randomly"] = [case._replace(keys=True) for case in cases["transforms.randomly"]]
    for name, options in samplers.items():
        function = getattr(transforms, f"random_{name}")
        cases[f"transforms.random_{name}"] = [Case("by a key", drawn(function, **options), seed, keys=True)]
    return cases


def _votes(patches: Any) -> Any:
    """Return the majority of labels."""
    return mia.assembly.assemble(patches, GRID, SHAPE, reduction=mia.assembly.vote((0, 1, 2)))


def _reorient_onto(array: Any) -> Any:
    """Return an image with its axes in another order, one of them turned around."""
    own = mia.geometry.Geometry(shape=SHAPE, spacing=SPACING)
    onto = mia.transforms.permute(mia.transforms.flip(own, 1), (2, 1, 0))
    return mia.transforms.reorient_onto(array, own, onto)


def _resample_onto(array: Any) -> Any:
    """Return an image on a grid that is turned by a little and shifted."""
    own = mia.geometry.Geometry(shape=SHAPE, spacing=SPACING)
    return mia.transforms.resample_onto(
        array, own, mia.geometry.Geometry(shape=(5, 6, 7), spacing=(2.0, 1.5, 0.7), origin=(1.0, 0.5, 0.2))
    )


def _randomly(array: Any, number: Any) -> Any:
    """Return an image with a random flip in it, by chance."""
    import jax

    apply = mia.transforms.randomly("images", mia.transforms.random_flip, mia.transforms.flip, probability=0.5)
    return apply({"images": array, "rng": jax.random.key(number)})["images"]


def _joined(*parts: dict[str, list[Case]]) -> dict[str, tuple[Case, ...]]:
    """Return all cases by name."""
    names = {name: None for entries in parts for name in entries}
    return {name: tuple(case for entries in parts for case in entries.get(name, ())) for name in names}


CASES = _joined(metric_cases(), cases_beside_the_table(), _cases_of_other_rooms(), augmentation_cases())
