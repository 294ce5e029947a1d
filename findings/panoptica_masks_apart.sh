#!/usr/bin/env bash
# How far apart panoptica alone says that two masks are that do not overlap. No part of CI.
#
# Version: panoptica 2.1.7 with numpy 2.2.6 and scipy 1.17.1, Python 3.11.
# Behaviour: metrics of the whole masks ("global") are computed if the masks share a voxel. If not, they are what is set
# for an empty mask. Two cubes of 4 voxels, shifted by 3 voxels, have an average surface distance of 1.5; shifted by 4,
# side by side, it is inf, as if the structure had been missed, and the relative volume difference is NaN, though the
# volumes are equal. The Hausdorff distance is 3 and then a `NotImplementedError`, which ends the evaluation of a folder,
# until somebody says what a missed structure has, which then counts for a lesion found one voxel beside. Small lesions
# are the ones that are hit that way.
# Seen: overlapping: ASSD 1.5 volumes 0.0 Hausdorff 3.0 | side by side: ASSD inf volumes nan NotImplementedError
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'panoptica==2.1.7' 'numpy==2.2.6' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(panoptica|scipy|numpy) '

cat >"$work/apart.py" <<'PYTHON'
import warnings

import numpy as np
from panoptica import (
    ConnectedComponentsInstanceApproximator,
    InputType,
    Metric,
    NaiveThresholdMatching,
    Panoptica_Evaluator,
)

warnings.simplefilter("ignore")


def whole(metric, shift):
    """Return a metric of a cube and of the same cube, shifted by some voxels of 1 mm."""
    reference = np.zeros((16, 12, 12), np.uint8)
    reference[2:6, 4:8, 4:8] = 1
    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC,
        instance_approximator=ConnectedComponentsInstanceApproximator(),
        instance_matcher=NaiveThresholdMatching(),
        instance_metrics=[Metric.DSC],
        global_metrics=[metric],
    )
    try:
        result = evaluator.evaluate(np.roll(reference, shift, axis=0), reference, voxelspacing=(1, 1, 1), verbose=False)
    except NotImplementedError as error:
        return type(error).__name__
    return round(float(getattr(result["ungrouped"], f"global_bin_{metric.name.lower()}")), 2)


for name, shift in (("overlapping", 3), ("side by side", 4)):
    distance = whole(Metric.HD, shift)
    print(
        f"{name}: ASSD {whole(Metric.ASSD, shift)} volumes {whole(Metric.RVD, shift)}",
        distance if isinstance(distance, str) else f"Hausdorff {distance} | ",
        end="",
    )
PYTHON

seen=$(NO_COLOR=1 "$work/venv/bin/python" "$work/apart.py" | grep overlapping)
expected='overlapping: ASSD 1.5 volumes 0.0 Hausdorff 3.0 | side by side: ASSD inf volumes nan NotImplementedError'
echo "A cube and the same cube shifted: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
