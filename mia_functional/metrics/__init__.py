"""Metrics of a prediction against a reference: statistics that are computed once, and formulas on them."""

from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts, soft_confusion_counts
from mia_functional.metrics.overlap import dice, jaccard, volume_similarity
from mia_functional.metrics.table import METRICS, Metric, find, group

__all__ = [
    "METRICS",
    "ConfusionCounts",
    "Metric",
    "confusion_counts",
    "dice",
    "find",
    "group",
    "jaccard",
    "soft_confusion_counts",
    "volume_similarity",
]
