"""Surfaces of GIfTI files (`.surf.gii`): arrays of corners and triangles in XML, read without other files."""

import base64
import binascii
import math
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from mia_functional.images.freesurfer_surface import scanner_points
from mia_functional.images.header import check_regular, invalid_file
from mia_functional.typing import HostArray

__all__ = ["read_gifti"]

_GIFTI_TYPES = {
    "NIFTI_TYPE_UINT8": "u1",
    "NIFTI_TYPE_INT32": "i4",
    "NIFTI_TYPE_FLOAT32": "f4",
    "NIFTI_TYPE_FLOAT64": "f8",
}

_ORDERS = {"LittleEndian": "<", "BigEndian": ">", "GIFTI_ENDIAN_LITTLE": "<", "GIFTI_ENDIAN_BIG": ">"}

_ENCODINGS = {"GIFTI_ENCODING_ASCII": "ASCII", "GIFTI_ENCODING_B64BIN": "Base64Binary",
              "GIFTI_ENCODING_B64GZ": "GZipBase64Binary"}  # fmt: skip
"""Names of drafts of the standard, which files have."""

_SCANNER = "NIFTI_XFORM_SCANNER_ANAT"

_VOLUME = [[f"VolGeom{axis}_{world}" for world in "RAS"] for axis in "XYZC"]
"""Names of the notes by which FreeSurfer places the volume that a surface was made of."""


def read_gifti(path: Path, max_bytes: int) -> tuple[HostArray, HostArray]:
    """Return corners (x, y, z) in the coordinates (R, A, S) of the file's world, and triangles.

    Corners are the scanner's if the file says so, or states a matrix that leads there; those of a file of FreeSurfer
    are moved there from `tkregister` by its notes; those in any other world stay what they are.
    """
    check_regular(path)
    size = path.stat().st_size
    if size > max_bytes:
        invalid_file(path, f"it takes {size} bytes, and `max_bytes` is {max_bytes}")
    raw = path.read_bytes()
    # In an encoding of two bytes for each letter, entities would not be seen.
    if b"<!ENTITY" in raw or b"\0" in raw:
        invalid_file(path, "it defines entities of XML, or is not plain text")
    try:
        root = ElementTree.fromstring(raw)
    except (ElementTree.ParseError, ValueError, LookupError):
        invalid_file(path, "it is damaged, or no GIfTI file")
    arrays = list(root.iter("DataArray")) if root.tag == "GIFTI" else []
    corners, faces = (
        [node for node in arrays if node.get("Intent") == f"NIFTI_INTENT_{intent}"]
        for intent in ("POINTSET", "TRIANGLE")
    )
    if len(corners) != 1 or len(faces) != 1:
        invalid_file(path, f"it holds {len(corners)} arrays of corners and {len(faces)} of triangles; one each is read")
    points, triangles = (_decoded_array(path, node, max_bytes) for node in (corners[0], faces[0]))
    if points.dtype.kind != "f" or triangles.dtype.kind not in "iu":
        invalid_file(path, f"its corners are {points.dtype}, and its triangles {triangles.dtype}")
    _coordinate_systems(path, faces[0])  # of no meaning, but damaged where the rest may be
    return _scanner_corners(path, corners[0], points.astype(np.float64)), triangles.astype(np.int64)


def _decoded_array(path: Path, node: ElementTree.Element, max_bytes: int) -> HostArray:
    """Return the numbers of an array, three in a row."""
    encoding, name = node.get("Encoding", ""), node.get("DataType", "")
    encoding, columns = _ENCODINGS.get(encoding, encoding), node.get("ArrayIndexingOrder") == "ColumnMajorOrder"
    if encoding == "ExternalFileBinary" or node.get("ExternalFileName"):
        invalid_file(path, "its numbers are in another file; write one file that has them all")
    rows = node.get("Dim0", "")
    if name not in _GIFTI_TYPES or (node.get("Dimensionality"), node.get("Dim1")) != ("2", "3") or not rows.isdecimal():
        invalid_file(path, f"an array holds {rows} x {node.get('Dim1')} of {name}; rows of three numbers are read")
    # nibabel (5.4) writes rows there, and says that they are columns.
    if columns and encoding == "ASCII":
        invalid_file(path, "an array of text has columns one after the other, which readers do not agree on")
    # 18 digits fit 64 bits.
    shape = int(rows[:18]), 3
    order = _ORDERS.get(node.get("Endian", ""), "")
    dtype = np.dtype(order + _GIFTI_TYPES[name])
    nbytes = math.prod(shape) * dtype.itemsize
    if nbytes > max_bytes:
        invalid_file(path, f"an array takes {nbytes} bytes, and `max_bytes` is {max_bytes}")
    text = "".join(data.text or "" for data in node.findall("Data"))
    try:
        if encoding == "ASCII":
            numbers = np.array(text.split(), np.float64).astype(dtype)
        elif encoding in ("Base64Binary", "GZipBase64Binary") and order:
            content = base64.b64decode("".join(text.split()), validate=True)
            if encoding == "GZipBase64Binary":
                decoder = zlib.decompressobj()
                content = decoder.decompress(content, nbytes + 1)
                content = content if decoder.eof else b""
            numbers = np.frombuffer(content, dtype)
        else:
            invalid_file(path, f"its encoding is {encoding} of {node.get('Endian')}")
    except (ValueError, binascii.Error, zlib.error) as error:
        if str(error).startswith("read: `path`"):
            raise
        invalid_file(path, "its numbers are damaged")
    if numbers.size != math.prod(shape):
        invalid_file(path, f"an array announces {math.prod(shape)} numbers, and there are {numbers.size} or more")
    return numbers.reshape(shape, order="F" if columns else "C")


def _coordinate_systems(path: Path, node: ElementTree.Element) -> list[tuple[str, str, HostArray]]:
    """Return the worlds that an array is in, the worlds that matrices lead to, and these matrices."""
    systems = []
    for system in node.findall("CoordinateSystemTransformMatrix"):
        try:
            matrix = np.array((system.findtext("MatrixData") or "").split(), np.float64).reshape(4, 4)
        except ValueError:
            invalid_file(path, "its matrix is damaged")
        if not np.isfinite(matrix).all() or (matrix[3] != (0, 0, 0, 1)).any():
            invalid_file(path, "its matrix is damaged")
        world, other = ((system.findtext(name) or "").strip() for name in ("DataSpace", "TransformedSpace"))
        systems.append((world, other, matrix))
    return systems


def _scanner_corners(path: Path, node: ElementTree.Element, points: HostArray) -> HostArray:
    """Return corners in the scanner's coordinates, if what is said of their array leads there."""
    systems = _coordinate_systems(path, node)
    if any(world == _SCANNER for world, _, _ in systems):
        return points
    for matrix in (matrix for _, other, matrix in systems if other == _SCANNER):
        return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])
    notes = {(pair.findtext("Name") or "").strip(): (pair.findtext("Value") or "").strip() for pair in node.iter("MD")}
    if _VOLUME[3][0] not in notes:
        return points
    names = tuple(row[0][:-2] for row in _VOLUME)
    fields = {name: " ".join(notes.get(entry, "") for entry in row) for name, row in zip(names, _VOLUME, strict=True)}
    return scanner_points(path, points, fields, names)
