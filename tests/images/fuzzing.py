"""Mutants of image files: headers and bodies with one to three faults, and a process that reads them.

`python -m tests.images.fuzzing` reads paths from standard input and answers each with one line of JSON.
"""

import gzip
import io
import json
import re
import resource
import struct
import sys
import warnings
import zlib

import nibabel
import numpy as np
import pydicom
import tifffile
from pydicom.dataset import FileDataset, FileMetaDataset

from mia_functional import images
from mia_functional.geometry import Geometry

from . import fuzzing_peers
from .cases import ras_affine

SHAPE = (3, 4, 5)
ARRAY = np.random.default_rng(7).integers(-900, 900, SHAPE).astype("<i2")

WORDS = (
    "0", "-1", "1", "2", "3", "4", "5", "60", "1e308", "-1e-308", "1e-30", "nan", "inf", "2147483648", "", " ",
    "9223372036854775808", "99999999999999999999", "3 4 5 6", "(1,0,0)", "LOCAL", "LIST", "raw", "gzip", "ascii",
    "True", "False", "MET_UCHAR", "MET_DOUBLE", "uchar", "double", "domain", "none", "\t", "\r", "\x00", "=", ":",
    ":=", "#", "é", "%d", "/", "..",
)  # fmt: skip
"""What takes the place of a word in a header: limits of numbers, values of other fields, and marks that split lines."""

NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    8,
    16,
    64,
    127,
    128,
    255,
    256,
    352,
    353,
    32767,
    -32768,
    65535,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
)

META = (
    "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nCompressedData = {compressed}\n"
    "TransformMatrix = 0 1 0 -1 0 0 0 0 1\nOffset = 1.5 -2 30\nCenterOfRotation = 0 0 0\nAnatomicalOrientation = RAI\n"
    "ElementSpacing = 0.5 0.75 2.5\nDimSize = 5 4 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
)
NRRD = (
    "NRRD0004\n# a comment\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 5 4 3\n"
    "space directions: (0,0.5,0) (-0.75,0,0) (0,0,2.5)\nkinds: domain domain domain\nendian: little\n"
    "encoding: {encoding}\nspace origin: (1.5,-2,30)\nkey:=value\n\n"
)
SEGMENTS = (
    "Segment0_Name:=liver\nSegment0_LabelValue:=1\nSegment0_Layer:=0\nSegment0_Extent:=0 4 0 3 0 2\n"
    "Segment1_ID:=s2\nSegment1_Name:=tumour\nSegment1_LabelValue:=2\nSegment1_Layer:=0\nSegment1_Color:=1 0.5 0\n"
    "Segment1_Tags:=Segmentation.Status:done|TerminologyEntry:~SCT^1^Tissue~SCT^2^Mass~^^~~^^~^^|\n"
    "Segmentation_MasterRepresentation:=Binary labelmap\nSegmentation_ReferenceImageExtentOffset:=0 0 0\n\n"
)


