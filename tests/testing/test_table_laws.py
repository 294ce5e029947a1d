"""Every metric of the table keeps the laws that its row claims: of masks, label maps, instances, and as programs."""

import dataclasses
import functools
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings

from mia_functional import metrics, testing
from mia_functional.metrics import METRICS
from mia_functional.testing.example_values import value_of_case
from mia_functional.testing.metric_checks import cases_of
from mia_functional.testing.metric_claims import claims_of
from mia_functional.testing.row_laws import DISTANCES, MONOTONE, ROW_EXCEPTIONS, SEES_MISSES, UNMERGED, is_of

ROWS = pytest.mark.parametrize("row", METRICS, ids=lambda row: row.abbreviation)
LABELLED = [row for row in METRICS if row.statistic in (metrics.confusion_counts, metrics.surface_distances)]
OF_INSTANCES = [row for row in METRICS if row.statistic is metrics.instance_matches]
PROGRAMS = ("libraries", "jit", "vmap", "compile", "gradients")
FUNCTIONS = sorted({row.statistic or row.function for row in METRICS}, key=lambda function: function.__name__)


@pytest.fixture
def examples(request):
    """How many examples there are: more in the full part."""
    return 20 if request.config.getoption("part") == "full" else 10


def remembered(statistic):
    """Return a statistic that is computed once of a pair as it is, and a function that forgets all."""
    known = {}

    def once(prediction, reference, **options):
        pair = (prediction, reference)
        # What lies otherwise in memory, or is of another dtype, is another pair.
        key = [(array.tobytes("A"), array.shape, array.strides, array.dtype) for array in pair]
        key = (*key, *options.items())
        if key not in known:
            known[key] = statistic(*pair, **options)
        return known[key]

    return once, known.clear


def claims_of_rows(function):
    """Return the claims of all rows of a statistic, which is computed once for them, and a function that forgets it."""
    claims = [claims_of("test", row, None, {}) for row in METRICS if function in (row.statistic, row.function)]
    if claims[0].statistic is None:
        return claims, lambda: None
    once, forget = remembered(claims[0].statistic)

    def value(formula, prediction, reference, **options):
        return formula(once(prediction, reference, **options), spacing=options.get("spacing"))

    return [
        dataclasses.replace(one, statistic=once, function=functools.partial(value, one.formula)) for one in claims
    ], forget


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_all_metrics_of_a_statistic_keep_their_laws(function):
    claims, forget = claims_of_rows(function)
    laws = [testing.metric_laws(one.name) for one in claims]
    cases = dataclasses.replace(claims[0], spacing=any(one.spacing for one in claims))
    # A second call has to give the same without a memory.
    again = claims_of("test", claims[0].name, None, {})

    @settings(max_examples=40, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(cases_of(cases, None, for_programs=False, others=True))
    def keep(case):
        forget()
        for one, own in zip(claims, laws, strict=True):
            value = value_of_case(one, case)
            for law in own:
                checked = again if law.name == "no mutation" and one is claims[0] else one
                assert law.check(checked, case, value) == "", (one.name, law.name)

    keep()


def test_values_of_pairs_are_compared_in_double_precision():
    def nearly_one(prediction, reference):
        return 1 - 1e-7 * float((prediction == reference).mean())

    assert {claims_of("test", row, None, {}).tolerance for row in METRICS} == {1e-9}
    testing.check_metric(nearly_one, examples=10)
    with pytest.raises(AssertionError, match='the law "identity"'):
        testing.check_metric(nearly_one, tolerance=1e-9, examples=10)


@pytest.mark.sampled(3)
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
    for exception in (*ROW_EXCEPTIONS, *UNMERGED):
        assert set(exception.metrics) <= abbreviations
        assert set(exception.laws) <= laws
        assert exception.reason.endswith(".")
    assert {*MONOTONE, *SEES_MISSES, *DISTANCES} <= abbreviations
    ends = {row.abbreviation: row.best for row in METRICS}
    assert not any(math.isnan(ends[name]) for name in (*MONOTONE, *SEES_MISSES))


def test_records_are_merged_but_those_that_are_known_not_to_be():
    exceptions = [one for one in (*UNMERGED, *ROW_EXCEPTIONS) if "merging" in one.laws]
    unmerged = [name for one in exceptions for name in one.metrics]
    for row in METRICS:
        is_merged = "merging" in [law.name for law in testing.metric_laws(row)]
        assert is_merged is not is_of(row.abbreviation, unmerged), row.abbreviation
