"""Validators of static facts (kinds, shapes, sizes) and the one template of every error message.

A check never looks at the values of an array, so that the same code traces under `jit`. Checks of values are made by
the functions that may look, and only outside a trace.
"""

import math
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NoReturn, TypeGuard

from mia_functional.typing import Shape, Spacing

_SPACING_RANGE = (1e-9, 1e6)
"""Spacings outside of this range, in millimetres, are mistakes of units or of header parsing.

From a picometre, whose fourth power single precision holds, to a kilometre.
"""

_TENSOR = "its `numpy()`, within a `tf.function` by `tf.numpy_function`"

_IN_MEMORY = {
    "tensorflow": _TENSOR,
    "keras": _TENSOR,
    "pandas": "its `to_numpy()`",
    "sparse": "its `todense()`",
    "scipy": "its `toarray()`",
    "PIL": "`numpy.asarray` of it",
    "nibabel": "its voxels, `numpy.asarray(image.dataobj)`",
}
"""Packages whose objects have shapes but follow no standard of arrays, by name as none is imported for the question."""

_CONVERSIONS = {
    **_IN_MEMORY,
    "SimpleITK": "what `mia.images.from_simpleitk` makes of it",
    "h5py": "its voxels, `dataset[...]`",
    "nibabel.arrayproxy": "its voxels, `numpy.asarray` of it",
    "tensorstore": "its voxels, `store.read().result()`",
    "xarray": "its `data`",
    "zarr": "its voxels, `array[...]`",
}
"""How to make an array of what other packages have: these and what lies in files, of which parts can be extracted."""


def message(function: str, argument: str, requirement: str, actual: object) -> str:
    """Return the text of an error: where, which argument, what was needed and what came."""
    return f"{function}: `{argument}` must {requirement}; got {actual}."


def invalid_value(function: str, argument: str, requirement: str, actual: object) -> NoReturn:
    """Raise a `ValueError` with the common text."""
    raise ValueError(message(function, argument, requirement, actual))


def invalid_kind(function: str, argument: str, requirement: str, actual: object) -> NoReturn:
    """Raise a `TypeError` with the common text."""
    raise TypeError(message(function, argument, requirement, actual))


def invalid_content(function: str, requirement: str, path: object, reason: str) -> NoReturn:
    """Raise a `ValueError` that says what is wrong with the file at a path."""
    invalid_value(function, "path", requirement, f"{path}: {reason}")


