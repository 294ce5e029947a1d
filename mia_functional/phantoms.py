"""Synthetic labelled heads: the data of examples and tests, made of ellipsoids, for any shape and spacing.

A head has T1- and T2-like images with a bias field and Rician noise, a label map of five structures and a brain mask.
It lies in patient coordinates, in millimetres. All randomness comes from the generator that is given.
"""

from collections.abc import Iterator
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy  # its subpackages are imported at their first use, which keeps ours light

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.typing import Array, HostArray, Shape, Spacing

__all__ = ["LABELS", "Head", "Participant", "cohort", "degrade", "head"]

__dir__ = __all__.copy  # dir() shows what users may touch

LABELS = {1: "white matter", 2: "grey matter", 3: "hippocampus", 4: "amygdala", 5: "thalamus"}
"""The structures of the label maps and their names; 0 is everything else."""

_BRIGHTEST = 1000.0
"""Intensity of the brightest tissue."""


class _Ellipsoid(NamedTuple):
    """A structure of the head: centre and half axes in halves of the volume, `(z, y, x)`, and what fills it."""

    centre: tuple[float, ...]
    axes: tuple[float, ...]
    label: int
    t1: float
    t2: float
    brain: bool = True


_ON_ONE_SIDE = (
    _Ellipsoid((0.12, -0.05, 0.10), (0.20, 0.30, 0.06), 0, 0.20, 0.95),
    _Ellipsoid((-0.06, 0.06, 0.16), (0.12, 0.17, 0.10), 5, 0.68, 0.55),
    _Ellipsoid((-0.26, 0.14, 0.32), (0.08, 0.20, 0.09), 3, 0.58, 0.62),
    _Ellipsoid((-0.28, -0.20, 0.30), (0.10, 0.09, 0.10), 4, 0.52, 0.68),
)
"""Structures of which the other side has a mirror image: ventricles and nuclei."""

_ANATOMY: tuple[_Ellipsoid, ...] = (
    _Ellipsoid((0, 0, 0), (0.90, 0.90, 0.86), 0, 0.90, 0.60, brain=False),
    _Ellipsoid((0, 0, 0), (0.84, 0.84, 0.80), 0, 0.10, 0.05, brain=False),
    _Ellipsoid((0, 0, 0), (0.78, 0.78, 0.74), 0, 0.20, 0.95),
    _Ellipsoid((0, 0, 0), (0.74, 0.74, 0.70), 2, 0.55, 0.65),
    _Ellipsoid((0, 0, 0), (0.60, 0.60, 0.57), 1, 0.80, 0.45),
    *(side for one in _ON_ONE_SIDE for side in (one, one._replace(centre=(*one.centre[:2], -one.centre[2])))),
)
"""The structures of the head from the outside in: scalp, skull, fluid, grey and white matter, ventricles and nuclei."""


class Head(NamedTuple):
    """A synthetic head: images `(z, y, x)` float32, label map and brain mask uint8, and where they lie."""

    t1: HostArray
    t2: HostArray
    labels: HostArray
    mask: HostArray
    geometry: Geometry


class Participant(NamedTuple):
    """A subject of a cohort: an identifier, a head, and made-up numbers."""

    subject: str
    head: Head
    age: float
    gender: str
    gpa: float


