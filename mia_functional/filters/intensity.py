"""Image filters of SimpleITK as functions of arrays: bias correction, smoothing, histogram matching, registration.

An image is `(*spatial,)` or `(*spatial, channel)` of any library, two or three spatial axes, and each channel is
filtered on its own; it is copied to the host, where SimpleITK does the work. Nothing here traces. What needs no
SimpleITK is elsewhere: z-scores, rescaling and relabelling in `transforms`, connected components in `morphology`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.filters.registration import aligned, moved
from mia_functional.geometry import Geometry
from mia_functional.images.conversion import to_simpleitk
from mia_functional.images.itk_globals import simpleitk
from mia_functional.transforms.channel_statistics import brighter
from mia_functional.typing import Array


def correct_bias(
    image: Array,
    geometry: Geometry,
    *,
    mask: Array | None = None,
    iterations: Sequence[int] = (50, 50, 50, 50),
    shrink: int = 1,
) -> Array:
    """Remove smooth changes of brightness that come from the scanner (N4 bias field correction).

    The image is divided by a field that is the exponential of a cubic B-spline, fitted from coarse to fine.

    Args:
        image: Intensities, not negative: correct them before they are standardised.
        geometry: Where the image lies.
        mask: Voxels that the field is fitted to, `(*spatial,)` or `(*spatial, 1)`; Otsu's foreground where left out.
        iterations: Most iterations on every level of the fit.
        shrink: Fit the field to an image that is coarser by this factor along each axis: 4 takes a fraction of the time
            and gives nearly the same field.

    Returns:
        Float32 array of the image's shape.

    Raises:
        TypeError: The image holds no real numbers.
        ValueError: The shapes of image, mask and geometry differ, an intensity is negative, NaN or infinite, or the
            mask is empty, also when `shrink` leaves too few voxels of it.

    Example:
        >>> ramp = np.linspace(90, 110, 16)[:, None, None] + np.random.default_rng(0).normal(0, 1, (16, 16, 16))
        >>> grid = Geometry(shape=ramp.shape, spacing=(1.0,) * 3)
        >>> bool(correct_bias(ramp, grid, mask=ramp > 0, iterations=(20,)).std() < ramp.std() / 2)
        True

    Source:
        Tustison et al. 2010, N4ITK: improved N3 bias correction, doi 10.1109/TMI.2010.2046908.

    Agrees with:
        SimpleITK's `N4BiasFieldCorrectionImageFilter`.
    """
    factor = checks.integer("correct_bias", "shrink", shrink, minimum=1)
    _on_grid("correct_bias", image, geometry)
    if factor > 1 and min(geometry.shape) < 4 * factor:
        checks.invalid_value("correct_bias", "shrink", f"leave at least 4 voxels of {geometry.shape}", factor)
    rounds = checks.integer_tuple("correct_bias", "iterations", iterations, minimum=1)
    if not rounds:
        checks.invalid_value("correct_bias", "iterations", "hold a number for each level", rounds)
    given = None if mask is None else _only("correct_bias", mask, geometry, argument="mask") != 0

    def correct(whole: Any) -> Any:
        _finite("correct_bias", "image", whole)
        if (lowest := simpleitk().GetArrayViewFromImage(whole).min()) < 0:
            checks.invalid_value("correct_bias", "image", "not be negative", f"{lowest:g}")
        inside = simpleitk().OtsuThreshold(whole, 0, 1, 200) if given is None else given
        small = [simpleitk().Shrink(part, [factor] * whole.GetDimension()) for part in (whole, inside)]
        if not simpleitk().GetArrayViewFromImage(small[1]).any():
            checks.invalid_value("correct_bias", "mask", f"hold voxels after shrinking by {factor}", "none")
        n4 = simpleitk().N4BiasFieldCorrectionImageFilter()
        n4.SetMaximumNumberOfIterations(rounds)
        n4.Execute(*small)
        return whole / simpleitk().Exp(simpleitk().Cast(n4.GetLogBiasFieldAsImage(whole), whole.GetPixelID()))

    return _filtered("correct_bias", image, geometry, correct)


def diffuse(
    image: Array,
    geometry: Geometry,
    *,
    iterations: int = 5,
    conductance: float = 3.0,
    time_step: float | None = None,
) -> Array:
    """Smooth an image within regions but not across their edges (anisotropic diffusion, Perona and Malik).

    Args:
        image: Intensities.
        geometry: Where the image lies; voxel sizes count.
        iterations: Steps of diffusion.
        conductance: How steep an edge may be and still be smoothed; 0.5 to 1 keep structures of a few voxels.
        time_step: Size of a step; the largest that is stable where left out: smallest spacing / 2^(axes + 1).

    Returns:
        Float32 array of the image's shape.

    Raises:
        ValueError: The step is not positive or not stable, the conductance not positive, or an intensity not finite.

    Example:
        >>> noisy = np.random.default_rng(0).normal(100, 5, (8, 8, 8))
        >>> diffuse(noisy, Geometry(shape=(8, 8, 8), spacing=(1.0,) * 3)).std() < noisy.std()
        np.True_

    Source:
        Perona and Malik 1990, Scale-space and edge detection using anisotropic diffusion, doi 10.1109/34.56205.

    Agrees with:
        SimpleITK's `GradientAnisotropicDiffusion`.
    """
    _on_grid("diffuse", image, geometry)
    stable = min(geometry.spacing) / 2 ** (len(geometry.shape) + 1)
    step = stable if time_step is None else checks.number("diffuse", "time_step", time_step)
    if not 0 < step <= stable * (1 + 1e-6):
        checks.invalid_value("diffuse", "time_step", f"be positive and at most {stable:g}", time_step)
    rounds = checks.integer("diffuse", "iterations", iterations, minimum=1)
    if not 0 < checks.number("diffuse", "conductance", conductance) < math.inf:
        checks.invalid_value("diffuse", "conductance", "be positive and finite", conductance)

    def smooth(whole: Any) -> Any:
        _finite("diffuse", "image", whole)
        return simpleitk().GradientAnisotropicDiffusion(whole, step, float(conductance), 1, rounds)

    return _filtered("diffuse", image, geometry, smooth)


def match_histogram(
    image: Array, reference: Array, *, levels: int = 256, points: int = 7, threshold_at_mean: bool = True
) -> Array:
    """Change intensities so that their distribution becomes that of a reference (histogram matching, Nyul).

    Args:
        image: Intensities `(z, y, x, channel)` or `(z, y, x)`, or `(y, x)`; three axes are a volume.
        reference: Intensities of any shape with as many axes, and as many channels if there are any.
        levels: Bins of the histograms.
        points: Quantiles that are matched exactly; linear in between.
        threshold_at_mean: Leave out voxels below the mean, as background.

    Returns:
        Float32 array of the image's shape.

    Raises:
        ValueError: The numbers of axes differ, or an image holds NaN or infinity.

    Example:
        >>> image = np.arange(64.0).reshape(4, 4, 4)
        >>> matched = match_histogram(image, 2 * image + 10, threshold_at_mean=False)
        >>> bool(np.allclose(matched, 2 * image + 10, atol=1.0))
        True

    Source:
        Nyul et al. 2000, New variants of a method of MRI scale standardization, doi 10.1109/42.836373.

    Agrees with:
        SimpleITK's `HistogramMatching`.
    """
    _, (image, reference) = _array.to_common_library("match_histogram", image=image, reference=reference)
    checks.dimensions("match_histogram", "image", image.shape, (2, 3, 4))
    if image.ndim != reference.ndim or (image.ndim == 4 and image.shape[-1] != reference.shape[-1]):
        needed = f"have as many axes and channels as the image, {tuple(image.shape)}"
        checks.invalid_value("match_histogram", "reference", needed, tuple(reference.shape))
    place, other = (Geometry(shape=tuple(a.shape[:3]), spacing=(1.0,) * min(a.ndim, 3)) for a in (image, reference))
    targets = iter(_channels("match_histogram", reference, other, argument="reference"))
    bins = checks.integer("match_histogram", "levels", levels, minimum=2)
    count = checks.integer("match_histogram", "points", points, minimum=1)

    def match(whole: Any) -> Any:
        target = next(targets)
        _finite("match_histogram", "image", whole)
        _finite("match_histogram", "reference", target)
        return simpleitk().HistogramMatching(whole, target, bins, count, threshold_at_mean)

    return _filtered("match_histogram", image, place, match)


def threshold(image: Array, *, above: float | None = None) -> Array:
    """Return the mask of what is brighter than a threshold (binarisation).

    Args:
        image: Intensities of any shape and library.
        above: The threshold itself is outside of the mask; Otsu's threshold of all voxels where left out.

    Returns:
        Boolean array of the image's shape.

    Raises:
        TypeError: The image holds no real numbers.
        ValueError: There is no voxel to find a threshold from, or one is NaN or infinite.

    Example:
        >>> threshold(np.array([-3.0, 1.0, 2.0]), above=1).tolist()
        [False, False, True]
        >>> threshold(np.array([0.0, 1.0, 9.0, 10.0])).tolist()
        [False, False, True, True]

    Source:
        Otsu 1979, A threshold selection method from gray-level histograms, doi 10.1109/TSMC.1979.4310076.

    Agrees with:
        SimpleITK's `BinaryThreshold` and `OtsuThreshold` with 256 bins.
    """
    _array.checked_namespace("threshold", image=image)
    _real("threshold", image)
    if above is not None:
        return brighter(image, checks.number("threshold", "above", above))
    checks.not_empty("threshold", "image", image.shape)
    line = simpleitk().GetImageFromArray(_voxels(image).reshape(1, -1))
    otsu = simpleitk().OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    _finite("threshold", "image", line)
    otsu.Execute(line)
    return brighter(image, otsu.GetThreshold())


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
        >>> place = Geometry(shape=ball.shape, spacing=(1.0,) * 3)
        >>> moved = register((np.roll(ball, 3, axis=0) * 1.0, place), (ball * 1.0, place))
        >>> abs(moved.origin[0] + 3) < 0.5
        True

    Source:
        Mattes et al. 2003, PET-CT image registration using free-form deformations, doi 10.1109/TMI.2003.809072.
    """
    for name, pair in (("moving", moving), ("fixed", fixed)):
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Geometry)):
            checks.invalid_kind("register", name, "be an image and its Geometry", checks.describe(pair))
    if len(moving[1].shape) != len(fixed[1].shape):
        checks.invalid_value("register", "moving", f"have {len(fixed[1].shape)} axes", len(moving[1].shape))
    if not 0 < sampling <= 1:
        checks.invalid_value("register", "sampling", "lie above 0 and be at most 1", sampling)
    factors = checks.integer_tuple("register", "shrink", shrink, minimum=1)
    if not factors:
        checks.invalid_value("register", "shrink", "hold a factor for each level", factors)
    source, target = (_only("register", *pair, argument=name) for name, pair in (("moving", moving), ("fixed", fixed)))
    chance = checks.integer("register", "seed", seed, minimum=0)
    return moved(moving[1], aligned(source, target, affine=affine, seed=chance, sampling=sampling, factors=factors))


