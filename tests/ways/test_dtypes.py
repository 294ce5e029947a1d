"""Arrays of every dtype and memory layout, in every library, give what the same values in 64 bits give in NumPy.

How near is right: of float16 and bfloat16 twice the distance from 1 to the next larger number, as results are rounded
to what came in; of all others 1e-5, as sums are in single precision. Both are relative to the largest entry.
"""

import re
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

from .cases import CASES

CALLS = {f"{name} {case.label}": case for name, cases in CASES.items() for case in cases if not case.keys}

HALVES = ("float16", "bfloat16")
NIBBLES = ("int4", "uint4")
"""Of NumPy they come from ml_dtypes, as what JAX hands to the host does."""

EIGHTHS = ("float8_e4m3fn", "float8_e5m2")
"""Too coarse to compute with, and refused wherever that is needed."""

INTEGERS = tuple(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u"))

DTYPES = {
    "numpy": ("bool", *INTEGERS, *NIBBLES, *HALVES, *EIGHTHS, "float64"),
    "strict": ("bool", *INTEGERS, "float64"),
    "jax": ("bool", *INTEGERS[:6], *NIBBLES, *HALVES, *EIGHTHS),
    "jit": ("bool", "uint16", *NIBBLES, *HALVES, *EIGHTHS[:1]),
    "torch": ("bool", *INTEGERS, *HALVES, *EIGHTHS, "float64"),
}

LAYOUTS = {
    "big-endian": lambda array: array.astype(array.dtype.newbyteorder(">")),
    "Fortran order": lambda array: np.asarray(array, order="F"),
    "negative strides": lambda array: np.flip(np.flip(array).copy()),
    "gaps": lambda array: np.repeat(array[..., None], 2, axis=-1)[..., 0],
}

REFUSED = re.compile(
    r"\w+: `\w+` must [^\n]+; got [^\n]*float8[^\n]*\."
    r"|\w+: `(probabilities|image)` must hold floats; got dtype [\w.]+\."
)
"""What is said of 8-bit floats, and of integers that stand for probabilities."""


def numpy_dtype(name):
    return np.dtype(getattr(ml_dtypes, name, name))


def largest(name):
    if name in NIBBLES:
        return int(ml_dtypes.iinfo(name).max)
    return 1 if name == "bool" else int(np.iinfo(name).max)


def values_in(array, name):
    """Return values near those of an array that a dtype holds, in 64 bits; None where it cannot stand for the array.

    Floats stand for floats, integers for labels, positions and intensities, floats from 0 on that are no parameters.
    """
    if array.dtype.kind == "f" and "float" in name:
        return array.astype(numpy_dtype(name)).astype(np.float64)
    if "float" in name or array.dtype.kind == "b" or array.min() < 0 or (name == "bool" and array.ndim == 1):
        return None
    if array.dtype.kind == "f":
        return np.minimum(np.round(2 * array), largest(name)).astype(np.int64) if array.size > 64 else None
    return array.astype(np.int64) if array.max() <= largest(name) else None


def array_of(library, array, dtype=None):
    """Return a NumPy array as one of a library, and of a dtype."""
    if dtype is not None:
        array = array.astype(numpy_dtype(dtype))
    if library == "numpy":
        return array
    if library == "strict":
        import array_api_strict

        return array_api_strict.asarray(array)
    if library == "torch":
        import torch

        if dtype in ("bfloat16", *EIGHTHS):
            return torch.asarray(array.astype(np.float32)).to(getattr(torch, dtype))
        return torch.asarray(array)
    import jax.numpy as jnp

    return jnp.asarray(array)


def leaves(result) -> Iterator[np.ndarray]:
    """Yield all arrays of a result, in double precision."""
    if isinstance(result, tuple):
        for entry in result:
            yield from leaves(entry)
    elif hasattr(result, "detach"):
        yield result.detach().double().numpy()
    else:
        yield np.asarray(result.__array__()).astype(np.float64)


def assert_near(found, right, tolerance):
    for one, other in zip(leaves(found), leaves(right), strict=True):
        assert one.shape == other.shape
        finite = np.abs(other[np.isfinite(other)])
        limit = tolerance * max(1.0, finite.max(initial=0))
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=limit)


def compiled(library, call):
    if library != "jit":
        return call
    import jax

    return jax.jit(call)


def faults(case, library):
    """Yield the dtypes of a library in which a call goes wrong, and how."""
    arrays = case.draw(np.random.default_rng(0))
    for dtype in DTYPES[library]:
        values = [values_in(array, dtype) for array in arrays]
        if all(array is None for array in values):
            continue
        pairs = list(zip(arrays, values, strict=True))
        given = [array_of(library, *((old, None) if new is None else (new, dtype))) for old, new in pairs]
        wide = [old if new is None else new.astype(bool) if dtype == "bool" else new for old, new in pairs]
        tolerance = 2 * float(ml_dtypes.finfo(numpy_dtype(dtype)).eps) if dtype in HALVES else 1e-5
        try:
            found = compiled(library, case.call)(*given)
            assert_near(found, case.call(*wide), tolerance)
        except Exception as error:
            if not REFUSED.fullmatch(str(error)):
                yield dtype, f"{type(error).__name__}: {error}"


@pytest.mark.slow
@pytest.mark.sampled(12)
@pytest.mark.parametrize("library", DTYPES)
@pytest.mark.parametrize("name", CALLS)
def test_every_dtype_gives_what_64_bits_give(name, library):
    assert dict(faults(CALLS[name], library)) == {}


@pytest.mark.parametrize("layout", [*LAYOUTS, "mixed", "read-only"])
def test_every_layout_of_numpy_gives_what_contiguous_arrays_give(layout):
    wrong = {}
    for name, case in CALLS.items():
        arrays = case.draw(np.random.default_rng(0))
        kinds = list(LAYOUTS.values()) if layout == "mixed" else [LAYOUTS.get(layout, np.copy)]
        given = [kinds[number % len(kinds)](array) for number, array in enumerate(arrays)]
        for array in given if layout == "read-only" else ():
            array.flags.writeable = False
        try:
            assert_near(case.call(*given), case.call(*arrays), 1e-6)
        except Exception as error:
            wrong[name] = f"{type(error).__name__}: {error}"
    assert wrong == {}
