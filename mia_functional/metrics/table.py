"""The metrics as data: one row each, and how a row is found by its abbreviation, name or alias.

The abbreviations are pymia's, so that old tables stay comparable. A number after an abbreviation sets the metric's
parameter: `HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`. Formula, undefined cases and source of a row are those of the
function's docstring.
"""

import dataclasses
import difflib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from mia_functional.metrics import agreement, clustering, distance, overlap, rates, regression, size, surface_agreement
from mia_functional.metrics import image_quality as quality
from mia_functional.metrics.confusion import confusion_counts
from mia_functional.metrics.moments import paired_moments
from mia_functional.metrics.spatial import centroid_distance, mahalanobis_distance, paired_spatial_moments
from mia_functional.metrics.surface import surface_distances

INFINITY = float("inf")
NAN = float("nan")
LENGTHS = ("tolerance", "width")
"""Parameters in millimetres; their numbers are written `@2mm`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is known about a metric.

    Attributes:
        name: Public name of the function.
        abbreviation: Short name in tables, with the parameter if one was given.
        aliases: Other names under which the metric is known.
        function: `function(record, **options)` or, without a statistic, `function(prediction, reference, **options)`.
        statistic: The function that makes the record from a pair; None if the function takes the pair itself.
        needs: Names of what `function` must be given besides options: "spacing", "labels".
        lowest: Smallest possible value.
        highest: Largest possible value.
        best: The end of the range that is better; NaN if neither is.
        unit: "" for numbers without unit, or "mm", "mm2", "mm3", "dB".
        symmetric: Whether prediction and reference can be swapped.
        groups: Names of the groups that the metric belongs to.
        formula: The definition.
        undefined: When the value is NaN or inf, and which; "" if never.
        source: Where the metric is defined.
        parameter: Keyword that a number in the abbreviation sets; "" if there is none.
        options: Keywords and values to call `function` with.
    """

    name: str
    abbreviation: str
    aliases: tuple[str, ...]
    function: Callable[..., Any]
    statistic: Callable[..., Any] | None
    needs: tuple[str, ...]
    lowest: float
    highest: float
    best: float
    unit: str
    symmetric: bool
    groups: tuple[str, ...]
    formula: str
    undefined: str
    source: str
    parameter: str
    options: tuple[tuple[str, float | str], ...]


def _row(function: Any, abbreviation: str, *aliases: str, group: str = "", **facts: Any) -> Metric:
    """Return the row of a function, a number from 0 to 1 with 1 the best unless told otherwise."""
    formula, sections = _document(function)
    usual = {"statistic": None, "needs": (), "lowest": 0.0, "highest": 1.0, "unit": "", "symmetric": False}
    more = {"best": facts.get("highest", 1.0), "parameter": "", "options": ()}
    return Metric(
        name=function.__name__,
        abbreviation=abbreviation,
        aliases=aliases,
        function=function,
        groups=GROUPS[group],
        formula=formula,
        undefined=sections.get("Undefined", ""),
        source=sections.get("Source", ""),
        **(usual | more | facts),
    )


def _document(function: Any) -> tuple[str, dict[str, str]]:
    """Return the formula, which is the second paragraph of a docstring, and the sections by title, each on one line."""
    paragraphs = (inspect.getdoc(function) or "").split("\n\n")
    sections = {}
    for paragraph in paragraphs[2:]:
        title, _, text = paragraph.partition(":\n")
        sections[title] = " ".join(text.split())
    formula = " ".join("".join(paragraphs[1:2]).split())
    return formula.removeprefix("Formula: ").replace("`", "").rstrip("."), sections


GROUPS = {
    "": (),
    "overlap": ("overlap", "segmentation"),
    "distance": ("distance", "segmentation"),
    "classical": ("classical", "segmentation"),
    "regression": ("regression",),
    "reconstruction": ("reconstruction",),
}
"""The groups of a row, by the one that it is listed under."""

