"""Evaluation of pairs: values by hand, statistics computed once, reasons, failures, executors, bad input."""

import dataclasses
import functools
import math
import re
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from mia_functional import metrics as m
from mia_functional.evaluation import Case, evaluate, evaluate_folders, evaluate_many, select_rows
from mia_functional.geometry import Geometry
from mia_functional.metrics import surface
from mia_functional.metrics.surface import distances_of_pairs

REFERENCE = np.zeros((6, 7, 8), dtype=np.uint8)
REFERENCE[1:4, 1:4, 1:4] = 1
REFERENCE[4:6, 4:7, 4:8] = 2
PREDICTION = np.roll(REFERENCE, 1, axis=2)
LABELS = {1: "cube", 2: "box", (1, 2): "both"}
SPACING = (2.0, 1.0, 0.5)


def values(results):
    return {(row.label, row.metric): row.value for row in results}


def test_values_by_hand():
    results = evaluate(
        PREDICTION, REFERENCE, metrics=("DICE", "HDRFDST", "VOLSMTY"), labels=LABELS, spacing=SPACING, subject="A"
    )
    found = values(results)
    assert found["cube", "DICE"] == pytest.approx(2 * 18 / 54)
    assert found["cube", "HDRFDST"] == pytest.approx(0.5)
    assert found["cube", "VOLSMTY"] == 1
    shared = np.count_nonzero((PREDICTION > 0) & (REFERENCE > 0))
    assert found["both", "DICE"] == pytest.approx(2 * shared / (27 + 24 + 27 + 24))
    assert [row.label for row in results] == ["cube"] * 3 + ["box"] * 3 + ["both"] * 3
    assert {row.subject for row in results} == {"A"}


def test_a_geometry_is_no_spacing():
    grid = Geometry(shape=REFERENCE.shape, spacing=SPACING)
    with pytest.raises(TypeError, match=r"^evaluate: `spacing` must be a sequence of numbers; got Geometry"):
        evaluate(PREDICTION, REFERENCE, metrics=["HDRFDST"], labels=LABELS, spacing=grid)


def test_an_axis_of_channels_is_no_axis_of_labels():
    pair = [np.stack([array, array], axis=-1) for array in (PREDICTION, REFERENCE)]
    for options in ({"labels": LABELS}, {}):
        with pytest.raises(ValueError, match=r"^evaluate: `spacing` must have 4 entries, one per axis"):
            evaluate(*pair, metrics=["DICE"], spacing=SPACING, **options)
    assert evaluate(*pair, metrics=["MSE"], spacing=SPACING)[0].value > 0


def test_every_library_gives_the_same(xp):
    found = evaluate(
        xp.asarray(PREDICTION), xp.asarray(REFERENCE), metrics=("DICE", "HDRFDST95", "SURFDICE@0.4mm"),
        labels=LABELS, spacing=SPACING,
    )  # fmt: skip
    expected = evaluate(
        PREDICTION, REFERENCE, metrics=("DICE", "HDRFDST95", "SURFDICE@0.4mm"), labels=LABELS, spacing=SPACING
    )
    assert [row.metric for row in found] == [row.metric for row in expected]
    np.testing.assert_allclose([row.value for row in found], [row.value for row in expected], rtol=2e-6)


def test_a_statistic_is_computed_once_for_all_its_metrics():
    calls = []

    @functools.wraps(m.confusion_counts)
    def counting(*arguments, **options):
        calls.append(options)
        return m.confusion_counts(*arguments, **options)

    rows = [dataclasses.replace(m.find(name), statistic=counting) for name in ("DICE", "JACRD", "VOLSMTY")]
    evaluate(PREDICTION, REFERENCE, metrics=rows, labels=LABELS)
    assert len(calls) == 1