@contextmanager
def speaking_for(public: str, /, *inner: str, **arguments: str) -> Iterator[None]:
    """Let errors of inner functions name the public function that was called.

    Users know only what they called: an error of `confusion_counts` inside of `dice(...)` begins with `dice:`. Where an
    argument has another name there, `arguments` says which: `path="predictions"`.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError, OSError) as error:
        # Errors of the system have a number, too, and their text is made from it: they stay as they are.
        if len(error.args) == 1:
            error.args = (reworded(str(error), public, inner, arguments),)
        raise


def reworded(text: str, public: str, inner: Collection[str], arguments: Mapping[str, str]) -> str:
    """Return the message of an inner function as the public one says it; any other text as it is."""
    head, colon, rest = text.partition(":")
    if not colon or head not in inner:
        return text
    for argument, name in arguments.items():
        rest = rest.replace(f"`{argument}`", f"`{name}`")
    return f"{public}:{rest}"


def sentence_of(function: str, error: Exception) -> str:
    """Return what an error says as one sentence: those of the operating system name a file and no function."""
    if not isinstance(error, OSError) or error.strerror is None:
        return str(error)
    if error.filename is None:
        return f"{function}: {error.strerror}."
    # What could not be written is a sentence of ours already, which names the file (`atomic_files`).
    known = str(error.filename) in error.strerror
    return f"{error.strerror}." if known else f"{function}: {error.filename}: {error.strerror}."


def has_shape(value: object) -> bool:
    """Return whether a value is an array, or a record that stands for one."""
    # Numbers come first: those that vary in a program of `torch.compile` cannot be asked for attributes (2.13).
    return type(value) not in (int, float) and hasattr(value, "shape")


def describe(value: object) -> str:
    """Return how a value looks in a message: arrays by their shape, not by thousands of numbers, all on one line."""
    shape: Shape | None = getattr(value, "shape", None) if has_shape(value) else None
    if shape is not None:
        return f"an array of shape {tuple(shape)}"
    text = repr(value)
    # Objects that say nothing of themselves are no two times at one address, and records of arrays fill pages.
    return type(value).__name__ if " at 0x" in text or "\n" in text else text


def same_shape(function: str, argument: str, shape: Shape, reference: Shape, *, of: str = "the reference") -> None:
    """Raise unless an array has exactly the shape of another one; broadcasting does not count."""
    if tuple(shape) != tuple(reference):
        invalid_value(function, argument, f"have the shape of {of}, {tuple(reference)}", tuple(shape))


def not_empty(function: str, argument: str, shape: Shape) -> None:
    """Raise unless an array has axes and elements."""
    if len(shape) == 0 or 0 in shape:
        invalid_value(function, argument, "have at least one axis and one element", f"shape {tuple(shape)}")


def dimensions(function: str, argument: str, shape: Shape, allowed: tuple[int, ...]) -> None:
    """Raise unless the number of axes is one of `allowed`."""
    if len(shape) not in allowed:
        wanted = " or ".join(map(str, allowed))
        invalid_value(function, argument, f"have {wanted} axes", f"shape {tuple(shape)}")


def require_shape(function: str, argument: str, value: object) -> None:
    """Raise unless a value has a shape and can be sliced, as arrays and datasets in files; lists have none."""
    if not has_shape(value) or _package(value) in _IN_MEMORY:
        not_an_array(function, argument, value)
    no_hidden_elements(function, argument, value)


def not_an_array(function: str, argument: str, value: object) -> NoReturn:
    """Raise for a value that is no array; of packages that have something like arrays, say how to make one of it."""
    package, kind = _package(value), type(value).__name__
    # `transform=standardize`, say, where a function of samples is asked for.
    if isinstance(value, dict) and "subject" in value:
        needed = "be an array; `transforms.on(CATEGORIES, FUNCTION)` makes a function of arrays one of samples"
        invalid_kind(function, argument, needed, "a sample")
    if package not in _CONVERSIONS:
        invalid_kind(function, argument, "be an array", kind)
    needed = f"be an array of NumPy, JAX, PyTorch or CuPy: pass {_CONVERSIONS[package]}"
    invalid_kind(function, argument, needed, f"{kind} of {package}")


def _package(value: object) -> str:
    """Return the name of the package that the type of a value comes from; of nibabel, files are told from images."""
    module = type(value).__module__
    return module if module in _CONVERSIONS else module.partition(".")[0]


def no_hidden_elements(function: str, argument: str, value: object) -> None:
    """Raise for a masked array of NumPy, whose hidden elements would count like all others."""
    # A masked array is the proof that its module, which NumPy loads late, is there. `numpy.ma` may be there and not
    # loaded yet (see `postpone_numpy_parts`): to ask it for the class would load it.
    module = sys.modules.get("numpy.ma.core")
    if module is not None and isinstance(value, module.MaskedArray):
        invalid_kind(function, argument, "be an array without hidden elements; call `filled` first", "a masked array")


def require_instance(function: str, argument: str, value: object, kind: type | tuple[type, ...], needed: str) -> None:
    """Raise unless a value is of a kind; `needed` says it in words."""
    if not isinstance(value, kind):
        invalid_kind(function, argument, f"be {needed}", describe(value))


def path_text(function: str, argument: str, value: object) -> str:
    """Return a path as text, not as `pathlib.Path`, whose import metrics do without; raise for what names no file."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else value
    if not isinstance(text, str):
        invalid_kind(function, argument, "be a path", describe(value))
    if not text:  # `Path` takes it for the folder that one is in
        invalid_value(function, argument, "name a file", "an empty text")
    return text


