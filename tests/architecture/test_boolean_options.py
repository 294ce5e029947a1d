"""Options that are true or false: a text such as "no" counts as true in Python, and is refused by every function."""

import importlib
import inspect

import numpy as np
import pytest

from mia_functional import assembly, dataset, evaluation, indexing
from mia_functional._core import checks

from .test_public_surface import PACKAGES, exported

MASK = np.eye(6, dtype=np.uint8)
RESULTS = evaluation.evaluate(MASK, MASK, subject="A", metrics=["DICE"], labels=(1,))


def boolean_options():
    """Yield every public function with the name of an option that is true or false, as its annotation says."""
    rooms = [f"mia_functional.{room}" for room in PACKAGES if exported(room)] + ["mia_functional.adapters.torch"]
    for room in rooms:
        module = importlib.import_module(room)
        for function in (getattr(module, name) for name in module.__all__):
            if not inspect.isfunction(function):
                continue
            for option in inspect.signature(function).parameters.values():
                if option.annotation in (bool, "bool", bool | None, "bool | None"):
                    yield pytest.param(function, option.name, id=f"{function.__name__}-{option.name}")


def arguments_of(function, folder):
    """Return what a function needs beside options: None wherever it asks for booleans first."""
    name, parameters = function.__name__, inspect.signature(function).parameters
    needed = [entry.name for entry in parameters.values() if entry.default is entry.empty]
    if "metrics" in function.__module__.split("."):
        maps = np.stack([1.0 - MASK, MASK], axis=-1)
        if "top_label" in parameters:
            return (maps, MASK), {"labels": (0, 1)}
        named = {"spacing": (1.0, 1.0)} if "spacing" in parameters else {}
        named |= {"labels": (0, 1)} if name == "expected_cost" else {}
        return ((MASK,) if name == "feret_diameter" else (MASK, MASK)), named
    if name.startswith("write_") and "reporting" in function.__module__:
        endings = {"write_excel": "xlsx", "write_results": "csv", "write_runs": "csv"}
        return (folder / f"new.{endings.get(name, name.removeprefix('write_'))}", RESULTS), {}
    kinds = {name: parameters[name].kind for name in needed}
    named = {name: None for name, kind in kinds.items() if kind is inspect.Parameter.KEYWORD_ONLY}
    return (None,) * sum(kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for kind in kinds.values()), named


@pytest.mark.parametrize(("function", "option"), list(boolean_options()))
def test_a_text_is_neither_true_nor_false(function, option, tmp_path):
    positional, named = arguments_of(function, tmp_path)
    with pytest.raises(TypeError, match=rf"^{function.__name__}: `{option}` must be True or False; got 'no'\.$"):
        function(*positional, **named | {option: "no"})
    assert not list(tmp_path.iterdir())


def test_records_of_options_are_looked_at_where_they_are_used(tmp_path):
    entry = dataset.Entry(category="numerical", name="AGE", value=31.0)
    dataset.create(tmp_path / "cohort.h5", [dataset.Subject(name="A", entries=(entry,))])
    cohort = dataset.open(tmp_path / "cohort.h5")
    for field in ("whole", "resample"):
        part = dataset.SampleField(category="numerical", **{field: "no"})
        with pytest.raises(TypeError, match=rf"^samples: `{field}` must be True or False; got 'no'\."):
            dataset.samples(cohort, indexing=indexing.whole, extract=[part])
    for field in ("paths", "file_digests", "durable"):
        storage = dataset.Storage(**{field: "no"})
        with pytest.raises(TypeError, match=rf"^create: `{field}` must be True or False; got 'no'\."):
            dataset.create(tmp_path / "new.h5", [], storage=storage)
    for field in ("weighted", "ordered"):
        options = {name: getattr(assembly.last, name) for name in ("start", "add", "finish")} | {field: "no"}
        reduction = assembly.Reduction(name="own", **options)
        with pytest.raises(TypeError, match=rf"^assemble: `{field}` must be True or False; got 'no'\."):
            assembly.assemble([np.zeros(2)], [(slice(0, 2),)], (2,), reduction=reduction)


@pytest.mark.parametrize("value", [1, 0, None, "", [True], np.array([True]), 1.0])
def test_other_kinds_are_refused(value):
    with pytest.raises(TypeError, match=r"^shift: `wrap` must be True or False; got "):
        checks.booleans("shift", wrap=value)


def test_scalars_of_any_library_are_booleans(xp):
    checks.booleans("shift", wrap=np.True_, other=xp.asarray(0) == 1)
