#!/usr/bin/env bash
# What highdicom alone writes, as a segmentation of bits, of frames of fewer than eight pixels. No part of CI.
#
# Version: highdicom 0.28.2 with pydicom 3.0.2 and numpy 2.4.6, Python 3.11.
# Behaviour: frames of a segmentation of bits follow each other without a gap (DICOM PS3.5, section 8.1.1), and are
# written so where they have eight pixels or more, multiples of eight or not. Frames of fewer, such as 1 x 7, take a
# byte each, so that pixels of all frames but the first are read elsewhere: by pydicom, and by highdicom's `get_volume`,
# which then finds other labels or segments that overlap. `images.write_segmentation` reads what it wrote, and raises an
# error.
# Seen: 1 x 7: lost | 1 x 9: kept | 2 x 5: kept
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'highdicom==0.28.2' 'pydicom==3.0.2' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -iE '^(highdicom|pydicom|numpy) '

cat >"$work/few.py" <<'PYTHON'
import highdicom
import numpy as np
import pydicom


def series(slices, rows, columns):
    """Return the headers of a series of slices."""
    uids = [pydicom.uid.generate_uid() for _ in range(3)]
    found = []
    for number in range(slices):
        data = pydicom.Dataset()
        data.file_meta = pydicom.dataset.FileMetaDataset()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.CTImageStorage, pydicom.uid.generate_uid()
        data.StudyInstanceUID, data.SeriesInstanceUID, data.FrameOfReferenceUID = uids
        data.Modality, data.PatientID, data.PatientName, data.Manufacturer = "CT", "P", "A^B", "maker"
        for name in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID", "AccessionNumber"):
            setattr(data, name, "")
        data.ReferringPhysicianName, data.PositionReferenceIndicator = "", ""
        data.SeriesNumber, data.InstanceNumber, data.Rows, data.Columns = 1, number + 1, rows, columns
        data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, 2.0 * number], [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [1, 1], 2
        data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        found.append(data)
    return found


concepts = [highdicom.sr.CodedConcept(*code) for code in (("91772007", "SCT", "Organ"), ("10200004", "SCT", "Liver"))]
segment = highdicom.seg.SegmentDescription(1, "part", *concepts, "MANUAL")
kept = []
for rows, columns in ((1, 7), (1, 9), (2, 5)):
    mask = np.random.default_rng(0).random((4, rows, columns)) < 0.5
    written = highdicom.seg.Segmentation(
        series(4, rows, columns), mask, "BINARY", [segment], "1.2.3", 1, "1.2.4", 1, "maker", "model", "1", "1",
        omit_empty_frames=False,
    )
    written.save_as("seg.dcm")
    needed = -(-mask.size // 8)
    # highdicom's frames run from the last slice to the first.
    same = np.array_equal(pydicom.dcmread("seg.dcm").pixel_array[::-1], mask)
    text = "kept" if same else "lost"
    print(f"{rows} x {columns}: {len(written.PixelData)} bytes, {needed + needed % 2} needed, {text}")
    kept.append(same)
print(kept)
PYTHON

cd "$work"
seen=$("$work/venv/bin/python" -W ignore few.py)
echo "$seen"
if [ "$(tail -n 1 <<<"$seen")" != "[False, True, True]" ]; then
    echo "This has changed: frames of seven pixels are kept, or others lost." >&2
    exit 1
fi
