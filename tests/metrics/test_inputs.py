"""What every statistic does with input that makes no sense: an exception in the library's words, eager and traced."""

from functools import partial

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import (
    confusion_counts,
    confusion_matrix,
    paired_moments,
    paired_spatial_moments,
    soft_confusion_counts,
    spatial_moments,
    structural_similarity,
)

MASK = np.zeros((8, 9), bool)
MASK[2:5, 3:7] = True
LABELS = MASK.astype(np.uint8)
IMAGE = np.linspace(1, 2, 72, dtype=np.float32).reshape(8, 9)
SPACING = (1.0, 2.0)

CALLS = {
    "confusion_counts": (confusion_counts, MASK),
    "confusion_counts of labels": (partial(confusion_counts, labels=(0, 1)), LABELS),
    "confusion_matrix": (partial(confusion_matrix, labels=(0, 1)), LABELS),
    "paired_spatial_moments": (partial(paired_spatial_moments, spacing=SPACING), MASK),
    "paired_moments": (paired_moments, IMAGE),
    "structural_similarity": (structural_similarity, IMAGE),
}
ALL = pytest.mark.parametrize(("function", "array"), CALLS.values(), ids=CALLS)
MASKS = {name: CALLS[name] for name in list(CALLS)[:4]}
OF_MASKS = pytest.mark.parametrize(("function", "array"), MASKS.values(), ids=MASKS)


@ALL
def test_shapes_never_broadcast(function, array):
    for other in (array[:1], array[:, :1], array[None], array[0], array.T):
        with pytest.raises(ValueError, match=r"have the shape of the reference, \(.*\); got \("):
            function(array, other)


@ALL
def test_empty_arrays_and_scalars(function, array):
    for wrong in (array[:0], array[0, 0][()] + np.zeros((), array.dtype), np.array(array[0, 0])):
        pair = np.asarray(wrong), np.asarray(wrong)
        with pytest.raises(ValueError, match="at least one axis and one element"):
            function(*pair)


@ALL
def test_kinds_that_are_no_numbers(function, array):
    for kind in (complex, object, str, [("a", int)]):
        with pytest.raises(TypeError):
            function(np.zeros(array.shape, kind), array)
        with pytest.raises(TypeError):
            function(array, np.zeros(array.shape, kind))


@ALL
def test_what_is_no_array(function, array):
    import SimpleITK

    for wrong in (array.tolist(), None, 1.0, SimpleITK.GetImageFromArray(LABELS)):
        with pytest.raises(TypeError, match=r"`prediction` must be an array.*; got"):
            function(wrong, array)
        with pytest.raises(TypeError, match=r"`reference` must be an array.*; got"):
            function(array, wrong)


@ALL
def test_two_libraries(function, array):
    import array_api_strict
    import jax.numpy as jnp
    import torch

    with pytest.raises(TypeError, match="all arrays must belong to one array library; got prediction: "):
        function(jnp.asarray(array), torch.asarray(array))
    for asarray in (jnp.asarray, torch.asarray, array_api_strict.asarray):
        function(asarray(array), array)
        function(array, asarray(array))


@ALL
def test_two_devices(function, array):
    import array_api_strict

    here = array_api_strict.asarray(array)
    there = array_api_strict.asarray(array, device=array_api_strict.Device("device1"))
    with pytest.raises(TypeError, match="all arrays must lie on one device; got prediction: "):
        function(here, there)
    with pytest.raises(TypeError, match="one device"):
        function(there, here)


@OF_MASKS
def test_floats_are_no_masks_and_no_labels(function, array):
    for kind in (np.float64, np.float32, np.float16):
        with pytest.raises(TypeError, match=r"`(prediction|mask)` must be"):
            function(array.astype(kind), array)
    with pytest.raises(TypeError, match="must be"):
        function(np.full(array.shape, np.nan), array)


@pytest.mark.parametrize("name", ["confusion_counts", "paired_spatial_moments"])
def test_values_that_are_no_mask(name):
    function, _ = CALLS[name]
    for value, text in ((255, "255"), (2, "2"), (-1, "-1")):
        with pytest.raises(ValueError, match=f"contains {text}; pass `labels` for a label map"):
            function(value * MASK.astype(np.int16), MASK)


@pytest.mark.parametrize("name", ["confusion_counts of labels", "confusion_matrix"])
def test_negative_labels(name):
    function, _ = CALLS[name]
    for pair in ((-LABELS.astype(int), LABELS), (LABELS, -LABELS.astype(int))):
        with pytest.raises(ValueError, match="must hold labels from 0 on; got the label -1"):
            function(*pair)


