"""Surfaces of STL, GIfTI and FreeSurfer: where they lie, what is inside of them on a grid, hostile files."""

import base64
import gzip
import re
import struct
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mia_functional import images
from mia_functional.geometry import Geometry, index_to_world
from mia_functional.images import Segment, Surface

from .cases import from_ras_affine, oblique, ras_affine
from .surface_cases import box, sphere

DATA = Path(nibabel.__file__).parent / "gifti" / "tests" / "data"
POINTS, FACES = sphere(9.0, (3.0, -20.0, 40.0))
GRID = Geometry(shape=(20, 24, 28), spacing=(1.0, 1.0, 1.0), origin=(30.0, -32.0, -11.0))
"""A grid around the sphere, whose corners are in the order (x, y, z)."""


def binary_stl(points, faces, comment=b"SPACE=LPS"):
    """Return a binary STL file."""
    triangles = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])
    triangles["corners"] = points[faces]
    return comment.ljust(80, b"\0") + struct.pack("<I", len(faces)) + triangles.tobytes()


def text_stl(points, faces, name="3D Slicer output. SPACE=LPS"):
    """Return an STL file of text."""
    lines = [f"solid {name}"]
    for corners in points[faces].tolist():
        lines += ["facet normal 0 0 0", "outer loop", *(f"  vertex {x!r} {y!r} {z!r}" for x, y, z in corners)]
        lines += ["endloop", "endfacet"]
    return "\n".join([*lines, f"endsolid {name}"]).encode()


def corners_of(surface):
    """Return the corners of all triangles, in the order (x, y, z) of LPS."""
    return surface.points[surface.triangles][..., ::-1]


@pytest.mark.parametrize("make", [binary_stl, text_stl])
def test_stl_is_in_the_world_that_it_names(tmp_path, make):
    path = tmp_path / "x.stl"
    for kind, world, signs in (("LPS", None, 1), ("RAS", None, -1), ("", "RAS", -1), ("", "LPS", 1), ("LPS", "LPS", 1)):
        text = f"by hand SPACE={kind}" if kind else "by hand"
        path.write_bytes(make(POINTS, FACES, text.encode() if make is binary_stl else text))
        surface = images.read_surface(path, world=world)
        assert len(surface.points) == len(POINTS)  # joined
        expected = POINTS[FACES] * (signs, signs, 1)
        np.testing.assert_allclose(corners_of(surface), expected, rtol=1e-6)
    path.write_bytes(make(POINTS, FACES))
    with pytest.raises(ValueError, match=r"^read_surface: `world` must be what .* states, LPS; got RAS"):
        images.read_surface(path, world="RAS")
    path.write_bytes(make(POINTS, FACES, b"" if make is binary_stl else ""))
    with pytest.warns(UserWarning, match="STL files that do not name their world are taken for LPS"):
        np.testing.assert_allclose(corners_of(images.read_surface(path)), POINTS[FACES], rtol=1e-6)


def volume_header(*, seed=0):
    """Return the header of a volume of FreeSurfer that is not coronal."""
    geometry = oblique((20, 24, 30), seed=seed)
    return nibabel.MGHImage(np.zeros((30, 24, 20), np.uint8), ras_affine(geometry)).header


def moved_to_scanner(header, points):
    """Return corners of `tkregister` in scanner coordinates, by nibabel's matrices of the volume."""
    matrix = header.get_vox2ras() @ np.linalg.inv(header.get_vox2ras_tkr())
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def freesurfer_surface(path, header, **more):
    """Write a surface with nibabel; its notes place the volume."""
    notes = {
        "head": np.array([2, 0, 20]), "valid": "1  # volume info valid", "filename": "../mri/filled.mgz",
        "volume": np.array(header["dims"][:3]), "voxelsize": header["delta"],
        **dict(zip(("xras", "yras", "zras"), header["Mdc"], strict=True)),
        "cras": header["Pxyz_c"],
    }  # fmt: skip
    nibabel.freesurfer.write_geometry(path, POINTS, FACES, volume_info=notes | more)
    return path


