"""The root of the package: a map of the namespaces that is true, and nothing else to see."""

import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import mia_functional as mia


def test_the_map_in_the_help_lists_every_namespace_once():
    assert sorted(re.findall(r"^    (\w+)  +\w", mia.__doc__, flags=re.MULTILINE)) == mia.__all__


def test_only_the_namespaces_and_the_version_are_shown():
    assert dir(mia) == sorted(["__version__", *mia.__all__])


@pytest.mark.parametrize("name", mia.__all__)
def test_every_namespace_is_reached_by_attribute_and_described(name):
    namespace = getattr(mia, name)
    assert isinstance(namespace, ModuleType)
    assert namespace.__doc__


def test_other_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = mia.nonsense


@pytest.mark.parametrize("namespace", ["evaluation", "metrics"])
def test_tables_of_results_need_no_images_and_no_datasets(namespace):
    heavy = ("h5py", "SimpleITK", "scipy", "jax", "torch", "matplotlib", "pandas", "mia_functional.images")
    code = f"import sys, mia_functional.{namespace}; print(*(name for name in {heavy} if name in sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert outcome.stdout == "\n"


def late_uses():
    """Return what the package's own code looks up in each namespace as `mia.namespace.name`."""
    uses = {}
    for path in Path(mia.__file__).parent.rglob("*.py"):
        for namespace, name in re.findall(r"\bmia\.(\w+)\.(\w+)", path.read_text(encoding="utf-8")):
            uses.setdefault(namespace, set()).add(name)
    return uses


@pytest.mark.parametrize(("namespace", "names"), sorted(late_uses().items()))
def test_what_is_looked_up_late_is_there_in_a_process_that_imported_nothing_else(namespace, names):
    """A module of a namespace that its `__init__` does not import is there in tests alone, where others import it."""
    code = f"import mia_functional as mia; print([n for n in {sorted(names)} if not hasattr(mia.{namespace}, n)])"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert outcome.stdout == "[]\n"
