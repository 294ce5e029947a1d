"""Transforms, indices and assemblies with the mistakes that people make, and right ones beside them."""

import itertools

import numpy as np
import scipy.ndimage as ndi

from mia_functional import assembly, geometry, indexing, transforms

from .faulty_metrics import Faulty


def half(array):
    """Return every second voxel along the first axis, and the geometry of the same grid."""
    return array if isinstance(array, geometry.Geometry) else array[::2]


def flipped(array):
    """Flip the voxels, and leave the geometry as it is."""
    return array if isinstance(array, geometry.Geometry) else np.flip(array, 0)


def transposed(array):
    """Swap two axes, and of the geometry the spacing alone."""
    if not isinstance(array, geometry.Geometry):
        return np.swapaxes(array, 0, 1)
    order = [1, 0, *range(2, len(array.shape))]
    shape, spacing = ([entries[axis] for axis in order] for entries in (array.shape, array.spacing))
    return geometry.Geometry(shape=tuple(shape), spacing=tuple(spacing), origin=array.origin, direction=array.direction)


def padded(array):
    """Pad by a voxel, and move the origin the wrong way."""
    if not isinstance(array, geometry.Geometry):
        return np.pad(array, 1)
    return geometry.regrid(array, tuple(size + 2 for size in array.shape), (1.0,) * len(array.shape))


def moved_in_place(image):
    """Divide in place."""
    image /= 2
    return image


def blended(labels):
    """Interpolate labels as if they were intensities."""
    return ndi.zoom(labels, 2, order=1)


def drawn_globally(rng):
    """Draw from NumPy's global generator."""
    return (rng.random() + 0 * np.random.rand(),)  # noqa: NPY002  # the mistake


def brighter(image, factor):
    """Multiply by what is drawn beforehand."""
    return image * factor


def noisy(image, _):
    """Draw while the image is changed, and not beforehand."""
    return image + np.random.default_rng().random(image.shape)


COUNTS = itertools.count()
IN_PLACE = ("no mutation", "runs")
PLACED = {"geometry": True, "dimensions": (2, 3)}

TRANSFORMS = (
    Faulty("a flip without its geometry", flipped, PLACED, ("geometry",)),
    Faulty("another grid without its geometry", half, PLACED, ("geometry",)),
    Faulty("axes swapped, directions not", transposed, PLACED, ("geometry",)),
    Faulty("the origin moved the wrong way", padded, PLACED, ("geometry",)),
    Faulty("in place", moved_in_place, {}, IN_PLACE),
    Faulty("labels interpolated", blended, {"labels": True}, ("labels",)),
    Faulty("labels as floats", lambda labels: labels.astype(float), {"labels": True}, ("labels",)),
    Faulty("the dtype of a quotient", lambda labels: labels / 1, {"labels": True, "keeps_dtype": True}, ("dtype",)),
    Faulty("a slice lost", lambda image: image[:-1], {"keeps_shape": True, "smallest": 2}, ("shape",)),
    Faulty(
        "the first channel's mean for all", lambda image: image - image[..., 0].mean(), {"channels": 2}, ("channels",)
    ),
    Faulty("the wrong inverse", lambda image: np.rot90(image), {"inverse": np.rot90}, ("inverse",)),
    Faulty("the order of memory", lambda image: image.ravel("K"), {}, ("memory order",)),
    Faulty("drawn while it is applied", noisy, {"draw": lambda rng: (rng.random(),)}, ("replay",)),
    Faulty("drawn from the global generator", brighter, {"draw": drawn_globally}, ("replay",)),
    Faulty("drawn without the seed", brighter, {"draw": lambda _: (next(COUNTS),)}, ("replay",)),
    Faulty(
        "another rule at the border",
        lambda image: ndi.uniform_filter(image, 3, mode="wrap"),
        {"oracle": lambda image: ndi.uniform_filter(image, 3, mode="nearest")},
        ("oracle",),
    ),
)
"""Faulty transforms."""

RIGHT_TRANSFORMS = {
    "flip": (
        lambda array: transforms.flip(array, 0),
        PLACED | {"keeps_shape": True, "keeps_dtype": True, "inverse": lambda image: np.flip(image, 0)},
    ),
    "permute": (
        lambda array: transforms.permute(array, (1, 0)),
        {"geometry": True, "dimensions": (2, 2), "inverse": np.transpose},
    ),
    "pad": (lambda array: transforms.pad(array, 2), {"geometry": True, "keeps_dtype": True, "channels": 1}),
    "flip of labels": (lambda labels: transforms.flip(labels, 0), {"labels": True, "keeps_dtype": True}),
    "standardize": (transforms.standardize, {"channels": 2, "keeps_shape": True}),
    "gamma": (
        lambda image, exponent: transforms.gamma(image, exponent),
        {"keeps_shape": True, "draw": lambda rng: (rng.uniform(0.5, 2),)},
    ),
}
"""Right transforms, and what is claimed of them."""


def steps(size, patch, *, last=True):
    """Return where patches begin."""
    starts = list(range(0, size - patch + 1, patch))
    return [*starts, size - patch] if last and starts[-1] + patch < size else starts


