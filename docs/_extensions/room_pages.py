"""A page of `docs/api/` for every public namespace: a table of its names, then the docstring of each.

What is public is what `__all__` lists. Names stand under the module that defines them, whose docstring introduces them.
"""

import importlib
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from docstrings import marked_up
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

import mia_functional

ROOT = "mia_functional"
ROOMS = (*mia_functional.__all__, "typing")


class Entry(NamedTuple):
    """A public name: its public address, the module that defines it, its docstring, and the directive that shows it.

    What another namespace hands on has none, and the address is where it is at home.
    """

    address: str
    source: str
    docstring: list[str]
    directive: list[str]


def room(name: str) -> ModuleType:
    """Return a namespace, or a part of one, by its name in the package."""
    return importlib.import_module(f"{ROOT}.{name}")


def inner_modules(module: ModuleType) -> list[str]:
    """Return the public names of a namespace that are modules."""
    return [name for name in module.__all__ if inspect.ismodule(getattr(module, name))]


def public_modules() -> list[ModuleType]:
    """Return the modules that get a page: the namespaces, and each adapter."""
    names = [name for top in ROOMS for name in (top, *(f"{top}.{inner}" for inner in inner_modules(room(top))))]
    return [room(name) for name in names]


def entry_of(module: ModuleType, name: str) -> Entry:
    """Return what a page says of a public name."""
    value, address = getattr(module, name), f"{module.__name__}.{name}"
    if inspect.isclass(value) or inspect.isfunction(value):
        source, lines = value.__module__, inspect.getdoc(value).splitlines()
        home = ".".join(source.split(".")[:2])
        if not module.__name__.startswith(home) and name in sys.modules[home].__all__:
            return Entry(f"{home}.{name}", home, lines, [])
        if value.__name__ != name:
            same = f":py:obj:`{value.__name__}`"
            return Entry(
                address, source, [f"The same as {same}."], [f".. py:function:: {address}", "", f"   As {same}."]
            )
        kind = "class" if inspect.isclass(value) else "function"
        return Entry(address, source, lines, [f".. auto{kind}:: {address}"])
    # Values and aliases of types have no docstring: it stands below them, in the module that defines them.
    for source in [source for source in sys.modules if source.startswith(ROOT)]:
        if vars(sys.modules[source]).get(name) is value:
            lines = ModuleAnalyzer.for_module(source).find_attr_docs().get(("", name))
            if lines:
                options = [f"   :module: {module.__name__}"]
                shown = re.sub(r"\b(typing|types|collections\.abc|numpy|mia_functional(\.\w+)*)\.", "", str(value))
                if len(shown) < 100:  # a type, or a few values; not a table
                    options.append(f"   :value: {shown}")
                body = [f"   {line}" for line in marked_up(lines)]
                return Entry(address, source, lines, [f".. py:data:: {name}", *options, "", *body])
    raise ValueError(f"{address} has no docstring")


def first_sentence(lines: Iterable[str]) -> str:
    """Return the first sentence of a docstring, without the word that those of functions begin with."""
    paragraph = " ".join("\n".join(lines).partition("\n\n")[0].split())
    sentence = paragraph.partition(". ")[0].rstrip(".:").removeprefix("Return ")
    return " ".join(marked_up([f"{sentence[:1].upper()}{sentence[1:]}."]))


def heading(text: str, line: str) -> list[str]:
    """Return a heading."""
    return ["", text, line * len(text), ""]


def table(rows: Iterable[tuple[str, str]], first: int) -> list[str]:
    """Return a table of two columns, the first of them so many percent wide."""
    lines = ["", ".. list-table::", "   :class: summary", f"   :widths: {first} {100 - first}", ""]
    for name, text in rows:
        lines += [f"   * - {name}", f"     - {text}"]
    return [*lines, ""]


def description(module: ModuleType) -> list[str]:
    """Return the docstring of a module."""
    return list(marked_up(inspect.cleandoc(module.__doc__ or "").splitlines()))


def page(module: ModuleType) -> str:
    """Return the page of a namespace."""
    name, inner = module.__name__.removeprefix(f"{ROOT}."), inner_modules(module)
    sections = defaultdict(list)
    for each in sorted(set(module.__all__) - set(inner), key=str.lower):
        entry = entry_of(module, each)
        sections[entry.source].append(entry)
    titles = {source: source.rpartition(".")[2].replace("_", " ").capitalize() for source in sections}
    lines = [*heading(name, "=")[1:], f".. py:module:: {module.__name__}", "", *description(module), ""]
    if inner:
        parts = [f"{name}.{each}" for each in inner]
        lines += table([(f":doc:`{part}`", first_sentence(room(part).__doc__.splitlines())) for part in parts], 28)
        lines += [".. toctree::", "   :hidden:", "", *(f"   {part}" for part in parts), ""]
    order = sorted(sections, key=titles.__getitem__)
    for source in order:
        if len(order) > 1:
            lines += [f".. rubric:: {titles[source]}"]
        lines += table([(f":py:obj:`~{e.address}`", first_sentence(e.docstring)) for e in sections[source]], 34)
    for source in order:
        directives = [line for entry in sections[source] for line in (*entry.directive, "")]
        if any(directives):
            lines += heading(titles[source] if len(order) > 1 else "Names", "-")
            lines += [*description(importlib.import_module(source)), ""] if source != module.__name__ else []
            lines += directives
    return "\n".join(lines).rstrip() + "\n"


def index() -> str:
    """Return the page that lists the namespaces."""
    rows = [(f":doc:`{name}`", first_sentence(room(name).__doc__.splitlines())) for name in ROOMS]
    lines = [
        *heading("API", "=")[1:],
        "Each namespace is an attribute of the package: ``import mia_functional as mia``, then ``mia.metrics.dice``.",
        *table(rows, 20),
        *(".. toctree::", "   :hidden:", "", *(f"   {name}" for name in ROOMS)),
    ]
    return "\n".join(lines) + "\n"


def write(app: Sphinx) -> None:
    """Write the pages that have changed, and take away those of namespaces that are no more."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    texts = {f"{module.__name__.removeprefix(f'{ROOT}.')}.rst": page(module) for module in public_modules()}
    texts["index.rst"] = index()
    for path in folder.iterdir():
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
