"""The package's source as syntax trees: modules by name, what each imports, its functions and public names."""

import ast
from pathlib import Path

import mia_functional

PACKAGE = Path(mia_functional.__file__).parent
NAME = PACKAGE.name


def name_of(path):
    """Return the dotted name of a module below the package: `metrics.rates`, `metrics` for its `__init__.py`."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


PATHS = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
MODULES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}


def room(module):
    """Return the room that a module belongs to: its first part."""
    return module.split(".")[0]


def module_of(dotted):
    """Return the module that a dotted name below the package is in; the package itself for any other name."""
    parts = dotted.split(".")
    while parts and ".".join(parts) not in MODULES:
        parts = parts[:-1]
    return ".".join(parts) or "__init__"


def imports(tree):
    """Yield every import of a module as (node, full name), `from a import b` as `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node, f"{node.module}.{alias.name}") for alias in node.names)


def own_imports(tree):
    """Yield the modules of ours that a module imports, and the namespaces that it loads by `mia.NAME`, as (node, name).

    The root imports a namespace when it is first asked for, so that access is an import in everything but its spelling.
    """
    roots = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name == NAME
    }
    for node, name in imports(tree):
        if name != NAME and name.split(".")[0] == NAME:
            yield node, module_of(name.partition(".")[2])
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in roots:
            yield node, module_of(node.attr)


def functions(tree):
    """Yield every function of a module, inner ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def body_of(function):
    """Return the statements of a function without its docstring."""
    return function.body[1:] if ast.get_docstring(function) else function.body


def lines_of(function):
    """Return how many lines the statements of a function take."""
    body = body_of(function)
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0
