"""What we make of each law that a peer breaks: a fault, a convention of its own, or an error by which it refuses pairs.

Each was looked at by hand on the smallest example that was found. A convention is one that the package documents, or
that its definition implies; a fault is a number that no definition of the package gives.
"""

from typing import NamedTuple

__all__ = ["READINGS", "Reading"]


class Reading(NamedTuple):
    """A note on laws that metrics of a peer break.

    Attributes:
        peer: Name of the package, as in `PEERS`.
        kind: "fault", "convention" or "error".
        metrics: Names of its metrics, as in `ADAPTERS`.
        laws: Names of the laws.
        says: What happens, and the right value.
    """

    peer: str
    kind: str
    metrics: tuple[str, ...]
    laws: tuple[str, ...]
    says: str


READINGS: tuple[Reading, ...] = ()
