#!/usr/bin/env bash
# What MONAI alone counts in voxels of a label that is to be ignored. Installing it takes minutes: no part of CI.
#
# Version: monai 1.6.1 with torch 2.13.0 and scipy 1.17.1, Python 3.11.
# Behaviour: metrics of 1.6 take `ignore_index`, and the docstrings of Dice and IoU say in the same words that "voxels
# with this label are excluded from the score". Label 1 is found exactly; where the reference says 2, "not annotated", the
# prediction has label 1 as well. With `ignore_index=2`, `DiceMetric` leaves those voxels out, and label 1 has 1.0.
# `MeanIoU` leaves out the channel of label 2 alone, counts the voxels as false, and label 1 has 0.5, which no mask with a
# Dice of 1 can have; the precision is 0.5 too. `HausdorffDistanceMetric` leaves the voxels out, and has 0 mm;
# `compute_hausdorff_distance`, the function that it calls, does not, and has 7.07. If the same voxels belong to no
# channel at all, and the number to ignore is none of a channel (255), IoU and precision are 1. So the numbers of a
# cohort with partly annotated images depend on how "not annotated" is encoded, and Dice and IoU rank models differently.
# Seen: label 2: Dice 1.00 IoU 0.50 precision 0.50 HD 0.00 function 7.07 | no channel: Dice 1.00 IoU 1.00 precision 1.00
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'monai==1.6.1' 'torch==2.13.0' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(monai|torch|scipy|numpy) '

cat >"$work/ignored.py" <<'PYTHON'
import warnings

import torch
from monai.metrics import (
    ConfusionMatrixMetric,
    DiceMetric,
    HausdorffDistanceMetric,
    MeanIoU,
    compute_hausdorff_distance,
)

warnings.simplefilter("ignore")  # that the ignored label is empty afterwards

reference = torch.zeros(12, 12, dtype=torch.int64)
reference[1:4, 1:4] = 1
prediction = reference.clone()
prediction[6:9, 6:9] = 1
not_annotated = torch.zeros(12, 12, dtype=torch.bool)
not_annotated[5:] = True


def channels(labels):
    """Return labels 0, 1, 2 as channels of a batch of one."""
    return torch.nn.functional.one_hot(labels, 3).movedim(-1, 0)[None].float()


def of_label_1(metric, pair):
    """Return what a metric says of label 1."""
    metric(*pair)
    value = metric.aggregate("none")
    return float((value[0] if isinstance(value, list) else value).reshape(-1)[0])


def scores(pair, ignored):
    """Return Dice, IoU and precision of label 1."""
    known = {"include_background": False, "ignore_index": ignored}
    metrics = DiceMetric(**known), MeanIoU(**known), ConfusionMatrixMetric(metric_name="precision", **known)
    return "Dice {:.2f} IoU {:.2f} precision {:.2f}".format(*(of_label_1(metric, pair) for metric in metrics))


as_label = channels(prediction), channels(torch.where(not_annotated, 2, reference))
in_none = channels(prediction), channels(reference) * ~not_annotated
distance = of_label_1(HausdorffDistanceMetric(ignore_index=2), as_label)
function = float(compute_hausdorff_distance(*as_label, ignore_index=2)[0, 0])
print(f"label 2: {scores(as_label, 2)} HD {distance:.2f} function {function:.2f} | no channel: {scores(in_none, 255)}")
PYTHON

seen=$("$work/venv/bin/python" "$work/ignored.py")
expected='label 2: Dice 1.00 IoU 0.50 precision 0.50 HD 0.00 function 7.07'
expected+=' | no channel: Dice 1.00 IoU 1.00 precision 1.00'
echo "Label 1, found exactly, beside voxels that are not annotated: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
