"""The laws of `mia_functional.testing.check_metric` on metrics of other packages, each in an environment of its own.

    python benchmarks/peers_laws.py [--peers NAME ...] [--reuse FOLDER] [--examples N]

Environments with the pinned versions below are made in a temporary folder, or in FOLDER, where they are found again the
next time. What was found goes to `peers_laws.json`, and the section "Peers under the laws" of `CORRECTNESS.md` is made
of it and of what we make of each broken law (`peers_readings.py`). All examples are valid pairs. A peer that ends its
process, or does not come back within minutes, is named without the example.
"""

import argparse
import json
import logging
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import venv
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from peers_adapters import ADAPTERS, Adapter
from peers_page import metric_page, unread, with_section

PEERS: Mapping[str, tuple[str, ...]] = {
    "MONAI": ("monai==1.6.1", "torch==2.13.0", "scikit-learn==1.9.1"),
    "torchmetrics": ("torchmetrics==1.9.0", "torch==2.13.0"),
    "medpy": ("medpy==0.5.2",),
    "surface-distance": ("surface-distance==0.1",),
    "SimpleITK": ("simpleitk==2.5.7",),
    "scikit-image": ("scikit-image==0.26.0",),
    "panoptica": ("panoptica==2.1.7",),
    "seg-metrics": ("seg-metrics==1.2.8",),
}
"""What is installed for each peer; its own package comes first."""

HERE = Path(__file__).parent
RESULTS, TABLE, PAGE = HERE / "peers_laws.json", HERE / "peers_laws.md", HERE.parent / "CORRECTNESS.md"
EXAMPLES, PATIENCE = 100, 3600.0


def is_plain(prediction: Any, reference: Any) -> bool:
    """Return whether a pair is one that no metric may refuse: both structures are there, values are not all equal."""
    if prediction.dtype.kind == "f":
        return not is_constant(prediction, reference)
    return bool(np.any(prediction) and np.any(reference))


def is_constant(*arrays: Any) -> bool:
    """Return whether one of some arrays has a single value, which leaves some metrics undefined."""
    return any(bool(np.all(array == array.flat[0])) for array in arrays)


def options_of(adapter: Adapter) -> dict[str, Any]:
    """Return the options of `check_metric` for an adapter."""
    from hypothesis import strategies

    from mia_functional import metrics, testing
    from mia_functional.testing.metric_claims import claims_of

    row = metrics.find(adapter.like)
    inputs = adapter.claims.get("inputs") or (
        "images" if row.statistic is metrics.paired_moments or row.name == "structural_similarity" else "masks"
    )
    sides = strategies.integers(adapter.smallest, max(7, adapter.smallest + 1))
    shapes = strategies.lists(sides, min_size=adapter.axes[0], max_size=adapter.axes[1]).map(tuple)

    def pairs_of(shape: tuple[int, ...]) -> Any:
        one: Callable[..., Any] = {"instances": testing.instance_maps, "images": testing.images}.get(
            inputs, testing.probabilities
        )
        reference = testing.masks(shape=shape) if inputs == "probabilities" else one(shape=shape)
        return strategies.tuples(one(shape=shape), reference)

    masks = testing.mask_pairs(dimensions=adapter.axes)
    options = {
        "like": adapter.like,
        "pairs": masks if inputs == "masks" else shapes.flatmap(pairs_of),
        "without": ("memory order", "no mutation") if adapter.copies else (),
        **adapter.claims,
        "inputs": inputs,
    }
    if adapter.same_as is not None:
        claims = claims_of("peers_laws", adapter.same_as, None, {"inputs": inputs})

        def ours(prediction: Any, reference: Any, **spacing: Any) -> Any:
            if is_constant(prediction, reference):
                return refusing(adapter, {})(prediction, reference, **spacing)
            steps = {"spacing": (1.0,) * reference.ndim} if claims.spacing else {}
            return claims.function(prediction, reference, **(steps | spacing))

        options["oracle"] = ours
    return options


def refusing(adapter: Adapter, refused: dict[str, str]) -> Callable[..., Any]:
    """Return the metric of an adapter, which is undefined where the peer refuses an empty or constant array."""

    def function(prediction: Any, reference: Any, **options: Any) -> Any:
        try:
            return adapter.function(prediction, reference, **options)
        except Exception as error:
            is_valid = is_plain(prediction, reference)
            if is_valid and "plain" not in refused:
                raise
            # A refusal of one empty mask is what the law of misses is about.
            law = "misses" if np.any(prediction) != np.any(reference) else "runs"
            # ITK's last line says what is wrong; addresses in memory differ from run to run.
            said = re.sub(r" ?\(0x[0-9a-f]+\)", "", (str(error).splitlines() or [""])[-1])
            refused[law] = f"{type(error).__name__}: {said}"
            return float("nan")

    return function


def verdicts(adapter: Adapter, examples: int) -> dict[str, dict[str, str]]:
    """Return what becomes of each law: holds, broken with the smallest example, or refused with the error."""
    from mia_functional import testing

    refused: dict[str, str] = {}
    options = options_of(adapter)
    function = refusing(adapter, refused)
    names = [law.name for law in testing.metric_laws(function, **options)]
    found: dict[str, dict[str, str]] = {}
    while len(found) < len(names):
        # All at once, as examples are shared; the law that is broken first is left out, until the others hold.
        left = [name for name in names if name not in found]
        try:
            testing.check_metric(function, laws=left, examples=examples, **options)
        except AssertionError as error:
            first, _, example = str(error).partition("\nExample:\n")
            law, wrong = first.split('the law "', 1)[1].split('"', 1)[0], first.split("): ", 1)[1]
            found[law] = {
                "status": "broken",
                "wrong": wrong,
                "example": "\n".join(map(str.strip, example.splitlines())),
            }
            if law == "runs" and error.__cause__ is not None:
                refused["plain"] = ""  # known now: that no other law runs there says nothing more
        else:
            found |= {name: {"status": "holds"} for name in left}
    for law in ("runs", "misses"):
        wrong = refused.get(law, refused.get("misses", "") if law == "runs" else "")
        if wrong and found.get(law, {}).get("status") == "holds":
            found[law] = {"status": "refused", "wrong": wrong}
    return {name: found[name] for name in names}


