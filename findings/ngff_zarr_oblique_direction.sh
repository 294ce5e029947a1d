#!/usr/bin/env bash
# What ngff-zarr alone makes of the direction of an image. No part of CI.
#
# Version: ngff-zarr 0.50.0 with itkwasm 1.0b201 and numpy 2.4.6, Python 3.11.
# Behaviour: an image that is turned by 17 degrees about z is written as OME-Zarr 0.5 with the axes of the world, without
# a word: its corners lie up to 30 mm beside their place. Of one whose first two axes run to the right and to the front,
# the words of RFC-4 say so, and the translation stays that of the first voxel in (L, P, S): where coordinates grow to the
# right, as the words say, that voxel would lie 100 mm to the right, and not to the left. Our `write` refuses OME-Zarr for
# both, and `read` refuses the second, of which it cannot know what was meant.
# Seen: turned: inferior-to-superior anterior-to-posterior right-to-left, translation 3.0 2.0 100.0, warnings 0
#       flipped: inferior-to-superior posterior-to-anterior left-to-right, translation 3.0 2.0 100.0, warnings 0
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'ngff-zarr==0.50.0'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(ngff-zarr|itkwasm|numpy) '

cat >"$work/direction.py" <<'PYTHON'
import json
import sys
import warnings

import ngff_zarr
import numpy as np
from itkwasm import FloatTypes, Image, ImageType, PixelTypes

kind = ImageType(dimension=3, componentType=FloatTypes.Float32, pixelType=PixelTypes.Scalar, components=1)
turned = [[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 0], [0, 0, 1]]
for name, direction in (("turned", np.array(turned)), ("flipped", np.diag([-1.0, -1.0, 1.0]))):
    image = Image(imageType=kind, name=name, origin=[100.0, 2.0, 3.0], spacing=[1.0, 1.0, 1.0], direction=direction,
                  size=[100, 5, 4], data=np.zeros((4, 5, 100), np.float32))
    path = f"{sys.argv[1]}/{name}.ome.zarr"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        pyramid = ngff_zarr.to_multiscales(ngff_zarr.itk_image_to_ngff_image(image), scale_factors=[], chunks=64)
        ngff_zarr.to_ngff_zarr(path, pyramid, version="0.5")
    (written,) = json.load(open(f"{path}/zarr.json"))["attributes"]["ome"]["multiscales"]
    words = [axis["orientation"]["value"] for axis in written["axes"]]
    _, translation = written["datasets"][0]["coordinateTransformations"]
    print(f"{name}:", *words, end=", ")
    print("translation", *translation["translation"], end=", ")
    print("warnings", sum("direction" in str(one.message) for one in said))
PYTHON

seen=$("$work/venv/bin/python" "$work/direction.py" "$work" 2>"$work/err.log")
expected='turned: inferior-to-superior anterior-to-posterior right-to-left, translation 3.0 2.0 100.0, warnings 0
flipped: inferior-to-superior posterior-to-anterior left-to-right, translation 3.0 2.0 100.0, warnings 0'
printf '%s\n' "$seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was
$expected" >&2
    exit 1
fi
