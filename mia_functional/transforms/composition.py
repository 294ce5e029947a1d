"""From functions of arrays to functions of samples: choose the categories, and put one function after the other.

A sample is a dictionary of arrays by category, `subject`, `geometry` and `index`. The functions returned here take a
sample and return a new one; the old one and its arrays stay as they are. All of them pickle, if their functions do.
"""

import copy
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, NamedTuple, TypeAlias

from mia_functional import _array
from mia_functional._core import checks
from mia_functional._core.roles import checked_roles
from mia_functional.transforms.roles import function_for_role, refuse_labels
from mia_functional.transforms.shared_places import warp_together
from mia_functional.transforms.trailing_axes import call_with_channels, count_spatial_axes, function_for_axes
from mia_functional.typing import Array, Rng, Role

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
"""A function of an array, or of a source of randomness and what it needs of an image, and of options."""

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

_SIZES = ("spatial_shape", "channels")
"""What a sampler may need of an image, by the names of its arguments."""

_Dtypes: TypeAlias = dict[tuple[str, str, str], Any]
"""Which dtype a function gives to integers, by category, library and dtype."""


class _Sampler(NamedTuple):
    """A function that draws, and what it needs of the image."""

    function: Function
    needed: tuple[str, ...]


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
    categories: Categories,
    function: Function,
    *,
    given: Mapping[str, str] | None = None,
    roles: Mapping[str, Role] | None = None,
    **options: Any,
) -> Transform:
    """Lift a function of one array to samples: it is applied to the named categories, everything else is handed on.

    Args:
        categories: One category or several. `geometry` may be among them for functions that also take a `Geometry`
            (see `mia_functional.transforms.spatial`); a sample without a geometry stays without.
        function: Takes the array of a category first. One that asks for `spatial_axes` (`crop_or_pad`, `pad`, `rot90`,
            `blur`) is told how many there are, where the sample knows, by `sample["spatial_axes"]` or its geometry.
        given: Keyword arguments of the function that come from the sample: `{"mask": "brain"}` hands the array of the
            category `brain` over as `mask`.
        roles: What categories are, `image` or `labels`, for functions that leave an `interpolation` open (`affine`,
            `resample`, ...): images are then interpolated linearly and labels taken from the nearest voxel, whatever
            their dtype. By default the roles in `sample["roles"]`, which samples of a dataset have while they are
            transformed, and else those that `images` and `labels` are names of.
        options: Further keyword arguments, the same for every sample.

    Returns:
        A function from a sample to a new sample.

    Raises:
        ValueError: The sample, when it comes, lacks a category; one that has to be interpolated has no role.

    Example:
        >>> double = on("images", lambda array, factor: [factor * entry for entry in array], factor=2)
        >>> double({"images": [1, 2], "subject": "A"})
        {'images': [2, 4], 'subject': 'A'}
    """
    checks.require_callable("on", "function", function, "`standardize`")
    names = category_names("on", categories)
    of_each = checked_roles("on", roles, names)
    return partial(_apply_to_each, names, partial(function, **options), dict(given or {}), of_each)


def _apply_to_each(
    names: tuple[str, ...], function: Function, given: Mapping[str, str], roles: Mapping[str, Role], sample: Sample
) -> Sample:
    """Return the sample with `function` applied to the categories `names`."""
    require_categories("on", sample, (*names, *given.values()))
    arguments = {argument: sample[category] for argument, category in given.items()}
    present = [name for name in names if name != "geometry" or sample[name] is not None]
    functions = {
        name: function_for_axes(function_for_role("on", function, name, sample, roles), name, sample)
        for name in present
    }
    shared = warp_together(functions, {name: sample[name] for name in present}, **arguments)
    return {**sample, **{n: shared[n] if n in shared else functions[n](sample[n], **arguments) for n in present}}


