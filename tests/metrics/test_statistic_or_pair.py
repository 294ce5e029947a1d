"""Every metric is called with its record or with the pair, says so, and speaks in its own name."""

import functools
import inspect
import subprocess
import sys

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.metrics import METRICS
from mia_functional.metrics.statistic_or_pair import record_maker
from mia_functional.metrics.surface import merged_surface_distances

MASKS = np.array([[0, 1, 1, 0], [0, 1, 0, 0]]), np.array([[0, 1, 0, 0], [0, 1, 1, 0]])
IMAGES = np.arange(64.0).reshape(8, 8), np.arange(64.0)[::-1].reshape(8, 8)
RECORDS = {
    "counts": metrics.confusion_counts(*MASKS),
    "matrix": metrics.confusion_matrix(*MASKS, labels=(0, 1)),
    "moments": metrics.paired_moments(*IMAGES),
}
OTHERS = ("weighted_kappa", "expected_cost", "generalized_dice")
# Those of decisions are rows of probabilities, and functions of uncertainties.
FUNCTIONS = {row.name: row for row in METRICS if row.statistic is not metrics.decision_counts} | dict.fromkeys(OTHERS)
ALL = pytest.mark.parametrize("name", FUNCTIONS)
OF_STATISTICS = [name for name, row in FUNCTIONS.items() if row is None or row.statistic is not None]
DERIVED = pytest.mark.parametrize("name", OF_STATISTICS)


def call_of(name):
    """Return the metric, the pair that it takes, the options of its statistic, its record and its own options."""
    function = getattr(metrics, name)
    statistic = {
        "weighted_kappa": metrics.confusion_matrix,
        "expected_cost": metrics.confusion_matrix,
        "generalized_dice": metrics.confusion_counts,
    }.get(name) or FUNCTIONS[name].statistic
    pair = IMAGES if name == "structural_similarity" or statistic is metrics.paired_moments else MASKS
    row, options = FUNCTIONS[name], {}
    if row is not None and "calibration" in row.groups:
        pair = IMAGES[0][:2, :4] / 64, MASKS[1]
    if statistic is not None and "spacing" in inspect.signature(statistic).parameters:
        options["spacing"] = (2.0, 1.0)
    if row is None:
        options["labels"] = (0, 1)
    own = {"spacing": (2.0, 1.0)} if row is not None and "spacing" in row.needs else {}
    record = None if statistic is None else statistic(*pair, **options)
    return function, pair, options, record, own


def first_name(function):
    """Return the name of the first array of the pair."""
    return next(iter(inspect.signature(function).parameters))


def record_name(function):
    """Return the name of the parameter that takes the record."""
    return next(iter(inspect.signature(inspect.unwrap(function)).parameters))


@pytest.mark.sampled(100)
@DERIVED
def test_both_forms_positional_and_by_keyword_are_one(name):
    function, (prediction, reference), options, record, own = call_of(name)
    value = function(record, **own)
    for other in (
        function(**{record_name(function): record}, **own),
        function(prediction, reference, **options, **own),
        function(prediction, reference=reference, **options, **own),
        function(**{"reference": reference, first_name(function): prediction}, **options, **own),
    ):
        np.testing.assert_array_equal(value, other)


@pytest.mark.sampled(100)
@DERIVED
def test_signature_binds_both_forms_and_help_shows_them(name):
    function, pair, options, record, own = call_of(name)
    signature = inspect.signature(function)
    by_position = list(signature.parameters)[:2]
    first = "probabilities" if "calibration" in getattr(FUNCTIONS[name], "groups", ()) else "prediction"
    assert by_position == [first, "reference"]
    assert all(entry.kind is entry.KEYWORD_ONLY for entry in list(signature.parameters.values())[2:])
    for bound in (
        signature.bind(record, **own),
        signature.bind(**{record_name(function): record}, **own),
        signature.bind(*pair, **options, **own),
        signature.bind(**{first: pair[0], "reference": pair[1]}, **options, **own),
    ):
        assert bound.arguments
    statistic = FUNCTIONS[name].statistic if FUNCTIONS[name] else metrics.confusion_counts
    assert set(inspect.signature(statistic).parameters) <= set(signature.parameters)
    assert set(inspect.signature(inspect.unwrap(function)).parameters) <= set(signature.parameters)
    forms = inspect.getdoc(function).partition("\nForms:\n")[2].splitlines()[:2]
    assert forms[0].startswith(f"    {name}({record_name(function)}")
    assert forms[1].startswith(f"    {name}({first}, reference, *, ")
    assert all(f"{option}=" in forms[1] or f"{option}," in forms[1] + "," for option in options)


@pytest.mark.sampled(100)
@ALL
def test_a_misspelt_keyword_names_the_metric(name):
    function, pair, options, record, own = call_of(name)
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'zero_divison'"):
        function(*pair, **options, **own, zero_divison=1)
    if record is not None:
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'zero_divison'"):
            function(record, **own, zero_divison=1)
        with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument 'axes'"):
            function(record, **own, axes=0)


