"""Synthetic labelled heads: the data of examples and tests, made of ellipsoids, for any shape and spacing.

A head has T1- and T2-like images with a bias field and Rician noise, a label map of five structures and a brain mask.
It lies in patient coordinates, in millimetres. All randomness comes from the generator that is given.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy  # its subpackages are imported at their first use, which keeps ours light

from mia_functional._core import checks
from mia_functional.geometry import Geometry
from mia_functional.typing import Array, Shape, Spacing

LABELS = {1: "white matter", 2: "grey matter", 3: "hippocampus", 4: "amygdala", 5: "thalamus"}
"""The structures of the label maps and their names; 0 is everything else."""

SCALE = 1000.0
"""Intensity of the brightest tissue."""


class Ellipsoid(NamedTuple):
    """One part of the head: centre and half axes in halves of the volume, `(z, y, x)`, and what it is filled with."""

    centre: tuple[float, ...]
    axes: tuple[float, ...]
    label: int
    t1: float
    t2: float
    brain: bool = True


def _both(centre: tuple[float, ...], *rest: Any) -> tuple[Ellipsoid, Ellipsoid]:
    """Return a part of the left and the same of the right side."""
    z, y, x = centre
    return Ellipsoid((z, y, x), *rest), Ellipsoid((z, y, -x), *rest)


ANATOMY: tuple[Ellipsoid, ...] = (
    Ellipsoid((0, 0, 0), (0.90, 0.90, 0.86), 0, 0.90, 0.60, brain=False),
    Ellipsoid((0, 0, 0), (0.84, 0.84, 0.80), 0, 0.10, 0.05, brain=False),
    Ellipsoid((0, 0, 0), (0.78, 0.78, 0.74), 0, 0.20, 0.95),
    Ellipsoid((0, 0, 0), (0.74, 0.74, 0.70), 2, 0.55, 0.65),
    Ellipsoid((0, 0, 0), (0.60, 0.60, 0.57), 1, 0.80, 0.45),
    *_both((0.12, -0.05, 0.10), (0.20, 0.30, 0.06), 0, 0.20, 0.95),
    *_both((-0.06, 0.06, 0.16), (0.12, 0.17, 0.10), 5, 0.68, 0.55),
    *_both((-0.26, 0.14, 0.32), (0.08, 0.20, 0.09), 3, 0.58, 0.62),
    *_both((-0.28, -0.20, 0.30), (0.10, 0.09, 0.10), 4, 0.52, 0.68),
)
"""The parts of the head from the outside in: scalp, skull, fluid, grey and white matter, ventricles and nuclei."""


class Head(NamedTuple):
    """A synthetic head: images `(z, y, x)` float32, label map and brain mask uint8, and where they lie."""

    t1: Any
    t2: Any
    labels: Any
    mask: Any
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
        rng: Source of the anatomy (places, sizes, tilt, contrast), the bias field and the noise. Where left out, the
            head is the mean one, without bias or noise.
        noise: Standard deviation of the noise, as part of the brightest tissue.
        bias: Largest change by the bias field, as part of the intensity.

    Returns:
        Images of float32 within about 0 and 1000, labels as in `LABELS`, a mask of the brain, and the geometry: the
        middle of the volume is the origin of the world.

    Raises:
        ValueError: The shape has not three axes, or a size, a spacing, the noise or the bias is out of range.

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
        _generator("head", rng)
    parts = ANATOMY if rng is None else tuple(_vary(part, rng) for part in ANATOMY)
    labels, mask, t1, t2 = _paint(parts, _places(size, np.eye(3) if rng is None else _tilt(rng)))
    images = [scipy.ndimage.gaussian_filter(image * np.float32(SCALE), 0.5) for image in (t1, t2)]
    if rng is not None:
        images = [_noisy(image * _bias_field(rng, size, bias), noise * SCALE, rng) for image in images]
    origin = tuple(-s * (n - 1) / 2 for n, s in zip(size, step, strict=True))
    return Head(images[0], images[1], labels, mask, Geometry(shape=size, spacing=step, origin=origin))


def cohort(
    rng: np.random.Generator, count: int, shape: Shape, *, spacing: Spacing = (1.0, 1.0, 1.0)
) -> Iterator[Participant]:
    """Yield the subjects of a synthetic cohort: a head, an age, a gender and a grade point average each.

    Args:
        rng: Source of everything; every subject has a stream of its own, so it does not depend on `count`.
        count: How many subjects.
        shape: Voxels of every head, `(z, y, x)`.
        spacing: Millimetres between voxel centres.

    Example:
        >>> [someone.subject for someone in cohort(np.random.default_rng(0), 2, (16, 16, 16))]
        ['Subject_1', 'Subject_2']
    """
    _generator("cohort", rng)
    total = checks.integer("cohort", "count", count, minimum=1)
    for number, own in enumerate(rng.spawn(total), start=1):
        age, gpa = round(float(own.uniform(22, 36)), 1), round(float(own.uniform(2.0, 4.0)), 2)
        gender = "female" if own.random() < 0.5 else "male"
        yield Participant(f"Subject_{number}", head(shape, spacing=spacing, rng=own), age, gender, gpa)


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
    _generator("degrade", rng)
    checks.require_shape("degrade", "labels", labels)
    if checks.number("degrade", "displacement", displacement) < 0 or checks.number("degrade", "width", width) < 0:
        checks.invalid_value("degrade", "displacement, width", "not be negative", (displacement, width))
    places = np.indices(labels.shape, dtype=np.float32)
    for axis, size in enumerate(labels.shape):
        field = scipy.ndimage.gaussian_filter(rng.standard_normal(labels.shape, dtype=np.float32), width)
        places[axis] += displacement * field / max(float(field.std()), 1e-12)
        np.clip(np.rint(places[axis], out=places[axis]), 0, size - 1, out=places[axis])
    return labels[tuple(places.astype(np.intp))]


def _generator(function: str, rng: object) -> None:
    """Refuse what is no source of randomness."""
    if not isinstance(rng, np.random.Generator):
        checks.invalid_kind(function, "rng", "be a numpy.random.Generator", type(rng).__name__)


def _vary(part: Ellipsoid, rng: np.random.Generator) -> Ellipsoid:
    """Return a part that is moved, resized and brightened a little."""
    centre = tuple(float(c + rng.normal(0, 0.012)) for c in part.centre) if any(part.centre) else part.centre
    axes = tuple(float(a * np.exp(rng.normal(0, 0.05 if any(part.centre) else 0.008))) for a in part.axes)
    t1, t2 = (float(value * np.exp(rng.normal(0, 0.02))) for value in (part.t1, part.t2))
    return part._replace(centre=centre, axes=axes, t1=t1, t2=t2)


def _tilt(rng: np.random.Generator) -> Any:
    """Return a rotation by a few degrees about each axis."""
    matrix = np.eye(3)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        angle = np.deg2rad(rng.normal(0, 2.5))
        turn = np.eye(3)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = np.sin(angle), -np.sin(angle)
        matrix = matrix @ turn
    return matrix


def _places(shape: Shape, matrix: Any) -> list[Any]:
    """Return the three coordinates of every voxel, -1 to 1 from border to border, turned by a matrix."""
    lines = [((np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1) for size in shape]
    grid = np.meshgrid(*lines, indexing="ij", sparse=True)
    return [sum(np.float32(entry) * line for entry, line in zip(row, grid, strict=True)) for row in matrix]


def _paint(parts: tuple[Ellipsoid, ...], places: list[Any]) -> tuple[Any, Any, Any, Any]:
    """Return the label map, the brain mask and the two signals of ellipsoids, the later ones over the earlier."""
    shape = places[0].shape
    labels, mask = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    t1, t2 = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for part in parts:
        steps = zip(places, part.centre, part.axes, strict=True)
        inside = sum(((place - np.float32(c)) / np.float32(a)) ** 2 for place, c, a in steps) <= 1
        labels[inside], mask[inside], t1[inside], t2[inside] = part.label, part.brain, part.t1, part.t2
    return labels, mask, t1, t2


def _bias_field(rng: np.random.Generator, shape: Shape, bias: float) -> Any:
    """Return a smooth field around 1: the exponential of a random quadratic polynomial."""
    z, y, x = _places(shape, np.eye(3))
    terms = (z, y, x, z * y, z * x, y * x, z**2, y**2, x**2)
    logarithm = sum(np.float32(rng.uniform(-1, 1)) * term for term in terms)
    logarithm -= logarithm.mean()
    return np.exp(logarithm * np.float32(np.log1p(bias)) / max(float(np.abs(logarithm).max()), 1e-12))


def _noisy(image: Any, sigma: float, rng: np.random.Generator) -> Any:
    """Return the magnitude of a signal with complex normal noise."""
    real, imaginary = (rng.standard_normal(image.shape, dtype=np.float32) for _ in range(2))
    return np.hypot(image + np.float32(sigma) * real, np.float32(sigma) * imaginary)
