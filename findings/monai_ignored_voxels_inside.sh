#!/usr/bin/env bash
# What ignored voxels within a structure do to MONAI's surface metrics alone. Installing it takes minutes: no part of CI.
#
# Version: monai 1.6.1 with torch 2.13.0 and scipy 1.17.1, Python 3.11.
# Behaviour: metrics of 1.6 take `ignore_index`, by which voxels are "excluded from the score". Surface metrics cut them
# out of both masks, so that the rim of the hole becomes a surface of both, at a distance of 0. A square of 10 pixels is
# predicted as one of 18, whose surface is 4 pixels away everywhere: its surface Dice at 1 pixel is 0. If the reference
# has 4 x 4 pixels in the middle of the structure that are not to count, where no surface is, the surface Dice is 0.24
# (0.21 with `use_subvoxels`), and the average surface distance falls from 4.19 to 2.78. The less is annotated, the
# better are the same wrong contours.
# Seen: all counted: 0.00 0.00 4.19 | middle ignored: 0.24 0.21 2.78
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'monai==1.6.1' 'torch==2.13.0' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(monai|torch|scipy|numpy) '

cat >"$work/inside.py" <<'PYTHON'
import warnings

import torch
from monai.metrics import SurfaceDiceMetric, SurfaceDistanceMetric

warnings.simplefilter("ignore")  # that the ignored label is empty afterwards


def square(labels, margin, label):
    """Return labels with a square in the middle, so far from the border."""
    changed = labels.clone()
    changed[margin:-margin, margin:-margin] = label
    return changed


def scores(reference, ignored):
    """Return surface Dice by counts and by areas, and the average surface distance, of label 1."""
    metrics = (
        SurfaceDiceMetric([1.0, 1.0], ignore_index=ignored),
        SurfaceDiceMetric([1.0, 1.0], ignore_index=ignored, use_subvoxels=True),
        SurfaceDistanceMetric(symmetric=True, ignore_index=ignored),
    )
    values = []
    pair = [torch.nn.functional.one_hot(labels, 3).movedim(-1, 0)[None].float() for labels in (predicted, reference)]
    for metric in metrics:
        metric(*pair)
        values.append(f"{float(metric.aggregate('none').reshape(-1)[0]):.2f}")
    return " ".join(values)


nothing = torch.zeros(24, 24, dtype=torch.int64)
predicted, annotated = square(nothing, 3, 1), square(nothing, 7, 1)
print(f"all counted: {scores(annotated, None)} | middle ignored: {scores(square(annotated, 10, 2), 2)}")
PYTHON

seen=$("$work/venv/bin/python" "$work/inside.py")
expected='all counted: 0.00 0.00 4.19 | middle ignored: 0.24 0.21 2.78'
echo "Surface Dice, the same with subvoxels, average surface distance: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
