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


def modules_looked_up_late():
    """Return the modules and packages that the package's own code looks up as `mia.namespace.module`, and in these."""
    package = Path(mia.__file__).parent
    texts = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    chains = {chain for text in texts for chain in re.findall(r"\bmia\.(\w+(?:\.\w+)+)", text)}
    parts = [chain.split(".") for chain in chains]
    places = {tuple(names[:length]) for names in parts for length in range(2, len(names) + 1)}
    found = (".".join(names) for names in places for path in [package.joinpath(*names)]
             if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file())  # fmt: skip
    return sorted(found)


@pytest.mark.parametrize("name", modules_looked_up_late())
def test_what_is_looked_up_late_is_there_in_a_process_that_imported_nothing_else(name):
    """A module that its namespace does not import would be there only where something else has imported it."""
    code = f"import mia_functional as mia; print(mia.{name}.__name__)"
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    assert (outcome.stdout, outcome.stderr) == (f"mia_functional.{name}\n", "")
