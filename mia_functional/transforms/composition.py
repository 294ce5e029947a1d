"""From functions of arrays to functions of samples: choose the categories, and put one function after the other.

A sample is a dictionary of arrays by category, `subject`, `geometry` and `index`. The functions returned here take a
sample and return a new one; the old one and its arrays stay as they are. All of them pickle, if their functions do.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import Any, TypeAlias

from mia_functional import _array
from mia_functional._core import checks
from mia_functional.typing import Array

__all__ = [
    "Categories",
    "Function",
    "Sample",
    "Transform",
    "category_names",
    "compose",
    "on",
    "randomly",
    "require_categories",
]

Sample: TypeAlias = dict[str, Any]
"""Arrays by category, and what else belongs to them."""

Transform: TypeAlias = Callable[[Sample], Sample]
"""From a sample to a sample."""

Categories: TypeAlias = str | tuple[str, ...]
"""One category or several."""

Function: TypeAlias = Callable[..., Any]
"""A function of an array, or of a source of randomness and a shape, and of options."""

_Dtypes: TypeAlias = dict[tuple[str, str, str], Any]
"""Which dtype a function gives to integers, by category, library and dtype."""


def compose(*functions: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function that applies `functions` one after the other, the first one first (pipeline, chain).

    Args:
        functions: Functions of one argument, of samples or of arrays; without any the result is the identity.

    Returns:
        A function of one argument.

    Example:
        >>> compose(abs, float)(-2)
        2.0
    """
    for function in functions:
        checks.require_callable("compose", "functions", function, "`on(...)`")
    return partial(_apply_in_order, functions)


def _apply_in_order(functions: tuple[Callable[[Any], Any], ...], value: Any) -> Any:
    """Return `value` after all functions."""
    return reduce(lambda result, function: function(result), functions, value)


def on(
    categories: Categories, function: Function, *, given: Mapping[str, str] | None = None, **options: Any
) -> Transform:
    """Lift a function of one array to samples: it is applied to the named categories, everything else is handed on.

    Args:
        categories: One category or several. `geometry` may be among them for functions that also take a `Geometry`
            (see `mia_functional.transforms.spatial`); a sample without a geometry stays without.
        function: Takes the array of a category first.
        given: Keyword arguments of the function that come from the sample: `{"mask": "brain"}` hands the array of the
            category `brain` over as `mask`.
        options: Further keyword arguments, the same for every sample.

    Returns:
        A function from a sample to a new sample.

    Raises:
        ValueError: The sample, when it comes, lacks a category.

    Example:
        >>> double = on("images", lambda array, factor: [factor * entry for entry in array], factor=2)
        >>> double({"images": [1, 2], "subject": "A"})
        {'images': [2, 4], 'subject': 'A'}
    """
    checks.require_callable("on", "function", function, "`standardize`")
    return partial(_apply_to_each, category_names("on", categories), partial(function, **options), dict(given or {}))


def _apply_to_each(names: tuple[str, ...], function: Function, given: Mapping[str, str], sample: Sample) -> Sample:
    """Return the sample with `function` applied to the categories `names`."""
    require_categories("on", sample, (*names, *given.values()))
    arguments = {argument: sample[category] for argument, category in given.items()}
    present = [name for name in names if name != "geometry" or sample[name] is not None]
    return {**sample, **{name: function(sample[name], **arguments) for name in present}}


