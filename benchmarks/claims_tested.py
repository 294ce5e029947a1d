"""What CORRECTNESS.md claims and tests hold: the words, the tests, and what they need."""

from typing import NamedTuple


class Tested(NamedTuple):
    """A claim that tests hold.

    Args:
        says: What is claimed, in words.
        tests: Files or functions of tests.
        needs: Packages without which it is not checked.
    """

    says: str
    tests: tuple[str, ...]
    needs: tuple[str, ...] = ()


_METRICS = "tests/metrics"
_SURFACES = "tests/metrics/test_surface_peers.py"

TESTS = (
    Tested(
        "Distances and weights equal a brute force over all pairs",
        (f"{_METRICS}/test_surface.py::test_distances_equal_brute_force_for_many_shapes",),
    ),
    Tested(
        "Distances of surfels are DeepMind's bit by bit for equal spacings, metrics to 1e-6 on 300 anisotropic pairs",
        (
            f"{_SURFACES}::test_distances_are_deepminds_bit_by_bit_for_isotropic_spacing",
            f"{_SURFACES}::test_metrics_are_deepminds_for_anisotropic_spacing",
        ),
        ("surface_distance",),
    ),
    Tested(
        "Border voxels are medpy's and MONAI's on 300 pairs",
        (f"{_SURFACES}::test_border_voxels_are_those_of_medpy_and_monai",),
        ("medpy", "monai"),
    ),
    Tested(
        "DeepMind: three steps of 0.1 mm are not within 0.3 mm",
        (f"{_SURFACES}::test_deepmind_loses_a_distance_that_is_the_tolerance",),
        ("surface_distance",),
    ),
    Tested(
        "ITK: the average Hausdorff distance is the mean of the directed means, 1.3125 for 2.625",
        (f"{_SURFACES}::test_itk_averages_the_two_directions_where_the_definition_takes_the_larger",),
        ("SimpleITK",),
    ),
    Tested(
        "ITK and scikit-image: the Hausdorff distance is that of sets of voxels, 6.0 for a disc against its ring",
        (f"{_SURFACES}::test_itk_and_scikit_image_measure_sets_of_voxels_and_not_surfaces",),
        ("SimpleITK", "skimage"),
    ),
    Tested(
        "MONAI: HD95 of a missed structure is NaN, and a percentile of 0 the maximum",
        (f"{_SURFACES}::test_monai_forgets_a_missed_structure_and_a_percentile_of_zero",),
        ("monai",),
    ),
    Tested(
        "medpy: a missed structure is a RuntimeError",
        (f"{_SURFACES}::test_medpy_has_no_value_for_a_missed_structure",),
        ("medpy",),
    ),
    Tested(
        "SciPy and SimpleITK: the transform of an image without background is finite",
        (f"{_SURFACES}::test_transforms_of_others_find_a_phantom_where_there_is_no_background",),
        ("SimpleITK",),
    ),
    Tested(
        "ECE, MCE and root mean square error are torchmetrics' 1.9.0, recorded",
        (f"{_METRICS}/test_calibration.py::test_torchmetrics_has_the_same_errors",),
    ),
    Tested(
        "Calibration scores are scikit-learn's",
        (f"{_METRICS}/test_calibration.py::test_scikit_learn_has_the_same_scores",),
        ("sklearn",),
    ),
    Tested(
        "Curves over all thresholds are scikit-learn's",
        (f"{_METRICS}/test_thresholds.py::test_scikit_learn_has_the_same_curves_and_areas",),
        ("sklearn",),
    ),
    Tested(
        "Conformal thresholds are MAPIE's 1.6.0, recorded",
        (f"{_METRICS}/test_conformal.py::test_mapie_has_the_same_thresholds",),
    ),
    Tested(
        "Trapezoids of risk-coverage curves are torch-uncertainty's 0.13.0, recorded",
        (f"{_METRICS}/test_uncertainty.py::test_torch_uncertainty_has_the_trapezoids_of_the_same_curve",),
    ),
    Tested("Sizes of Dice-optimal masks are rankseg's 0.0.8, recorded", (f"{_METRICS}/test_decoding.py",)),
    Tested(
        "Betti numbers are those of homology and gudhi 3.13 (recorded), Euler characteristics scikit-image's",
        (f"{_METRICS}/test_topology.py",),
        ("skimage",),
    ),
    Tested(
        "Branches and end points are those of drawn shapes and of skan 0.13.1 (recorded)",
        ("tests/morphology/test_skeleton_graphs.py",),
        ("skimage",),
    ),
    Tested("Components are SciPy's", ("tests/morphology/test_component_counts.py",)),
    Tested(
        "panoptica's numbers (2.1.7, recorded) to 1e-9",
        (
            f"{_METRICS}/test_instances.py::test_panopticas_numbers",
            f"{_METRICS}/test_instance_values.py::test_panopticas_means",
        ),
    ),
    Tested(
        "CC-Metrics' numbers (20a704b, recorded) to 1e-6",
        (f"{_METRICS}/test_component_regions.py::test_cc_metrics_numbers",),
    ),
    Tested(
        "MONAI's Dice per component, but where a voxel is equally near to two",
        (f"{_METRICS}/test_component_regions.py::test_monais_numbers",),
        ("monai",),
    ),
    Tested(
        "FROC of LUNA16, average precision of COCO (recorded), and MONAI's lost point",
        (f"{_METRICS}/test_detection.py",),
    ),
    Tested(
        "BraTS-2023-Metrics' numbers (43c9052, recorded) to 1e-9",
        (f"{_METRICS}/test_brats_lesions.py::test_the_numbers_of_brats",),
    ),
    Tested(
        "autoPET's and ISLES' numbers (recorded) to 1e-9",
        (f"{_METRICS}/test_lesion_presets.py::test_the_numbers_of_the_challenges",),
    ),
    Tested(
        "Policies are those of Metrics Reloaded, nnU-Net and BraTS (recorded), MONAI and pymia",
        ("tests/analysis/test_policies.py",),
        ("monai", "pymia"),
    ),
    Tested(
        "Wilcoxon's test is SciPy's, Holm's correction statsmodels' (recorded)",
        ("tests/analysis/test_paired_tests.py",),
    ),
    Tested(
        "Kappa and alpha are those of statsmodels 0.15 and krippendorff 0.9 (recorded)", (f"{_METRICS}/test_raters.py",)
    ),
    Tested(
        "Intraclass correlations are pingouin's 0.7 and Shrout and Fleiss's",
        ("tests/analysis/test_rater_agreement.py",),
    ),
    Tested(
        "Partitions are scikit-learn's and scikit-image's", (f"{_METRICS}/test_partitions.py",), ("sklearn", "skimage")
    ),
    Tested("STAPLE is a loop of expectation and maximisation", ("tests/filters/test_consensus.py",)),
    Tested("Ranks are those that challengeR's tests expect", ("tests/analysis/test_ranking.py",)),
)
