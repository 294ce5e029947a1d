"""Metrics of a prediction against a reference: statistics that are computed once, and formulas on them.

Metrics are differentiable by the floats of their records: those of counts by probabilities (`soft_confusion_counts`),
those of images and `structural_similarity` by both images, those of surfaces by given distances and areas, those of
places by given moments. Masks and label maps have no derivative. Where there is none, as for equal images below a root,
or where a metric is undefined, as for an absent label, gradients are numbers all the same, mostly 0.
"""

from mia_functional.metrics.agreement import *
from mia_functional.metrics.boundaries import solid, surfels, voxels
from mia_functional.metrics.brats_lesions import *
from mia_functional.metrics.calibration import *
from mia_functional.metrics.centerlines import *
from mia_functional.metrics.channels import *
from mia_functional.metrics.clustering import *
from mia_functional.metrics.component_regions import ComponentCounts, component_counts, component_dice
from mia_functional.metrics.component_values import *
from mia_functional.metrics.conformal import *
from mia_functional.metrics.confusion import ConfusionCounts, confusion_counts, soft_confusion_counts
from mia_functional.metrics.contingency import ConfusionMatrix, confusion_matrix, expected_cost, weighted_kappa
from mia_functional.metrics.conventions import CONVENTIONS, under_convention
from mia_functional.metrics.decoding import *
from mia_functional.metrics.detection import *
from mia_functional.metrics.distance import *
from mia_functional.metrics.documentation import *
from mia_functional.metrics.image_quality import *
from mia_functional.metrics.instance_matching import (
    Candidates,
    any_overlap,
    bipartite,
    centroid_within,
    greedy,
    many_to_one,
)
from mia_functional.metrics.instance_values import (
    InstanceMetrics,
    instance_metrics,
    panoptic_quality_of,
    segmentation_quality_of,
)
from mia_functional.metrics.instances import InstanceMatches, InstancePairs, Instances, instance_matches
from mia_functional.metrics.lesion_presets import *
from mia_functional.metrics.lesion_sizes import *
from mia_functional.metrics.lesions import *
from mia_functional.metrics.longitudinal import *
from mia_functional.metrics.match_thresholds import *
from mia_functional.metrics.merging import *
from mia_functional.metrics.moments import PairedMoments, paired_moments
from mia_functional.metrics.names import find, group, metric
from mia_functional.metrics.overlap import *
from mia_functional.metrics.package_recipes import Convention, Recipe
from mia_functional.metrics.probability_bins import *
from mia_functional.metrics.raters import *
from mia_functional.metrics.rates import *
from mia_functional.metrics.registrations import *
from mia_functional.metrics.regression import *
from mia_functional.metrics.risk_coverage import *
from mia_functional.metrics.size import *
from mia_functional.metrics.spatial import *
from mia_functional.metrics.surface import *
from mia_functional.metrics.surface_agreement import *
from mia_functional.metrics.table import METRICS, Empties, Metric
from mia_functional.metrics.thresholds import (
    PrecisionRecallCurve,
    RocCurve,
    ThresholdCounts,
    area_under_roc_curve,
    average_precision,
    best_threshold,
    precision_recall_curve,
    roc_curve,
    threshold_counts,
)
from mia_functional.metrics.topology import *
from mia_functional.metrics.tubes import *
from mia_functional.metrics.uncertainty import *

