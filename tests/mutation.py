"""Plant bugs in the metric modules, one at a time, and see whether the tests notice: `python tests/mutation.py`.

Each mutant changes one operator, axis, constant, dtype or comparison of one function in a copy of the package and runs
the tests of metrics on it until the first failure. A mutant is described by its function and by what is changed in the
syntax tree, so that it survives other changes of the code; one that no longer applies is an error. Takes about ten
minutes on two cores; `python tests/mutation.py confusion merging` runs the mutants that some test modules are first to
kill. The exit status is 1 if a mutant survives that is not listed in `SURVIVORS`.
"""

import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
PLACES = ("mia_functional/metrics", "mia_functional/_label_maps.py", "mia_functional/_core/checks.py")
"""Where functions are mutated."""

OPERATORS: dict[str, type[ast.AST]] = {
    "+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div, "//": ast.FloorDiv, "&": ast.BitAnd, "|": ast.BitOr,
    "<": ast.Lt, "<=": ast.LtE, ">": ast.Gt, ">=": ast.GtE, "==": ast.Eq, "!=": ast.NotEq,
}  # fmt: skip


class Mutant(NamedTuple):
    """A planted bug: the function (or top-level name) in which it is, what is changed, and the change of the tree."""

    function: str
    change: str
    apply: Callable[[ast.AST], None]


def in_order(tree: ast.AST, kind: type[ast.AST] | tuple[type[ast.AST], ...]) -> Iterator[ast.AST]:
    """Yield the nodes of a kind in the order of the source, inner ones before those that begin with them."""
    # Without the annotations of a signature, in which types are subscripts and tuples too.
    roots = tree.body if isinstance(tree, ast.FunctionDef) else [tree]
    nodes = [node for root in roots for node in ast.walk(root) if isinstance(node, kind)]
    return iter(sorted(nodes, key=lambda node: (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)))


def pick(nodes: Iterator[ast.AST], nth: int) -> ast.AST:
    """Return the nth of some nodes, counted from 1."""
    found = list(nodes)
    if len(found) < nth:
        raise LookupError(f"there are {len(found)} of them, not {nth}")
    return found[nth - 1]


