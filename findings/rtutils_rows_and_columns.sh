#!/usr/bin/env bash
# Where rt-utils alone puts the contours of a mask if the pixels of a series are not square. No part of CI.
#
# Version: rt-utils 1.2.7 with pydicom 3.0.2 and numpy 2.4.6, Python 3.11.
# Behaviour: PixelSpacing is the distance of rows, then that of columns (DICOM PS3.3, 10.7.1.3), so that a step along a
# row has the length of the second number. rt-utils takes the first one for it. Of a series of 40 rows 0.75 mm apart and
# 48 columns 0.5 mm apart, whose first pixel is at x = 0 and y = 0, the contour of rows 10 to 29 and columns 20 to 39
# has to run from x = 10 to 19.5 and from y = 7.5 to 21.75. It runs from x = 15 to 29.25 and from y = 5 to 14.5. The
# mask that comes back has rows and columns exchanged, 48 x 40. Where pixels are square and images as well, both are
# right, and `read_structures(..., rule="pixel_centre_or_edge")` has the mask back to the voxel.
# Seen: x 15.0 29.25 y 5.0 14.5 mask 48 40 1
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'rt-utils==1.2.7' 'pydicom==3.0.2' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(rt-utils|pydicom|numpy|opencv-python) '

cat >"$work/contours.py" <<'PYTHON'
import pathlib
import sys

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from rt_utils import RTStructBuilder

folder = pathlib.Path(sys.argv[1])
meta = FileMetaDataset()
meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3.4"
meta.TransferSyntaxUID = ExplicitVRLittleEndian
data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
data.SOPClassUID, data.SOPInstanceUID, data.Modality = CTImageStorage, "1.2.3.4", "CT"
data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = "1.2.3.1", "1.2.3.2", "1.2.3.3"
data.PatientName = data.PatientID = data.StudyID = "A"
data.PatientBirthDate = data.PatientSex = ""
data.StudyDate, data.StudyTime, data.SeriesNumber, data.InstanceNumber = "20200101", "000000", 1, 1
data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 40, 48, 1, "MONOCHROME2"
data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
data.PixelSpacing, data.SliceThickness, data.RescaleSlope, data.RescaleIntercept = [0.75, 0.5], 2, 1, 0
data.PixelData = bytes(40 * 48 * 2)
pydicom.dcmwrite(folder / "1.dcm", data, enforce_file_format=True)

mask = np.zeros((40, 48, 1), bool)
mask[10:30, 20:40] = True
builder = RTStructBuilder.create_new(str(folder))
builder.add_roi(mask=mask, name="block")
contour = builder.ds.ROIContourSequence[0].ContourSequence[0].ContourData
x, y, _ = np.reshape(np.array(contour, float), (-1, 3)).T
shape = builder.get_roi_mask_by_name("block").shape
print("x", x.min(), x.max(), "y", y.min(), y.max(), "mask", *shape)
PYTHON

mkdir "$work/series"
seen=$("$work/venv/bin/python" "$work/contours.py" "$work/series")
expected='x 15.0 29.25 y 5.0 14.5 mask 48 40 1'
echo "The contour of rows 10 to 29 and columns 20 to 39, and the shape of its mask: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
