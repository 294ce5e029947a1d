#!/usr/bin/env bash
# What surface Dice Metrics Reloaded alone gives a structure that a prediction missed. No part of CI.
#
# Version: MetricsReloaded 0.1.0, commit cb38dfc, with numpy 2.4.6 and scipy 1.17.1, Python 3.11.
# Behaviour: an empty prediction has no border, and `scipy.ndimage.distance_transform_edt` of an array without a zero gives
# distances to a voxel outside of the image, beside its first corner. So the border of the reference has distances to a
# border that is not there: a cube of 2 x 2 x 2 voxels of 1 mm in that corner, of which nothing is predicted, has a
# normalised surface distance (NSD) of 0.125 at a tolerance of 1 mm and of 1, a perfect score, at 3 mm; in the opposite
# corner of the same image it is 0. Distances of the same pair are NaN, with a warning. What is made up where the
# reference has nothing gets the same scores.
# Seen: first corner 0.125 1.0 last corner 0.0 0.0 made up 0.125 1.0
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer, git and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A clone of theirs, where the network does not reach GitHub.
source=${METRICS_RELOADED:-https://github.com/Project-MONAI/MetricsReloaded}
git clone --quiet --no-checkout "$source" "$work/clone"
mkdir "$work/theirs"
git -C "$work/clone" archive cb38dfc MetricsReloaded | tar -x -C "$work/theirs"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'numpy==2.4.6' 'scipy==1.17.1' pandas scikit-image nibabel
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(numpy|scipy) '

cat >"$work/missed.py" <<'PYTHON'
import warnings

import numpy as np
from MetricsReloaded.metrics.pairwise_measures import BinaryPairwiseMeasures

warnings.simplefilter("ignore")
first, last, nothing = np.zeros((3, 8, 8, 8), np.uint8)
first[:2, :2, :2] = last[-2:, -2:, -2:] = 1


def scores(prediction, reference):
    """Return the normalised surface distance at 1 and at 3 mm."""
    measures = (
        BinaryPairwiseMeasures(prediction, reference, pixdim=(1.0, 1.0, 1.0), dict_args={"nsd": tolerance})
        for tolerance in (1, 3)
    )
    return [float(one.normalised_surface_distance()) for one in measures]


missed, other, made_up = scores(nothing, first), scores(nothing, last), scores(first, nothing)
print("first corner", *missed, "last corner", *other, "made up", *made_up)
PYTHON

seen=$(PYTHONPATH="$work/theirs" "$work/venv/bin/python" "$work/missed.py")
expected='first corner 0.125 1.0 last corner 0.0 0.0 made up 0.125 1.0'
echo "Normalised surface distance at 1 and 3 mm: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