def patches(shape, *, size=2, last=True, over=0):
    """Return patches of a size; without the last one the border may be left out."""
    lines = [[slice(start, start + size + over) for start in steps(side, size, last=last)] for side in shape]
    return list(itertools.product(*lines))


def per_axis(shape):
    """Return the planes across each axis."""
    full = [slice(0, size) for size in shape]
    return [(*full[:axis], at, *full[axis + 1 :]) for axis, size in enumerate(shape) for at in range(size)]


def summed(parts, indices, shape):
    """Add patches up where they overlap."""
    volume = np.zeros((*shape, *parts[0].shape[len(shape) :]), np.float32)
    for part, index in zip(parts, indices, strict=True):
        volume[index] += part
    return volume


def averaged(parts, indices, shape):
    """Return the mean of all patches of a voxel."""
    ones = [np.ones_like(part) for part in parts]
    return summed(parts, indices, shape) / np.maximum(summed(ones, indices, shape), 1)


def last_one(parts, indices, shape):
    """Keep the last patch of a voxel."""
    volume = np.zeros(shape, np.float32)
    for part, index in zip(parts, indices, strict=True):
        volume[index] = part
    return volume


def halves(parts, indices, shape):
    """Average each patch with what is there already."""
    volume = np.full(shape, np.nan, np.float32)
    for part, index in zip(parts, indices, strict=True):
        volume[index] = np.where(np.isnan(volume[index]), part, (volume[index] + part) / 2)
    return volume


def counted_in_bytes(parts, indices, shape):
    """Hold sums in bytes."""
    return averaged([part.astype(np.uint8) for part in parts], indices, shape).astype(np.uint8)


def into_the_first(parts, indices, shape):
    """Add everything to the first patch."""
    parts[0] *= 1.5
    return averaged(parts, indices, shape)


CUT = {"smallest": 3, "assemble": averaged}

INDEXINGS = (
    Faulty("the border left out", lambda shape: patches(shape, last=False), {"smallest": 2}, ("coverage",)),
    Faulty(
        "the last plane left out",
        lambda shape: [(at, *map(slice, shape[1:])) for at in range(shape[0] - 1)],
        {},
        ("coverage",),
    ),
    Faulty("one voxel over the border", lambda shape: patches(shape, over=1), {"smallest": 2}, ("inside",)),
    Faulty(
        "a negative start",
        lambda shape: [(slice(start - 1, start + 1), *map(slice, shape[1:])) for start in range(shape[0])],
        {},
        ("inside",),
    ),
    Faulty(
        "axes in reverse order",
        lambda shape: [tuple(slice(0, size) for size in shape[::-1])],
        {},
        ("inside", "coverage"),
    ),
    Faulty("axes left out", lambda shape: [(at,) for at in range(shape[0])], {"dimensions": (2, 3)}, ("inside",)),
    Faulty("planes of all axes, as if of one", per_axis, {"disjoint": True, "dimensions": (2, 3)}, ("disjoint",)),
    Faulty(
        "the last patch smaller",
        lambda shape: [
            tuple(slice(at, min(at + 2, size)) for at, size in zip(starts, shape, strict=True))
            for starts in itertools.product(*[range(0, size, 2) for size in shape])
        ],
        {"patch_shape": (2, 2, 2), "smallest": 2},
        ("patch shape",),
    ),
    Faulty(
        "other indices in each call",
        lambda shape: patches(shape)[next(COUNTS) % 2 :],
        {"smallest": 2, "covers": False},
        ("repeat",),
    ),
    Faulty("overlaps added up", patches, CUT | {"assemble": summed}, ("round trip",)),
    Faulty("the last patch wins", patches, CUT | {"assemble": last_one}, ("order",)),
    Faulty("means of means", patches, CUT | {"assemble": halves}, ("order",)),
    Faulty("sums in bytes", patches, CUT | {"assemble": counted_in_bytes}, ("round trip",)),
    Faulty("in place of a patch", patches, CUT | {"assemble": into_the_first}, ("round trip",)),
    Faulty(
        "channels flattened",
        patches,
        CUT
        | {
            "assemble": lambda parts, indices, shape: averaged([part[..., 0] for part in parts], indices, shape),
            "channels": 2,
        },
        ("round trip",),
    ),
    Faulty("the volume transposed", patches, CUT | {"assemble": lambda *given: averaged(*given).T}, ("round trip",)),
)
"""Faulty indices and assemblies."""

RIGHT_INDEXINGS = {
    "whole": (indexing.whole, {"disjoint": True, "assemble": assembly.assemble}),
    "slices": (indexing.slices, {"disjoint": True, "assemble": assembly.assemble, "channels": 2}),
    "voxels": (indexing.voxels, {"disjoint": True, "largest": 4}),
    "patches": (
        lambda shape: indexing.patches(shape, (2,) * len(shape), step=1),
        {"smallest": 2, "largest": 4, "patch_shape": (2, 2, 2), "assemble": assembly.assemble},
    ),
    "all planes": (
        lambda shape: indexing.slices(shape, axis=tuple(range(len(shape)))),
        {"dimensions": (2, 3), "assemble": averaged},
    ),
    "patches by hand": (patches, CUT | {"patch_shape": (2, 2, 2)}),
}
"""Right indices and assemblies, and what is claimed of them."""
