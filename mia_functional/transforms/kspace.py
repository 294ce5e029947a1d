"""Artefacts of magnetic resonance imaging, made where they arise: in k-space, the Fourier transform of the image.

An image is `(*spatial, channel)`. K-space is periodic, as is the image that it stands for: what leaves at one border
comes in at the other. Of the complex image that follows, the part in phase with the original is shown, `Re`: a
magnitude would fold the negative intensities of standardised images.

What happens along one axis of k-space alone is a product there, and in the image a circular convolution along that
axis: a matrix product, which every library has in every dtype, where a Fourier transform of a volume would need complex
numbers of twice its size. Floats keep their dtype, with sums in float32 at least; other numbers become float32.
"""

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.transforms import channel_statistics as statistics
from mia_functional.transforms.arguments import (
    Integers,
    Numbers,
    count_spatial,
    require_finite,
    require_parameter_shape,
    require_valid,
    with_parameters,
)
from mia_functional.transforms.interpolation import linear, open_grid
from mia_functional.transforms.line_products import multiply_lines
from mia_functional.transforms.warping import affine
from mia_functional.typing import Array, HostArray

__all__ = ["ghosting", "motion", "spikes"]


def ghosting(image: Array, strength: Numbers, ghosts: Integers, *, spatial_axes: int | None = None) -> Array:
    """Add faint copies of the image, moved along an axis, as periodic motion does (breathing, pulsating vessels).

    Along each axis of n voxels the lines k of k-space, `-n / 2 <= k < n / 2`, that are multiples of `ghosts` are
    weakened, but not the centre: `Y[k] = (1 - strength) X[k]` for `k mod ghosts = 0` and `k != 0`, else `X[k]`. That
    takes away `strength / ghosts` of each of as many copies of the image, each `n / ghosts` voxels after another, and
    leaves the mean.

    Args:
        image: Array `(*spatial, channel)`.
        strength: How much lines are weakened, for each spatial axis, or one number for all: 0 leaves an axis as it is,
            1 removes the lines. May be traced.
        ghosts: Number of copies along each spatial axis, or one number for all, at least 2. May be traced.
        spatial_axes: How many axes are spatial; by default all but the last. `on` hands over what the sample says.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: There are not as many entries as spatial axes, a strength is not finite, or there are less than two
            ghosts.

    Example:
        >>> ghosting(np.array([[4.0], [0.0], [0.0], [0.0]]), 1.0, 2)[:, 0].tolist()
        [3.0, 1.0, -1.0, 1.0]

    Agrees with:
        `torchio.RandomGhosting` (`intensity` is `strength`) where n / 2 is a multiple of the number of ghosts.
    """
    xp, image, (weak, period) = with_parameters("ghosting", image=image, strength=strength, ghosts=ghosts)
    spatial = count_spatial("ghosting", image, spatial_axes)
    for name, given, array in (("strength", strength, weak), ("ghosts", ghosts, period)):
        require_parameter_shape("ghosting", name, array, (), (spatial,))
        require_finite("ghosting", name, given, array)
    require_valid("ghosting", "ghosts", ghosts, period, lambda number: number >= 2, needed="be at least 2")
    values = statistics.to_float("ghosting", image)
    weak, period = (xp.broadcast_to(array, (spatial,)) for array in (weak, period))
    for axis in range(spatial):
        if _array.in_host_memory(weak) and _array.is_known_true(lambda amount: amount == 0, weak[axis]):
            continue
        lines = _array.asarray_like(_line_numbers(image.shape[axis]), values)
        # Whole numbers as floats: their remainder is exact, and that of JAX has the sign of the divisor, as NumPy's.
        is_weak = (lines - period[axis] * xp.round(lines / period[axis]) == 0) & (lines != 0)
        weights = xp.where(is_weak, weak[axis], xp.zeros_like(lines))
        values = values - _filter_lines(values, weights, axis)
    return statistics.restore_dtype(values, image)


def spikes(image: Array, frequencies: Integers, intensity: Numbers) -> Array:
    """Add stripes, as single wrong points of k-space do (herringbone artefact).

    `y = x + m sum_j intensity_j cos(2 pi sum_a frequency_{j,a} i_a / n_a)`, with m the mean magnitude of the channel:
    that of the centre of k-space for images from 0 on. A real number was added to a point of k-space, the part in phase
    with the image is shown.

    Args:
        image: Array `(*spatial, channel)`.
        frequencies: Whole waves along each spatial axis, `(spikes, spatial)`; may be traced.
        intensity: Height of each wave in units of the mean magnitude of the channel, `(spikes,)`, or one number for
            all; may be traced.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: The shapes do not fit, or a number is not finite.

    Example:
        >>> spikes(np.ones((4, 1)), [[1]], 0.5)[:, 0].round(6).tolist()
        [1.5, 1.0, 0.5, 1.0]

    Agrees with:
        `torchio.Spike` for images whose largest value in k-space is that of the centre.
    """
    xp, image, (waves, height) = with_parameters("spikes", image=image, frequencies=frequencies, intensity=intensity)
    spatial = image.ndim - 1
    if waves.ndim != 2 or waves.shape[1] != spatial:
        checks.invalid_value("spikes", "frequencies", f"have the shape (spikes, {spatial})", tuple(waves.shape))
    require_parameter_shape("spikes", "intensity", height, (), (waves.shape[0],))
    for name, given, array in (("frequencies", frequencies, waves), ("intensity", intensity, height)):
        require_finite("spikes", name, given, array)
    values = statistics.to_float("spikes", image)
    height = xp.broadcast_to(height, (waves.shape[0],))
    mean = statistics.masked_mean(_array.absolute(values), None, statistics.reduction_axes("spikes", None, image.ndim))
    stripes = xp.zeros_like(values[..., :1])
    lines = [np.arange(size) / _array.whole_number(size) for size in image.shape[:-1]]
    grid = open_grid([2 * np.pi * line for line in lines], image.ndim, values)
    for number in range(waves.shape[0]):
        # Cosine and sine of a sum, axis by axis: neither is taken of as many numbers as there are voxels.
        angles = [waves[number, axis] * line for axis, line in enumerate(grid)]
        cosine, sine = xp.cos(angles[0]), xp.sin(angles[0])
        for angle in angles[1:]:
            own, other = xp.cos(angle), xp.sin(angle)
            cosine, sine = cosine * own - sine * other, sine * own + cosine * other
        stripes = stripes + height[number] * cosine
    return statistics.restore_dtype(values + mean * stripes, image)