@pytest.mark.parametrize("name", ["lh.pial", "rh.white", "lh.pial.T1"])
def test_surfaces_of_freesurfer_are_moved_to_the_scanner(tmp_path, name):
    for seed in range(3):
        header = volume_header(seed=seed)
        surface = images.read_surface(freesurfer_surface(tmp_path / name, header))
        expected = moved_to_scanner(header, POINTS) * (-1, -1, 1)
        np.testing.assert_allclose(surface.points[:, ::-1], expected, atol=1e-3)
        np.testing.assert_array_equal(surface.triangles, FACES)
        assert abs(surface.points[:, ::-1] - POINTS * (-1, -1, 1)).max() > 1


def test_surfaces_of_freesurfer_in_scanner_coordinates_stay_there(tmp_path):
    path = freesurfer_surface(tmp_path / "lh.pial", volume_header())
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack(">3i", 2, 0, 20), struct.pack(">3i", 2, 1, 20)))
    np.testing.assert_allclose(images.read_surface(path).points[:, ::-1], POINTS * (-1, -1, 1), atol=1e-5)


def gifti(path, *, meta=None, space=0, other=0, matrix=None, encoding="GIFTI_ENCODING_B64GZ", endian=2, order=1):
    """Write a surface with nibabel."""
    system = nibabel.gifti.GiftiCoordSystem(space, other, np.eye(4) if matrix is None else matrix)
    arrays = [
        nibabel.gifti.GiftiDataArray(
            POINTS.astype(np.float32), "NIFTI_INTENT_POINTSET", "NIFTI_TYPE_FLOAT32", encoding, endian, system, order,
            meta=nibabel.gifti.GiftiMetaData(meta or {}),
        ),
        nibabel.gifti.GiftiDataArray(
            FACES.astype(np.int32), "NIFTI_INTENT_TRIANGLE", "NIFTI_TYPE_INT32", encoding, endian, None, order
        ),
    ]  # fmt: skip
    nibabel.save(nibabel.gifti.GiftiImage(darrays=arrays), path)
    return path


@pytest.mark.parametrize("encoding", ["ASCII", "B64BIN", "B64GZ"])
@pytest.mark.parametrize("order", [1, 2])
def test_gifti_of_every_encoding(tmp_path, encoding, order):
    path = gifti(tmp_path / "lh.pial.surf.gii", encoding=f"GIFTI_ENCODING_{encoding}", order=order)
    if (encoding, order) == ("ASCII", 2):
        refused(path, path.read_bytes(), "which readers do not agree on")
        return
    surface = images.read_surface(path)
    np.testing.assert_allclose(surface.points[:, ::-1], POINTS * (-1, -1, 1), atol=1e-5)
    np.testing.assert_array_equal(surface.triangles, FACES)


def notes_of(header):
    """Return FreeSurfer's notes on the volume that a surface was made of."""
    rows = zip("XYZC", (*header["Mdc"], header["Pxyz_c"]), strict=True)
    return {f"VolGeom{axis}_{world}": str(value) for axis, row in rows for world, value in zip("RAS", row, strict=True)}


def test_gifti_is_moved_to_the_scanner_by_what_it_says(tmp_path):
    header, path = volume_header(seed=4), tmp_path / "x.gii"
    scanner, turned = moved_to_scanner(header, POINTS), np.array([-1, -1, 1])
    matrix = np.vstack([np.hstack([np.eye(3)[::-1], [[1], [2], [3]]]), [0, 0, 0, 1]])
    cases = [
        ({}, POINTS),
        ({"meta": notes_of(header)}, scanner),
        ({"meta": notes_of(header), "space": 1}, POINTS),
        ({"meta": notes_of(header), "space": 3}, scanner),
        ({"space": 0, "other": 1, "matrix": matrix}, POINTS[:, ::-1] + (1, 2, 3)),
        ({"space": 0, "other": 3, "matrix": matrix}, POINTS),
    ]
    for options, expected in cases:
        found = images.read_surface(gifti(path, **options)).points[:, ::-1]
        np.testing.assert_allclose(found, expected * turned, atol=1e-3)


BUNDLED = {
    "ascii.gii": "",
    "base64bin.gii": "triangles refer to corners that are not among its 10",  # cut short, with a draft's encodings
    "ascii_flat_data.gii": "triangles refer to corners that are not among its 10",
    "external.gii": "its numbers are in another file",
    "gzipbase64.gii": "0 arrays of corners",
    "label.gii": "0 arrays of corners",
    "rh.aparc.annot.gii": "0 arrays of corners",
    "rh.shape.curv.gii": "0 arrays of corners",
    "task.func.gii": "0 arrays of corners",
}
"""Why files that nibabel bundles are refused."""


