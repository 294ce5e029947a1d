"""Registration by SimpleITK: its method with all settings, and what its transforms make of a geometry."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.itk_globals import one_thread, simpleitk


def aligned(source: Any, target: Any, *, affine: bool, seed: int, sampling: float, factors: Sequence[int]) -> Any:
    """Return the rigid transform, or after it the affine one, that brings one image of ITK's onto the other.

    All runs in one thread: several add up in an order of their own, and the climb makes much of small differences.
    """
    for name, image in (("moving", source), ("fixed", target)):
        _varied(name, image)
    rigid = simpleitk().Euler3DTransform() if target.GetDimension() == 3 else simpleitk().Euler2DTransform()
    centred = simpleitk().CenteredTransformInitializer(
        target, source, rigid, simpleitk().CenteredTransformInitializerFilter.GEOMETRY
    )
    with one_thread():
        method = _method(sampling, seed, factors)
        try:
            result = _climbed(method, type(rigid)(centred), target, source)
            if not affine:
                return result
            matrix, translation, centre = result.GetMatrix(), result.GetTranslation(), result.GetCenter()
            return _climbed(method, simpleitk().AffineTransform(matrix, translation, centre), target, source)
        except RuntimeError:
            needed, given = "leave enough voxels on every level to be aligned by", f"{tuple(factors)} and {sampling:g}"
            checks.invalid_value("register", "shrink, sampling", needed, given)


def _varied(argument: str, image: Any) -> None:
    """Refuse an image of SimpleITK's that is thin, the same everywhere, or not finite, which cannot be aligned."""
    voxels = simpleitk().GetArrayViewFromImage(image)
    if min(voxels.shape) < 4:
        checks.invalid_value("register", argument, "have at least 4 voxels along every axis", f"shape {voxels.shape}")
    if not np.isfinite(voxels).all() or voxels.min() == voxels.max():
        checks.invalid_value("register", argument, "be finite and not constant", "another image")


def _method(sampling: float, seed: int, factors: Sequence[int]) -> Any:
    """Return ITK's registration method with all its settings."""
    method = simpleitk().ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(50)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(sampling, seed + 1)
    method.SetInterpolator(simpleitk().sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(1.0, 1e-3, 200, 0.8, 1e-8)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(factors)
    method.SetSmoothingSigmasPerLevel([factor / 2 if factor > 1 else 0 for factor in factors])
    return method


def _climbed(method: Any, transform: Any, fixed: Any, moving: Any) -> Any:
    """Return a transform of ITK's after the registration that begins with it."""
    method.SetInitialTransform(transform, inPlace=True)
    method.Execute(fixed, moving)
    return transform


def moved(geometry: Geometry, transform: Any) -> Geometry:
    """Return a geometry whose points are those that a transform of ITK's maps to the given one."""
    matrix = np.array(transform.GetMatrix()).reshape((len(geometry.shape),) * 2)[::-1, ::-1]
    centre, translation = (np.array(part)[::-1] for part in (transform.GetCenter(), transform.GetTranslation()))
    offset = centre + translation - matrix @ centre
    steps = np.linalg.solve(matrix, np.array(geometry.direction) * geometry.spacing)
    spacing = np.linalg.norm(steps, axis=0)
    return Geometry(
        shape=geometry.shape,
        spacing=tuple(spacing.tolist()),
        origin=tuple(np.linalg.solve(matrix, np.array(geometry.origin) - offset).tolist()),
        direction=tuple(map(tuple, (steps / spacing).tolist())),
    )
