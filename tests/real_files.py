"""Read every image file that packages of the field bundle, and compare it with a respected reader.

Run in an environment with the packages of `PACKAGES` (and pydicom's decoders `pylibjpeg[all]`):

    python -m pip install nibabel nilearn dipy nipy scikit-image tifffile imagecodecs
    python -m pip install pydicom pydicom-data 'pylibjpeg[all]' slicerio pynrrd
    python tests/real_files.py            # prints what differs, and writes tests/real_files.md

Values must be equal to the bit (floats of scaled files: to float32's rounding), places to 0.01 voxel. What we refuse
and the reader reads is listed with our sentence. It ends with status 1 if anything differs.
"""

import gzip
import importlib.metadata
import importlib.util
import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import nibabel
import nrrd
import numpy as np
import PIL.Image
import pydicom
import slicerio
import tifffile
from pydicom.pixels import apply_modality_lut, pixel_array

from mia_functional import images

PAGE = Path(__file__).with_suffix(".md")

PACKAGES = {
    "dipy": "dipy",
    "nibabel": "nibabel",
    "nilearn": "nilearn",
    "nipy": "nipy",
    "pydicom": "pydicom",
    "pydicom-data": "data_store",
    "scikit-image": "skimage",
    "slicerio": "slicerio",
}
"""Name on the package index, and name of the folder that holds its files."""

NIFTI, ARRAYS, NRRD, SEGMENTS = (".nii", ".nii.gz"), (".npy",), (".nrrd",), (".seg.nrrd",)
VOLUMES, PICTURES = (".mgz", ".mgh", ".mgh.gz", ".mnc", ".hdr"), (".png", ".jpg", ".jpeg", ".tif", ".tiff")
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0])


class Image(NamedTuple):
    """Voxels with spatial axes in the order (z, y, x), the affine matrix from (x, y, z) to (L, P, S), and channels."""

    array: np.ndarray
    affine: np.ndarray | None
    channels: bool = False


class Row(NamedTuple):
    """What came out for one file: `equal`, `different`, `refused` or `unread` (by the respected reader)."""

    package: str
    file: str
    outcome: str
    reason: str


def nifti(path):
    """Read a NIfTI file with nibabel."""
    image = nibabel.load(path)
    if not isinstance(image, nibabel.Nifti1Pair):
        raise TypeError(f"nibabel takes it for {type(image).__name__}")
    array = np.asanyarray(image.dataobj)
    if array.ndim == 5:  # the fifth axis is that of the channels; the fourth, of times, may have one entry
        array = np.moveaxis(array[:, :, :, 0] if array.shape[3] == 1 else array, -1, 0)
    unit = {"meter": 1000.0, "micron": 1e-3}.get(image.header.get_xyzt_units()[0], 1.0)
    affine = image.affine.copy()
    affine[:3] = RAS_TO_LPS @ affine[:3] * unit
    return Image(array.T, affine)


def volume(path):
    """Read a volume of FreeSurfer, MINC or ANALYZE, or a pair, with nibabel."""
    image = nibabel.load(path)
    array, affine = np.asanyarray(image.dataobj), image.affine.copy()
    affine[:3] = RAS_TO_LPS @ affine[:3]
    if path.name.lower().endswith(".mnc"):
        affine[:, :3] = affine[:, 2::-1]  # its axes are in the order of the file, the slowest first
        return Image(array, affine)
    frames = path.name.lower().endswith((".mgz", ".mgh", ".mgh.gz")) and array.ndim == 4
    return Image(np.moveaxis(array, -1, 0).T if frames else array.T, affine)


def picture(path):
    """Read a picture with Pillow, or pages of TIFF with tifffile."""
    if path.suffix.lower().startswith(".tif"):
        with tifffile.TiffFile(path) as opened:
            array, axes = opened.asarray(), opened.series[0].axes
        return Image(np.moveaxis(array, axes.index("S"), -1) if "S" in axes else array, None)
    with PIL.Image.open(path) as opened:
        return Image(np.array(opened), None)


