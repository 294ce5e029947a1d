"""Records of what was drawn: the entries are the parameters of the transform of the same name, in its order.

They are tuples of arrays, so JAX takes them as they are, and they can be stored and replayed.
"""

from typing import NamedTuple

from mia_functional.typing import Array

__all__ = [
    "Affine",
    "BiasField",
    "Blur",
    "Brightness",
    "CarveMix",
    "Contrast",
    "Crop",
    "Cutout",
    "Elastic",
    "Flip",
    "Gamma",
    "Ghosting",
    "LabelDilation",
    "LabelsToImage",
    "LocalGamma",
    "LowResolution",
    "Mixup",
    "Motion",
    "Noise",
    "ResizedCrop",
    "RicianNoise",
    "Rot90",
    "Sharpen",
    "Shift",
    "Spikes",
    "Swap",
]


class Crop(NamedTuple):
    """First voxel of a box along each axis."""

    start: Array


class Flip(NamedTuple):
    """Whether each spatial axis is reversed."""

    axes: Array


class Rot90(NamedTuple):
    """Quarter turns, 0 to 3."""

    turns: Array


class Shift(NamedTuple):
    """Voxels by which the content moves along each axis."""

    offset: Array


class Affine(NamedTuple):
    """Matrix and offset of a map about the centre, in voxels."""

    matrix: Array
    offset: Array


class Elastic(NamedTuple):
    """Displacements of the control points of a B-spline, in voxels."""

    control: Array


class Noise(NamedTuple):
    """What is added to every voxel."""

    field: Array


class RicianNoise(NamedTuple):
    """What is added to the real and to the imaginary part of every voxel."""

    real: Array
    imaginary: Array


class Gamma(NamedTuple):
    """Exponent of every channel."""

    exponent: Array


class BiasField(NamedTuple):
    """Coefficients of the logarithm of the field."""

    coefficients: Array


class Blur(NamedTuple):
    """Standard deviations along each axis, in voxels."""

    sigma: Array


class Brightness(NamedTuple):
    """Factor and offset of every channel."""

    factor: Array
    offset: Array


class Contrast(NamedTuple):
    """Factor of every channel, by which it is spread about its mean."""

    factor: Array


class Sharpen(NamedTuple):
    """How much detail is added, and the standard deviation of the Gaussian that it is told by, in voxels."""

    strength: Array
    sigma: Array


class LocalGamma(NamedTuple):
    """Where contrast changes, how far around that, both in voxels, and the exponent there."""

    centre: Array
    sigma: Array
    exponent: Array


class Ghosting(NamedTuple):
    """How much lines of k-space are weakened along each axis, and the number of ghosts."""

    strength: Array
    ghosts: Array


class Spikes(NamedTuple):
    """Waves along each axis of every spike, and how high they are."""

    frequencies: Array
    intensity: Array


class Motion(NamedTuple):
    """Matrix and offset of every pose, in voxels, and when one pose ends and the next one begins."""

    matrices: Array
    offsets: Array
    times: Array


class LowResolution(NamedTuple):
    """Voxels per coarse voxel along each axis."""

    factor: Array


class Cutout(NamedTuple):
    """First voxel of boxes along each axis, and their voxels."""

    start: Array
    size: Array


class Swap(NamedTuple):
    """First voxels of the patches of every pair."""

    first: Array
    second: Array


class ResizedCrop(NamedTuple):
    """Voxels before a box along each axis, and in it."""

    start: Array
    size: Array


class Mixup(NamedTuple):
    """How much of the first of two images there is in the mixture."""

    weight: Array


class CarveMix(NamedTuple):
    """How far from the border of lesions is carved, in units of their depth; negative inside."""

    level: Array


class LabelsToImage(NamedTuple):
    """Mean and standard deviation of every label and contrast, and the noise of every voxel."""

    mean: Array
    sigma: Array
    field: Array


class LabelDilation(NamedTuple):
    """How far labels grow, in millimetres."""

    radius: Array
