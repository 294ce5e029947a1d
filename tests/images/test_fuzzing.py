"""Mutated files: each is read as a respected reader reads it, or as if it were unchanged, or refused by a sentence.

20,000 mutants in the full part, a seeded sample of them in the others. They are read in a process of their own, which a
crash would end; none may take 10 seconds or more memory than the files and the limit explain.
"""

import json
import re
import select
import subprocess
import sys
import warnings
from contextlib import suppress
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK
import slicerio
from PIL import Image, ImageSequence
from pydicom.pixels import apply_modality_lut

from . import fuzzing, fuzzing_peers

COUNTS = {"quick": 20, "default": 60, "full": 2000}
"""Mutants of each source, by part of the suite."""

ROOT = Path(__file__).parents[2]
MEMORY_KIB = 200 << 10
"""How much memory the reading process may gain: SimpleITK itself, and the 4 MiB of `max_bytes` several times."""

FOREIGN = re.compile(r"0x[0-9a-f]{4,}|itk::|GDCM|Traceback|\.\.$")
"""What is not ours to say: addresses, names of other packages' classes, doubled stops."""


class Reader:
    """A process that reads files, and how much memory it had at first."""

    def __init__(self):
        """Start the process and let it load what it needs."""
        command = [sys.executable, "-m", "tests.images.fuzzing"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def read(self, path, *, seconds=10):
        """Return what the process says of a file; fail if it ends or is silent."""
        self.process.stdin.write(f"{path}\n")
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        assert ready, f"no answer for {seconds} s"
        line = self.process.stdout.readline()
        assert line, f"the process ended with status {self.process.wait()}"
        return json.loads(line)


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """A process that has read one file of each format."""
    reader, folder = Reader(), tmp_path_factory.mktemp("originals")
    for name in fuzzing.SOURCES:
        reader.read(written(folder, name, fuzzing.original(name)), seconds=60)
    yield reader
    reader.process.kill()
    reader.process.communicate()


def written(folder, name, content):
    """Write a file, a slice of DICOM into a folder of its own; return what `images.read` takes."""
    if name.endswith(".dcm"):
        series = folder / "series"
        series.mkdir(exist_ok=True)
        (series / name).write_bytes(content)
        return series
    if name.endswith(".hdr"):
        (folder / name).with_suffix(".img").write_bytes(fuzzing.PLAIN)
    (folder / name).write_bytes(content)
    return folder / name


def with_true_size(path):
    """Return a copy of a compressed MetaImage whose header states the number of compressed bytes.

    SimpleITK 2.5.7 cannot do without that field.
    """
    header, mark, pixels = path.read_bytes().partition(b"LOCAL\n")
    lines = [line for line in header.split(b"\n") if not line.startswith(b"CompressedDataSize")]
    lines.insert(-1, f"CompressedDataSize = {len(pixels)}".encode())
    copy = path.with_name("copy.mha")
    copy.write_bytes(b"\n".join(lines) + mark + pixels)
    return copy


def slicer_labels(path):
    """Return what slicerio makes of a segmentation, as one label map."""
    theirs = slicerio.read_segmentation(str(path))
    if not theirs["segments"]:
        return theirs["voxels"].T
    masks = [slicerio.segment_mask(theirs, segment).T for segment in theirs["segments"]]
    values = [segment.get("labelValue", 1) for segment in theirs["segments"]]
    return np.sum([value * mask for value, mask in zip(values, masks, strict=True)], axis=0)


def respected(path):
    """Return values, and the affine matrix from (x, y, z) to (R, A, S) if there is one, of another reader."""
    if path.is_dir():
        (file,) = path.iterdir()
        data = pydicom.dcmread(file)
        return apply_modality_lut(data.pixel_array, data)[None], None
    if path.name.endswith(".seg.nrrd"):
        # Where pynrrd refuses numbers of the place that ITK takes, the values are what ITK reads.
        with suppress(Exception):
            return slicer_labels(path), None
    if path.suffix in fuzzing_peers.READERS:
        return fuzzing_peers.READERS[path.suffix](path)
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False), None
    if path.suffix == ".tif":
        with Image.open(path) as pages:
            layers = [np.array(page) for page in ImageSequence.Iterator(pages)]
        return np.stack(layers) if len(layers) > 1 else layers[0], None
    if path.suffix in (".nii", ".gz"):
        image = nibabel.load(path)
        # nibabel's affine is in the unit of the file, whose code has three bits; it keeps axes of one entry.
        unit = {1: 1000.0, 3: 1e-3}.get(int(image.header["xyzt_units"]) % 8, 1.0)
        array = np.asanyarray(image.dataobj).T
        return array.reshape(array.shape[-3:]) if array.ndim > 5 else array, np.diag([unit] * 3 + [1.0]) @ image.affine
    if path.name == "packed.mha":
        path = with_true_size(path)
    image = SimpleITK.ReadImage(path)
    affine = np.eye(4)
    if image.GetDimension() != 3:
        return SimpleITK.GetArrayFromImage(image), None
    turned = np.diag([-1.0, -1.0, 1.0])
    affine[:3, :3] = turned @ (np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing())
    affine[:3, 3] = turned @ image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image), affine


def same(found, values, affine):
    """Return whether an answer has these values at this place."""
    if tuple(found["shape"]) != values.shape:
        return False
    near = np.allclose(np.reshape(found["values"], values.shape), values.astype(float), rtol=1e-6, equal_nan=True)
    placed = affine is None or found["affine"] is None or np.allclose(found["affine"], affine, rtol=1e-5, atol=5e-3)
    return near and placed


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzzing.SOURCES)
def test_mutants_are_read_rightly_or_refused(name, reader, tmp_path, request):
    start = reader.read(written(tmp_path, name, fuzzing.original(name)))
    outcomes = {"read": 0, "refused": 0}
    for number in range(COUNTS[request.config.getoption("part")]):
        path = written(tmp_path, name, fuzzing.mutant(name, number))
        found = reader.read(path)
        assert found["peak"] - start["peak"] < MEMORY_KIB, number
        outcomes["refused" if "refused" in found else "read"] += 1
        if "refused" in found:
            assert found["refused"].startswith(("read: ", "read_surface: ")), number
            assert not FOREIGN.search(found["refused"].replace(str(tmp_path), "")), (number, found["refused"])
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = respected(path)
        except Exception:  # whatever it raises, it does not read the file
            # What another reader refuses is read by us only if the fields that matter are unharmed.
            expected = (np.reshape(start["values"], start["shape"]), start["affine"])
        unchanged = np.reshape(start["values"], start["shape"]), start["affine"]
        # Pillow takes the pages in front of one that it cannot read for all there are.
        assert same(found, *expected) or (path.suffix == ".tif" and same(found, *unchanged)), number
    # Checksums of PNG cover all of it.
    assert name == "outer.png" or min(outcomes.values()) > 0  # neither everything refused nor everything read
