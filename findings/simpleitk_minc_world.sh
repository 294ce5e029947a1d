#!/usr/bin/env bash
# Where a MINC 2 file lies that SimpleITK wrote, for SimpleITK and for nibabel.
#
# Version: SimpleITK 2.5.7 (ITK 5.4) and nibabel 5.4.2, Python 3.11.
# Behaviour: MINC's world is (x to the right, y to the front, z up), as the files of SimpleITK say themselves in comments
# of their axes. SimpleITK writes its own coordinates, whose x goes to the left and y to the back, without a change, and
# reads them back so. For everybody who follows MINC's rule the image lies turned by half a turn about z, and images of
# the MINC tools lie so for SimpleITK. Ours is MINC's rule (mia_functional/images/minc.py).
# Seen: (10.0, 20.0, 30.0) [10.0, 20.0, 30.0]; the same point is (10, 20, 30) in (L, P, S) and [-10, -20, 30] in (R, A, S)
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'SimpleITK==2.5.7' 'nibabel==5.4.2' 'h5py>=3.12' 'numpy>=2'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -iE '^(simpleitk|nibabel|h5py|numpy) '

cat >"$work/world.py" <<'PYTHON'
import sys

import nibabel
import numpy as np
import SimpleITK

path = sys.argv[1]
image = SimpleITK.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
image.SetOrigin((10, 20, 30))  # (L, P, S)
writer = SimpleITK.ImageFileWriter()
writer.SetImageIO("MINCImageIO")
writer.SetFileName(path)
writer.Execute(image)
# Of voxel 0, the one in (L, P, S), the other in (R, A, S).
print(SimpleITK.ReadImage(path, imageIO="MINCImageIO").GetOrigin(), nibabel.load(path).affine[:3, 3].tolist())
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/world.py" "$work/x.mnc")
expected='(10.0, 20.0, 30.0) [10.0, 20.0, 30.0]'
echo "Voxel 0 of SimpleITK in (L, P, S), and of nibabel in (R, A, S): $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
