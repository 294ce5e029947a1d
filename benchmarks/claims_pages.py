"""The tables of README.md, CORRECTNESS.md and docs/claims.md, written from the figures that `claims.py` measured."""

import math
import re
from pathlib import Path
from typing import Any

from claims_list import OF_PEERS, PAIR, PEERS, SPEED, TISSUES, VALUES

_SAME = {
    "Hausdorff distance": "all",
    "HD95, larger": "surfels: DeepMind; voxels: MONAI, Metrics Reloaded",
    "HD95, pooled": "voxels: medpy, panoptica",
    "ASSD": "voxels: MONAI, medpy, Metrics Reloaded",
    "MASD": 'voxels: Metrics Reloaded, panoptica\'s "ASSD"',
    "surface Dice at 1 mm": "surfels: DeepMind; voxels: MONAI, Metrics Reloaded; panoptica has 0.795",
}
"""Who has the same numbers of the pair of squares."""


def write_pages(root: Path, record: dict[str, Any]) -> None:
    """Write the pages of a repository."""
    for path, text in pages(root, record).items():
        path.write_text(text, encoding="utf-8")


def pages(root: Path, record: dict[str, Any]) -> dict[Path, str]:
    """Return the text of each page with the tables that follow from a record."""
    claims = {claim["name"]: claim for claim in record["claims"]}
    readme, correctness = (root / name for name in ("README.md", "CORRECTNESS.md"))
    values = correctness.read_text(encoding="utf-8")
    for mark, table in (("pair", pair_table), ("tissues", tissue_table)):
        # What was not measured stays as it stands.
        if all(
            claim["figure"] is not None for name, claim in claims.items() if name.startswith((f"{mark},", f"{mark}:"))
        ):
            values = between(values, mark, table(claims))
    return {
        readme: between(readme.read_text(encoding="utf-8"), "claims", speed_table(record, claims)),
        correctness: values,
        root / "docs/claims.md": full_page(record),
    }


def between(text: str, mark: str, table: str) -> str:
    """Return a text with other lines between two marks."""
    pattern = f"<!-- {mark} -->\n.*?<!-- /{mark} -->"
    assert len(re.findall(pattern, text, flags=re.DOTALL)) == 1
    return re.sub(pattern, lambda _: f"<!-- {mark} -->\n{table}\n<!-- /{mark} -->", text, flags=re.DOTALL)


def times(number: float) -> str:
    """Return how many times as fast, rounded down to two digits: more is never said than was measured."""
    digits = 1 - math.floor(math.log10(number))
    return f"{math.floor(number * 10**digits) / 10**digits:.{max(digits, 0)}f}"


def conditions(record: dict[str, Any]) -> str:
    """Return when, where and with what figures were measured."""
    where = record["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"{where['date']}, {where['cores']} cores of {where['processor']}, a load of {where['load before']:g} before,"
        f" Python {where['python']}, {versions}"
    )


def speed_table(record: dict[str, Any], claims: dict[str, Any]) -> str:
    """Return what is faster than what: a line for each task, with the peers and what is claimed in brackets."""
    tasks: dict[str, list[str]] = {}
    for claim in SPEED:
        found = claims.get(claim.name)
        if found is not None and found["figure"] is not None:
            peer = claim.name.partition(": ")[2]
            words = f"{PEERS.get(peer, peer)} {times(found['figure'])} ({found['low']:g})"
            tasks.setdefault(claim.says, []).append(words)
    lines = ["| on two cores | times as fast as (what is claimed: at least) |", "|---|---|"]
    lines += [f"| {task} | {', '.join(peers)} |" for task, peers in tasks.items()]
    date = record["machine"]["date"]
    how = "Medians of up to seven turns, in seconds of the processor; patches, which wait for the disk, by the clock."
    return "\n".join([*lines, "", f"Measured on {date}. {how}"])


def decimal(number: float | None) -> str:
    """Return a number to three digits after the point, without zeros at its end but one."""
    return "" if number is None else re.sub(r"(\.\d+?)0*$", r"\1", f"{number:.3f}")


