"""The main job from end to end on a synthetic cohort: files, dataset, patches, network, volumes, metrics, tables."""

from mia_functional.demo.experiment import Outcome, run

__all__ = ["Outcome", "run"]

__dir__ = __all__.copy  # dir() shows what users may touch