def nifti_bytes(*, order="<"):
    """A NIfTI file with qform, sform and a scale."""
    affine = np.array([[0, -0.75, 0, 1.5], [0.5, 0, 0, -2], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
    image = nibabel.Nifti1Image(ARRAY.T.astype(order + "i2"), affine, nibabel.Nifti1Header(endianness=order))
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    return image.to_bytes()


def dicom_bytes():
    """One slice of a CT image."""
    data = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=bytes(128))
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = pydicom.uid.CTImageStorage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3.4"
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.SeriesInstanceUID, data.StudyInstanceUID, data.Modality, data.PatientID = "1.2.3", "1.2", "CT", "P1"
    data.Rows, data.Columns = SHAPE[1:]
    data.ImagePositionPatient, data.ImageOrientationPatient = [1.5, -2, 30], [0, 0.6, 0.8, -1, 0, 0]
    data.PixelSpacing, data.SliceThickness, data.SpacingBetweenSlices = [0.75, 0.5], 2.5, 2.5
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.RescaleSlope, data.RescaleIntercept = "1", "-10"
    data.PixelData = ARRAY[0].tobytes()
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def npy_bytes():
    """An array of NumPy."""
    stream = io.BytesIO()
    np.save(stream, ARRAY)
    return stream.getvalue()


def text_mutant(rng, content, end):
    """Change one word, one line or one byte of the text that ends at `end`."""
    lines = content[:end].split(b"\n")
    number = int(rng.integers(len(lines)))
    kind = rng.integers(7)
    if kind == 0:
        del lines[number]
    elif kind == 1:
        lines.insert(int(rng.integers(len(lines))), lines[number])
    elif kind == 2:
        other = int(rng.integers(len(lines)))
        lines[number], lines[other] = lines[other], lines[number]
    elif kind == 3:
        lines[number] = lines[number].swapcase()
    else:
        words = re.split(rb"([ =:(),]+)", lines[number])
        words[int(rng.integers(len(words)))] = str(rng.choice(WORDS)).encode()
        lines[number] = b"".join(words)
    return b"\n".join(lines) + content[end:]


def number_mutant(rng, content, end):
    """Write a number of one to eight bytes over the header that ends at `end`."""
    size = int(rng.choice([1, 2, 4, 8]))
    start = int(rng.integers(max(1, end - size)))
    if size >= 4 and rng.random() < 0.4:
        value = float(rng.choice([0, -1, 1e-30, 1e30, np.nan, np.inf, -np.inf, 2.5, 1.001]))
        raw = np.array(value, f"<f{size}").tobytes()
    else:
        raw = (int(rng.choice(NUMBERS)) % 256**size).to_bytes(size, "little")
    return content[:start] + raw + content[start + size :]


def byte_mutant(rng, content, end):
    """Flip bits of one byte, cut a piece out, double one, or cut the file off."""
    place = int(rng.integers(max(1, end if rng.random() < 0.7 else len(content))))
    length = int(rng.integers(1, 9))
    kind = rng.integers(5)
    if kind == 0:
        return content[:place] + content[place + length :]
    if kind == 1:
        return content[:place] + content[place : place + length] + content[place:]
    if kind == 2:
        return content[: int(rng.integers(len(content)))]
    return content[:place] + bytes([content[place] ^ int(rng.integers(1, 256))]) + content[place + 1 :]


PLAIN, PACKED = ARRAY.tobytes(), zlib.compress(ARRAY.tobytes())
PACKED_META = META.format(compressed=f"True\nCompressedDataSize = {len(PACKED)}").encode() + PACKED
PACKED_NRRD = NRRD.format(encoding="gzip").encode() + gzip.compress(PLAIN, mtime=0)


def gzipped(raw):
    """Compress as `.nii.gz` is."""
    return gzip.compress(raw, mtime=0)


def png_file(content):
    """Return a PNG file with that header, and rows, of which all checksums are right."""
    chunks = (b"IHDR", content[:13]), (b"IDAT", zlib.compress(content[13:])), (b"IEND", b"")
    parts = [struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_bytes():
    """Return the header and the rows, each behind its filter, of a picture of 16 bits."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in ARRAY[0].astype(np.uint16))
    return struct.pack(">IIBBBBB", SHAPE[2], SHAPE[1], 16, 0, 0, 0, 0) + rows


def tiff_bytes(repeats=1, **options):
    """Return a TIFF file of several pages."""
    buffer, array = io.BytesIO(), np.concatenate([ARRAY] * repeats).astype(np.uint16)
    tifffile.imwrite(buffer, array, photometric="minisblack", software=False, **options)
    return buffer.getvalue()


# Name: (bytes, where the header ends, mutations, what is done to the bytes afterwards).
SOURCES = {
    "little.nii": (nifti_bytes(), 352, (number_mutant, number_mutant, byte_mutant), bytes),
    "big.nii": (nifti_bytes(order=">"), 352, (number_mutant, byte_mutant), bytes),
    "inner.nii.gz": (nifti_bytes(), 352, (number_mutant, byte_mutant), gzipped),
    "outer.nii.gz": (gzipped(nifti_bytes()), 20, (byte_mutant,), bytes),
    "plain.mha": (META.format(compressed=False).encode() + PLAIN, 0, (text_mutant, text_mutant, byte_mutant), bytes),
    "packed.mha": (PACKED_META, 0, (text_mutant, byte_mutant), bytes),
    "plain.nrrd": (NRRD.format(encoding="raw").encode() + PLAIN, 0, (text_mutant, text_mutant, byte_mutant), bytes),
    "packed.nrrd": (PACKED_NRRD, 0, (text_mutant, byte_mutant), bytes),
    "segments.seg.nrrd": (
        NRRD.format(encoding="raw").replace("key:=value\n\n", SEGMENTS).encode() + (ARRAY % 3).tobytes(),
        0,
        (text_mutant, text_mutant, byte_mutant),
        bytes,
    ),
    "array.npy": (npy_bytes(), 128, (text_mutant, byte_mutant, byte_mutant), bytes),
    "grey.png": (png_bytes(), 13, (number_mutant, byte_mutant), png_file),
    "outer.png": (png_file(png_bytes()), 40, (byte_mutant,), bytes),
    "plain.tif": (tiff_bytes(3, metadata=None), 170, (number_mutant, byte_mutant), bytes),
    "packed.tif": (tiff_bytes(compression="zlib"), 220, (number_mutant, byte_mutant), bytes),
    "volume.mgh": (fuzzing_peers.mgh_bytes(), 90, (number_mutant, number_mutant, byte_mutant), bytes),
    "inner.mgz": (fuzzing_peers.mgh_bytes(), 90, (number_mutant, byte_mutant), gzipped),
    "pair.hdr": (fuzzing_peers.analyze_bytes(), 348, (number_mutant, number_mutant, byte_mutant), bytes),
    "volume.mnc": (fuzzing_peers.minc_bytes(), 9000, (number_mutant, byte_mutant), bytes),
    "array.npz": (fuzzing_peers.archive_bytes(), 300, (number_mutant, byte_mutant), bytes),
    "grey.jpg": (fuzzing_peers.jpeg_bytes(), 600, (number_mutant, byte_mutant), bytes),
    "plain.stl": (fuzzing_peers.stl_text(), 0, (text_mutant, text_mutant, byte_mutant), bytes),
    "packed.stl": (fuzzing_peers.stl_bytes(), 684, (number_mutant, byte_mutant), bytes),
    "box.gii": (fuzzing_peers.gifti_bytes() + b"\n\n", 0, (text_mutant, byte_mutant), bytes),
    "lh.pial": (fuzzing_peers.pial_bytes(), 400, (number_mutant, byte_mutant), bytes),
    "slice.dcm": (dicom_bytes(), 900, (number_mutant, byte_mutant, byte_mutant), bytes),
}


def header_end(name):
    """Return where the header of a source ends."""
    content, end, *_ = SOURCES[name]
    if end:
        return min(end, len(content))
    return content.index(b"LOCAL\n") + 6 if b"LOCAL\n" in content else content.index(b"\n\n") + 2


def original(name):
    """Return the bytes of a source without a fault."""
    content, _, _, finish = SOURCES[name]
    return finish(content)


def mutant(name, number):
    """Return the bytes of mutant `number` of a source: one to three faults."""
    rng = np.random.default_rng([number, *name.encode()])
    content, _, kinds, finish = SOURCES[name]
    end = header_end(name)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        changed = kinds[int(rng.integers(len(kinds)))](rng, content, min(end, len(content) - 1))
        content = changed or content
    return finish(content)


def answer(path):
    """Return what `images.read` or `read_surface` says of a file, as an object of JSON."""
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            if path.endswith((".stl", ".gii", ".pial")):
                surface = images.read_surface(path, max_bytes=1 << 22)
                array, grid = surface.points[surface.triangles], Geometry(shape=(1,), spacing=(1.0,))
            else:
                array, grid = images.read(path, max_bytes=1 << 22)
    except (ValueError, TypeError, OSError) as error:
        return {"refused": str(error), "kind": type(error).__name__}
    affine = ras_affine(grid).tolist() if len(grid.shape) == 3 else None
    return {
        "dtype": array.dtype.name, "shape": array.shape, "values": array.astype(np.float64).ravel().tolist(),
        "affine": affine, "notes": [str(note.message) for note in notes],
    }  # fmt: skip


def main():
    """Answer one line of JSON for each path on standard input."""
    for line in sys.stdin:
        found = answer(line.rstrip("\n"))
        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