@pytest.mark.parametrize("boundary", ["surfels", "voxels"])
def test_surfaces_are_found_once_for_all_our_metrics(monkeypatch, boundary):
    calls = []

    def counting(*pairs, **options):
        calls.append(options)
        return distances_of_pairs(*pairs, **options)

    monkeypatch.setattr(surface, "distances_of_pairs", counting)
    names = [f"{name}@boundary={boundary}" for name in ("HD95", "ASSD", "MASD")]
    evaluate(PREDICTION, REFERENCE, metrics=names, labels=(1,), spacing=SPACING)
    assert len(calls) == 1


def test_functions_of_users_get_an_entry_for_each_element_and_ours_the_same_values():
    """Ours get the areas at each distance, which is no record that others could count elements in."""
    shape = (9, 8, 7)
    pair = [np.random.default_rng(seed).random(shape) < 0.5 for seed in (0, 1)]
    whole = m.surface_distances(*pair, spacing=(1.0, 2.0, 3.0))

    def unweighted(distances):
        return float(np.mean(distances.prediction_to_reference))

    own = m.metric(unweighted, statistic=m.surface_distances, unit="mm")
    names = ("HDRFDST", "HDRFDST95", "ASSD", "MASD", "ASD_PR", "SURFDICE@2mm", "SURFOVLP@1mm")
    ours = [m.find(name) for name in names]
    values = [row.value for row in evaluate(*pair, metrics=[own, *ours], spacing=(1.0, 2.0, 3.0))]
    assert values[0] == unweighted(whole)
    assert whole.prediction_to_reference.size > 300
    assert values[1:] == pytest.approx([float(row.function(whole, **dict(row.options))) for row in ours], rel=1e-14)


@pytest.mark.parametrize(
    ("given", "got"),
    [
        ("x", "'x'"),
        ("0.5", "'0.5'"),
        (None, "None"),
        (1j, "1j"),
        ([0.5, 0.5], r"\[0.5, 0.5\]"),
        (np.ones(3), r"an array of shape \(3,\)"),
    ],
)
def test_what_is_no_number_is_said_of_the_metric_that_gave_it(given, got):
    def mine(prediction, reference):
        return given if (prediction & reference).any() else 0.0

    sentence = rf"^evaluate: `metrics` must give a number; got {got} from mine\.$"
    with pytest.raises(TypeError, match=sentence):
        evaluate(PREDICTION, REFERENCE, metrics=[mine], labels=LABELS)
    mask = REFERENCE == 1
    many = evaluate_many([Case("A", mask, mask), Case("B", mask & False, mask)], metrics=[mine, "DICE"])
    assert [(row.metric, row.status, row.value) for row in many][1:] == [
        ("DICE", "ok", 1), ("mine", "ok", 0), ("DICE", "ok", 0)
    ]  # fmt: skip
    assert re.search(rf"must give a number; got {got} from mine\.$", many[0].reason)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ("x", TypeError, "a number; got 'x' from MINE"),
        (np.ones(2), ValueError, "a number for each structure; got 2 for 1 from MINE"),
    ],
)
def test_what_is_no_number_is_said_of_formulas_on_a_statistic(given, error, words):
    own = m.metric(lambda counts: given, name="MINE", statistic=m.confusion_counts)  # noqa: ARG005
    with pytest.raises(error, match=rf"^evaluate: `metrics` must give {words}\.$"):
        evaluate(PREDICTION, REFERENCE, metrics=[own], labels={1: "cube"})


def test_units_and_conventions_are_named():
    surfels, voxels = m.find("HDRFDST"), m.find("HDRFDST95")
    voxels = dataclasses.replace(voxels, statistic=functools.partial(m.surface_distances, boundary=m.voxels))
    rows = evaluate(PREDICTION, REFERENCE, metrics=[surfels, voxels, "DICE"], labels=(1,), spacing=SPACING)
    assert [(row.unit, row.convention) for row in rows] == [("mm", "surfels"), ("mm", "voxels"), ("", "")]


def test_a_convention_with_options_of_its_own_is_named():
    boundary = functools.partial(m.voxels)
    row = dataclasses.replace(m.find("ASSD"), statistic=functools.partial(m.surface_distances, boundary=boundary))
    assert evaluate(PREDICTION, REFERENCE, metrics=[row], labels=(1,), spacing=SPACING)[0].convention == "voxels"


