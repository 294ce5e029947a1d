"""The structure of the package, read from its source: layers, budgets, kinds of class, signatures, docstrings."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "mia_functional"
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

LAYERS = {
    0: ("typing", "_array", "_check", "_masks", "_optional", "_parallel", "_files"),
    1: ("geometry", "_distances"),
    2: ("indexing", "extraction", "selection", "assembly", "morphology", "transforms", "metrics", "phantoms"),
    3: ("_headers", "_itk", "_registration", "_dicom", "_npy", "images", "filters", "dataset"),
    4: ("evaluation",),
    5: ("testing", "adapters", "demo", "cli", "__main__", "__init__"),
}
LAYER = {name: layer for layer, names in LAYERS.items() for name in names}

# The arrows that are allowed inside a layer: each module may import those before it in its chain.
CHAINS = (
    ("typing", "_check", "_array", "_masks"),
    ("_optional",),
    ("indexing", "extraction", "assembly"),
    ("morphology", "metrics"),
    ("indexing", "extraction", "transforms"),
    ("_headers", "_itk", "_dicom", "images", "dataset"),
    ("_headers", "_npy", "images"),
    ("_itk", "images", "filters"),
    ("_itk", "_registration", "filters"),
    ("demo", "cli", "__main__"),
)
PACKAGE_CHAINS = {
    "_array": (("libraries", "numbers", "writing", "control", "planes", "sums", "randomness"),),
    "indexing": (("records", "boundaries", "margins", "grids", "random"),),
    "assembly": (
        ("windows", "places", "reductions", "voxels", "steps", "stacked", "volumes", "planes", "subjects", "sliding"),
    ),
    "metrics": (
        ("derived", "labels", "joint", "codes", "confusion", "matrix", "moments", "spatial", "merging"),
        ("derived", "labels", "confusion", "matrix", "moments", "overlap", "rates", "agreement", "partition"),
        ("derived", "labels", "confusion", "volume"),
        ("derived", "confusion", "moments", "continuous", "windowed", "image_quality"),
        ("table", "catalogue"),
        (
            "derived",
            "labels",
            "marching",
            "neighbours",
            "boundaries",
            "surface",
            "reductions",
            "ranks",
            "tolerance",
            "distance",
        ),
    ),
    "dataset": (
        (
            "description",
            "discovery",
            "traversal",
            "encoding",
            "parts",
            "tables",
            "storage",
            "places",
            "guard",
            "handles",
            "creation",
        ),
        ("encoding", "heap", "hints", "guard", "handles", "reading"),
        ("description", "parts", "tables", "handles", "decoded", "reading", "verification", "opening"),
        ("hints", "handles", "reading"),
        ("guard", "verification", "opening"),
        ("description", "discovery", "layouts"),
        ("description", "traversal", "decoded"),
        ("description", "traversal", "reading", "wishes", "samples"),
        ("traversal", "batches", "samples"),
        ("buffers", "batches"),
    ),
    "transforms": (
        ("grid", "axes", "spatial", "corruption", "warping"),
        ("axes", "composition", "orientation"),
        ("grid", "parameters", "interpolation", "warping", "composition"),
        ("channels", "intensity"),
        ("channels", "parameters", "corruption", "random"),
        ("draws", "random"),
    ),
    "evaluation": (("results", "evaluate", "folders", "statistics", "reporting", "reading", "plotting"),),
    "demo": (("classifier", "cohort", "experiment"),),
}
BACKENDS = {"jax", "torch", "cupy", "tensorflow", "array_api_compat", "matplotlib", "pandas"}
FILE_LINES, BODY_LINES, PARAMETERS = 330, 40, 6


def room(module):
    """Return the name that the layers know a module by: its first part."""
    return module.split(".")[0]


def imports(tree):
    """Yield every import of a module as (node, full name), `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def own_imports(tree):
    """Yield the modules of ours that a module imports, as names below the package."""
    for node, name in imports(tree):
        if name.split(".")[0] == "mia_functional":
            parts = name.split(".")[1:]
            while parts and ".".join(parts) not in MODULES and ".".join([*parts, "__init__"]) not in MODULES:
                parts = parts[:-1]
            yield node, ".".join(parts) or "__init__"


def functions(tree):
    """Yield every function of a module."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def public(tree):
    """Yield the public functions and classes at the top of a module."""
    kinds = ast.FunctionDef | ast.ClassDef
    return (node for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_"))


def before(chains, low, high):
    """Tell whether `low` stands before `high` in one of the chains."""
    return any(low in chain and high in chain and chain.index(low) < chain.index(high) for chain in chains)


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_layer(module):
    assert room(module) in LAYER


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    for node, target in own_imports(MODULES[module]):
        where = f"{module}:{node.lineno} imports {target}"
        if room(target) == room(module):
            parts = (module.split(".")[1], [*target.split("."), "__init__"][1])
            chains = PACKAGE_CHAINS.get(room(module), ())
            assert parts[0] in ("__init__", "table") or before(chains, parts[1], parts[0]), where
        elif target == "__init__":
            assert LAYER[room(module)] == 5, where
        else:
            low, high = LAYER[room(target)], LAYER[room(module)]
            assert low < high or (low == high and before(CHAINS, room(target), room(module))), where


@pytest.mark.parametrize("module", MODULES)
def test_our_own_modules_are_imported_at_the_top(module):
    tree = MODULES[module]
    late = [node.lineno for node, _ in own_imports(tree) if node not in tree.body]
    assert late == []


@pytest.mark.parametrize("module", MODULES)
def test_array_libraries_are_named_in_one_file(module):
    if room(module) in ("_array", "adapters"):
        return
    named = {name.split(".")[0] for _, name in imports(MODULES[module])}
    assert named.isdisjoint(BACKENDS)


@pytest.mark.parametrize("module", MODULES)
def test_budgets(module):
    path = PACKAGE.joinpath(*module.split(".")).with_suffix(".py")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES
    for function in functions(MODULES[module]):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        if body:
            assert body[-1].end_lineno - body[0].lineno < BODY_LINES, function.name
        arguments = function.args
        count = len([*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs])
        assert count <= PARAMETERS + OVER_SIX.get(function.name, 0), function.name


OVER_SIX = {"create": 4, "samples": 1, "assemble": 2, "assemble_planes": 2, "assemble_subjects": 1, "random_affine": 1}
"""Functions that are a whole step of the paper each, or name every part of a map, and how many more they may have."""


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
}


@pytest.mark.parametrize("module", MODULES)
def test_options_are_keyword_only(module):
    for function in functions(MODULES[module]):
        if function.name.startswith("__"):
            continue
        positional = [*function.args.posonlyargs, *function.args.args]
        defaults = dict(zip([a.arg for a in positional][::-1], function.args.defaults[::-1], strict=False))
        if not function.name.startswith("_") and function in MODULES[module].body and function.name != "main":
            assert not defaults, f"{function.name}: {sorted(defaults)} should be keyword-only"
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
