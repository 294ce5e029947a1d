"""Image filters of SimpleITK as functions of arrays: bias correction, smoothing, histogram matching, thresholds.

An image is `(*spatial,)` or `(*spatial, channel)` of any library, two or three spatial axes, and each channel is
filtered on its own; it is copied to the host, where SimpleITK does the work. Nothing here traces. What needs no
SimpleITK is elsewhere: z-scores, rescaling and relabelling in `transforms`, connected components in `morphology`.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.images.conversion import to_simpleitk
from mia_functional.images.itk_globals import ItkImage, simpleitk
from mia_functional.typing import Array, HostArray

__all__ = ["correct_bias", "diffuse", "itk_channel", "match_histogram", "threshold"]


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
        mask: Voxels that the field is fitted to, `(*spatial,)` or `(*spatial, 1)`; by default Otsu's foreground.
        iterations: Most iterations on every level of the fit.
        shrink: Fit the field to an image that is coarser by this factor along each axis: 4 takes a fraction of the time
            and gives nearly the same field.

    Returns:
        Float32 array of the image's shape.

    Raises:
        TypeError: The image does not hold real numbers.
        ValueError: The shapes of image, mask and geometry differ, a voxel is negative, NaN or infinite, or the mask is
            empty, also when `shrink` leaves too few voxels of it.

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
    channels = _itk_channels("correct_bias", "image", image, geometry)
    if factor > 1 and min(geometry.shape) < 4 * factor:
        checks.invalid_value("correct_bias", "shrink", f"leave at least 4 voxels of {geometry.shape}", factor)
    rounds = checks.integer_tuple("correct_bias", "iterations", iterations, minimum=1)
    if not rounds:
        checks.invalid_value("correct_bias", "iterations", "hold a number for each level", rounds)
    itk = simpleitk()
    foreground = None if mask is None else itk_channel("correct_bias", "mask", mask, geometry) != 0

    def correct(channel: ItkImage) -> ItkImage:
        if (lowest := itk.GetArrayViewFromImage(channel).min()) < 0:
            checks.invalid_value("correct_bias", "image", "not be negative", f"{lowest:g}")
        inside = itk.OtsuThreshold(channel, 0, 1, 200) if foreground is None else foreground
        small, small_mask = (itk.Shrink(whole, [factor] * whole.GetDimension()) for whole in (channel, inside))
        if not itk.GetArrayViewFromImage(small_mask).any():
            checks.invalid_value("correct_bias", "mask", f"hold voxels after shrinking by {factor}", "none")
        n4 = itk.N4BiasFieldCorrectionImageFilter()
        n4.SetMaximumNumberOfIterations(rounds)
        n4.Execute(small, small_mask)
        # The field is a spline, so it is evaluated on the full grid although it was fitted to a coarser one; ITK
        # divides images of one pixel type only.
        return channel / itk.Exp(itk.Cast(n4.GetLogBiasFieldAsImage(channel), channel.GetPixelID()))

    return _from_itk_channels(image, map(correct, channels))


def diffuse(
    image: Array, geometry: Geometry, *, iterations: int = 5, conductance: float = 3.0, time_step: float | None = None
) -> Array:
    """Smooth an image within regions but not across their edges (anisotropic diffusion, Perona and Malik).

    Args:
        image: Intensities.
        geometry: Where the image lies; voxel sizes count.
        iterations: Steps of diffusion.
        conductance: How steep an edge may be and still be smoothed; 0.5 to 1 keep structures of a few voxels.
        time_step: Size of a step; by default the largest that is stable, smallest spacing / 2^(axes + 1).

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
    channels = _itk_channels("diffuse", "image", image, geometry)
    stable = min(geometry.spacing) / 2 ** (len(geometry.shape) + 1)
    step = stable if time_step is None else checks.number("diffuse", "time_step", time_step)
    # ITK only warns of unstable steps. Users compute the limit themselves, so it is allowed with its rounding error.
    if not 0 < step <= stable * (1 + 1e-6):
        checks.invalid_value("diffuse", "time_step", f"be positive and at most {stable:g}", time_step)
    rounds = checks.integer("diffuse", "iterations", iterations, minimum=1)
    if not 0 < checks.number("diffuse", "conductance", conductance) < math.inf:
        checks.invalid_value("diffuse", "conductance", "be positive and finite", conductance)

    itk = simpleitk()
    smooth = (itk.GradientAnisotropicDiffusion(channel, step, float(conductance), 1, rounds) for channel in channels)
    return _from_itk_channels(image, smooth)