_from_counts = partial(_row, statistic=confusion_counts)
_from_surfaces = partial(_row, statistic=surface_distances)
_from_places = partial(_row, statistic=paired_spatial_moments, group="distance", highest=INFINITY, best=0.0)
_from_moments = partial(_row, statistic=paired_moments)
_error = partial(_from_moments, group="regression", highest=INFINITY, best=0.0)
_length = partial(_from_surfaces, group="distance", highest=INFINITY, best=0.0, unit="mm")
_size = partial(_row, highest=INFINITY, best=NAN)
_volume = partial(_size, group="classical", statistic=confusion_counts, needs=("spacing",), unit="mm3")
_area = partial(_size, needs=("spacing", "labels"), unit="mm2")
_number = partial(_from_counts, group="classical", highest=INFINITY)

METRICS: tuple[Metric, ...] = (
    _from_counts(overlap.dice, "DICE", "dsc", group="overlap", symmetric=True),
    _from_counts(overlap.jaccard, "JACRD", "iou", group="overlap", symmetric=True),
    _from_counts(rates.sensitivity, "SNSVTY", "recall", "tpr", group="classical"),
    _from_counts(rates.specificity, "SPCFTY", "tnr", group="classical"),
    _from_counts(rates.fallout, "FALLOUT", "fpr", group="classical", best=0.0),
    _from_counts(rates.false_negative_rate, "FNR", group="classical", best=0.0),
    _from_counts(rates.accuracy, "ACURCY", group="classical", symmetric=True),
    _from_counts(rates.precision, "PRCISON", "ppv", group="classical"),
    _from_counts(rates.negative_predictive_value, "NPV", group="classical"),
    _number(rates.true_positives, "TP", symmetric=True),
    _number(rates.false_positives, "FP", best=0.0),
    _number(rates.true_negatives, "TN", symmetric=True),
    _number(rates.false_negatives, "FN", best=0.0),
    _from_counts(overlap.f_measure, "FMEASR", group="classical", parameter="beta"),
    _from_counts(overlap.volume_similarity, "VOLSMTY", group="overlap", symmetric=True),
    _from_counts(agreement.balanced_accuracy, "BALACC", group="classical"),
    _from_counts(agreement.youden_index, "YOUDEN", "informedness", group="classical", lowest=-1.0),
    _from_counts(agreement.matthews_correlation, "MCC", "phi", group="overlap", lowest=-1.0, symmetric=True),
    _from_counts(agreement.area_under_curve, "AUC", group="overlap"),
    _from_counts(agreement.cohen_kappa, "KAPPA", group="overlap", lowest=-1.0, symmetric=True),
    _from_counts(clustering.global_consistency_error, "GCOERR", "gce", group="distance", best=0.0, symmetric=True),
    _from_counts(clustering.rand_index, "RNDIND", group="overlap", symmetric=True),
    _from_counts(clustering.adjusted_rand_index, "ADJRIND", "ari", group="overlap", lowest=-1.0, symmetric=True),
    _from_counts(clustering.mutual_information, "MUTINF", group="overlap", unit="bit", symmetric=True),
    _from_counts(
        clustering.variation_of_information, "VARINFO", "voi", group="distance", highest=2.0, best=0.0, unit="bit",
        symmetric=True,
    ),
    _from_counts(agreement.intraclass_correlation, "ICCORR", "icc", group="overlap", lowest=-1.0, symmetric=True),
    _from_counts(
        agreement.probabilistic_distance, "PROBDST", group="distance", highest=INFINITY, best=0.0, symmetric=True
    ),
    _length(distance.hausdorff_distance, "HDRFDST", "hd", symmetric=True, parameter="percentile"),
    _row(
        distance.average_distance, "AVGDIST", "ahd", group="distance", highest=INFINITY, best=0.0, unit="mm",
        symmetric=True, needs=("spacing", "labels"),
    ),
    _length(distance.average_symmetric_surface_distance, "ASSD", symmetric=True),
    _length(distance.mean_average_surface_distance, "MASD", symmetric=True),
    _length(distance.average_surface_distance, "ASD_PR", options=(("direction", "prediction_to_reference"),)),
    _length(distance.average_surface_distance, "ASD_RP", options=(("direction", "reference_to_prediction"),)),
    _from_surfaces(surface_agreement.surface_overlap, "SURFOVLP", group="overlap", parameter="tolerance"),
    _from_surfaces(
        surface_agreement.normalized_surface_dice, "SURFDICE", "nsd", group="overlap", symmetric=True,
        parameter="tolerance",
    ),
    _row(
        surface_agreement.boundary_iou, "BIOU", group="overlap", symmetric=True, needs=("spacing", "labels"),
        parameter="width",
    ),
    _from_places(mahalanobis_distance, "MAHLNBS", symmetric=True),
    _from_places(centroid_distance, "CENDST", unit="mm", symmetric=True),
    _volume(size.prediction_volume, "PREDVOL"),
    _volume(size.reference_volume, "REFVOL"),
    _area(size.prediction_area, "PREDAREA"),
    _area(size.reference_area, "REFAREA"),
    _from_moments(regression.r_squared, "R2", group="regression", lowest=-INFINITY),
    _error(regression.mean_absolute_error, "MAE", symmetric=True),
    _error(regression.mean_squared_error, "MSE", symmetric=True),
    _error(regression.root_mean_squared_error, "RMSE", symmetric=True),
    _error(regression.normalized_root_mean_squared_error, "NRMSE"),
    _error(regression.normalized_mean_squared_error, "NMSE"),
    _from_moments(regression.pearson_correlation, "PCC", "ncc", group="regression", lowest=-1.0, symmetric=True),
    _from_moments(regression.concordance_correlation, "CCC", group="regression", lowest=-1.0, symmetric=True),
    _from_moments(
        quality.peak_signal_noise_ratio, "PSNR", group="reconstruction", lowest=-INFINITY, highest=INFINITY, unit="dB"
    ),
    _row(quality.structural_similarity, "SSIM", group="reconstruction", lowest=-1.0),
)  # fmt: skip
"""All metrics, one row each, in the order of the catalogue."""


