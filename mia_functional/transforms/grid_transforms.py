"""Transforms of samples that change the voxel grid: reorientation and resampling."""

from collections.abc import Mapping
from functools import partial

from mia_functional._core import checks
from mia_functional._core.roles import checked_roles
from mia_functional.geometry import Geometry, orientation
from mia_functional.transforms.axes import flip, permute
from mia_functional.transforms.composition import Categories, Sample, Transform, category_names, require_categories
from mia_functional.transforms.roles import function_for_role
from mia_functional.transforms.warping import resample
from mia_functional.typing import Role, Spacing

__all__ = ["resample_to", "to_canonical"]


def to_canonical(categories: Categories) -> Transform:
    """Permute and flip axes so that they run along those of the world, as nearly as they can (reorientation).

    Voxels keep their place in the world, and nothing is interpolated. Afterwards axis 0 runs to the head, axis 1 to the
    back and axis 2 to the left of the patient (LPS, in array order z, y, x).

    Args:
        categories: One category or several; the geometry of the sample changes with them.

    Returns:
        A function from a sample to a new sample.

    Raises:
        ValueError: The sample, when it comes, lacks a category or has no geometry.

    Example:
        >>> import numpy as np
        >>> from mia_functional.geometry import Geometry
        >>> grid = Geometry(shape=(2, 3), spacing=(1.0, 2.0), direction=((0, -1), (1, 0)))
        >>> after = to_canonical("images")({"images": np.arange(6).reshape(2, 3, 1), "geometry": grid})
        >>> after["images"][..., 0].tolist(), after["geometry"].direction
        ([[2, 5], [1, 4], [0, 3]], ((1.0, 0.0), (0.0, 1.0)))

    Agrees with:
        SimpleITK's `DICOMOrient(image, "LPS")`.
    """
    return partial(_to_canonical, category_names("to_canonical", categories))


def _to_canonical(names: tuple[str, ...], sample: Sample) -> Sample:
    """Return the sample with the categories `names` and the geometry in canonical orientation."""
    geometry = _sample_geometry("to_canonical", sample, names)
    order, reverse = orientation(geometry)
    with checks.speaking_for("to_canonical", "flip", "permute"):
        return {**sample, **{name: flip(permute(sample[name], order), reverse) for name in (*names, "geometry")}}


def resample_to(
    categories: Categories, spacing: Spacing, *, antialias: bool = False, roles: Mapping[str, Role] | None = None
) -> Transform:
    """Resample the named categories of a sample, and its geometry, to a spacing; see `resample`.

    Args:
        categories: One category or several; images are interpolated linearly, labels taken from the nearest voxel,
            whatever their dtype.
        spacing: Millimetres between voxel centres along each axis.
        antialias: Smooth images first where voxels become coarser, as `resample` does; labels never.
        roles: What categories are, `image` or `labels`; see `on` for what they are by default.

    Returns:
        A function from a sample to a new sample.

    Raises:
        ValueError: The sample, when it comes, lacks a category or has no geometry, or a category has no role.

    Example:
        >>> import numpy as np
        >>> from mia_functional.geometry import Geometry
        >>> sample = {"images": np.zeros((4, 6, 1)), "geometry": Geometry(shape=(4, 6), spacing=(2.0, 1.0))}
        >>> resample_to("images", (1.0, 1.0))(sample)["geometry"].shape
        (8, 6)
    """
    checks.booleans("resample_to", antialias=antialias)
    steps = checks.float_tuple("resample_to", "spacing", spacing)
    names = category_names("resample_to", categories)
    of_each = checked_roles("resample_to", roles, names)
    return partial(_resample_to, names, steps, antialias=antialias, roles=of_each)


def _resample_to(
    names: tuple[str, ...], spacing: Spacing, sample: Sample, *, antialias: bool, roles: Mapping[str, Role]
) -> Sample:
    """Return the sample with the categories `names` and the geometry at another spacing."""
    old = _sample_geometry("resample_to", sample, names).spacing
    # The number of axes is known only now, when a sample comes.
    new = checks.spacing("resample_to", spacing, len(old))
    scale = tuple(after / before for after, before in zip(new, old, strict=True))
    change = partial(resample, scale=scale, antialias=antialias)
    functions = {name: function_for_role("resample_to", change, name, sample, roles) for name in (*names, "geometry")}
    with checks.speaking_for("resample_to", "resample"):
        return {**sample, **{name: function(sample[name]) for name, function in functions.items()}}


def _sample_geometry(function: str, sample: Sample, names: tuple[str, ...]) -> Geometry:
    """Return the geometry of a sample; raise if it is None or a category is missing."""
    require_categories(function, sample, (*names, "geometry"))
    geometry: Geometry | None = sample["geometry"]
    if geometry is None:
        checks.invalid_value(function, "sample", "have a geometry", None)
    return geometry
