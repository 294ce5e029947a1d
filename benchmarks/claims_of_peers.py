"""What other packages answer, for `claims.py`: each function needs one package and NumPy, and none of ours.

An environment of its own is enough, as packages want other versions of what they share: `claims.py --python PYTHON`.
"""

import json
import sys
from typing import Any

import numpy as np


def pair_of_squares() -> Any:
    """Return a square of 5 x 5 pixels, and the same grown by three columns, with a spike of two pixels."""
    pair = np.zeros((2, 11, 14), dtype=bool)
    pair[0, 3:8, 3:8] = pair[1, 3:8, 3:11] = pair[1, 5, 11:13] = True
    return pair


def moved_square(rows: int) -> Any:
    """Return a square in 40 x 48 pixels, and the same moved by some rows."""
    pair = np.zeros((2, 40, 48), dtype=np.uint8)
    pair[0, 8:16, 10:30] = 1
    pair[1] = np.roll(pair[0], rows, axis=0)
    return pair


def panoptica() -> dict[str, float]:
    """Measure the pair of squares: what it calls ASSD, and the mean of the two shares within 1 mm."""
    from panoptica import InputType, Metric, Panoptica_Evaluator

    evaluator = Panoptica_Evaluator(
        InputType.MATCHED_INSTANCE,
        instance_metrics=[Metric.DSC, Metric.IOU, Metric.ASSD, Metric.NSD],
        global_metrics=[],
    )
    pair = pair_of_squares().astype(np.uint8)
    found = evaluator.evaluate(*pair, voxelspacing=(1.0, 1.0), verbose=False)["ungrouped"]
    return {"panoptica: ASSD": found.sq_assd, "panoptica: NSD": found.sq_nsd}


def torchmetrics() -> dict[str, float]:
    """Measure the Hausdorff distance of a square in 11 x 17 pixels that is moved by one."""
    import torch
    from torchmetrics.functional.segmentation import hausdorff_distance

    pair = torch.zeros((2, 1, 2, 11, 17), dtype=torch.long)
    pair[0, :, 1, 3:8, 3:8] = pair[1, :, 1, 3:8, 4:9] = 1
    pair[:, :, 0] = 1 - pair[:, :, 1]
    return {"torchmetrics: Hausdorff distance": float(hausdorff_distance(*pair, num_classes=2))}


def monai() -> dict[str, float]:
    """Measure the calibration error of 0.25 for what is so and 0.5 for what is not, in two bins."""
    import torch
    from monai.metrics import CalibrationErrorMetric

    metric = CalibrationErrorMetric(num_bins=2)
    metric(torch.tensor([[[0.25, 0.5]]]), torch.tensor([[[1.0, 0.0]]]))
    return {"MONAI: calibration error": float(metric.aggregate())}


def seg_metrics() -> dict[str, float]:
    """Measure HD95 of an empty prediction."""
    from seg_metrics import seg_metrics as peer

    reference = moved_square(0)[0]
    (found,) = [peer.write_metrics([1], gdth_img=reference, pred_img=0 * reference, csv_file=None, metrics=["hd95"])]
    while isinstance(found, list | tuple):
        found = found[0]
    return {"seg-metrics: HD95": float(np.ravel(found["hd95"])[0])}


def miseval() -> dict[str, float]:
    """Measure the Hausdorff distance of a mask that is moved by twelve rows."""
    from miseval import evaluate

    return {"miseval: Hausdorff distance": float(evaluate(*moved_square(12), metric="HD"))}


if __name__ == "__main__":
    print(json.dumps({name: [float(value), None] for name, value in globals()[sys.argv[1]]().items()}))
