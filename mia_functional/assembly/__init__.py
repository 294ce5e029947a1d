"""Patches back into volumes: reductions, windows, and the function that assembles."""

from mia_functional.assembly.reductions import Reduction, last, maximum, mean, total, vote
from mia_functional.assembly.volumes import assemble
from mia_functional.assembly.windows import Window, divide, gaussian, hann, outer, uniform, weight_sums

__all__ = [
    "Reduction",
    "Window",
    "assemble",
    "divide",
    "gaussian",
    "hann",
    "last",
    "maximum",
    "mean",
    "outer",
    "total",
    "uniform",
    "vote",
    "weight_sums",
]
