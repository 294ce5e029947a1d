#!/usr/bin/env bash
# In which unit panoptica alone gives distances of whole masks. No part of CI.
#
# Version: panoptica 2.1.7 with numpy 2.2.6 and scipy 1.17.1, Python 3.11.
# Behaviour: `evaluate` takes `voxelspacing`, by which metrics of instances are in millimetres. Those of the whole masks,
# which one asks for as `global_metrics` and finds in the same result, are in voxels, whatever the spacing. One cube in
# slices of 5 mm, predicted one slice higher: the Hausdorff distance of the instance is 5, that of the masks, which are
# the same voxels, is 1, and so are the distances of their centres. The average surface distances are 1.32 and 0.34. So a
# table with both has two units, and the figures of a thick-sliced cohort are too good by up to the slice thickness.
# Seen: instance: HD 5.0 centres 5.0 ASSD 1.32 | global: HD 1.0 centres 1.0 ASSD 0.34
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'panoptica==2.1.7' 'numpy==2.2.6' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(panoptica|scipy|numpy) '

cat >"$work/units.py" <<'PYTHON'
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

reference = np.zeros((14, 14, 14), np.uint8)
reference[4:10, 4:10, 4:10] = 1
metrics = [Metric.HD, Metric.CEDI, Metric.ASSD]
evaluator = Panoptica_Evaluator(
    expected_input=InputType.SEMANTIC,
    instance_approximator=ConnectedComponentsInstanceApproximator(),
    instance_matcher=NaiveThresholdMatching(),
    instance_metrics=metrics,
    global_metrics=metrics,
)
result = evaluator.evaluate(np.roll(reference, 1, axis=0), reference, voxelspacing=(5.0, 1.0, 1.0), verbose=False)
for name, prefix in (("instance", "sq_"), ("| global", "global_bin_")):
    values = [round(float(getattr(result["ungrouped"], f"{prefix}{metric.name.lower()}")), 2) for metric in metrics]
    print("{}: HD {} centres {} ASSD {}".format(name, *values), end=" ")
PYTHON

seen=$(NO_COLOR=1 "$work/venv/bin/python" "$work/units.py" | grep instance | xargs)
expected='instance: HD 5.0 centres 5.0 ASSD 1.32 | global: HD 1.0 centres 1.0 ASSD 0.34'
echo "Distances of one structure: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
