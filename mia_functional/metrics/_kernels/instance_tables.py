"""What there is to know of the components of a pair of masks: records, and how programs get them, from histograms."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mia_functional import _array
from mia_functional.morphology.components import label_in_program
from mia_functional.typing import Array


class ComponentTable(NamedTuple):
    """Components in order.

    Attributes:
        sizes: Voxels, shape (N,); 0 in what fills up a fixed shape.
        centres: Mean positions in voxels, shape (N, D).
        boxes: First position, and the one behind the last, along every axis: shape (N, D, 2).
    """

    sizes: Array
    centres: Array
    boxes: Array


class PairTables(NamedTuple):
    """Components of both masks, how many voxels each of one shares with each of the other, and whether all are there.

    Attributes:
        prediction: Components of the prediction.
        reference: Components of the reference.
        codes: Positions of pairs that share voxels in a matrix of all pairs, ascending: on the host. In programs None.
        shared: Voxels of these pairs; in programs of all pairs, a matrix.
        overflow: Whether there are more components than fixed shapes hold.
    """

    prediction: ComponentTable
    reference: ComponentTable
    codes: NDArray[np.int64] | None
    shared: Array
    overflow: Array


def program_tables(prediction: Array, reference: Array, *, connectivity: int | None, most: int) -> PairTables:
    """Return the tables of a pair of JAX with room for `most` components each; further ones are left out."""
    maps, overflows = zip(*(_numbered(array, connectivity, most) for array in (prediction, reference)), strict=True)
    xp = _array.array_namespace(prediction)
    width = most + 1
    shared = _array.bincount(lambda one, other: one * width + other, maps, width * width)
    matrix = xp.reshape(shared, (width, width))[1:, 1:]
    tables = [_table_of_labels(labels, most) for labels in maps]
    return PairTables(tables[0], tables[1], None, matrix, overflows[0] | overflows[1])


def _numbered(array: Array, connectivity: int | None, most: int) -> tuple[Array, Array]:
    """Return the components of an array numbered from 1 to `most`, 0 elsewhere, and whether there are more."""
    xp = _array.array_namespace(array)
    if connectivity is not None:
        labels = label_in_program(array, connectivity=connectivity)
        return xp.where(labels > most, 0, labels), xp.max(labels) > most
    # Numbers with gaps between them become positions.
    over = xp.max(array) > most
    known = xp.astype(xp.where((array > most) | (array < 0), 0, array), xp.int32)
    there = _array.bincount(lambda labels: labels, (known,), most + 1) > 0
    rank = xp.cumulative_sum(xp.astype(there, xp.int32)) - xp.astype(there[0], xp.int32)
    numbers = xp.reshape(xp.take(rank, xp.reshape(known, (-1,))), known.shape)
    return xp.astype(xp.where(known > 0, numbers, 0), xp.int32), over


def _table_of_labels(labels: Array, most: int) -> ComponentTable:
    """Return the table of components numbered from 1 on, from their voxels on each plane along each axis."""
    xp = _array.array_namespace(labels)
    dtype = _array.widest_float(xp, labels)
    columns = []
    for axis, size in enumerate(labels.shape):
        shape = (1,) * axis + (size,) + (1,) * (labels.ndim - axis - 1)
        place = xp.broadcast_to(xp.reshape(xp.arange(size, dtype=labels.dtype), shape), labels.shape)
        counts = _array.bincount(lambda one, at, size=size: one * size + at, (labels, place), (most + 1) * size)
        planes = xp.reshape(counts, (most + 1, size))[1:, :]
        voxels = xp.sum(planes, axis=1)
        first, last = xp.argmax(planes > 0, axis=1), size - xp.argmax(xp.flip(planes > 0, axis=1), axis=1)
        box = xp.where((voxels > 0)[:, None], xp.stack([first, last], axis=1), 0)
        # From the start of the box, as sums of large positions have few digits in single precision.
        steps = xp.astype(xp.arange(size)[None, :] - box[:, :1], dtype)
        centre = _array.ratio(
            xp.sum(xp.astype(planes, dtype) * steps, axis=1), xp.astype(voxels, dtype), zero_division=0
        )
        columns.append((voxels, centre + xp.astype(box[:, 0], dtype), box))
    sizes, centres, boxes = zip(*columns, strict=True)
    return ComponentTable(sizes[0], xp.stack(centres, axis=1), xp.stack(boxes, axis=1))


def padded_table(table: ComponentTable, most: int) -> ComponentTable:
    """Return a table of NumPy with room for `most` components, whose further ones are left out."""
    widths = max(0, most - table.sizes.shape[0])
    columns = (np.pad(_array.to_numpy(field), [(0, widths)] + [(0, 0)] * (field.ndim - 1)) for field in table)
    return ComponentTable(*(column[:most] for column in columns))


def pairs_of_matrix(wanted: Array, most: int) -> tuple[Array, Array, Array]:
    """Return the first `most` pairs of a matrix of JAX that are wanted, -1 behind them, and whether there are more."""
    xp, columns = _array.array_namespace(wanted), wanted.shape[1]
    (codes,) = xp.nonzero(xp.reshape(wanted, (-1,)), size=most, fill_value=-1)
    filled = codes < 0
    first, second = (xp.where(filled, -1, part) for part in (codes // columns, codes % columns))
    return first, second, xp.sum(xp.astype(wanted, xp.int32)) > most


def squared_distances(one: Array, other: Array) -> Array:
    """Return the squared distances between all points of two lists, (N, M)."""
    xp = _array.array_namespace(one)
    return xp.sum((one[:, None, :] - other[None, :, :]) ** 2, axis=-1)
