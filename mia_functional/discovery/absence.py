"""Subjects without a file or a value that others have: errors, left out, or kept with an empty value."""

import warnings
from collections.abc import Sequence

from mia_functional._core import checks
from mia_functional.discovery.records import Entry, Subject
from mia_functional.typing import Absent

__all__ = ["check_absent", "settle_absent"]


def check_absent(absent: Absent) -> None:
    """Raise unless it is known what is done about subjects that lack something."""
    checks.one_of("discover", "absent", absent, ("error", "skip", "empty"))


def settle_absent(
    people: Sequence[tuple[str, Sequence[Entry]]], expected: Sequence[tuple[str, str]], absent: Absent
) -> tuple[Subject, ...]:
    """Return the subjects to go on with, and warn of those that lack something, with their number, names and what.

    Args:
        people: Every subject with the entries that it has.
        expected: Category and name of the entries that each should have.
        absent: What is done about the others.
    """
    lacking: dict[str, list[str]] = {}
    for name, entries in people:
        # No table has another way to spell a missing value than an empty cell, or NaN, which differs from itself.
        full = {(one.category, one.name) for one in entries if one.value != "" and one.value == one.value}
        if missing := [f"{category} {entry}" for category, entry in expected if (category, entry) not in full]:
            lacking[name] = missing
    kept = [(name, entries) for name, entries in people if absent != "skip" or name not in lacking]
    listed = ", ".join(f"{name} ({', '.join(missing)})" for name, missing in lacking.items())
    if not kept:
        checks.invalid_value("discover", "absent", "leave a subject with all entries", f"none: {listed}")
    if lacking:
        done = "left out" if absent == "skip" else "kept with empty values"
        # Behind this function and `discover` stands the wrapper of `checks.speaking_for`.
        warnings.warn(f"{len(lacking)} of {len(people)} subjects are {done}: {listed}.", stacklevel=4)
    return tuple(Subject(name=name, entries=tuple(entries)) for name, entries in kept)
