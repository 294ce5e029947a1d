#!/usr/bin/env bash
# Which of two detectors medpy alone prefers. No part of CI.
#
# Version: medpy 0.5.2 with numpy 2.4.6 and scipy 1.17.1, Python 3.11.
# Behaviour: by notes and examples of its docstring, `obj_tpr(result, reference)` is the share of the objects of the
# reference that the result has, and `obj_fpr` that of the objects of the result that the reference has not. Both divide
# by the objects of the other mask: those examples, two objects predicted of three, give 1.0 and 0.33 where 0.67 and 0.0
# are written. Of four lesions, a detector that finds one has a true positive rate of 1.0 (a false positive rate of 0.75); one that
# finds all four, with twelve false ones, has 0.25 (and 0.0). So the order of methods is reversed: the more lesions are
# missed, the better.
# Seen: docstring 1.00 0.33 | finds 1 of 4: 1.00 0.75 | finds 4, 12 false: 0.25 0.00
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'medpy==0.5.2' 'numpy==2.4.6' 'scipy==1.17.1'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -iE '^(medpy|scipy|numpy) '

cat >"$work/lesions.py" <<'PYTHON'
import numpy as np
from medpy.metric.binary import obj_fpr, obj_tpr


def rates(result, reference):
    """Return the rates of true and of false objects, as medpy has them."""
    return f"{obj_tpr(result, reference):.2f} {obj_fpr(result, reference):.2f}"


def lesions(first, last):
    """Return a slice with lesions of a voxel, apart from each other, by their numbers."""
    mask = np.zeros(64, bool)
    mask[4 * first : 4 * last : 4] = True
    return mask.reshape(1, 64)


print(
    f"docstring {rates(np.array([1, 0, 1, 0, 0]), np.array([1, 0, 1, 0, 1]))}",
    f"finds 1 of 4: {rates(lesions(0, 1), lesions(0, 4))}",
    f"finds 4, 12 false: {rates(lesions(0, 16), lesions(0, 4))}",
    sep=" | ",
)
PYTHON

seen=$("$work/venv/bin/python" "$work/lesions.py")
expected='docstring 1.00 0.33 | finds 1 of 4: 1.00 0.75 | finds 4, 12 false: 0.25 0.00'
echo "True and false positive rates of objects: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