def randomly(
    categories: Categories,
    sampler: Function,
    function: Function | Mapping[str, Function],
    *,
    probability: float = 1.0,
    **options: Any,
) -> Transform:
    """Lift a random transform to samples: one draw from `sample["rng"]` is applied to all named categories.

    Args:
        categories: One category or several; the shape of the first goes to the sampler. `geometry` may be among them as
            for `on`; a sample without a geometry stays without.
        sampler: `random_affine`, `random_flip`, ... or any function of a source of randomness and a shape.
        function: `affine`, `flip`, ... or any function of an array and the entries of the draw; `functools.partial`
            gives it options. Where categories need other options, a function for each:
            `{"images": partial(affine, fill_value=-1000.0), "labels": affine}`.
        probability: How often a sample is transformed at all, 0 to 1: one number, and never an option of the sampler.
            The probability of `random_flip`, which may be one per axis, is bound to the sampler:
            `partial(random_flip, probability=(0.0, 0.5, 0.5))`. Below 1 and under `jit`, the function has to keep the
            shape.
        options: Keyword arguments of the sampler.

    Returns:
        A function from a sample to a new sample. A JAX key in `rng` is split, and the rest of it handed on. Dtypes do
        not depend on chance: integers of which the function would make floats become floats where it is not applied
        too. (Outside of `jit`, it is tried once on the first array of an integer dtype that is spared, to know that.)

    Raises:
        TypeError: The probability is not one number.
        ValueError: The sample, when it comes, lacks a category or `rng`; the probability is not within 0 and 1; a
            category has no function.

    Example:
        >>> import numpy as np
        >>> from mia_functional.transforms import flip, random_flip
        >>> mirror = randomly(("images", "labels"), partial(random_flip, probability=(0.0, 1.0)), flip, probability=0.5)
        >>> sample = {"images": np.ones((2, 2, 1)), "labels": np.ones((2, 2, 1)), "rng": np.random.default_rng(0)}
        >>> sorted(mirror(sample))
        ['images', 'labels', 'rng']
    """
    if hasattr(probability, "__iter__"):
        needed = "be one number (bind the probabilities of axes to the sampler with functools.partial)"
        checks.invalid_kind("randomly", "probability", needed, checks.describe(probability))
    if not 0 <= checks.number("randomly", "probability", probability) <= 1:
        checks.invalid_value("randomly", "probability", "lie within 0 and 1", probability)
    checks.require_callable("randomly", "sampler", sampler, "`random_flip`")
    names = category_names("randomly", categories)
    functions = function if isinstance(function, Mapping) else dict.fromkeys(names, function)
    if set(functions) != set(names):
        needed = f"have a function for each of {', '.join(names)}"
        checks.invalid_value("randomly", "function", needed, ", ".join(map(str, functions)) or "none")
    for name in names:
        checks.require_callable("randomly", "function", functions[name], "`flip`")
    ordered = {name: functions[name] for name in names}
    return partial(_draw_and_apply, ordered, partial(sampler, **options), probability, {})


def _draw_and_apply(
    functions: Mapping[str, Function], sampler: Function, probability: float, dtypes: _Dtypes, sample: Sample
) -> Sample:
    """Return the sample with one draw applied to the categories of the functions, or, by chance, with none."""
    require_categories("randomly", sample, tuple(functions))
    if sample.get("rng") is None:
        needed = "have a source of randomness in `rng`: a `numpy.random.Generator`, or a key of JAX"
        checks.invalid_value("randomly", "sample", needed, ", ".join(sample))
    # One source decides, one draws, and the rest goes to the next transform; a NumPy generator is all three.
    chance, source, rest = _array.split_rng("randomly", sample["rng"], 3)
    arrays = {name: sample[name] for name in functions if name != "geometry" or sample[name] is not None}
    shape = next((tuple(array.shape) for array in arrays.values()), ())
    is_applied = _array.random_uniform(chance, 0.0, 1.0, ()) < probability
    is_traced = _array.is_traced(is_applied)
    if not arrays or not (is_traced or is_applied):
        # From a copy: a NumPy generator would move on, and later draws would depend on whether this one was tried.
        spared = {
            name: _spare(array, name, functions[name], lambda: sampler(copy.deepcopy(source), shape), dtypes)
            for name, array in arrays.items()
        }
        return {**sample, **spared, "rng": rest}
    draw = sampler(source, shape)
    changed = {name: functions[name](array, *draw) for name, array in arrays.items()}
    if is_traced and probability < 1:
        xp = _array.array_namespace(is_applied)
        changed = {n: xp.where(is_applied, new, xp.astype(arrays[n], new.dtype)) for n, new in changed.items()}
    return {**sample, **changed, "rng": rest}


def _spare(array: Array, name: str, function: Function, draw: Function, dtypes: _Dtypes) -> Array:
    """Return an array that a function is not applied to; integers in the dtype that the function would give."""
    if not hasattr(array, "dtype") or _array.dtype_kind(array) not in ("bool", "integer"):
        return array
    xp = _array.array_namespace(array)
    key = (name, xp.__name__, str(array.dtype))
    if key not in dtypes:
        parameters = draw()
        dtypes[key] = _array.eval_shape(lambda values: function(values, *parameters), array).dtype
    return xp.astype(array, dtypes[key], copy=False)


def category_names(function: str, categories: Categories, *, argument: str = "categories") -> tuple[str, ...]:
    """Return one category or several as a tuple; raise unless they are names."""
    names = (categories,) if isinstance(categories, str) else categories
    if not isinstance(names, tuple | list) or not names or not all(isinstance(name, str) for name in names):
        checks.invalid_kind(function, argument, "be a name or a tuple of names", checks.describe(categories))
    return tuple(names)


def require_categories(function: str, sample: Sample, names: tuple[str, ...]) -> None:
    """Raise unless a sample is a dictionary with all named categories."""
    checks.require_instance(function, "sample", sample, Mapping, "a dictionary of arrays by category")
    for name in names:
        if name not in sample:
            checks.invalid_value(function, "categories", f"be in the sample ({', '.join(sample)})", repr(name))
