"""Each convention gives the recorded numbers of its package on a hundred pairs, and says what it cannot give."""

import ast
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from mia_functional import metrics
from mia_functional.evaluation import evaluate
from mia_functional.metrics.conventions import CONVENTIONS, under_convention

from . import scenes

FOLDER = Path(__file__).parent
RECORDS = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("recorded/*.json"))}
FEW = 6
"""Of twenty pairs in turn, the first have empty masks, or labels that are missing."""

OTHERS = {
    "metrics_reloaded": {"expected_cost@costs=1", "expected_cost@costs=1,normalized=True"},
    "pymia": {"AVGDIST"},
    "simpleitk": {"volume_similarity"},
    "torchmetrics": {"MCC", "matthews_correlation", "generalized_dice", "nrmse_l2", "ssim"},
}
"""What was recorded and no option gives."""

FAULTS = {
    ("panoptica", "HDRFDST95"): lambda prediction, reference: prediction.any() != reference.any(),
    ("metrics_reloaded", "SURFDICE@1.3mm"): lambda prediction, reference: prediction.any() != reference.any(),
}
"""Pairs of which a package has numbers without meaning."""


def questions(package, kind):
    """Return what was asked that the convention of a package has, with the answers."""
    rows = RECORDS[package]["values"].get(kind, {})
    return {name: values for name, values in rows.items() if name not in OTHERS.get(package, ())}


def pairs(kind, count):
    """Return the first pairs of a kind."""
    return islice(scenes.KINDS[kind](), count)


def assert_same(package, kind, name, got):
    """Compare with the first answers of a package; its errors are NaN here."""
    values = RECORDS[package]["values"][kind][name][: len(got)]
    wanted = [np.nan if isinstance(value, str) else value for value in values]
    if (package, name) in FAULTS:
        sound = [not FAULTS[package, name](*pair[:2]) for pair in pairs(kind, len(got))]
        got, wanted = np.asarray(got)[sound], np.asarray(wanted)[sound]
    # Some compute in single precision.
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6, err_msg=name)


COUNTS = pytest.mark.parametrize("count", [FEW, pytest.param(scenes.COUNT, marks=pytest.mark.full)])


def kinds(*chosen):
    """Return cases of all packages that were asked about some kinds."""
    return [
        # Components of lesions take longest, and have tests of their own.
        pytest.param(package, kind, marks=[pytest.mark.full] if package == "brats" else [])
        for package in RECORDS
        for kind in chosen
        if questions(package, kind)
    ]


@COUNTS
@pytest.mark.parametrize(("package", "kind"), kinds("masks", "images", "probabilities"))
def test_the_numbers_of_a_package(package, kind, count):
    names = list(questions(package, kind))
    found = []
    for prediction, reference, *spacing in pairs(kind, count):
        # What counts voxels has none.
        step = (1.0, 1.0, 1.0) if package == "skimage" else spacing[0] if spacing else None
        given = (prediction > 0.5, reference) if kind == "probabilities" else (prediction, reference)
        soft = {"probabilities": prediction} if kind == "probabilities" else {}
        table = evaluate(*given, metrics=names, spacing=step, convention=package, **soft)
        assert [row.metric for row in table] == [metrics.find(name).abbreviation for name in names]
        assert {row.convention.split(", ")[0] for row in table} == {package}
        found.append([row.value for row in table])
    for name, got in zip(names, np.transpose(found), strict=True):
        assert_same(package, kind, name, got)


@COUNTS
@pytest.mark.parametrize("package", [package for package in RECORDS if questions(package, "labels")])
def test_the_numbers_of_a_package_of_several_labels(package, count):
    for name in questions(package, "labels"):
        function, _, text = name.partition("@")
        recipe = next(recipe for recipe in CONVENTIONS[package].recipes if recipe.function == function)
        options = dict(recipe.defaults) | dict(recipe.options)
        options |= {
            key: ast.literal_eval(value) for key, value in (pair.split("=") for pair in text.split(",") if pair)
        }
        labels = (1, 2, 3) if function == "generalized_dice" else (0, 1, 2, 3)
        got = []
        for pair in pairs("labels", count):
            record = pair if function in ("generalized_dice", "expected_cost", "weighted_kappa") else None
            given = record or (metrics.confusion_matrix(*pair, labels=labels),)
            got.append(getattr(metrics, function)(*given, **options, **({"labels": labels} if record else {})))
        assert_same(package, "labels", name, np.asarray(got))


def test_the_pairs_are_those_that_were_recorded():
    assert {record["pairs"] for record in RECORDS.values()} == {scenes.digest()}
    assert RECORDS.keys() == CONVENTIONS.keys()
    assert all(CONVENTIONS[package].version in record["version"] for package, record in RECORDS.items())


