"""Measure anew all that README and CORRECTNESS.md claim, and write the pages' figures.

    python benchmarks/claims.py [--python PYTHON ...] [--only WORD ...] [--pages] [--patience SECONDS]

prints each claim, the figure now, and whether it holds; writes `claims.json` beside this script and, from it, the
tables of README.md, CORRECTNESS.md and docs/claims.md. `--pages` writes the tables from the figures that are there.
`PYTHON` are interpreters of environments with packages that ours has no room for, such as panoptica or torchmetrics.
Each function runs in a process of its own, so that one that fails leaves the rest. A claim whose packages are not
installed is named as not checked, and keeps no figure. The status is 1 if a claim does not hold.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from claims_list import OF_PEERS, SPEED, VALUES, Claim
from claims_pages import write_pages
from claims_tested import TESTS, Tested

ROOT = Path(__file__).parents[1]
RECORD = Path(__file__).with_suffix(".json")
SECONDS = 600
"""A function that takes longer is stopped, and its claims are not checked; the tests may take twice as long."""

PACKAGES = ("numpy", "scipy", "jax", "torch", "surface-distance", "monai", "medpy", "SimpleITK", "scikit-image",
            "scikit-learn", "torchio", "pymia", "nilearn")  # fmt: skip


def missing(needs: tuple[str, ...]) -> str:
    """Return why a claim cannot be checked here, or nothing."""
    absent = [name for name in needs if importlib.util.find_spec(name) is None]
    return f"not checked: without {', '.join(absent)}" if absent else ""


def interpreter(package: str, pythons: list[str]) -> str:
    """Return the first interpreter that finds a package, or nothing."""
    look = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is None)"
    able = (python for python in (sys.executable, *pythons) if not subprocess.run([python, "-c", look]).returncode)
    return next(able, "")


def measure(function: str) -> None:
    """Print what a function measures as JSON."""
    warnings.simplefilter("ignore")
    import claims_speed
    import claims_values

    found = getattr(claims_speed, function, None) or getattr(claims_values, function)
    print(json.dumps({name: list(figure) for name, figure in found().items()}))


def measured(claims: list[Claim], options: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """Return what the function of claims measures in a process of its own, and why it did not, if so."""
    kind, _, peer = claims[0].measured_by.rpartition(":")
    if kind:
        script, python = Path(__file__).with_name("claims_of_peers.py"), interpreter(peer, options.python)
        command = [python, "-W", "ignore", str(script), peer]
        failure = "" if python else f"not checked: without {peer}"
    else:
        command = [sys.executable, "-W", "ignore", __file__, "--measure", peer]
        failure = min(missing(claim.needs) for claim in claims)
    if failure:
        return {}, failure
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    waiting: dict[str, Any] = {"capture_output": True, "text": True, "timeout": options.patience}
    try:
        result = subprocess.run(command, check=False, env=environment, **waiting)
    except subprocess.TimeoutExpired:
        return {}, f"not checked: more than {options.patience:g} s"
    if result.returncode:
        words = (result.stderr.strip().splitlines() or ["no word"])[-1]
        return {}, f"not checked: {words[:120]}"
    return json.loads(result.stdout.strip().splitlines()[-1]), ""


def verdict(claim: Claim, figure: list[float] | None, failure: str) -> str:
    """Return whether a claim holds, or why it was not checked."""
    if figure is None:
        return missing(claim.needs) or failure or "not checked: not measured"
    return "holds" if claim.low <= figure[0] <= claim.high else "DOES NOT HOLD"


def of_figures(claims: list[Claim], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure the claims of a function and return their records."""
    function, started, records = claims[0].measured_by, time.perf_counter(), []
    figures, failure = measured(claims, options)
    for claim in claims:
        figure = figures.get(claim.name)
        value, wall = (None, None) if figure is None else (rounded(number) for number in figure)
        record = {"name": claim.name, "page": claim.page, "says": claim.says, "figure": value, "wall": wall}
        record |= {"low": finite(claim.low), "high": finite(claim.high)}
        records.append(record | {"verdict": verdict(claim, figure, failure)})
        show(records[-1])
    print(f"  ({function}: {time.perf_counter() - started:.0f} s)", flush=True)
    return records


def rounded(number: float | None) -> float | None:
    """Return a number to seven digits, whole ones as they are: a record of a run is read by people."""
    return number if number is None or number == int(number) else float(f"{number:.7g}")


def finite(number: float) -> float | None:
    """Return a bound, if there is one."""
    return rounded(number) if math.isfinite(number) else None


