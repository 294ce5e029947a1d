"""The tables for who comes from another package: what they name exists there and here, and takes these options."""

import ast
import functools
import importlib
import importlib.util
import inspect
import re
import warnings
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

PAGES = sorted((Path(__file__).parents[2] / "docs" / "coming_from").glob("*.md"))
ROW = re.compile(r"^\| (?P<theirs>.+) \| (?P<ours>.+) \|$", flags=re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


def rows(page):
    """Return what the tables of a page say: cells of the package, and of this library."""
    found = ROW.findall(page.read_text(encoding="utf-8"))
    return [row for row in found if row[1] != "here" and not set(row[0]) <= set("-|")]


@functools.cache
def named(name):
    """Return what a dotted name stands for: its longest part that is a module is imported, the rest are attributes."""
    words = name.split(".")
    for count in range(len(words), 0, -1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                value = importlib.import_module(".".join(words[:count]))
            except ModuleNotFoundError:
                continue
        for word in words[count:]:
            value = getattr(value, word)
        return value
    raise ModuleNotFoundError(name)


def names_in(code):
    """Return the dotted names of an expression, `mia.` written out, and the calls in it."""
    tree = ast.parse(code, mode="eval")
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    outer = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and id(node) not in inner]
    return {id(node): re.sub(r"^mia\.", "mia_functional.", ast.unparse(node)) for node in outer}, [
        node for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_the_package_has_exists(page):
    if importlib.util.find_spec(page.stem) is None:
        pytest.skip(f"{page.stem} is not installed")
    theirs = {code for cell, _ in rows(page) for code in CODE.findall(cell) if code.startswith(f"{page.stem}.")}
    assert len(theirs) > 20
    missing = set()
    for name in theirs:
        try:
            named(name)
        except (AttributeError, ModuleNotFoundError):
            missing.add(name)
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_is_here_exists_and_takes_these_options(page):
    for _, cell in rows(page):
        codes = [code for code in CODE.findall(cell) if code.startswith("mia.")]
        for code in codes:
            names, calls = names_in(code)
            assert names, code
            values = {node: named(name) for node, name in names.items()}
            for call in calls:
                if isinstance(call.func, ast.Attribute):
                    signature = inspect.signature(values[id(call.func)])
                    # A metric takes options of its statistic, too.
                    signature.bind_partial(*call.args, **{word.arg: word.value for word in call.keywords})


def test_names_and_calls_are_found():
    names, calls = names_in("mia.dataset.create(path, subjects, load=mia.images.read)")
    assert sorted(names.values()) == ["mia_functional.dataset.create", "mia_functional.images.read"]
    assert len(calls) == 1
    with pytest.raises(AttributeError):
        named("mia_functional.metrics.no_such_metric")