def check_peer(peer: str, known: Sequence[str], examples: int) -> None:
    """Print what becomes of the laws of a peer's metrics, a line before and after each, but of those that are known."""
    warnings.simplefilter("ignore")  # peers warn of empty structures, thousands of times
    logging.disable(logging.CRITICAL)
    np.seterr(all="ignore")
    for adapter in ADAPTERS:
        if adapter.peer == peer and adapter.name not in known:
            print("@", json.dumps({"metric": adapter.name}), flush=True)
            print("@", json.dumps({"metric": adapter.name, "laws": verdicts(adapter, examples)}), flush=True)


def lines_of(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    """Yield what a process says of laws, until it ends or says nothing for too long."""
    said: queue.Queue[str | None] = queue.Queue()

    def listen() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.put(line)
        said.put(None)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        try:
            line = said.get(timeout=PATIENCE)
        except queue.Empty:
            process.kill()
            return
        if line is None:
            return
        if line.startswith("@ "):
            yield json.loads(line[2:])


def run_peer(peer: str, python: Path, examples: int, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return what became of the laws of each metric of a peer, run by its interpreter, but of those that are known."""
    results = dict(known)
    while True:
        command = [str(python), str(Path(__file__)), "--child", peer, "--examples", str(examples), "--known", *results]
        open_metric = None
        # Threads cost more than they save on arrays of 7^3 voxels.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), "1")
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | threads) as process:
            for line in lines_of(process):
                open_metric = line["metric"] if "laws" not in line else None
                if open_metric is None:
                    results[line["metric"]] = without_repetition(line["laws"])
                    broken = [f"{law} {found['status']}" for law, found in line["laws"].items()]
                    print(peer, line["metric"], *(word for word in broken if "holds" not in word), sep="; ", flush=True)
        if open_metric is not None:
            results[open_metric] = {"holds": "", "others": {"runs": {"status": "crashed"}}}
        elif process.returncode != 0:
            raise RuntimeError(f"peers_laws: the process of {peer} ended with status {process.returncode}.")
        else:
            return results


def environment(peer: str, folder: Path) -> Path:
    """Return the interpreter of an environment with a peer and this package, made if it is not there."""
    home = folder / peer
    python = home / "bin" / "python"
    pins = [*PEERS[peer], "hypothesis==6.170.17"]
    made = home / "pins.txt"
    if not made.exists() or made.read_text() != "\n".join(pins):
        venv.create(home, with_pip=True, clear=True)
        # The package with its dependencies in one step: what would not go together is an error of pip.
        subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", "--no-compile", *pins, "-e", str(HERE.parent)], check=True
        )
        subprocess.run([str(python), "-m", "pip", "check"], check=True)
        made.write_text("\n".join(pins))
    return python


def versions(python: Path, peer: str) -> dict[str, str]:
    """Return the versions of a peer and of what it computes with."""
    names = [pin.partition("==")[0] for pin in PEERS[peer]]
    known = sorted({*names, "numpy", "scipy"}, key=[*names, "numpy", "scipy"].index)
    code = f"import importlib.metadata as m; print(*[m.version(name) for name in {known!r}])"
    found = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.split()
    return dict(zip(known, found, strict=True))


def without_repetition(found: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return what became of the laws of a metric: the names of those that hold, and the others with what was found."""
    others = {law: result for law, result in found.items() if result["status"] != "holds"}
    return {"holds": " ".join(law.replace(" ", "_") for law in found if law not in others), "others": others}


def main() -> None:
    """Run the laws, and write the results and the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="+", choices=list(PEERS), default=list(PEERS))
    parser.add_argument("--reuse", type=Path)
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--metrics", nargs="+", default=(), help="run these alone, and keep the results of the others")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept, as JSON")
    parser.add_argument("--page", action="store_true", help="write the page from the results that there are")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--known", nargs="*", default=(), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        check_peer(given.child, given.known, given.examples)
        return
    results = json.loads(given.results.read_text(encoding="utf-8")) if given.results.exists() else {}
    with tempfile.TemporaryDirectory() as temporary:
        for peer in () if given.page else given.peers:
            python = environment(peer, given.reuse or Path(temporary))
            before = results.get(peer, {}).get("metrics", {}) if given.metrics else {}
            known = {metric: found for metric, found in before.items() if metric not in given.metrics}
            laws = run_peer(peer, python, given.examples, known)
            likes = {one.name: one.like for one in ADAPTERS if one.peer == peer}
            said = {"versions": versions(python, peer), "examples": given.examples, "like": likes}
            results[peer] = said | {"metrics": {name: laws[name] for name in likes}}
            ordered = {name: results[name] for name in PEERS if name in results}
            given.results.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")
    if given.results != RESULTS:
        return
    if missing := unread(results):
        sys.exit("The pages are not written; `peers_readings.py` has to say what these are:\n" + "\n".join(missing))
    PAGE.write_text(with_section(PAGE.read_text(encoding="utf-8"), results), encoding="utf-8")
    TABLE.write_text(metric_page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