def match_histogram(
    image: Array, reference: Array, *, levels: int = 256, points: int = 7, threshold_at_mean: bool = True
) -> Array:
    """Change intensities so that their distribution becomes that of a reference (histogram matching, Nyul).

    Args:
        image: Intensities `(z, y, x, channel)` or `(z, y, x)`, or `(y, x)`; three axes are a volume.
        reference: Intensities of any shape with as many axes, and as many channels if there are any.
        levels: Bins of the histograms.
        points: Quantiles that are matched exactly; linear in between.
        threshold_at_mean: Ignore voxels below the mean, as background.

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
    checks.booleans("match_histogram", threshold_at_mean=threshold_at_mean)
    _, (image, reference) = _array.to_common_library("match_histogram", image=image, reference=reference)
    checks.dimensions("match_histogram", "image", image.shape, (2, 3, 4))
    if image.ndim != reference.ndim or (image.ndim == 4 and image.shape[-1] != reference.shape[-1]):
        needed = f"have as many axes and channels as the image, {tuple(image.shape)}"
        checks.invalid_value("match_histogram", "reference", needed, tuple(reference.shape))
    # Histograms do not depend on where voxels lie: any grid of the shape will do.
    grid, other = (Geometry(shape=tuple(a.shape[:3]), spacing=(1.0,) * min(a.ndim, 3)) for a in (image, reference))
    bins = checks.integer("match_histogram", "levels", levels, minimum=2)
    count = checks.integer("match_histogram", "points", points, minimum=1)
    itk = simpleitk()
    channels = _itk_channels("match_histogram", "image", image, grid)
    pairs = zip(channels, _itk_channels("match_histogram", "reference", reference, other), strict=True)
    return _from_itk_channels(image, (itk.HistogramMatching(*pair, bins, count, threshold_at_mean) for pair in pairs))


def threshold(image: Array, *, above: float | None = None) -> Array:
    """Return the mask of what is brighter than a threshold (binarisation).

    Args:
        image: Intensities of any shape and library.
        above: The threshold, which is itself outside of the mask; by default Otsu's threshold of all voxels.

    Returns:
        Boolean array of the image's shape.

    Raises:
        TypeError: The image does not hold real numbers.
        ValueError: Without `above`, the image is empty, or a voxel is NaN or infinite.

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
    _array.require_real("threshold", "image", image)
    if above is not None:
        return _brighter(image, checks.number("threshold", "above", above))
    checks.not_empty("threshold", "image", image.shape)
    itk = simpleitk()
    # Neighbourhood plays no part, so an image of any number of axes is one row to ITK.
    row = _to_finite_float32("threshold", "image", image).reshape(1, -1)
    otsu = itk.OtsuThresholdImageFilter()
    otsu.SetNumberOfHistogramBins(256)
    otsu.Execute(itk.GetImageFromArray(row))
    return _brighter(image, otsu.GetThreshold())


def _brighter(image: Array, value: float) -> Array:
    """Return where an image is above a number."""
    xp = _array.array_namespace(image)
    if math.isnan(value):
        return xp.zeros_like(image, dtype=xp.bool)
    if _array.dtype_kind(image) == "float":
        # In single precision at least: the threshold would be rounded to half precision.
        return xp.astype(image, _array.accumulator_dtype(image), copy=False) > value
    # Integers are compared with a whole number of their range: as floats, those beyond 2^24 would be rounded.
    whole = xp.astype(image, xp.uint8) if _array.dtype_kind(image) == "bool" else image
    least, most = int(xp.iinfo(whole.dtype).min), int(xp.iinfo(whole.dtype).max)
    return xp.ones_like(image, dtype=xp.bool) if value < least else whole > math.floor(min(value, most))


def _itk_channels(function: str, argument: str, image: Array, geometry: Geometry) -> list[ItkImage]:
    """Return every channel of an image as a SimpleITK image of float32, the type that all filters take."""
    _array.checked_namespace(function, **{argument: image})
    checks.require_instance(function, "geometry", geometry, Geometry, "a Geometry")
    spatial = geometry.shape
    checks.dimensions(function, "geometry", spatial, (2, 3))
    if tuple(image.shape[: len(spatial)]) != spatial or image.ndim > len(spatial) + 1:
        needed = f"have the shape {spatial}, with or without channels"
        checks.invalid_value(function, argument, needed, tuple(image.shape))
    _array.require_real(function, argument, image)
    voxels = _to_finite_float32(function, argument, image).reshape((*spatial, -1))
    return [to_simpleitk(voxels[..., channel], geometry) for channel in range(voxels.shape[-1])]


def itk_channel(function: str, argument: str, image: Array, geometry: Geometry) -> ItkImage:
    """Return the only channel of an image as a SimpleITK image; raise if there are more."""
    channel, *others = _itk_channels(function, argument, image, geometry)
    if others:
        checks.invalid_value(function, argument, "have one channel", 1 + len(others))
    return channel


def _to_finite_float32(function: str, argument: str, image: Array) -> HostArray:
    """Return an image as a NumPy array of float32; raise for NaN and infinity, which SimpleITK filters all the same."""
    xp = _array.array_namespace(image)
    voxels = _array.to_numpy(xp.astype(image, xp.float32, copy=False))
    if not np.isfinite(voxels).all():
        checks.invalid_value(function, argument, "be finite", "NaN or infinite voxels")
    return voxels


def _from_itk_channels(image: Array, channels: Iterable[ItkImage]) -> Array:
    """Return the channels of a result as float32 of the library and the shape of the image."""
    voxels = np.stack([simpleitk().GetArrayFromImage(channel) for channel in channels], axis=-1)
    result = voxels.reshape(image.shape).astype(np.float32, copy=False)
    return _array.from_numpy(result, _array.array_namespace(image), image)
