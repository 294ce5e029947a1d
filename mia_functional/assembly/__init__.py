"""Patches back into volumes: reductions, windows, and the functions that assemble.

`assemble`, `assemble_subjects`, `assemble_planes` and `sliding_window` do all of it; `predict_labels` gives labels
without a volume of probabilities, `tta` merges predictions for transformed volumes; `placements`, `start`, `add` and
`finish` are the same in steps, for loops of your own (incremental assembly). All but `predict_labels` are
differentiable by floating patches; of equal predictions, `maximum` gives each a share of the derivative. Votes have
none.
"""

from mia_functional.assembly.augmented import tta
from mia_functional.assembly.incremental import add, finish, start
from mia_functional.assembly.label_prediction import predict_labels
from mia_functional.assembly.placement import Placement, placements
from mia_functional.assembly.reductions import Reduction, last, maximum, mean, total, vote
from mia_functional.assembly.sliding import sliding_window
from mia_functional.assembly.streaming import assemble_planes, merge_planes
from mia_functional.assembly.subjects import assemble_subjects
from mia_functional.assembly.volumes import assemble
from mia_functional.assembly.windows import Window, gaussian, hann, uniform

__all__ = [
    "Placement",
    "Reduction",
    "Window",
    "add",
    "assemble",
    "assemble_planes",
    "assemble_subjects",
    "finish",
    "gaussian",
    "hann",
    "last",
    "maximum",
    "mean",
    "merge_planes",
    "placements",
    "predict_labels",
    "sliding_window",
    "start",
    "total",
    "tta",
    "uniform",
    "vote",
]

__dir__ = __all__.copy  # dir() shows what users may touch
