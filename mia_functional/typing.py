"""Names for the kinds of values that cross the library's borders.

Arrays have no static type: an array is anything that speaks the Python array API standard (NumPy, JAX, PyTorch, CuPy),
so `Array` says what is meant and leaves the rest to the checks at run time.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

Array: TypeAlias = Any
"""An array of a library that follows the array API standard."""

Shape: TypeAlias = tuple[int, ...]
"""Sizes along the array axes, in array order `(z, y, x)`."""

Spacing: TypeAlias = tuple[float, ...]
"""Distance between voxel centres in millimetres, one entry per array axis, in array order `(z, y, x)`."""

Index: TypeAlias = tuple[int | slice, ...]
"""One entry per indexed axis, usable as `array[index]` in every library."""

Margin: TypeAlias = int | tuple[int | tuple[int, int], ...]
"""Voxels around an index: one number, one per axis, or for some axes `(before, after)`."""

Label: TypeAlias = int | tuple[int, ...]
"""A label value, or several that are merged into one structure."""

Labels: TypeAlias = Mapping[Label, str]
"""Label values and the names under which results report them."""

Progress: TypeAlias = Callable[[int, int, str], None]
"""A function of items done, items in all and the name of the item just done."""


@runtime_checkable
class Sliceable(Protocol):
    """Whatever has a shape and gives an array for an index: arrays, h5py datasets, memory maps, zarr arrays."""

    @property
    def shape(self) -> Shape:
        """Sizes along all axes."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return the part at `index`."""


@runtime_checkable
class SampleSequence(Protocol):
    """What every loader asks of samples: a length and items by position."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, position: int, /) -> Any:
        """Return the sample at `position`."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the samples in order."""
