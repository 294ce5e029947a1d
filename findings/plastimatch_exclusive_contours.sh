#!/usr/bin/env bash
# Which structures of an RT structure set plastimatch alone converts to masks. No part of CI.
#
# Version: plastimatch 1.10.0 (from the package index) with pydicom 3.0.2, Python 3.11.
# Behaviour: a structure with a hole is drawn as a keyhole, or as two contours of the type CLOSEDPLANAR_XOR (DICOM PS3.3,
# C.8.8.6.3). Of a structure set with one ring drawn each way, `plastimatch convert` writes the mask of the keyhole alone,
# ends with status 0, and says nothing of the other. Two contours of CLOSED_PLANAR, one within the other, which the
# standard has no word for and many programs write for a hole, become a disc without one. `read_structures` has a hole
# in all three.
# Seen: disc.nrrd keyhole.nrrd | voxels 256 192
#
# Exit status: 0 if this is still so, 1 if it has changed. Run it on a machine with Python 3.11 or newer and pip.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile 'plastimatch==1.10.0' 'pydicom==3.0.2' 'numpy==2.4.6'
"$work/venv/bin/pip" list 2>"$work/pip.log" | grep -E '^(plastimatch|pydicom|numpy) '

cat >"$work/structures.py" <<'PYTHON'
import pathlib
import sys

from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, RTStructureSetStorage

folder = pathlib.Path(sys.argv[1])


def new(kind, uid):
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = kind, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.PatientID, data.PatientName = kind, uid, "A", "A"
    data.StudyInstanceUID, data.FrameOfReferenceUID = "1.2.3.1", "1.2.3.3"
    return data


def item(**elements):
    part = Dataset()
    for name, value in elements.items():
        setattr(part, name, value)
    return part


(folder / "series").mkdir()
for z in range(3):
    data = new(CTImageStorage, f"1.2.3.4.{z}")
    data.SeriesInstanceUID, data.Modality, data.InstanceNumber = "1.2.3.2", "CT", z + 1
    data.Rows, data.Columns, data.SamplesPerPixel, data.PhotometricInterpretation = 32, 32, 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    data.ImagePositionPatient, data.ImageOrientationPatient = [0, 0, z], [1, 0, 0, 0, 1, 0]
    data.PixelSpacing, data.SliceThickness, data.RescaleSlope, data.RescaleIntercept = [1, 1], 1, 1, 0
    data.PixelData = bytes(32 * 32 * 2)
    dcmwrite(folder / "series" / f"{z}.dcm", data, enforce_file_format=True)

image = item(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID="1.2.3.4.1")
outer = [(5.5, 5.5), (21.5, 5.5), (21.5, 21.5), (5.5, 21.5)]
inner = [(9.5, 9.5), (17.5, 9.5), (17.5, 17.5), (9.5, 17.5)]
keyhole = [*outer, outer[0], inner[0], *inner[:0:-1], inner[0]]
drawn = {
    "keyhole": ("CLOSED_PLANAR", [keyhole]),
    "exclusive": ("CLOSEDPLANAR_XOR", [outer, inner]),
    "disc": ("CLOSED_PLANAR", [outer, inner]),
}
data = new(RTStructureSetStorage, "1.2.3.5")
data.SeriesInstanceUID, data.Modality, data.StructureSetLabel = "1.2.3.6", "RTSTRUCT", "rings"
series = item(SeriesInstanceUID="1.2.3.2", ContourImageSequence=[image])
study = item(ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1", ReferencedSOPInstanceUID="1.2.3.1",
             RTReferencedSeriesSequence=[series])
data.ReferencedFrameOfReferenceSequence = [item(FrameOfReferenceUID="1.2.3.3", RTReferencedStudySequence=[study])]
data.StructureSetROISequence, data.ROIContourSequence, data.RTROIObservationsSequence = [], [], []
for number, (name, (kind, polygons)) in enumerate(drawn.items(), start=1):
    contours = [
        item(ContourImageSequence=[image], ContourGeometricType=kind, NumberOfContourPoints=len(polygon),
             ContourData=[number for x, y in polygon for number in (x, y, 1)])
        for polygon in polygons
    ]
    data.StructureSetROISequence.append(
        item(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID="1.2.3.3", ROIGenerationAlgorithm=""))
    data.ROIContourSequence.append(
        item(ROIDisplayColor=[255, 0, 0], ReferencedROINumber=number, ContourSequence=contours))
    data.RTROIObservationsSequence.append(
        item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="ORGAN", ROIInterpreter=""))
dcmwrite(folder / "structures.dcm", data, enforce_file_format=True)
PYTHON

cat >"$work/voxels.py" <<'PYTHON'
import pathlib
import sys
import zlib

for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    head, _, pixels = path.read_bytes().partition(b"\n\n")
    values = zlib.decompress(pixels, 47) if b"encoding: gz" in head else pixels
    print(sum(value > 0 for value in values))
PYTHON

"$work/venv/bin/python" "$work/structures.py" "$work"
"$work/venv/bin/plastimatch" convert --input "$work/structures.dcm" --referenced-ct "$work/series" \
    --output-prefix "$work/masks" --prefix-format nrrd >"$work/plastimatch.log"
seen="$(ls "$work/masks" | xargs) | voxels $("$work/venv/bin/python" "$work/voxels.py" "$work/masks" | xargs)"
expected='disc.nrrd keyhole.nrrd | voxels 256 192'
echo "Masks of three structures, and their voxels: $seen"
if [ "$seen" != "$expected" ]; then
    echo "This has changed: it was $expected." >&2
    exit 1
fi