@pytest.mark.parametrize("package", CONVENTIONS)
def test_every_recipe_is_tested(package):
    tested = set()
    for kind in scenes.KINDS:
        for name in questions(package, kind):
            tested.add(name.partition("@")[0] if kind == "labels" else metrics.find(name).name)
    rules = CONVENTIONS[package]
    assert {recipe.function for recipe in rules.recipes} == tested
    assert all(hasattr(metrics, name) for name in tested | dict(rules.absent).keys())
    assert not {recipe.function for recipe in rules.recipes} & dict(rules.absent).keys()


@pytest.mark.full
@pytest.mark.parametrize("package", ["deepmind", "medpy", "monai", "pymia", "simpleitk", "skimage"])
def test_the_records_are_what_the_package_says(package, tmp_path):
    subprocess.run([sys.executable, str(FOLDER / "record.py"), package, str(tmp_path)], check=True, capture_output=True)
    record = json.loads((tmp_path / f"{package}.json").read_text(encoding="utf-8"))
    assert record["version"] == RECORDS[package]["version"]
    for kind, rows in record["values"].items():
        for name, values in rows.items():
            wanted = RECORDS[package]["values"][kind][name]
            assert [one for one in values if isinstance(one, str)] == [one for one in wanted if isinstance(one, str)]
            numbers = [[np.nan if isinstance(one, str) else one for one in each] for each in (values, wanted)]
            np.testing.assert_allclose(*numbers, rtol=1e-6, atol=1e-7, err_msg=name)


def test_what_others_have_that_is_no_option():
    """Numbers of CORRECTNESS.md that no option gives, and what gives them."""
    options = {"normalization": metrics.reference_norm}
    ours = [metrics.normalized_root_mean_squared_error(*pair, **options) for pair in scenes.image_pairs()]
    norms = RECORDS["torchmetrics"]["values"]["images"]["nrmse_l2"]
    np.testing.assert_allclose(np.asarray(ours) / np.sqrt(13 * 16), norms, rtol=1e-6)
    distances = RECORDS["pymia"]["values"]["masks"]["AVGDIST"]
    assert distances[3:20] == RECORDS["simpleitk"]["values"]["masks"]["MASD"][3:20]
    costs = RECORDS["metrics_reloaded"]["values"]["labels"]["expected_cost@costs=1,normalized=True"]
    for pair, wanted in zip(scenes.label_pairs(), costs, strict=True):
        if not np.isnan(wanted):  # a class that the reference lacks
            got = metrics.expected_cost(*pair, labels=(0, 1, 2, 3), normalized=True)
            assert float(got) == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize(
    ("metric", "convention", "text"),
    [
        ("ASSD", "deepmind", r"be of DeepMind's surface-distance \(DICE, HDRFDST, .*\); got ASSD: it has the two"),
        ("PSNR", "nnunet", r"be of nnU-Net \(DICE, JACRD, TP, FP, TN, FN\); got PSNR: which it does not have"),
        ("HD90", "medpy", r"be of MedPy .*got HDRFDST90: it has this with percentile=100.0 or percentile=95.0"),
        ("ASD_RP", "monai", r"be of MONAI .*got ASD_RP: it has this with direction=prediction_to_r"),
        ("HD95@boundary=surfels", "monai", r"leave boundary to MONAI, which has voxels; got HDRFDST95@boundary"),
        ("HD95@pooled=False", "medpy", r"leave pooled to MedPy, which has True"),
        ("nonsense", "monai", r"be the name of a metric"),
        (metrics.metric(np.vdot, name="mine"), "monai", r"be of MONAI, whose numbers are asked for; got mine, a fun"),
    ],
)
def test_what_a_convention_does_not_have(metric, convention, text):
    with pytest.raises(ValueError, match=rf"^under_convention: `metric` must {text}"):
        under_convention(metric, convention=convention)


def test_other_conventions_and_kinds_are_refused():
    with pytest.raises(ValueError, match=r"^under_convention: `convention` must be one of deepmind, monai"):
        under_convention("DICE", convention="itk")
    with pytest.raises(TypeError, match=r"^under_convention: `metric` must be the name"):
        under_convention(3, convention="monai")


def test_defaults_of_a_package_give_way_to_what_is_asked_for():
    assert dict(under_convention("SSIM", convention="monai").options)["data_range"] == 1
    assert dict(under_convention("SSIM@data_range=2", convention="monai").options)["data_range"] == 2
    assert under_convention("ECE", convention="monai").statistic.keywords == {"bins": 20}
    assert under_convention("ECE@bins=5", convention="monai").statistic.keywords == {"bins": 5}
    row = under_convention("NRMSE@normalization=reference_range", convention="skimage")
    assert row.options == (("normalization", metrics.reference_range),)


def test_statistics_are_shared_by_the_metrics_of_a_convention():
    rows = [under_convention(name, convention="monai") for name in ("HD", "HD95", "ASSD", "NSD@2mm")]
    assert len({row.statistic for row in rows}) == 1
