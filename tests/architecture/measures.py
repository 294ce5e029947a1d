"""How the code reads, in figures: `python -m tests.architecture.measures` prints them by room, and what is long.

Lines of code are those with a token that is not a docstring or a comment; `__all__` and the rows of the metric table
are data and do not count. A declaration in a Protocol (`...`) is not a function.
"""

import ast
import io
import tokenize
from collections import defaultdict
from typing import NamedTuple

from .source import MODULES, PATHS, functions, lines_of, room

SHORT, LONG_FUNCTION, LONG_FILE = 3, 50, 450
"""Lines of a function that may be a crumb, of one that may hold two thoughts, and of a file of two subjects."""

DIRECTIVES = ("fmt:", "noqa", "type: ignore")
"""Comments for tools, which give no reason."""

SPACE = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)


class Measures(NamedTuple):
    """Figures of some modules: lines of code, comments, functions, short ones, annotations, `Any` among them."""

    code: int
    comments: int
    functions: int
    short: int
    annotations: int
    untyped: int


def data_lines(module, tree):
    """Return the lines of docstrings, of `__all__` and of the rows of the metric table."""
    lines = set()
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        name = getattr(target, "id", "")
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        if text or name == "__all__" or (module == "metrics.table" and name == "METRICS"):
            lines.update(range(node.lineno, node.end_lineno + 1))
    return lines


def annotations(function):
    """Yield the annotations of a function as text."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (ast.unparse(a.annotation) for a in every if a is not None and a.annotation is not None)
    if function.returns is not None:
        yield ast.unparse(function.returns)


def is_declaration(function):
    """Return whether a function has no body but `...`."""
    return lines_of(function) == 0 or (lines_of(function) == 1 and ast.unparse(function.body[-1]) == "...")


def measure(module):
    """Return the figures of one module."""
    tree = MODULES[module]
    code, comments = set(), 0
    for token in tokenize.generate_tokens(io.StringIO(PATHS[module].read_text(encoding="utf-8")).readline):
        if token.type == tokenize.COMMENT:
            comments += not any(word in token.string for word in DIRECTIVES)
        elif token.type not in SPACE:
            code.update(range(token.start[0], token.end[0] + 1))
    written = [function for function in functions(tree) if not is_declaration(function)]
    kinds = [kind for function in functions(tree) for kind in annotations(function)]
    return Measures(
        code=len(code - data_lines(module, tree)),
        comments=comments,
        functions=len(written),
        short=sum(lines_of(function) <= SHORT for function in written),
        annotations=len(kinds),
        untyped=kinds.count("Any"),
    )


def by_room():
    """Return the figures of every room."""
    rooms = defaultdict(list)
    for module in MODULES:
        rooms[room(module)].append(measure(module))
    return {name: Measures(*map(sum, zip(*entries, strict=True))) for name, entries in rooms.items()}


def total():
    """Return the figures of the package."""
    return Measures(*map(sum, zip(*by_room().values(), strict=True)))


def shared_names():
    """Return the names that are defined at the top of two or more modules, private ones too, and where."""
    modules = defaultdict(set)
    for module, tree in MODULES.items():
        for node in tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", node)]
            for target in targets:
                name = getattr(target, "id", getattr(target, "name", ""))
                if name and not (name.startswith("__") and name.endswith("__")):
                    modules[name].add(module)
    return {name: sorted(places) for name, places in sorted(modules.items()) if len(places) > 1}


def long_ones():
    """Yield a sentence for each file and each function that may have more than one subject."""
    for module, path in PATHS.items():
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > LONG_FILE:
            yield f"{module} has {count} lines: has it one subject?"
        for function in functions(MODULES[module]):
            if lines_of(function) > LONG_FUNCTION:
                yield f"{module}.{function.name} has {lines_of(function)} lines: is it one thought?"


def main():
    """Print the figures."""
    rows = {**by_room(), "all": total()}
    print(f"{'room':<14}{'code':>7}{'comments':>10}{'functions':>11}{'short':>7}{'Any':>6}")
    for name, m in rows.items():
        short, untyped = m.short / max(1, m.functions), m.untyped / max(1, m.annotations)
        print(f"{name:<14}{m.code:>7}{m.comments:>10}{m.functions:>11}{short:>7.0%}{untyped:>6.0%}")
    names = shared_names()
    print(f"\n{len(names)} names in two or more modules: {', '.join(names)}")
    print(*long_ones(), sep="\n")


if __name__ == "__main__":
    main()
