"""Docstrings say what a reader of the site needs, in the same order everywhere."""

import importlib
import inspect
import re

import pytest

import mia_functional
from mia_functional.metrics import METRICS

pytestmark = pytest.mark.full

ORDER = (
    "Forms", "Args", "Attributes", "Returns", "Yields", "Warns", "Undefined", "Raises", "Example", "Source",
    "Agrees with", "Differs from",
)  # fmt: skip
"""Sections in order; one that would be empty is left out."""

OF_ARRAYS = ("assembly", "extraction", "geometry", "indexing", "metrics", "morphology", "selection", "transforms")
"""Namespaces whose functions have an example that can be checked by hand."""

SHOWN_ELSEWHERE = {
    "assembly.add": "with `start`",
    "assembly.finish": "with `start`",
    "assembly.assemble_subjects": "needs a dataset",
}

SECTION = re.compile(r"^([A-Z][a-z]+(?: [a-z]+)?):$", re.MULTILINE)

ADAPTERS = tuple(f"adapters.{name}" for name in mia_functional.adapters.__all__)
PUBLIC = {
    f"{room}.{name}": value
    for room in (*mia_functional.__all__, *ADAPTERS, "typing")
    for module in [importlib.import_module(f"mia_functional.{room}")]
    for name in module.__all__
    if inspect.isfunction(value := getattr(module, name)) or inspect.isclass(value)
}


def sections_of(value):
    """Return the names of the sections of a docstring."""
    return SECTION.findall(inspect.getdoc(value))


def test_all_public_names_are_looked_at():
    assert len(PUBLIC) > 500
    assert {"metrics.dice", "adapters.torch.loader", "geometry.Geometry"} <= PUBLIC.keys()


@pytest.mark.parametrize("room", sorted({name.rpartition(".")[0] for name in PUBLIC}))
def test_docstrings_have_a_summary_and_sections_in_order(room):
    for name, value in PUBLIC.items():
        if name.rpartition(".")[0] != room:
            continue
        summary, *rest = (value.__doc__ or "").strip().split("\n\n")[0].splitlines() or [""]
        assert len(summary) > 10, name
        assert (rest[-1] if rest else summary).endswith((".", ":")), name
        sections = sections_of(value)
        assert set(sections) <= set(ORDER), name
        assert sections == sorted(sections, key=ORDER.index), name
        # One sentence is enough for a function of what its sentence names.
        arguments = list(inspect.signature(value).parameters) if inspect.isfunction(value) else []
        assert "Args" in sections or len(arguments) <= 3, name
        if "Args" in sections and "Forms" not in sections:
            missing = [each for each in arguments if f"{each}:" not in value.__doc__]
            assert not missing, f"{name} does not tell of {missing}"


@pytest.mark.parametrize("room", OF_ARRAYS)
def test_functions_of_arrays_have_an_example(room):
    functions = {name: value for name, value in PUBLIC.items() if name.startswith(f"{room}.")}
    without = {name for name, value in functions.items() if inspect.isfunction(value) and ">>>" not in value.__doc__}
    assert without <= SHOWN_ELSEWHERE.keys()


@pytest.mark.parametrize("row", METRICS, ids=lambda row: row.abbreviation)
def test_metrics_of_the_table_say_all_there_is_to_know(row):
    sections = sections_of(row.function)
    assert {"Args", "Returns", "Example", "Source"} <= {*sections}
    assert "Undefined" in sections or not row.undefined
    returned = row.function.__doc__.partition("Returns:\n")[2].partition("\n\n")[0]
    assert re.search(r"better|neither", returned) or row.best != row.best
