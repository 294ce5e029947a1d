"""How a table of results came about: versions, what was asked for, and of every case its files and its grid."""

import math
import operator
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mia_functional.typing import Shape, Spacing

__all__ = ["CaseRecord", "Run", "diagonals", "run_from_json", "run_to_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One pair of files.

    Args:
        method: What made the prediction.
        subject: Identifier.
        prediction: File below the folder of the method; empty where there is none.
        reference: File below the folder of the references; empty where there is none.
        probabilities: File below the folder of the method's probabilities; empty where there is none.
        shape: Voxels along each axis of the reference; empty where it could not be read.
        spacing: Millimetres between them; empty where they are not known.
    """

    method: str
    subject: str
    prediction: str = ""
    reference: str = ""
    probabilities: str = ""
    shape: Shape = ()
    spacing: Spacing = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One evaluation.

    Args:
        versions: Packages and their versions.
        options: What was asked for: labels, metrics with their parameters, alignment and the like, as plain data.
        command: The command line; empty where there was none.
        policy: How cases without a finite number entered the statistics that the command printed; empty where it
            printed none.
        cases: The pairs.
    """

    versions: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, Any], ...]
    command: str = ""
    policy: str = ""
    cases: tuple[CaseRecord, ...] = ()


def diagonals(runs: Iterable[Run]) -> dict[tuple[str, str], float]:
    """Return the length of the diagonal of the reference in millimetres, by method and subject, where it is known.

    Example:
        >>> case = CaseRecord(method="net", subject="A", shape=(3, 4), spacing=(1.0, 1.0))
        >>> diagonals([Run(versions=(), options=(), cases=(case,))])
        {('net', 'A'): 5.0}
    """
    return {
        (case.method, case.subject): math.hypot(*map(operator.mul, case.shape, case.spacing))
        for run in runs
        for case in run.cases
        if case.shape and case.spacing
    }


def run_to_json(run: Run) -> dict[str, Any]:
    """Return a run as plain data for JSON."""
    return {
        "versions": dict(run.versions),
        "command": run.command,
        "policy": run.policy,
        "options": dict(run.options),
        "cases": list(map(asdict, run.cases)),
    }


def run_from_json(data: Mapping[str, Any]) -> Run:
    """Return the run that `run_to_json` made plain data of; raise `KeyError` or `TypeError` for other data."""
    cases = (CaseRecord(**{name: _frozen(value) for name, value in case.items()}) for case in data["cases"])
    options = tuple((name, _frozen(option)) for name, option in data["options"].items())
    words = {"command": data["command"], "policy": data.get("policy", "")}
    return Run(versions=tuple(data["versions"].items()), options=options, cases=tuple(cases), **words)


def _frozen(value: Any) -> Any:
    """Return plain data with tuples in place of lists, so that a record of it can be hashed."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
