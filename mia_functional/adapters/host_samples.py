"""What transforms of other libraries are given of a sample: NumPy arrays that they can work on, and a seed."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array


def on_host(
    function: str, sample: Mapping[str, Any], images: tuple[str, ...], labels: tuple[str, ...], axes: tuple[int, ...]
) -> dict[str, Any]:
    """Return categories of a sample as NumPy arrays of one spatial shape and of some number of `axes`."""
    arrays = {name: _image_on_host(function, name, sample[name]) for name in images}
    arrays |= {name: _labels_on_host(function, name, sample[name]) for name in labels}
    first = next(iter(arrays), "")
    for name, array in arrays.items():
        checks.dimensions(function, name, array.shape, axes)
        if array.shape[:-1] != arrays[first].shape[:-1]:
            needed = f"have the spatial shape of `{first}`, {arrays[first].shape[:-1]}"
            checks.invalid_value(function, name, needed, array.shape[:-1])
    return arrays


def from_host(arrays: Mapping[str, Any], sample: Mapping[str, Any], labels: tuple[str, ...]) -> dict[str, Array]:
    """Return NumPy arrays in the libraries of a sample: images as floats, of their dtype if that is one, else float32.

    Labels get their own dtype back.
    """
    result = {}
    for name, values in arrays.items():
        old = sample[name]
        xp = _array.array_namespace(old)
        kept = name in labels or _array.dtype_kind(old) == "float"
        dtype = old.dtype if kept else _array.accumulator_dtype(old)
        result[name] = xp.astype(_array.from_numpy(values, xp, old), dtype, copy=False)
    return result


def seed(function: str, rng: Any) -> tuple[int, dict[str, Any]]:
    """Return a seed for another library's global numbers, and the sample's `rng` afterwards: the rest of a JAX key."""
    if _array.is_traced(rng):
        checks.invalid_kind(function, "rng", "be known, as other libraries do not trace", "a traced key")
    source, rest = _array.split_rng(function, rng, 2)
    return int(_array.random_integers(source, 0, 2**31 - 2, ())), {"rng": rest}


def _image_on_host(function: str, name: str, image: Array) -> Any:
    """Return an image of any library as NumPy floats: float64 stays, anything else becomes float32."""
    xp = _array.checked_namespace(function, **{name: image})
    if _array.is_traced(image):
        checks.invalid_kind(function, name, "be known, as other libraries do not trace", "a traced array")
    if _array.dtype_kind(image) not in ("bool", "integer", "float"):
        checks.invalid_kind(function, name, "hold real numbers", f"dtype {image.dtype}")
    return _array.to_numpy(xp.astype(image, _array.accumulator_dtype(image), copy=False))


def _labels_on_host(function: str, name: str, labels: Array) -> Any:
    """Return a label map of any library as NumPy integers; unsigned ones of 16 bits and more become int64."""
    _array.checked_namespace(function, **{name: labels})
    if _array.is_traced(labels) or _array.dtype_kind(labels) not in ("bool", "integer"):
        return _image_on_host(function, name, labels)
    array = _array.to_numpy(labels)
    wide = array.dtype.kind == "u" and array.dtype.itemsize > 1
    return array.astype(np.int64 if wide else array.dtype.newbyteorder("="), copy=False)