def put(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    """Put a node in the place of another one."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
                return
            if isinstance(value, list) and any(entry is old for entry in value):
                value[:] = [new if entry is old else entry for entry in value]
                return
    raise LookupError("the node is not in the tree")


def expression(source: str) -> ast.expr:
    """Return the node of an expression."""
    return ast.parse(source, mode="eval").body


def operators(tree: ast.AST, symbol: str) -> Iterator[ast.AST]:
    """Yield the operations with an operator."""
    kind = OPERATORS[symbol]
    for node in in_order(tree, (ast.BinOp, ast.Compare, ast.AugAssign)):
        if any(isinstance(entry, kind) for entry in (node.ops if isinstance(node, ast.Compare) else [node.op])):
            yield node


def calls(tree: ast.AST, name: str) -> Iterator[ast.AST]:
    """Yield the calls of a function or method."""
    return (node for node in in_order(tree, ast.Call) if ast.unparse(node.func).split(".")[-1] == name)


def operator(function: str, old: str, new: str, nth: int = 1) -> Mutant:
    """Replace the nth operator of a kind; of a chain of comparisons, the first."""

    def apply(tree: ast.AST) -> None:
        node = pick(operators(tree, old), nth)
        if isinstance(node, ast.Compare):
            index = [isinstance(entry, OPERATORS[old]) for entry in node.ops].index(True)
            node.ops[index] = OPERATORS[new]()
        else:
            node.op = OPERATORS[new]()

    return Mutant(function, f"{old} {nth} becomes {new}", apply)


def keep(function: str, symbol: str, side: str, nth: int = 1) -> Mutant:
    """Drop one side of the nth operation."""

    def apply(tree: ast.AST) -> None:
        node = pick(operators(tree, symbol), nth)
        put(tree, node, getattr(node, side))

    return Mutant(function, f"of {symbol} {nth} only the {side} side is left", apply)


def side(function: str, symbol: str, name: str, source: str, nth: int = 1) -> Mutant:
    """Replace one side of the nth operation."""

    def apply(tree: ast.AST) -> None:
        node = pick(operators(tree, symbol), nth)
        if isinstance(node, ast.Compare):
            node.comparators[-1] = expression(source)
        else:
            setattr(node, name, expression(source))

    return Mutant(function, f"the {name} side of {symbol} {nth} becomes {source}", apply)


def constant(function: str, old: float, new: float, nth: int = 1) -> Mutant:
    """Replace the nth constant of a value."""

    def apply(tree: ast.AST) -> None:
        nodes = (node for node in in_order(tree, ast.Constant) if type(node.value) is type(old) and node.value == old)
        pick(nodes, nth).value = new

    return Mutant(function, f"constant {old} {nth} becomes {new}", apply)


def swap(function: str, first: int, second: int, *, of: str, size: int, nth: int = 1) -> Mutant:
    """Swap two entries of the nth tuple or list of a size ("Tuple", "List"), or arguments of a call of some name."""

    def apply(tree: ast.AST) -> None:
        literals = {"Tuple": ast.Tuple, "List": ast.List}
        nodes = in_order(tree, literals[of]) if of in literals else calls(tree, of)
        lists = (node.elts if of in literals else node.args for node in nodes)
        entries = pick((entry for entry in lists if len(entry) == size), nth)
        entries[first], entries[second] = entries[second], entries[first]

    return Mutant(function, f"entries {first} and {second} of {of} {nth} are swapped", apply)


def rename(function: str, old: str, new: str, nth: int = 1) -> Mutant:
    """Replace the nth name or attribute."""

    def apply(tree: ast.AST) -> None:
        names = (
            node
            for node in in_order(tree, (ast.Name, ast.Attribute))
            if old in (vars(node).get("id"), vars(node).get("attr"))
        )
        node = pick(names, nth)
        setattr(node, "id" if isinstance(node, ast.Name) else "attr", new)

    return Mutant(function, f"{old} {nth} becomes {new}", apply)


def unwrap(function: str, call: str, position: int, nth: int = 1) -> Mutant:
    """Replace the nth call by one of its arguments."""

    def apply(tree: ast.AST) -> None:
        node = pick(calls(tree, call), nth)
        put(tree, node, node.args[position])

    return Mutant(function, f"argument {position} in place of {call}() {nth}", apply)


def replaced(function: str, call: str, source: str, nth: int = 1) -> Mutant:
    """Replace the nth call."""
    return Mutant(
        function,
        f"{source} in place of {call}() {nth}",
        lambda tree: put(tree, pick(calls(tree, call), nth), expression(source)),
    )


def argument(function: str, call: str, position: int, source: str, nth: int = 1) -> Mutant:
    """Replace an argument of the nth call."""

    def apply(tree: ast.AST) -> None:
        pick(calls(tree, call), nth).args[position] = expression(source)

    return Mutant(function, f"argument {position} of {call}() {nth} becomes {source}", apply)


def keyword(function: str, call: str, name: str, source: str, nth: int = 1) -> Mutant:
    """Set or add a keyword of the nth call."""

    def apply(tree: ast.AST) -> None:
        node = pick(calls(tree, call), nth)
        node.keywords = [entry for entry in node.keywords if entry.arg != name]
        node.keywords.append(ast.keyword(name, expression(source)))

    return Mutant(function, f"{call}({name}={source}) {nth}", apply)


def branch(function: str, name: str, nth: int = 1) -> Mutant:
    """Leave one branch of the nth conditional expression: "body" or "orelse"."""

    def apply(tree: ast.AST) -> None:
        node = pick(in_order(tree, ast.IfExp), nth)
        put(tree, node, getattr(node, name))

    return Mutant(function, f"{name} of the conditional {nth}", apply)


def assigned(function: str, target: str, source: str, nth: int = 1) -> Mutant:
    """Replace the value of the nth assignment to a target."""

    def apply(tree: ast.AST) -> None:
        nodes = (
            node
            for node in in_order(tree, (ast.Assign, ast.AnnAssign, ast.AugAssign))
            if ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target) == target
        )
        pick(nodes, nth).value = expression(source)

    return Mutant(function, f"{target} {nth} is {source}", apply)


def without(function: str, kind: type[ast.unaryop], source: str | None = None, nth: int = 1) -> Mutant:
    """Replace the nth unary operation, by its operand where nothing is given."""

    def apply(tree: ast.AST) -> None:
        node = pick((node for node in in_order(tree, ast.UnaryOp) if isinstance(node.op, kind)), nth)
        put(tree, node, node.operand if source is None else expression(source))

    return Mutant(function, f"{source or 'the operand'} in place of {kind.__name__} {nth}", apply)


def inverted_index(function: str, nth: int) -> Mutant:
    """Invert the nth index that is itself an indexed array."""

    def apply(tree: ast.AST) -> None:
        nodes = (node for node in in_order(tree, ast.Subscript) if isinstance(node.slice, ast.Subscript))
        node = pick(nodes, nth)
        node.slice = ast.UnaryOp(ast.Invert(), node.slice)

    return Mutant(function, f"index {nth} is inverted", apply)


def row_field(metric: str, field: str, source: str) -> Mutant:
    """Set a field of a row of the metric table."""

    def apply(tree: ast.AST) -> None:
        node = next(
            node for node in calls(tree, "Metric") if f"'{metric}'" in [ast.unparse(k.value) for k in node.keywords]
        )
        node.keywords.append(ast.keyword(field, expression(source)))

    return Mutant("METRICS", f"{metric} has {field}={source}", apply)


MUTANTS = {
    "confusion": [
        swap("confusion_counts", 1, 2, of="ConfusionCounts", size=4),
        keep("confusion_counts", "+", "left"),
        keep("_compared_sizes", "&", "left"),
        operator("_compared_sizes", "&", "|", 3),
        constant("count_true", 8, 9),
        swap("soft_confusion_counts", 1, 2, of="List", size=4),
        side("same_shape", "!=", "right", "tuple(shape)[:1] + tuple(reference)[1:]"),
        side("check_countable", ">", "right", "2 * limit"),
        rename("_mask_sizes", "logical_and", "logical_xor"),
        keyword("overlap_sizes", "sum", "axis", "0", 2),
        constant("_histogram", 16, 17),
        rename("_histogram", "uint16", "uint8"),
        operator("_histogram", "+", "-", 2),
        keep("_histogram", "*", "left", 4),
        branch("_count_codes", "orelse"),
        operator("_replace_above", ">", ">="),
        argument("_position_encoder", "full", 1, "0"),
        keyword("_position_encoder", "searchsorted", "side", "'right'"),
        inverted_index("_chunks", 2),
        operator("label_mask", "<=", "<"),
        rename("label_mask", "or_", "and_"),
    ],
    "codes": [
        operator("can_count_codes", "==", "<=", 2),
        without("can_count_codes", ast.Not, "True"),
        constant("joint_matrix_jax", 3, 2),
        argument("joint_matrix_jax", "clip", 1, "0"),
        unwrap("joint_matrix_jax", "where", 1),
        assigned("joint_matrix_jax", "joined", "second * width + first"),
    ],
    "regression": [
        unwrap("_chunk_moments", "abs", 0),
        operator("_chunk_moments", "-", "+", 4),
        assigned("_one_pass", "mean", "means.mean(axis=1)"),
        keep("_one_pass", "*", "right", 3),
        rename("_one_pass", "max", "min"),
        branch("_host_moments", "body"),
        swap("_device_moments", 0, 1, of="Tuple", size=5),
        operator("_centred", "+", "-"),
        operator("_warn_of_lost_digits", "<", "<="),
        replaced("_warn_of_lost_digits", "max", "high", 2),
        rename("r_squared", "reference_scatter", "prediction_scatter"),
        keep("_energy", "*", "right"),
        operator("concordance_correlation", "+", "-"),
    ],
    "instance_values": [
        keep("_counts_of_found", "-", "left"),
        operator("_found_parts", "==", "!="),
        operator("panoptic_quality_of", "*", "/"),
    ],
    "component_regions": [
        operator("_nearest_components", "<=", ">="),
        constant("_nearest_components", 4, 0),
        rename("_nearest_components", "min", "max", 2),
        operator("components_at", "<", "<="),
        assigned("counts_in_library", "volumes", "_array.to_numpy(found.counts.fn) * math.prod(found.spacing)"),
    ],
    "brats_lesions": [
        assigned("_FACE_AND_EDGE", "_FACE_AND_EDGE", "1"),
        operator("_mean", ">", ">="),
        assigned("_lesions_on_host", "false_lesions", "parts[0].bounds.size - 1"),
        assigned("_PENALTY", "_PENALTY", "373.0"),
    ],
    "lesion_presets": [
        rename("autopet_scores", "false_volume", "missed_volume"),
        constant("autopet_scores", 2, 3),
        rename("isles_scores", "lesion_f1", "lesion_precision"),
    ],
    "merging": [
        assigned("_add_moments", "weight", "other.count * share"),
        rename("_add_moments", "maximum", "minimum", 3),
        keep("_add_spatial_moments", "-", "left", 2),
        operator("_refuse_wrapped", "<", ">"),
    ],
    "scales": [
        rename("_add_moments", "maximum", "minimum"),
        rename("error_scale", "maximum", "minimum"),
        operator("in_units", "*", "/"),
        operator("_squared_error", "/", "*"),
    ],
    "counting": [
        swap("f_measure", 1, 2, of="Tuple", size=4),
        constant("f_measure", 2, 1),
        rename("volume_similarity", "minimum", "maximum"),
        replaced("generalized_dice", "float", "float(power + 1)"),
        swap("fallout", 2, 3, of="Tuple", size=4),
        swap("negative_predictive_value", 1, 2, of="Tuple", size=4),
        assigned("matthews_correlation", "predicted", "xp.sqrt(_over_classes(counts, (tp + fp) * (fp + tn)))"),
        assigned("cohen_kappa", "chance", "_over_classes(counts, (tp + fp) * (fp + tn) + (fn + tn) * (tp + fp))"),
        keep("intraclass_correlation", "-", "left"),
        keep("_variances", "-", "right", 2),
        operator("probabilistic_distance", "&", "|"),
        constant("global_consistency_error", 2, 1),
        keep("rand_index", "-", "left"),
        assigned("adjusted_rand_index", "spread", "(p**2 + not_p**2) * r * not_r + (r**2 + not_r**2) * p * not_p"),
        constant("_information", 0.5, 0.0),
        without("mutual_information", ast.USub, nth=2),
        assigned("variation_of_information", "splits", "((tp, fp), (fp, tp), (fn, tn), (tn, fn)) * 2"),
        operator("derived_from", "&", "-"),
    ],
    "contingency": [
        keep("_compared_matrix", "&", "left"),
        swap("one_against_rest", 1, 2, of="ConfusionCounts", size=4),
        assigned("expected_cost", "referenced", "xp.sum(shares, axis=-1, keepdims=True)"),
        constant("float_matrix", 0, 1000000),
        replaced("weighted_kappa", "positive", "1.0"),
    ],
    "spatial": [
        keep("mahalanobis_distance", "-", "left"),
        argument("_box_moments", "zip", 1, "origin[::-1]", 3),
        assigned("_inverse_form", "factor", "0.9 * rows[row][step] / pivot"),
        operator("_defined", "&", "|"),
        constant("_FLAT", 16, 0),
        constant("_project", 255, 254, 2),
        keep("_profile", "-", "right"),
        swap("reference_volume", 1, 2, of="Tuple", size=4),
        side("_area", "//", "left", "(length - 1)"),
        assigned("_area", "step", "step[:-1]", 2),
    ],
    "uncertainty": [operator("_wrong_voxels", "!=", "=="), operator("decision_counts", ">=", ">")],
    "risk_coverage": [
        operator("_ranked", "!=", "=="),
        constant("_best_area", 120, 12),
        keep("error_coverage_curve", "-", "left"),
    ],
    "conformal": [
        operator("conformal_set", "<=", "<"),
        operator("conformal_threshold", ">", ">="),
    ],
    "decoding": [
        constant("dice_optimal_threshold", 2, 1, 2),
        constant("_best_threshold", 1, 0, 3),
    ],
    "image_quality": [
        assigned("structural_similarity", "factor", "(size + 1) / size if sample_covariance and size > 1 else 1.0"),
        keep("_constants", "/", "left"),
        constant("_similarity", 2, 1, 2),
        constant("peak_signal_noise_ratio", 20, 10),
        constant("gaussian_window", 3.5, 4.0),
        assigned("_similarity", "structure", "(squared_s * number - d * d) / number**2 + constants[1]"),
        assigned("_similarity", "(d, s)", "p - r, p + r - 2 * middle"),
        assigned("_similarity", "spread", "(squared_d * number - s * s) / number**2"),
        constant("_window_weights", 1, 0, 3),
        branch("mean_similarity", "body"),
        argument("mean_similarity", "min", 1, "size - 1", 2),
        unwrap("_band_matrix", "rint", 0),
        assigned("_sum_of_tile", "centres", "[0.0, 0.0]"),
        assigned("centre_of", "weights", "1 + 0 * image"),
        assigned("_sum_of_tile", "fields[1]", "constants[2]"),
        assigned("_window_means", "(fields, current, spare)", "means, current, spare"),
        keep("_band_matrix", "-", "left"),
    ],
    "table": [
        row_field("false_positives", "symmetric", "True"),
        unwrap("_ROWS", "reversed", 0),
        argument("_with_number", "with_option", 2, "number / 2"),
    ],
}
"""The mutants by the test module that most likely kills them; the others run only if that passes."""

SURVIVORS: dict[tuple[str, str], str] = {
    ("_centred", "+ 1 becomes -"): "the first mean of a few hundred voxels has no rounding error left to correct",
}
"""Mutants that no test can kill, as (function, change), and why."""


def named(tree: ast.Module, name: str) -> list[ast.AST]:
    """Return the functions, and the assignments at the top of a module, that define a name."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    assignments = [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]
    targets = [
        node for node in assignments if name in map(ast.unparse, getattr(node, "targets", None) or [node.target])
    ]
    return [*functions[-1:], *targets]  # overloads come before the function itself


def mutated(mutant: Mutant, *, folder: Path = ROOT) -> tuple[Path, str]:
    """Return the module of a mutant and its source with the change, which is another one than before."""
    places = [folder / place for place in PLACES]
    paths = [path for place in places for path in (place.rglob("*.py") if place.is_dir() else [place])]
    texts = {path: path.read_text(encoding="utf-8") for path in paths}
    # Only a text with the name in it may define it: to parse all of them takes a quarter of a second.
    near = [path for path in paths if mutant.function in texts[path]]
    owners = [path for path in near if named(ast.parse(texts[path]), mutant.function)]
    label = f"{mutant.function}: {mutant.change}"
    if len(owners) != 1:
        raise ValueError(f"{label}: the name is defined in {len(owners)} modules.")
    tree = ast.parse(texts[owners[0]])
    before = ast.unparse(tree)
    try:
        mutant.apply(named(tree, mutant.function)[0])
    except (LookupError, StopIteration, AttributeError) as error:
        raise ValueError(f"{label}: does not apply; {error}.") from error
    after = ast.unparse(ast.fix_missing_locations(tree))
    if after == before:
        raise ValueError(f"{label}: changes nothing.")
    return owners[0], after


def survives(folder: Path, tests: str, mutant: Mutant) -> bool:
    """Return whether the tests of metrics pass on the mutant."""
    path, source = mutated(mutant, folder=folder)
    original = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    alive = all(passes(folder, chosen) for chosen in (f"tests/metrics/test_{tests}.py", "tests/metrics"))
    path.write_text(original, encoding="utf-8")
    return alive


def passes(folder: Path, tests: str) -> bool:
    """Return whether tests pass in a copy, except those of this list of mutants, which notice every change."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--ignore=tests/metrics/test_mutants.py"]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, tests]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if result.returncode not in (0, 1, 2):
        raise RuntimeError(result.stdout.decode() + result.stderr.decode())
    return result.returncode == 0


def main(modules: list[str]) -> int:
    """Run the mutants of some test modules, or all, print the survivors, and return the exit status."""
    chosen = [(tests, mutant) for tests in (modules or MUTANTS) for mutant in MUTANTS[tests]]
    surviving = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for source in ("mia_functional", "tests"):
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        if not passes(folder, "tests/metrics"):
            raise RuntimeError("The tests fail without a mutant; mutants would seem to be killed.")
        for number, (tests, mutant) in enumerate(chosen, 1):
            alive = survives(folder, tests, mutant)
            words = f"{'SURVIVES' if alive else 'killed'}  {mutant.function}: {mutant.change}"
            print(f"{number}/{len(chosen)} {words}", flush=True)
            surviving += [(mutant.function, mutant.change)] if alive else []
    unexpected = [mutant for mutant in surviving if mutant not in SURVIVORS]
    print(f"{len(chosen) - len(surviving)} of {len(chosen)} killed; unexpected survivors: {unexpected}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
