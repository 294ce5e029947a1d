"""Checks of metrics: right ones pass, each mistake is found by a law that it breaks, and the text says which."""

import functools
import math
import sys

import numpy as np
import pytest
from torch.compiler import is_compiling

from mia_functional import testing
from mia_functional.metrics import METRICS, confusion_counts, dice, find

from .faulty_metrics import METRICS as FAULTY
from .right_metrics import EVERYWHERE, ON_NUMPY

LIBRARIES = ("numpy", "jax", "torch", "strict")


def law_of(error):
    """Return the name of the law that an error names."""
    return str(error.value).split('the law "')[1].split('"')[0]


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("faulty", FAULTY, ids=lambda faulty: faulty.mistake)
def test_every_mistake_is_found(faulty):
    with pytest.raises(AssertionError) as error:
        testing.check_metric(faulty.function, examples=200, **faulty.options)
    assert law_of(error) in faulty.laws


@pytest.mark.slow
@pytest.mark.parametrize("right", ON_NUMPY, ids=lambda right: right.name)
def test_right_metrics_pass(right):
    testing.check_metric(right.function, examples=40, **right.options)


@pytest.mark.full
@pytest.mark.parametrize("right", EVERYWHERE, ids=lambda right: right.name)
def test_right_metrics_pass_on_every_library(right):
    testing.check_metric(right.function, xp=LIBRARIES, examples=30, **right.options)


def no_guard(p, r):
    """Return a soft Dice coefficient that divides by 0 where both are empty, and drops the quotient."""
    import jax.numpy as jnp

    whole = p.sum() + r.sum()
    return jnp.where(whole > 0, 2 * (p * r).sum() / whole, 1.0)


def asks(p, r):
    """Return the Jaccard index by a question, which no program can ask."""
    union = (p | r).sum()
    return (p & r).sum() / union if union else math.nan


def spread(p, r):
    """Return the difference of deviations, which PyTorch divides by n - 1."""
    return abs((p + 0.0).std() - (r + 0.0).std())


def counts_calls(p, r):
    """Return another number where a program is made."""
    if "Tracer" in type(p).__name__ or "Fake" in str(type(p)) or is_compiling():
        return (p ^ r).sum() + 1
    return (p ^ r).sum()


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("function", "options", "law"),
    [
        (no_guard, {"xp": "jax", "inputs": "probabilities", "differentiable": True}, "gradients"),
        (asks, {"xp": "jax"}, "jit"),
        (spread, {"xp": "torch", "best": 0.0}, "libraries"),
        (counts_calls, {"xp": "jax"}, "vmap"),
        (counts_calls, {"xp": "torch"}, "compile"),
    ],
    ids=["gradients", "jit", "libraries", "vmap", "compile"],
)
def test_mistakes_of_libraries_are_found(function, options, law):
    with pytest.raises(AssertionError) as error:
        testing.check_metric(function, laws=(law,), **options)
    assert law_of(error) == law


def test_the_text_names_the_law_and_shows_the_smallest_example():
    def sensitivity(prediction, reference):
        return (prediction & reference).sum() / reference.sum() if reference.any() else math.nan

    with pytest.raises(AssertionError) as error:
        testing.check_metric(sensitivity, like="DICE", laws=("symmetry",))
    first, *example = str(error.value).splitlines()
    assert first.startswith('check_metric: sensitivity breaks the law "symmetry" (swapping prediction and reference')
    pair = [eval(line.split(" = ")[1], {"np": np}) for line in example[1:3]]
    assert pair[0].size <= 2
    assert not np.array_equal(sensitivity(*pair), sensitivity(*pair[::-1]))


def test_an_error_of_the_metric_is_a_broken_law_with_its_cause():
    with pytest.raises(AssertionError, match=r'the law "runs".*ZeroDivisionError: division by zero') as error:
        testing.check_metric(lambda p, _: 1 / (0 * p.size))
    assert isinstance(error.value.__cause__, ZeroDivisionError)


@pytest.mark.slow
def test_no_law_is_blamed_for_an_error_on_a_smaller_example():
    def asymmetric(prediction, reference):
        if prediction.size == 1 and prediction.any() != reference.any():
            raise ValueError("too small")
        return prediction.mean()

    with pytest.raises(AssertionError, match=r'the law "symmetry".*got [0-9.]+ and not [0-9.]+') as error:
        testing.check_metric(asymmetric, like="DICE", laws=("runs", "symmetry"))
    assert "too small" not in str(error.value)


