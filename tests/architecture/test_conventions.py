"""The conventions of the code as tests: records, keyword-only options, argument order, docstrings, light imports."""

import ast
import subprocess
import sys

import pytest

from .source import MODULES, functions, room


def public(tree):
    """Yield the public functions and classes at the top of a module."""
    kinds = ast.FunctionDef | ast.ClassDef
    return (node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))


@pytest.mark.parametrize("module", MODULES)
def test_classes_are_records_or_protocols(module):
    for node in ast.walk(MODULES[module]):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases}
        decorators = " ".join(map(ast.unparse, node.decorator_list))
        frozen = all(word in decorators for word in ("frozen=True", "slots=True", "kw_only=True"))
        assert bases in ({"NamedTuple"}, {"Protocol"}, {"TypedDict"}) or (frozen and not bases), node.name
        if bases != {"Protocol"}:
            methods = {entry.name for entry in node.body if isinstance(entry, ast.FunctionDef)}
            assert methods <= CONTAINER, node.name


CONTAINER = {
    "__len__",
    "__getitem__",
    "__getitems__",
    "__iter__",
    "__repr__",
    "__post_init__",
    "__contains__",
    "__getstate__",
    "__setstate__",
    # Of a loop over batches that others can go on with.
    "__next__",
    "state_dict",
    "load_state_dict",
}


OPERANDS = {"read_segmentation": {"reference"}, "write_segmentation": {"reference"}}
"""What is no option but a second input, though a file may do without: the series that a segmentation was drawn on."""


@pytest.mark.parametrize("module", MODULES)
def test_options_are_keyword_only(module):
    for function in functions(MODULES[module]):
        if function.name.startswith("__"):
            continue
        positional = [*function.args.posonlyargs, *function.args.args]
        defaults = dict(zip([a.arg for a in positional][::-1], function.args.defaults[::-1], strict=False))
        if not function.name.startswith("_") and function in MODULES[module].body and function.name != "main":
            options = defaults.keys() - OPERANDS.get(function.name, set())
            assert not options, f"{function.name}: {sorted(options)} should be keyword-only"
        booleans = [a.arg for a in positional if a.annotation is not None and ast.unparse(a.annotation) == "bool"]
        assert not booleans, function.name


@pytest.mark.parametrize("module", MODULES)
def test_pairs_are_prediction_then_reference(module):
    for function in functions(MODULES[module]):
        names = [argument.arg for argument in [*function.args.posonlyargs, *function.args.args]]
        if "prediction" in names and "reference" in names:
            assert names.index("prediction") + 1 == names.index("reference"), function.name


@pytest.mark.parametrize("module", MODULES)
def test_public_names_have_docstrings_with_what_users_need(module):
    tree = MODULES[module]
    assert ast.get_docstring(tree)
    for node in public(tree):
        text = ast.get_docstring(node)
        assert text or "overload" in map(ast.unparse, getattr(node, "decorator_list", [])), node.name
        if text and isinstance(node, ast.FunctionDef) and not room(module).startswith(("_", "cli")):
            arguments = [a.arg for a in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
            if len(text.splitlines()) > 6 and len(arguments) > 1:
                missing = [name for name in arguments if f"{name}:" not in text]
                assert not missing, f"{node.name} does not tell of {missing}"


def loaded(statement):
    """Return the top-level packages that are loaded after a statement, in a new interpreter."""
    code = f"import sys; {statement}; print(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    return set(result.stdout.split())


def test_import_is_light():
    heavy = {"jax", "torch", "scipy", "h5py", "SimpleITK", "matplotlib", "pandas", "rich", "cupy", "tensorflow"}
    assert loaded("import mia_functional").isdisjoint(heavy)