def test_labels_that_are_not_counted_are_the_rest_eager_and_traced():
    import jax

    prediction, reference = LABELS * 7, LABELS * 9
    for run in (confusion_counts, jax.jit(confusion_counts, static_argnames="labels")):
        counts = run(prediction, reference, labels=(0, 1, 7))
        assert [int(sum(row)) for row in zip(*counts, strict=True)] == [72, 72, 72]
        assert counts.tp.tolist() == [60, 0, 0]
        assert counts.fp.tolist() == [0, 0, 12]
        assert counts.fn.tolist() == [0, 0, 0]


def test_labels_too_large_for_the_library_are_not_wrapped():
    import jax.numpy as jnp

    for value in (2**31, 2**40 + 1, 2**63 - 1):
        with pytest.raises(OverflowError, match="remap the labels first"):
            confusion_counts(jnp.asarray(LABELS), LABELS * np.int64(value), labels=(1,))
    with pytest.raises(OverflowError, match="remap"):
        confusion_counts(LABELS * np.uint64(2**63), jnp.asarray(LABELS), labels=(1,))
    counts = confusion_counts(jnp.asarray(LABELS), LABELS.astype(np.int64), labels=(1, 2**40))
    assert counts.tp.tolist() == [12, 0]


def test_traced_labels_and_tuples_of_names_are_refused_in_our_words():
    import jax

    run = jax.jit(lambda labels: confusion_counts(LABELS, LABELS, labels=labels))
    with pytest.raises(TypeError, match="confusion_counts: `labels` must be"):
        run(jax.numpy.asarray([1, 2]))
    with pytest.raises(TypeError, match="`labels` must hold whole numbers that are known before tracing"):
        jax.jit(lambda label: confusion_counts(LABELS, LABELS, labels=(label,)))(1)
    with pytest.raises(TypeError, match="whole numbers"):
        confusion_counts(LABELS, LABELS, labels=("liver",))


@pytest.mark.parametrize(
    ("spacing", "error", "words"),
    [
        ((1.0,), ValueError, "`spacing` must have 2 entries, one per axis; got"),
        ((1.0, 0.0), ValueError, "got 0.0 on axis 1"),
        ((-1.0, 1.0), ValueError, "got -1.0 on axis 0"),
        ((np.nan, 1.0), ValueError, "got nan on axis 0"),
        ((np.inf, 1.0), ValueError, "got inf on axis 0"),
        ((1.0, 1e-10), ValueError, "axis 1"),
        (2.0, TypeError, "sequence of numbers"),
        ("ab", TypeError, "sequence of numbers"),
    ],
)
def test_spacings_eager_and_traced(spacing, error, words):
    import jax

    for function in (
        partial(metrics.centroid_distance, spacing=spacing),
        partial(metrics.prediction_area, spacing=spacing),
    ):
        with pytest.raises(error, match=words):
            function(MASK, MASK)
        with pytest.raises(error, match=words):
            jax.jit(function)(MASK, MASK)
    with pytest.raises(error, match=words):
        jax.jit(partial(spatial_moments, spacing=spacing))(MASK)


@ALL
def test_static_facts_are_checked_under_jit(function, array):
    import jax

    with pytest.raises(ValueError, match="have the shape of the reference"):
        jax.jit(function)(array, array[:1])
    with pytest.raises(TypeError):
        jax.jit(function)(array.astype(np.complex64), array)
    with pytest.raises(ValueError, match="at least one axis"):
        jax.jit(function)(array[0, 0], array[0, 0])


def test_half_precision_masks_and_probabilities():
    with pytest.raises(TypeError, match="`reference`"):
        soft_confusion_counts(IMAGE, MASK.astype(np.float16))
    counts = soft_confusion_counts(np.full((300, 300), 0.1, np.float16), np.ones((300, 300), bool))
    assert counts.tp.dtype == np.float32
    np.testing.assert_allclose(counts.tp, 90_000 * float(np.float16(0.1)), rtol=1e-5)


def test_more_dimensions_than_space_has():
    with pytest.raises(ValueError, match="have 1 or 2 or 3 axes"):
        spatial_moments(np.ones((2,) * 4, bool), spacing=(1,) * 4)
    with pytest.raises(ValueError, match="`origin` must have 2 entries"):
        spatial_moments(MASK, spacing=SPACING, origin=(0.0,))