def test_files_of_nibabel_are_read_as_nibabel_does_or_refused():
    assert {path.name for path in DATA.glob("*.gii")} == BUNDLED.keys()
    for name, words in BUNDLED.items():
        if words:
            with pytest.raises(ValueError, match=words):
                images.read_surface(DATA / name)
            continue
        surface = images.read_surface(DATA / name)
        points, triangles = nibabel.load(DATA / name).agg_data(("pointset", "triangle"))
        np.testing.assert_array_equal(surface.triangles, triangles)
        np.testing.assert_allclose(surface.points[:, ::-1] * (-1, -1, 1), points, rtol=1e-6)


def test_a_surface_is_a_segmentation_on_the_grid_of_a_reference(tmp_path):
    path = tmp_path / "left kidney.stl"
    path.write_bytes(binary_stl(POINTS, FACES))
    found = images.read_segmentation(path, GRID)
    assert found.segments == images.read_segments(path) == (Segment(label=1, name="left kidney"),)
    assert (found.array.dtype, found.geometry) == (np.uint8, GRID)
    np.testing.assert_array_equal(found.array, images.surface_mask(images.read_surface(path), GRID))
    # The sphere's centre, and what is within 8.5 and beyond 9 mm of it.
    grid = np.stack(np.meshgrid(*map(np.arange, GRID.shape), indexing="ij"), axis=-1)
    distance = np.linalg.norm(grid + GRID.origin - (40.0, -20.0, 3.0), axis=-1)
    assert found.array[distance < 8.5].all()
    assert not found.array[distance > 9].any()
    assert images.read_segmentation(path, GRID, channels=True).array.shape == (*GRID.shape, 1)
    images.write(tmp_path / "reference.nii.gz", np.zeros(GRID.shape, np.int16), GRID)
    again = images.read_segmentation(path, tmp_path / "reference.nii.gz")
    np.testing.assert_array_equal(again.array, found.array)
    for name in ("lh.pial", "rh.white"):
        assert images.read_segments(tmp_path / name)[0].name == name
    assert images.read_segments(tmp_path / "lh.surf.gii")[0].name == "lh"


@pytest.mark.parametrize("mirrored", [False, True])
def test_masks_on_oblique_grids_are_where_the_surface_is(mirrored):
    geometry = oblique((9, 11, 13), seed=7, mirrored=mirrored)
    low, high = (2.5, 3.5, 1.5), (6.5, 8.5, 10.5)
    corners, faces = box(low, high)
    points = np.array([index_to_world(geometry, corner) for corner in corners])
    expected = np.zeros(geometry.shape, bool)
    expected[3:7, 4:9, 2:11] = True
    np.testing.assert_array_equal(images.surface_mask(Surface(points, faces), geometry), expected)


def test_a_mask_of_a_freesurfer_surface_lies_on_its_volume(tmp_path):
    """A sphere around the centre of an oblique volume, in `tkregister`, is in the middle of its voxels."""
    header = volume_header(seed=1)
    notes = {"volume": header["dims"][:3]}
    points = sphere(6.0, (0.0, 0.0, 0.0))[0]
    path = freesurfer_surface(tmp_path / "lh.pial", header, **notes)
    nibabel.freesurfer.write_geometry(path, points, FACES, volume_info=nibabel.freesurfer.read_geometry(
        path, read_metadata=True)[2])  # fmt: skip
    geometry = from_ras_affine(header.get_best_affine(), tuple(header["dims"][:3]))
    mask = images.read_segmentation(path, geometry).array.astype(bool)
    grid = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"), axis=-1)
    distance = np.linalg.norm((grid - np.array(geometry.shape) / 2) * geometry.spacing, axis=-1)
    assert mask[distance < 5.4].all()
    assert not mask[distance > 6.01].any()


