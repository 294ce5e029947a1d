"""Label maps that grow, and images made of label maps alone.

A network that is trained with images of random contrast, made anew from label maps for each step, learns shapes and not
intensities, and works with any scanner. Labels are given, never discovered, so that everything traces under `jit`.
"""

from collections.abc import Iterable

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_map, label_mask, label_sets
from mia_functional.morphology import distance_transform
from mia_functional.transforms.arguments import (
    Numbers,
    as_numbers,
    require_finite,
    require_parameter_shape,
    require_valid,
)
from mia_functional.typing import Array, Labels, Spacing

__all__ = ["label_dilation", "labels_to_image"]


def labels_to_image(
    labels: Array, mean: Numbers, sigma: Numbers, field: Array, *, values: Labels | Iterable[int | tuple[int, ...]]
) -> Array:
    """Make an image of a label map: every label has a mean intensity and a deviation of its own.

    `y = mean_l + sigma_l field` where the label is l. What scanners do to it (`blur`, `bias_field`, `low_resolution`,
    `gamma`, `noise`) comes after.

    Args:
        labels: Integer array `(*spatial, 1)`.
        mean: Mean of every label and contrast, `(labels, contrasts)`; may be traced.
        sigma: Standard deviation of every label and contrast, of the same shape, not negative.
        field: Normal noise of mean 0 and deviation 1, `(*spatial, contrasts)`.
        values: The labels in the order of `mean`, or tuples of labels to merge; a mapping from labels to names will do.
            Voxels of other labels are 0.

    Returns:
        Array `(*spatial, contrasts)` of float32, or of float64 for a field of float64.

    Raises:
        TypeError: The array does not hold integers.
        ValueError: The last axis of the labels is not one channel, or the shapes do not fit; a label is named twice; a
            deviation is negative.

    Example:
        >>> labels, field = np.array([[0], [2], [2]]), np.array([[0.0], [1.0], [-1.0]])
        >>> labels_to_image(labels, [[1.0], [5.0]], [[0.0], [0.5]], field, values=(0, 2))[:, 0].tolist()
        [1.0, 5.5, 4.5]

    Source:
        Billot et al. 2023, SynthSeg: segmentation of brain MRI scans of any contrast and resolution without retraining,
        doi 10.1016/j.media.2023.102789.
    """
    name = "labels_to_image"
    given = {key: as_numbers(name, key, entry, labels) for key, entry in (("mean", mean), ("sigma", sigma))}
    xp, (array, *parameters) = _array.to_common_library(name, labels=labels, **given, field=field)
    # Compared and looked up as wide as sums: 8-bit floats are not even compared by PyTorch.
    dtype = _array.accumulator_dtype(parameters[-1])
    means, sigmas, noise = (xp.astype(entry, dtype, copy=False) for entry in parameters)
    if array.ndim < 2 or array.shape[-1] != 1:
        checks.invalid_value(name, "labels", "have one channel as its last axis", f"shape {tuple(array.shape)}")
    array = label_map(name, "labels", array)
    sets = label_sets(name, values)
    if len(listed := [label for entry in sets for label in entry]) != len(set(listed)):
        checks.invalid_value(name, "values", "name every label once", listed)
    contrasts = noise.shape[-1] if noise.ndim == array.ndim else 0
    require_parameter_shape(name, "field", noise, (*array.shape[:-1], max(contrasts, 1)))
    require_parameter_shape(name, "mean", means, (len(sets), contrasts))
    require_parameter_shape(name, "sigma", sigmas, (len(sets), contrasts))
    require_finite(name, "mean", mean, means)
    require_valid(name, "sigma", sigma, sigmas, lambda number: number >= 0, needed="not be negative")
    # Looked up in a table with a row for each label up to the largest one, and a last one for those without a name: a
    # pass over the volume for every label would take as long as there are labels.
    rows = np.full(max(listed) + 2, len(sets))
    for number, entry in enumerate(sets):
        rows[list(entry)] = number
    last = len(rows) - 1

    def paint(array: Array, means: Array, sigmas: Array, noise: Array) -> Array:
        flat = xp.astype(xp.reshape(array, (-1,)), _array.index_dtype(xp))
        known = xp.where((flat >= 0) & (flat < last), flat, xp.full_like(flat, last))
        own = _array.take(_array.from_numpy(rows, xp, array), known, 0)
        tables = (xp.concat([entry, xp.zeros_like(entry[:1, ...])], axis=0) for entry in (means, sigmas))
        middle, width = (xp.reshape(_array.take(entry, own, 0), noise.shape) for entry in tables)
        return middle + width * noise

    return _array.call_gathered(paint, array, means, sigmas, noise)


def label_dilation(
    labels: Array, radius: Numbers, *, values: Labels | Iterable[int | tuple[int, ...]], spacing: Spacing | None = None
) -> Array:
    """Let labels grow into the background, as far as a radius: each voxel takes the nearest label.

    Voxels of 0 become the label whose nearest voxel is nearest, if that is not farther than `radius`; of equally near
    ones the first of `values`. Other voxels stay.

    Args:
        labels: Integer array `(*spatial, 1)`, of one to three spatial axes.
        radius: Millimetres, from 0 on; may be traced.
        values: The labels that grow; of a tuple of labels, the first is what voxels become.
        spacing: Millimetres between voxel centres; by default voxels are cubes of 1 mm.

    Returns:
        Integer array of the same shape and dtype (uint8 for booleans).

    Raises:
        TypeError: The array does not hold integers.
        ValueError: The last axis is not one channel; the radius is not one number from 0 on; 0 is among the values.

    Example:
        >>> label_dilation(np.array([1, 0, 0, 0, 2])[:, None], 1.0, values=(1, 2))[:, 0].tolist()
        [1, 1, 0, 2, 2]

    Agrees with:
        `skimage.segmentation.expand_labels`, but where labels are equally near.
    """
    name = "label_dilation"
    xp, (array, reach) = _array.to_common_library(
        name, labels=labels, radius=as_numbers(name, "radius", radius, labels)
    )
    if array.ndim < 2 or array.shape[-1] != 1:
        checks.invalid_value(name, "labels", "have one channel as its last axis", f"shape {tuple(array.shape)}")
    checks.dimensions(name, "labels", array.shape, (2, 3, 4))
    reach = xp.astype(reach, _array.accumulator_dtype(reach), copy=False)
    require_parameter_shape(name, "radius", reach, ())
    require_valid(name, "radius", radius, reach, lambda number: number >= 0, needed="not be negative")
    own = label_map(name, "labels", array)
    sets = label_sets(name, values)
    if any(0 in entry for entry in sets):
        checks.invalid_value(name, "values", "name labels above 0, the background", sets)
    volume = own[..., 0]
    steps = checks.spacing(name, (1.0,) * volume.ndim if spacing is None else spacing, volume.ndim)
    with checks.speaking_for(name, "distance_transform", mask="labels"):
        distances = [distance_transform(label_mask(volume, entry), spacing=steps) for entry in sets]
    nearest, result = xp.full_like(distances[0], np.inf), volume
    for entry, distance in zip(sets, distances, strict=True):
        grows = (volume == 0) & (distance < nearest) & (distance <= xp.astype(reach, distance.dtype))
        result = xp.where(grows, xp.full_like(volume, entry[0]), result)
        nearest = xp.minimum(nearest, distance)
    kept = array if _array.dtype_kind(array) != "bool" else own
    return xp.astype(result[..., None], kept.dtype, copy=False)
