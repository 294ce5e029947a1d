"""From functions of arrays to functions of samples: choose the categories, and put one function after the other.

A sample is a dictionary of arrays by category, `subject`, `geometry` and `index`. What is returned here takes a sample
and gives a new one; the old one and its arrays stay as they are. All of it pickles, if the functions do.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from mia_functional import _check

Sample: TypeAlias = dict[str, Any]
"""Arrays by category, and what else belongs to them."""

Transform: TypeAlias = Callable[[Sample], Sample]
"""From a sample to a sample."""


def compose(*functions: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return the function that applies `functions` one after the other, the first one first (pipeline, chain).

    Args:
        functions: Functions of one argument, of samples or of arrays; none of them gives the identity.

    Returns:
        A function of one argument.

    Example:
        >>> compose(abs, float)(-2)
        2.0
    """
    return partial(_chain, functions)


def _chain(functions: tuple[Callable[[Any], Any], ...], value: Any) -> Any:
    """Return `value` after all functions."""
    for function in functions:
        value = function(value)
    return value


def on(
    categories: str | tuple[str, ...],
    function: Callable[..., Any],
    *,
    given: Mapping[str, str] | None = None,
    **options: Any,
) -> Transform:
    """Lift a function of one array to samples: it is applied to the named categories, all else is handed on.

    Args:
        categories: One category or several. `geometry` may be among them for functions that take a `Geometry` as well
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
    names = (categories,) if isinstance(categories, str) else tuple(categories)
    return partial(_apply, names, function, dict(given or {}), options)


def _apply(
    names: tuple[str, ...],
    function: Callable[..., Any],
    given: Mapping[str, str],
    options: Mapping[str, Any],
    sample: Sample,
) -> Sample:
    """Return the sample with `function` applied to the categories `names`."""
    present(sample, (*names, *given.values()))
    taken = {argument: sample[category] for argument, category in given.items()}
    chosen = [name for name in names if not (name == "geometry" and sample[name] is None)]
    return {**sample, **{name: function(sample[name], **taken, **options) for name in chosen}}


def present(sample: Sample, names: tuple[str, ...]) -> None:
    """Refuse a sample that lacks one of the categories."""
    for name in names:
        if name not in sample:
            _check.invalid_value("on", "categories", f"be in the sample ({', '.join(sample)})", repr(name))