def _filtered(function: str, image: Array, geometry: Geometry, change: Callable[[Any], Any]) -> Array:
    """Return an image after a filter of SimpleITK images, channel by channel, as float32 of the image's library."""
    parts = [simpleitk().GetArrayFromImage(change(channel)) for channel in _channels(function, image, geometry)]
    result = np.stack(parts, axis=-1).reshape(image.shape).astype(np.float32, copy=False)
    return _array.from_numpy(result, _array.array_namespace(image), image)


def _voxels(image: Array) -> Any:
    """Return an image as NumPy array of float32."""
    return _array.to_numpy(
        _array.array_namespace(image).astype(image, _array.array_namespace(image).float32, copy=False)
    )


def _channels(function: str, image: Array, geometry: Geometry, *, argument: str = "image") -> list[Any]:
    """Return every channel of an image as a SimpleITK image of float32."""
    _on_grid(function, image, geometry, argument=argument)
    _real(function, image, argument=argument)
    voxels = _voxels(image).reshape((*geometry.shape, -1))
    return [to_simpleitk(voxels[..., channel], geometry) for channel in range(voxels.shape[-1])]


def _on_grid(function: str, image: Array, geometry: Geometry, *, argument: str = "image") -> None:
    """Refuse what is no geometry of two or three axes, and an image of another shape."""
    _array.checked_namespace(function, **{argument: image})
    if not isinstance(geometry, Geometry):
        checks.invalid_kind(function, "geometry", "be a Geometry", type(geometry).__name__)
    spatial = geometry.shape
    checks.dimensions(function, "geometry", spatial, (2, 3))
    if tuple(image.shape[: len(spatial)]) != spatial or image.ndim > len(spatial) + 1:
        needed = f"have the shape {spatial}, with or without channels"
        checks.invalid_value(function, argument, needed, tuple(image.shape))


def _real(function: str, image: Array, *, argument: str = "image") -> None:
    """Refuse an image of complex numbers and the like."""
    if _array.dtype_kind(image) not in ("bool", "integer", "float"):
        checks.invalid_kind(function, argument, "hold real numbers", f"dtype {image.dtype}")


def _finite(function: str, argument: str, image: Any) -> None:
    """Refuse an image of SimpleITK's with NaN or infinite voxels."""
    if not np.isfinite(simpleitk().GetArrayViewFromImage(image)).all():
        checks.invalid_value(function, argument, "be finite", "NaN or infinite voxels")


def _only(function: str, image: Array, geometry: Geometry, *, argument: str) -> Any:
    """Return the one channel of an image as a SimpleITK image."""
    channels = _channels(function, image, geometry, argument=argument)
    if len(channels) != 1:
        checks.invalid_value(function, argument, "have one channel", len(channels))
    return channels[0]
