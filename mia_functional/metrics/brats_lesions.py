"""The lesion-wise evaluation of the BraTS challenges of 2023: Dice, 95th percentile of distances, surface Dice.

All axes are spatial, one to three of them. Components of the reference that touch after a dilation are one lesion, and
a predicted component that meets the dilated lesion is part of its prediction.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.metrics._kernels.component_masks import (
    box_around,
    boxes_of_runs,
    component_runs,
    components_at,
    paint_components,
)
from mia_functional.metrics.confusion import ConfusionCounts
from mia_functional.metrics.distance import hausdorff_distance
from mia_functional.metrics.inputs import paired_arrays, pairs_in_turn
from mia_functional.metrics.overlap import dice
from mia_functional.metrics.statistic_or_pair import derived_from_each
from mia_functional.metrics.surface import SurfaceDistances, surface_distances
from mia_functional.metrics.surface_agreement import normalized_surface_dice
from mia_functional.typing import Array, Label, Labels, Spacing

__all__ = ["BratsLesions", "brats_dice", "brats_hausdorff_distance", "brats_lesion_wise", "brats_surface_dice"]

_FACE_AND_EDGE = 2
"""How many coordinates of neighbours differ by which the dilation grows: those that share a face or an edge."""

_PENALTY = 374.0
"""Millimetres that stand for a missed and for a false lesion: the diagonal of the images of BraTS, rounded up."""


class BratsLesions(NamedTuple):
    """Lesions of the reference, each with all predicted components near it. `merge` joins those of several cases.

    Attributes:
        counts: True and false positives and negatives of each lesion, in the whole volume, shape (K,).
        volumes: Volume of each lesion: cubic millimetres (square ones in 2-D).
        surfaces: Distances between the surfaces of each lesion and of its prediction.
        false_lesions: How many predicted components are near no lesion.
    """

    counts: ConfusionCounts
    volumes: Array
    surfaces: tuple[SurfaceDistances, ...]
    false_lesions: Array


@_array.one_node
def brats_lesion_wise(
    prediction: Array,
    reference: Array,
    *,
    spacing: Spacing,
    labels: Labels | Iterable[Label] | None = None,
    dilation: int = 3,
    ignore: Array | None = None,
) -> BratsLesions | tuple[BratsLesions, ...]:
    """Find the lesions of a reference and their predictions by the rules of BraTS 2023. It runs on the host.

    The reference is dilated; its voxels in one component of that are a lesion. All predicted components that share a
    voxel with the dilated lesion are its prediction, together, so that one may belong to several lesions; those that
    meet no lesion are false. Components hang together by corners, dilations grow by faces and edges.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        spacing: Millimetres between voxel centres along each axis.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one: in
            BraTS 2023 (1, 2, 3) is the whole tumour, (1, 3) its core and 3 what enhances.
        dilation: Voxels by which the reference grows: 3 for BraTS' gliomas (also in children and sub-Saharan Africa), 1
            for meningiomas and metastases.
        ignore: Mask of the same shape: voxels of which it is not known what they are. They are outside of both masks,
            and surfaces leave them out.

    Returns:
        The lesions; with `labels`, a tuple of such records, one per label. Lesions are in order of their dilation.

    Raises:
        TypeError: An argument is not an array, holds floats or, as in a program, no values; arrays of two libraries
            other than NumPy, or of two devices, meet; the dilation is no whole number.
        ValueError: The shapes differ, are empty or have more than three axes; a spacing is not positive; the dilation
            is negative; a mask holds other values than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> one, other = np.zeros((2, 40), bool)
        >>> other[[5, 9]], one[[4, 12, 30]] = True, True
        >>> found = brats_lesion_wise(one, other, spacing=(1.0,))
        >>> found.volumes.tolist(), found.counts.fp.tolist(), int(found.false_lesions)
        ([2.0], [2], 1)

    Source:
        Moawad et al. 2023, BraTS-METS, arXiv 2306.00838; the rules are those of the challenges' program.

    Agrees with:
        `get_LesionWiseResults` of BraTS 2023's metrics.
    """
    name = "brats_lesion_wise"
    arrays = paired_arrays(name, prediction, reference, mask=ignore, name="ignore")
    for argument, array in zip(("prediction", "reference"), arrays, strict=False):
        _array.require_in_memory(name, argument, array)
    first, second, *ignored = map(_array.to_numpy, arrays)
    step = checks.spacing(name, spacing, first.ndim)
    steps = checks.integer(name, "dilation", dilation, minimum=0)
    voxels = first.size - sum(int(np.count_nonzero(mask)) for mask in ignored)
    records = tuple(
        _brats_record(arrays[0], _lesions_on_host(*map(_array.to_numpy, group[0]), step=step, steps=steps), voxels)
        for group in pairs_in_turn(name, first, second, labels, *ignored)
    )
    return records[0] if labels is None else records


class _HostLesions(NamedTuple):
    """Lesions on the host: voxels shared, predicted and of the reference, (K, 3), surfaces, and how many are false."""

    sizes: NDArray[np.int64]
    surfaces: list[SurfaceDistances]
    false_lesions: int
    voxel: float


def _lesions_on_host(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *ignored: NDArray[np.bool_], step: Spacing, steps: int
) -> _HostLesions:
    """Return the lesions of a pair of masks."""
    masks = [mask & ~ignored[0] for mask in (prediction, reference)] if ignored else [prediction, reference]
    parts = [component_runs(mask, mask.ndim) for mask in masks]
    boxes = [boxes_of_runs(part) for part in parts]
    dilated = component_runs(_dilated(masks[1], steps), masks[1].ndim)
    # A component lies in one dilated component as a whole: its first voxel says in which.
    owners = components_at(parts[1].start[parts[1].bounds[:-1]], dilated)
    predicted = np.flatnonzero(masks[0])
    pairs = np.stack([components_at(predicted, dilated), components_at(predicted, parts[0])])
    near = np.unique(pairs[:, pairs[0] >= 0], axis=1)
    sizes, surfaces = [], []
    for number in range(dilated.bounds.size - 1):
        chosen = near[1, near[0] == number], np.flatnonzero(owners == number)
        around = np.concatenate([box[positions] for box, positions in zip(boxes, chosen, strict=True)])
        box = box_around(around, masks[0].shape, margin=1)
        pair = [paint_components(part, positions, box) for part, positions in zip(parts, chosen, strict=True)]
        sizes.append([np.count_nonzero(pair[0] & pair[1]), *map(np.count_nonzero, pair)])
        known = ignored[0][box] if ignored else None
        surfaces.append(surface_distances(pair[0], pair[1], spacing=step, ignore=known))
    false_lesions = parts[0].bounds.size - 1 - np.unique(near[1]).size
    return _HostLesions(np.array(sizes, np.int64).reshape(-1, 3), surfaces, false_lesions, math.prod(step))


def _dilated(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return a mask that has grown by some voxels along faces and edges."""
    from scipy import ndimage  # at its first use: SciPy takes as long to import as NumPy

    if not steps:  # SciPy would go on until nothing changes
        return mask
    structure = ndimage.generate_binary_structure(mask.ndim, min(_FACE_AND_EDGE, mask.ndim))
    grown: NDArray[np.bool_] = ndimage.binary_dilation(mask, structure, iterations=steps)
    return grown


