"""The pages for developers name files and functions that exist."""

import re
from pathlib import Path

import pytest

from .source import MODULES, PACKAGE, module_of

ROOT = Path(__file__).parents[2]
PAGES = ("CONTRIBUTING.md", "docs/architecture.md", "tests/README.md", "benchmarks/README.md")
ROOMS = {module.split(".")[0] for module in MODULES}
WORDS = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"[\w.-]+(/[\w.-]+)*(/|\.(py|md|yml|yaml|toml|ipynb|h5))")
DOTTED = re.compile(r"[a-z_]\w*(\.\w+)+")
EXAMPLES = {"cohort.h5", "mia_functional/images/npz.py", "tests/images/test_npz.py"}


def top_names(module):
    """Return all names at the top of a module."""
    names = set()
    for node in MODULES[module].body:
        names |= {getattr(node, "name", "")}
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        names |= {getattr(target, "id", "") for target in targets}
        for alias in getattr(node, "names", []):
            starred = alias.name == "*"
            names |= top_names(module_of(node.module.partition(".")[2])) if starred else {alias.asname or alias.name}
    return names


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page):
    words = set(WORDS.findall((ROOT / page).read_text(encoding="utf-8")))
    paths = {word for word in words if PATH.fullmatch(word)} - EXAMPLES
    missing = {path for path in paths if not any((base / path).exists() for base in (ROOT, PACKAGE, ROOT / "tests"))}
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_names_that_are_named_exist(page):
    words = set(WORDS.findall((ROOT / page).read_text(encoding="utf-8")))
    for word in sorted(words):
        if not DOTTED.fullmatch(word) or word.split(".")[0] not in ROOMS:
            continue
        module = module_of(word)
        rest = word.removeprefix(module).strip(".").split(".")[0]
        assert not rest or rest in top_names(module), word
