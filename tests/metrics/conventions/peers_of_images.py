"""What packages are asked about label maps, images and probabilities: functions without arguments under our names."""

from functools import partial

import numpy as np

CLASSES = (1, 2, 3)


def one_hot(*arrays):
    """Return the labels 1 to 3 of maps as channels of PyTorch's kind, in a batch of one."""
    import torch

    return [torch.from_numpy(np.stack([array == label for label in CLASSES])[None]).float() for array in arrays]


def tensors(*arrays):
    """Return arrays as tensors in double precision."""
    import torch

    return [torch.from_numpy(np.asarray(array, np.float64)) for array in arrays]


def monai_labels(prediction, reference):
    """Generalized Dice of MONAI."""
    from monai.metrics import compute_generalized_dice

    pair = one_hot(prediction, reference)
    whole = partial(compute_generalized_dice, *pair, include_background=True, sum_over_classes=True)
    return {"generalized_dice": whole, "generalized_dice@power=1": partial(whole, weight_type="simple")}


def torchmetrics_labels(prediction, reference):
    """Scores of several labels of torchmetrics."""
    import torch
    from torchmetrics.functional import classification as theirs
    from torchmetrics.functional.segmentation import generalized_dice_score

    pair = [part.long() for part in one_hot(prediction, reference)]
    flat = [torch.from_numpy(array.astype(np.int64)).reshape(-1) for array in (prediction, reference)]
    kappa = partial(theirs.multiclass_cohen_kappa, *flat, num_classes=4)
    return {
        "generalized_dice": partial(generalized_dice_score, *pair, num_classes=3),
        "matthews_correlation": partial(theirs.multiclass_matthews_corrcoef, *flat, num_classes=4),
        "weighted_kappa@power=1.0": partial(kappa, weights="linear"),
        "weighted_kappa@power=2.0": partial(kappa, weights="quadratic"),
    }


def metrics_reloaded_labels(prediction, reference):
    """Scores of several labels of Metrics Reloaded."""
    from MetricsReloaded.metrics.pairwise_measures import MultiClassPairwiseMeasures

    flat = [array.reshape(-1) for array in (prediction, reference)]
    theirs = MultiClassPairwiseMeasures(*flat, [0, 1, 2, 3])
    equal = MultiClassPairwiseMeasures(*flat, [0, 1, 2, 3], dict_args={"ec_costs": 1 - np.eye(4)})
    return {
        "expected_cost": theirs.expected_cost,
        "expected_cost@normalized=True": theirs.normalised_expected_cost,
        "expected_cost@costs=1": equal.expected_cost,
        "expected_cost@costs=1,normalized=True": equal.normalised_expected_cost,
        "matthews_correlation": theirs.matthews_correlation_coefficient,
        "balanced_accuracy": theirs.balanced_accuracy,
        "cohen_kappa": theirs.weighted_cohens_kappa,
    }


def monai_images(prediction, reference):
    """Errors of images of MONAI."""
    from monai import metrics as theirs

    pair = [image[None, None] for image in tensors(prediction, reference)]
    functions = {
        "MAE": theirs.MAEMetric(), "MSE": theirs.MSEMetric(), "RMSE": theirs.RMSEMetric(),
        "PSNR@data_range=1.0": theirs.PSNRMetric(max_val=1.0), "SSIM": theirs.SSIMMetric(spatial_dims=2),
    }  # fmt: skip
    return {name: partial(lambda function: function(*pair).mean(), one) for name, one in functions.items()}


def torchmetrics_images(prediction, reference):
    """Errors and correlations of images of torchmetrics."""
    from torchmetrics import functional as theirs
    from torchmetrics.functional.regression import normalized_root_mean_squared_error as normalized

    pair = tensors(prediction, reference)
    flat = [image.reshape(-1) for image in pair]
    batch = [image[None, None] for image in pair]
    return {
        "MAE": partial(theirs.mean_absolute_error, *pair), "MSE": partial(theirs.mean_squared_error, *pair),
        "RMSE": partial(theirs.mean_squared_error, *pair, squared=False), "R2": partial(theirs.r2_score, *flat),
        "PCC": partial(theirs.pearson_corrcoef, *flat), "CCC": partial(theirs.concordance_corrcoef, *flat),
        "NRMSE": partial(normalized, *flat),
        "nrmse_l2": partial(normalized, *flat, normalization="l2"),
        "PSNR@data_range=1.0": partial(theirs.peak_signal_noise_ratio, *pair, data_range=1.0),
        "ssim": partial(theirs.structural_similarity_index_measure, *batch, data_range=1.0),
    }  # fmt: skip


def skimage_images(prediction, reference):
    """Errors of images of scikit-image, and its structural similarity with its defaults."""
    from skimage import metrics as theirs

    return {
        "MSE": partial(theirs.mean_squared_error, reference, prediction),
        "NRMSE": partial(theirs.normalized_root_mse, reference, prediction),
        "PSNR@data_range=1.0": partial(theirs.peak_signal_noise_ratio, reference, prediction, data_range=1.0),
        "SSIM@data_range=1.0": partial(theirs.structural_similarity, reference, prediction, data_range=1.0),
    }


def pymia_images(prediction, reference):
    """Errors of images of pymia; the arrays are floats, as differences of its small integers wrap around."""
    from pymia.evaluation import metric as theirs

    found = {}
    for one in (
        *theirs.get_regression_metrics(),
        theirs.PeakSignalToNoiseRatio(),
        theirs.StructuralSimilarityIndexMeasure(),
    ):
        one.prediction, one.reference = prediction, reference
        found[one.metric] = one.calculate
    return found


def monai_probabilities(probabilities, reference):
    """Errors of calibration of MONAI."""
    from monai.metrics import CalibrationErrorMetric

    pair = [array[None, None] for array in tensors(probabilities, reference)]
    words = {"ECE": "expected", "ACE": "average", "MCE": "maximum"}

    def error(word):
        metric = CalibrationErrorMetric(calibration_reduction=word)
        metric(*pair)
        return metric.aggregate()

    return {name: partial(error, word) for name, word in words.items()}


def torchmetrics_probabilities(probabilities, reference):
    """Errors of calibration of torchmetrics."""
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    soft, mask = tensors(probabilities)[0].reshape(-1), torch.from_numpy(reference.astype(np.int64)).reshape(-1)
    words = {"ECE": "l1", "MCE": "max", "RMSCE": "l2"}
    return {name: partial(binary_calibration_error, soft, mask, norm=word) for name, word in words.items()}


PACKAGES = {
    "monai": {"labels": monai_labels, "images": monai_images, "probabilities": monai_probabilities},
    "torchmetrics": {
        "labels": torchmetrics_labels, "images": torchmetrics_images, "probabilities": torchmetrics_probabilities,
    },
    "metrics_reloaded": {"labels": metrics_reloaded_labels},
    "skimage": {"images": skimage_images},
    "pymia": {"images": pymia_images},
}  # fmt: skip