def nrrd_file(path):
    """Read a volume of NRRD with pynrrd."""
    array, header = nrrd.read(str(path))
    if header.get("space") != "left-posterior-superior":
        raise TypeError(f"in the space {header.get('space')}")
    affine = np.eye(4)
    affine[:3] = np.column_stack([*header["space directions"], header["space origin"]])
    return Image(array.T, affine)


def segments(path):
    """Read a segmentation of 3D Slicer with slicerio, with a channel for each segment."""
    found = slicerio.read_segmentation(str(path))
    masks = [slicerio.segment_mask(found, segment).T for segment in found["segments"]]
    return Image(np.stack(masks, axis=-1).astype(np.uint8), found["ijkToLPS"], channels=True)


def numpy_file(path):
    """Read a `.npy` file with NumPy."""
    return Image(np.load(path, allow_pickle=False), None)


def numbers(dataset, *names):
    """Return the numbers of the first attribute of a data set that has some."""
    for name in names:
        value = dataset.get(name)
        if value not in (None, "") and len(np.atleast_1d(value)):
            return np.atleast_1d(np.array(value, dtype=float))
    return None


def frames(entry):
    """Read one object of many frames with pydicom, and place them by their functional groups, or offsets of doses."""
    pixels = pixel_array(entry)
    if "DoseGridScaling" in entry:
        rows = numbers(entry, "ImageOrientationPatient").reshape(2, 3)
        along = np.cross(*rows)
        offsets = numbers(entry, "GridFrameOffsetVector")
        if len(offsets) != len(pixels):
            raise TypeError("as many offsets as frames")
        places = numbers(entry, "ImagePositionPatient") + np.outer(offsets - offsets[0], along)
        pixels, spacing = pixels * float(entry.DoseGridScaling), numbers(entry, "PixelSpacing")
    else:
        shared = entry.SharedFunctionalGroupsSequence[0]
        groups = [
            {
                key: (item.get(key) or shared.get(key))[0]
                for key in ("PlanePositionSequence", "PlaneOrientationSequence")
            }
            | {"PixelMeasuresSequence": (item.get("PixelMeasuresSequence") or shared.get("PixelMeasuresSequence"))[0]}
            for item in entry.PerFrameFunctionalGroupsSequence
        ]
        rows = numbers(groups[0]["PlaneOrientationSequence"], "ImageOrientationPatient").reshape(2, 3)
        places = np.array([numbers(group["PlanePositionSequence"], "ImagePositionPatient") for group in groups])
        spacing = numbers(groups[0]["PixelMeasuresSequence"], "PixelSpacing")
        scales = [
            (item.get("PixelValueTransformationSequence") or shared.get("PixelValueTransformationSequence") or [{}])[0]
            for item in entry.PerFrameFunctionalGroupsSequence
        ]
        slopes, intercepts = (
            np.array([float(scale.get(key, default)) for scale in scales])[:, None, None]
            for key, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
        )
        pixels = pixels * slopes + intercepts
    normal = np.cross(*rows)
    order = np.argsort(places @ normal, kind="stable")
    gap = float((places[order[-1]] - places[order[0]]) @ normal) / (len(order) - 1)
    affine = np.eye(4)
    affine[:3] = np.column_stack([rows[0] * spacing[1], rows[1] * spacing[0], normal * gap, places[order[0]]])
    return Image(pixels[order], affine)


