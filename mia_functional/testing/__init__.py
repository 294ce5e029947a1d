"""Tests of your own metrics: Hypothesis strategies for what they take, and the laws that metrics keep.

Hypothesis is imported when a function is called; `pip install 'mia_functional[testing]'` installs it.
"""

from mia_functional.testing.laws_of_metrics import METRIC_LAWS, MetricLaw
from mia_functional.testing.metric_checks import check_metric, metric_laws, parametrize_metric_laws
from mia_functional.testing.strategies import (
    contingency_tables,
    geometries,
    images,
    instance_maps,
    label_maps,
    mask_pairs,
    masks,
    probabilities,
    spacings,
)

__all__ = [
    "METRIC_LAWS",
    "MetricLaw",
    "check_metric",
    "contingency_tables",
    "geometries",
    "images",
    "instance_maps",
    "label_maps",
    "mask_pairs",
    "masks",
    "metric_laws",
    "parametrize_metric_laws",
    "probabilities",
    "spacings",
]

__dir__ = __all__.copy  # dir() shows what users may touch