def head(
    shape: Shape,
    *,
    spacing: Spacing = (1.0, 1.0, 1.0),
    rng: np.random.Generator | None = None,
    noise: float = 0.03,
    bias: float = 0.2,
) -> Head:
    """Return a synthetic head that fills a volume.

    Signal s = lookup(tissue) b(x), with b(x) = exp(quadratic polynomial) the bias field, and the image
    |s + n1 + i n2| with n1, n2 normal: Rician noise.

    Args:
        shape: Voxels along `(z, y, x)`.
        spacing: Millimetres between voxel centres, `(z, y, x)`.
        rng: Source of the anatomy (positions, sizes, tilt, contrast), the bias field and the noise. By default the head
            is the mean one, without bias or noise.
        noise: Standard deviation of the noise, as a fraction of the brightest tissue.
        bias: Largest change by the bias field, as a fraction of the intensity.

    Returns:
        Images of float32 within about 0 and 1000, labels as in `LABELS`, a mask of the brain, and the geometry: the
        middle of the volume is the origin of the world.

    Raises:
        ValueError: The shape does not have three axes, or a size, a spacing, the noise or the bias is out of range.

    Example:
        >>> head((20, 24, 20)).labels.max()
        np.uint8(5)

    Source:
        H. Gudbjartsson and S. Patz, The Rician distribution of noisy MRI data, 1995, doi 10.1002/mrm.1910340618.
    """
    size = checks.integer_tuple("head", "shape", shape, length=3, minimum=1)
    step = checks.spacing("head", spacing, 3)
    if not (0 <= checks.number("head", "noise", noise) <= 1 and 0 <= checks.number("head", "bias", bias) < 1):
        checks.invalid_value("head", "noise, bias", "lie within 0 and 1", (noise, bias))
    if rng is not None:
        checks.require_instance("head", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    structures = _ANATOMY if rng is None else tuple(_vary(rng, structure) for structure in _ANATOMY)
    labels, mask, *signals = _paint(structures, _coordinates(size, np.eye(3) if rng is None else _tilt(rng)))
    # Voxels average over their volume: a little smoothing keeps borders from being sharper than any scanner's.
    images = [scipy.ndimage.gaussian_filter(signal * np.float32(_BRIGHTEST), 0.5) for signal in signals]
    if rng is not None:
        sigma = np.float32(noise * _BRIGHTEST)
        for number, image in enumerate(images):
            # The coils weigh the signal, and noise comes after: it is as strong where the image is dark.
            signal = image * _bias_field(rng, size, bias)
            real, imaginary = (sigma * rng.standard_normal(size, dtype=np.float32) for _ in range(2))
            images[number] = np.hypot(signal + real, imaginary)
    origin = tuple(-s * (n - 1) / 2 for n, s in zip(size, step, strict=True))
    return Head(images[0], images[1], labels, mask, Geometry(shape=size, spacing=step, origin=origin))


def cohort(
    rng: np.random.Generator, count: int, shape: Shape, *, spacing: Spacing = (1.0, 1.0, 1.0)
) -> Iterator[Participant]:
    """Yield the subjects of a synthetic cohort: a head, an age, a gender and a grade point average each.

    Args:
        rng: Source of everything; every subject has a stream of its own, so that it does not depend on `count`.
        count: How many subjects.
        shape: Voxels of every head, `(z, y, x)`.
        spacing: Millimetres between voxel centres.

    Example:
        >>> [someone.subject for someone in cohort(np.random.default_rng(0), 2, (16, 16, 16))]
        ['Subject_1', 'Subject_2']
    """
    checks.require_instance("cohort", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    total = checks.integer("cohort", "count", count, minimum=1)
    for number, own in enumerate(rng.spawn(total), start=1):
        age, gpa = round(float(own.uniform(22, 36)), 1), round(float(own.uniform(2.0, 4.0)), 2)
        gender = "female" if own.random() < 0.5 else "male"
        with checks.speaking_for("cohort", "head"):
            someone = head(shape, spacing=spacing, rng=own)
        yield Participant(f"Subject_{number}", someone, age, gender, gpa)


def degrade(rng: np.random.Generator, labels: Array, *, displacement: float = 1.5, width: float = 4.0) -> Array:
    """Return a label map with wrong borders, as a prediction has them: it is warped by a smooth random field.

    Args:
        rng: Source of the field.
        labels: NumPy label map of any number of axes.
        displacement: Standard deviation of the displacement along each axis, in voxels.
        width: Smoothness of the field: standard deviation of its Gaussian, in voxels.

    Returns:
        A label map of the same shape and dtype; every label comes from the nearest voxel.

    Example:
        >>> truth = head((20, 24, 20)).labels
        >>> wrong = degrade(np.random.default_rng(0), truth)
        >>> wrong.shape == truth.shape, bool((wrong != truth).any())
        (True, True)
    """
    checks.require_instance("degrade", "rng", rng, np.random.Generator, "a numpy.random.Generator")
    checks.require_shape("degrade", "labels", labels)
    if checks.number("degrade", "displacement", displacement) < 0 or checks.number("degrade", "width", width) < 0:
        checks.invalid_value("degrade", "displacement, width", "not be negative", (displacement, width))
    sources = np.indices(labels.shape, dtype=np.float32)
    for axis, size in enumerate(labels.shape):
        field = scipy.ndimage.gaussian_filter(rng.standard_normal(labels.shape, dtype=np.float32), width)
        # Smoothing shrinks the noise by a factor that depends on the width and the borders: it is measured instead.
        sources[axis] += displacement * field / max(float(field.std()), 1e-12)
        np.clip(np.rint(sources[axis], out=sources[axis]), 0, size - 1, out=sources[axis])
    return labels[tuple(sources.astype(np.intp))]


def _vary(rng: np.random.Generator, structure: _Ellipsoid) -> _Ellipsoid:
    """Return a structure that is moved, resized and brightened a little."""
    # Those in the middle enclose the others: they stay there and vary less, so that none sticks out.
    is_off_centre = any(structure.centre)
    centre = tuple(float(c + rng.normal(0, 0.012)) for c in structure.centre) if is_off_centre else structure.centre
    axes = tuple(float(a * np.exp(rng.normal(0, 0.05 if is_off_centre else 0.008))) for a in structure.axes)
    t1, t2 = (float(signal * np.exp(rng.normal(0, 0.02))) for signal in (structure.t1, structure.t2))
    return structure._replace(centre=centre, axes=axes, t1=t1, t2=t2)


def _tilt(rng: np.random.Generator) -> HostArray:
    """Return a rotation by a few degrees about each axis."""
    matrix = np.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = np.deg2rad(rng.normal(0, 2.5))
        cosine, sine = np.cos(angle), np.sin(angle)
        turn = np.eye(3)
        turn[np.ix_((first, second), (first, second))] = ((cosine, sine), (-sine, cosine))
        matrix = matrix @ turn
    return matrix


def _coordinates(shape: Shape, matrix: HostArray) -> list[HostArray]:
    """Return the three coordinates of every voxel, -1 to 1 from border to border, turned by a matrix."""
    lines = [((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1) for size in shape]
    grid = np.meshgrid(*lines, indexing="ij", sparse=True)
    return [reduce(np.add, (np.float32(entry) * line for entry, line in zip(row, grid, strict=True))) for row in matrix]


def _paint(structures: tuple[_Ellipsoid, ...], coordinates: list[HostArray]) -> list[HostArray]:
    """Return the label map, the brain mask and the two signals of ellipsoids, the later ones over the earlier."""
    shape = coordinates[0].shape
    labels, mask, t1, t2 = (np.zeros(shape, dtype) for dtype in (np.uint8, np.uint8, np.float32, np.float32))
    for structure in structures:
        terms = zip(coordinates, structure.centre, structure.axes, strict=True)
        inside = sum(((line - np.float32(c)) / np.float32(a)) ** 2 for line, c, a in terms) <= 1
        labels[inside], mask[inside] = structure.label, structure.brain
        t1[inside], t2[inside] = structure.t1, structure.t2
    return [labels, mask, t1, t2]


def _bias_field(rng: np.random.Generator, shape: Shape, bias: float) -> HostArray:
    """Return a smooth field around 1: the exponential of a random quadratic polynomial."""
    z, y, x = _coordinates(shape, np.eye(3))
    terms = (z, y, x, z * y, z * x, y * x, z**2, y**2, x**2)
    logarithm: HostArray = reduce(np.add, (np.float32(rng.uniform(-1, 1)) * term for term in terms))
    logarithm -= logarithm.mean()
    field: HostArray = np.exp(logarithm * np.float32(np.log1p(bias)) / max(float(np.abs(logarithm).max()), 1e-12))
    return field
