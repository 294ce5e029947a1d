"""Metrics by name with any option, and functions of one's own as rows."""

import functools
import math

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate, evaluate_folders, evaluate_many, select_rows
from mia_functional.evaluation.case_values import Case
from mia_functional.metrics import find, metric
from mia_functional.metrics.names import canonical_abbreviation
from mia_functional.reporting import read_results, write_results

REFERENCE = np.zeros((6, 7, 8), np.uint8)
REFERENCE[1:4, 1:4, 1:4] = 1
REFERENCE[4:6, 4:7, 4:8] = 2
PREDICTION = np.roll(REFERENCE, 1, axis=2)
SPACING = (2.0, 1.0, 0.5)


@pytest.mark.parametrize(
    ("name", "abbreviation", "options", "preset"),
    [
        ("SURFDICE", "SURFDICE@1mm", {"tolerance": 1.0}, {}),
        ("nsd", "SURFDICE@1mm", {"tolerance": 1.0}, {}),
        ("biou", "BIOU@1mm", {"width": 1.0}, {}),
        ("HD95@boundary=voxels", "HDRFDST95@boundary=voxels", {"percentile": 95.0}, {"boundary": metrics.voxels}),
        ("nsd@2mm,boundary=solid", "SURFDICE@2mm,boundary=solid", {"tolerance": 2.0}, {"boundary": metrics.solid}),
        ("SSIM@slice_axis=0", "SSIM@slice_axis=0", {"slice_axis": 0}, {}),
        ("ssim@Window=5,slice_axis = 0", "SSIM@window=5,slice_axis=0", {"window": 5, "slice_axis": 0}, {}),
        ("dice@zero_division=1", "DICE@zero_division=1", {"zero_division": 1}, {}),
        ("hd@percentile=(50, 95)", "HDRFDST@percentile=(50, 95)", {"percentile": (50, 95)}, {}),
        ("hd@percentile=[50, 95]", "HDRFDST@percentile=[50, 95]", {"percentile": (50, 95)}, {}),
        ("hd@method=host", "HDRFDST@method=host", {}, {"method": "host"}),
    ],
)
def test_options_are_read_from_the_name(name, abbreviation, options, preset):
    row = find(name)
    assert (row.abbreviation, dict(row.options)) == (abbreviation, options)
    assert canonical_abbreviation(name) == abbreviation
    if preset:
        assert isinstance(row.statistic, functools.partial)
        assert row.statistic.keywords == preset
        assert row.statistic is find(name).statistic  # one object, so that it is computed once
    else:
        assert row.statistic is next(other for other in metrics.METRICS if other.name == row.name).statistic


def test_numbers_are_those_of_the_options():
    names = ["HD95", "HD95@boundary=voxels", "SURFDICE", "SURFDICE@0.4mm,boundary=voxels"]
    rows = evaluate(PREDICTION, REFERENCE, metrics=names, labels=(1,), spacing=SPACING)
    voxels = metrics.surface_distances(PREDICTION == 1, REFERENCE == 1, spacing=SPACING, boundary=metrics.voxels)
    assert [row.value for row in rows] == pytest.approx(
        [
            float(metrics.hausdorff_distance(PREDICTION == 1, REFERENCE == 1, spacing=SPACING, percentile=95)),
            float(metrics.hausdorff_distance(voxels, percentile=95)),
            float(metrics.normalized_surface_dice(PREDICTION == 1, REFERENCE == 1, spacing=SPACING, tolerance=1.0)),
            float(metrics.normalized_surface_dice(voxels, tolerance=0.4)),
        ]
    )
    assert [row.convention for row in rows] == ["surfels", "voxels", "surfels", "voxels"]
    image = np.random.default_rng(0).random((12, 13, 14))
    (row,) = evaluate(image, image**2, metrics=["SSIM@slice_axis=0"])
    assert row.value == pytest.approx(float(metrics.structural_similarity(image, image**2, slice_axis=0)))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("DICE@tolerance=2", r"have options of DICE alone \(zero_division\); got 'tolerance'"),
        ("HD95@boundary=mine", "have one of surfels, voxels, solid as boundary; got 'mine'"),
        ("HD95@labels=1", "have options of HDRFDST95 alone .*; got 'labels'"),
        ("HD95@ignore=1", "have options of HDRFDST95 alone .*; got 'ignore'"),
        ("hd@method=[{}]", r"have a number, a word or a tuple as method; got '\[\{\}\]'"),
        ("nothing@boundary=voxels", "be the name of a metric; got 'nothing@boundary=voxels'; the nearest"),
    ],
)
def test_options_that_there_are_not_are_refused(name, words):
    with pytest.raises(ValueError, match=f"^find: `name` must {words}"):
        find(name)
    with pytest.raises(ValueError, match=f"^evaluate_many: `metrics` must {words}"):
        evaluate_many([], metrics=[name])