def test_what_is_undefined_has_a_reason():
    missed = np.where(PREDICTION == 1, 0, PREDICTION)
    rows = evaluate(missed, REFERENCE, metrics=("DICE", "HDRFDST"), labels={1: "cube", 9: "none"}, spacing=SPACING)
    found = {(row.label, row.metric): row for row in rows}
    assert found["cube", "DICE"].value == 0
    assert found["cube", "DICE"].reason == ""
    assert math.isinf(found["cube", "HDRFDST"].value)
    assert found["cube", "HDRFDST"].reason == "empty in the prediction"
    assert math.isnan(found["none", "DICE"].value)
    assert found["none", "HDRFDST"].reason == "empty in the prediction and the reference"


def test_masks_and_images_need_no_labels():
    mask = REFERENCE == 1
    assert evaluate(mask, mask, metrics=["DICE"])[0].value == 1
    image = np.random.default_rng(0).normal(size=(8, 9, 10))
    found = values(evaluate(image + 0.5, image, metrics=("MAE", "PSNR")))
    assert found["", "MAE"] == pytest.approx(0.5)
    assert found["", "PSNR"] == pytest.approx(10 * np.log10(image.max() ** 2 / 0.25))
    row = evaluate(image, image, metrics=["PSNR"])[0]
    assert math.isinf(row.value)
    assert row.reason == m.find("PSNR").undefined


CASES = [Case(f"Subject_{number}", np.roll(REFERENCE, number, axis=1), REFERENCE, SPACING) for number in range(12)]


@pytest.mark.parametrize("pool", [None, ThreadPoolExecutor, pytest.param(ProcessPoolExecutor, marks=pytest.mark.slow)])
def test_any_executor_gives_the_same_rows_in_order(pool):
    seen = []
    options = {"metrics": ("DICE", "HDRFDST95"), "labels": LABELS, "progress": lambda *step: seen.append(step)}
    if pool is None:
        results = evaluate_many(iter(CASES), **options)
    else:
        context = {"mp_context": get_context("spawn")} if pool is ProcessPoolExecutor else {}
        with pool(2, **context) as executor:
            results = evaluate_many(CASES, executor=executor, **options)
    single = [
        row
        for case in CASES
        for row in evaluate(
            case.prediction, case.reference, metrics=options["metrics"], labels=LABELS, spacing=SPACING,
            subject=case.subject,
        )
    ]  # fmt: skip
    assert list(results) == single
    assert [step[:2] for step in seen] == [(number, len(CASES)) for number in range(1, len(CASES) + 1)]
    # With a pool, cases are told as they are done.
    names = [name for *_, name in seen]
    assert sorted(names) == sorted(case.subject for case in CASES)


def test_a_generator_is_read_only_a_few_cases_ahead():
    alive = []

    def cases():
        for number, case in enumerate(CASES):
            alive.append(number)
            yield case

    lag = []
    with ThreadPoolExecutor(2) as executor:
        evaluate_many(
            cases(), metrics=["DICE"], labels=LABELS, executor=executor,
            progress=lambda done, _total, _name: lag.append(len(alive) - done),
        )  # fmt: skip
    assert max(lag) <= 3
    assert len(alive) == len(CASES)


def test_a_case_that_fails_does_not_stop_the_others():
    cases = [CASES[0], Case("short", PREDICTION[1:], REFERENCE, SPACING), Case("free", PREDICTION, REFERENCE), CASES[1]]
    results = evaluate_many(cases, metrics=("DICE", "HDRFDST"), labels=(1, 2))
    assert len(results) == 4 * 2 * 2
    failed = select_rows(results, status="failed")
    shape = "evaluate_many: `prediction` must have the shape of the reference, (6, 7, 8); got (5, 7, 8)."
    spacing = "evaluate_many: `spacing` must be given in millimetres for HDRFDST; got none."
    expected = {("short", label, name): shape for label in "12" for name in ("DICE", "HDRFDST")}
    # Dice needs no spacing, so that it has a value.
    expected |= {("free", label, "HDRFDST"): spacing for label in "12"}
    assert {(row.subject, row.label, row.metric): row.reason for row in failed} == expected
    assert all(math.isnan(row.value) for row in failed)
    assert {row.unit for row in select_rows(failed, metric="HDRFDST")} == {"mm"}
    others = [row for row in results if row.status != "failed"]
    assert [row.status for row in others] == ["ok"] * (16 - 6)
    assert others[0].value == 1


