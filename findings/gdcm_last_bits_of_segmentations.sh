#!/usr/bin/env bash
# What SimpleITK alone, by GDCM, makes of the last pixels of a DICOM segmentation of bits. No part of CI.
#
# Version: SimpleITK 2.5.7 with pydicom 3.0.2 and numpy 2.4.6, Python 3.11.
# Behaviour: frames of one bit for each pixel follow each other without a gap, so that the last byte is not full where
# their pixels together are no multiple of eight. The pixels in that byte are not taken from the file: they are what the
# memory held before, mostly 0. A mask of ones of 5 frames of 9 x 11 pixels, 495, comes back with 488 ones or a few
# more, without a word; pydicom has all of them. The package reads the bits of each frame by itself
# (`images/_dicom/frame_pixels.py`).
# Seen: 9 x 11 x 5: 1 to 7 of 495 wrong, from 488 on | 15 x 17 x 3: 5 of 765 wrong, from 760 on | 8 x 8 x 3: none
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'SimpleITK==2.5.7' 'pydicom==3.0.2' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -iE '^(simpleitk|pydicom|numpy) '

cat >"$work/bits.py" <<'PYTHON'
import sys

import numpy as np
import pydicom
import SimpleITK


def write(path, masks):
    """Write frames as a segmentation of bits."""
    data = pydicom.Dataset()
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = pydicom.uid.SegmentationStorage, "1.2.3", "SEG"
    data.SegmentationType, data.PhotometricInterpretation = "BINARY", "MONOCHROME2"
    data.NumberOfFrames, data.Rows, data.Columns = masks.shape
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 1, 1, 0, 0, 1
    bits = np.packbits(masks.ravel(), bitorder="little").tobytes()
    data.PixelData = bits + b"\0" * (len(bits) % 2)
    data["PixelData"].VR = "OB"
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    pydicom.dcmwrite(path, data, enforce_file_format=True)


seen = []
for rows, columns, frames in ((9, 11, 5), (15, 17, 3), (8, 8, 3)):
    masks = np.ones((frames, rows, columns), bool)
    write(sys.argv[1], masks)
    assert pydicom.dcmread(sys.argv[1]).pixel_array.all()
    wrong = np.flatnonzero(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(sys.argv[1])).ravel() == 0)
    first = f", from {wrong[0]} on" if wrong.size else ""
    print(f"{rows} x {columns} x {frames}: {wrong.size} of {masks.size} wrong{first}")
    # Memory may hold ones by chance, but whatever is wrong lies in the last byte.
    assert wrong.size == 0 or wrong[0] >= masks.size // 8 * 8
    seen.append(wrong.size > 0)
print("last byte" if seen[2] is False and any(seen) else "otherwise")
PYTHON

seen=$("$work/venv/bin/python" -W ignore "$work/bits.py" "$work/seg.dcm" 2>/dev/null)
echo "$seen"
if [ "$(tail -n 1 <<<"$seen")" != "last byte" ]; then
    echo "This has changed: SimpleITK read all pixels of the last byte, or others wrongly." >&2
    exit 1
fi
