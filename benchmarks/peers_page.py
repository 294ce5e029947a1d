"""The pages made of `peers_laws.json`: the section of `CORRECTNESS.md`, and each metric in `peers_laws.md`."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from peers_readings import READINGS, Reading

__all__ = ["LAWS", "WORDS", "correctness_section", "metric_page", "unread", "with_section"]

BEGIN, END = "<!-- peers under the laws -->", "<!-- /peers under the laws -->"

LAWS = (
    *(
        "runs",
        "no mutation",
        "range",
        "defined",
        "identity",
        "misses",
        "symmetry",
        "flips",
        "axes",
        "padding",
        "scaling",
    ),
    *("memory order", "dtypes", "renumbering", "monotonicity", "triangle", "oracle"),
)
"""Laws of single metrics, in the order in which they are checked."""

WORDS = {"fault": "no", "convention": "rule", "error": "error", "rounding": "rounding"}
"""How a cell says what kind of note there is."""

Results = Mapping[str, Mapping[str, Any]]


def _kept(found: Mapping[str, Any]) -> set[str]:
    """Return the names of the laws that hold for a metric."""
    return {name.replace("_", " ") for name in found["holds"].split()}


def _findings(results: Results) -> Iterator[tuple[str, str, str, Mapping[str, str]]]:
    """Yield package, metric and law of all that does not simply hold, and what was found."""
    for peer, found in results.items():
        for metric, laws in found["metrics"].items():
            for law, result in laws["others"].items():
                yield peer, metric, law, result


def _is_about(reading: Reading, peer: str, metric: str, law: str) -> bool:
    return peer == reading.peer and law in reading.laws and metric in reading.metrics


def unread(results: Results) -> list[str]:
    """Return what has no note, or more than one, and notes about nothing."""
    wrong = []
    used = set()
    for peer, metric, law, _ in _findings(results):
        notes = [number for number, reading in enumerate(READINGS, 1) if _is_about(reading, peer, metric, law)]
        used.update(notes)
        if len(notes) != 1:
            wrong.append(f"{peer}, {metric}, {law}: notes {notes}")
    return wrong + [f"note {number}" for number in range(1, len(READINGS) + 1) if number not in used]


def _note(peer: str, metric: str, law: str) -> tuple[int, Reading]:
    return next(
        (number, reading) for number, reading in enumerate(READINGS, 1) if _is_about(reading, peer, metric, law)
    )


def _example(results: Results, reading: Reading) -> str:
    """Return the smallest example of a note and what was found, from the run."""
    _, metric, law, result = next(one for one in _findings(results) if _is_about(reading, *one[:3]))
    wrong = re.sub(r"np\.float\d+\(([^)]*)\)", r"\1", result.get("wrong", "").rstrip("."))
    if "example" not in result:
        return f"`{metric}`: {wrong}"
    lines = dict(line.split(" = ", 1) for line in result["example"].splitlines())
    names = ("reference", "spacing") if law == "identity" else ("prediction", "reference", "spacing")
    shown = [f"{name} {_entries(lines[name])}" for name in names if name in lines]
    return f"`{metric}`, {law}: {', '.join(shown)}: {wrong}"


def _entries(text: str) -> str:
    """Return an array of an example by its entries, truth values as 0 and 1; a large one by what it is made of."""
    inside = re.sub(r"^np\.array\((.*), '\w+'\)$", r"\1", text).replace("True", "1").replace("False", "0")
    numbers = re.findall(r"[^\[\], ()]+", inside)
    return inside if len(numbers) < 100 else f"{len(numbers)} voxels of {', '.join(sorted(set(numbers)))}"


def _cell(results: Results, peer: str, law: str) -> str:
    """Return how many metrics of a package keep a law, of how many that it is about, and the notes on the others."""
    metrics = results[peer]["metrics"]
    kept = sum(law in _kept(found) for found in metrics.values())
    broken = [metric for metric, found in metrics.items() if law in found["others"]]
    if not kept and not broken:
        return ""
    notes = sorted({_note(peer, metric, law)[0] for metric in broken})
    return f"{kept} of {kept + len(broken)}" + (f" ({', '.join(map(str, notes))})" if notes else "")


def correctness_section(results: Results) -> str:
    """Return the section of `CORRECTNESS.md`: laws by package, and a note on each law that is broken."""
    names = [f"{peer} {next(iter(found['versions'].values()))}" for peer, found in results.items()]
    lines = [f"| law | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [f"| {law} | {' | '.join(_cell(results, peer, law) for peer in results)} |" for law in LAWS]
    lines += [
        "",
        "| | package | laws | what it is | smallest example that was found | what we make of it |",
        "|---" * 6 + "|",
    ]
    for number, reading in enumerate(READINGS, 1):
        cells = (reading.peer, ", ".join(reading.laws), reading.kind, _example(results, reading), reading.says)
        lines.append(f"| {number} | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def metric_page(results: Results) -> str:
    """Return the page with a table for each package: its metrics and all laws."""
    lines = [
        "# Peers under the laws: each metric",
        "",
        "Written by `python benchmarks/peers_laws.py`. A cell is `yes` where the law holds, empty where it is not",
        "about the metric, `no` with a note where it is broken, `rule` where it is broken by a documented rule of the",
        "package's own, `error` where the package refuses the pair. Notes are those of `CORRECTNESS.md`.",
    ]
    for peer, found in results.items():
        versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
        about = {law for kept in found["metrics"].values() for law in (*_kept(kept), *kept["others"])}
        laws = [law for law in LAWS if law in about]
        lines += ["", f"## {peer}", "", f"{versions}; {found['examples']} examples for each metric.", ""]
        lines += [f"| metric | like | {' | '.join(laws)} |", "|---" * (len(laws) + 2) + "|"]
        for metric, kept in found["metrics"].items():
            cells = ["yes" if law in _kept(kept) else "" for law in laws]
            for law in kept["others"]:
                number, reading = _note(peer, metric, law)
                cells[laws.index(law)] = f"{WORDS[reading.kind]} ({number})"
            lines.append(f"| {metric} | {found['like'][metric]} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_section(page: str, results: Results) -> str:
    """Return a page with the section between its marks made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, behind = rest.partition(END)
    return f"{before}{BEGIN}\n{correctness_section(results)}\n{END}{behind}"