def require_callable(function: str, argument: str, value: object, examples: str, *, optional: bool = False) -> None:
    """Raise unless a value can be called; an `optional` one may be None instead."""
    if not callable(value) and not (optional and value is None):
        invalid_kind(function, argument, f"be a function such as {examples}", describe(value))


def one_of(function: str, argument: str, value: object, options: Sequence[str], *, optional: bool = False) -> None:
    """Raise unless a value is one of several words."""
    if value not in options and not (optional and value is None):
        invalid_value(function, argument, f"be one of {', '.join(options)}", repr(value))


def booleans(function: str, **options: object) -> None:
    """Raise unless options are true or false: a text such as "no" would count as true."""
    for name, value in options.items():
        if isinstance(value, bool):
            continue
        # Scalars of NumPy and of other libraries are told by the names of their dtypes: torch.bool.
        if getattr(value, "shape", None) != () or not str(getattr(value, "dtype", "")).endswith("bool"):
            invalid_kind(function, name, "be True or False", describe(value))


def unicode_text(function: str, argument: str, value: str) -> None:
    """Raise unless a text is Unicode without null characters."""
    # Names of files may hold bytes that are not text (surrogates), and for the C++ of ITK and HDF5 a null ends a text.
    if "\0" in value or value != value.encode(errors="replace").decode():
        invalid_value(function, argument, "be text of Unicode without null characters", ascii(value))


def is_integer(value: object) -> TypeGuard[int]:
    """Return whether a value is a whole number, scalar arrays included, and not a boolean."""
    if type(value) is int:
        return True
    # Arrays of every dtype and shape have `__index__`, but those of CuPy (14) have none; only integers without axes can
    # be converted.
    axes: int = getattr(value, "ndim", 0)
    dtype = getattr(value, "dtype", None)
    # Numbers of 4 bits, of ml_dtypes, have `__int__` alone.
    if axes > 0 or isinstance(value, bool) or (dtype is None and not hasattr(value, "__index__")):
        return False
    # Dtypes of PyTorch and of the standard's strict library have no kind, and are told by their names: torch.int64.
    kind = "i" if dtype is None else getattr(dtype, "kind", "V")
    return kind in "iu" or (kind == "V" and str(dtype).rpartition(".")[2].removeprefix("u").startswith("int"))


def is_integer_slice(value: object) -> TypeGuard[slice]:
    """Return whether a value is a slice of whole numbers, each of which may be None."""
    return isinstance(value, slice) and all(
        bound is None or is_integer(bound) for bound in (value.start, value.stop, value.step)
    )


def integer(function: str, argument: str, value: object, *, minimum: int) -> int:
    """Return one whole number that is at least `minimum`."""
    if not is_integer(value):
        invalid_kind(function, argument, "be a whole number", repr(value))
    # Converted first: beside an unsigned number of 8 bits, JAX and PyTorch would wrap a negative minimum around.
    number = int(value)
    if number < minimum:
        invalid_value(function, argument, f"be at least {minimum}", number)
    return number


def axis(function: str, value: object, ndim: int) -> int:
    """Return one axis of an array with `ndim` axes; negative ones count from the end."""
    if not is_integer(value):
        invalid_kind(function, "axis", "be a whole number", repr(value))
    number = int(value)
    if not -ndim <= number < ndim:
        invalid_value(function, "axis", f"lie within {-ndim} and {ndim - 1}", number)
    return number % ndim


def axes(function: str, value: object, ndim: int) -> tuple[int, ...]:
    """Return one axis or several of an array with `ndim` axes, each once and counted from the front; all for None."""
    if value is None:
        return tuple(range(ndim))
    positions = tuple(axis(function, entry, ndim) for entry in (value if isinstance(value, tuple) else (value,)))
    if not positions or len(set(positions)) != len(positions):
        invalid_value(function, "axis", "name at least one axis, and none of them twice", value)
    return positions


