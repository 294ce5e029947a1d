"""What users can touch: every public module says it in `__all__`, and `dir()` of a namespace shows nothing else."""

import ast
import importlib
import pkgutil
import subprocess
import sys

import pytest

import mia_functional as mia

from .source import MODULES, NAME, PATHS

PUBLIC = [m for m in MODULES if m not in ("__init__", "__main__") and not any(p.startswith("_") for p in m.split("."))]
PACKAGES = [module for module in PUBLIC if PATHS[module].name == "__init__.py"]
LAZY = ("adapters",)
"""Packages whose `__all__` are modules, imported at their first use."""


def exported(module):
    """Return the entries of `__all__`; none where there is none."""
    for node in MODULES[module].body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


def defined(module):
    """Return the names without underscore that a module defines at its top."""
    names = set()
    for node in MODULES[module].body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("module", PUBLIC)
def test_all_lists_what_is_public(module):
    names = exported(module)
    assert names is not None
    assert len(names) == len(set(names))
    if module not in PACKAGES:
        assert set(names) == defined(module)


@pytest.mark.parametrize("module", PUBLIC)
def test_only_what_is_public_is_imported_elsewhere(module):
    """A name with an underscore belongs to its module."""
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == NAME:
            below = node.module.partition(".")[2]
            private = [
                a.name for a in node.names if a.name.startswith("_") and f"{below}.{a.name}".strip(".") not in MODULES
            ]
            assert not private, f"{module}:{node.lineno}"


@pytest.mark.parametrize("package", [package for package in PACKAGES if package not in LAZY])
def test_no_exported_name_is_a_module_of_its_package(package):
    loaded = importlib.import_module(f"{NAME}.{package}")
    inner = {module.name for module in pkgutil.iter_modules(loaded.__path__)}
    assert not inner & set(loaded.__all__)


@pytest.mark.parametrize("namespace", [name for name in mia.__all__ if not name.startswith("__")])
def test_dir_of_a_namespace_shows_what_users_may_touch(namespace):
    loaded = getattr(mia, namespace)
    assert dir(loaded) == sorted(loaded.__all__)
    for name in loaded.__all__:
        if namespace not in LAZY:
            getattr(loaded, name)


def test_the_root_shows_its_namespaces():
    rooms = {module for module in PUBLIC if "." not in module} - {"typing", "cli"}
    assert set(mia.__all__) - {"__version__"} == rooms
    assert set(dir(mia)) == rooms | {"__version__"}


ALONE = [m for m in MODULES if m not in ("__init__", "__main__") and not m.startswith("adapters.")]


@pytest.mark.sampled(10)
@pytest.mark.parametrize("module", ALONE)
def test_every_module_can_be_imported_alone(module):
    command = [sys.executable, "-W", "error", "-c", f"import {NAME}.{module}"]
    run = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    "room", ["metrics", "evaluation", "images", "discovery", "morphology", "analysis", "reporting"]
)
def test_rooms_load_no_heavy_library(room):
    code = f"import sys, {NAME}.{room}; print(*sys.modules, *{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout
    heavy = {"h5py", "SimpleITK", "jax", "torch", "matplotlib", "pandas", "tensorflow", "cupy"}
    # Parts of NumPy that it loads when they are first asked for, which an annotation does, too.
    heavy |= {"numpy.random"} if room == "metrics" else set()
    assert heavy.isdisjoint(loaded.split())