def test_wrong_use_is_one_sentence(tmp_path):
    path = tmp_path / "x.stl"
    path.write_bytes(binary_stl(POINTS, FACES))
    for function in (images.read, images.read_labels, images.read_geometry):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .*is a surface, which has no grid"):
            function(path)
    with pytest.raises(ValueError, match=r"^read_segmentation: .*which has no grid; pass `reference`"):
        images.read_segmentation(path)
    with pytest.raises(ValueError, match="the mask takes 13440 bytes, and `max_bytes` is 99"):
        images.read_segmentation(path, GRID, max_bytes=99)
    flat = Geometry(shape=(4, 4), spacing=(1.0, 1.0))
    with pytest.raises(ValueError, match="put on a grid of three axes, and `reference` has 2"):
        images.read_segmentation(path, flat)
    surface = images.read_surface(path)
    with pytest.raises(ValueError, match=r"^surface_mask: `geometry` must have 3 axes"):
        images.surface_mask(surface, flat)
    with pytest.raises(TypeError, match=r"^surface_mask: `surface` must be"):
        images.surface_mask(surface.points, GRID)
    hole, wrong = FACES[1:], np.concatenate([FACES[:1, ::-1], FACES[1:]])
    for faces, words in ((hole, "3 edges are open"), (wrong, "3 edges join triangles that are turned different ways")):
        with pytest.raises(ValueError, match=rf"^surface_mask: `surface` must be closed.*{words}"):
            images.surface_mask(Surface(POINTS, faces), GRID)
        path.write_bytes(binary_stl(POINTS, faces))
        with pytest.raises(ValueError, match=rf"x\.stl: it has no inside: {words}"):
            images.read_segmentation(path, GRID)
    with pytest.raises(FileNotFoundError):
        images.read_surface(tmp_path / "lh.orig")


def refused(path, content, words, **options):
    """Read a surface that has to end in one sentence."""
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^read_surface: .*{re.escape(path.name)}: .*({words})") as caught:
        images.read_surface(path, **options)
    assert "\n" not in str(caught.value)


