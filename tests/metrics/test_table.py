"""The metric table: complete, consistent with the docstrings, and found by name."""

import inspect
import json
import math
import pkgutil
import re
import subprocess
import sys

import pytest

from mia_functional import metrics
from mia_functional.metrics import METRICS, confusion_counts, documentation, find, group, names

OVERLAP = [
    "ADJRIND", "AUC", "KAPPA", "DICE", "ICCORR", "JACRD", "MUTINF", "RNDIND", "SURFOVLP", "SURFDICE", "VOLSMTY",
]  # fmt: skip
DISTANCE = ["HDRFDST", "AVGDIST", "MAHLNBS", "VARINFO", "GCOERR", "PROBDST"]
CLASSICAL = [
    "SNSVTY", "SPCFTY", "PRCISON", "FMEASR", "ACURCY", "FALLOUT", "FNR", "TP", "FP", "TN", "FN", "REFVOL", "PREDVOL",
]  # fmt: skip
OTHER = ["REFAREA", "PREDAREA", "R2", "MAE", "MSE", "RMSE", "NRMSE", "PSNR", "SSIM"]
PYMIA = [*OVERLAP, *DISTANCE, *CLASSICAL, *OTHER]
MORE = [
    "AVD", "RVD", "BETTI0", "BETTI1", "BETTI2", "EULER", "CLDICE", "CLPRECISION", "CLSENSITIVITY",
    "BRANCHERR", "TUBESPLITS", "TUBEMERGES",
    "ECE", "MCE", "ACE", "RMSCE", "BRIER", "NLL", "AUROC", "AP",
    "AURC", "EAURC", "UEDICE",
    "LESION_PRECISION", "LESION_RECALL", "LESION_F1", "RQ", "SQ", "PQ", "AUTC", "LESION_FP", "LESION_SPLITS",
    "LESION_MERGES", "LESION_MISSED", "LESION_FALSE", "CCDICE",
    "LESION_COUNT", "BRATS_DICE", "BRATS_HD95", "BRATS_NSD",
    "NPV", "BALACC", "YOUDEN", "MCC", "ASSD", "MASD", "ASD_PR", "ASD_RP", "BIOU", "CENDST", "NMSE", "PCC", "CCC",
]  # fmt: skip
SUFFIXES = {"tolerance": "@1mm", "width": "@1mm", "threshold": "@IoU0.5"}
"""What names end with by default, by the parameter of the metric."""

ROWS = pytest.mark.parametrize("row", METRICS, ids=lambda row: row.abbreviation)


def test_the_catalogue_is_complete():
    abbreviations = [row.abbreviation for row in METRICS]
    assert sorted(abbreviations) == sorted([*PYMIA, *MORE])
    assert len(set(abbreviations)) == len(abbreviations)


@ROWS
def test_a_row_is_public_and_documented(row):
    assert getattr(metrics, row.name) is row.function
    assert row.name in metrics.__all__
    assert row.formula
    assert row.source
    assert "doi" in row.source or "arXiv" in row.source or row.name in ("f_measure", "r_squared")
    text = inspect.getdoc(row.function)
    assert ">>>" in text
    assert "Returns:" in text
    assert row.lowest < row.highest
    assert math.isnan(row.best) or row.best in (row.lowest, row.highest)
    words = {row.lowest: "lower is better", row.highest: "higher is better"}
    assert words.get(row.best, "") in text
    if row.undefined:
        assert "NaN" in row.undefined or "zero_division" in row.undefined


def one_line(text):
    """Return a paragraph on one line."""
    return " ".join(text.split())


@ROWS
def test_a_row_says_what_the_docstring_says(row):
    summary, formula, *rest = inspect.getdoc(row.function).split("\n\n")
    assert row.name == row.function.__name__
    assert summary in (f"Return the {row.summary}.", f"Return {row.summary}.")
    formula = one_line(formula).removeprefix("Formula: ").replace("`", "")
    definition = {f"{row.formula}{mark}{row.where}." for mark in (", ", "; ")} if row.where else {f"{row.formula}."}
    assert formula in definition | {entry.removesuffix(".") for entry in definition}
    sections = dict(paragraph.split(":\n", 1) for paragraph in rest if re.match(r"[A-Z][a-z ]+:\n", paragraph))
    assert row.undefined == one_line(sections.get("Undefined", ""))
    assert row.source == one_line(sections["Source"])


