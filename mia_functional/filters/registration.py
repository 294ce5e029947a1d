"""Registration by SimpleITK: where an image lies once it is aligned with another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional._core import checks
from mia_functional.filters.intensity import itk_channel
from mia_functional.geometry import Geometry
from mia_functional.images.itk_globals import ItkImage, one_thread, simpleitk
from mia_functional.typing import Array

__all__ = ["register"]


def register(
    moving: tuple[Array, Geometry],
    fixed: tuple[Array, Geometry],
    *,
    affine: bool = False,
    seed: int = 0,
    sampling: float = 0.2,
    shrink: Sequence[int] = (4, 2, 1),
) -> Geometry:
    """Align an image with another one, of the same or another modality: return where it lies then (registration).

    Mutual information (Mattes, 50 bins) of voxels drawn at random is climbed by gradient descent, from coarse to fine,
    from where the centres of the images fall together. `transforms.resample_onto(array, result, fixed_geometry)` then
    brings any array on the grid of the moving image onto the fixed one.

    Args:
        moving: The image `(*spatial,)` or with one channel, and its geometry, as `images.read` returns them.
        fixed: The image that stays, and its geometry.
        affine: Fit an affine map after the rigid one (rotation and translation).
        seed: Of the voxels that are drawn; the same seed gives the same result.
        sampling: Share of voxels drawn on every level, above 0 and at most 1.
        shrink: How much coarser each level is.

    Returns:
        The geometry of the moving image after alignment. A rigid map turns and moves it; an affine one also changes its
        spacing and the angles between its axes.

    Raises:
        ValueError: The numbers of axes differ, an option is out of range, or an image has too few voxels.

    Example:
        >>> ball = ((np.indices((24, 24, 24)) - 12) ** 2).sum(axis=0) < 60.0
        >>> grid = Geometry(shape=ball.shape, spacing=(1.0,) * 3)
        >>> aligned = register((np.roll(ball, 3, axis=0) * 1.0, grid), (ball * 1.0, grid))
        >>> abs(aligned.origin[0] + 3) < 0.5
        True

    Source:
        Mattes et al. 2003, PET-CT image registration using free-form deformations, doi 10.1109/TMI.2003.809072.
    """
    checks.booleans("register", affine=affine)
    images = {"moving": moving, "fixed": fixed}
    for name, pair in images.items():
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Geometry)):
            checks.invalid_kind("register", name, "be an image and its Geometry", checks.describe(pair))
    if len(moving[1].shape) != len(fixed[1].shape):
        checks.invalid_value("register", "moving", f"have {len(fixed[1].shape)} axes", len(moving[1].shape))
    if not 0 < sampling <= 1:
        checks.invalid_value("register", "sampling", "lie above 0 and be at most 1", sampling)
    factors = checks.integer_tuple("register", "shrink", shrink, minimum=1)
    if not factors:
        checks.invalid_value("register", "shrink", "hold a factor for each level", factors)
    source, target = (itk_channel("register", name, *pair) for name, pair in images.items())
    for name, image in (("moving", source), ("fixed", target)):
        voxels = simpleitk().GetArrayViewFromImage(image)
        if min(voxels.shape) < 4:
            checks.invalid_value("register", name, "have at least 4 voxels along every axis", f"shape {voxels.shape}")
        if voxels.min() == voxels.max():
            checks.invalid_value("register", name, "be finite and not constant", f"{voxels.min():g} everywhere")
    method = _registration_method(checks.integer("register", "seed", seed, minimum=0), sampling, factors)
    # One thread: several add up in an order of their own, and the climb makes much of small differences.
    with one_thread():
        try:
            transform = _fit(source, target, method, affine=affine)
        except RuntimeError:
            needed, actual = "leave enough voxels on every level to be aligned by", f"{tuple(factors)} and {sampling:g}"
            checks.invalid_value("register", "shrink, sampling", needed, actual)
    return _move_geometry(moving[1], transform)


def _registration_method(seed: int, sampling: float, factors: Sequence[int]) -> Any:
    """Return ITK's registration method with all its settings."""
    itk = simpleitk()
    method = itk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    # To ITK the seed 0 is the time of day.
    method.SetMetricSamplingPercentage(sampling, seed + 1)
    method.SetInterpolator(itk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200, 0.8, 1e-8)
    # Radians and millimetres are scaled by how far they move voxels.
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(factors)
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0 for factor in factors])
    return method


def _fit(source: ItkImage, target: ItkImage, method: Any, *, affine: bool) -> Any:
    """Return the rigid transform, or after it the affine one, that brings one SimpleITK image onto another."""
    itk = simpleitk()
    rigid = itk.Euler3DTransform if target.GetDimension() == 3 else itk.Euler2DTransform
    centres = itk.CenteredTransformInitializerFilter.GEOMETRY
    # The initializer returns a transform without a class; the rigid one is made of it, and changed in place.
    transform = rigid(itk.CenteredTransformInitializer(target, source, rigid(), centres))
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(target, source)
    if affine:
        transform = itk.AffineTransform(transform.GetMatrix(), transform.GetTranslation(), transform.GetCenter())
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(target, source)
    return transform


def _move_geometry(geometry: Geometry, transform: Any) -> Geometry:
    """Return a geometry whose points are those that a transform of ITK's maps to the given one."""
    # Matrix and vectors of ITK are in the order (x, y, z).
    matrix = np.array(transform.GetMatrix()).reshape((len(geometry.shape),) * 2)[::-1, ::-1]
    centre, translation = (np.array(vector)[::-1] for vector in (transform.GetCenter(), transform.GetTranslation()))
    offset = centre + translation - matrix @ centre
    # The transform leads from the fixed image to the moving one: the grid moves by its inverse.
    steps = np.linalg.solve(matrix, np.array(geometry.direction) * geometry.spacing)
    spacing = np.linalg.norm(steps, axis=0)
    return Geometry(
        shape=geometry.shape,
        spacing=tuple(spacing.tolist()),
        origin=tuple(np.linalg.solve(matrix, np.array(geometry.origin) - offset).tolist()),
        direction=tuple(map(tuple, (steps / spacing).tolist())),
    )
