"""Boundary metrics by their definitions, with loops over all pairs: the oracle of the tests, slow and plain."""

import itertools
import math

import numpy as np
from scipy import ndimage
from surface_distance import lookup_tables

SHAPES = [(7,), (1,), (6, 7), (1, 5), (1, 1), (5, 6, 7), (1, 6, 4), (3, 1, 1)]
SPACINGS = [(1.0, 1.0, 1.0), (0.9, 0.8, 3.0), (2.5, 0.7, 1.25)]
ANISOTROPIC = (0.9, 0.8, 3.0)


def smooth_mask(seed, shape, share=0.3):
    """Return a smooth random mask that fills a share of the grid."""
    field = ndimage.gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return field > np.quantile(field, 1 - share)


def blobs(seed, shape):
    """Return two random masks that overlap; blurring a noise by sums over neighbours makes blobs of it."""
    rng = np.random.default_rng(seed)
    noise = rng.random((3, *shape))
    for axis in range(1, noise.ndim):
        noise = noise + 0.7 * np.roll(noise, 1, axis=axis)
    first, second, third = noise
    cut = rng.uniform(0.2, 0.8)
    return tuple(mask >= np.quantile(mask, cut) for mask in (first + 0.4 * second, first + 0.4 * third))


def weights_of_codes(spacing):
    """Return DeepMind's size of a surface element by its code, or 1 for the end of a segment."""
    if len(spacing) == 1:
        return [0.0, 1.0, 1.0, 0.0]
    name = {2: "create_table_neighbour_code_to_contour_length", 3: "create_table_neighbour_code_to_surface_area"}
    return getattr(lookup_tables, name[len(spacing)])(spacing)


def surfel_elements(mask, spacing):
    """Return coordinates and sizes of the surface elements: one for every corner between unlike voxels."""
    table = weights_of_codes(spacing)
    points, weights = [], []
    offsets = list(itertools.product(range(2), repeat=mask.ndim))
    for corner in np.ndindex(*(size + 1 for size in mask.shape)):
        code = 0
        for offset in offsets:
            voxel = tuple(c + o - 1 for c, o in zip(corner, offset, strict=True))
            inside = all(0 <= v < size for v, size in zip(voxel, mask.shape, strict=True)) and mask[voxel]
            code = 2 * code + int(inside)
        if 0 < code < 2 ** len(offsets) - 1:
            points.append(corner)
            weights.append(table[code])
    return points, weights


def voxel_elements(mask, spacing):
    """Return coordinates and unit weights of the voxels of a mask with a face neighbour outside."""
    del spacing
    points = []
    for voxel in zip(*np.nonzero(mask), strict=True):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            near = tuple(v + step * (k == axis) for k, v in enumerate(voxel))
            if not (0 <= near[axis] < mask.shape[axis] and mask[near]):
                points.append(voxel)
                break
    return points, [1.0] * len(points)


def solid_elements(mask, spacing):
    """Return coordinates and unit weights of all voxels of a mask."""
    del spacing
    points = list(zip(*np.nonzero(mask), strict=True))
    return points, [1.0] * len(points)


def distance(point, others, spacing):
    """Return the distance of a point to the nearest of others; inf if there is none."""
    lengths = (math.hypot(*(s * (a - b) for s, a, b in zip(spacing, point, o, strict=True))) for o in others)
    return min(lengths, default=math.inf)


def surface_pairs(prediction, reference, spacing, elements):
    """Return the directed lists of (distance, weight), each sorted."""
    (p, v), (r, w) = elements(prediction, spacing), elements(reference, spacing)
    forward = [(distance(point, r, spacing), weight) for point, weight in zip(p, v, strict=True)]
    backward = [(distance(point, p, spacing), weight) for point, weight in zip(r, w, strict=True)]
    return sorted(forward), sorted(backward)


def covering_percentile(pairs, percent):
    """Return the smallest distance whose cumulative weight reaches a share of the whole."""
    whole, mass = math.fsum(w for _, w in pairs), 0.0
    for length, weight in pairs:
        mass += weight
        if mass >= percent / 100 * whole * (1 - 1e-9):
            return length
    raise AssertionError("the cumulative weight reaches the whole")


def linear_percentile(pairs, percent):
    """Return NumPy's percentile of the distances."""
    return float(np.percentile([length for length, _ in pairs], percent))


def average(pairs):
    """Return the weighted mean distance."""
    return math.fsum(d * w for d, w in pairs) / math.fsum(w for _, w in pairs)


def share(pairs, tolerance):
    """Return the share of the weight within a tolerance; every distance here is rounded alike."""
    return math.fsum(w for d, w in pairs if d <= tolerance + 1e-9) / math.fsum(w for _, w in pairs)
