"""How the voxels of a structure hang together: components, tunnels and cavities, and the Euler characteristic of them.

Voxels touch by faces alone or by edges and corners too. The background has the other rule, as with one rule for both a
curve would not part the plane: the pairs of adjacency are (8, 4) and (4, 8) in 2-D, (26, 6) and (6, 26) in 3-D.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._label_maps import label_sets
from mia_functional.metrics.inputs import paired_arrays, structure_masks
from mia_functional.metrics.statistic_or_pair import derived_from
from mia_functional.morphology import bounding_box, connected_components
from mia_functional.morphology.component_counts import count_components
from mia_functional.morphology.masks import DIMENSIONS
from mia_functional.typing import Array, HostArray, Label, Labels

__all__ = [
    "TopologyCounts",
    "betti_error",
    "betti_numbers",
    "euler_characteristic",
    "euler_error",
    "topology_counts",
]


class TopologyCounts(NamedTuple):
    """The Betti numbers of a pair: integers of shape (..., 3); with labels, of shape (L, 3).

    Attributes:
        prediction: Components, tunnels (in 2-D, holes) and cavities (in 2-D, none) of the prediction.
        reference: Those of the reference.
    """

    prediction: Array
    reference: Array


@_array.one_node
def euler_characteristic(
    mask: Array, *, connectivity: int | None = None, labels: Labels | Iterable[Label] | None = None
) -> Array:
    """Return the Euler characteristic of a structure: components minus tunnels plus cavities, without a search.

    Formula: V - E + F - C, the numbers of corners, edges, faces and cubes of the union of all voxels as closed cubes,
    or of the complex that has a corner for each voxel, an edge for two that share a face, a face for a block of 2 x 2
    and a cube for one of 2 x 2 x 2. All are counts of blocks of voxels, of which any are inside, or all.

    Args:
        mask: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        connectivity: 1 for voxels that touch by faces alone; the number of axes, which is the default, for voxels that
            touch by edges and corners too. The background has the other one.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.

    Returns:
        Integer, of either sign. One entry per label.

    Raises:
        TypeError: The mask is not an array, or holds floats.
        ValueError: The array is empty or has more than three axes; the connectivity is neither 1 nor the number of
            axes; a mask holds values other than 0 and 1; a label is negative.

    Example:
        >>> import numpy as np
        >>> ring = np.ones((3, 3), bool)
        >>> ring[1, 1] = False
        >>> int(euler_characteristic(ring))
        0

    Source:
        Kong and Rosenfeld 1989, Digital topology: introduction and survey, doi 10.1016/0734-189X(89)90147-3.

    Agrees with:
        scikit-image's `euler_number`.
    """
    name = "euler_characteristic"
    masks = structure_masks(name, "mask", mask, labels)
    closed = _touches_everywhere(name, connectivity, mask)
    xp = _array.array_namespace(mask)
    numbers = xp.stack([_euler_number(one, closed=closed) for one in masks])
    return numbers[0, ...] if labels is None else numbers


@_array.one_node
def betti_numbers(
    mask: Array, *, connectivity: int | None = None, labels: Labels | Iterable[Label] | None = None
) -> Array:
    """Return the Betti numbers of a structure: how many components, tunnels and cavities it has.

    In 2-D a tunnel is a hole, and there are no cavities. Components and cavities (components of the background but the
    outer one) are counted, tunnels follow from the Euler characteristic: b1 = b0 + b2 - Euler.

    Args:
        mask: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        connectivity: As in `euler_characteristic`.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.

    Returns:
        Integers, with a last axis of length 3; one row per label. What lies beyond the image is background.

    Raises:
        TypeError: As `euler_characteristic`.
        ValueError: As `euler_characteristic`.

    Example:
        >>> import numpy as np
        >>> ring = np.ones((3, 3), bool)
        >>> ring[1, 1] = False
        >>> betti_numbers(ring).tolist()
        [1, 1, 0]

    Source:
        Kong and Rosenfeld 1989, Digital topology: introduction and survey, doi 10.1016/0734-189X(89)90147-3.

    Agrees with:
        The ranks of gudhi's cubical complexes, whose top-dimensional cells are the voxels.
    """
    name = "betti_numbers"
    masks = structure_masks(name, "mask", mask, labels)
    closed = _touches_everywhere(name, connectivity, mask)
    numbers = _array.array_namespace(mask).stack([_betti_numbers(one, closed=closed) for one in masks])
    return numbers[0, ...] if labels is None else numbers


@_array.one_node
def topology_counts(
    prediction: Array,
    reference: Array,
    *,
    connectivity: int | None = None,
    labels: Labels | Iterable[Label] | None = None,
    mask: Array | None = None,
) -> TopologyCounts:
    """Count components, tunnels and cavities of a pair of masks, or of every label of a pair of label maps.

    Args:
        prediction: Mask (bool, or integers 0 and 1) of one to three axes; with `labels`, an integer label map.
        reference: Array of the same shape.
        connectivity: As in `euler_characteristic`.
        labels: Mapping from labels to names, or a sequence of labels; a tuple of label values is merged into one.
        mask: Mask of the same shape; voxels outside of it are background in both.

    Returns:
        The Betti numbers of both.

    Raises:
        TypeError: An argument is not an array, or holds neither masks nor labels; arrays of two libraries other than
            NumPy, or of two devices, meet.
        ValueError: The shapes differ; else as `euler_characteristic`.

    Example:
        >>> import numpy as np
        >>> counts = topology_counts(np.array([[1, 0, 1]]), np.array([[1, 1, 1]]))
        >>> counts.prediction.tolist(), counts.reference.tolist()
        ([2, 0, 0], [1, 0, 0])
    """
    name = "topology_counts"
    prediction, reference, *inside = paired_arrays(name, prediction, reference, mask=mask)
    # An iterator of labels has to serve both.
    sets = None if labels is None else label_sets(name, labels, prediction, reference)
    closed = _touches_everywhere(name, connectivity, prediction)
    xp = _array.array_namespace(prediction)
    records = []
    for argument, array in (("prediction", prediction), ("reference", reference)):
        masks = structure_masks(name, argument, array, sets)
        numbers = xp.stack([_betti_numbers(one & inside[0] if inside else one, closed=closed) for one in masks])
        records.append(numbers[0, ...] if sets is None else numbers)
    return TopologyCounts(*records)


_from_topology = derived_from(topology_counts, TopologyCounts)


@_from_topology
def betti_error(counts: TopologyCounts, *, dimension: int = 0) -> Array:
    """Return the Betti error: by how many components, tunnels or cavities prediction and reference differ.

    Formula: |b_P - b_R|, with b the Betti number of the dimension: 0 for components, 1 for tunnels (in 2-D, holes), 2
    for cavities.

    Args:
        counts: Betti numbers, or the pair with the options of `topology_counts`.
        dimension: 0, 1 or 2.

    Returns:
        Whole numbers as floats, at least 0; lower is better. One entry per label. It is 0 for equally many in other
        places, too.

    Raises:
        ValueError: The dimension is none of 0, 1 and 2.

    Example:
        >>> import numpy as np
        >>> float(betti_error(np.array([[1, 0, 1]]), np.array([[1, 1, 1]])))
        1.0

    Source:
        Hu et al. 2019, Topology-preserving deep image segmentation, arXiv 1906.05404.
    """
    number = checks.integer("betti_error", "dimension", dimension, minimum=0)
    if number > 2:
        checks.invalid_value("betti_error", "dimension", "be 0, 1 or 2", number)
    return _difference(counts.prediction[..., number], counts.reference[..., number])


@_from_topology
def euler_error(counts: TopologyCounts) -> Array:
    """Return the Euler error: by how much the Euler characteristics of prediction and reference differ.

    Formula: |Euler_P - Euler_R|, with Euler = b0 - b1 + b2 of the Betti numbers.

    Args:
        counts: Betti numbers, or the pair with the options of `topology_counts`.

    Returns:
        Whole numbers as floats, at least 0; lower is better. One entry per label. A component too many and a tunnel too
        many cancel.

    Example:
        >>> import numpy as np
        >>> float(euler_error(np.array([[1, 0, 1]]), np.array([[1, 1, 1]])))
        1.0

    Source:
        Kong and Rosenfeld 1989, Digital topology: introduction and survey, doi 10.1016/0734-189X(89)90147-3.
    """
    characteristics = (betti[..., 0] - betti[..., 1] + betti[..., 2] for betti in counts)
    return _difference(*characteristics)


def _difference(one: Array, other: Array) -> Array:
    """Return by how much two counts differ, as a float."""
    xp = _array.array_namespace(one)
    return xp.astype(xp.abs(one - other), _array.widest_float(xp, one))


def _touches_everywhere(function: str, connectivity: int | None, mask: Array) -> bool:
    """Return whether voxels touch by edges and corners, too."""
    argument = "prediction" if function == "topology_counts" else "mask"
    checks.dimensions(function, argument, mask.shape, DIMENSIONS)
    _array.require_in_memory(function, argument, mask)
    if connectivity is None:
        return True
    reach = checks.integer(function, "connectivity", connectivity, minimum=1)
    if reach not in (1, mask.ndim):
        needed = f"be 1 or {mask.ndim}, the number of axes: to those between belongs no rule for the background"
        checks.invalid_value(function, "connectivity", needed, reach)
    return reach == mask.ndim


def _betti_numbers(mask: Array, *, closed: bool) -> Array:
    """Return the three Betti numbers of a boolean mask."""
    xp = _array.array_namespace(mask)
    integer = xp.__array_namespace_info__().default_dtypes()["integral"]
    if _array.is_torch(mask) and _array.is_unknown(mask):
        return _array.call_opaquely("betti_numbers", _betti_on_host, mask, shape=(3,), dtype=integer, closed=closed)
    if _array.is_traced(mask):
        return _array.jit_call(_betti_by_labels, mask, closed=closed)
    return xp.astype(_betti_on_host(mask, closed=closed), integer, copy=False)


def _betti_on_host(mask: Array, *, closed: bool) -> Array:
    """Return the three Betti numbers of a boolean mask of any library, whose values the host reads."""
    native = _array.to_numpy(mask)
    # Nothing of a structure lies outside of the box around it.
    box = np.ascontiguousarray(native[bounding_box(native)])
    numbers = [0, 0, 0]
    if box.size:
        foreground, background = (mask.ndim, 1) if closed else (1, mask.ndim)
        numbers[0] = count_components(box, foreground)
        if mask.ndim > 1:
            numbers[mask.ndim - 1] = count_components(~box, background, enclosed=True)
        if mask.ndim == 3:
            numbers[1] = numbers[0] + numbers[2] - _count_packed_blocks(box, closed=closed)
    return _array.from_numpy(np.array(numbers), _array.array_namespace(mask), mask)


def _betti_by_labels(mask: Array, *, closed: bool) -> Array:
    """Return the three Betti numbers of a boolean mask in a program, from its numbered components."""
    xp = _array.array_namespace(mask)
    foreground, background = (mask.ndim, 1) if closed else (1, mask.ndim)
    components = _component_count(mask, foreground)
    none = xp.zeros_like(components)
    if mask.ndim == 1:
        return xp.stack([components, none, none])
    enclosed = _component_count(_surrounded(~mask), background) - 1
    if mask.ndim == 2:
        return xp.stack([components, enclosed, none])
    tunnels = components + enclosed - xp.astype(_euler_number(mask, closed=closed), components.dtype)
    return xp.stack([components, tunnels, enclosed])


def _component_count(mask: Array, connectivity: int) -> Array:
    """Return the number of components of a boolean mask."""
    xp = _array.array_namespace(mask)
    integer = xp.__array_namespace_info__().default_dtypes()["integral"]
    return xp.astype(xp.max(connected_components(mask, connectivity=connectivity)), integer)


def _surrounded(background: Array) -> Array:
    """Return a mask of the background with one voxel more of it at both ends of every axis."""
    xp = _array.array_namespace(background)
    for axis in range(background.ndim):
        edge = xp.ones_like(background[(*(slice(None),) * axis, slice(0, 1), ...)])
        background = xp.concat([edge, background, edge], axis=axis)
    return background


def _euler_number(mask: Array, *, closed: bool) -> Array:
    """Return the Euler characteristic of a boolean mask."""
    xp = _array.array_namespace(mask)
    integer = xp.__array_namespace_info__().default_dtypes()["integral"]
    if not _array.in_host_memory(mask):
        return xp.astype(_array.jit_call(_count_blocks, mask, closed=closed), integer)
    native = _array.to_numpy(mask)
    box = native[bounding_box(native)]
    number = _count_packed_blocks(box, closed=closed) if box.size else 0
    return xp.astype(_array.from_numpy(np.array(number), xp, mask), integer)


def _count_blocks(mask: Array, *, closed: bool) -> Array:
    """Return the alternating sum of how many blocks of voxels, one or two along every axis, are inside."""
    xp = _array.array_namespace(mask)
    blocks: dict[tuple[int, ...], Array] = {(): mask}
    # Blocks by the axes along which they are two voxels long.
    for axis in range(mask.ndim):
        blocks |= {(*axes, axis): _joined(some, axis, closed=closed) for axes, some in blocks.items()}
    counts = [xp.count_nonzero(some) * _sign(len(axes), mask.ndim, closed=closed) for axes, some in blocks.items()]
    return sum(counts[1:], start=counts[0])


def _count_packed_blocks(mask: NDArray[np.bool_], *, closed: bool) -> int:
    """Return what `_count_blocks` does of a NumPy mask, with eight voxels in a byte."""
    total = 0
    # The last axis comes first, as bits cannot be shifted along it later.
    for doubled in (False, True):
        voxels = _joined(mask, mask.ndim - 1, closed=closed) if doubled else mask
        packed: dict[tuple[int, ...], Array] = {(): np.packbits(_array.to_numpy(voxels), axis=-1)}
        for axis in range(mask.ndim - 1):
            packed |= {(*axes, axis): _joined(some, axis, closed=closed) for axes, some in packed.items()}
        for axes, some in packed.items():
            total += _count_bits(_array.to_numpy(some)) * _sign(len(axes) + doubled, mask.ndim, closed=closed)
    return total


def _joined(inside: Array, axis: int, *, closed: bool) -> Array:
    """Return of which pairs of neighbours along an axis both are inside, or any is; bits are pairs of their own.

    With `any`, the ends of the image have a neighbour outside.
    """
    xp = _array.array_namespace(inside)
    before = (slice(None),) * axis
    if not closed:
        return inside[(*before, slice(1, None), ...)] & inside[(*before, slice(None, -1), ...)]
    edge = xp.zeros_like(inside[(*before, slice(0, 1), ...)])
    return xp.concat([inside, edge], axis=axis) | xp.concat([edge, inside], axis=axis)


def _sign(doubled: int, ndim: int, *, closed: bool) -> int:
    """Return the sign with which blocks count that are two voxels long along some axes.

    Of closed cubes, a block of which any voxel is inside stands for a cell with as many dimensions as axes are left.
    """
    return -1 if (ndim - doubled if closed else doubled) % 2 else 1


def _count_bits(packed: HostArray) -> int:
    """Return the number of bits that are set."""
    flat = np.ascontiguousarray(packed).reshape(-1)
    whole = flat.size // 8 * 8
    words = np.bitwise_count(flat[:whole].view(np.uint64))
    return int(words.sum(dtype=np.int64)) + int(np.bitwise_count(flat[whole:]).sum(dtype=np.int64))
