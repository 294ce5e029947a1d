"""RT structure sets that the tests write with pydicom, and series to draw them on."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage

from mia_functional.geometry import Geometry

FRAME = "1.2.3.4.5"

GRID = Geometry(shape=(9, 40, 48), spacing=(2.5, 0.75, 0.5), origin=(-10.0, -15.0, 7.5))


def dataset(**tags):
    """A data set of these elements."""
    data = Dataset()
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def world(grid, indices):
    """Points (x, y, z) in millimetres at indices (slice, row, column)."""
    steps = np.array(grid.direction) * grid.spacing
    return (np.asarray(indices, float) @ steps.T + grid.origin)[:, ::-1]


def drawn(grid, height, polygon, *, decimals=None):
    """A contour in a slice, which may lie between two, as the points of a file; polygons are in (row, column)."""
    points = world(grid, np.column_stack([np.full(len(polygon), height), polygon]))
    return points if decimals is None else np.round(points, decimals)


def contour(points, *, kind="CLOSED_PLANAR", **tags):
    """An item of the sequence of contours."""
    words = [f"{number:.10g}"[:16] for number in np.ravel(points)]
    return dataset(ContourGeometricType=kind, NumberOfContourPoints=len(points), ContourData=words, **tags)


def structure_set(structures, *, frame=FRAME, colours=(), **tags):
    """A structure set: by name the contours of each structure; numbers are 1, 2 ..."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = RTStructureSetStorage, "1.2.3.4.9"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = RTStructureSetStorage, "1.2.3.4.9", "RTSTRUCT"
    data.PatientName, data.StructureSetLabel = "Secret^Name", "plan"
    named, shapes, observed = [], [], []
    for number, (name, contours) in enumerate(structures.items(), start=1):
        named.append(dataset(ROINumber=number, ROIName=name, ReferencedFrameOfReferenceUID=frame))
        shapes.append(dataset(ReferencedROINumber=number, ContourSequence=Sequence(contours)))
        if number <= len(colours):
            shapes[-1].ROIDisplayColor = list(colours[number - 1])
        observed.append(dataset(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType="ORGAN"))
    data.StructureSetROISequence, data.ROIContourSequence = Sequence(named), Sequence(shapes)
    data.RTROIObservationsSequence = Sequence(observed)
    for name, value in tags.items():
        setattr(data, name, value)
    return data


def write_structures(path, structures, **options):
    """Write a structure set."""
    pydicom.dcmwrite(path, structure_set(structures, **options), enforce_file_format=True)
    return path


def circle(centre, radius, points=200):
    """A circle as a polygon in (row, column)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.array(centre) + radius * np.column_stack([np.sin(angle), np.cos(angle)])