def test_nothing_warns_and_nothing_changes_its_input():
    pairs = [(function, array.copy(), array.copy()) for function, array in CALLS.values()]
    for function, prediction, reference in pairs:
        before = prediction.copy()
        function(prediction, reference)
        np.testing.assert_array_equal(prediction, before)
        np.testing.assert_array_equal(reference, before)


SPACED = {"spacing": SPACING}
NUMBERS = {
    "data_range of two": (structural_similarity, IMAGE, "data_range", (0, 1), {}),
    "data_range of an array": (metrics.peak_signal_noise_ratio, IMAGE, "data_range", np.array([1.0]), {}),
    "data_range of a text": (metrics.peak_signal_noise_ratio, IMAGE, "data_range", "255", {}),
    "percentile of none": (metrics.hausdorff_distance, MASK, "percentile", None, SPACED),
    "percentile of an array": (metrics.hausdorff_distance, MASK, "percentile", np.array([50, 95]), SPACED),
    "percentiles of texts": (metrics.hausdorff_distance, MASK, "percentile", (50, "95"), SPACED),
    "tolerance of an array": (metrics.normalized_surface_dice, MASK, "tolerance", np.array([1, 2.0]), SPACED),
    "tolerance of a text": (metrics.normalized_surface_dice, MASK, "tolerance", "1mm", SPACED),
    "beta of none": (metrics.f_measure, MASK, "beta", None, {}),
    "power of a text": (metrics.weighted_kappa, LABELS, "power", "2", {"labels": (0, 1)}),
    "power of a list": (metrics.generalized_dice, LABELS, "power", [2], {"labels": (0, 1)}),
}


@pytest.mark.parametrize(("function", "array", "option", "value", "others"), NUMBERS.values(), ids=NUMBERS)
def test_options_that_are_no_numbers(function, array, option, value, others):
    with pytest.raises(TypeError, match=f"^{function.__name__}: `{option}` must be a number; got"):
        function(array, array, **{option: value}, **others)


@pytest.mark.parametrize("percentile", [0.95, (50, 0.95)])
def test_a_share_for_a_percentile_is_a_likely_mistake(percentile):
    with pytest.warns(
        UserWarning, match="hausdorff_distance: `percentile` is in percent; 0.95 is nearly the minimum, 95 "
    ):
        metrics.hausdorff_distance(MASK, MASK, percentile=percentile, **SPACED)


def test_a_traced_data_range_is_refused_in_our_words():
    import jax

    similarity = jax.jit(lambda image: structural_similarity(image, image, data_range=image.max()))
    with pytest.raises(TypeError, match=r"^structural_similarity: `data_range` must be a number; got an array"):
        similarity(IMAGE)


@pytest.mark.parametrize("wrong", ["prediction", "reference", "mask"])
def test_python_objects_are_no_masks(wrong):
    arrays = {name: np.array([1, 0, 1]) for name in ("prediction", "reference", "mask")}
    arrays[wrong] = np.array([1, None, 0])
    with pytest.raises(
        TypeError, match=f"^confusion_counts: `{wrong}` must hold numbers or booleans; got Python objects"
    ):
        confusion_counts(**arrays)


@pytest.mark.parametrize("labels", [(1, 2), ((1, 2),), {2: "heart"}])
@pytest.mark.parametrize(
    "call",
    [
        metrics.dice, metrics.confusion_counts, metrics.mutual_information, metrics.confusion_matrix,
        partial(metrics.hausdorff_distance, spacing=(1.0, 1.0, 1.0)),
        partial(metrics.centroid_distance, spacing=(1.0, 1.0, 1.0)),
        lambda mask, _, labels: metrics.volume(mask, spacing=(1.0, 1.0, 1.0), labels=labels),
    ],
)  # fmt: skip
def test_boolean_arrays_hold_one_structure(xp, call, labels):
    """Channels of masks were pooled into label 1, with a Dice of all structures together."""
    masks = np.random.default_rng(0).integers(0, 2, (2, 4, 5, 2)).astype(bool)
    with pytest.raises(
        ValueError, match=r": `labels` must be 0 and 1 at most for Boolean arrays, which hold one struc"
    ):
        call(xp.asarray(masks[0]), xp.asarray(masks[1]), labels=labels)
    one = metrics.dice(xp.asarray(masks[0]), xp.asarray(masks[1]), labels=(1,))
    assert float(np.asarray(one)[0]) == pytest.approx(float(metrics.dice(*masks)))
