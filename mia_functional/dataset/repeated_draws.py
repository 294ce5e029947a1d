"""A warning for loops that draw the same again, because they name no epoch.

Hidden state: `_TAKEN` says which positions of which samples were drawn without an epoch, so that a loop that draws the
same again is warned of, once (`_WARNED`); both forget samples when they go. Every process has its own.
"""

import warnings
from typing import Protocol
from weakref import WeakKeyDictionary, WeakSet

__all__ = ["is_warned_of", "note_draw"]


class _Drawn(Protocol):
    """Samples of an epoch; `dataset.Samples`."""

    @property
    def epoch(self) -> int:
        """Its number."""


_TAKEN: "WeakKeyDictionary[_Drawn, set[int]]" = WeakKeyDictionary()
"""Positions that were drawn without an epoch."""

_WARNED: "WeakSet[_Drawn]" = WeakSet()
"""Samples of which a warning said that a position was drawn twice."""


def is_warned_of(samples: _Drawn) -> bool:
    """Return whether a warning has been given."""
    return samples in _WARNED


def note_draw(samples: _Drawn, position: int) -> None:
    """Warn once if a position is drawn a second time without an epoch: epochs of a plain loop would all be the same."""
    drawn = _TAKEN.setdefault(samples, set())
    if position not in drawn:
        drawn.add(position)
        return
    _WARNED.add(samples)
    del _TAKEN[samples]
    text = (
        f"samples: position {position} was drawn a second time in epoch {samples.epoch}, with the same random numbers. "
        "Loop over `prefetch` or a loader of `mia_functional.adapters`, whose epochs differ, or take "
        "`samples[(epoch, position)]`."
    )
    warnings.warn(text, stacklevel=5)