def _brats_record(model: Array, lesions: _HostLesions, voxels: int) -> BratsLesions:
    """Return lesions with arrays of the library of another array."""
    xp = _array.array_namespace(model)
    shared, claimed, sizes = lesions.sizes.T
    counts = shared, claimed - shared, sizes - shared, voxels - claimed - sizes + shared
    surfaces = (
        SurfaceDistances(*(_array.from_numpy(_array.to_numpy(field), xp, model) for field in one))
        for one in lesions.surfaces
    )
    return BratsLesions(
        ConfusionCounts(*(_array.from_numpy(field, xp, model) for field in counts)),
        _array.from_numpy(sizes * lesions.voxel, xp, model),
        tuple(surfaces),
        _array.from_numpy(np.asarray(lesions.false_lesions), xp, model),
    )


_from_lesions = derived_from_each(brats_lesion_wise, BratsLesions)


def _mean(lesions: BratsLesions, values: Array, penalty: float, minimum_volume: float, zero_division: float) -> Array:
    """Return the mean of values over the lesions that are large enough and, with the penalty, the false ones."""
    xp = _array.array_namespace(lesions.volumes)
    kept = lesions.volumes > minimum_volume
    finite = xp.where(xp.isinf(values), penalty, values)
    false_lesions = xp.astype(lesions.false_lesions, lesions.volumes.dtype)
    total = xp.sum(xp.where(kept, xp.astype(finite, lesions.volumes.dtype), 0.0)) + penalty * false_lesions
    return _array.ratio(
        total, xp.sum(xp.astype(kept, lesions.volumes.dtype)) + false_lesions, zero_division=zero_division
    )


