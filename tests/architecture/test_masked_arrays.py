"""Masked arrays of NumPy, whose hidden elements would count like all others, are refused by every function."""

import inspect
import re

import jax.numpy as jnp
import numpy as np
import pytest

import mia_functional as mia
from mia_functional.geometry import Geometry
from mia_functional.metrics import METRICS

MASK = np.zeros((6, 7, 8), np.uint8)
MASK[2:4, 2:5, 2:6] = 1
IMAGE = np.random.default_rng(0).random((6, 7, 8, 2)).astype(np.float32)
HIDDEN = np.ma.array(MASK, mask=MASK == 0)
HIDDEN_IMAGE = np.ma.array(IMAGE, mask=IMAGE < 0.5)
GRID = Geometry(shape=(6, 7, 8), spacing=(1.0, 1.0, 1.0))
NAMES = {"mia": mia, "np": np, "jnp": jnp, "MASK": MASK, "IMAGE": IMAGE, "HIDDEN": HIDDEN, "GRID": GRID}
NAMES["HIDDEN_IMAGE"] = HIDDEN_IMAGE

CALLS = """
mia.adapters.torchio.lift(abs, images=("images",), labels=())({"images": HIDDEN_IMAGE})
mia.assembly.assemble(HIDDEN[np.newaxis], [(slice(0, 6), slice(0, 7), slice(0, 8))], (6, 7, 8))
mia.assembly.predict_labels(abs, HIDDEN, (2, 2, 2))
mia.assembly.sliding_window(abs, HIDDEN, (2, 2, 2))
mia.assembly.start(HIDDEN, (6, 7, 8))
mia.dataset.collate([{"images": HIDDEN_IMAGE}])
mia.evaluation.evaluate(HIDDEN, MASK, subject="a", spacing=(1, 1, 1), labels={1: "a"}, metrics=("DICE",))
mia.extraction.dynamic_patch(HIDDEN, (0, 0, 0), (2, 2, 2))
mia.extraction.extract(HIDDEN, (slice(0, 2),))
mia.filters.threshold(HIDDEN_IMAGE)
mia.images.to_simpleitk(HIDDEN, GRID)
mia.indexing.random_patches_at(np.random.default_rng(0), HIDDEN, (2, 2, 2), count=1)
mia.metrics.average_distance(MASK, HIDDEN, spacing=(1, 1, 1))
mia.metrics.confusion_counts(HIDDEN, MASK)
mia.metrics.confusion_counts(MASK, MASK, mask=HIDDEN)
mia.metrics.confusion_counts(jnp.asarray(MASK), HIDDEN)
mia.metrics.confusion_matrix(MASK, HIDDEN, labels=(0, 1))
mia.metrics.paired_moments(HIDDEN_IMAGE, IMAGE)
mia.metrics.paired_moments(jnp.asarray(IMAGE), HIDDEN_IMAGE)
mia.metrics.soft_confusion_counts(HIDDEN_IMAGE[..., 0], MASK)
mia.analysis.bland_altman(HIDDEN_IMAGE[0, 0, :, 0], IMAGE[0, 0, :, 0])
mia.analysis.intraclass_correlations(HIDDEN_IMAGE[0, ..., 0])
mia.filters.staple(HIDDEN)
mia.metrics.betti_numbers(HIDDEN)
mia.metrics.euler_characteristic(HIDDEN)
mia.metrics.fleiss_kappa(HIDDEN, labels=(0, 1))
mia.metrics.jacobian_determinant(HIDDEN_IMAGE, spacing=(1, 1, 1))
mia.metrics.krippendorff_alpha(HIDDEN_IMAGE)
mia.metrics.majority_vote(HIDDEN, labels=(0, 1))
mia.metrics.pairwise_dice(HIDDEN)
mia.metrics.soft_centerline_counts(HIDDEN_IMAGE[..., 0], MASK)
mia.metrics.soft_skeleton(HIDDEN_IMAGE[..., 0])
mia.metrics.target_registration_error(HIDDEN_IMAGE, IMAGE)
mia.morphology.skeleton(HIDDEN)
mia.metrics.spatial_moments(HIDDEN, spacing=(1, 1, 1))
mia.metrics.structural_similarity(IMAGE, HIDDEN_IMAGE, window=3)
mia.metrics.decision_counts(np.ma.array(IMAGE[..., 0]), MASK)
mia.metrics.surface_distances(HIDDEN, MASK, spacing=(1, 1, 1))
mia.metrics.volume(HIDDEN, spacing=(1, 1, 1))
mia.morphology.border(HIDDEN)
mia.morphology.connected_components(HIDDEN)
mia.morphology.distance_transform(HIDDEN, spacing=(1, 1, 1))
mia.selection.above_percentile({"images": HIDDEN_IMAGE}, value=0)
mia.selection.has_foreground({"labels": HIDDEN})
mia.selection.non_black({"images": HIDDEN_IMAGE})
mia.transforms.affine(HIDDEN_IMAGE, np.eye(3), np.zeros(3))
mia.transforms.blur(HIDDEN_IMAGE, 1.0)
mia.transforms.clip_percentile(HIDDEN_IMAGE)
mia.transforms.crop(HIDDEN_IMAGE, (0, 0, 0), (2, 2, 2))
mia.transforms.flip(HIDDEN_IMAGE, 0)
mia.transforms.gamma(HIDDEN_IMAGE, 1.0)
mia.transforms.mask_outside(IMAGE, np.ma.array(IMAGE > 0))
mia.transforms.one_hot(HIDDEN, (0, 1))
mia.transforms.pad(HIDDEN_IMAGE, 1)
mia.transforms.permute(HIDDEN_IMAGE, (1, 0, 2))
mia.transforms.relabel(HIDDEN, {1: 2})
mia.transforms.rescale(IMAGE, mask=np.ma.array(IMAGE > 0))
mia.transforms.resample(HIDDEN_IMAGE, (2.0, 2.0, 2.0))
mia.transforms.standardize(HIDDEN_IMAGE)
""".strip().splitlines()

