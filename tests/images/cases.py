"""Grids, arrays and damaged bytes that the tests of image files share."""

import numpy as np

from mia_functional.geometry import Geometry

SUFFIXES = (".nii", ".nii.gz", ".mha", ".mhd", ".nrrd", ".nhdr")


TO_RAS = np.diag([-1.0, -1.0, 1.0])


def oblique(shape, *, seed=0, mirrored=False):
    """A geometry with a random rotation, odd spacing and an origin far from zero."""
    rng = np.random.default_rng(seed)
    matrix, _ = np.linalg.qr(rng.normal(size=(len(shape),) * 2))
    matrix *= np.sign(np.linalg.det(matrix)) * (-1 if mirrored else 1)
    if len(shape) % 2 == 0 and np.linalg.det(matrix) * (-1 if mirrored else 1) < 0:
        matrix[:, 0] *= -1
    return Geometry(
        shape=shape,
        spacing=tuple(rng.uniform(0.3, 4.0, len(shape))),
        origin=tuple(rng.uniform(-200, 200, len(shape))),
        direction=tuple(map(tuple, matrix)),
    )


def random_array(shape, dtype, seed=0):
    """Values over the whole range of a dtype."""
    rng = np.random.default_rng(seed)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    limits = np.iinfo(dtype)
    array = rng.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
    array.flat[0], array.flat[-1] = limits.min, limits.max
    return array


def ras_affine(geometry):
    """The affine that nibabel holds for a geometry in array order: index (i, j, k) is (x, y, z), the world is RAS."""
    steps = (np.array(geometry.direction) * geometry.spacing)[::-1, ::-1]
    affine = np.eye(4)
    affine[:3, :3] = TO_RAS @ steps
    affine[:3, 3] = TO_RAS @ geometry.origin[::-1]
    return affine


def from_ras_affine(affine, shape):
    """The geometry in array order that a NIfTI affine describes."""
    steps = (TO_RAS @ affine[:3, :3])[::-1, ::-1]
    spacing = np.linalg.norm(steps, axis=0)
    return Geometry(
        shape=tuple(shape)[::-1],
        spacing=tuple(spacing),
        origin=tuple((TO_RAS @ affine[:3, 3])[::-1]),
        direction=tuple(map(tuple, steps / spacing)),
    )


def patched(path, offset, raw):
    """Overwrite bytes of a file."""
    content = bytearray(path.read_bytes())
    content[offset : offset + len(raw)] = raw
    path.write_bytes(content)


META = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nDimSize = 3 4 5\nElementType = MET_SHORT\n"
META += b"ElementDataFile = LOCAL\n"
NRRD = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 3 4 5\nendian: little\nencoding: raw\n\n"
PIXELS = np.arange(60, dtype="<i2").tobytes()
