"""Shapes of masks: exact distances, borders, boxes, connected components and skeletons."""

from mia_functional.morphology.components import connected_components, largest_components
from mia_functional.morphology.masks import border, bounding_box, distance_transform
from mia_functional.morphology.skeleton_graphs import BranchCounts, branch_counts
from mia_functional.morphology.skeletons import skeleton

__all__ = [
    "BranchCounts",
    "border",
    "bounding_box",
    "branch_counts",
    "connected_components",
    "distance_transform",
    "largest_components",
    "skeleton",
]

__dir__ = __all__.copy  # dir() shows what users may touch