def pair_table(claims: dict[str, Any]) -> str:
    """Return the pair of squares under each convention."""
    lines = ["| | `surfels` | `voxels` | the same number comes from |", "|---|---|---|---|"]
    for name in PAIR:
        both = [decimal(claims[f"pair, {boundary}: {name}"]["figure"]) for boundary in ("surfels", "voxels")]
        lines.append(f"| {name} | {' | '.join(both)} | {_SAME[name]} |")
    average, theirs = (
        decimal(claims[f"pair: {name}"]["figure"]) for name in ("average distance", "SimpleITK average distance")
    )
    lines.append(f"| average distance | {average} | | ITK's is half of it here, {theirs} |")
    lines.append(f"| boundary IoU, 1 mm | {decimal(claims['pair: boundary IoU']['figure'])} | | Metrics Reloaded |")
    return "\n".join(lines)


def tissue_table(claims: dict[str, Any]) -> str:
    """Return grey and white matter against a shifted and dilated copy."""
    lines = ["| | `surfels`: grey, white | `voxels`: grey, white |", "|---|---|---|"]
    for name in TISSUES:
        cells = [
            ", ".join(
                decimal(claims[f"tissues, {boundary}: {name}, {tissue}"]["figure"]) for tissue in ("grey", "white")
            )
            for boundary in ("surfels", "voxels")
        ]
        lines.append(f"| {name}{' at 1 mm' if name == 'surface Dice' else ''} | {' | '.join(cells)} |")
    return "\n".join(lines)


def bound(claim: dict[str, Any]) -> str:
    """Return with which figures a claim holds."""
    low, high = claim["low"], claim["high"]
    if high is None:
        return f"at least {low:g}"
    return f"at most {high:g}" if low == 0 else f"{low:.6g} to {high:.6g}"


def full_page(record: dict[str, Any]) -> str:
    """Return the page of all claims."""
    kinds = {
        "README.md": {claim.name for claim in SPEED},
        "CORRECTNESS.md": {claim.name for claim in (*VALUES, *OF_PEERS)},
    }
    lines = [
        "# Claims",
        "",
        "What README and [What the numbers mean](correctness.md) claim, measured anew by",
        "`python benchmarks/claims.py`, which writes this page; a claim whose package is missing is not checked.",
        "",
        f"Measured: {conditions(record)}.",
        "",
        "## Speed",
        "",
        "How many times as long a peer takes as this library: medians of the ratios of up to seven turns, by the",
        "processor's time and by the clock (patches by the clock alone). Scenes and calls are those of the",
        "[benchmarks](benchmarks/index.md).",
        "",
        "| what: beside what | claimed | processor | clock | |",
        "|---|---|---|---|---|",
    ]
    for claim in record["claims"]:
        if claim["name"] in kinds["README.md"]:
            figure, wall = ("" if claim[kind] is None else f"{claim[kind]:.3g}" for kind in ("figure", "wall"))
            lines.append(
                f"| {claim['name']} ({claim['says']}) | {bound(claim)} | {figure} | {wall} | {claim['verdict']} |"
            )
    lines += ["", "## Values and agreement", "", "Agreement is the largest relative difference.", ""]
    lines += ["| what | holds for | figure | |", "|---|---|---|---|"]
    for claim in record["claims"]:
        if claim["name"] in kinds["CORRECTNESS.md"]:
            figure = "" if claim["figure"] is None else f"{claim['figure']:.6g}"
            lines.append(f"| {claim['says']} | {bound(claim)} | {figure} | {claim['verdict']} |")
    lines += ["", "## Held by tests", "", "| what | tests | cases that passed | |", "|---|---|---|---|"]
    for claim in record["claims"]:
        if not any(claim["name"] in names for names in kinds.values()):
            tests = ", ".join(f"`{test}`" for test in claim["name"].split())
            lines.append(f"| {claim['says']} | {tests} | {claim['figure']} | {claim['verdict']} |")
    lines += ["", "## Not measured here", ""]
    lines += [
        "What `findings/*.sh` show of other packages, each with one command and an environment of its own, and rows",
        'under "Measured once" in [What the numbers mean](correctness.md) that stand above in none of the tables.',
    ]
    return "\n".join(lines) + "\n"