@pytest.mark.slow
def test_the_rows_are_complete_where_docstrings_are_stripped():
    fields = "name", "summary", "formula", "where", "undefined", "source"
    program = f"""
import json, mia_functional as mia
assert mia.metrics.overlap.__doc__ is None
print(json.dumps([[getattr(row, name) for name in {fields}] for row in mia.metrics.METRICS]))
print(mia.metrics.find('dice').formula)
print(mia.metrics.describe('hd95'), end='')
"""
    result = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, encoding="utf-8", check=True)
    rows, formula, *description = result.stdout.splitlines()
    assert json.loads(rows) == [[getattr(row, name) for name in fields] for row in METRICS]
    assert formula == "2 TP / (2 TP + FP + FN)"
    assert description == documentation.describe("hd95").splitlines()


@ROWS
def test_the_keywords_of_a_row_exist(row):
    known = inspect.signature(row.function).parameters
    assert not row.parameter or row.parameter in known
    assert {key for key, _ in row.options} <= known.keys()
    assert set(row.needs) <= {"spacing", "labels"}
    assert set(row.needs) <= known.keys()
    if row.statistic is None:
        assert [*known][:2] == ["prediction", "reference"]


def test_every_name_finds_its_row():
    for row in METRICS:
        for name in (row.abbreviation, row.abbreviation.lower(), *row.aliases, f" {row.name.title()} "):
            if row.abbreviation not in ("ASD_RP", "BETTI1", "BETTI2") or name == row.abbreviation:
                assert find(name).abbreviation == row.abbreviation + SUFFIXES.get(row.parameter, "")
    names = [key for row in METRICS for key in {row.abbreviation.lower(), row.name, *row.aliases}]
    assert {name for name in names if names.count(name) > 1} == {"average_surface_distance", "betti_error"}


def test_pymias_name_of_the_intraclass_correlation_is_an_alias():
    assert metrics.interclass_correlation is metrics.intraclass_correlation
    assert find("interclass_correlation") is find("ICCORR") is find("intraclass_correlation")


def test_canonical_abbreviations_of_all_names():
    for row in METRICS:
        for name in (row.abbreviation, row.name, *row.aliases):
            if name not in ("average_surface_distance", "betti_error"):
                assert names.canonical_abbreviation(name.upper()) == find(row.abbreviation).abbreviation
    for name, abbreviation in (("hd95", "HDRFDST95"), ("nsd@2", "SURFDICE@2mm"), ("R2", "R2"), ("MINE7", "MINE7")):
        assert names.canonical_abbreviation(name) == abbreviation


@pytest.mark.parametrize(
    ("name", "abbreviation", "options"),
    [
        ("HDRFDST95", "HDRFDST95", (("percentile", 95.0),)),
        ("hd95", "HDRFDST95", (("percentile", 95.0),)),
        ("hdrfdst97.5", "HDRFDST97.5", (("percentile", 97.5),)),
        ("SURFDICE@2mm", "SURFDICE@2mm", (("tolerance", 2.0),)),
        ("surfdice@2.0", "SURFDICE@2mm", (("tolerance", 2.0),)),
        ("SURFDICE0.5mm", "SURFDICE@0.5mm", (("tolerance", 0.5),)),
        ("nsd1", "SURFDICE@1mm", (("tolerance", 1.0),)),
        ("SURFOVLP@3mm", "SURFOVLP@3mm", (("tolerance", 3.0),)),
        ("BIOU@2mm", "BIOU@2mm", (("width", 2.0),)),
        ("FMEASR2", "FMEASR2", (("beta", 2.0),)),
        ("ASD_RP", "ASD_RP", (("direction", "reference_to_prediction"),)),
        ("R2", "R2", ()),
        ("lesion_f1", "LESION_F1@IoU0.5", ()),
        ("PQ@dice0.30", "PQ@Dice0.3", ()),
        ("rq@ior1", "RQ@IoR1", ()),
        ("LESION_F1@matching=any_overlap", "LESION_F1@matching=any_overlap", ()),
        ("SQ@IoU0.2,matching=bipartite", "SQ@IoU0.2,matching=bipartite", ()),
    ],
)
def test_parameters_are_read_from_the_name(name, abbreviation, options):
    row = find(name)
    assert (row.abbreviation, row.options) == (abbreviation, options)


