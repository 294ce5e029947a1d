#!/usr/bin/env bash
# Into which bins MONAI alone puts probabilities that lie on the edge of two. Installing it takes minutes: no part of CI.
#
# Version: monai 1.6.1 with torch 2.13.0, Python 3.11.
# Behaviour: the documentation of `calibration_binning` and `CalibrationErrorMetric` says that bins are [left, right) by
# default and (left, right] with `right=True`. `torch.bucketize` names its option the other way round, and the last edge
# is 1 + 2^-23, so that inner edges lie a little higher than k / n. By default all edges belong to the lower bin, as with
# (left, right]. With `right=True` most of them still do, so that the option changes nothing for two bins; of ten, 0.3
# alone goes to the upper bin, so that they have neither form.
# The probabilities 0.25 of what is so and 0.5 of what is not have an expected calibration error of 0.625 with
# [0, 0.5) and [0.5, 1], and of 0.125 with [0, 0.5] and (0.5, 1]. CORRECTNESS.md says what we have, by name.
# Seen: 0.125 0.125 | 0 1 2 3 4 5 6 7 8 | 0 1 3 3 4 5 6 7 8
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'monai==1.6.1' 'torch==2.13.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(monai|torch|numpy) '

cat >"$work/edges.py" <<'PYTHON'
import torch
from monai.metrics import CalibrationErrorMetric
from monai.metrics.calibration import calibration_binning


def error(right):
    """Return the expected calibration error of two probabilities in two bins; all numbers are exact in binary."""
    metric = CalibrationErrorMetric(num_bins=2, right=right)
    metric(torch.tensor([[[0.25, 0.5]]]), torch.tensor([[[1.0, 0.0]]]))
    return float(metric.aggregate())


def bins(right):
    """Return the bin of each of 0.1, 0.2 ... 0.9, the edges of ten bins."""
    edges = (torch.tensor([[[k / 10]]]) for k in range(1, 10))
    return [int(calibration_binning(p, torch.ones_like(p), num_bins=10, right=right)[2].argmax()) for p in edges]


print(error(False), error(True), "|", *bins(False), "|", *bins(True))
PYTHON

seen=$("$work/venv/bin/python" "$work/edges.py")
expected='0.125 0.125 | 0 1 2 3 4 5 6 7 8 | 0 1 3 3 4 5 6 7 8'
echo "Error by default and with right=True, bins of 0.1 to 0.9 by default and with right=True: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
