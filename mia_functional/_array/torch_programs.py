"""Calls within programs of `torch.compile`: those that are traced as one node, and those that stay calls.

`torch.compile` reads the bytecode of all that it meets, and makes tensors without values of NumPy's arrays too. A call
that is one node of its graph runs as it is instead: on tensors without values, but with Python and NumPy at hand; the
program consists of the operations of PyTorch that it makes.
"""

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from types import FunctionType
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from mia_functional._array.tracing import in_bytecode
from mia_functional.typing import Array, Shape

__all__ = ["call_opaquely", "one_node"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")


class _Call(NamedTuple):
    """A call whose arrays come later.

    Args:
        function: What is called.
        structure: Its arguments: tuples, lists, dictionaries and `_Record`s, with a number for everything else: from 0
            on the position of a value, below that `~position` of an array or a number.
        values: What else is known before the program runs.
    """

    function: Callable[..., Any]
    structure: Any
    values: tuple[Any, ...]


class _Record(NamedTuple):
    """A dataclass, by its kind and its fields."""

    kind: int
    fields: dict[str, Any]


class _Partial(NamedTuple):
    """A `functools.partial`, by its parts."""

    function: Any
    arguments: Any
    keywords: Any


# PyTorch (2.13) neither lets a graph own an object nor says when a graph is gone, so nothing is ever taken out: what
# is traced again finds its call instead. Only objects that each trace has anew, as functions with a closure of their
# own, add to it; PyTorch stops compiling a function after a few of those (`torch._dynamo.config.recompile_limit`).
_CALLS: list[_Call] = []
"""The calls of all programs, which refer to them by number: a graph holds tensors and numbers only."""

_NUMBERS: dict[Any, int] = {}
"""The number of each call by what it consists of."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
"""Kinds of values that are the same if they are written alike."""


def one_node(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Return a function each call of which is one node in the graph of a program of `torch.compile`.

    Its arguments are arrays, records, tuples, lists and dictionaries of arrays, and what is known before the program
    runs: numbers, functions, records from outside of it. It returns tensors, or tuples or lists of them.
    """

    @functools.wraps(function)
    def call(*arguments: _Arguments.args, **keywords: _Arguments.kwargs) -> _Result:
        if not in_bytecode():
            return function(*arguments, **keywords)
        arrays: list[Any] = []
        values: list[Any] = []
        # PyTorch (2.13) takes two functions of one code for the same, whatever their closures hold, and so all that
        # one decorator made: a program that gets its metric as a variable would go on with the first one. Asked for
        # its address, it tells them apart.
        id(function)
        structure = _structure_of((arguments, keywords), arrays, values)
        result: _Result = _run_call(_remember_call(function, structure, *values), *arrays)
        return result

    return call


def _structure_of(value: Any, arrays: list[Any], values: list[Any]) -> Any:
    """Return arguments as the structure of a call, with what they consist of appended to two lists."""
    if isinstance(value, dict):
        return {key: _structure_of(entry, arrays, values) for key, entry in value.items()}
    if isinstance(value, (tuple, list, Iterator)):
        entries = [_structure_of(entry, arrays, values) for entry in value]
        kind: Any = type(value)
        if hasattr(kind, "_make"):
            return kind._make(entries)
        return tuple(entries) if isinstance(value, tuple) else entries
    # A program that is made for any shapes has symbols in place of numbers, too.
    numbers = isinstance(value, (int, float)) and not isinstance(value, bool)
    if numbers or sys.modules["torch"].is_tensor(value) or isinstance(value, np.ndarray):
        arrays.append(value)
        return -len(arrays)
    # What the bytecode makes itself is there only when the program runs, but its parts are known.
    if is_dataclass(value) and not isinstance(value, type):
        fields = {name: getattr(value, name) for name in value.__dataclass_fields__}
        if not any(isinstance(field, np.ndarray) for field in fields.values()):
            return _Record(_structure_of(type(value), arrays, values), _structure_of(fields, arrays, values))
    if isinstance(value, functools.partial):
        parts = value.func, value.args, value.keywords
        return _Partial(*(_structure_of(part, arrays, values) for part in parts))
    # PyTorch (2.13) takes two functions of one code for the same, whatever their closures and defaults hold; asked for
    # its address, it tells them apart, and makes another program.
    if isinstance(value, FunctionType):
        id(value)
    values.append(value)
    return len(values) - 1


def _remember_call(function: Callable[..., Any], structure: Any, *values: Any) -> int:
    """Return the number of a call."""
    sys.modules["torch"].compiler.allow_in_graph(_run_call)
    key = id(function), _key_of_structure(structure), tuple(map(_key_of_value, values))
    if key not in _NUMBERS:
        # The call keeps all objects that are in the key by their address, which nothing else gets therefore.
        _CALLS.append(_Call(function, structure, values))
        _NUMBERS[key] = len(_CALLS) - 1
    return _NUMBERS[key]


# What `torch.compiler.assume_constant_result` does, without an import of PyTorch: bytecode is not read, but run.
_remember_call._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _key_of_structure(entry: Any) -> Any:
    """Return a key that structures have in common which give the same arguments."""
    if isinstance(entry, dict):
        return dict, tuple((type(key), key, _key_of_structure(value)) for key, value in entry.items())
    # Classes and all: a structure has to give records of the same kind.
    return (type(entry), *map(_key_of_structure, entry)) if isinstance(entry, (tuple, list)) else entry


def _key_of_value(value: Any) -> Any:
    """Return a key that values have in common which nobody can tell from each other, now or later."""
    kind = type(value)
    if kind in _PLAIN:
        return kind, repr(value)  # as -0.0 equals 0.0
    if kind is slice:
        return kind, *map(_key_of_value, (value.start, value.stop, value.step))
    if kind is tuple:
        return kind, *map(_key_of_value, value)
    if kind is functools.partial and not value.__dict__:
        options = ((name, _key_of_value(option)) for name, option in value.keywords.items())
        return kind, _key_of_value(value.func), _key_of_value(value.args), *options
    # A program that defines a function makes another one whenever it is traced. Variables of a closure may change.
    if kind is FunctionType and value.__closure__ is None and not value.__kwdefaults__ and not value.__dict__:
        return kind, value.__code__, id(value.__globals__), _key_of_value(value.__defaults__)
    return kind, id(value)


def _run_call(number: int, *arrays: Any) -> Any:
    """Return the result of a remembered call with some arrays and numbers."""
    torch: Any = sys.modules["torch"]
    call = _CALLS[number]
    plain = {torch.SymInt: int, torch.SymFloat: float}
    given = [plain[type(entry)](entry) if type(entry) in plain else entry for entry in arrays]

    def build(entry: Any) -> Any:
        if isinstance(entry, int):
            return call.values[entry] if entry >= 0 else given[~entry]
        if isinstance(entry, dict):
            return {key: build(value) for key, value in entry.items()}
        if isinstance(entry, _Record):
            return build(entry.kind)(**build(entry.fields))
        if isinstance(entry, _Partial):
            return functools.partial(build(entry.function), *build(entry.arguments), **build(entry.keywords))
        return getattr(type(entry), "_make", type(entry))([build(value) for value in entry])

    def as_tensors(result: Any) -> Any:
        if isinstance(result, np.ndarray):
            # A copy, as it may be a table that is kept and read-only, which no tensor can be (2.13).
            return torch.asarray(np.array(result))
        if not isinstance(result, (tuple, list)):
            return result
        kind: Any = type(result)
        return getattr(kind, "_make", kind)(map(as_tensors, result))

    arguments, keywords = build(call.structure)
    return as_tensors(call.function(*arguments, **keywords))


def call_opaquely(
    name: str, function: Callable[..., Array], *arrays: Array, shape: Shape, dtype: Any, **options: Any
) -> Array:
    """Return `function(*arrays, **options)` as one operation of PyTorch in any program.

    What it does is not a part of the program: it runs with the values at hand, on the device of the arrays. There are
    no derivatives.

    Args:
        name: The name of the operation, of this function alone.
        function: A function at the top of a module, which returns a new array.
        arrays: Tensors, perhaps traced.
        shape: The shape of the result.
        dtype: The dtype of the result.
        options: Further arguments: numbers, texts, and lists of them.
    """
    import json  # at its first use, here and below: arrays do not need it

    result: Array = _operation(name, function, dtype)(list(arrays), list(shape), json.dumps(options))
    return result


@functools.cache
def _operation(name: str, function: Callable[..., Array], dtype: Any) -> Callable[..., Array]:
    """Return an operation of PyTorch that calls a function."""
    import json

    torch: Any = sys.modules["torch"]

    def run(arrays: Sequence[Any], _: Sequence[int], options: str) -> Any:
        result: Any = function(*arrays, **json.loads(options))
        return result.contiguous()

    def describe(arrays: Sequence[Any], shape: Sequence[int], _: str) -> Any:
        return arrays[0].new_empty(shape, dtype=dtype)

    def run_batch(batch: Any, axes: tuple[Any, ...], arrays: Any, shape: Sequence[int], options: str) -> Any:
        rows = [
            [array if axis is None else array.select(axis, row) for array, axis in zip(arrays, axes[0], strict=True)]
            for row in range(batch.batch_size)
        ]
        return torch.stack([operation(row, shape, options) for row in rows]), 0

    schema = "(Tensor[] arrays, SymInt[] shape, str options) -> Tensor"
    operation: Any = torch.library.custom_op(f"mia_functional::{name}", run, mutates_args=(), schema=schema)
    operation.register_fake(describe)
    operation.register_vmap(run_batch)
    return operation  # type: ignore[no-any-return]