@pytest.mark.parametrize(
    "name",
    [
        "HDRFDST101",
        "SURFDICE@mm",
        "HD95@percentile=200",
        "NSD@tolerance=-1",
        "BIOU@0mm",
        "SSIM@slice_axis=7",
        "hd@percentile=[50, 95]",
    ],
)
def test_impossible_parameters_are_refused_before_the_first_case(name):
    def cases():
        raise AssertionError("a case was read")
        yield

    with pytest.raises((ValueError, TypeError), match=r"^evaluate_many: `metrics` must "):
        evaluate_many(cases(), metrics=[name])


def shared_voxels(prediction, reference):
    """Voxels in both."""
    return (prediction & reference).sum()


def shared_volume(prediction, reference, *, spacing, factor=1):
    return factor * np.count_nonzero(prediction & reference) * math.prod(spacing)


def share_missed(counts):
    return counts.fn / (counts.tp + counts.fn)


@pytest.mark.parametrize("library", ["numpy", "torch", "jax.numpy"])
def test_functions_of_ones_own_get_the_masks_of_one_structure_after_the_other(library):
    xp = pytest.importorskip(library)
    own = [
        "DICE", shared_voxels, metric(shared_volume, name="SHARED", unit="mm3", options={"factor": 2}),
        metric(share_missed, statistic=metrics.confusion_counts, best=0.0, lowest=0.0),
    ]  # fmt: skip
    if library != "numpy":
        own[2] = "JACRD"
    labels = {1: "cube", (1, 2): "all"}
    pair = xp.asarray(PREDICTION), xp.asarray(REFERENCE)
    rows = evaluate(*pair, metrics=own, labels=labels, spacing=SPACING)
    found = {(row.label, row.metric): row.value for row in rows}
    both = np.count_nonzero((PREDICTION > 0) & (REFERENCE > 0))
    assert (found["cube", "shared_voxels"], found["all", "shared_voxels"]) == (18, both)
    assert found["cube", "share_missed"] == pytest.approx(1 / 3)
    if library == "numpy":
        assert found["cube", "SHARED"] == 18 * 2
        assert {row.unit for row in rows if row.metric == "SHARED"} == {"mm3"}
    (row,) = evaluate(xp.asarray(PREDICTION == 1), xp.asarray(REFERENCE == 1), metrics=[shared_voxels])
    assert row.value == 18
    layers = [np.stack([array == 1, array > 0], axis=-1) for array in (PREDICTION, REFERENCE)]
    rows = evaluate(*map(xp.asarray, layers), metrics=[shared_voxels], channels={0: "cube", 1: "all"})
    assert [row.value for row in rows] == [18, both]


def broken(prediction, reference):
    return prediction.size / (int(reference.sum()) - 27)


def several(prediction, reference):
    return (prediction & reference).sum(axis=(1, 2))


def test_what_a_function_of_ones_own_raises_is_a_row(tmp_path):
    rows = evaluate_many(
        [Case("A", PREDICTION, REFERENCE)], metrics=[broken, several, "DICE"], labels={1: "cube", 2: "box"}
    )
    assert [row.status for row in rows] == ["failed", "failed", "ok"] * 2
    assert rows[0].reason == "evaluate_many: broken failed with ZeroDivisionError: division by zero"
    with pytest.raises(ValueError, match="broken failed with ZeroDivisionError"):
        evaluate(PREDICTION, REFERENCE, metrics=[broken], labels=(1,))
    with pytest.raises(ValueError, match="`spacing` must be given in millimetres for shared_volume"):
        evaluate(PREDICTION, REFERENCE, metrics=[shared_volume], labels=(1,))
    np.save(tmp_path / "A.npy", REFERENCE)
    with pytest.raises(
        ValueError, match=r"^evaluate_folders: `metrics` must be functions at the top of a module with `w"
    ):
        evaluate_folders(
            tmp_path, tmp_path, metrics=[metric(lambda p, r: (p & r).sum(), name="mine")], labels=(1,), workers=2
        )


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: metric(5), TypeError, "metric: `function` must be a function; got 5"),
        (lambda: metric(shared_voxels, name="dice"), ValueError, "metric: `name` must be the name of no other metric"),
        (lambda: metric(shared_voxels, name=" "), ValueError, "metric: `name` must be a printable text; got ' '"),
    ],
)
def test_mistakes_are_one_sentence(call, error, words):
    with pytest.raises(error, match=f"^{words}"):
        call()


WITH_NUMBERS = [row for row in metrics.METRICS if row.parameter]
"""All rows whose abbreviation can show a parameter."""


def shown(row, number, overlap=""):
    """Return the name of a row with a number, as the documentation spells it."""
    if row.parameter == "threshold":
        return f"{row.abbreviation}@{overlap or 'IoU'}{number}"
    return (
        f"{row.abbreviation}@{number}mm" if row.parameter in ("tolerance", "width") else f"{row.abbreviation}{number}"
    )


def options_of(row):
    return (getattr(row.statistic, "keywords", {}) | dict(row.options)).items()


