"""The help for users' own tests: strategies make what they say, right metrics pass, and each planted bug is found."""

import functools
import sys
from types import SimpleNamespace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mia_functional import testing
from mia_functional._core import optional
from mia_functional.metrics import dice, find

SENSITIVITY, HAUSDORFF = find("SNSVTY"), find("HDRFDST")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: testing.masks(dimensions=(0, 3)), "masks: `dimensions` must be at least 1"),
        (lambda: testing.mask_pairs(largest=0), "mask_pairs: `largest` must be at least 1"),
        (lambda: testing.label_maps(labels=(-1,)), "label_maps: `labels` must be at least 0"),
        (lambda: testing.spacings(1.5), "spacings: `ndim` must be a whole number"),
    ],
)
def test_mistakes_are_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


@pytest.mark.slow
@given(testing.masks(dimensions=(2, 3), largest=4), testing.mask_pairs(shape=(2, 3)), testing.spacings(3))
def test_strategies_make_what_they_say(mask, pair, spacing):
    assert mask.dtype == bool
    assert mask.ndim in (2, 3)
    assert max(mask.shape) <= 4
    assert pair[0].shape == pair[1].shape == (2, 3)
    assert len(spacing) == 3
    assert all(0.1 <= step <= 10 for step in spacing)


@given(st.data())
def test_label_maps_hold_the_labels_alone(data):
    labels = data.draw(testing.label_maps(labels=(0, 4, 7), dimensions=(1, 2)))
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= {0, 4, 7}


def test_masks_are_empty_full_and_mixed():
    kinds = set()

    @given(testing.masks(shape=(2, 2)))
    def collect(mask):
        kinds.add(int(mask.sum()))

    collect()
    assert kinds == {0, 1, 2, 3, 4}


@pytest.mark.slow
def test_right_metrics_pass():
    testing.check_metric(dice, symmetric=True)
    testing.check_metric(SENSITIVITY.function)
    testing.check_metric(
        HAUSDORFF.function, limits=(0, float("inf")), best=0.0, symmetric=True, spacing=True, examples=30
    )


def overlap(prediction, reference):
    """Return a right metric: the Jaccard index."""
    union = (prediction | reference).sum()
    return (prediction & reference).sum() / union if union else np.nan


def writes(prediction, reference):
    """Change an argument."""
    prediction[...] = True
    return overlap(prediction, reference)


BUGS = {
    "within": (lambda p, r: 2 * overlap(p, r), {"best": None}),
    "flipping": (lambda p, r: overlap(p, r) if p.flat[0] or not p.any() else overlap(p, r) / 2, {"best": None}),
    "permuting": (lambda p, r: overlap(p.any(axis=-1), r.any(axis=-1)) if p.ndim > 1 else overlap(p, r), {}),
    "swapping": (lambda p, r: (p & r).sum() / max(p.sum(), 1), {"symmetric": True, "best": None}),
    "against itself": (lambda p, r: 0.9 * overlap(p, r), {}),
    "read-only": (writes, {}),
}


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.full)], ids=["found", "shrunk"])
def shrinking(request, monkeypatch):
    """Let Hypothesis stop at the first offender, which takes a tenth of the time, or look for the smallest one."""
    if not request.param:
        settings = functools.partial(hypothesis.settings, phases=[hypothesis.Phase.generate])
        hasty, require = SimpleNamespace(given=hypothesis.given, settings=settings), optional.require
        monkeypatch.setattr(optional, "require", lambda name: hasty if name == "hypothesis" else require(name))
    return request.param


@pytest.mark.usefixtures("shrinking")
@pytest.mark.parametrize("law", BUGS)
def test_every_planted_bug_is_found(law):
    function, options = BUGS[law]
    with pytest.raises((AssertionError, ValueError), match=law):
        testing.check_metric(function, **options)


@pytest.mark.usefixtures("shrinking")
def test_a_distance_that_mixes_up_the_axes_of_the_spacing_is_found():
    def distance(prediction, reference, *, spacing):
        wrong = np.argwhere(prediction ^ reference)
        return float((wrong[:, -1] * spacing[0]).max()) if len(wrong) else 0.0

    with pytest.raises(AssertionError, match="must change nothing"):
        testing.check_metric(distance, limits=(0, np.inf), best=0.0, spacing=True)


def test_hypothesis_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    with pytest.raises(ImportError, match=r"mia_functional\[testing\]"):
        testing.spacings(3)
