"""The metrics as data: one row each. The abbreviations are pymia's, so that old tables stay comparable."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from mia_functional.metrics import (
    agreement,
    brats_lesions,
    calibration,
    centerlines,
    clustering,
    distance,
    image_quality,
    lesions,
    match_thresholds,
    overlap,
    rates,
    regression,
    risk_coverage,
    size,
    surface_agreement,
    topology,
    tubes,
)
from mia_functional.metrics.component_regions import component_counts, component_dice
from mia_functional.metrics.confusion import confusion_counts
from mia_functional.metrics.instances import instance_matches
from mia_functional.metrics.moments import paired_moments
from mia_functional.metrics.probability_bins import calibration_bins
from mia_functional.metrics.spatial import centroid_distance, mahalanobis_distance, paired_spatial_moments
from mia_functional.metrics.surface import surface_distances
from mia_functional.metrics.thresholds import area_under_roc_curve, average_precision, threshold_counts
from mia_functional.metrics.uncertainty import decision_counts, uncertainty_error_dice

__all__ = ["LENGTH_PARAMETERS", "METRICS", "Empties", "Metric"]

LENGTH_PARAMETERS = ("tolerance", "width")
"""Parameters in millimetres; their numbers are written `@2mm`."""


class Empties(NamedTuple):
    """What a value is where masks are empty, in place of what the function gives; None for that.

    Attributes:
        both: Both masks are empty.
        prediction: The prediction alone.
        reference: The reference alone.
    """

    both: float | None = None
    prediction: float | None = None
    reference: float | None = None


_AS_COMPUTED = Empties()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What is known about a metric.

    Attributes:
        name: Public name of the function.
        abbreviation: Short name in tables, with the parameter if one was given.
        function: `function(record, **options)` or, without a statistic, `function(prediction, reference, **options)`.
        summary: What it is, in one line; the first of the function's docstring.
        formula: The definition.
        where: What the symbols of the formula mean, and how it is computed; "" if nothing needs to be said.
        undefined: When the value is NaN or inf, and which; "" if never.
        source: Where the metric is defined.
        groups: Names of the groups that the metric belongs to.
        aliases: Other names under which the metric is known.
        statistic: The function that makes the record from a pair; None if the function takes the pair itself.
        needs: Names of what `function` must be given besides options: "spacing", "labels".
        lowest: Smallest possible value.
        highest: Largest possible value.
        best: The end of the range that is better; NaN if neither is.
        unit: "" for numbers without unit, or "mm", "mm2", "mm3", "dB", "bit".
        symmetric: Whether prediction and reference can be swapped.
        parameter: Keyword that a number in the abbreviation sets; "" if there is none.
        options: Keywords and values to call `function` with.
        convention: Name of the package whose number it is, see `metrics.conventions`; "" for ours.
        empties: What a table has where masks are empty, if that package has other values there than any option gives.
    """

    name: str
    abbreviation: str
    function: Callable[..., Any]
    summary: str
    formula: str
    source: str
    groups: tuple[str, ...]
    where: str = ""
    undefined: str = ""
    aliases: tuple[str, ...] = ()
    statistic: Callable[..., Any] | None = None
    needs: tuple[str, ...] = ()
    lowest: float = 0.0
    highest: float = 1.0
    best: float = 1.0
    unit: str = ""
    symmetric: bool = False
    parameter: str = ""
    options: tuple[tuple[str, float | str], ...] = ()
    convention: str = ""
    empties: Empties = _AS_COMPUTED


_FOUND_AND_MISSED = (
    "with TP the reference components that are found, FP the predicted ones and FN the reference ones without a match"
)