def find(name: str) -> Metric:
    """Return the metric with an abbreviation, name or alias, whatever its case, and with the parameter that it carries.

    Args:
        name: For example `DICE`, `dice`, `dsc`, `HDRFDST95`, `SURFDICE@2mm`, `FMEASR2`.

    Returns:
        The row of the table. If `name` carries a number, `options` holds it and `abbreviation` ends with it.

    Raises:
        TypeError: The name is no text.
        ValueError: No metric is called so; the message names the nearest ones.

    Example:
        >>> find("dsc").abbreviation, find("surfdice@2.0mm").abbreviation, find("hd95").options
        ('DICE', 'SURFDICE@2mm', (('percentile', 95.0),))
    """
    if not isinstance(name, str):
        raise TypeError(f"find: `name` must be the name of a metric; got {name!r}.")
    wanted = name.strip().lower()
    if wanted in _ROWS:
        return _ROWS[wanted]
    parts = re.fullmatch(r"(?P<stem>[a-z_]+)@?(?P<number>\d+(\.\d+)?)(?P<unit>mm)?", wanted)
    row = _ROWS.get(parts["stem"]) if parts else None
    if parts is None or row is None or not row.parameter or (parts["unit"] and row.parameter not in LENGTHS):
        near = difflib.get_close_matches(wanted, _ROWS, n=3, cutoff=0.4) or list(_ROWS)[:3]
        known = ", ".join(dict.fromkeys(_ROWS[key].abbreviation for key in near))
        raise ValueError(f"find: `name` must be the name of a metric; got {name!r}; the nearest are {known}.")
    value = float(parts["number"])
    suffix = f"@{value:g}mm" if row.parameter in LENGTHS else f"{value:g}"
    return dataclasses.replace(
        row, abbreviation=row.abbreviation + suffix, options=(*row.options, (row.parameter, value))
    )


def group(name: str) -> tuple[Metric, ...]:
    """Return the metrics of a group: overlap, distance, classical, segmentation, regression or reconstruction.

    Args:
        name: One of the groups; `segmentation` is the first three together.

    Returns:
        Rows of the table, in its order.

    Raises:
        ValueError: There is no such group.

    Example:
        >>> [metric.abbreviation for metric in group("reconstruction")]
        ['PSNR', 'SSIM']
    """
    known = sorted({entry for metric in METRICS for entry in metric.groups})
    if name not in known:
        raise ValueError(f"group: `name` must be one of {', '.join(known)}; got {name!r}.")
    return tuple(metric for metric in METRICS if name in metric.groups)


_ROWS: dict[str, Metric] = {}
"""The rows by every name that finds them; where two rows share a function, its name finds the first."""
for _metric in METRICS:
    for _key in (_metric.abbreviation, _metric.name, *_metric.aliases):
        _ROWS.setdefault(_key.lower(), _metric)
