"""The floors of the house: imports point down, inside a floor only along the listed arrows, and in no circle."""

import ast
import graphlib

import pytest

from .source import MODULES, imports, own_imports, room

FLOORS = (
    ("typing", "_core"),
    ("_array", "geometry"),
    ("images", "discovery", "indexing", "extraction", "_label_maps", "selection", "phantoms"),
    ("morphology",),
    ("metrics", "assembly", "transforms", "dataset"),
    ("evaluation", "filters", "adapters"),
    ("analysis", "reporting"),
    ("demo", "testing", "cli", "__main__", "__init__"),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}

SIDEWAYS = {
    ("_core", "typing"),
    ("extraction", "indexing"),
    ("discovery", "images"),
    ("dataset", "transforms"),
    ("reporting", "analysis"),
    ("cli", "demo"),
    ("cli", "__init__"),
    ("__main__", "cli"),
}
"""The arrows inside a floor: the first imports the second."""

BACKENDS = {"jax", "torch", "cupy", "tensorflow", "array_api_compat", "matplotlib", "pandas"}


def test_every_room_has_a_floor():
    assert {room(module) for module in MODULES} == set(FLOOR)
    assert len({room(module) for module in MODULES} - {"__main__", "__init__"}) <= 28


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    for node, target in own_imports(MODULES[module]):
        low, high = room(target), room(module)
        allowed = low == high or FLOOR[low] < FLOOR[high] or (high, low) in SIDEWAYS
        assert allowed, f"{module}:{node.lineno} imports {target}"


def test_there_is_no_circle():
    """Packages count as their `__init__.py`: a module inside may not be imported by way of its own package."""
    graph = {module: {target for _, target in own_imports(tree)} - {module} for module, tree in MODULES.items()}
    graph["__init__"] = set()
    # The sorter raises CycleError, which names the modules of a circle.
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert all(order.index(low) < order.index(high) for high, targets in graph.items() for low in targets)


@pytest.mark.parametrize("module", MODULES)
def test_our_own_modules_are_imported_at_the_top(module):
    tree = MODULES[module]
    blocks = (node.body for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    top = [*tree.body, *(node for block in blocks for node in block)]
    late = [
        node.lineno
        for node, _ in own_imports(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and node not in top
    ]
    assert late == []


@pytest.mark.parametrize("module", MODULES)
def test_array_libraries_are_named_in_one_room(module):
    if room(module) in ("_array", "adapters"):
        return
    named = {name.split(".")[0] for _, name in imports(MODULES[module])}
    assert named.isdisjoint(BACKENDS)