def position(function: str, value: object, size: int) -> int:
    """Return a position in a sequence, counted from its start; raise `IndexError` outside of the sequence."""
    if not is_integer(value):
        invalid_kind(function, "position", "be a whole number", repr(value))
    if not -size <= value < size:
        raise IndexError(message(function, "position", f"lie within {-size} and {size - 1}", value))
    return int(value) % size


def integer_tuple(
    function: str, argument: str, value: object, *, length: int | None = None, minimum: int
) -> tuple[int, ...]:
    """Return a sequence of whole numbers, each at least `minimum`, as a tuple of Python ints."""
    entries: tuple[int, ...]
    # A plain tuple needs no questions, which cost a fifth of the time that it takes to cut out a patch.
    if type(value) is tuple and {*map(type, value)} == {int}:
        entries = value
    elif not isinstance(value, Sequence) or isinstance(value, str) or not all(map(is_integer, value)):
        invalid_kind(function, argument, "be a sequence of whole numbers", describe(value))
    else:
        entries = tuple(map(int, value))
    if length is not None and len(entries) != length:
        invalid_value(function, argument, f"have {length} entries, one per axis", entries)
    if any(entry < minimum for entry in entries):
        invalid_value(function, argument, f"be at least {minimum} on every axis", entries)
    return entries


def number(function: str, argument: str, value: object) -> float:
    """Return one number as a Python float."""
    # `float` would read texts, too.
    if isinstance(value, str | bytes):
        invalid_kind(function, argument, "be a number", repr(value))
    try:
        return float(value)  # type: ignore[arg-type]  # whether it is a number is what is asked here
    except (TypeError, ValueError):
        invalid_kind(function, argument, "be a number", describe(value))
    except OverflowError:
        invalid_value(function, argument, "be a number that float64 holds", "one that is larger")


def number_given(function: str, argument: str, value: object, giver: object) -> float:
    """Return what a function of the user's gives as a Python float; raise for text, several numbers and the like."""
    try:
        return number(function, argument, value)
    except (TypeError, RuntimeError):  # PyTorch's error for several numbers
        name = giver if isinstance(giver, str) else getattr(giver, "__name__", type(giver).__name__)
        invalid_kind(function, argument, "give a number", f"{describe(value)} from {name}")


def one_number(function: str, argument: str, value: object) -> None:
    """Raise unless something is one real number; its digits may vary in a program, and are not looked at."""
    is_other = isinstance(value, str | bytes | complex) or not hasattr(value, "__float__")
    if is_other or getattr(value, "ndim", 0) != 0:
        invalid_kind(function, argument, "be a number", describe(value))


def positive(function: str, argument: str, value: object) -> float:
    """Return one number that is positive and finite."""
    given = number(function, argument, value)
    if not 0 < given < math.inf:
        invalid_value(function, argument, "be positive and finite", value)
    return given


def float_tuple(function: str, argument: str, value: object) -> tuple[float, ...]:
    """Return a sequence of numbers as a tuple of Python floats."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        invalid_kind(function, argument, "be a sequence of numbers", repr(value))
    try:
        return tuple(map(float, value))
    except (TypeError, ValueError):
        invalid_kind(function, argument, "be a sequence of numbers", repr(value))


def spacing(function: str, value: object, ndim: int | None) -> Spacing:
    """Return `value` as a spacing of `ndim` positive, finite floats; of any number of them for None."""
    entries, (low, high) = float_tuple(function, "spacing", value), _SPACING_RANGE
    if ndim not in (None, len(entries)):
        invalid_value(function, "spacing", f"have {ndim} entries, one per axis", entries)
    for axis, entry in enumerate(entries):
        if not low <= entry <= high:
            needed = f"lie within {low:g} and {high:g} mm on every axis"
            invalid_value(function, "spacing", needed, f"{entry} on axis {axis}")
    return entries