__all__ = [
    "CHANGE_KINDS",
    "CONVENTIONS",
    "METRICS",
    "AutopetScores",
    "BratsLesions",
    "BrierDecomposition",
    "CalibrationBins",
    "Candidates",
    "CenterlineCounts",
    "ChangeCounts",
    "ComponentCounts",
    "ComponentMetrics",
    "ConfusionCounts",
    "ConfusionMatrix",
    "Convention",
    "DetectionCounts",
    "Empties",
    "FrocCurve",
    "InstanceMatches",
    "InstanceMetrics",
    "InstancePairs",
    "Instances",
    "IslesScores",
    "LesionChanges",
    "Metric",
    "PairedMoments",
    "PairedSpatialMoments",
    "PrecisionRecallCurve",
    "Recipe",
    "ReliabilityCurve",
    "RiskCoverageCurve",
    "RocCurve",
    "SpatialMoments",
    "SurfaceDistances",
    "ThresholdCounts",
    "TopologyCounts",
    "TubeCounts",
    "absolute_volume_difference",
    "accuracy",
    "adjusted_rand_index",
    "any_overlap",
    "area",
    "area_under_curve",
    "area_under_risk_coverage_curve",
    "area_under_roc_curve",
    "area_under_threshold_curve",
    "autopet_scores",
    "average_calibration_error",
    "average_distance",
    "average_precision",
    "average_surface_distance",
    "average_symmetric_surface_distance",
    "balanced_accuracy",
    "best_threshold",
    "betti_error",
    "betti_numbers",
    "bipartite",
    "boundary_iou",
    "branch_error",
    "brats_dice",
    "brats_hausdorff_distance",
    "brats_lesion_wise",
    "brats_surface_dice",
    "brier_decomposition",
    "brier_score",
    "by_channel",
    "calibration_bins",
    "centerline_counts",
    "centerline_dice",
    "centerline_precision",
    "centerline_sensitivity",
    "centroid_distance",
    "centroid_within",
    "change_counts",
    "cohen_kappa",
    "component_counts",
    "component_dice",
    "component_mean",
    "concordance_correlation",
    "conformal_set",
    "conformal_threshold",
    "confusion_counts",
    "confusion_matrix",
    "decision_counts",
    "describe",
    "detection_average_precision",
    "detection_counts",
    "dice",
    "dice_optimal_mask",
    "dice_optimal_threshold",
    "equivalent_diameter",
    "error_coverage_curve",
    "euler_characteristic",
    "euler_error",
    "excess_area_under_risk_coverage_curve",
    "expected_calibration_error",
    "expected_cost",
    "f_measure",
    "fallout",
    "false_negative_rate",
    "false_negatives",
    "false_positives",
    "false_positives_per_case",
    "false_volume",
    "feret_diameter",
    "find",
    "fleiss_kappa",
    "froc_curve",
    "froc_score",
    "gaussian_window",
    "generalized_dice",
    "global_consistency_error",
    "greedy",
    "group",
    "hausdorff_distance",
    "identity",
    "instance_matches",
    "instance_metrics",
    "instance_scores",
    "interclass_correlation",
    "intraclass_correlation",
    "isles_scores",
    "jaccard",
    "jacobian_determinant",
    "krippendorff_alpha",
    "lesion_changes",
    "lesion_count_difference",
    "lesion_f1",
    "lesion_merges",
    "lesion_precision",
    "lesion_recall",
    "lesion_recall_by_diameter",
    "lesion_recall_by_volume",
    "lesion_splits",
    "listing",
    "mahalanobis_distance",
    "majority_vote",
    "many_to_one",
    "matches_at_thresholds",
    "matthews_correlation",
    "maximum_calibration_error",
    "mean_absolute_error",
    "mean_average_surface_distance",
    "mean_squared_error",
    "merge",
    "metric",
    "missed_volume",
    "mutual_information",
    "negative_jacobian_share",
    "negative_log_likelihood",
    "negative_predictive_value",
    "normalized_mean_squared_error",
    "normalized_root_mean_squared_error",
    "normalized_surface_dice",
    "paired_moments",
    "paired_spatial_moments",
    "pairwise_dice",
    "panoptic_quality",
    "panoptic_quality_of",
    "peak_signal_noise_ratio",
    "pearson_correlation",
    "per_component",
    "precision",
    "precision_recall_curve",
    "prediction_area",
    "prediction_volume",
    "probabilistic_distance",
    "r_squared",
    "rand_index",
    "recognition_quality",
    "reference_area",
    "reference_mean",
    "reference_norm",
    "reference_range",
    "reference_volume",
    "relative_volume_difference",
    "reliability_curve",
    "risk_coverage_curve",
    "roc_curve",
    "root_mean_square_calibration_error",
    "root_mean_squared_error",
    "segmentation_quality",
    "segmentation_quality_of",
    "sensitivity",
    "soft_centerline_counts",
    "soft_confusion_counts",
    "soft_skeleton",
    "solid",
    "spatial_moments",
    "specificity",
    "structural_similarity",
    "surface_distances",
    "surface_overlap",
    "surfels",
    "table_markdown",
    "target_registration_error",
    "threshold_counts",
    "topology_counts",
    "true_negatives",
    "true_positives",
    "tube_counts",
    "tube_merges",
    "tube_splits",
    "uncertainty_counts",
    "uncertainty_error_dice",
    "under_convention",
    "variation_of_information",
    "volume",
    "volume_similarity",
    "voxels",
    "weighted_kappa",
    "youden_index",
]

__dir__ = __all__.copy  # dir() shows what users may touch
