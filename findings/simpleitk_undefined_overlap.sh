#!/usr/bin/env bash
# Which numbers SimpleITK alone gives of overlaps that are undefined. No part of CI.
#
# Version: simpleitk 2.5.7 with numpy 2.4.6, Python 3.11.
# Behaviour: where a measure of `LabelOverlapMeasuresImageFilter` is 0 / 0, it is the largest number of double precision:
# of two empty masks the Jaccard index, the volume similarity and the shares of false voxels, and of an empty reference
# with a prediction the share of false negatives. That number is finite, so that `isfinite` and `nanmean` keep it: the
# mean of 0.8, 0.9 and such a case is 6e307. The Dice coefficient of the same two empty masks is inf. Of 512 voxels, all
# of them rightly background, the share of false positives is that number too, where 0 / 512 is 0. Asked for label 1 by
# number, the same filter says 0.0 for Dice and Jaccard of two empty masks, as if the structure had been missed.
# Seen: none: Dice inf Jaccard 1.8e+308 false positives 1.8e+308 label 1: 0.0 0.0 | made up: false negatives 1.8e+308
#   | mean 6e+307 finite True
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'simpleitk==2.5.7' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -iE '^(simpleitk|numpy) '

cat >"$work/overlap.py" <<'PYTHON'
import numpy as np
import SimpleITK as sitk


def overlap(predicted, referenced):
    """Return the filter after two masks of 8 x 8 x 8 voxels with so many of the structure."""
    images = []
    for count in (predicted, referenced):
        mask = np.zeros((8, 8, 8), np.uint8)
        mask.reshape(-1)[:count] = 1
        images.append(sitk.GetImageFromArray(mask))
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.GlobalWarningDisplayOff()
    measures.Execute(*images)
    return measures


none, made_up = overlap(0, 0), overlap(20, 0)
jaccard = [0.8, 0.9, none.GetJaccardCoefficient()]
print(
    f"none: Dice {none.GetDiceCoefficient()} Jaccard {none.GetJaccardCoefficient():.2g}",
    f"false positives {none.GetFalsePositiveError():.2g}",
    f"label 1: {none.GetDiceCoefficient(1)} {none.GetJaccardCoefficient(1)}",
    f"| made up: false negatives {made_up.GetFalseNegativeError():.2g}",
    f"| mean {np.nanmean(jaccard):.0g} finite {bool(np.all(np.isfinite(jaccard)))}",
)
PYTHON

seen=$("$work/venv/bin/python" "$work/overlap.py")
expected='none: Dice inf Jaccard 1.8e+308 false positives 1.8e+308 label 1: 0.0 0.0 | made up: false negatives 1.8e+308'
expected+=' | mean 6e+307 finite True'
echo "Overlaps of two empty masks, and of a made-up structure: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