@_from_lesions
def brats_dice(lesions: BratsLesions, *, minimum_volume: float = 50.0, zero_division: float = 1.0) -> Array:
    """Return the lesion-wise Dice coefficient of BraTS 2023.

    Formula: sum Dice_k / (K + FP), over the K lesions of the reference above the minimum volume, with the FP predicted
    components near no lesion; a missed lesion has a Dice coefficient of 0.

    Args:
        lesions: Lesions of `brats_lesion_wise`, or the pair with its options.
        minimum_volume: Cubic millimetres; lesions of this volume or less are left out, found or not. 50 for most
            challenges, 2 for metastases. False lesions count whatever their volume.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No lesion above the minimum volume and no false one: 1, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.zeros((2, 40), bool)
        >>> other[[5, 9]], one[[5, 9, 30]] = True, True
        >>> float(brats_dice(one, other, spacing=(1.0,), minimum_volume=0))
        0.5

    Source:
        Moawad et al. 2023, BraTS-METS, arXiv 2306.00838.

    Agrees with:
        `LesionWise_Score_Dice` of BraTS 2023's metrics.
    """
    return _mean(lesions, dice(lesions.counts), 0.0, minimum_volume, zero_division)


@_from_lesions
def brats_hausdorff_distance(
    lesions: BratsLesions,
    *,
    percentile: float = 95.0,
    minimum_volume: float = 50.0,
    penalty: float = _PENALTY,
    zero_division: float = 0.0,
) -> Array:
    """Return the lesion-wise 95th percentile of the Hausdorff distance (HD95) of BraTS 2023.

    Formula: (sum HD95_k + 374 FP) / (K + FP), over the K lesions of the reference above the minimum volume, with the FP
    predicted components near no lesion; a missed lesion has a distance of 374 mm.

    Args:
        lesions: Lesions of `brats_lesion_wise`, or the pair with its options.
        percentile: Percentile of the distances; 100 is the Hausdorff distance.
        minimum_volume: Cubic millimetres, as in `brats_dice`.
        penalty: Millimetres that a missed and a false lesion count as: the diagonal of the images of BraTS.
        zero_division: The value where the metric is undefined.

    Returns:
        Millimetres, 0 or more; lower is better.

    Undefined:
        No lesion above the minimum volume and no false one: 0, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.zeros((2, 40), bool)
        >>> other[[5, 9]], one[[5, 9, 30]] = True, True
        >>> float(brats_hausdorff_distance(one, other, spacing=(1.0,), minimum_volume=0))
        187.0

    Source:
        Moawad et al. 2023, BraTS-METS, arXiv 2306.00838.

    Agrees with:
        `LesionWise_Score_HD95` of BraTS 2023's metrics, whose surface is that of DeepMind.
    """
    surfaces = lesions.surfaces
    values = hausdorff_distance(surfaces, percentile=percentile) if surfaces else lesions.volumes
    return _mean(lesions, values, penalty, minimum_volume, zero_division)


@_from_lesions
def brats_surface_dice(
    lesions: BratsLesions, *, tolerance: float = 1.0, minimum_volume: float = 50.0, zero_division: float = 1.0
) -> Array:
    """Return the lesion-wise normalized surface Dice (NSD) by the rules of BraTS 2023.

    Formula: sum NSD_k / (K + FP), over the K lesions of the reference above the minimum volume, with the FP predicted
    components near no lesion; a missed lesion has a surface Dice of 0.

    Args:
        lesions: Lesions of `brats_lesion_wise`, or the pair with its options.
        tolerance: Millimetres by which the surfaces may be apart, as in `normalized_surface_dice`.
        minimum_volume: Cubic millimetres, as in `brats_dice`.
        zero_division: The value where the metric is undefined.

    Returns:
        0 to 1; higher is better.

    Undefined:
        No lesion above the minimum volume and no false one: 1, or `zero_division`.

    Example:
        >>> import numpy as np
        >>> one, other = np.zeros((2, 40), bool)
        >>> other[[5, 9]], one[[5, 9, 30]] = True, True
        >>> float(brats_surface_dice(one, other, spacing=(1.0,), minimum_volume=0))
        0.5

    Source:
        Moawad et al. 2023, BraTS-METS, arXiv 2306.00838, for the rules.
    """
    surfaces = lesions.surfaces
    values = normalized_surface_dice(surfaces, tolerance=tolerance) if surfaces else lesions.volumes
    return _mean(lesions, values, 0.0, minimum_volume, zero_division)
