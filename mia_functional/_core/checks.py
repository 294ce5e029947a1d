"""Validators of static facts (kinds, shapes, sizes) and the one template of every error message.

A check never looks at the values of an array, so that the same code traces under `jit`. Checks of values are made by
the functions that may look, and only outside a trace.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn, TypeGuard

from mia_functional.typing import Shape, Spacing

SPACING_RANGE = (1e-6, 1e6)
"""Spacings outside of this range, in millimetres, are mistakes of units or of header parsing."""


def message(function: str, argument: str, requirement: str, actual: object) -> str:
    """Return the text of an error: where, which argument, what was needed and what came."""
    return f"{function}: `{argument}` must {requirement}; got {actual}."


@contextmanager
def speaking_for(public: str, /, *inner: str, **arguments: str) -> Iterator[None]:
    """Let errors of inner functions name the public function that was called.

    Users know only what they called: an error of `confusion_counts` inside of `dice(...)` begins with `dice:`. Where an
    argument has another name there, `arguments` says which: `path="predictions"`.
    """
    try:
        yield
    except (TypeError, ValueError, OverflowError, OSError) as error:
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


def invalid_value(function: str, argument: str, requirement: str, actual: object) -> NoReturn:
    """Raise a `ValueError` with the common text."""
    raise ValueError(message(function, argument, requirement, actual))


def invalid_kind(function: str, argument: str, requirement: str, actual: object) -> NoReturn:
    """Raise a `TypeError` with the common text."""
    raise TypeError(message(function, argument, requirement, actual))


def same_shape(function: str, prediction: Shape, reference: Shape) -> None:
    """Refuse a pair of different shapes, those that would broadcast included."""
    if tuple(prediction) != tuple(reference):
        invalid_value(
            function,
            "prediction",
            f"have the shape of the reference, {tuple(reference)}",
            f"{tuple(prediction)}",
        )


def not_empty(function: str, argument: str, shape: Shape) -> None:
    """Refuse arrays without axes or without elements."""
    if len(shape) == 0 or 0 in shape:
        invalid_value(function, argument, "have at least one axis and one element", f"shape {tuple(shape)}")


def dimensions(function: str, argument: str, shape: Shape, allowed: tuple[int, ...]) -> None:
    """Refuse arrays whose number of axes is not one of `allowed`."""
    if len(shape) not in allowed:
        wanted = " or ".join(str(number) for number in allowed)
        invalid_value(function, argument, f"have {wanted} axes", f"shape {tuple(shape)}")


def spacing(function: str, value: object, ndim: int) -> Spacing:
    """Return `value` as a spacing of `ndim` positive, finite floats."""
    entries = float_tuple(function, "spacing", value)
    if len(entries) != ndim:
        raise ValueError(f"{function}: spacing has {len(entries)} entries, array has {ndim} axes.")
    low, high = SPACING_RANGE
    for axis, entry in enumerate(entries):
        if not low <= entry <= high:
            invalid_value(
                function, "spacing", f"lie within {low:g} and {high:g} mm on every axis", f"{entry} on axis {axis}"
            )
    return entries


def float_tuple(function: str, argument: str, value: object) -> tuple[float, ...]:
    """Return a sequence of numbers as a tuple of Python floats."""
    if isinstance(value, str | bytes):
        invalid_kind(function, argument, "be a sequence of numbers", repr(value))
    try:
        return tuple(float(entry) for entry in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        invalid_kind(function, argument, "be a sequence of numbers", repr(value))


def integer_tuple(
    function: str, argument: str, value: object, *, length: int | None = None, minimum: int
) -> tuple[int, ...]:
    """Return a sequence of whole numbers, each at least `minimum`, as a tuple of Python ints."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(is_integer(entry) for entry in value):
        invalid_kind(function, argument, "be a sequence of whole numbers", describe(value))
    entries = tuple(int(entry) for entry in value)
    if length is not None and len(entries) != length:
        invalid_value(function, argument, f"have {length} entries, one per axis", entries)
    if any(entry < minimum for entry in entries):
        invalid_value(function, argument, f"be at least {minimum} on every axis", entries)
    return entries


def integer(function: str, argument: str, value: object, *, minimum: int) -> int:
    """Return one whole number that is at least `minimum`."""
    if not is_integer(value):
        invalid_kind(function, argument, "be a whole number", repr(value))
    number = int(value)  # type: ignore[call-overload]
    if number < minimum:
        invalid_value(function, argument, f"be at least {minimum}", number)
    return int(number)


def is_integer(value: Any) -> bool:
    """Tell whether a value is a whole number and no boolean; array scalars count."""
    if type(value) is int:
        return True
    single = hasattr(value, "__index__") and not isinstance(value, bool) and getattr(value, "ndim", 0) == 0
    return single and getattr(getattr(value, "dtype", None), "kind", "i") in "iu"


def is_integer_slice(value: Any) -> TypeGuard[slice]:
    """Tell whether a value is a slice of whole numbers; each may be left out."""
    return isinstance(value, slice) and all(
        part is None or is_integer(part) for part in (value.start, value.stop, value.step)
    )


def one_of(function: str, argument: str, value: object, options: Sequence[str]) -> None:
    """Refuse what is not one of several words."""
    if value not in options:
        invalid_value(function, argument, f"be one of {', '.join(options)}", repr(value))


def unicode_text(function: str, argument: str, value: str) -> None:
    """Refuse text that is no Unicode, as names of files may be, and text with null characters: C++ ends there."""
    if "\0" in value or value != value.encode(errors="replace").decode():
        invalid_value(function, argument, "be text of Unicode without null characters", ascii(value))


def finite(function: str, argument: str, value: float) -> float:
    """Return one finite number."""
    if not math.isfinite(value):
        invalid_value(function, argument, "be finite", value)
    return float(value)


def axis(function: str, value: object, ndim: int) -> int:
    """Return one axis of an array with `ndim` axes; negative ones count from the end."""
    if not is_integer(value):
        invalid_kind(function, "axis", "be a whole number", repr(value))
    number = int(value)  # type: ignore[call-overload]
    if not -ndim <= number < ndim:
        invalid_value(function, "axis", f"lie within {-ndim} and {ndim - 1}", number)
    return int(number % ndim)


def number(function: str, argument: str, value: object) -> float:
    """Return one number as a Python float."""
    if isinstance(value, str | bytes):
        invalid_kind(function, argument, "be a number", repr(value))
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        invalid_kind(function, argument, "be a number", describe(value))
    except OverflowError:
        invalid_value(function, argument, "be a number that float64 holds", "one that is larger")


def require_shape(function: str, argument: str, value: object) -> None:
    """Refuse what has no shape, as lists have none."""
    if not hasattr(value, "shape"):
        invalid_kind(function, argument, "be an array", type(value).__name__)


def require_callable(function: str, argument: str, value: object, examples: str) -> None:
    """Refuse what cannot be called where a function is wanted."""
    if not callable(value):
        invalid_kind(function, argument, f"be a function such as {examples}", describe(value))


def describe(value: object) -> str:
    """Return how a value looks in a message: arrays by their shape."""
    return f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
