"""Which parts of a volume become samples: index tuples from shapes, without touching data.

Every function takes the spatial shape and returns a lazy sequence (`Indices`, `Boxes`) of plain tuples of `int` and
`slice`, usable as `array[index]` in every library. Trailing axes (channels) stay untouched. The order is that of the
array, last axis fastest.
"""

from mia_functional.indexing.boundaries import BoundaryRule, clip, drop, even, overhang, shift
from mia_functional.indexing.grids import patches, slabs, slices, voxels, whole
from mia_functional.indexing.margins import dilate
from mia_functional.indexing.random import random_patches, random_patches_at
from mia_functional.indexing.records import Boxes, Indices, patches_at, starts

__all__ = [
    "BoundaryRule",
    "Boxes",
    "Indices",
    "clip",
    "dilate",
    "drop",
    "even",
    "overhang",
    "patches",
    "patches_at",
    "random_patches",
    "random_patches_at",
    "shift",
    "slabs",
    "slices",
    "starts",
    "voxels",
    "whole",
]

__dir__ = __all__.copy  # dir() shows what users may touch
