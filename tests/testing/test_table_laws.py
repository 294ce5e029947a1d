"""Every metric of the table keeps the laws that its row claims: of masks, label maps, instances, and as programs."""

import math

import pytest
import torch

from mia_functional import metrics, testing
from mia_functional.metrics import METRICS
from mia_functional.testing.row_laws import DISTANCES, MONOTONE, ROW_EXCEPTIONS, SEES_MISSES

ROWS = pytest.mark.parametrize("row", METRICS, ids=lambda row: row.abbreviation)
LABELLED = [row for row in METRICS if row.statistic in (metrics.confusion_counts, metrics.surface_distances)]
OF_INSTANCES = [row for row in METRICS if row.statistic is metrics.instance_matches]
PROGRAMS = ("libraries", "jit", "vmap", "compile", "gradients")


@pytest.fixture
def examples(request):
    """How many examples there are: more in the full part."""
    return 20 if request.config.getoption("part") == "full" else 10


@pytest.mark.sampled(20)
@ROWS
def test_a_metric_keeps_its_laws(row, examples):
    testing.check_metric(row, examples=examples)


@pytest.mark.sampled(5)
@pytest.mark.parametrize("row", LABELLED, ids=lambda row: row.abbreviation)
def test_a_metric_keeps_its_laws_for_labels(row, examples):
    testing.check_metric(row, inputs="labels", examples=examples)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("row", OF_INSTANCES, ids=lambda row: row.abbreviation)
def test_a_metric_keeps_its_laws_for_instances(row, examples):
    testing.check_metric(row, inputs="instances", examples=examples)


@pytest.mark.full
@ROWS
def test_libraries_and_programs_agree(row):
    # PyTorch compiles one function eight times, and then runs it as it is.
    torch._dynamo.reset()
    laws = [law.name for law in testing.metric_laws(row, xp=("jax", "torch", "strict")) if law.name in PROGRAMS]
    testing.check_metric(row, xp=("jax", "torch", "strict"), laws=laws, examples=3)


def test_exceptions_are_of_metrics_and_laws_that_there_are():
    abbreviations = {row.abbreviation for row in METRICS}
    laws = {law.name for law in testing.METRIC_LAWS}
    for exception in ROW_EXCEPTIONS:
        assert set(exception.metrics) <= abbreviations
        assert set(exception.laws) <= laws
        assert exception.reason.endswith(".")
    assert {*MONOTONE, *SEES_MISSES, *DISTANCES} <= abbreviations
    ends = {row.abbreviation: row.best for row in METRICS}
    assert not any(math.isnan(ends[name]) for name in (*MONOTONE, *SEES_MISSES))