def dicom(folder):
    """Read a folder of single slices with pydicom, and place them by their tags; one object as what it is."""
    slices = [pydicom.dcmread(path) for path in folder.iterdir()]
    if any(int(entry.get("NumberOfFrames") or 1) > 1 for entry in slices):
        if "DoseGridScaling" not in slices[0] and "PerFrameFunctionalGroupsSequence" not in slices[0]:
            raise TypeError("several frames without a place")
        return frames(slices[0])
    if len(slices) == 1 and numbers(slices[0], "ImagePositionPatient") is None:
        return Image(apply_modality_lut(pixel_array(slices[0]), slices[0]), None)  # a picture of two axes
    rows = numbers(slices[0], "ImageOrientationPatient")
    if rows is None or any(numbers(entry, "ImagePositionPatient") is None for entry in slices):
        raise TypeError("without a place")
    axes = rows.reshape(2, 3)
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    normal = np.cross(*axes)
    slices.sort(key=lambda entry: numbers(entry, "ImagePositionPatient") @ normal)
    planes = []
    for entry in slices:
        plane = pixel_array(entry)  # colours as RGB
        planes.append(apply_modality_lut(plane, entry))
    positions = np.array([numbers(entry, "ImagePositionPatient") for entry in slices])
    spacing = numbers(slices[0], "PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
    if spacing is None:
        raise TypeError("without a spacing")
    thickness = numbers(slices[0], "SpacingBetweenSlices", "SliceThickness")
    if len(slices) > 1:
        gap = float((positions[-1] - positions[0]) @ normal) / (len(slices) - 1)
    elif thickness is not None:
        gap = float(thickness[0])
    else:
        raise TypeError("one slice without a thickness")
    affine = np.eye(4)
    affine[:3] = np.column_stack([axes[0] * spacing[1], axes[1] * spacing[0], normal * gap, positions[0]])
    return Image(np.stack(planes), affine)


def ours(path):
    """Read with this package; the affine matrix as the others state it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # notes on files that are read
        if path.name.lower().endswith(SEGMENTS):
            array, _, grid = images.read_segmentation(path, channels=True)
        else:
            array, grid = images.read(path)
    if path.suffix == ".npy" or path.suffix.lower() in PICTURES:
        return Image(array, None)
    count = len(grid.shape)
    direction = np.array(grid.direction)[::-1, ::-1] * np.array(grid.spacing)[::-1]
    affine = np.eye(4)
    kept = min(count, 3)
    affine[:kept, :kept] = direction[:kept, :kept]
    affine[:kept, 3] = grid.origin[::-1][:kept]
    return Image(array, affine)


def difference(mine, theirs):
    """Return in what two images differ, and an empty text if in nothing."""
    if mine.array.shape != theirs.array.shape:
        return f"shape {mine.array.shape}, reader {theirs.array.shape}"
    scaled = mine.array.dtype != theirs.array.dtype
    first, second = mine.array.astype(np.float64), theirs.array.astype(np.float64)
    size = float(np.nanmax(np.abs(second), initial=0.0, where=np.isfinite(second)))
    if not np.allclose(first, second, rtol=1e-6 * scaled, atol=1e-6 * size * scaled, equal_nan=True):
        return f"values, by {np.nanmax(np.abs(first - second)):g}"
    if theirs.affine is None:
        return ""
    sizes = theirs.array.shape[:-1] if theirs.channels else theirs.array.shape[-3:]
    spatial = [count - 1 for count in sizes[::-1]]
    corners = np.array(np.meshgrid(*[(0, last) for last in [*spatial, 0, 0][:3]])).reshape(3, -1)
    corners = np.vstack([corners, np.ones(corners.shape[1])])
    gap = np.linalg.norm(((mine.affine - theirs.affine) @ corners)[:3], axis=0).max()
    voxel = np.linalg.norm(theirs.affine[:3, :3], axis=0)
    return f"place, by {gap:g} mm" if gap > 0.01 * voxel[voxel > 0].min() else ""


def dicom_folders(root, scratch):
    """Copy the DICOM files below a folder to folders of one series each; yield (name, folder)."""
    series = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.suffix in {".py", ".pyc", ".json", ".txt", ".md"}:
            continue
        with path.open("rb") as stream:
            if stream.read(132)[128:] != b"DICM":
                continue
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
        except Exception:  # files that test how readers fail
            header = None
        if header is None or "Rows" not in header:
            continue
        key = (path.parent, header.get("SeriesInstanceUID")) if path.suffix == "" else path
        series[key].append(path)
    for number, paths in enumerate(series.values()):
        folder = scratch / f"series{number}"
        folder.mkdir()
        for index, path in enumerate(paths):
            shutil.copy(path, folder / f"{index:04}.dcm")
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"{paths[0].relative_to(root)}{more}", folder


def cases(root, scratch):
    """Yield (name, path, respected reader) of everything below the folder of a package that is an image."""
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.name.lower().endswith(NIFTI):
            yield name, path, nifti
        elif path.name.lower().endswith(SEGMENTS):
            yield name, path, segments
        elif path.name.lower().endswith(NRRD):
            yield name, path, nrrd_file
        elif path.name.lower().endswith(VOLUMES):
            yield name, path, volume
        elif path.name.lower().endswith(PICTURES):
            yield name, path, picture
        elif path.name.lower().endswith(ARRAYS):
            yield name, path, numpy_file
        elif path.name.endswith(".dcm.gz"):
            folder = scratch / path.stem
            folder.mkdir()
            (folder / "0.dcm").write_bytes(gzip.decompress(path.read_bytes()))
            yield name, folder, dicom
    yield from ((name, folder, dicom) for name, folder in dicom_folders(root, scratch))


def compare(package, name, path, reader):
    """Return the row of one file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = reader(path)
    except Exception as error:  # whatever a reader raises, it does not read the file
        theirs, reason = None, f"{type(error).__name__}: {error}".splitlines()[0]
    try:
        mine = ours(path)
    except (ValueError, TypeError) as error:
        sentence = str(error).replace(str(path), "it").removeprefix("read: ")
        sentence = re.sub(r"`path` must name a complete, well-formed image file; got it(/\w+\.dcm)?: ", "", sentence)
        return Row(package, name, "refused" if theirs else "both refuse", sentence)
    if theirs is None:
        return Row(package, name, "read by us alone", reason)
    wrong = difference(mine, theirs)
    return Row(package, name, "different" if wrong else "equal", wrong)


OUTCOMES = ("equal", "different", "refused", "both refuse", "read by us alone")

INTRODUCTION = """# Image files that packages bundle

Written by `python tests/real_files.py`. Each file is read by this package and by a respected reader (nibabel, pydicom,
NumPy, Pillow, tifffile, pynrrd, slicerio). *Equal* are values and place; *refused* is what we refuse and the reader
reads, with our sentence; *both refuse* what neither reads (several frames of DICOM without a place count as unread).
"""


def page(rows):
    """Return the page that shows all rows."""
    lines = [INTRODUCTION, f"| package | {' | '.join(OUTCOMES)} |", "|---" * (len(OUTCOMES) + 1) + "|"]
    for package in PACKAGES:
        counts = Counter(row.outcome for row in rows if row.package == package)
        version = importlib.metadata.version(package)
        lines.append(f"| {package} {version} | {' | '.join(str(counts[outcome]) for outcome in OUTCOMES)} |")
    for outcome in OUTCOMES[1:]:
        files = defaultdict(list)
        for row in rows:
            if row.outcome == outcome:
                files[escaped(row.reason)].append(f"{row.package}: {row.file}")
        if files:
            lines += ["", f"## {outcome.capitalize()}", "", "| reason | files |", "|---|---|"]
            lines += [f"| {reason} | {'<br>'.join(names)} |" for reason, names in files.items()]
    return "\n".join(lines) + "\n"


def escaped(text):
    """Return a text for a cell, without folders of this machine."""
    return re.sub(r"/\S*/", "", text).replace("|", "\\|").replace("\n", " ")


def main():
    """Compare all files, write the page, and return the exit status."""
    rows = []
    for package, folder in PACKAGES.items():
        root = Path(importlib.util.find_spec(folder).origin).parent
        with tempfile.TemporaryDirectory() as scratch:
            rows += [compare(package, *case) for case in cases(root, Path(scratch))]
    PAGE.write_text(page(rows), encoding="utf-8")
    for row in rows:
        if row.outcome == "different":
            print(*row, sep=" | ")
    print(Counter(row.outcome for row in rows))
    return int(any(row.outcome == "different" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