@pytest.mark.parametrize("row", WITH_NUMBERS, ids=lambda row: row.abbreviation)
def test_a_parameter_by_name_is_shown_in_place_of_the_one_that_the_name_has(row):
    for base in (row.abbreviation, find(row.abbreviation).abbreviation, shown(row, "0.5"), row.name, *row.aliases):
        for text, number in {"0.25": "0.25", " 2.0": "2", "1e-7": "0.0000001", "0.1234567": "0.1234567"}.items():
            joint = "," if "@" in base else "@"
            given = find(f"{base}{joint}{row.parameter}={text}")
            assert given.abbreviation == shown(row, number)
            assert (row.parameter, float(text)) in options_of(given)
            assert find(given.abbreviation) == given
            assert find(f"{base}{joint}{row.parameter}=3,{row.parameter}={text}") == given
        # What is no number without a sign stays an option by name, and the name shows no other number.
        for text in ("-1", "inf", "None", "(1, 2)"):
            given = find(f"{base}{joint}{row.parameter}={text}")
            overlap = "overlap=iou," if base.endswith("@IoU0.5") else ""
            assert given.abbreviation == f"{row.abbreviation}@{overlap}{row.parameter}={text}"
            assert find(given.abbreviation) == given


@pytest.mark.parametrize(
    ("name", "abbreviation"),
    [
        ("NSD@tolerance=2", "SURFDICE@2mm"),
        ("NSD@2mm,tolerance=3,boundary=voxels", "SURFDICE@3mm,boundary=voxels"),
        ("NSD@boundary=voxels,tolerance=3", "SURFDICE@3mm,boundary=voxels"),
        ("NSD@boundary=voxels,boundary=solid", "SURFDICE@1mm,boundary=solid"),
        ("HD95@percentile=90", "HDRFDST90"),
        ("HD95@boundary=voxels,percentile=90", "HDRFDST90@boundary=voxels"),
        ("HD@percentile=90", "HDRFDST90"),
        ("HD95@percentile=(50, 95)", "HDRFDST@percentile=(50, 95)"),
        ("FMEASR2@beta=0.5", "FMEASR0.5"),
        ("BIOU@width=3", "BIOU@3mm"),
        ("LESION_F1@threshold=0.1", "LESION_F1@IoU0.1"),
        ("LESION_F1@overlap=dice", "LESION_F1@Dice0.5"),
        ("PQ@Dice0.3,threshold=.2", "PQ@Dice0.2"),
        ("PQ@Dice0.3,overlap=IoR,comparison=>", "PQ@IoR0.3,comparison=>"),
        ("PQ@matching=many_to_one,threshold=0.2", "PQ@IoU0.2,matching=many_to_one"),
        ("PQ@matching=centroid_within,threshold=3", "PQ@matching=centroid_within,threshold=3"),
        ("NSD@0.1234567mm", "SURFDICE@0.1234567mm"),
        ("HD95.00001", "HDRFDST95.00001"),
    ],
)
def test_a_name_says_the_parameters_that_the_number_has(name, abbreviation):
    row = find(name)
    assert (row.abbreviation, canonical_abbreviation(name)) == (abbreviation, abbreviation)
    assert find(abbreviation) == row


def test_numbers_are_those_of_the_names_in_place_of_the_default():
    given = ["NSD@tolerance=2", "HD95@percentile=50", "BIOU@width=2", "LESION_F1@threshold=0.9", "FMEASR@beta=2"]
    names = ["SURFDICE@2mm", "HDRFDST50", "BIOU@2mm", "LESION_F1@IoU0.9", "FMEASR2"]
    options = {"labels": {1: "cube", 2: "box"}, "spacing": SPACING}
    rows = evaluate(PREDICTION, REFERENCE, metrics=given, **options)
    assert [row.metric for row in rows] == names * 2
    assert rows == evaluate(PREDICTION, REFERENCE, metrics=names, **options)
    others = evaluate(PREDICTION, REFERENCE, metrics=["NSD", "HD95", "BIOU", "LESION_F1", "FMEASR"], **options)
    assert {row.metric for row in others}.isdisjoint(names)
    with pytest.raises(ValueError, match="none of them twice"):
        evaluate(PREDICTION, REFERENCE, metrics=["NSD@tolerance=2", "NSD@2mm"], **options)


def test_a_table_is_read_back_and_resumed_under_the_name_in_place_of_the_default(tmp_path):
    for folder in ("net", "truth"):
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "A.npy", PREDICTION if folder == "net" else REFERENCE)
    options = {"labels": (1,), "spacing": SPACING, "journal": tmp_path / "journal.jsonl"}
    folders = tmp_path / "net", tmp_path / "truth"
    results = evaluate_folders(*folders, metrics=["NSD@tolerance=0.2", "HD95@percentile=90"], **options)
    again = evaluate_folders(*folders, metrics=["NSD@0.2mm", "HD90"], resume=True, **options)
    assert again.rows == results.rows
    (row,) = select_rows(results, metric="NSD@tolerance=0.2").rows
    assert row.metric == "SURFDICE@0.2mm"
    for ending in ("csv", "json"):
        write_results(tmp_path / f"results.{ending}", results)
        assert read_results(tmp_path / f"results.{ending}").rows == results.rows
