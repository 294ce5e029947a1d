"""A journal of finished cases, one line each, from which an interrupted evaluation goes on.

The first line says what is evaluated; each other one has a case, the sizes and times of its files, and its rows. Lines
are handed to the system at once, so that they survive the death of this process, and flushed to the disk every second.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from mia_functional._core import atomic_files, checks
from mia_functional.evaluation.results import Result, Results

__all__ = ["CaseKey", "Journal", "Outcome", "open_journal"]

_FLUSH_SECONDS = 1.0
"""What a loss of power may cost at most."""

CaseKey: TypeAlias = str
"""Method, subject, and sizes and times of the files, as JSON: an equal key means an equal case."""


class Outcome(NamedTuple):
    """What became of a case.

    Attributes:
        results: Its rows.
        shape: Voxels along each axis of the reference; empty where it could not be read.
        spacing: Millimetres between them; empty where they are not known.
    """

    results: Results
    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()


class Journal(NamedTuple):
    """What is finished, and how more is noted.

    Attributes:
        finished: Outcomes of cases that did not fail.
        note: Writes a case down.
    """

    finished: Mapping[CaseKey, Outcome]
    note: Callable[[CaseKey, Outcome], None]


@contextmanager
def open_journal(function: str, path: Path, asked: Mapping[str, Any], *, resume: bool) -> Iterator[Journal]:
    """Yield a journal, a new one or the one of an interrupted run.

    Args:
        function: Name for messages.
        path: The file; its folder must exist.
        asked: What is evaluated, as plain data; a run goes on only where it is the same.
        resume: Go on if there is a journal; otherwise that is an error.

    Raises:
        FileExistsError: There is a journal, and `resume` is false.
        OSError: The journal cannot be written; what it holds stays.
        ValueError: The file is no journal, or that of another evaluation.
    """
    exists = os.path.lexists(path)
    if exists and not resume:
        text = f"{function}: {path} holds the finished cases of an interrupted run; `resume=True` goes on"
        raise FileExistsError(f"{text}, deleting it starts anew.")
    finished, length = _read(function, path, asked) if exists else ({}, 0)
    with ExitStack() as stack:
        # Not around what others do until the end, whose failures are no failures to write the journal.
        with atomic_files.naming_failures(function, path):
            stream = stack.enter_context(path.open("ab", buffering=0))
            # What a crash left of a line is no line.
            stream.truncate(length)
        number, ended = stream.fileno(), threading.Event()
        failures: list[OSError] = []

        def keep_flushing() -> None:
            # In a thread, as the next case may take hours, and for many small ones each line would wait for the disk.
            while not ended.wait(_FLUSH_SECONDS):
                try:
                    os.fsync(number)
                except OSError as error:  # the system tells of it once
                    failures.append(error)
                    return

        def write(line: Any) -> None:
            data = json.dumps(line).encode() + b"\n"
            with atomic_files.naming_failures(function, path):
                if failures:
                    raise failures[0]
                while data:
                    data = data[stream.write(data) :]

        if length == 0:
            write(asked)
        flusher = threading.Thread(target=keep_flushing, daemon=True)

        def note(key: CaseKey, outcome: Outcome) -> None:
            write([key, list(map(astuple, outcome.results)), *outcome[1:]])
            # Not before there is something to lose: a process without threads can be forked (see `begin_processes`).
            if flusher.ident is None:
                flusher.start()

        try:
            yield Journal(finished, note)
        finally:
            ended.set()
            if flusher.ident is not None:
                flusher.join()
            with atomic_files.naming_failures(function, path):
                os.fsync(number)


def _read(function: str, path: Path, asked: Mapping[str, Any]) -> tuple[dict[CaseKey, Outcome], int]:
    """Return what a journal holds, and the length of its complete lines."""
    data = path.read_bytes()
    length = data.rfind(b"\n") + 1
    finished: dict[CaseKey, Outcome] = {}
    try:
        begun, *lines = [json.loads(line) for line in data[:length].splitlines()] or [None]
        for key, rows, shape, spacing in lines:
            results = Results(rows=tuple(Result(**dict(zip(_FIELDS, row, strict=True))) for row in rows))
            # What failed, for want of memory or a file say, is tried again.
            if all(row.status != "failed" for row in results):
                finished[key] = Outcome(results, tuple(shape), tuple(spacing))
    except (ValueError, TypeError):
        checks.invalid_value(function, "journal", "name a journal of an evaluation", path)
    if length == 0:
        return {}, 0
    expected = json.loads(json.dumps(asked))
    if not isinstance(begun, dict) or begun.keys() != expected.keys():
        checks.invalid_value(function, "journal", "name a journal of an evaluation", path)
    for name, value in expected.items():
        if begun[name] != value:
            needed = f"name the journal of an evaluation with the same {name}, {value}"
            checks.invalid_value(function, "journal", needed, f"{begun[name]} in {path}")
    return finished, length


_FIELDS = tuple(Result.__dataclass_fields__)
"""The columns of a row, in order."""