def randomly(
    categories: Categories,
    sampler: Function,
    function: Function | Mapping[str, Function],
    *,
    probability: float = 1.0,
    spatial_axes: int | None = None,
    roles: Mapping[str, Role] | None = None,
    **options: Any,
) -> Transform:
    """Lift a random transform to samples: one draw from `sample["rng"]` is applied to all named categories.

    Args:
        categories: One category or several, arrays `(*spatial, ..., channel)`; the sampler is told the shape of the
            first. Where several axes follow the spatial ones, as time and coils, all of them are channels to sampler
            and functions: these get `(*spatial, channel)`, and their result gets the axes back. `geometry` may be among
            them as for `on`; a sample without a geometry stays without.
        sampler: `random_affine`, `random_flip`, ... or any function of a source of randomness and, by name, of what it
            needs of the image: `spatial_shape`, `channels`, both or neither.
        function: `affine`, `flip`, ... or any function of an array and the entries of the draw; `functools.partial`
            gives it options. Where categories need other options, a function for each:
            `{"images": partial(affine, fill_value=-1000.0), "labels": affine}`.
        probability: How often a sample is transformed at all, 0 to 1: one number, and never an option of the sampler.
            The probability of `random_flip`, which may be one per axis, is bound to the sampler:
            `partial(random_flip, probability=(0.0, 0.5, 0.5))`. Below 1 and under `jit`, the function has to keep the
            shape.
        spatial_axes: How many axes are spatial; by default those of `sample["spatial_axes"]`, which samples of a
            dataset have while they are transformed, else as many as the geometry of the sample has, if the array begins
            with its shape, else all but the last.
        roles: As for `on`.
        options: Keyword arguments of the sampler.

    Returns:
        A function from a sample to a new sample. A JAX key in `rng` is split, and the rest of it handed on. Dtypes do
        not depend on chance: integers of which the function would make floats become floats where it is not applied
        too. (Outside of `jit`, it is tried once on the first array of an integer dtype that is spared, to know that.)

    Raises:
        TypeError: The probability is not one number, or the sampler needs something else of the image.
        ValueError: The sample, when it comes, lacks a category or `rng`, or the first array has the shape of its
            geometry, without channels; the probability is not within 0 and 1; a category has no function, or has to be
            interpolated and has no role; `gamma`, `noise` or another function of this package that changes intensities
            is to change those of labels.

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
    drawing = _checked_sampler(partial(sampler, **options))
    if spatial_axes is not None:
        spatial_axes = checks.integer("randomly", "spatial_axes", spatial_axes, minimum=1)
    return partial(
        _draw_and_apply, ordered, drawing, probability, checked_roles("randomly", roles, names), {}, spatial_axes
    )


def _checked_sampler(function: Function) -> _Sampler:
    """Return a sampler with what it needs of the image; raise if that is something else than the sizes of its axes."""
    try:
        _, *others = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # without parameters, or compiled
        others = []
    open_names = [entry.name for entry in others if entry.default is entry.empty and entry.kind not in _VARIADIC]
    if strange := [name for name in open_names if name not in _SIZES]:
        requirement = "take a source of randomness and, by name, `spatial_shape` or `channels` (give options a value)"
        checks.invalid_kind("randomly", "sampler", requirement, ", ".join(strange))
    taken = {entry.name for entry in others}
    takes_all = any(entry.kind is entry.VAR_KEYWORD for entry in others)
    return _Sampler(function, tuple(name for name in _SIZES if takes_all or name in taken))


def _sizes_for(
    sampler: _Sampler, sample: Sample, arrays: Mapping[str, Any], spatial: Mapping[str, int]
) -> dict[str, Any]:
    """Return what a sampler needs of the first array, or of the geometry if there is none."""
    name = next((name for name in arrays if name != "geometry"), "geometry")
    geometry = sample.get("geometry")
    if name not in arrays:
        return {}
    shape = tuple(arrays[name].shape)
    if name == "geometry":
        return {"spatial_shape": shape} if "spatial_shape" in sampler.needed else {}
    count = spatial[name]
    if count >= len(shape):
        # Its last axis would be taken for channels, and a volume for slices.
        of_what = "its geometry" if geometry is not None and shape == geometry.shape else "spatial axes alone"
        actual = f"the shape {shape} of {of_what}"
        checks.invalid_value("randomly", "sample", f"hold {name} as (*spatial, channel)", actual)
    sizes: dict[str, Any] = {"spatial_shape": shape[:count], "channels": math.prod(shape[count:])}
    return {needed: sizes[needed] for needed in sampler.needed}


def _draw_and_apply(
    lifted: Mapping[str, Function],
    sampler: _Sampler,
    probability: float,
    roles: Mapping[str, Role],
    dtypes: _Dtypes,
    spatial_axes: int | None,
    sample: Sample,
) -> Sample:
    """Return the sample with one draw applied to the categories of the functions, or, by chance, with none."""
    require_categories("randomly", sample, tuple(lifted))
    if sample.get("rng") is None:
        needed = "have a source of randomness in `rng`: a `numpy.random.Generator`, or a key of JAX"
        checks.invalid_value("randomly", "sample", needed, ", ".join(sample))
    for name, function in lifted.items():
        refuse_labels("randomly", function, name, sample, roles)
    functions = {name: function_for_role("randomly", lifted[name], name, sample, roles) for name in lifted}
    # One source decides, one draws, and the rest goes to the next transform; a NumPy generator is all three.
    chance, source, rest = _array.split_rng("randomly", sample["rng"], 3)
    arrays = {name: sample[name] for name in functions if name != "geometry" or sample[name] is not None}
    spatial = {
        name: count_spatial_axes(sample, name, spatial_axes)
        for name, array in arrays.items()
        if name != "geometry" and checks.has_shape(array)
    }
    draw_from = partial(_drawn, sampler.function, _sizes_for(sampler, sample, arrays, spatial))
    is_applied = _array.random_uniform(chance, 0.0, 1.0, ()) < probability
    is_traced = _array.is_traced(is_applied)
    if not arrays or not (is_traced or is_applied):
        # From a copy: a NumPy generator would move on, and later draws would depend on whether this one was tried.
        spared = {
            name: _spare(array, name, functions[name], lambda: draw_from(copy.deepcopy(source)), dtypes)
            for name, array in arrays.items()
        }
        return {**sample, **spared, "rng": rest}
    draw = draw_from(source)
    changed = warp_together({name: functions[name] for name in arrays}, arrays, *draw)
    for name in (name for name in arrays if name not in changed):
        function, array = functions[name], arrays[name]
        if name in spatial:
            options: dict[str, Any] = {"spatial": spatial[name], "draw": tuple(draw)}
            changed[name] = call_with_channels("randomly", function, name, array, **options)
        else:
            changed[name] = function(array, *draw)
    if is_traced and probability < 1:
        xp = _array.array_namespace(is_applied)
        changed = {
            n: new if new is arrays[n] else xp.where(is_applied, new, xp.astype(arrays[n], new.dtype))
            for n, new in changed.items()
        }
    return {**sample, **changed, "rng": rest}


def _drawn(function: Function, sizes: Mapping[str, Any], source: Rng) -> Sequence[Any]:
    """Return what a sampler draws; raise unless it can be handed on entry by entry."""
    draw = function(source, **sizes)
    # An array would be taken apart along its first axis.
    if not isinstance(draw, tuple | list):
        checks.invalid_kind("randomly", "sampler", "return a tuple of parameters", checks.describe(draw))
    return draw


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