SENTENCE = r"[\w.]+: `\w+` must be an array without hidden elements; call `filled` first; got a masked array\."


@pytest.mark.parametrize("call", CALLS)
def test_functions_of_arrays_refuse_them(call):
    with pytest.raises(TypeError) as caught:
        eval(call, dict(NAMES))
    assert re.fullmatch(SENTENCE, str(caught.value)), caught.value


OF_PAIRS = [row for row in METRICS if row.statistic is not mia.metrics.decision_counts]
"""Rows whose functions take the pair of their statistic."""


@pytest.mark.parametrize("row", OF_PAIRS, ids=lambda row: row.abbreviation)
@pytest.mark.parametrize("hidden", ["prediction", "reference"])
def test_metrics_refuse_them_by_their_own_name(row, hidden):
    parameters = inspect.signature(row.function).parameters
    hidden = {"prediction": next(iter(parameters))}.get(hidden, hidden)  # or probabilities
    pair = dict.fromkeys([*parameters][:2], MASK) | {hidden: HIDDEN}
    # What the pair needs, and a record lacks, has the default `...`.
    needed = [name for name in parameters if name in row.needs or repr(parameters[name].default) == "..."]
    options = {name: value for name, value in {"spacing": (1.0, 1.0, 1.0), "labels": (0, 1)}.items() if name in needed}
    with pytest.raises(TypeError) as caught:
        row.function(*pair.values(), **options, **dict(row.options))
    assert re.fullmatch(SENTENCE, str(caught.value)), caught.value
    assert str(caught.value).startswith(f"{row.function.__name__}: `{hidden}`")


def test_stored_arrays_are_whole(tmp_path):
    subject = mia.dataset.Subject(name="a", entries=(mia.dataset.Entry(category="numerical", name="AGE", value=1.0),))
    with pytest.raises(TypeError, match=r"create: .*without hidden elements"):
        mia.dataset.create(tmp_path / "data.h5", [subject], transform=lambda sample: {**sample, "images": HIDDEN_IMAGE})
