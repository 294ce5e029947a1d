#!/usr/bin/env bash
# What MONAI alone says of a structure that a prediction missed. Installing it takes minutes: no part of CI.
#
# Version: monai 1.6.1 with torch 2.13.0 and scipy 1.17.1, Python 3.11.
# Behaviour: the prediction is empty and the reference is not. `compute_hausdorff_distance` gives inf, but with
# `percentile=95` NaN, which `HausdorffDistanceMetric` takes for a case to leave out. So a bad case (3 mm beside one of
# 1 mm, mean 2) that is missed altogether improves the mean to 1, and the mean of missed cases alone is 0, the best
# value there is. CORRECTNESS.md says what we give instead.
# Seen: inf nan 2.0 1.0 0.0
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'monai==1.6.1' 'torch==2.13.0' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(monai|torch|scipy|numpy) '

cat >"$work/missed.py" <<'PYTHON'
import warnings

import torch
from monai.metrics import HausdorffDistanceMetric, compute_hausdorff_distance

warnings.simplefilter("ignore")  # that a structure is empty is what this is about

reference = torch.zeros(1, 1, 12, 12, 12)  # case, structure, voxels of 1 mm
reference[..., 2:7, 2:7, 2:7] = 1
missed = torch.zeros_like(reference)
near, far = (torch.roll(reference, shift, dims=-1) for shift in (1, 3))


def mean(*predictions):
    """Return the mean HD95 of several cases, as MONAI reduces it."""
    metric = HausdorffDistanceMetric(include_background=True, percentile=95, reduction="mean")
    for prediction in predictions:
        metric(prediction, reference)
    return metric.aggregate()


print(
    float(compute_hausdorff_distance(missed, reference, include_background=True)),
    float(compute_hausdorff_distance(missed, reference, include_background=True, percentile=95)),
    float(mean(near, far)),
    float(mean(near, missed)),
    float(mean(missed)),
)
PYTHON

seen=$("$work/venv/bin/python" "$work/missed.py")
expected='inf nan 2.0 1.0 0.0'
echo "HD missed, HD95 missed, mean HD95 of 1 mm and 3 mm, of 1 mm and missed, of missed: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
