"""What a segmentation consists of: segments with names and coded properties, on a grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mia_functional.geometry import Geometry
from mia_functional.typing import HostArray

__all__ = ["Code", "Reference", "Segment", "SegmentRequest", "Segmentation", "renumbered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A word of a controlled vocabulary, as DICOM writes it (PS3.3, section 8.8).

    Args:
        value: The code: `"10200004"`.
        scheme: Who defines it: `"SCT"` for SNOMED CT, `"DCM"` for DICOM itself.
        meaning: What it means, for people: `"Liver"`.

    Example:
        >>> Code(value="10200004", scheme="SCT", meaning="Liver").meaning
        'Liver'
    """

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One structure of a segmentation.

    Args:
        label: Its number: the value of its voxels in a label map, or in its layer.
        name: What it is called.
        layer: Which layer of the file it is in, where segments overlap; 0 otherwise.
        colour: Red, green and blue, within [0, 1]; None if the file states none.
        category: What kind of thing it is, such as an anatomical structure.
        type: What it is, such as the liver.
        modifier: What qualifies the type, such as left.
        region: Where in the body it is, such as the adrenal gland.
        region_modifier: What qualifies the region, such as right.
        algorithm_type: How it came about: `"AUTOMATIC"`, `"SEMIAUTOMATIC"` or `"MANUAL"`; empty if that is not known.
        algorithm: The name of the algorithm; empty for manual ones.
        interpreted_type: What it is to radiotherapy, such as `"ORGAN"` or `"PTV"`; empty if no file says so.
        identifier: What the file calls it beside its name; empty if it does not (`SegmentN_ID` of 3D Slicer).
        tags: What else the file says of it, as pairs of texts (`SegmentN_Tags` of 3D Slicer).

    Example:
        >>> Segment(label=1, name="liver").layer
        0
    """

    label: int
    name: str
    layer: int = 0
    colour: tuple[float, float, float] | None = None
    category: Code | None = None
    type: Code | None = None
    modifier: Code | None = None
    region: Code | None = None
    region_modifier: Code | None = None
    algorithm_type: str = ""
    algorithm: str = ""
    interpreted_type: str = ""
    identifier: str = ""
    tags: tuple[tuple[str, str], ...] = ()


class Segmentation(NamedTuple):
    """Segments on a grid.

    Attributes:
        array: A label map `(*spatial,)`, in which every voxel has the label of its segment or 0; or channels
            `(*spatial, segments)`, one for each of `segments` in their order: 1 (or True) within it, 0 outside, or the
            fraction of the voxel, or the probability, within [0, 1].
        segments: In the order of the file.
        geometry: The grid.
    """

    array: HostArray
    segments: tuple[Segment, ...]
    geometry: Geometry


class Reference(NamedTuple):
    """A grid on which segments lie, and the DICOM series whose grid it is, if it is that of one, a folder or a file."""

    geometry: Geometry
    series: Path | None = None


class SegmentRequest(NamedTuple):
    """How segments are to be returned.

    Args:
        reference: The grid to put them on; None for that of the file.
        channels: Whether each segment is to be a channel, also where they do not overlap.
        max_bytes: Largest array in bytes.
    """

    reference: Reference | None
    channels: bool
    max_bytes: int


def renumbered(values: HostArray, labels: Mapping[int, int], dtype: np.dtype[np.generic]) -> HostArray:
    """Return whole numbers replaced by labels, and by 0 where there is none for them; the keys are above 0."""
    # Beyond the largest key, and below 0, is nothing.
    table = np.zeros(max(labels, default=0) + 2, dtype)
    table[list(labels)] = list(labels.values())
    result = np.empty(values.shape, dtype)
    for plane, source in zip(result, values, strict=True):  # places take 8 bytes each
        np.take(table, source.astype(np.intp, copy=False), mode="clip", out=plane)
    return result
