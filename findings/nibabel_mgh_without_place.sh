#!/usr/bin/env bash
# Where nibabel places a volume of FreeSurfer whose header states no place (goodRASFlag 0).
#
# Version: nibabel 5.4.2 with NumPy 2, Python 3.11.
# Behaviour: FreeSurfer takes such a volume for a coronal one: columns go to the left, rows down and slices to the front
# (`setDirectionCosine` in utils/mri.cpp, which `mghRead` calls). nibabel lets rows go up and slices to the back, so that
# such a volume lies upside down and back to front. The matrix for `tkregister` of the same header has FreeSurfer's
# directions. Ours are FreeSurfer's (mia_functional/images/mgh.py).
# Seen: [[-1, 0, 0], [0, 0, 1], [0, -1, 0]], and for tkregister [[-1, 0, 0], [0, 0, -1], [0, 1, 0]]
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'nibabel==5.4.2' 'numpy>=2'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(nibabel|numpy) '

cat >"$work/place.py" <<'PYTHON'
import struct

import nibabel
import numpy as np

raw = bytearray(nibabel.MGHImage(np.zeros((4, 5, 6), np.uint8), np.eye(4)).to_bytes())
raw[28:30] = struct.pack(">h", 0)
header = nibabel.MGHImage.from_bytes(bytes(raw)).header
for matrix in (header.get_affine(), header.get_vox2ras_tkr()):
    # A row is where columns, rows or slices go to, in (R, A, S).
    print(matrix[:3, :3].T.astype(int).tolist())
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/place.py")
expected='[[-1, 0, 0], [0, 0, 1], [0, -1, 0]]
[[-1, 0, 0], [0, 0, -1], [0, 1, 0]]'
echo "Directions of columns, rows and slices, of the header and of tkregister:"
echo "$seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
