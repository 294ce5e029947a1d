"""Where arrays will lie in a dataset, known as soon as the shapes of all subjects before are.

HDF5 decides on the places, and only what came before matters. Subjects that are made in this process ask for theirs one
after the other, in their order, and write their arrays there: into the common file that will become the dataset.
"""

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mia_functional._core import atomic_files
from mia_functional.dataset._hdf5.writer import make_room, new_file, raise_first
from mia_functional.dataset.checkpoints import ARRAYS, Block, Part


class Plan(NamedTuple):
    """A dataset without arrays in a folder, the failures of its disk, and a future per subject: done at its turn."""

    folder: Path
    file: Any
    failures: list[OSError]
    turns: list[Future[None]]


@contextmanager
def planned(folder: Path, count: int) -> Iterator[Plan]:
    """Open a plan for a number of subjects, and the common file in a folder."""
    (folder / ARRAYS).touch()
    failures: list[OSError] = []
    turns: list[Future[None]] = [Future() for _ in range(count + 1)]
    turns[0].set_result(None)
    with tempfile.TemporaryFile(dir=folder, buffering=0) as stream, new_file(stream, failures) as file:
        plan = Plan(folder, file, failures, turns)
        yield plan
    raise_failure(plan)


def reserve(plan: Plan, number: int, blocks: Sequence[Block]) -> dict[str, int]:
    """Wait until all subjects before have their places; return those of a subject's arrays, by category.

    Raises:
        Exception: What made a subject before fail.
    """
    plan.turns[number].result()
    places = make_room(plan.file, number, len(plan.turns) - 1, blocks)
    raise_failure(plan)
    plan.turns[number + 1].set_result(None)
    return places


def raise_failure(plan: Plan) -> None:
    """Raise what went wrong first with the disk, if anything did."""
    with atomic_files.naming_failures("create", plan.folder):
        raise_first(plan.failures)


def give_up(plan: Plan, number: int, error: BaseException) -> None:
    """Let all subjects behind one that failed fail too, if they wait for its shapes."""
    if not plan.turns[number + 1].done():
        plan.turns[number + 1].set_exception(error)


def moved(part: Part, places: dict[str, int]) -> Part:
    """Return a part whose arrays lie at their places in the common file."""
    blocks = tuple(replace(block, offset=places.get(block.category, 0)) for block in part.blocks)
    return replace(part, blocks=blocks, placed=True)