@pytest.mark.parametrize(
    "name",
    ["", "DICE2", "HDRFDST95mm", "FMEASR@2mm", "HDRFDST-5", "SURFDICE@", "95", "R22", "dise", "PQ@0.5", "DICE@IoU"],
)
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match=r"`name` must be the name of a metric; got .*; the nearest are"):
        find(name)


def test_the_nearest_names_are_told():
    with pytest.raises(ValueError, match="the nearest are DICE"):
        find("dise")
    with pytest.raises(TypeError, match="got 7"):
        find(7)


def test_groups_are_pymias():
    groups = {name: {row.abbreviation for row in group(name)} for name in ("overlap", "distance", "classical")}
    assert groups["overlap"] >= set(OVERLAP)
    assert groups["distance"] >= set(DISTANCE)
    assert groups["classical"] >= set(CLASSICAL)
    assert {row.abbreviation for row in group("segmentation")} == set.union(*groups.values())
    assert sum(map(len, groups.values())) == len(group("segmentation"))
    assert {row.abbreviation for row in group("regression")} == {
        "R2",
        "MAE",
        "MSE",
        "RMSE",
        "NRMSE",
        "NMSE",
        "PCC",
        "CCC",
    }
    assert {row.abbreviation for row in group("reconstruction")} == {"PSNR", "SSIM"}
    assert {row.statistic for row in group("instances")} == {
        metrics.instance_matches, metrics.component_counts, metrics.brats_lesion_wise
    }  # fmt: skip
    with pytest.raises(ValueError, match="must be one of calibration, classical, distance"):
        group("all")


def test_rows_are_values():
    assert find("DICE") == find("dsc")
    assert len({*METRICS}) == len(METRICS)
    assert find("DICE").statistic is confusion_counts


def test_markdown_has_one_line_per_metric_and_six_cells():
    lines = documentation.table_markdown().splitlines()
    assert len(lines) == len(METRICS) + 2
    for line in lines:
        assert line.replace(r"\|", "").count("|") == 7
    assert "| HDRFDST[95] | `hausdorff_distance` or hd |" in documentation.table_markdown()
    assert "| SURFDICE[@2mm] |" in documentation.table_markdown()


def test_listing_has_one_line_per_metric():
    lines = documentation.listing().splitlines()
    assert [line.split()[1] for line in lines] == [row.name for row in METRICS]


def test_a_description_tells_everything():
    text = documentation.describe("nsd")
    for words in (
        "SURFDICE",
        "normalized_surface_dice (nsd)",
        "0 to 1",
        "tolerance, as in SURFDICE[@2mm]",
        "arXiv 1809.04430",
        "overlap, segmentation",
    ):
        assert words in text
    assert "Options    percentile=95.0" in documentation.describe("hd95")
    assert "Undefined  never" in documentation.describe("TP")
    assert "Best" not in documentation.describe("PREDVOL")
    assert max(map(len, text.splitlines())) <= 100
    with pytest.raises(ValueError, match="must be the name of a metric"):
        documentation.describe("nothing")


def test_no_public_name_hides_a_module():
    modules = {module.name for module in pkgutil.iter_modules(metrics.__path__)}
    assert modules.isdisjoint(metrics.__all__)
    assert sorted(metrics.__all__) == dir(metrics)
