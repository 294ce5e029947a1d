#!/usr/bin/env bash
# Where ome-zarr alone puts the levels of a pyramid, beside where it says that they are. No part of CI.
#
# Version: ome-zarr 0.18.0 with numpy 2.4.6, scikit-image 0.26.0, scipy 1.17.1 and zarr 3.1.6, Python 3.11.
# Behaviour: of a ramp along x, the value of a voxel is its place. `write_image` halves a volume of 64 or 61 voxels a
# side by each of its methods, and states a scale (the quotient of sizes) and a translation for the level. `resize`, the
# default, is right. `nearest` takes the second of two voxels and states the middle of both, 0.25 voxels of the level off
# everywhere (even sizes). Means of two (`local_mean`) of an odd size leave the last voxel out, and the stated scale does
# not: they drift, to almost half a voxel at the end. `zoom` keeps the centres of the outermost voxels in place, where
# their outer edges are stated: -0.22 at one end and 0.22 at the other. The last voxels at both ends are not looked at.
# Seen, voxels of level 1 by which values lie beside the stated place, at the beginning, in the middle and at the end:
#   64 resize 0.00 0.00 0.00
#   64 nearest 0.25 0.25 0.25
#   64 local_mean 0.00 0.00 0.00
#   64 zoom -0.22 0.01 0.22
#   61 resize 0.00 0.00 0.00
#   61 nearest 0.20 -0.01 -0.20
#   61 local_mean -0.04 -0.25 -0.45
#   61 zoom -0.25 -0.25 -0.24
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'ome-zarr==0.18.0' 'zarr==3.1.6' 'scikit-image==0.26.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(ome-zarr|zarr|numpy|scipy|scikit-image) '

cat >"$work/levels.py" <<'PYTHON'
import sys

import numpy as np
import zarr
from ome_zarr.scale import Methods
from ome_zarr.writer import write_image

for size in (64, 61):
    ramp = np.broadcast_to(np.arange(size, dtype=np.float32), (size,) * 3).copy()
    for method in Methods:
        path = f"{sys.argv[1]}/{size}_{method.value}.ome.zarr"
        write_image(ramp, path, axes="zyx", method=method, scale_factors=[{"z": 2, "y": 2, "x": 2}])
        group = zarr.open_group(path, mode="r")
        level = group.attrs["ome"]["multiscales"][0]["datasets"][1]
        scale, translation = (step[kind][2] for step, kind in
                              zip(level["coordinateTransformations"], ("scale", "translation"), strict=True))
        values = group[level["path"]][...]
        row = values[len(values) // 2, len(values) // 2]
        beside = ((row - (scale * np.arange(len(row)) + translation)) / scale)[2:-2]
        ends = (beside[0], beside[len(beside) // 2], beside[-1])
        print(size, method.value, *(f"{entry + 0.0:.2f}".replace("-0.00", "0.00") for entry in ends))
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/levels.py" "$work" 2>"$work/err.log")
expected='64 resize 0.00 0.00 0.00
64 nearest 0.25 0.25 0.25
64 local_mean 0.00 0.00 0.00
64 zoom -0.22 0.01 0.22
61 resize 0.00 0.00 0.00
61 nearest 0.20 -0.01 -0.20
61 local_mean -0.04 -0.25 -0.45
61 zoom -0.25 -0.25 -0.24'
printf 'Voxels of level 1 beside the stated place, at the beginning, in the middle and at the end:\n%s\n' "$seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was
$expected" >&2
    exit 1
fi
