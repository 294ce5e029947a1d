#!/usr/bin/env bash
# What scikit-image alone leaves of a solid cube that it thins. No part of CI.
#
# Version: scikit-image 0.26.0 with numpy 2.4.6 and scipy 1.17.1, Python 3.11.
# Behaviour: `skeletonize` of a 3-D mask (Lee, Kashyap and Chu) takes all voxels of a cube of even size away, though
# thinning keeps the number of components (here 1). Odd sizes keep a line of up to three voxels. A rod of 4 x 4 x 12
# voxels is lost as well; squares of 2-D masks (Zhang and Suen) are not. Open there as issue 3757 of 2019. So the clDice
# of a perfect prediction is 0 / 0. Our `morphology.skeleton` keeps one voxel of every lost component (CORRECTNESS.md).
# Seen, voxels by size:
#   cubes 2: 0 lost, 3: 3, 4: 0 lost, 5: 3, 6: 0 lost, 7: 3, 8: 0 lost
#   squares 2: 2, 3: 2, 4: 3, 5: 4, 6: 3, 7: 3, 8: 3
#   rod 0 lost
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'scikit-image==0.26.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(scikit-image|scipy|numpy) '

cat >"$work/cubes.py" <<'PYTHON'
import numpy as np
from scipy.ndimage import label
from skimage.morphology import skeletonize


def left(shape):
    """Return how many voxels the skeleton of a solid box has, and whether it has as many components as the box."""
    mask = np.pad(np.ones(shape, bool), 1)
    lines, around = skeletonize(mask), np.ones((3,) * mask.ndim)
    kept = label(lines, around)[1] == label(mask, around)[1]
    return f"{lines.sum()}{'' if kept else ' lost'}"


print("cubes", ", ".join(f"{size}: {left((size,) * 3)}" for size in range(2, 9)))
print("squares", ", ".join(f"{size}: {left((size,) * 2)}" for size in range(2, 9)))
print("rod", left((4, 4, 12)))
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/cubes.py")
expected='cubes 2: 0 lost, 3: 3, 4: 0 lost, 5: 3, 6: 0 lost, 7: 3, 8: 0 lost
squares 2: 2, 3: 2, 4: 3, 5: 4, 6: 3, 7: 3, 8: 3
rod 0 lost'
printf 'Voxels of the skeleton by size, and whether the component is lost:\n%s\n' "$seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was
$expected" >&2
    exit 1
fi
