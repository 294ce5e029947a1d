#!/usr/bin/env bash
# What MONAI alone says of a detector that finds every lesion and nothing else. Installing it takes minutes: no part of CI.
#
# Version: monai 1.6.1 with torch 2.13.0, Python 3.11.
# Behaviour: `compute_froc_curve_data` has a point for every score but the lowest one. `compute_fp_tp_probs` gives a
# missed lesion the score 0, which is then the one that is left out; where none is missed, it is a lesion that was
# found. So a perfect detector gets 1 - 1 / N from `compute_froc_score`, 0 for one lesion, and 0 for any number of them
# if all have one score. A detector that misses one of the four, and finds the others, has as good a score as one that
# finds all. Ours has a point for every score (CORRECTNESS.md).
# Seen: 0.0 0.75 0.75 0.0
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'monai==1.6.1' 'torch==2.13.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(monai|torch|numpy) '

cat >"$work/froc.py" <<'PYTHON'
import numpy as np
from monai.metrics import compute_fp_tp_probs, compute_froc_curve_data, compute_froc_score

lesions = np.zeros((10, 10), int)  # four lesions of one pixel, numbered from 1 on
places = [(1, 1), (1, 8), (8, 1), (8, 8)]
for number, place in enumerate(places, start=1):
    lesions[place] = number


def score(scores, mask):
    """Return the FROC score of one image in which the first lesions are found with these scores."""
    y, x = np.array(places[: len(scores)]).T
    false, found, count = compute_fp_tp_probs(np.array(scores), y, x, mask)
    return float(compute_froc_score(*compute_froc_curve_data(false, found, count, 1)))


print(
    score([0.9], np.where(lesions == 1, 1, 0)),
    score([0.9, 0.8, 0.7, 0.6], lesions),
    score([0.9, 0.8, 0.7], lesions),
    score([0.9, 0.9, 0.9, 0.9], lesions),
)
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/froc.py")
expected='0.0 0.75 0.75 0.0'
echo "One lesion found of one, four of four, three of four, four of four with one score: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
