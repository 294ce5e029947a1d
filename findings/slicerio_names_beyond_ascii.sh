#!/usr/bin/env bash
# What slicerio alone makes of names that are not ASCII. No part of CI.
#
# Version: slicerio 1.4.0 with pynrrd 1.1.3 and numpy 2.4.6, Python 3.11.
# Behaviour: 3D Slicer writes names of segments as UTF-8. pynrrd decodes headers as ASCII and ignores what is not, so
# `slicerio.read_segmentation` returns "Lsion" for "Läsion", and one name for "Läsion" and "Lésion"; the segment of
# either cannot be found by its name. It encodes headers as ASCII too: `write_segmentation` fails with a
# UnicodeEncodeError. Our `read_segmentation` returns the names, and `write_segmentation` writes them.
# Seen:
#   read ['Lsion', 'Lsion'] write UnicodeEncodeError
#
# Needs nothing but Python 3.11 and a network for pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'slicerio==1.4.0' 'pynrrd==1.1.3' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(slicerio|pynrrd|numpy) '

cat >"$work/names.py" <<'PYTHON'
import sys
from pathlib import Path

import numpy as np
import slicerio

path = Path(sys.argv[1]) / "names.seg.nrrd"
header = """NRRD0004
type: unsigned char
dimension: 3
space: left-posterior-superior
sizes: 3 2 2
space directions: (1,0,0) (0,1,0) (0,0,1)
kinds: domain domain domain
encoding: raw
space origin: (0,0,0)
Segment0_ID:=Segment_1
Segment0_LabelValue:=1
Segment0_Layer:=0
Segment0_Name:=Läsion
Segment1_ID:=Segment_2
Segment1_LabelValue:=2
Segment1_Layer:=0
Segment1_Name:=Lésion

"""
path.write_bytes(header.encode() + bytes(range(3)) * 4)
found = slicerio.read_segmentation(str(path))
print("read", slicerio.segment_names(found), end=" ")
ours = slicerio.create_segmentation((3, 2, 2), np.eye(4))
slicerio.add_segment(ours, np.ones((3, 2, 2), bool), {"id": "a", "name": "Läsion"})
try:
    slicerio.write_segmentation(str(path.with_name("written.seg.nrrd")), ours)
    print("write succeeds")
except UnicodeEncodeError as error:
    print("write", type(error).__name__)
PYTHON

seen=$("$work/venv/bin/python" "$work/names.py" "$work" 2>"$work/progress.log")
expected="read ['Lsion', 'Lsion'] write UnicodeEncodeError"
echo "Names of segments: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
