"""Files of volumes, pictures and surfaces for `fuzzing`, and what respected readers make of their mutants."""

import gzip
import io
import struct

import h5py
import nibabel
import numpy as np
from PIL import Image

from .surface_cases import box

SHAPE = (3, 4, 5)
ARRAY = np.random.default_rng(7).integers(-900, 900, SHAPE).astype("<i2")
AFFINE = np.array([[0, -0.75, 0, 1.5], [0.5, 0, 0, -2], [0, 0, 2.5, 30], [0, 0, 0, 1.0]])
POINTS, FACES = box((1.0, 2.0, 3.0), (4.0, 6.0, 8.0))


def mgh_bytes():
    """A volume of FreeSurfer without notes behind it."""
    return nibabel.MGHImage(ARRAY.T, AFFINE).to_bytes()[: 284 + ARRAY.nbytes]


def analyze_bytes():
    """A header of ANALYZE 7.5."""
    header = nibabel.Spm99AnalyzeHeader(endianness="<")
    header.set_data_dtype(ARRAY.dtype)
    header.set_data_shape(SHAPE[::-1])
    header["pixdim"][1:4], header["origin"][:3] = (0.5, 0.75, 2.5), (2, 3, 1)
    return header.binaryblock


def minc_bytes():
    """A MINC 2 file of integers on a scale for every slice."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        level = file.create_group("minc-2.0/image/0")
        level.create_dataset("image", data=ARRAY)
        for name, values in (("image-min", [-5.0, -6, -7]), ("image-max", [5.0, 6, 7])):
            level[name] = np.array(values)
        for name, order in (("image", "zspace,yspace,xspace"), ("image-min", "zspace"), ("image-max", "zspace")):
            level[name].attrs["dimorder"] = np.bytes_(order)
        for number, name in enumerate(("zspace", "yspace", "xspace")):
            axis = file.create_dataset(f"minc-2.0/dimensions/{name}", data=np.int32(0))
            axis.attrs["start"], axis.attrs["step"] = 3.0 * number, 0.5 + number
    return stream.getvalue()


def archive_bytes():
    """An archive of one array."""
    stream = io.BytesIO()
    np.savez_compressed(stream, ARRAY)
    return stream.getvalue()


def jpeg_bytes():
    """A picture with smooth grey levels."""
    stream = io.BytesIO()
    Image.fromarray(np.add.outer(np.arange(24), 3 * np.arange(40)).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def stl_bytes():
    """A binary file of the triangles of a box."""
    triangles = b"".join(struct.pack("<12fH", *(0.0,) * 3, *POINTS[face].ravel(), 0) for face in FACES)
    return b"SPACE=LPS".ljust(80) + struct.pack("<I", len(FACES)) + triangles


def stl_text():
    """The same in text."""
    facets = ["\n".join(["facet normal 0 0 0", "outer loop", *("vertex {} {} {}".format(*p) for p in POINTS[face]),
                         "endloop", "endfacet"]) for face in FACES]  # fmt: skip
    return "\n".join(["solid SPACE=LPS", *facets, "endsolid", "", ""]).encode()


def gifti_bytes():
    """The box in GIfTI."""
    arrays = [
        nibabel.gifti.GiftiDataArray(POINTS.astype("f4"), "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32", "ASCII"),
        nibabel.gifti.GiftiDataArray(FACES.astype("i4"), "NIFTI_INTENT_TRIANGLE", "NIFTI_TYPE_INT32", "B64GZ"),
    ]
    return nibabel.gifti.GiftiImage(darrays=arrays).to_bytes()


def pial_bytes():
    """The box as a surface of FreeSurfer, whose volume is coronal and lies elsewhere."""
    notes = "valid = 1\nfilename = a\nvolume = 9 9 9\nvoxelsize = 1 1 1\nxras = -1 0 0\nyras = 0 0 -1\nzras = 0 1 0\n"
    counts = struct.pack(">2i", len(POINTS), len(FACES))
    arrays = POINTS.astype(">f4").tobytes() + FACES.astype(">i4").tobytes()
    head = b"\xff\xff\xfecreated by hand\n\n"
    return head + counts + arrays + struct.pack(">3i", 2, 0, 20) + f"{notes}cras = 1 2 3\n".encode()


def mgh(path):
    """Read a volume of FreeSurfer with nibabel, whose place counts if the header states one."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".mgz" else path.read_bytes()
    image = nibabel.MGHImage.from_bytes(raw)
    array = np.asarray(image.dataobj)
    return np.moveaxis(array, -1, 0).T if array.ndim == 4 else array.T, image.affine if raw[28:30] != b"\0\0" else None