def show(record: dict[str, Any]) -> None:
    """Print a claim, its figure and whether it holds."""
    figure = "" if record["figure"] is None else f"{record['figure']:g}"
    wall = "" if record["wall"] is None else f" (by the clock {record['wall']:.3g})"
    print(f"{record['verdict']:<16} {record['name']}: {record['says']}: {figure}{wall}", flush=True)


def outcomes(tests: list[str], seconds: float) -> dict[str, list[str]]:
    """Run tests, and return how their cases ended, by `file::function`."""
    found = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "--part", "full", "-p", "no:cacheprovider"]
        options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "timeout": seconds, "check": False}
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        try:
            subprocess.run([*command, f"--junitxml={report}", *tests], env=environment, **options)
        except subprocess.TimeoutExpired:
            return {}
        if not report.exists():
            return {}
        for case in ElementTree.parse(report).iter("testcase"):
            place = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name', '').partition('[')[0]}"
            kinds = {child.tag for child in case}
            failed = kinds & {"failure", "error"}
            found[place].append("failed" if failed else "skipped" if "skipped" in kinds else "passed")
    return found


def of_tests(claims: list[Tested], seconds: float) -> list[dict[str, Any]]:
    """Run the tests of claims and return their records."""
    able = [claim for claim in claims if not missing((*claim.needs, "pytest"))]
    found = outcomes(sorted({test for claim in able for test in claim.tests}), seconds) if able else {}
    records = []
    for claim in claims:
        ends = [end for test in claim.tests for place, ends in found.items() if place.startswith(test) for end in ends]
        passed, failed = ends.count("passed"), ends.count("failed")
        holds = "DOES NOT HOLD" if failed else "holds" if passed else "not checked: no test ran"
        record = {"name": " ".join(claim.tests), "page": "CORRECTNESS.md", "says": claim.says, "figure": passed}
        reason = missing((*claim.needs, "pytest"))
        records.append(record | {"wall": None, "low": 1, "high": None, "verdict": reason or holds})
        show(records[-1])
    return records


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def machine() -> dict[str, Any]:
    """Return where and with which versions the figures were measured."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "load before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "versions": versions,
    }


def saved(where: dict[str, Any] | None, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put records among those of the file, write it and return all that are claims today, in their order."""
    before = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {"machine": machine(), "claims": []}
    found = {record["name"]: record for record in (*before["claims"], *records)}
    names = [*(claim.name for claim in (*SPEED, *VALUES, *OF_PEERS)), *(" ".join(claim.tests) for claim in TESTS)]
    claims = [found[name] for name in names if name in found]
    text = json.dumps({"machine": where or before["machine"], "claims": claims}, indent=1)
    RECORD.write_text(text + "\n", encoding="utf-8")
    return claims


def run(options: argparse.Namespace) -> int:
    """Measure all claims, or those whose names hold a word, write record and pages, and return how many do not hold."""
    words, where, started = options.only, machine(), time.perf_counter()
    groups = defaultdict(list)
    for claim in (*SPEED, *VALUES, *OF_PEERS):
        if not words or any(word in claim.name for word in words):
            groups[claim.measured_by].append(claim)
    for group in groups.values():
        saved(None, of_figures(group, options))
    tested = [claim for claim in TESTS if not words or any(word in test for word in words for test in claim.tests)]
    # One who asks for some claims changes those alone, not when and where the others were measured.
    records = saved(None if words else where, of_tests(tested, 2 * options.patience))
    write_pages(ROOT, json.loads(RECORD.read_text(encoding="utf-8")))
    wrong = [record["name"] for record in records if record["verdict"] == "DOES NOT HOLD"]
    unchecked = [record["name"] for record in records if record["verdict"].startswith("not checked")]
    minutes = (time.perf_counter() - started) / 60
    print(f"\n{len(records)} claims in {minutes:.0f} minutes; not checked: {unchecked or 'none'}")
    print(f"Do not hold: {wrong or 'none'}")
    return len(wrong)


def main() -> int:
    """Return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--python", nargs="+", default=[], metavar="PYTHON", help="interpreters that have other packages"
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="WORD", help="claims whose names hold a word")
    parser.add_argument("--pages", action="store_true", help="measure nothing, and write the pages")
    parser.add_argument("--patience", type=float, default=SECONDS, help=f"seconds a function may take ({SECONDS})")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure)
    elif options.pages:
        write_pages(ROOT, json.loads(RECORD.read_text(encoding="utf-8")))
    else:
        return int(run(options) > 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