@DERIVED
@pytest.mark.sampled(100)
def test_the_value_of_what_is_undefined_is_one_number(name):
    function, pair, options, _, own = call_of(name)
    if "zero_division" not in inspect.signature(function).parameters:
        return
    for wrong in ("0", None, 1j, [1.0], (0.0, 1.0), np.zeros(2)):
        with pytest.raises(TypeError, match=rf"^{name}: `zero_division` must be a number; got "):
            function(*pair, **options, **own, zero_division=wrong)
    function(*pair, **options, **own, zero_division=np.float32(1))


@pytest.mark.sampled(100)
@ALL
def test_wrong_arguments_name_the_metric(name):
    function, pair, options, _, own = call_of(name)
    row = FUNCTIONS[name]
    given = options | own
    if row is not None and "spacing" in row.needs:
        given["spacing"] = (2.0, 1.0)
    first = first_name(function)
    with pytest.raises(TypeError, match=rf"^{name}: `{first}` must be an array; got"):
        function(None, pair[1], **given)
    with pytest.raises(TypeError, match=rf"^{name}: `reference` must be an array; got"):
        function(pair[0], [[1, 2]], **given)
    with pytest.raises(ValueError, match=rf"^{name}: `{first}` must have the shape"):
        function(pair[0][:1], pair[1], **given)
    with pytest.raises(TypeError, match=rf"^{name}(:|\(\)) "):
        function(**given)


@pytest.mark.sampled(100)
@DERIVED
def test_a_record_of_another_statistic_is_named(name):
    function, _, _, record, own = call_of(name)
    for other in RECORDS.values():
        annotation = str(inspect.signature(inspect.unwrap(function)).parameters[record_name(function)].annotation)
        if type(other).__name__ in annotation:
            continue
        words = rf"^{name}: `{record_name(function)}` must be .*{type(record).__name__}.*; got {type(other).__name__}\."
        with pytest.raises(TypeError, match=words):
            function(other, **own)
        with pytest.raises(TypeError, match=words):
            function(**{record_name(function): other}, **own)


def test_calls_of_neither_form_say_what_is_missing():
    mask, _ = MASKS
    for call, words in (
        (lambda: metrics.dice(), r"dice\(\) missing a required argument: 'prediction'; call dice\(counts, \*, "),
        (lambda: metrics.dice(prediction=mask), r"dice\(\) missing a required argument: 'reference'"),
        (lambda: metrics.dice(mask, mask, mask), r"dice\(\) too many positional arguments"),
        (lambda: metrics.dice(mask, mask, prediction=mask), r"dice\(\) multiple values for argument 'prediction'"),
        (lambda: metrics.dice(mask), r"dice: `counts` must be ConfusionCounts \(or pass prediction and reference\); "),
        (lambda: metrics.hausdorff_distance(mask, mask), r"hausdorff_distance\(\) missing a required .* 'spacing'"),
        (
            lambda: metrics.hausdorff_distance(()),
            r"hausdorff_distance: `distances` must be SurfaceDistances .*; got tu",
        ),
        (lambda: metrics.weighted_kappa(mask, mask), r"weighted_kappa\(\) missing a required argument: 'labels'"),
    ):
        with pytest.raises(TypeError, match=f"^{words}"):
            call()


def test_records_of_several_labels_are_taken():
    records = metrics.surface_distances(*MASKS, spacing=(2.0, 1.0), labels=(0, 1))
    expected = metrics.hausdorff_distance(*MASKS, spacing=(2.0, 1.0), labels=(0, 1))
    np.testing.assert_array_equal(metrics.hausdorff_distance(records), expected)
    with pytest.raises(TypeError, match=r"^dice: `counts` must be ConfusionCounts .*; got tuple"):
        metrics.dice((RECORDS["counts"], RECORDS["counts"]))


@pytest.mark.slow
def test_the_forms_are_there_without_docstrings():
    program = "import mia_functional as mia; print(mia.metrics.dice.__doc__)"
    result = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, encoding="utf-8", check=True)
    assert result.stdout.splitlines() == [
        "Forms:",
        "    dice(counts, *, zero_division=nan)",
        "    dice(prediction, reference, *, labels=None, axis=None, mask=None, zero_division=nan)",
    ]


def test_a_shortcut_has_the_options_of_the_statistic():
    with_voxels = functools.partial(metrics.surface_distances, boundary=metrics.voxels)
    maker = record_maker(metrics.hausdorff_distance, with_voxels)
    assert maker.func is merged_surface_distances
    assert maker.keywords == {"boundary": metrics.voxels}
    assert record_maker(metrics.hausdorff_distance, metrics.surface_distances) is merged_surface_distances


def test_without_a_shortcut_the_statistic_makes_the_record():
    assert record_maker(metrics.dice, metrics.confusion_counts) is metrics.confusion_counts
    assert record_maker(len, metrics.surface_distances) is metrics.surface_distances
    assert record_maker(metrics.hausdorff_distance, len) is len
