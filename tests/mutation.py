"""Plant bugs in the metric modules, one at a time, and see whether the tests notice: `python tests/mutation.py`.

Each mutant changes one operator, axis, constant, dtype or comparison in a copy of the package and runs the tests of
metrics on it until the first failure. Takes about ten minutes on two cores; `python tests/mutation.py joint moments`
runs the mutants of some modules only. The exit status is 1 if a mutant survives that is not listed in `SURVIVORS`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
METRICS = Path("mia_functional/metrics")

MUTANTS = {
    "confusion": [
        ("predicted - shared, referenced - shared, total", "referenced - shared, predicted - shared, total"),
        ("total - predicted - referenced + shared", "total - predicted - referenced"),
        ("first, second = predicted & inside, referenced & inside", "first, second = predicted, referenced & inside"),
        ("(first & second, first, second)", "(first | second, first, second)"),
        ("length < 2**8 else", "length < 2**9 else"),
        ("share * (1 - target), (1 - share) * target,", "(1 - share) * target, share * (1 - target),"),
        ("tuple(given.shape) != tuple(reference.shape)", "len(given.shape) != len(reference.shape)"),
        ("> limit:", "> 2 * limit:"),
    ],
    "joint": [
        ("np.count_nonzero(first & second)", "np.count_nonzero(first ^ second)"),
        ("counts.sum(axis=1)[singles[1]]", "counts.sum(axis=0)[singles[1]]"),
        ("if size <= 16:", "if size <= 17:"),
        ("np.uint16 if size <= 256", "np.uint8 if size <= 256"),
        ("+ odd)[:square]", ")[:square]"),
        ("pairs.size // 2 * 2", "pairs.size // 2"),
        ("other = top + 1 if values[0] == 0 else 0", "other = 0"),
        ("np.where(chunk > top, other, chunk)", "np.where(chunk >= top, other, chunk)"),
        ("np.full(top + 2, len(values), np.intp)", "np.full(top + 2, 0, np.intp)"),
        ("np.searchsorted(ordered[:-1], chunk)", "np.searchsorted(ordered[:-1], chunk, side='right')"),
        ("(piece[0][piece[2]], piece[1][piece[2]])", "(piece[0][piece[2]], piece[1][~piece[2]])"),
    ],
    "codes": [
        ("len(set(labels)) == len(labels)", "len(set(labels)) <= len(labels)"),
        ("not any(map(_array.is_on_mesh, arrays))", "True"),
        ("max(map(max, sets)) + 3", "max(map(max, sets)) + 2"),
        ("-1, len(position) - 2)", "0, len(position) - 2)"),
        ("xp.where(inside, joined, width**2)", "joined"),
        ("first * width + second", "second * width + first"),
    ],
    "../_masks": [
        ("if label <= largest]", "if label < largest]"),
        ("chosen = chosen | mask", "chosen = chosen ^ ~mask"),
    ],
    "moments": [
        ("absolute = np.abs(error, out=error) @ ones", "absolute = error @ ones"),
        ("float(p @ p) - number * rest[0] ** 2", "float(p @ p) + number * rest[0] ** 2"),
        ("means @ count / prediction.size", "means.mean(axis=1)"),
        ("(count * apart) @ apart.T", "apart @ apart.T"),
        ("parts[9].max()", "parts[9].min()"),
        ("kind = np.float32 if single else np.float64", "kind = np.float32"),
        ("(p * p, r * r, p * r, xp.abs(error), error * error)", "(r * r, p * p, p * r, xp.abs(error), error * error)"),
        ("mean = near + rest", "mean = near - rest"),
        ("0 < OFFSET * (high - low)", "0 <= OFFSET * (high - low)"),
        ("< max(abs(low), abs(high))", "< high"),
    ],
    "merging": [
        ("weight = one.count * share", "weight = other.count * share"),
        ("xp.maximum(one.reference_maximum", "xp.minimum(one.reference_maximum"),
        ("share * (1 - share) * apart", "share * apart"),
        ("any(field < 0)", "any(field > 0)"),
    ],
    "overlap": [
        ("weight * fn + fp", "fn + weight * fp"),
        ("weight = float(beta) ** 2", "weight = float(beta)"),
        ("minimum(fp, fn)", "maximum(fp, fn)"),
        ("** float(power)", "** float(power + 1)"),
    ],
    "rates": [
        ("_array.ratio(fp, fp + tn, zero", "_array.ratio(fp, fp + fn, zero"),
        ("_array.ratio(tn, tn + fn, zero", "_array.ratio(tn, tn + fp, zero"),
    ],
    "agreement": [
        ("_over_classes(counts, (tp + fp) * (fn + tn))", "_over_classes(counts, (tp + fp) * (fp + tn))"),
        ("(tp + fp) * (fp + tn) + (fn + tn) * (tp + fn)", "(tp + fp) * (fp + tn) + (fn + tn) * (tp + fp)"),
        ("2 * between * _array.ratio(number, number - 1)", "2 * between * _array.ratio(number, number)"),
        ("single * (0.5 - mean) ** 2", "single * mean**2"),
        ("(apart == 0) & (tp == 0)", "(apart == 0) | (tp == 0)"),
    ],
    "partition": [
        ("stray + 2 * common, stray", "stray + common, stray"),
        ("right * number - 1, number - 1) + wrong", "right * number, number - 1) + wrong"),
        ("inside**2 + outside**2 - part", "inside**2 + outside**2"),
        ("near = abs(relative) < 0.5", "near = abs(relative) < 0.0"),
        ("(fn, tn, tp, -1)", "(fn, tn, tp, 1)"),
        ("((tp, fp), (fn, tn), (tp, fn), (fp, tn))", "((tp, fp), (fn, tn), (tp, fp), (fn, tn))"),
    ],
    "matrix": [
        ("first & referenced", "predicted & referenced"),
        ("xp.sum(apart, axis=-1), xp.sum(apart, axis=-2), tn", "xp.sum(apart, axis=-2), xp.sum(apart, axis=-1), tn"),
        ("referenced = xp.sum(shares, axis=-2", "referenced = xp.sum(shares, axis=-1"),
        ("matrix.outside > 0, axis", "matrix.outside > 1000000, axis"),
        ("** float(power)", "** 1.0"),
    ],
    "spatial": [
        ("record.count - 1)", "record.count)"),
        ("zip(means, origin", "zip(means, origin[::-1]"),
        ("factor * above", "factor * 0.9 * above"),
        ("prediction & reference, distance", "prediction | reference, distance"),
        ("FLAT = 16", "FLAT = 0"),
        ("layers[start : start + 255]", "layers[start : start + 254]"),
        ("axis=1 - pair.index(axis)", "axis=pair.index(axis)"),
    ],
    "volume": [
        ("(tp + fn) * _voxel", "(tp + fp) * _voxel"),
        ("length // 2", "(length - 1) // 2"),
        ("step[:across] + step[across + 1 :]", "step[:-1]"),
    ],
    "continuous": [
        ("moments.reference_scatter - moments.squared_error", "moments.prediction_scatter - moments.squared_error"),
        ("moments.count * moments.reference_mean**2", "moments.reference_mean**2"),
        ("moments.squared_error + shared)", "moments.squared_error - shared)"),
    ],
    "image_quality": [
        ("size / (size - 1) if", "(size + 1) / size if"),
        ("2 * (CONTRAST * peak) ** 2 / factor", "2 * (CONTRAST * peak) ** 2"),
        ("s / number + 2 * middle", "s / number + middle"),
        ("20 * xp.log10", "10 * xp.log10"),
        ("int(3.5 *", "int(4 *"),
        ("(squared_s * number - s * s)", "(squared_s * number - d * d)"),
        ("(p - middle) + (r - middle)", "p + r - 2 * middle"),
        ("(squared_d * number - d * d)", "(squared_d * number - s * s)"),
        ("if len(set(weights)) == 1", "if len(set(weights)) == 0"),
    ],
    "windowed": [
        ("np.float32 if single else np.float64", "np.float32"),
        ("min(low + step, size)", "min(low + step, size - 1)"),
        ("np.rint(", "("),
        ("pair[1][::4]", "0 * pair[1][::4]"),
        ("fields[0] = squares[0]", "fields[0] = squares[1]"),
        ("fields[1] += 2 * middle", "fields[1] += middle"),
        ("fields, current, spare = means, spare, current", "fields = means"),
        ("PLACES - 1 - place", "PLACES - place"),
    ],
    "table": [
        (
            '_number(rates.false_positives, "FP", best=0.0)',
            '_number(rates.false_positives, "FP", best=0.0, symmetric=True)',
        ),
        ("_ROWS.setdefault(_key.lower(), _metric)", "_ROWS[_key.lower()] = _metric"),
        ("(*row.options, (row.parameter, value))", "((row.parameter, value / 2),)"),
    ],
    "derived": [("own & options.keys()", "own - own & options.keys()")],
}

SURVIVORS: dict[tuple[str, str], str] = {
    ("moments", "mean = near - rest"): "the first mean of a few hundred voxels has no rounding error left to correct",
}
"""Mutants that no test can kill, as (module, new text), and why."""


FIRST = {
    "codes": "codes", "confusion": "confusion", "joint": "confusion", "../_masks": "confusion", "moments": "continuous",
    "merging": "merging", "overlap": "counting", "rates": "counting", "agreement": "counting", "partition": "counting",
    "matrix": "matrix", "spatial": "spatial", "volume": "spatial", "continuous": "continuous",
    "image_quality": "image_quality", "windowed": "image_quality", "table": "table", "derived": "counting",
}  # fmt: skip
"""The tests that most likely kill the mutants of a module; the others run only if these pass."""


def mutated(module: str, old: str, new: str, *, folder: Path = ROOT) -> str:
    """Return the source of a module with one place changed."""
    source = (folder / METRICS / f"{module}.py").read_text(encoding="utf-8")
    if source.count(old) != 1:
        raise ValueError(f"{module}: {old!r} occurs {source.count(old)} times; a mutant changes one place.")
    return source.replace(old, new)


def survives(folder: Path, module: str, old: str, new: str) -> bool:
    """Tell whether the tests of metrics pass on the mutant."""
    path = folder / METRICS / f"{module}.py"
    original = path.read_text(encoding="utf-8")
    path.write_text(mutated(module, old, new, folder=folder), encoding="utf-8")
    likely, rest = f"tests/metrics/test_{FIRST[module]}.py", "tests/metrics"
    alive = all(passes(folder, tests) for tests in (likely, rest))
    path.write_text(original, encoding="utf-8")
    return alive


def passes(folder: Path, tests: str) -> bool:
    """Tell whether tests pass in a copy; those of this list of mutants are left out, which see every change."""
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--ignore=tests/metrics/test_mutants.py"]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", *options, tests]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    if result.returncode not in (0, 1, 2):
        raise RuntimeError(result.stdout.decode() + result.stderr.decode())
    return result.returncode == 0


def main(modules: list[str]) -> int:
    """Run the mutants of some modules, or all, print the survivors, and return the exit status."""
    chosen = [
        (name, *change) for name, changes in MUTANTS.items() if name in (modules or MUTANTS) for change in changes
    ]
    surviving = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("mia_functional", "tests"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        if not passes(folder, "tests/metrics"):
            raise RuntimeError("The tests fail without a mutant; mutants would seem to be killed.")
        for number, (module, old, new) in enumerate(chosen, 1):
            alive = survives(folder, module, old, new)
            print(f"{number}/{len(chosen)} {'SURVIVES' if alive else 'killed'}  {module}: {old} -> {new}", flush=True)
            surviving += [(module, new)] if alive else []
    unexpected = [mutant for mutant in surviving if mutant not in SURVIVORS]
    print(f"{len(chosen) - len(surviving)} of {len(chosen)} killed; unexpected survivors: {unexpected}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