def test_a_metric_without_return_is_told_from_one_that_is_undefined():
    with pytest.raises(AssertionError, match=r'the law "runs".*TypeError: it returned None'):
        testing.check_metric(lambda *_: None, best=float("nan"), examples=5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: testing.check_metric("dise"), "check_metric: `metric` must be the name of a metric; got 'dise'"),
        (lambda: testing.check_metric(3), "check_metric: `metric` must be the name or the row of a metric; got 3"),
        (lambda: testing.check_metric(asks, like="dise"), "check_metric: `like` must be the name of a metric"),
        (lambda: testing.check_metric(asks, like=dice), "check_metric: `like` must be the name or the row of a metric"),
        (lambda: testing.check_metric(dice, laws=("rnage",)), "check_metric: `laws` must be one of runs, no mutation"),
        (lambda: testing.check_metric(dice, laws="range"), "check_metric: `laws` must be a sequence of names"),
        (lambda: testing.check_metric(asks, laws=("euler",)), "check_metric: `laws` must be laws that apply"),
        (lambda: testing.check_metric(dice, without=("all",)), "check_metric: `without` must be one of runs"),
        (lambda: testing.check_metric(dice, xp="matlab"), "check_metric: `xp` must be one of numpy"),
        (lambda: testing.check_metric(dice, inputs="meshes"), "check_metric: `inputs` must be one of masks"),
        (lambda: testing.check_metric(dice, unit="cm"), "check_metric: `unit` must be one of , mm, mm2, mm3"),
        (lambda: testing.check_metric(dice, dtypes=("flaot32",)), "check_metric: `dtypes` must be names of dtypes"),
        (lambda: testing.check_metric(dice, dtypes="bool"), "check_metric: `dtypes` must be a sequence of names"),
        (lambda: testing.check_metric(dice, limits=(1, 0)), "check_metric: `limits` must be the smallest and the larg"),
        (lambda: testing.check_metric(dice, limits=(1,)), "check_metric: `limits` must be the smallest and the larg"),
        (lambda: testing.check_metric(dice, examples=0), "check_metric: `examples` must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


def test_laws_apply_by_what_is_claimed():
    names = [law.name for law in testing.metric_laws(asks)]
    assert names == ["runs", "no mutation", "range", "defined", "identity", "flips", "axes", "memory order"]
    like = {law.name for law in testing.metric_laws(asks, like="HDRFDST95", xp=("jax", "torch"))}
    assert {"symmetry", "misses", "padding", "libraries", "jit", "vmap", "compile"} <= like
    assert not like & {"scaling", "merging", "triangle"}
    row = {law.name for law in testing.metric_laws("HDRFDST")}
    assert {"scaling", "triangle", "dtypes"} <= row
    record = [law.name for law in testing.metric_laws(lambda counts: counts.tp, statistic=confusion_counts)]
    assert "merging" in record
    assert "euler" in [law.name for law in testing.metric_laws("EULER")]
    assert "renumbering" in [law.name for law in testing.metric_laws("PQ", inputs="instances")]


def test_an_option_of_the_table_and_a_claim_of_ones_own_meet():
    kind = functools.partial(find("HDRFDST").function, percentile=95)
    laws = {law.name for law in testing.metric_laws(kind, like="HDRFDST95", symmetric=False, unit="mm")}
    assert "symmetry" not in laws
    assert "scaling" in laws
    testing.check_metric(kind, like="HDRFDST95", examples=5)


@testing.parametrize_metric_laws(dice, like="DICE", laws=("range", "symmetry", "merging"), examples=5)
def test_laws_as_parameters(check_law):
    check_law()


def test_every_law_is_kept_by_a_metric_of_the_table():
    kept = {law.name for row in METRICS for law in testing.metric_laws(row, xp=LIBRARIES)}
    kept |= {law.name for law in testing.metric_laws("PQ", inputs="instances")}
    assert {law.name for law in testing.METRIC_LAWS} - kept == {"oracle"}


def test_hypothesis_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    with pytest.raises(ImportError, match=r"mia_functional\[testing\]"):
        testing.spacings(3)