def spatial(path):
    """Read with nibabel, which keeps axes of one entry."""
    image = nibabel.load(path)
    array = np.asarray(image.dataobj).T
    return array.reshape(array.shape[-3:]) if array.ndim > 3 and array.shape[0] == 1 else array, image.affine


def minc(path):
    """Read MINC 2 with nibabel."""
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine[:, [2, 1, 0, 3]]


def archive(path):
    """Read the only array with NumPy."""
    with np.load(path, allow_pickle=False) as members:
        (name,) = members.files
        return members[name], None


def jpeg(path):
    """Read with Pillow."""
    with Image.open(path, formats=("JPEG",)) as image:
        return np.array(image), None


def stl(path):
    """Read the triangles of an STL file, one by one; corners in the order (z, y, x)."""
    raw = path.read_bytes()
    if raw.lstrip().lower().startswith(b"solid"):
        words = raw.split(b"\n", 1)[1].lower().split()
        facets = [words[start : start + len(TEXT_FACET)] for start in range(0, len(words) - 1, len(TEXT_FACET))]
        # None stands for a number, and what is left is the end.
        if any(want not in (None, word) for facet in facets for word, want in zip(facet, TEXT_FACET, strict=True)):
            raise ValueError("other words")
        numbers = [
            float(word) for facet in facets for word, want in zip(facet, TEXT_FACET, strict=True) if want is None
        ]
        corners = np.reshape(numbers, (-1, 4, 3))[:, 1:]
    else:
        corners = np.array([np.reshape(facet[3:12], (3, 3)) for facet in struct.iter_unpack("<12fH", raw[84:])])
    return (corners * (np.array([-1, -1, 1]) if b"RAS" in raw[:80] else 1))[..., ::-1], None


_NUMBERS = [None] * 3
TEXT_FACET = [b"facet", b"normal", *_NUMBERS, b"outer", b"loop", *[b"vertex", *_NUMBERS] * 3, b"endloop", b"endfacet"]
"""The words of a triangle in text."""


def gifti(path):
    """Read with nibabel, in (R, A, S)."""
    points, faces = nibabel.load(path).agg_data(("pointset", "triangle"))
    return (points * (-1.0, -1, 1))[faces][..., ::-1], None


def pial(path):
    """Read with nibabel; the volume is coronal, so that the places differ by its centre."""
    if (
        struct.pack(">3i", 2, 1, 20) in path.read_bytes()
    ):  # in the scanner's coordinates, of which nibabel knows nothing
        points, faces = nibabel.freesurfer.read_geometry(path)
        return (points * (-1, -1, 1))[faces][..., ::-1], None
    points, faces, notes = nibabel.freesurfer.read_geometry(path, read_metadata=True)
    if not np.array_equal(np.ravel([notes["xras"], notes["yras"], notes["zras"]]), [-1, 0, 0, 0, 0, -1, 0, 1, 0]):
        raise ValueError("another direction")
    return ((points + notes["cras"]) * (-1, -1, 1))[faces][..., ::-1], None


READERS = {
    ".mgh": mgh, ".mgz": mgh, ".hdr": spatial, ".mnc": minc, ".npz": archive, ".jpg": jpeg, ".stl": stl, ".gii": gifti,
    ".pial": pial,
}  # fmt: skip
"""Respected readers by extension, which return values, and the affine matrix from (x, y, z) to (R, A, S) if any."""
