"""Errors name the public function that was called: every function with a misspelt keyword, and with a wrong kind."""

import importlib
import inspect
from collections.abc import Iterator

import numpy as np
import pytest

import mia_functional as mia

NAMESPACES = [name for name in mia.__all__ if name not in ("adapters", "demo")]
FUNCTIONS = {
    f"{namespace}.{name}": value
    for namespace in NAMESPACES
    for name in getattr(importlib.import_module(f"mia_functional.{namespace}"), "__all__", ())
    if inspect.isfunction(value := getattr(getattr(mia, namespace), name))
}

FORWARDING = {"metrics.by_channel", "transforms.on", "transforms.mix", "transforms.randomly"}
"""Functions whose further keywords are those of a function that they are given."""

BEHAVIOUR = {
    *(f"assembly.{name}" for name in ("uniform", "hann", "gaussian")),
    *(f"indexing.{name}" for name in ("clip", "drop", "even", "overhang", "shift")),
    *(f"{namespace}.{name}" for namespace in ("extraction", "transforms") for name in ("constant", "edge", "reflect")),
    *(f"transforms.{name}" for name in ("linear", "nearest")),
    *(
        f"metrics.{name}"
        for name in ("surfels", "voxels", "solid", "reference_mean", "reference_norm", "reference_range")
    ),
}
"""Functions that are passed as values: the library calls them, with arguments that it checked before."""

NEEDED = {"spacing": (1.0, 1.0), "labels": (1,), "uncertainty": np.ones((3, 3)), "losses": np.ones((3, 3))}

ANYTHING = {"assembly.finish"}
"""Functions of what another function of the library returned, whatever it is."""


class Wrong:
    """What no function takes."""

    def __repr__(self):
        return "Wrong()"


def required(function):
    """Return the names of the arguments that a function cannot do without."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in kinds]


def started(result):
    """Take the first item of a generator, whose checks run then."""
    return next(result) if isinstance(result, Iterator) else result


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - FORWARDING))
def test_a_misspelt_keyword_names_the_function(name):
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    # No argument of a metric is always required, as it has two forms: this is the pair, with what some need beside it.
    pair = [np.ones((3, 3), dtype=bool)] * 2 if "reference" in parameters else []
    needed = {
        key: value for key, value in NEEDED.items() if key in parameters and repr(parameters[key].default) == "..."
    }
    with pytest.raises(TypeError, match="no_such_keyword") as caught:
        function(*(pair or [Wrong()] * len(required(function))), **needed, no_such_keyword=1)
    assert str(caught.value).startswith((f"{function.__name__}:", f"{function.__name__}()"))


@pytest.mark.parametrize(
    "name", sorted({name for name, function in FUNCTIONS.items() if required(function)} - BEHAVIOUR - ANYTHING)
)
def test_a_wrong_kind_names_the_function(name):
    function = FUNCTIONS[name]
    keyword_only = inspect.Parameter.KEYWORD_ONLY
    parameters = inspect.signature(function).parameters
    positional = [Wrong() for key in required(function) if parameters[key].kind is not keyword_only]
    keywords = {key: Wrong() for key in required(function) if parameters[key].kind is keyword_only}
    with pytest.raises((TypeError, ValueError)) as caught:
        started(function(*positional, **keywords))
    assert str(caught.value).startswith(f"{function.__name__}: ")
