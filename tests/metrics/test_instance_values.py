"""Metrics of every lesion that is found: those of whole volumes with these components alone; panoptica's; merged."""

from functools import partial

import jax
import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import (
    any_overlap,
    find,
    group,
    instance_matches,
    instance_metrics,
    many_to_one,
    merge,
)

from .test_instances import PANOPTICA, SHAPES, SPACINGS, boxes, brute_components, scene

MASK_METRICS = [
    *(row.abbreviation for row in (*group("segmentation"), *group("instances"))),
    *("BETTI0", "BETTI1", "BETTI2", "EULER"),  # others of topology are of skeletons, which need an extra
]
NAMES = (*MASK_METRICS, "HD95", "HD95@boundary=voxels,pooled=True", "NSD@2mm", "NSD@boundary=solid")


def whole_volume_values(pair, found, names, step, **others):
    """Return the values of metrics of masks of the whole volume, each of a reference component and its matches."""
    labels = [brute_components(mask, mask.ndim) for mask in pair]
    rows = []
    for position, matched in enumerate(found.matches.reference.matched):
        parts = found.matches.pairs.prediction[
            found.matches.pairs.matched & (found.matches.pairs.reference == position)
        ]
        masks = np.isin(labels[0], 1 + parts), labels[1] == 1 + position
        rows.append([value_of(name, masks, step, **others) if matched else np.nan for name in names])
    return np.array(rows).reshape(-1, len(names))


def value_of(name, pair, step, **others):
    """Return the value of a metric of a pair of whole volumes."""
    row = find(name)
    given = {"spacing": step} if "spacing" in row.needs else {}
    if row.statistic is None:
        return float(row.function(*pair, **given, **others, **dict(row.options)))
    inner = getattr(row.statistic, "func", row.statistic)
    counting = inner is metrics.confusion_counts
    options = {} if counting or inner is metrics.topology_counts else {"spacing": step}
    if counting and others:
        others = {"mask": ~others["ignore"]}
    return float(row.function(row.statistic(*pair, **options, **others), **given, **dict(row.options)))


