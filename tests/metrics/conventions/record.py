"""Write what other packages say about the hundred pairs: `python tests/metrics/conventions/record.py monai [FOLDER]`.

Runs in the environment of a package, which needs NumPy besides, and writes `recorded/monai.json`. Names are ours, with
what was asked for: `HDRFDST95` is their 95th percentile. A text is the kind of error that they raise. Metrics Reloaded
and BraTS are no packages: `PYTHONPATH` has to lead to their folder.
"""

import json
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import peers_of_images
import peers_of_masks
import scenes

PACKAGES = {name: masks | peers_of_images.PACKAGES.get(name, {}) for name, masks in peers_of_masks.PACKAGES.items()}
"""By package and kind of pair: a function of a pair that gives functions without arguments by name."""


def answers(package, kind):
    """Return what a package says about the pairs of a kind, by name."""
    values = {}
    ask = PACKAGES[package][kind]
    for pair in scenes.KINDS[kind]():
        for name, question in ask(*pair).items():
            try:
                value = float(question())
            except (RuntimeError, IndexError, ValueError, ZeroDivisionError, NotImplementedError) as error:
                value = type(error).__name__
            values.setdefault(name, []).append(value if isinstance(value, str) else rounded(value))
    return values


def rounded(value):
    """Return a number with ten digits."""
    return float(f"{value:.10g}") if math.isfinite(value) else value


def main():
    """Write the record of a package."""
    package = sys.argv[1]
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    values = {kind: answers(package, kind) for kind in PACKAGES[package]}
    record = {
        "package": package, "version": peers_of_masks.VERSIONS[package](),
        "python": sys.version.split()[0], "numpy": np.__version__,
        "made": f"python tests/metrics/conventions/record.py {package}", "pairs": scenes.digest(), "values": values,
    }  # fmt: skip
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "recorded"
    (folder / f"{package}.json").write_text(lines_of(record), encoding="utf-8")


def lines_of(record):
    """Return a record as JSON with a line for each name."""
    head = {key: value for key, value in record.items() if key != "values"}
    kinds = ",\n".join(
        f'  "{kind}": {{\n'
        + ",\n".join(f'   "{name}": {json.dumps(row, separators=(",", ":"))}' for name, row in rows.items())
        + "\n  }"
        for kind, rows in record["values"].items()
    )
    return json.dumps(head, indent=1)[:-2] + ',\n "values": {\n' + kinds + "\n }\n}\n"


if __name__ == "__main__":
    main()
