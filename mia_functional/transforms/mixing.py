"""Two images made one: mixed voxel by voxel, or with a part of one in the other; and how both become one sample.

Arrays are `(*spatial, channel)`; both are of one shape and dtype. Everything traces under `jit`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._core.roles import checked_roles
from mia_functional.morphology import distance_transform
from mia_functional.transforms.arguments import (
    Integers,
    Numbers,
    require_parameter_shape,
    require_valid,
    with_parameters,
)
from mia_functional.transforms.composition import (
    Categories,
    Function,
    Sample,
    category_names,
    randomly,
    require_categories,
)
from mia_functional.transforms.interpolation import Interpolation, nearest, restore_values, rule_and_values
from mia_functional.transforms.regions import box_mask
from mia_functional.transforms.roles import function_for_role
from mia_functional.typing import Array, Role, Spacing

__all__ = ["carvemix", "cutmix", "mix", "mixup"]


def mixup(array: Array, other: Array, weight: Numbers, *, interpolation: Interpolation | None = None) -> Array:
    """Blend two images: `y = weight x + (1 - weight) other`.

    Args:
        array: Array `(*spatial, channel)`.
        other: Array of the same shape and dtype.
        weight: How much of the first, 0 to 1; may be traced.
        interpolation: `linear` blends, `nearest` takes the array of the larger weight, of equal ones the first: labels
            stay labels. By default linear for floats, else nearest. Soft labels are made by `one_hot` before, and
            blended as an image.

    Returns:
        Array of the same shape and dtype; integers that are blended are rounded, halves to even.

    Raises:
        ValueError: The shapes or dtypes differ, or the weight is not one number within 0 and 1.

    Example:
        >>> import numpy as np
        >>> mixup(np.array([[1.0], [2.0]]), np.array([[3.0], [0.0]]), 0.75)[:, 0].tolist()
        [1.5, 1.5]

    Source:
        Zhang et al. 2018, mixup: beyond empirical risk minimization, arXiv 1710.09412.
    """
    array, other = _alike("mixup", array, other)
    xp, array, (share,) = with_parameters("mixup", array=array, weight=weight)
    require_parameter_shape("mixup", "weight", share, ())
    is_share = partial(_within, low=0.0, high=1.0)
    require_valid("mixup", "weight", weight, share, is_share, needed="lie within 0 and 1")
    rule, values = rule_and_values("mixup", array, interpolation)
    if rule is nearest:
        return xp.where(share >= 0.5, array, other)
    _, partner = rule_and_values("mixup", other, interpolation)
    share = xp.astype(share, values.dtype, copy=False)
    return restore_values(share * values + (1 - share) * partner, array)


def cutmix(array: Array, other: Array, start: Integers, size: Integers) -> Array:
    """Put a box of another image into an image: images and labels alike.

    Args:
        array: Array `(*spatial, ...)` of any dtype.
        other: Array of the same shape and dtype.
        start: First voxel of each box along each spatial axis, `(boxes, spatial)`, or of one box `(spatial,)`; may be
            traced. `random_cutout` draws them.
        size: Voxels of each box along each axis, of the same shape; may be traced.

    Returns:
        Array of the same shape and dtype.

    Raises:
        ValueError: The shapes or dtypes differ, or the shapes of the boxes do not fit.

    Example:
        >>> import numpy as np
        >>> cutmix(np.zeros(4), np.ones(4), [1], [2]).tolist()
        [0.0, 1.0, 1.0, 0.0]

    Source:
        Yun et al. 2019, CutMix: regularization strategy to train strong classifiers with localizable features,
        arXiv 1905.04899.
    """
    array, other = _alike("cutmix", array, other)
    xp, array, (first, voxels) = with_parameters("cutmix", array=array, start=start, size=size)
    return xp.where(box_mask("cutmix", array, first, voxels), other, array)


def carvemix(array: Array, other: Array, level: Numbers, *, lesions: Array, spacing: Spacing | None = None) -> Array:
    """Put the lesions of another image, with some of what surrounds them or without their rims, into an image.

    `y = other` where `d <= level max depth`, else x, with d the signed distance to the border of the lesions, negative
    inside of them, and the depth its largest value inside: level 0 carves along the border, 1 takes as much around.

    Args:
        array: Array `(*spatial, channel)` of any dtype, of one to three spatial axes.
        other: Array of the same shape and dtype.
        level: From -1/2 to 1 in the publication; may be traced.
        lesions: Mask or label map of the other image, `(*spatial, 1)`: all but 0 is lesion.
        spacing: Millimetres between voxel centres; by default voxels are cubes.

    Returns:
        Array of the same shape and dtype; where the other image has no lesion, the first one.

    Raises:
        ValueError: The shapes or dtypes differ, or the level is not one finite number.

    Example:
        >>> import numpy as np
        >>> found = np.array([0, 0, 1, 1, 1, 0, 0])[:, None]
        >>> carvemix(np.zeros((7, 1)), np.ones((7, 1)), 0.5, lesions=found)[:, 0].tolist()
        [0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0]

    Source:
        Zhang et al. 2023, CarveMix: a simple data augmentation method for brain lesion segmentation,
        doi 10.1016/j.neuroimage.2023.120041.
    """
    array, other = _alike("carvemix", array, other)
    xp, (array, mask) = _array.to_common_library("carvemix", array=array, lesions=lesions)
    _, array, (share,) = with_parameters("carvemix", array=array, level=level)
    require_parameter_shape("carvemix", "level", share, ())
    require_valid("carvemix", "level", level, share, partial(_within, low=-1e9, high=1e9), needed="be finite")
    require_parameter_shape("carvemix", "lesions", mask, (*array.shape[:-1], 1))
    checks.dimensions("carvemix", "array", array.shape, (2, 3, 4))
    inside = xp.squeeze(mask, axis=-1) != 0 if _array.dtype_kind(mask) != "bool" else xp.squeeze(mask, axis=-1)
    steps = checks.spacing("carvemix", (1.0,) * inside.ndim if spacing is None else spacing, inside.ndim)
    with checks.speaking_for("carvemix", "distance_transform", mask="lesions"):
        outer, inner = (distance_transform(side, spacing=steps) for side in (inside, ~inside))

    def carve(array: Array, other: Array, inside: Array, outer: Array, inner: Array, share: Array) -> Array:
        # Infinite where there is no lesion, or nothing else: then all or nothing is taken, at any level.
        depth = xp.max(xp.where(xp.isfinite(inner), inner, xp.zeros_like(inner)))
        signed = xp.where(inside, -inner, outer)
        carved = signed <= xp.astype(share, signed.dtype) * depth
        return xp.where(carved[..., None], other, array)

    return _array.call_gathered(carve, array, other, inside, outer, inner, share)


def mix(
    categories: Categories,
    sampler: Function,
    function: Function | Mapping[str, Function],
    *,
    probability: float = 1.0,
    given: Mapping[str, str] | None = None,
    roles: Mapping[str, Role] | None = None,
    **options: Any,
) -> Callable[[Sample, Sample], Sample]:
    """Lift a function of two arrays to two samples: one draw from the `rng` of the first is applied to all categories.

    Args:
        categories: One category or several, of equal shapes in both samples.
        sampler: `random_mixup`, `random_cutout` (for `cutmix`), `random_carvemix` or one like them.
        function: `mixup`, `cutmix`, `carvemix`, or any function of an array, another one and the entries of the draw;
            or a function for each category.
        probability: How often a sample is mixed at all, 0 to 1.
        given: Keyword arguments of the function that come from the other sample: `{"lesions": "labels"}`.
        roles: As for `randomly`: images are blended by `mixup`, of labels those with the larger weight are taken.
        options: Keyword arguments of the sampler.

    Returns:
        A function of two samples to a new one, which has everything else of the first. Batches of JAX are mixed by
        `jax.vmap` of it, with the batch in another order as the second. In `dataset.samples` the transform is a
        function at the top of a module (worker processes import it) that draws the other sample from `others`, made
        by `dataset.samples` without it, and takes it from the epoch that the first is of, so that the partner is drawn
        anew in each: `paste(sample, others[(sample["epoch"], int(sample["rng"].integers(len(others))))])`.

    Raises:
        TypeError: The sampler needs something else of the image.
        ValueError: A sample, when it comes, lacks a category; the first has no `rng`; shapes or dtypes differ.

    Example:
        >>> import numpy as np
        >>> from mia_functional.transforms import cutmix, random_cutout
        >>> paste = mix(("images", "labels"), random_cutout, cutmix)
        >>> first, second = ({name: np.full((4, 4, 1), value) for name in ("images", "labels")} for value in (0, 1))
        >>> both = paste({**first, "rng": np.random.default_rng(0)}, second)
        >>> bool((both["images"] == both["labels"]).all())
        True
    """
    names = category_names("mix", categories)
    functions = dict(function) if isinstance(function, Mapping) else dict.fromkeys(names, function)
    if set(functions) != set(names):
        checks.invalid_value("mix", "function", f"have a function for each of {', '.join(names)}", sorted(functions))
    for name in names:
        checks.require_callable("mix", "function", functions[name], "`mixup`")
    settings = {"probability": probability, "roles": checked_roles("mix", roles, names), **options}
    with checks.speaking_for("mix", "randomly"):
        randomly(names, sampler, functions, **settings)  # what is wrong with these is said now
    return partial(_mix_samples, names, sampler, functions, dict(given or {}), settings)


def _mix_samples(
    names: tuple[str, ...],
    sampler: Function,
    functions: Mapping[str, Function],
    given: Mapping[str, str],
    settings: Mapping[str, Any],
    sample: Sample,
    other: Sample,
) -> Sample:
    """Return the first sample with categories mixed with those of the other one."""
    require_categories("mix", sample, names)
    require_categories("mix", other, (*names, *given.values()))
    more = {argument: other[category] for argument, category in given.items()}
    of_two = {name: function_for_role("mix", functions[name], name, sample, settings["roles"]) for name in names}
    of_one = {name: partial(_with_partner, of_two[name], other[name], more) for name in names}
    with checks.speaking_for("mix", "randomly"):
        return randomly(names, sampler, of_one, **settings)(sample)


def _with_partner(function: Function, partner: Array, more: Mapping[str, Any], array: Array, *draw: Any) -> Array:
    """Return a function of an array, its partner and a draw; several trailing axes of the partner become one too."""
    if partner.ndim > array.ndim:
        partner = _array.array_namespace(partner).reshape(partner, (*partner.shape[: array.ndim - 1], -1))
    mixed: Array = function(array, partner, *draw, **more)
    return mixed


def _alike(function: str, array: Array, other: Array) -> tuple[Array, Array]:
    """Return two arrays in one library; raise unless they are of one shape and dtype."""
    _, (one, partner) = _array.to_common_library(function, array=array, other=other)
    checks.same_shape(function, "other", partner.shape, one.shape, of="`array`")
    if _array.native_dtype(one) != _array.native_dtype(partner):
        checks.invalid_value(function, "other", f"have the dtype {one.dtype} of `array`", partner.dtype)
    return one, partner


def _within(number: Any, *, low: float, high: float) -> Any:
    """Return whether numbers lie within two others."""
    return (number >= low) & (number <= high)
