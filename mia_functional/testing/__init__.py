"""Tests of your own metrics, transforms and indices: Hypothesis strategies for what they take, and laws that they keep.

Hypothesis is imported when a function is called; `pip install 'mia_functional[testing]'` installs it.
"""

from mia_functional.testing.indexing_checks import INDEXING_LAWS, IndexingLaw, check_indexing
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
from mia_functional.testing.transform_checks import TRANSFORM_LAWS, TransformLaw, check_transform

__all__ = [
    "INDEXING_LAWS",
    "METRIC_LAWS",
    "TRANSFORM_LAWS",
    "IndexingLaw",
    "MetricLaw",
    "TransformLaw",
    "check_indexing",
    "check_metric",
    "check_transform",
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
