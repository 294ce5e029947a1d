"""Closed surfaces, their winding numbers by brute force, and files of them that other packages wrote."""

import itertools

import numpy as np


def sphere(radius, centre, *, levels=2):
    """An octahedron whose triangles were cut into four and pushed out to a sphere, all turned outwards.

    Corners are given in any order of axes; `centre` has that order, too.
    """
    points = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], float)
    faces = np.array([(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)])
    for _ in range(levels):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        unique, inverse = np.unique(edges, axis=0, return_inverse=True)
        middles = points[unique].mean(axis=1)
        first, second, third = len(points) + inverse.reshape(3, -1)
        points = np.vstack([points, middles / np.linalg.norm(middles, axis=1, keepdims=True)])
        a, b, c = faces.T
        quarters = (a, first, third), (first, b, second), (third, second, c), (first, second, third)
        faces = np.concatenate([np.stack(quarter, axis=1) for quarter in quarters])
    return points * radius + centre, faces


def box(low, high):
    """A box whose corners lie at two points, of two triangles on each side."""
    points = np.array(list(itertools.product(*zip(low, high, strict=True))), float)
    faces = [(0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1), (2, 3, 7), (2, 7, 6), (0, 2, 6),
             (0, 6, 4), (1, 5, 7), (1, 7, 3)]  # fmt: skip
    return points, np.array(faces)


def both(*surfaces):
    """Several surfaces as one."""
    starts = np.cumsum([0, *(len(points) for points, _ in surfaces)])
    faces = [triangles + start for (_, triangles), start in zip(surfaces, starts, strict=False)]
    return np.vstack([points for points, _ in surfaces]), np.concatenate(faces)


def winding_numbers(points, faces, shape):
    """Solid angles of all triangles seen from each voxel, by the formula of van Oosterom and Strackee, over 4 pi."""
    eyes = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, 3).astype(float)
    total = np.zeros(len(eyes))
    for corners in points[faces]:
        a, b, c = corners[:, None] - eyes
        x, y, z = (np.linalg.norm(side, axis=1) for side in (a, b, c))
        volume = np.einsum("ij,ij->i", a, np.cross(b, c))
        cosines = x * y * z + (a * b).sum(1) * z + (b * c).sum(1) * x + (c * a).sum(1) * y
        total += 2 * np.arctan2(volume, cosines)
    return (total / (4 * np.pi)).reshape(shape)