def motion(
    image: Array, matrices: Numbers, offsets: Numbers, times: Numbers, *, axis: int = 0, fill_value: float = 0
) -> Array:
    """Show a patient who moved while lines of k-space were taken one after the other.

    Line k of the n lines along `axis`, `-n / 2 <= k < n / 2`, is taken at the time `(k + n / 2) / n`. From each of
    `times` on it comes from another pose. While the centre is taken, the pose is that of the image, so that labels stay
    right: `y = x + sum_j Re F^-1 [k taken in pose j] F (affine(x, A_j, b_j) - x)`, with the poses j in order of time,
    that of the centre left out.

    Args:
        image: Array `(*spatial, channel)`.
        matrices: Matrix `A` of each pose, `(poses, spatial, spatial)`, in voxels, as `affine` takes it.
        offsets: Its offset `b`, `(poses, spatial)`, in voxels.
        times: When a pose ends and the next one begins, `(poses,)`, shares of the whole time from 0 to 1, in order.
        axis: The spatial axis along which lines are taken one after the other (phase encoding).
        fill_value: What comes in at the border of moved images.

    Returns:
        Floats of the image's shape.

    Raises:
        ValueError: The shapes do not fit, a number is not finite, or there is no such axis.

    Example:
        >>> motion(np.array([[0.0], [4.0], [0.0], [0.0]]), [[[1.0]]], [[-1.0]], [0.75])[:, 0].round(6).tolist()
        [-1.0, 3.0, 1.0, 1.0]

    Source:
        Shaw et al. 2019, MRI k-space motion artefact augmentation: model robustness and task-specific uncertainty,
        Proceedings of MIDL, PMLR 102:427-436.
    """
    xp, image, (turns, moves, begins) = with_parameters(
        "motion", image=image, matrices=matrices, offsets=offsets, times=times
    )
    spatial = image.ndim - 1
    count = begins.shape[0] if begins.ndim == 1 else 0
    require_parameter_shape("motion", "times", begins, (max(count, 1),))
    require_parameter_shape("motion", "matrices", turns, (count, spatial, spatial))
    require_parameter_shape("motion", "offsets", moves, (count, spatial))
    given = (("matrices", matrices, turns), ("offsets", offsets, moves), ("times", times, begins))
    for name, numbers, array in given:
        require_finite("motion", name, numbers, array)
    along = checks.axis("motion", axis, spatial)
    _array.check_fits_dtype("motion", "fill_value", fill_value, begins)
    values = statistics.to_float("motion", image)
    length = _array.whole_number(image.shape[along])
    # When each line is taken, and at last the centre once more.
    numbers = np.concatenate([_line_numbers(image.shape[along]), np.zeros(1)])
    moments = _array.asarray_like((numbers + length // 2) / length, values)
    # Times are in order: as many as have passed say which pose it is.
    passed = xp.sum(xp.astype(moments[:, None] >= begins[None, :], xp.int32), axis=1)
    pieces, middle = passed[:-1], passed[-1]
    result = values
    for number in range(count):
        moved = affine(values, turns[number, ...], moves[number, ...], interpolation=linear, fill_value=fill_value)
        weights = xp.astype(pieces == number + xp.astype(middle <= number, pieces.dtype), values.dtype)
        result = result + _filter_lines(moved - values, weights, along)
    return statistics.restore_dtype(result, image)


def _line_numbers(size: int) -> HostArray:
    """Return the numbers of the lines of k-space in the order of the Fourier transform: 0, 1, ..., -2, -1."""
    position, length = np.arange(size), _array.whole_number(size)
    return np.where(2 * position < length, position, position - length) + 0.0


def _filter_lines(values: Array, weights: Array, axis: int) -> Array:
    """Return what weights of the lines of k-space along an axis, in order of the transform, leave of real values."""
    xp, size = _array.array_namespace(values), values.shape[axis]
    length = _array.whole_number(size)
    position = np.arange(size)
    # Phases from whole numbers, not from angles of up to n^2 turns, which single precision would round away.
    phases = 2 * np.pi * ((position[:, None] * position[None, :]) % length) / length
    kernel = xp.sum(_array.asarray_like(np.cos(phases) / length, values) * weights[None, :], axis=1)
    distance = (position[:, None] - position[None, :]) % length
    rows = _array.take(kernel, _array.from_numpy(distance.reshape(-1), xp, values), 0)
    return multiply_lines(values, xp.reshape(rows, (size, size)), axis)