@pytest.mark.sampled(8)
@pytest.mark.parametrize("matching", [metrics.greedy, many_to_one, any_overlap])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_are_those_of_the_whole_volume(shape, matching):
    pair, step = scene(4, shape), SPACINGS[: len(shape)]
    every = [name for name in NAMES if len(shape) > 1 or name not in ("BETTI0", "BETTI1", "BETTI2", "EULER")]
    names = every if matching is metrics.greedy else ("DICE", "ACURCY", "HD95", "NSD@2mm", "BIOU", "CENDST")
    options = {} if matching is any_overlap else {"threshold": 0.2}
    found = instance_metrics(*pair, spacing=step, metrics=names, matching=matching, **options)
    assert found.matches.reference.matched.any()
    np.testing.assert_allclose(found.values, whole_volume_values(pair, found, found.names, step), rtol=1e-9, atol=1e-9)
    for one, other in zip(
        jax.tree.leaves(found.matches),
        jax.tree.leaves(instance_matches(*pair, spacing=step, matching=matching, **options)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_ignored_voxels_are_left_out_of_every_metric():
    pair = scene(2, (7, 7, 7))
    ignored = np.random.default_rng(1).random((7, 7, 7)) < 0.1
    names = ("DICE", "ACURCY", "HD95", "NSD", "BIOU", "CENDST")
    found = instance_metrics(*pair, spacing=SPACINGS, metrics=names, threshold=0.2, ignore=ignored)
    known = [mask & ~ignored for mask in pair]
    right = whole_volume_values(known, found, ("DICE", "ACURCY", "HD95", "NSD", "BIOU"), SPACINGS, ignore=ignored)
    np.testing.assert_allclose(found.values[:, :5], right, rtol=1e-9)


def test_every_library(xp):
    pair = scene(5, (6, 5, 7))
    right = instance_metrics(*pair, spacing=SPACINGS)
    if xp.name == "jax-jit":
        with pytest.raises(TypeError, match="values of an array are needed"):
            xp.run(partial(instance_metrics, spacing=SPACINGS), *pair)
        return
    found = xp.run(lambda *arrays: instance_metrics(*arrays, spacing=SPACINGS)[::2], *pair)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(right[::2]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_labels_instances_threads_and_metrics_of_ones_own():
    def longer(prediction, reference, *, spacing):
        return prediction.any(axis=1).sum() * spacing[0] - reference.any(axis=1).sum() * spacing[0]

    rng = np.random.default_rng(5)
    maps = rng.integers(0, 3, (2, 9, 8)).astype(np.uint8)
    options = {"spacing": (2.0, 1.0), "metrics": (longer, "hd95", find("DICE")), "threshold": 0.1}
    records = instance_metrics(*maps, labels=(1, (1, 2)), workers=3, **options)
    for record, values in zip(records, ((1,), (1, 2)), strict=True):
        masks = [np.isin(one, values) for one in maps]
        alone = instance_metrics(*masks, **options)
        assert record.names == alone.names == ("longer", "HDRFDST95", "DICE")
        np.testing.assert_array_equal(record.values, alone.values)
        numbers = [7 + 3 * brute_components(mask, 2) for mask in masks]
        numbered = [np.where(mask, number, 0) for mask, number in zip(masks, numbers, strict=True)]
        np.testing.assert_array_equal(instance_metrics(*numbered, instances=True, **options).values, alone.values)
        own = whole_volume_values(masks, alone, ("DICE",), (2.0, 1.0))[:, 0]
        np.testing.assert_allclose(alone.values[:, 2], own)
    bars = [np.pad(np.ones((length, 1), bool), ((1, 9 - length), (3, 2))) for length in (7, 4)]
    assert instance_metrics(*bars, spacing=(2.0, 1.0), metrics=[longer]).values.tolist() == [[6.0]]


PANOPTICAS_DISTANCES = {
    32: (0.7, 0.39999999999999997, 0.4109817831329198, 1.4142135623730951, 1.4361406616345072),
    43: (0.4568965517241379, 0.22844827586206895, 0.7728792678283369, 1.618033988749895, 2.5155644370746373),
    63: (0.4608695652173913, 0.26335403726708073, 1.3417538055504794, 5.82927441979893, 6.35917360311745),
    112: (0.47843734145104005, 0.3189582276340267, 0.9132889276585544, 4.161102052258428, 5.172959247493068),
}
"""By the seed of a scene at 2 x 1 x 0.5 mm, what panoptica 2.1.7 gives with `NaiveThresholdMatching` by a Dice of 0.4:
SQ and PQ of Dice, SQ of ASSD, of HD95 and of the Hausdorff distance."""


@pytest.mark.parametrize("seed", PANOPTICAS_DISTANCES)
def test_panopticas_means(seed):
    # Its ASSD is the mean of both directions, its percentile is of both together: see CORRECTNESS.md.
    names = ("MASD@boundary=voxels", "HD95@boundary=voxels,pooled=True", "HDRFDST@boundary=voxels")
    found = instance_metrics(
        *boxes(seed), spacing=SPACINGS, metrics=("DICE", *names), overlap="dice", threshold=0.4
    )  # fmt: skip
    means = [metrics.segmentation_quality_of(found, name) for name in ("dsc", *names)]
    quality = metrics.panoptic_quality_of(found, "DICE")
    np.testing.assert_allclose([means[0], quality, *means[1:]], PANOPTICAS_DISTANCES[seed], rtol=1e-9)


def test_merged_records_are_those_of_all_cases():
    records = [instance_metrics(*boxes(seed), spacing=(1, 1, 1), threshold=0.3) for seed in PANOPTICA]
    pooled = merge(metrics.identity(records[0]), *records)
    assert pooled.matches.cases == len(records)
    values = np.concatenate([record.values for record in records])
    np.testing.assert_array_equal(pooled.values, values)
    found = ~np.isnan(values[:, 0])
    for position, name in enumerate(pooled.names):
        mean = metrics.segmentation_quality_of(pooled, name)
        assert mean == pytest.approx(values[found, position].mean())
    quality = metrics.panoptic_quality_of(pooled, "IOU")
    assert quality == pytest.approx(float(metrics.panoptic_quality(pooled.matches)))
    with pytest.raises(ValueError, match="merge: `others` must have the metrics DICE, JACRD, ASSD"):
        merge(records[0], instance_metrics(*boxes(32), spacing=(1, 1, 1), metrics=("DICE",)))


def test_empty_masks():
    none, some = np.zeros((3, 4), bool), np.ones((3, 4), bool)
    for pair, quality in (((none, none), np.nan), ((none, some), 0), ((some, none), 0), ((some, some), 1)):
        found = instance_metrics(*pair, spacing=(1, 2))
        assert found.values.shape == (int(pair[1].any()), 5)
        np.testing.assert_equal(float(metrics.panoptic_quality_of(found, "NSD@1mm")), quality)
        mean = metrics.segmentation_quality_of(found, "ASSD", zero_division=7.0)
        assert mean == (0.0 if quality == 1 else 7.0)


MASK = np.ones((2, 3), bool)


def share(prediction, reference):
    """Return the share of the reference that is predicted."""
    return float((prediction & reference).sum() / reference.sum())


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics": "DICE"}, TypeError, "`metrics` must be a sequence of metrics"),
        ({"metrics": ()}, ValueError, "`metrics` must name at least one metric"),
        ({"metrics": ("iou", "JACRD")}, ValueError, "`metrics` must name at least one metric, and none of them twice"),
        ({"metrics": ("no such",)}, ValueError, "`metrics` must be the name of a metric"),
        ({"metrics": ("MAE",)}, ValueError, "`metrics` must be metrics of masks that do not depend on their place"),
        ({"metrics": ("PREDAREA",)}, ValueError, "`metrics` must be metrics of masks"),
        ({"metrics": (share,), "ignore": ~MASK}, ValueError, "`ignore` must not be given for share"),
        ({"workers": 0}, ValueError, "`workers` must be at least 1"),
        ({"spacing": (1,)}, ValueError, "`spacing` must have 2 entries"),
        ({"threshold": 2}, ValueError, "`threshold` must be at least 0"),
    ],
)  # fmt: skip
def test_wrong_options(options, error, words):
    with pytest.raises(error, match=f"instance_metrics: {words}"):
        instance_metrics(MASK, MASK, **{"spacing": (1, 1), **options})


def test_wrong_records_and_names():
    found = instance_metrics(MASK, MASK, spacing=(1, 1))
    with pytest.raises(TypeError, match="panoptic_quality_of: `found` must be a record of `instance_metrics`"):
        metrics.panoptic_quality_of(found.matches, "DICE")
    with pytest.raises(ValueError, match="segmentation_quality_of: `metric` must be one of DICE, JACRD, ASSD"):
        metrics.segmentation_quality_of(found, "HDRFDST")
    with pytest.raises(ValueError, match="`metric` must lie between 0 and 1, with 1 as the best; got ASSD"):
        metrics.panoptic_quality_of(found, "ASSD")