# Facts of a docstring are written a second time here: programs read the rows, also under `python -OO`, and a test
# compares both.
METRICS: tuple[Metric, ...] = (
    Metric(
        name="dice",
        abbreviation="DICE",
        aliases=("dsc",),
        function=overlap.dice,
        statistic=confusion_counts,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="Dice similarity coefficient (DSC, F1 score): twice the overlap over the sum of the sizes",
        formula="2 TP / (2 TP + FP + FN)",
        undefined="Both masks empty: NaN. One empty: 0.",
        source="Dice 1945, doi 10.2307/1932409.",
    ),
    Metric(
        name="jaccard",
        abbreviation="JACRD",
        aliases=("iou",),
        function=overlap.jaccard,
        statistic=confusion_counts,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="Jaccard index (IoU): the intersection over the union",
        formula="TP / (TP + FP + FN)",
        undefined="Both masks empty: NaN. One empty: 0.",
        source="Jaccard 1912, doi 10.1111/j.1469-8137.1912.tb05611.x.",
    ),
    Metric(
        name="sensitivity",
        abbreviation="SNSVTY",
        aliases=("recall", "tpr"),
        function=rates.sensitivity,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="sensitivity (recall, true positive rate, TPR): the share of the reference that is predicted",
        formula="TP / (TP + FN)",
        undefined="Reference empty: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="specificity",
        abbreviation="SPCFTY",
        aliases=("tnr",),
        function=rates.specificity,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="specificity (true negative rate, TNR): the share of the background that is predicted as such",
        formula="TN / (TN + FP)",
        undefined="Reference full: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="fallout",
        abbreviation="FALLOUT",
        aliases=("fpr",),
        function=rates.fallout,
        statistic=confusion_counts,
        best=0.0,
        groups=("classical", "segmentation"),
        summary="fallout (false positive rate, FPR): the share of the background that is predicted as structure",
        formula="FP / (FP + TN)",
        undefined="Reference full: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="false_negative_rate",
        abbreviation="FNR",
        function=rates.false_negative_rate,
        statistic=confusion_counts,
        best=0.0,
        groups=("classical", "segmentation"),
        summary="false negative rate (FNR, miss rate): the share of the reference that is missed",
        formula="FN / (FN + TP)",
        undefined="Reference empty: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="accuracy",
        abbreviation="ACURCY",
        function=rates.accuracy,
        statistic=confusion_counts,
        symmetric=True,
        groups=("classical", "segmentation"),
        summary="accuracy: the share of all voxels that are predicted correctly",
        formula="(TP + TN) / (TP + FP + FN + TN)",
        undefined="No voxels: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="precision",
        abbreviation="PRCISON",
        aliases=("ppv",),
        function=rates.precision,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="precision (positive predictive value, PPV): the share of the prediction that is correct",
        formula="TP / (TP + FP)",
        undefined="Prediction empty: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="negative_predictive_value",
        abbreviation="NPV",
        function=rates.negative_predictive_value,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="negative predictive value (NPV): the share of the predicted background that is correct",
        formula="TN / (TN + FN)",
        undefined="Prediction full: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="true_positives",
        abbreviation="TP",
        function=rates.true_positives,
        statistic=confusion_counts,
        highest=math.inf,
        best=math.inf,
        symmetric=True,
        groups=("classical", "segmentation"),
        summary="number of voxels that are in both P and R",
        formula="TP",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="false_positives",
        abbreviation="FP",
        function=rates.false_positives,
        statistic=confusion_counts,
        highest=math.inf,
        best=0.0,
        groups=("classical", "segmentation"),
        summary="number of voxels that are in P but not in R",
        formula="FP",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="true_negatives",
        abbreviation="TN",
        function=rates.true_negatives,
        statistic=confusion_counts,
        highest=math.inf,
        best=math.inf,
        symmetric=True,
        groups=("classical", "segmentation"),
        summary="number of voxels that are in neither P nor R",
        formula="TN",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="false_negatives",
        abbreviation="FN",
        function=rates.false_negatives,
        statistic=confusion_counts,
        highest=math.inf,
        best=0.0,
        groups=("classical", "segmentation"),
        summary="number of voxels that are in R but not in P",
        formula="FN",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="f_measure",
        abbreviation="FMEASR",
        function=overlap.f_measure,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="F-measure: the harmonic mean of precision and sensitivity, the latter weighted by beta squared",
        formula="(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP)",
        where="with b = beta",
        undefined="Both masks empty: NaN. One empty: 0.",
        source="van Rijsbergen 1979, Information Retrieval, chapter 7.",
        parameter="beta",
    ),
    Metric(
        name="volume_similarity",
        abbreviation="VOLSMTY",
        function=overlap.volume_similarity,
        statistic=confusion_counts,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="volume similarity: one minus the relative difference of the sizes, whatever the positions",
        formula="1 - |FN - FP| / (2 TP + FP + FN)",
        where="computed as 2 (TP + min(FN, FP)) / (2 TP + FP + FN), which cannot cancel",
        undefined="Both masks empty: NaN. One empty: 0.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="balanced_accuracy",
        abbreviation="BALACC",
        function=agreement.balanced_accuracy,
        statistic=confusion_counts,
        groups=("classical", "segmentation"),
        summary="balanced accuracy: the mean of sensitivity and specificity, or of the sensitivities of all classes",
        formula="(TP / (TP + FN) + TN / (TN + FP)) / 2",
        where="of a matrix, the mean of TP / (TP + FN) over its classes",
        undefined="Reference empty or full, or a class of the matrix not in the reference: NaN.",
        source="Brodersen et al. 2010, doi 10.1109/ICPR.2010.764.",
    ),
    Metric(
        name="youden_index",
        abbreviation="YOUDEN",
        aliases=("informedness",),
        function=agreement.youden_index,
        statistic=confusion_counts,
        lowest=-1.0,
        groups=("classical", "segmentation"),
        summary="Youden's index (bookmaker informedness): sensitivity plus specificity minus one",
        formula="TP / (TP + FN) + TN / (TN + FP) - 1",
        undefined="Reference empty or full: NaN.",
        source="Youden 1950, doi 10.1002/1097-0142(1950)3:1<32::AID-CNCR2820030106>3.0.CO;2-3.",
    ),
    Metric(
        name="matthews_correlation",
        abbreviation="MCC",
        aliases=("phi",),
        function=agreement.matthews_correlation,
        statistic=confusion_counts,
        lowest=-1.0,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="Matthews correlation coefficient (MCC, phi): the correlation of the two masks",
        formula="(TP TN - FP FN) / sqrt((TP + FP) (TN + FN) (TP + FN) (TN + FP))",
        where=(
            "on proportions; of a matrix, each of the three terms is summed over the classes against the rest, sum (TP"
            " TN - FP FN) and so on (Gorodkin's R_K)"
        ),
        undefined="A mask empty or full, or a single class on one side of the matrix: NaN.",
        source=(
            "Matthews 1975, doi 10.1016/0005-2795(75)90109-9; Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006."
        ),
    ),
    Metric(
        name="area_under_curve",
        abbreviation="AUC",
        function=agreement.area_under_curve,
        statistic=confusion_counts,
        groups=("overlap", "segmentation"),
        summary="area under the ROC curve (AUC) of ONE threshold, (TPR - FPR + 1) / 2, not of a curve of thresholds",
        formula="(TPR - FPR + 1) / 2",
        where="with the rates TPR = TP / (TP + FN) and FPR = FP / (FP + TN)",
        undefined="Reference empty or full: NaN.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="cohen_kappa",
        abbreviation="KAPPA",
        function=agreement.cohen_kappa,
        statistic=confusion_counts,
        lowest=-1.0,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="Cohen's kappa: the agreement beyond what chance alone would produce",
        formula="(p_o - p_e) / (1 - p_e)",
        where=(
            "with the observed and the expected share of equal voxels; computed as 2 (TP TN - FP FN) / ((TP + FP) (FP "
            "+ TN) + (FN + TN) (TP + FN)) on proportions, which is the same and cannot cancel; of a matrix, both terms"
            " are summed over the classes against the rest"
        ),
        undefined="Both masks empty, or both full, or all voxels in one class on both sides of the matrix: NaN.",
        source="Cohen 1960, doi 10.1177/001316446002000104.",
    ),
    Metric(
        name="global_consistency_error",
        abbreviation="GCOERR",
        aliases=("gce",),
        function=clustering.global_consistency_error,
        statistic=confusion_counts,
        best=0.0,
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="global consistency error (GCE): how far the partitions are from one refining the other",
        formula=(
            "1 / n min(FN (FN + 2 TP) / (TP + FN) + FP (FP + 2 TN) / (TN + FP), FP (FP + 2 TP) / (TP + FP) + FN (FN + "
            "2 TN) / (TN + FN))"
        ),
        where="a term of an empty class is 0",
        undefined="No voxels: NaN.",
        source=(
            "Martin et al. 2001, doi 10.1109/ICCV.2001.937655; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x."
        ),
    ),
    Metric(
        name="rand_index",
        abbreviation="RNDIND",
        function=clustering.rand_index,
        statistic=confusion_counts,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="Rand index: the share of voxel pairs on which both partitions agree, together or apart",
        formula="(a + d) / (a + b + c + d) over all pairs of voxels",
        where="computed as (s (s - 1) + e (e - 1)) / (n (n - 1)) with s = TP + TN and e = FP + FN",
        undefined="Fewer than two voxels: NaN.",
        source="Rand 1971, doi 10.1080/01621459.1971.10482356; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="adjusted_rand_index",
        abbreviation="ADJRIND",
        aliases=("ari",),
        function=clustering.adjusted_rand_index,
        statistic=confusion_counts,
        lowest=-1.0,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="adjusted Rand index (ARI): the Rand index corrected for chance, 0 for random partitions",
        formula="2 (a d - b c) / ((a + b) (b + d) + (a + c) (c + d)) over all pairs of voxels",
        where="computed from proportions",
        undefined="No voxels: NaN. A single class in both masks: 1.",
        source="Hubert and Arabie 1985, doi 10.1007/BF01908075; Steinley 2004, doi 10.1037/1082-989X.9.3.386.",
    ),
    Metric(
        name="mutual_information",
        abbreviation="MUTINF",
        function=clustering.mutual_information,
        statistic=confusion_counts,
        unit="bit",
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="mutual information: how many bits of information one mask gives about the other",
        formula="H(P) + H(R) - H(P, R) = sum p_ij log2(p_ij / (p_i p_j))",
        where="with 0 log 0 = 0",
        undefined="No voxels: NaN. A constant mask: 0.",
        source="Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="variation_of_information",
        abbreviation="VARINFO",
        aliases=("voi",),
        function=clustering.variation_of_information,
        statistic=confusion_counts,
        highest=2.0,
        best=0.0,
        unit="bit",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="variation of information: how many bits it takes to know each mask from the other",
        formula="H(P) + H(R) - 2 MI = H(P | R) + H(R | P), base 2",
        where="with 0 log 0 = 0",
        undefined="No voxels: NaN.",
        source="Meila 2003, doi 10.1007/978-3-540-45167-9_14; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="intraclass_correlation",
        abbreviation="ICCORR",
        aliases=("icc",),
        function=agreement.intraclass_correlation,
        statistic=confusion_counts,
        lowest=-1.0,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="one-way intraclass correlation (ICC) of the two images, seen as two raters of every voxel",
        formula="(MSb - MSw) / (MSb + MSw)",
        where=(
            "with m = (P + R) / 2 and mu its mean over the n voxels: MSb = 2 / (n - 1) sum (m - mu)^2, MSw = 1 / n sum"
            " ((P - m)^2 + (R - m)^2)"
        ),
        undefined="Both images constant and equal, or fewer than two voxels: NaN.",
        source=(
            "Shrout and Fleiss 1979, doi 10.1037/0033-2909.86.2.420; Taha and Hanbury 2015, doi "
            "10.1186/s12880-015-0068-x."
        ),
    ),
    Metric(
        name="probabilistic_distance",
        abbreviation="PROBDST",
        function=agreement.probabilistic_distance,
        statistic=confusion_counts,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="probabilistic distance between two masks, which may be fuzzy",
        formula="sum |P - R| / (2 sum P R) = (FP + FN) / (2 TP)",
        undefined="No overlap: inf. Both masks empty: NaN.",
        source="Gerig et al. 2001, doi 10.1007/3-540-45468-3_62; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="hausdorff_distance",
        abbreviation="HDRFDST",
        aliases=("hd",),
        function=distance.hausdorff_distance,
        statistic=surface_distances,
        highest=math.inf,
        best=0.0,
        unit="mm",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="Hausdorff distance (HD), or a percentile of it such as HD95",
        formula="HD_p = max(P_p(d(x), x in prediction), P_p(d(y), y in reference))",
        where=(
            "with d the distance to the other surface and P_p the percentile: of areas the smallest distance that "
            "covers p percent of the area, of counted elements NumPy's linear rule"
        ),
        undefined="One structure empty: inf. Both empty: NaN.",
        source="S. Nikolov et al., 2018, arXiv 1809.04430.",
        parameter="percentile",
    ),
    Metric(
        name="average_distance",
        abbreviation="AVGDIST",
        aliases=("ahd",),
        function=distance.average_distance,
        needs=("spacing", "labels"),
        highest=math.inf,
        best=0.0,
        unit="mm",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="average Hausdorff distance (AHD): the larger of the mean distances over all foreground voxels",
        formula="AVD = max(mean of d(x) over x in prediction, mean of d(y) over y in reference)",
        where=(
            "with d the distance to the nearest voxel of the other structure; inner voxels count, so that the overlap "
            "adds zeros"
        ),
        undefined="One structure empty: inf. Both empty: NaN.",
        source="A. A. Taha and A. Hanbury, 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="average_symmetric_surface_distance",
        abbreviation="ASSD",
        function=distance.average_symmetric_surface_distance,
        statistic=surface_distances,
        highest=math.inf,
        best=0.0,
        unit="mm",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="average symmetric surface distance (ASSD): the mean distance of both surfaces together",
        formula="ASSD = (sum w(x) d(x) + sum w(y) d(y)) / (sum w(x) + sum w(y))",
        where="x on the prediction, y on the reference, weights w",
        undefined="One structure empty: inf. Both empty: NaN.",
        source=(
            "T. Heimann et al., Comparison and evaluation of methods for liver segmentation, 2009, doi "
            "10.1109/TMI.2009.2013851."
        ),
    ),
    Metric(
        name="mean_average_surface_distance",
        abbreviation="MASD",
        function=distance.mean_average_surface_distance,
        statistic=surface_distances,
        highest=math.inf,
        best=0.0,
        unit="mm",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="mean average surface distance (MASD): the mean of the two directed averages",
        formula=(
            "MASD = (mean of d over the prediction's surface + mean of d over the reference's surface) / 2, weighted"
        ),
        undefined="One structure empty: inf. Both empty: NaN.",
        source="L. Maier-Hein et al., Metrics reloaded, 2024, doi 10.1038/s41592-023-02151-z.",
    ),
    Metric(
        name="average_surface_distance",
        abbreviation="ASD_PR",
        function=distance.average_surface_distance,
        statistic=surface_distances,
        highest=math.inf,
        best=0.0,
        unit="mm",
        groups=("distance", "segmentation"),
        summary="directed average surface distance (ASD): the mean distance of one surface to the other",
        formula="ASD = sum w(x) d(x) / sum w(x)",
        where="x on the surface that the direction starts from, weights w",
        undefined="One structure empty: inf. Both empty: NaN.",
        source="S. Nikolov et al., 2018, arXiv 1809.04430.",
        options=(("direction", "prediction_to_reference"),),
    ),
    Metric(
        name="average_surface_distance",
        abbreviation="ASD_RP",
        function=distance.average_surface_distance,
        statistic=surface_distances,
        highest=math.inf,
        best=0.0,
        unit="mm",
        groups=("distance", "segmentation"),
        summary="directed average surface distance (ASD): the mean distance of one surface to the other",
        formula="ASD = sum w(x) d(x) / sum w(x)",
        where="x on the surface that the direction starts from, weights w",
        undefined="One structure empty: inf. Both empty: NaN.",
        source="S. Nikolov et al., 2018, arXiv 1809.04430.",
        options=(("direction", "reference_to_prediction"),),
    ),
    Metric(
        name="surface_overlap",
        abbreviation="SURFOVLP",
        function=surface_agreement.surface_overlap,
        statistic=surface_distances,
        groups=("overlap", "segmentation"),
        summary="share of one surface that lies within a tolerance of the other (surface overlap)",
        formula="overlap = sum w(x) [d(x) <= tolerance] / sum w(x)",
        where="x on the surface that the direction starts from, weights w",
        undefined="The surface that the direction starts from is empty: NaN, or `zero_division`.",
        source="S. Nikolov et al., 2018, arXiv 1809.04430.",
        parameter="tolerance",
    ),
    Metric(
        name="normalized_surface_dice",
        abbreviation="SURFDICE",
        aliases=("nsd",),
        function=surface_agreement.normalized_surface_dice,
        statistic=surface_distances,
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="share of both surfaces that lies within a tolerance of the other (NSD, surface Dice)",
        formula="NSD = (sum w(x) [d(x) <= tolerance] + sum w(y) [d(y) <= tolerance]) / (sum w(x) + sum w(y))",
        where="x on the prediction, y on the reference, weights w",
        undefined="Both structures empty: NaN, or `zero_division`. One empty: 0.",
        source="S. Nikolov et al., 2018, arXiv 1809.04430.",
        parameter="tolerance",
    ),
    Metric(
        name="boundary_iou",
        abbreviation="BIOU",
        function=surface_agreement.boundary_iou,
        needs=("spacing", "labels"),
        symmetric=True,
        groups=("overlap", "segmentation"),
        summary="boundary IoU: the Jaccard index of the two bands along the insides of the boundaries",
        formula="BIoU = |B(P) and B(R)| / |B(P) or B(R)|",
        where=(
            "where B(M) are the voxels of M whose centre is at most width from the centre of a voxel outside of M. "
            "What lies beyond the image counts as outside"
        ),
        undefined="Both bands empty: NaN, or `zero_division`.",
        source=(
            "B. Cheng et al., Boundary IoU: improving object-centric image segmentation evaluation, 2021, arXiv "
            "2103.16562."
        ),
        parameter="width",
    ),
    Metric(
        name="mahalanobis_distance",
        abbreviation="MAHLNBS",
        function=mahalanobis_distance,
        statistic=paired_spatial_moments,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="Mahalanobis distance between the centroids of two structures, with their pooled covariance",
        formula="sqrt(d^T S^-1 d) with d = mean_P - mean_R and S = (n_P S_P + n_R S_R) / (n_P + n_R)",
        where="where the n are the numbers of voxels and the S their sample covariances",
        undefined=(
            "One mask empty: inf. Both empty, or a structure of one voxel, or both structures flat along one "
            "direction: NaN."
        ),
        source="Mahalanobis 1936; Taha and Hanbury 2015, doi 10.1186/s12880-015-0068-x.",
    ),
    Metric(
        name="centroid_distance",
        abbreviation="CENDST",
        function=centroid_distance,
        statistic=paired_spatial_moments,
        highest=math.inf,
        best=0.0,
        unit="mm",
        symmetric=True,
        groups=("distance", "segmentation"),
        summary="Euclidean distance between the centroids of two structures (centre of mass distance)",
        formula="|mean_P - mean_R|",
        undefined="One mask empty: inf. Both empty: NaN.",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
    ),
    Metric(
        name="lesion_precision",
        abbreviation="LESION_PRECISION",
        function=lesions.lesion_precision,
        statistic=instance_matches,
        groups=("instances",),
        summary="share of the predicted components that are right: lesion-wise precision",
        formula="TP / (TP + FP)",
        where=_FOUND_AND_MISSED,
        undefined="Nothing predicted: NaN, or `zero_division`.",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
        parameter="threshold",
    ),
    Metric(
        name="lesion_recall",
        abbreviation="LESION_RECALL",
        aliases=("lesion_sensitivity",),
        function=lesions.lesion_recall,
        statistic=instance_matches,
        groups=("instances",),
        summary="share of the reference components that are found: lesion-wise recall (sensitivity)",
        formula="TP / (TP + FN)",
        where=_FOUND_AND_MISSED,
        undefined="No reference component: NaN, or `zero_division`.",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
        parameter="threshold",
    ),
    Metric(
        name="lesion_f1",
        abbreviation="LESION_F1",
        function=lesions.lesion_f1,
        statistic=instance_matches,
        symmetric=True,
        groups=("instances",),
        summary="lesion-wise F1 score: the harmonic mean of precision and recall of components",
        formula="2 TP / (2 TP + FP + FN)",
        where=_FOUND_AND_MISSED,
        undefined="No component in either: NaN, or `zero_division`. In one only: 0.",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
        parameter="threshold",
    ),
    Metric(
        name="recognition_quality",
        abbreviation="RQ",
        function=lesions.recognition_quality,
        statistic=instance_matches,
        symmetric=True,
        groups=("instances",),
        summary="recognition quality (RQ), the factor of the panoptic quality that says how many components are found",
        formula="TP / (TP + FP / 2 + FN / 2)",
        where=_FOUND_AND_MISSED,
        undefined="No component in either: NaN, or `zero_division`. In one only: 0.",
        source="Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.",
        parameter="threshold",
    ),
    Metric(
        name="segmentation_quality",
        abbreviation="SQ",
        function=lesions.segmentation_quality,
        statistic=instance_matches,
        symmetric=True,
        groups=("instances",),
        summary="segmentation quality (SQ), the factor of the panoptic quality that says how well they are segmented",
        formula="sum IoU / TP",
        where=(
            "over the TP reference components that are found, with the "
            "union of the predicted ones that are matched to each"
        ),
        undefined="No component found: NaN, or `zero_division`.",
        source="Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.",
        parameter="threshold",
    ),
    Metric(
        name="panoptic_quality",
        abbreviation="PQ",
        function=lesions.panoptic_quality,
        statistic=instance_matches,
        symmetric=True,
        groups=("instances",),
        summary="panoptic quality (PQ): segmentation quality times recognition quality",
        formula="sum IoU / (TP + FP / 2 + FN / 2)",
        where=_FOUND_AND_MISSED,
        undefined="No component in either: NaN, or `zero_division`. In one only: 0.",
        source="Kirillov et al. 2019, Panoptic segmentation, arXiv 1801.00868.",
        parameter="threshold",
    ),
    Metric(
        name="area_under_threshold_curve",
        abbreviation="AUTC",
        function=match_thresholds.area_under_threshold_curve,
        statistic=instance_matches,
        symmetric=True,
        groups=("instances",),
        summary="area under the threshold curve (AUTC): a metric of lesions for all IoUs that a match may need",
        formula="m_1 t_1 + sum (m_k + m_(k-1)) (t_k - t_(k-1)) / 2",
        where="with the values m of the metric, 0 where it is undefined, at ascending thresholds t, greedily matched",
        undefined="No component in either: NaN, or `zero_division`. In one only: 0.",
        source="Kofler et al. 2023, Panoptica, arXiv 2312.02608.",
    ),
    Metric(
        name="false_positives_per_case",
        abbreviation="LESION_FP",
        aliases=("fppc",),
        function=lesions.false_positives_per_case,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        groups=("instances",),
        summary="number of predicted components without a match, per case",
        formula="FP / n",
        where="with the number n of cases",
        source="van Ginneken et al. 2010, doi 10.1016/j.media.2010.05.005.",
        parameter="threshold",
    ),
    Metric(
        name="lesion_splits",
        abbreviation="LESION_SPLITS",
        function=lesions.lesion_splits,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        groups=("instances",),
        summary="number of reference components that several predicted ones share voxels with",
        formula="number of r with more than one p that meets r",
        where="for reference components r and predicted ones p",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
        parameter="threshold",
    ),
    Metric(
        name="lesion_merges",
        abbreviation="LESION_MERGES",
        function=lesions.lesion_merges,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        groups=("instances",),
        summary="number of predicted components that share voxels with several reference ones",
        formula="number of p with more than one r that meets p",
        where="for reference components r and predicted ones p",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
        parameter="threshold",
    ),
    Metric(
        name="missed_volume",
        abbreviation="LESION_MISSED",
        function=lesions.missed_volume,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        unit="mm3",
        groups=("instances",),
        summary="volume of the reference components without a match",
        formula="sum of the volumes of the FN components",
        source="Gatidis et al. 2024, autoPET, doi 10.1038/s42256-024-00912-9.",
        parameter="threshold",
    ),
    Metric(
        name="false_volume",
        abbreviation="LESION_FALSE",
        function=lesions.false_volume,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        unit="mm3",
        groups=("instances",),
        summary="volume of the predicted components without a match",
        formula="sum of the volumes of the FP components",
        source="Gatidis et al. 2024, autoPET, doi 10.1038/s42256-024-00912-9.",
        parameter="threshold",
    ),
    Metric(
        name="lesion_count_difference",
        abbreviation="LESION_COUNT",
        function=lesions.lesion_count_difference,
        statistic=instance_matches,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("instances",),
        summary="by how much the numbers of predicted and of reference components differ",
        formula="|P - R|",
        where="with P predicted components and R of the reference",
        source="Hernandez Petzsche et al. 2022, ISLES 2022, doi 10.1038/s41597-022-01875-5.",
    ),
    Metric(
        name="brats_dice",
        abbreviation="BRATS_DICE",
        function=brats_lesions.brats_dice,
        statistic=brats_lesions.brats_lesion_wise,
        groups=("instances",),
        summary="lesion-wise Dice coefficient of BraTS 2023",
        formula="sum Dice_k / (K + FP)",
        where=(
            "over the K lesions of the reference above the minimum volume, with the FP predicted components near no "
            "lesion; a missed lesion has a Dice coefficient of 0"
        ),
        undefined="No lesion above the minimum volume and no false one: 1, or `zero_division`.",
        source="Moawad et al. 2023, BraTS-METS, arXiv 2306.00838.",
    ),
    Metric(
        name="brats_hausdorff_distance",
        abbreviation="BRATS_HD95",
        function=brats_lesions.brats_hausdorff_distance,
        statistic=brats_lesions.brats_lesion_wise,
        highest=math.inf,
        best=0.0,
        unit="mm",
        groups=("instances",),
        summary="lesion-wise 95th percentile of the Hausdorff distance (HD95) of BraTS 2023",
        formula="(sum HD95_k + 374 FP) / (K + FP)",
        where=(
            "over the K lesions of the reference above the minimum volume, with the FP predicted components near no "
            "lesion; a missed lesion has a distance of 374 mm"
        ),
        undefined="No lesion above the minimum volume and no false one: 0, or `zero_division`.",
        source="Moawad et al. 2023, BraTS-METS, arXiv 2306.00838.",
    ),
    Metric(
        name="brats_surface_dice",
        abbreviation="BRATS_NSD",
        function=brats_lesions.brats_surface_dice,
        statistic=brats_lesions.brats_lesion_wise,
        groups=("instances",),
        summary="lesion-wise normalized surface Dice (NSD) by the rules of BraTS 2023",
        formula="sum NSD_k / (K + FP)",
        where=(
            "over the K lesions of the reference above the minimum volume, with the FP predicted components near no "
            "lesion; a missed lesion has a surface Dice of 0"
        ),
        undefined="No lesion above the minimum volume and no false one: 1, or `zero_division`.",
        source="Moawad et al. 2023, BraTS-METS, arXiv 2306.00838, for the rules.",
        parameter="tolerance",
    ),
    Metric(
        name="component_dice",
        abbreviation="CCDICE",
        aliases=("cc_dice",),
        function=component_dice,
        statistic=component_counts,
        groups=("instances",),
        summary=("Dice coefficient of every reference component in its Voronoi region, on average (CC-Dice)"),
        formula="1 / K sum 2 TP_k / (2 TP_k + FP_k + FN_k)",
        where="over the regions k of the K reference components",
        undefined="No reference component: NaN, or `zero_division`.",
        source="Jaus et al. 2024, Every component counts, arXiv 2410.18684.",
    ),
    Metric(
        name="prediction_volume",
        abbreviation="PREDVOL",
        function=size.prediction_volume,
        statistic=confusion_counts,
        needs=("spacing",),
        highest=math.inf,
        best=math.nan,
        unit="mm3",
        groups=("classical", "segmentation"),
        summary="volume of the prediction",
        formula="(TP + FP) s_0 s_1 s_2",
        where="with the spacing s",
        source="Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.",
    ),
    Metric(
        name="reference_volume",
        abbreviation="REFVOL",
        function=size.reference_volume,
        statistic=confusion_counts,
        needs=("spacing",),
        highest=math.inf,
        best=math.nan,
        unit="mm3",
        groups=("classical", "segmentation"),
        summary="volume of the reference",
        formula="(TP + FN) s_0 s_1 s_2",
        where="with the spacing s",
        source="Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.",
    ),
    Metric(
        name="absolute_volume_difference",
        abbreviation="AVD",
        function=size.absolute_volume_difference,
        statistic=confusion_counts,
        needs=("spacing",),
        highest=math.inf,
        best=0.0,
        unit="mm3",
        symmetric=True,
        groups=("classical", "segmentation"),
        summary="absolute volume difference (AVD): by how much the volumes differ, wherever the structures lie",
        formula="|FP - FN| s_0 s_1 s_2",
        where="with the spacing s",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
    ),
    Metric(
        name="relative_volume_difference",
        abbreviation="RVD",
        function=size.relative_volume_difference,
        statistic=confusion_counts,
        highest=math.inf,
        best=0.0,
        groups=("classical", "segmentation"),
        summary="relative volume difference (RVD): by how much the volumes differ, in terms of the reference's",
        formula="|FP - FN| / (TP + FN)",
        where="without the bars with signed",
        undefined="Reference empty: inf. Both masks empty: NaN.",
        source="Heimann et al. 2009, doi 10.1109/TMI.2009.2013851.",
    ),
    Metric(
        name="prediction_area",
        abbreviation="PREDAREA",
        function=size.prediction_area,
        needs=("spacing", "labels"),
        highest=math.inf,
        best=math.nan,
        unit="mm2",
        groups=(),
        summary="area of the prediction in one slice, as `area` does",
        formula="n s_i s_j",
        where="with the number n of voxels in the slice and the spacing s along the two axes of the slice",
        source="Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.",
    ),
    Metric(
        name="reference_area",
        abbreviation="REFAREA",
        function=size.reference_area,
        needs=("spacing", "labels"),
        highest=math.inf,
        best=math.nan,
        unit="mm2",
        groups=(),
        summary="area of the reference in one slice, as `area` does",
        formula="n s_i s_j",
        where="with the number n of voxels in the slice and the spacing s along the two axes of the slice",
        source="Jungo et al. 2021, pymia, doi 10.1016/j.cmpb.2020.105796.",
    ),
    *(
        Metric(
            name="betti_error",
            abbreviation=f"BETTI{dimension}",
            function=topology.betti_error,
            statistic=topology.topology_counts,
            highest=math.inf,
            best=0.0,
            symmetric=True,
            groups=("topology",),
            summary="Betti error: by how many components, tunnels or cavities prediction and reference differ",
            formula="|b_P - b_R|",
            where=(
                "with b the Betti number of the dimension: 0 for components, 1 for tunnels (in 2-D, holes), 2 for "
                "cavities"
            ),
            source="Hu et al. 2019, Topology-preserving deep image segmentation, arXiv 1906.05404.",
            options=(("dimension", dimension),),
        )
        for dimension in range(3)
    ),
    Metric(
        name="euler_error",
        abbreviation="EULER",
        function=topology.euler_error,
        statistic=topology.topology_counts,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("topology",),
        summary="Euler error: by how much the Euler characteristics of prediction and reference differ",
        formula="|Euler_P - Euler_R|",
        where="with Euler = b0 - b1 + b2 of the Betti numbers",
        source="Kong and Rosenfeld 1989, Digital topology: introduction and survey, doi 10.1016/0734-189X(89)90147-3.",
    ),
    Metric(
        name="centerline_dice",
        abbreviation="CLDICE",
        function=centerlines.centerline_dice,
        statistic=centerlines.centerline_counts,
        symmetric=True,
        groups=("topology",),
        summary="clDice: the harmonic mean of how far the two centre lines lie in the other mask",
        formula="2 T_p T_s / (T_p + T_s)",
        where="with T_p = |S_P in R| / |S_P| and T_s = |S_R in P| / |S_R| of the skeletons S",
        undefined="Both masks empty: NaN. One empty: 0.",
        source="Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.",
    ),
    Metric(
        name="centerline_precision",
        abbreviation="CLPRECISION",
        aliases=("tprec",),
        function=centerlines.centerline_precision,
        statistic=centerlines.centerline_counts,
        groups=("topology",),
        summary="topology precision of clDice: the share of the prediction's centre line that lies in the reference",
        formula="|S_P in R| / |S_P|",
        where="with the skeleton S_P of the prediction",
        undefined="Prediction empty: NaN.",
        source="Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.",
    ),
    Metric(
        name="centerline_sensitivity",
        abbreviation="CLSENSITIVITY",
        aliases=("tsens",),
        function=centerlines.centerline_sensitivity,
        statistic=centerlines.centerline_counts,
        groups=("topology",),
        summary="topology sensitivity of clDice: the share of the reference's centre line that lies in the prediction",
        formula="|S_R in P| / |S_R|",
        where="with the skeleton S_R of the reference",
        undefined="Reference empty: NaN.",
        source="Shit et al. 2021, clDice, doi 10.1109/CVPR46437.2021.01629.",
    ),
    Metric(
        name="branch_error",
        abbreviation="BRANCHERR",
        function=tubes.branch_error,
        statistic=tubes.tube_counts,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("topology",),
        summary="the branch error: by how many branches, branch points or end points the skeletons of a pair differ",
        formula="|n_P - n_R|",
        where="with n the number of branches, of branch points or of end points of a skeleton",
        source="Arganda-Carreras et al. 2010, doi 10.1002/jemt.20829.",
    ),
    Metric(
        name="tube_splits",
        abbreviation="TUBESPLITS",
        function=tubes.tube_splits,
        statistic=tubes.tube_counts,
        highest=math.inf,
        best=0.0,
        groups=("topology",),
        summary="number of reference tubes whose centre line runs through several components of the prediction",
        formula="number of r whose centre line meets more than one p",
        where="for reference components r and predicted ones p",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
    ),
    Metric(
        name="tube_merges",
        abbreviation="TUBEMERGES",
        function=tubes.tube_merges,
        statistic=tubes.tube_counts,
        highest=math.inf,
        best=0.0,
        groups=("topology",),
        summary="number of predicted tubes whose centre line runs through several components of the reference",
        formula="number of p whose centre line meets more than one r",
        where="for reference components r and predicted ones p",
        source="Maier-Hein et al. 2024, doi 10.1038/s41592-023-02151-z.",
    ),
    Metric(
        name="r_squared",
        abbreviation="R2",
        function=regression.r_squared,
        statistic=paired_moments,
        lowest=-math.inf,
        groups=("regression",),
        summary="coefficient of determination (R2, R squared)",
        formula="1 - sum (P - R)^2 / sum (R - mean R)^2",
        undefined="Reference constant: NaN.",
        source="Wright 1921, Correlation and causation.",
    ),
    Metric(
        name="mean_absolute_error",
        abbreviation="MAE",
        function=regression.mean_absolute_error,
        statistic=paired_moments,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("regression",),
        summary="mean absolute error (MAE)",
        formula="sum |P - R| / n",
        source="Willmott and Matsuura 2005, doi 10.3354/cr030079.",
    ),
    Metric(
        name="mean_squared_error",
        abbreviation="MSE",
        function=regression.mean_squared_error,
        statistic=paired_moments,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("regression",),
        summary="mean squared error (MSE)",
        formula="sum (P - R)^2 / n",
        source="Hyndman and Koehler 2006, doi 10.1016/j.ijforecast.2006.03.001.",
    ),
    Metric(
        name="root_mean_squared_error",
        abbreviation="RMSE",
        function=regression.root_mean_squared_error,
        statistic=paired_moments,
        highest=math.inf,
        best=0.0,
        symmetric=True,
        groups=("regression",),
        summary="root mean squared error (RMSE)",
        formula="sqrt(sum (P - R)^2 / n)",
        source="Hyndman and Koehler 2006, doi 10.1016/j.ijforecast.2006.03.001.",
    ),
    Metric(
        name="normalized_root_mean_squared_error",
        abbreviation="NRMSE",
        function=regression.normalized_root_mean_squared_error,
        statistic=paired_moments,
        highest=math.inf,
        best=0.0,
        groups=("regression",),
        summary="normalized root mean squared error (NRMSE): the error in terms of the reference",
        formula="sqrt(sum (P - R)^2 / n) / N",
        where="with N the range of the reference or what normalization gives",
        undefined="N is 0 (for the range: the reference is constant): NaN.",
        source="Fienup 1997, doi 10.1364/AO.36.008352.",
    ),
    Metric(
        name="normalized_mean_squared_error",
        abbreviation="NMSE",
        function=regression.normalized_mean_squared_error,
        statistic=paired_moments,
        highest=math.inf,
        best=0.0,
        groups=("regression",),
        summary="normalized mean squared error (NMSE) of image reconstruction",
        formula="sum (P - R)^2 / sum R^2",
        undefined="Reference 0 everywhere: NaN.",
        source="Zbontar et al. 2018, fastMRI, arXiv 1811.08839.",
    ),
    Metric(
        name="pearson_correlation",
        abbreviation="PCC",
        aliases=("ncc",),
        function=regression.pearson_correlation,
        statistic=paired_moments,
        lowest=-1.0,
        symmetric=True,
        groups=("regression",),
        summary="Pearson correlation coefficient (PCC, normalized cross-correlation)",
        formula="sum p r / sqrt(sum p^2 sum r^2)",
        where="with the differences from the mean p = P - mean P and r = R - mean R",
        undefined="An image constant: NaN.",
        source="Pearson 1895, doi 10.1098/rspl.1895.0041.",
    ),
    Metric(
        name="concordance_correlation",
        abbreviation="CCC",
        function=regression.concordance_correlation,
        statistic=paired_moments,
        lowest=-1.0,
        symmetric=True,
        groups=("regression",),
        summary="Lin's concordance correlation coefficient (CCC): correlation that a shift or a scale lowers",
        formula="2 cov(P, R) / (var P + var R + (mean P - mean R)^2)",
        where=(
            "with moments over n; computed as 2 c / (e + 2 c) with the sums c = sum (P - mean P) (R - mean R) and e = "
            "sum (P - R)^2, which is the same and needs no means"
        ),
        undefined="An image constant: NaN.",
        source="Lin 1989, doi 10.2307/2532051.",
    ),
    Metric(
        name="peak_signal_noise_ratio",
        abbreviation="PSNR",
        function=image_quality.peak_signal_noise_ratio,
        statistic=paired_moments,
        lowest=-math.inf,
        highest=math.inf,
        best=math.inf,
        unit="dB",
        groups=("reconstruction",),
        summary="peak signal-to-noise ratio (PSNR)",
        formula="10 log10(L^2 n / sum (P - R)^2)",
        where="with the data range L",
        undefined=(
            "Both images equal: inf. The largest value of the reference is not positive and no `data_range` is given: "
            "NaN."
        ),
        source="Huynh-Thu and Ghanbari 2008, doi 10.1049/el:20080522.",
    ),
    Metric(
        name="structural_similarity",
        abbreviation="SSIM",
        function=image_quality.structural_similarity,
        lowest=-1.0,
        groups=("reconstruction",),
        summary="mean structural similarity (SSIM) of two images, over all positions of the window inside them",
        formula="mean of (2 mu_P mu_R + C1) (2 s_PR + C2) / ((mu_P^2 + mu_R^2 + C1) (s_PP + s_RR + C2))",
        where=(
            "with the means mu and the covariances s in the window, C1 = (0.01 L)^2 and C2 = (0.03 L)^2 with the data "
            "range L"
        ),
        undefined=(
            "The largest value of the reference is not positive and no `data_range` is given, or no window lies inside "
            "the mask: NaN."
        ),
        source="Wang et al. 2004, doi 10.1109/TIP.2003.819861.",
    ),
    Metric(
        name="expected_calibration_error",
        abbreviation="ECE",
        function=calibration.expected_calibration_error,
        statistic=calibration_bins,
        best=0.0,
        groups=("calibration",),
        summary="expected calibration error (ECE): how far frequencies are from what the probabilities say",
        formula="sum n_k / n |o_k - p_k|",
        where=(
            "with the number n_k of voxels in bin k, their mean probability p_k and the frequency o_k of the label "
            "among them"
        ),
        undefined="No voxels: NaN.",
        source="Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602; Guo et al. 2017, arXiv 1706.04599.",
    ),
    Metric(
        name="maximum_calibration_error",
        abbreviation="MCE",
        function=calibration.maximum_calibration_error,
        statistic=calibration_bins,
        best=0.0,
        groups=("calibration",),
        summary="maximum calibration error (MCE): the largest difference of any bin",
        formula="max |o_k - p_k|",
        where=(
            "over the bins k that hold a voxel, with their mean probability p_k and the frequency o_k of the label in "
            "them"
        ),
        undefined="No voxels: NaN.",
        source="Naeini et al. 2015, doi 10.1609/aaai.v29i1.9602.",
    ),
    Metric(
        name="average_calibration_error",
        abbreviation="ACE",
        function=calibration.average_calibration_error,
        statistic=calibration_bins,
        best=0.0,
        groups=("calibration",),
        summary="average calibration error (ACE): the mean difference over the bins, however many voxels they hold",
        formula="mean |o_k - p_k|",
        where=(
            "over the bins k that hold a voxel, with their mean probability p_k and the frequency o_k of the label in "
            "them"
        ),
        undefined="No voxels: NaN.",
        source="Neumann, Zisserman and Vedaldi 2018, Relaxed softmax; Nixon et al. 2019, arXiv 1904.01685.",
    ),
    Metric(
        name="root_mean_square_calibration_error",
        abbreviation="RMSCE",
        function=calibration.root_mean_square_calibration_error,
        statistic=calibration_bins,
        best=0.0,
        groups=("calibration",),
        summary="root mean square calibration error (RMSCE): in which large differences weigh more",
        formula="sqrt(sum n_k / n (o_k - p_k)^2)",
        where=(
            "with the number n_k of voxels in bin k, their mean probability p_k and the frequency o_k of the label "
            "among them"
        ),
        undefined="No voxels: NaN.",
        source="Hendrycks, Mazeika and Dietterich 2019, arXiv 1812.04606.",
    ),
    Metric(
        name="brier_score",
        abbreviation="BRIER",
        function=calibration.brier_score,
        statistic=calibration_bins,
        best=0.0,
        groups=("calibration",),
        summary="Brier score: the mean squared difference of probability and truth",
        formula="sum (p - r)^2 / n",
        where="with the probability p of a voxel and r = 1 where it has the label, else 0",
        undefined="No voxels: NaN.",
        source="Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.",
    ),
    Metric(
        name="negative_log_likelihood",
        abbreviation="NLL",
        aliases=("log_loss",),
        function=calibration.negative_log_likelihood,
        statistic=calibration_bins,
        highest=math.inf,
        best=0.0,
        groups=("calibration",),
        summary="negative log likelihood (NLL, log loss, cross-entropy) of the reference by the probabilities",
        formula="-sum log q / n",
        where=(
            "with the probability q of what is so: p where a voxel has the label, else 1 - p, and no less than the "
            "floor"
        ),
        undefined="No voxels: NaN. A probability of 0 of what is so, without a floor: inf.",
        source="Good 1952, doi 10.1111/j.2517-6161.1952.tb00104.x.",
    ),
    Metric(
        name="area_under_roc_curve",
        abbreviation="AUROC",
        aliases=("roc_auc",),
        function=area_under_roc_curve,
        statistic=threshold_counts,
        groups=("calibration",),
        summary="area under the ROC curve (AUROC) over all thresholds: how well probabilities tell what is so",
        formula="sum (x_k - x_(k-1)) (y_k + y_(k-1)) / 2",
        where=(
            "with the false positive rates x and the true positive rates y by falling thresholds, from (0, 0) to (1, 1)"
        ),
        undefined="Reference empty or full: NaN.",
        source="Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747.",
    ),
    Metric(
        name="average_precision",
        abbreviation="AP",
        function=average_precision,
        statistic=threshold_counts,
        groups=("calibration",),
        summary="average precision (AP): the precision at each threshold, weighted by what it adds to the recall",
        formula="sum (r_k - r_(k-1)) p_k",
        where="with the precisions p and the recalls r by falling thresholds, from a recall of 0 on",
        undefined="Reference empty: NaN.",
        source=(
            "Zhu 2004, Recall, precision and average precision; Boyd, Eng and Page 2013, doi "
            "10.1007/978-3-642-40994-3_29."
        ),
    ),
    Metric(
        name="area_under_risk_coverage_curve",
        abbreviation="AURC",
        function=risk_coverage.area_under_risk_coverage_curve,
        statistic=decision_counts,
        best=0.0,
        groups=("calibration",),
        summary=("area under the risk-coverage curve (AURC): the mean risk over all numbers of cases that may be kept"),
        formula="sum r(u_i) / n",
        where="with the risk r(u_i) of all cases that are as sure as case i, or surer",
        undefined="No cases: NaN.",
        source=(
            "Geifman, Uziel and El-Yaniv 2019, Bias-reduced uncertainty estimation for deep neural classifiers, arXiv "
            "1805.08206."
        ),
    ),
    Metric(
        name="excess_area_under_risk_coverage_curve",
        abbreviation="EAURC",
        function=risk_coverage.excess_area_under_risk_coverage_curve,
        statistic=decision_counts,
        best=0.0,
        groups=("calibration",),
        summary="excess area under the risk-coverage curve (E-AURC): by how much the order could be better",
        formula="AURC - AURC*",
        where="with the area AURC* of the order in which small losses come first",
        undefined="No cases: NaN.",
        source=(
            "Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206, which take (1 - r) log(1 - r) + r for AURC* of "
            "errors, its limit for many cases with the risk r of all."
        ),
    ),
    Metric(
        name="uncertainty_error_dice",
        abbreviation="UEDICE",
        function=uncertainty_error_dice,
        statistic=decision_counts,
        groups=("calibration",),
        options=(("threshold", 0.5),),
        summary="uncertainty-error overlap (U-E): the Dice coefficient of what is uncertain and what is wrong",
        formula="2 |U and E| / (|U| + |E|)",
        where=(
            "with the voxels U whose uncertainty is at a threshold or above, and E where prediction and reference "
            "differ"
        ),
        undefined="Nothing is wrong and nothing uncertain: NaN.",
        source=(
            "Jungo and Reyes 2019, Assessing reliability and challenges of uncertainty estimations for medical image "
            "segmentation, doi 10.1007/978-3-030-32245-8_6."
        ),
    ),
)
"""All metrics, one row each, in the order of the catalogue."""