def test_hostile_stl_files(tmp_path):
    path, raw, text = tmp_path / "x.stl", binary_stl(POINTS, FACES), text_stl(POINTS, FACES)
    for size in (0, 10, 79, 83, 84, 133, len(raw) - 1):
        refused(path, raw[:size], "it is not an STL file")
    refused(path, raw + b"0", "it is not an STL file")
    refused(path, raw[:80] + struct.pack("<I", 2**32 - 1) + raw[84:], "it is not an STL file")
    refused(path, raw[:80] + struct.pack("<I", 0), "it holds no triangles")
    refused(path, raw, "takes 6484 bytes, and `max_bytes` is 99", max_bytes=99)
    for value in (np.nan, np.inf, 1e30):
        refused(path, raw[:96] + struct.pack("<f", value) + raw[100:], "not numbers of millimetres")
    refused(path, binary_stl(POINTS, FACES, b"SPACE=LPS SPACE=RAS"), "names two worlds")
    for size in (5, 99, len(text) // 2, len(text) - 60):
        refused(path, text[:size], "cut off or damaged|no triangles")
    refused(path, text.replace(b"vertex", b"vortex", 1), "it is cut off or damaged")
    refused(path, re.sub(rb"vertex \S+", b"vertex one", text), "its coordinates are not numbers")
    refused(path, text.replace(b"endsolid", b""), "it is cut off or damaged")
    refused(path, b"solid nothing\nendsolid", "it holds no triangles")
    refused(path, b"<xml/>", "it is not an STL file")


def test_hostile_surfaces_of_freesurfer(tmp_path):
    path = freesurfer_surface(tmp_path / "lh.pial", volume_header())
    raw = path.read_bytes()
    start = raw.index(b"\n\n") + 2
    notes = start + 8 + 12 * (len(POINTS) + len(FACES))
    for size in (0, 2, 10, start, start + 4):
        refused(path, raw[:size], "not a surface of FreeSurfer|header is damaged")
    for size in (start + 8, start + 100, notes - 1):
        refused(path, raw[:size], "cut off")
    refused(path, raw[:notes], "does not say where its volume lies")
    for points, faces in ((0, 5), (-5, 5), (5, 0), (5, -1)):
        refused(path, raw[:start] + struct.pack(">2i", points, faces) + raw[start + 8 :], "header is damaged")
    refused(path, raw[:start] + struct.pack(">2i", 2**31 - 1, 2**31 - 1) + raw[start + 8 :], "`max_bytes`")
    refused(path, raw[:start] + struct.pack(">2i", 10**6, 10**6) + raw[start + 8 :], "cut off")
    refused(path, raw, "the surface takes .* and `max_bytes` is 99", max_bytes=99)
    refused(path, b"\xff\xff\xff" + raw[3:], "surface of quadrangles")
    refused(path, b"\0\0\1" + raw[3:], "not a surface of FreeSurfer")
    face = notes - 12
    for place in (-1, len(POINTS), 2**31 - 1):
        refused(path, raw[:face] + struct.pack(">i", place) + raw[face + 4 :], "refer to corners that are not among")
    refused(path, raw[: start + 8] + struct.pack(">f", np.nan) + raw[start + 12 :], "not numbers of millimetres")
    for old, new in ((b"valid = 1", b"valid = 0"), (b"valid", b"vilid"), (b"xras", b"xrbs")):
        refused(path, raw.replace(old, new), "does not say where its volume lies")
    for old, new in (
        (b"xras   = ", b"xras   = 2 0 0 "),
        (b"cras   = ", b"cras   = a "),
        (b"xras   = ", b"xras   = 1 "),
    ):
        assert old in raw
        refused(path, raw.replace(old, new), "the place of its volume is damaged")


def test_hostile_gifti_files(tmp_path):
    path = gifti(tmp_path / "x.gii")
    raw = path.read_bytes()
    content = base64.b64encode(zlib.compress(bytes(1 << 24))).decode()
    changes = {
        (b"POINTSET", b"SHAPE"): "0 arrays of corners and 1 of triangles",
        (b"NIFTI_INTENT_TRIANGLE", b"NIFTI_INTENT_POINTSET"): "2 arrays of corners and 0 of triangles",
        (b"<GIFTI", b"<GAFTI"): "no GIfTI file",
        (b"NIFTI_TYPE_FLOAT32", b"NIFTI_TYPE_INT32"): "its corners are int32",
        (b"NIFTI_TYPE_FLOAT32", b"NIFTI_TYPE_COMPLEX64"): "rows of three numbers are read",
        (b'Dim1="3"', b'Dim1="2"'): "rows of three numbers are read",
        (b'Dimensionality="2"', b'Dimensionality="1"'): "rows of three numbers are read",
        (b'Dim0="66"', b'Dim0="-66"'): "rows of three numbers are read",
        (b'Dim0="66"', b'Dim0="65"'): "announces 195 numbers|numbers are damaged",
        (b'Dim0="66"', b'Dim0="67"'): "announces 201 numbers",
        (b'Dim0="66"', b'Dim0="99999999999999999999999999"'): "`max_bytes` is",
        (b"GZipBase64Binary", b"Base64Binary"): "announces|damaged",
        (b"GZipBase64Binary", b"ExternalFileBinary"): "in another file",
        (b"GZipBase64Binary", b"Gzip"): "its encoding is Gzip",
        (b'ExternalFileName=""', b'ExternalFileName="/etc/passwd"'): "in another file",
        (b"LittleEndian", b"MiddleEndian"): "its encoding is GZipBase64Binary of MiddleEndian",
        (b"<Data>", b"<Data>!"): "numbers are damaged",
        (b"<MetaData", b"<!ENTITY a 'b'><MetaData"): "entities of XML",
        (b"</GIFTI>", b""): "it is damaged",
    }
    for (old, new), words in changes.items():
        assert old in raw, old
        refused(path, raw.replace(old, new, 1), words)
    # What swells beyond what it announces.
    refused(path, re.sub(rb"<Data>[^<]*", f"<Data>{content}".encode(), raw), "announces|numbers are damaged")
    refused(path, raw, "`max_bytes` is 99", max_bytes=99)
    refused(path, raw.decode().encode("utf-16"), "not plain text")
    for size in (0, 50, len(raw) // 2, len(raw) - 3):
        refused(path, raw[:size], "it is damaged")
    refused(path, gzip.compress(raw), "not plain text|it is damaged")
    gifti(path, space=0, other=1, matrix=np.diag([1, 1, 1, 2.0]))
    refused(path, path.read_bytes(), "its matrix is damaged")
    gifti(path, meta=notes_of(volume_header()) | {"VolGeomX_R": "one"})
    refused(path, path.read_bytes(), "the place of its volume is damaged")
    refused(path, (DATA / "external.gii").read_bytes(), "another file|arrays of corners")
