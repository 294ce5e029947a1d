"""Types of the values that users pass in and get back.

They are for readers and type checkers; what arrives at run time is checked by `_core.checks`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np  # for type checkers alone: the parser of the command imports this module and stays light

__all__ = [
    "Absent",
    "Affine",
    "Align",
    "Array",
    "HostArray",
    "Index",
    "Label",
    "Labels",
    "Margin",
    "Namespace",
    "Progress",
    "Rng",
    "Role",
    "SampleSequence",
    "Shape",
    "Sliceable",
    "Spacing",
    "Status",
]
__dir__ = __all__.copy  # dir() shows what users may touch

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

Affine: TypeAlias = Literal["sform", "qform"] | None
"""Which pose of a NIfTI file counts if its header states two that differ: none, such a file is an error."""

Absent: TypeAlias = Literal["error", "skip", "empty"]
"""What is done about subjects that lack a file or a value: refuse, leave them out, keep them with empty values."""

Align: TypeAlias = Literal["reorient", "resample"] | None
"""What is done to images on other grids than they should be: nothing, flips and permutations of axes, interpolation."""

Status: TypeAlias = Literal["failed", "missing", "undefined", "aligned", "ok"]
"""What became of one value of an evaluation."""

Progress: TypeAlias = Callable[[int, int, str], None]
"""A function of the number of items done, the number of all items, and the name of the item just done."""


HostArray: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"
"""A NumPy array: what a function takes or returns that runs on the host alone."""


class Array(Protocol):
    """An array of any library that follows the array API standard: NumPy, JAX, PyTorch, CuPy.

    What the libraries' own classes share, as type checkers see them. `__array_namespace__` is not part of it: tensors
    of PyTorch lack it, and `array-api-compat` finds their namespace all the same.
    """

    @property
    def shape(self) -> Shape:
        """Sizes along all axes."""

    @property
    def ndim(self) -> int:
        """The number of axes."""

    @property
    def dtype(self) -> Any:
        """The kind of the elements: an object of the library."""

    def __getitem__(self, index: Any, /) -> "Array":
        """Return the region at `index`."""

    def __bool__(self) -> bool: ...
    def __float__(self) -> float: ...
    def __int__(self) -> int: ...
    def __add__(self, other: Any, /) -> "Array": ...
    def __radd__(self, other: Any, /) -> "Array": ...
    def __sub__(self, other: Any, /) -> "Array": ...
    def __rsub__(self, other: Any, /) -> "Array": ...
    def __mul__(self, other: Any, /) -> "Array": ...
    def __rmul__(self, other: Any, /) -> "Array": ...
    def __truediv__(self, other: Any, /) -> "Array": ...
    def __rtruediv__(self, other: Any, /) -> "Array": ...
    def __floordiv__(self, other: Any, /) -> "Array": ...
    def __mod__(self, other: Any, /) -> "Array": ...
    def __pow__(self, other: Any, /) -> "Array": ...
    def __matmul__(self, other: Any, /) -> "Array": ...
    def __and__(self, other: Any, /) -> "Array": ...
    def __or__(self, other: Any, /) -> "Array": ...
    def __xor__(self, other: Any, /) -> "Array": ...
    # The standard compares by element, where `object` promises a bool.
    def __eq__(self, other: Any, /) -> "Array": ...  # type: ignore[override]
    def __ne__(self, other: Any, /) -> "Array": ...  # type: ignore[override]
    def __lt__(self, other: Any, /) -> "Array": ...
    def __le__(self, other: Any, /) -> "Array": ...
    def __gt__(self, other: Any, /) -> "Array": ...
    def __ge__(self, other: Any, /) -> "Array": ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __abs__(self) -> "Array": ...
    def __neg__(self) -> "Array": ...
    def __invert__(self) -> "Array": ...


Rng: TypeAlias = "np.random.Generator | Array"
"""A source of randomness: NumPy's generator, which changes with every draw, or a key of JAX, which is split."""


Role: TypeAlias = Literal["image", "labels", "numbers", "text"]
"""What a category is: images are interpolated linearly, labels taken from the nearest voxel, values neither."""


class Namespace(Protocol):
    """The functions of an array library, as `array_api_compat.array_namespace` returns them.

    Every name that is not listed is a function that returns an array.
    """

    float32: Any
    float64: Any
    int32: Any
    int64: Any
    uint8: Any
    bool: Any
    finfo: Callable[..., Any]
    iinfo: Callable[..., Any]
    isdtype: Callable[..., Any]
    __array_namespace_info__: Callable[..., Any]
    linalg: Any
    __name__: str

    def __getattr__(self, name: str, /) -> Callable[..., Array]: ...


@runtime_checkable
class Sliceable(Protocol):
    """Whatever has a shape and returns an array for an index: arrays, h5py datasets, memory maps, zarr arrays."""

    @property
    def shape(self) -> Shape:
        """Sizes along all axes."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return the region at `index`."""


@runtime_checkable
class SampleSequence(Protocol):
    """What every loader needs of samples: a length and items by position."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def __getitem__(self, position: int, /) -> Any:
        """Return the sample at `position`."""

    def __iter__(self) -> Iterator[Any]:
        """Iterate over the samples in order."""