def test_methods_and_alignment_are_told():
    cases = [
        Case("A", PREDICTION, REFERENCE, method=name, aligned="turned" * (name == "two")) for name in ("one", "two")
    ]
    results = evaluate_many(cases, metrics=["DICE"], labels={1: "cube", 9: "none"})
    found = [(row.method, row.label, row.status, row.reason) for row in results]
    assert found == [
        ("one", "cube", "ok", ""),
        ("one", "none", "undefined", "empty in the prediction and the reference"),
        ("two", "cube", "aligned", "turned"),
        ("two", "none", "undefined", "turned; empty in the prediction and the reference"),
    ]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"metrics": ["HDRFDTS95"]}, ValueError, "`metrics` must be the name of a metric; got 'HDRFDTS95'; .* HDRFDST"),
        ({"metrics": [5]}, TypeError, "`metrics` must be the name of a metric; got 5"),
        ({"metrics": "DICE"}, TypeError, "`metrics` must be a sequence of metrics; got 'DICE'"),
        ({"metrics": []}, ValueError, "`metrics` must name at least one metric"),
        ({"metrics": ["DICE", "dsc"]}, ValueError, "`metrics` must name .*, and none of them twice"),
        ({"metrics": ["HDRFDST"]}, ValueError, "`spacing` must be given in millimetres for HDRFDST"),
        ({"metrics": ["PREDVOL"]}, ValueError, "`spacing` must be given in millimetres for PREDVOL"),
        ({"metrics": ["HDRFDST"], "spacing": (1.0, 1.0)}, ValueError, "`spacing` must have 3 entries, one per axis"),
        ({"metrics": ["MSE"]}, ValueError, "`labels` must not be given for MSE, a metric of images"),
        ({"metrics": ["DICE"], "labels": {"liver": 1}}, TypeError, "`labels` must be"),
        ({"metrics": ["DICE"], "ignore": (255, 2)}, ValueError, "`ignore` must be no label that is asked for; got 2"),
        ({"metrics": ["DICE"], "labels": 1}, TypeError, "`labels` must map labels to names, or be several labels"),
    ],
)
def test_mistakes_are_one_sentence_of_the_function_that_was_called(options, error, words, tmp_path):
    options = {"labels": LABELS, **options}
    with pytest.raises(error, match=f"^evaluate: {words}"):
        evaluate(PREDICTION, REFERENCE, **options)
    case = Case("A", PREDICTION, REFERENCE, options.pop("spacing", None))
    try:
        (message,) = {row.reason for row in evaluate_many([case], **options)}
    except error as mistake:
        message = str(mistake)
        with pytest.raises(error, match=f"^evaluate_folders: {words}"):
            evaluate_folders(tmp_path, tmp_path, **options)
    assert re.match(f"evaluate_many: {words}", message)


def test_a_subject_that_occurs_twice_is_refused():
    words = "^evaluate_many: `cases` must have every subject, label and metric once"
    with pytest.raises(ValueError, match=words):
        evaluate_many([CASES[0], CASES[0]], metrics=["DICE"], labels=(1,))


def test_cases_of_another_kind_are_named():
    with pytest.raises(TypeError, match=r"^evaluate_many: `cases` must be several `Case`; got 5"):
        evaluate_many(5, metrics=["DICE"])
    with pytest.raises(TypeError, match=r"^evaluate_many: `cases` must be several `Case`; got tuple among them\.$"):
        evaluate_many([(PREDICTION, REFERENCE), CASES[0]], metrics=["DICE"], labels=(1,))
