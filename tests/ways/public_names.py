"""Which public names are no functions of arrays, and which functions run on the host alone, and why."""

NAMESPACES = ("metrics", "transforms", "assembly", "morphology", "extraction")

NO_ARRAYS = {
    "metrics": "CHANGE_KINDS CONVENTIONS METRICS AutopetScores BratsLesions BrierDecomposition CalibrationBins "
    "Candidates CenterlineCounts ChangeCounts ComponentCounts ComponentMetrics ConfusionCounts ConfusionMatrix "
    "Convention DetectionCounts Empties FrocCurve InstanceMatches InstanceMetrics InstancePairs Instances IslesScores "
    "LesionChanges Metric PairedMoments PairedSpatialMoments PrecisionRecallCurve Recipe ReliabilityCurve "
    "RiskCoverageCurve RocCurve SpatialMoments SurfaceDistances ThresholdCounts TopologyCounts TubeCounts "
    "any_overlap bipartite centroid_within describe find gaussian_window greedy group listing many_to_one "
    "metric table_markdown under_convention",
    "transforms": "HistogramLandmarks Sample Transform compose constant edge linear merge_landmarks nearest on reflect "
    "resample_to to_canonical",
    "assembly": "Placement Reduction Window gaussian hann last maximum mean placements total uniform vote",
    "morphology": "BranchCounts",
    "extraction": "PadMode constant edge reflect",
}
"""Records, tables, and functions of other things than arrays: of samples, of sizes, of NumPy positions."""

ON_HOST = {
    **dict.fromkeys(
        (f"metrics.centerline_{name}" for name in ("counts", "dice", "precision", "sensitivity")), "thins on the host"
    ),
    **dict.fromkeys(("metrics.lesion_changes", "metrics.change_counts"), "finds lesions on the host"),
    **dict.fromkeys(("metrics.feret_diameter", "metrics.instance_scores"), "finds components on the host"),
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("instance_metrics", "panoptic_quality_of", "segmentation_quality_of")),
        "measures each component on the host",
    ),
    **dict.fromkeys(
        (f"metrics.brats_{name}" for name in ("dice", "hausdorff_distance", "lesion_wise", "surface_dice")),
        "dilates lesions on the host",
    ),
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("component_counts", "component_dice", "component_mean", "per_component")),
        "finds the nearest components on the host",
    ),
    **dict.fromkeys(
        ("metrics.branch_error", *(f"metrics.tube_{name}" for name in ("counts", "splits", "merges"))),
        "thins on the host",
    ),
    "morphology.branch_counts": "counts on the host",
    "morphology.skeleton": "thins on the host",
    "transforms.histogram_landmarks": "gives Python's numbers",
    "metrics.dice_optimal_threshold": "goes over planes one by one, and gives Python's number",
    "assembly.assemble_subjects": "reads a dataset",
    "morphology.bounding_box": "gives Python's slices",
    "morphology.largest_components": "runs on the host",
}
"""What does not trace, and why."""
