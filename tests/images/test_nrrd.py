"""NRRD: units, spellings and encodings after the definition of the format; gaps that readers fill are refused."""

import bz2
import gzip
import resource
import time

import numpy as np
import pytest
import SimpleITK

from mia_functional import geometry as geometries
from mia_functional import images
from mia_functional.geometry import Geometry

HEAD = "NRRD0004\ntype: short\ndimension: 3\nsizes: 2 3 4\nendian: little\nencoding: raw\n"
STORED = np.arange(24, dtype="<i2").reshape(4, 3, 2)
LPS = "space: left-posterior-superior\nspace directions: (50,0,0) (0,0,-100) (0,200,0)\nspace origin: (10,20,-30)\n"


def write(path, header, raw=None):
    """Write an NRRD file, whose header needs its last empty line unless its data are elsewhere."""
    path.write_bytes(header.encode("latin-1") + (STORED.tobytes() if raw is None else raw))
    return path


def utf8(text):
    """Return a text as it is written in Latin-1 to come out in UTF-8."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("um", 1e-3), ("nm", 1e-6), ("mm", 1), ("cm", 10), ("m", 1000), ("in", 25.4), ("inches", 25.4), ("MM", 1),
        ("micron", 1e-3), ("millimeters", 1), ("Metres", 1000), ("\xb5m", 1e-3), (utf8("\xb5m"), 1e-3),
        (utf8("\N{GREEK SMALL LETTER MU}m"), 1e-3), ("", 1), ("?", 1),
    ],
)  # fmt: skip
def test_units_of_the_space_are_millimetres(tmp_path, unit, factor):
    path = write(tmp_path / "x.nrrd", f'{HEAD}{LPS}space units: "{unit}" "{unit}" "{unit}"\n\n')
    array, grid = images.read(path)
    np.testing.assert_array_equal(array, STORED)
    expected = Geometry(
        shape=(4, 3, 2), spacing=tuple(factor * step for step in (200, 100, 50)),
        origin=tuple(factor * place for place in (-30, 20, 10)), direction=((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    )  # fmt: skip
    assert geometries.same_geometry(grid, expected, tolerance=1e-12)
    # ITK does not know units: the file in other words, in the unit that the numbers have.
    assert SimpleITK.ReadImage(path).GetSpacing() == (50, 100, 200)


def test_a_space_of_several_units_is_stretched(tmp_path):
    # Axis y of the array goes along y and z: in millimetres that is (0, 0.3, 0.4), of length 0.5.
    header = f'{HEAD}space: LPS\nspace directions: (2,0,0) (0,300,0.4) (0,0,5)\nspace units: "mm" "um" "mm"\n\n'
    _, grid = images.read(write(tmp_path / "x.nrrd", header))
    np.testing.assert_allclose(grid.spacing, (5, 0.5, 2))
    np.testing.assert_allclose(grid.direction, [[1, 0.8, 0], [0, 0.6, 0], [0, 0, 1]])


@pytest.mark.parametrize(
    ("more", "spacing", "origin"),
    [
        ('units: "um" "mm" "cm"\n', (30, 2, 0.001), (0, 0, 0)),
        ('units: "um" "um" "um"\naxis mins: 10 20 30\n', (0.003, 0.002, 0.001), (0.0315, 0.021, 0.0105)),
        ('axis mins: 10 20 30\ncenters: node NODE node\naxismaxs: 11 24 39\nunits: "cm" "cm" "cm"\n',
         (30, 20, 10), (300, 200, 100)),
        ("axis mins: 10 20 30\naxis maxs: 12 26 42\ncenterings: cell cell cell\n", (3, 2, 1), (31.5, 21, 10.5)),
    ],
)  # fmt: skip
def test_units_of_the_axes_are_millimetres(tmp_path, more, spacing, origin):
    _, grid = images.read(write(tmp_path / "x.nrrd", f"{HEAD}spacings: 1 2 3\n{more}\n"))
    np.testing.assert_allclose(grid.spacing, spacing, rtol=1e-15)
    np.testing.assert_allclose(grid.origin, origin, rtol=1e-15)


@pytest.mark.parametrize("unit", ["pixel", "s", "mm^2", "px", "furlong"])
def test_what_is_no_length_is_refused(tmp_path, unit):
    for more in (f'{LPS}space units: "mm" "mm" "{unit}"\n', f'spacings: 1 2 3\nunits: "{unit}" "mm" "mm"\n'):
        with pytest.raises(ValueError, match=r"units are '.*'; units of length are read, such as mm or um"):
            images.read(write(tmp_path / "x.nrrd", f"{HEAD}{more}\n"))


def test_the_unit_of_time_stays(tmp_path):
    head = HEAD.replace("dimension: 3\nsizes: 2 3 4", "dimension: 4\nsizes: 2 3 2 2")
    directions = "space directions: (1,0,0,0) (0,2,0,0) (0,0,3,0) (0,0,0,5)\nspace origin: (1,2,3,4)\n"
    units = 'space units: "cm" "cm" "cm" "s"\n'
    # ITK turns RAS, but not RAS with time.
    for space, signs in (
        ("RAST", (-1, -1)), ("rightanteriorsuperiortime", (-1, -1)), ("Left Anterior Superior Time", (-1, 1)),
        ("left-anterior-superior-time", (-1, 1)), ("LPST", (1, 1)),
    ):  # fmt: skip
        _, grid = images.read(write(tmp_path / "x.nrrd", f"{head}space: {space}\n{directions}{units}\n"))
        assert grid.spacing == (5, 30, 20, 10)
        assert grid.origin == (4, 30, 20 * signs[1], 10 * signs[0])
        assert np.diag(grid.direction).tolist() == [1, 1, signs[1], signs[0]]
    axes = 'kinds: space space space time\nspacings: 1 2 3 5\nunits: "cm" "cm" "cm" "ms"\n'
    assert images.read(write(tmp_path / "x.nrrd", f"{head}{axes}\n"))[1].spacing == (5, 30, 20, 10)


CHANNELS = HEAD.replace("dimension: 3\nsizes: 2 3 4", "dimension: 4\nsizes: {} {} {} {}")


@pytest.mark.parametrize(
    ("kinds", "sizes", "position"),
    [
        ("vector domain domain domain", (3, 2, 2, 2), 3),
        ("domain domain domain list", (2, 2, 2, 3), 0),
        ("space RGB-color space space", (2, 3, 2, 2), 2),
        ("??? ??? 3-color ???", (2, 2, 3, 2), 1),
    ],
)
def test_channels_are_the_last_axis_wherever_they_are(tmp_path, kinds, sizes, position):
    raw = np.arange(24, dtype="<i2").reshape(sizes[::-1])
    directions = ["(1,0,0)", "(0,2,0)", "(0,0,3)"]
    directions.insert(3 - position, "none")
    more = f'kinds: {kinds}\nspace: LPS\nspace directions: {" ".join(directions)}\nspace units: "cm" "cm" "cm"\n'
    for encoding, pack in (("raw", bytes), ("gzip", gzip.compress), ("bz2", bz2.compress)):
        head = CHANNELS.format(*sizes).replace("raw", encoding)
        path = write(tmp_path / f"{encoding}.nrrd", f"{head}{more}\n", pack(raw.tobytes()))
        array, grid = images.read(path)
        np.testing.assert_array_equal(array, np.moveaxis(raw, position, -1))
        assert (grid.shape, grid.spacing) == ((2, 2, 2), (30, 20, 10))
        assert array.flags.c_contiguous
    image = SimpleITK.ReadImage(tmp_path / "gzip.nrrd")
    np.testing.assert_array_equal(array, SimpleITK.GetArrayFromImage(image))


@pytest.mark.parametrize(
    "header",
    [
        HEAD + "Type:=CT\nencoding:=x\nsizes:=1 1 1\nSegment0_Name:=a: b\n\n",
        HEAD.replace("raw", "RAW").replace("short", "Int16").replace("little", "Little") + "\n",
        HEAD.replace("type", "TYPE").replace("sizes: 2 3 4", "Sizes: \t2\t3  4 ") + "# a: comment\n#\n\n",
        (HEAD + "content: a: b:=c \nnumber: many\nmin: 0\nold max: 3\nsample units: HU\n\n").replace("\n", "\r\n"),
        HEAD.replace("NRRD0004", "NRRD00.01") + "\n",
        HEAD.replace("NRRD0004", "NRRD0005") + "space dimension: 3\nspacedirections: ( 1 , 0 , 0 )\t(0,1,0) (0,0,1)\n"
        "measurement frame: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\nlabels: \"x\" \"\" \"a \\\" b\"\n\n",
        HEAD + "kinds: Domain SPACE ???\ncenters: node cell ???\nthicknesses: NaN 2 NaN\n\n",
    ],
)  # fmt: skip
def test_spellings_are_read_as_simpleitk_reads_them(tmp_path, header):
    path = write(tmp_path / "x.nrrd", header)
    array, grid = images.read(path)
    np.testing.assert_array_equal(array, STORED)
    assert grid == Geometry(shape=(4, 3, 2), spacing=(1, 1, 1))
    assert grid == images.from_simpleitk(SimpleITK.ReadImage(path))[1]


@pytest.mark.parametrize("line", ["data file: ./b.raw", "datafile: b.raw", "Data File:   ././b.raw"])
def test_pixels_beside_the_header_are_found(tmp_path, line):
    (tmp_path / "b.raw").write_bytes(STORED.tobytes())
    for end in ("\n", "\n\n"):
        path = write(tmp_path / "x.nhdr", f"{HEAD}{line}{end}", b"")
        np.testing.assert_array_equal(images.read(path)[0], STORED)
        np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)), STORED)


def test_a_last_line_without_an_end_is_refused(tmp_path):
    (tmp_path / "b.raw").write_bytes(STORED.tobytes())
    with pytest.raises(ValueError, match=r"the line 'data file: b\.raw' of its header has no end"):
        images.read(write(tmp_path / "x.nhdr", f"{HEAD}data file: b.raw", b""))


def test_bzip2_is_read_and_its_damage_found(tmp_path):
    packed = bz2.compress(STORED.tobytes())
    header = HEAD.replace("raw", "BZIP2") + "\n"
    np.testing.assert_array_equal(images.read(write(tmp_path / "x.nrrd", header, packed))[0], STORED)
    flipped = bytearray(packed)
    flipped[-20] ^= 1
    for raw, reason in (
        (packed[:-1], "end too early"), (b"", "end too early"), (packed + b"x", "something follows"),
        (bytes(flipped), "are damaged"), (STORED.tobytes(), "are damaged"), (bz2.compress(bytes(46)), "there are 46"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=rf"x\.nrrd: .*{reason}"):
            images.read(write(tmp_path / "x.nrrd", header, raw))


@pytest.mark.slow
def test_a_bomb_of_bzip2_is_left_early(tmp_path):
    compressor, zeros = bz2.BZ2Compressor(), bytes(1 << 20)
    packed = b"".join(compressor.compress(zeros) for _ in range(64)) + compressor.flush()
    assert len(packed) < 400
    path = write(tmp_path / "x.nrrd", HEAD.replace("raw", "bzip2") + "\n", packed)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    with pytest.raises(ValueError, match="and there are more"):
        images.read(path)
    assert time.perf_counter() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        # NrrdIO fills these gaps with a spacing of 1 and a position of 0, or reads NaN.
        (HEAD + "spacings: 1 nan 3\n", "spacings is 1 nan 3; each axis that is not one of channels needs a number"),
        (HEAD + "spacings: 1 2 0\n", "spacings is 1 2 0"),
        (HEAD + "spacings: 1 2 3\naxis mins: 1 nan 3\n", "axis mins is 1 nan 3"),
        (HEAD + "axis mins: 0 0 0\naxis maxs: 10 10 10\n", "it has axis mins, but no spacings"),
        (HEAD + "spacings: 1 1 1\naxis mins: 0 0 0\naxis maxs: 9 9 9\n", "contradict each other"),
        (HEAD + "space: LPS\n", "space directions is missing"),
        (HEAD + "space: LPS\nspace directions: (1,0,0) (0,1,0) none\n", "space directions is .* none; each axis"),
        # NrrdIO takes the blank for a part of the word or of the name.
        (HEAD.replace("short", "short "), "the line 'type: short ' of its header ends in a blank"),
        (HEAD + "data file: x.raw \n", "ends in a blank"),
        # NrrdIO refuses these, in words of its own.
        (HEAD.replace("type: ", "type:"), "its header has the line 'type:short'"),
        (HEAD.replace("type: ", "type:\t"), "its header has the line"),
        (HEAD.replace("type: ", "type : "), "its header has the line 'type : short'"),
        (HEAD + "colour: red\n", "its header has the line 'colour: red'"),
        (HEAD + "data  file: x.raw\n", "its header has the line"),
        (HEAD + "type: short\n", "its header has the line 'type: short'"),
        (HEAD + " \n", "its header has the line ' '"),
        (HEAD.replace("dimension: 3\nsizes: 2 3 4", "sizes: 2 3 4\ndimension: 3"), "sizes stands before dimension"),
        (HEAD + "space origin: (1,2,3)\nspace: LPS\n", "space origin stands before space"),
        (HEAD + f"{LPS}spacings: 1 2 3\n", "spacings and space directions, which exclude each other"),
        (HEAD + f'{LPS}units: "mm" "mm" "mm"\n', "units and space directions, which exclude each other"),
        (HEAD + f'{LPS}space units: "mm"\n', 'space units is "mm", and 3 entries are needed'),
        (HEAD + f"{LPS}space units: um um um\n", "space units is um um um, and 3 entries are needed"),
        (HEAD + "kinds: domain domain\n", "kinds is domain domain, and 3 entries are needed"),
        (HEAD + "spacings: 1 2 x\n", "spacings is '1 2 x'"),
        (HEAD + "space: LPS\nspace directions: (1,0) (0,1) (1,1)\n", "it has 3 axes in a space of another number"),
        (HEAD.replace("endian: little\n", ""), "endian is missing"),
        (HEAD + LPS.replace("left-posterior-superior", "RAST"), "it has 3 axes in a space of another number"),
        (HEAD + LPS.replace("left-posterior-superior", "moon"), "its space is 'moon'"),
        (HEAD + "kinds: 3-color domain domain\n", "its axis 0 holds 2 entries of kind 3-color, which are not read"),
        (HEAD + "kinds: domain domain taste\n", "its axis 2 holds 4 entries of kind taste"),
        (HEAD + "thicknesses: 1 1\n", "thicknesses is 1 1, and 3 entries are needed"),
        (HEAD + "labels: x y z\n", "labels is x y z, and 3 entries are needed"),
        (HEAD + "block size: 3\n", "blocks are not read"),
        (HEAD.replace("raw", "ascii"), "encoding is ascii; raw, gzip and bzip2 are read"),
        (HEAD.replace("raw", "hex"), "encoding is hex"),
        # SimpleITK returns four axes of other sizes.
        (CHANNELS.format(2, 3, 2, 2) + "kinds: vector list domain domain\n", "at most one axis of channels is read"),
    ],
)  # fmt: skip
def test_gaps_and_slips_are_refused_in_our_words(tmp_path, capfd, header, reason):
    with pytest.raises(ValueError, match=rf"x\.nrrd: .*{reason}") as caught:
        images.read(write(tmp_path / "x.nrrd", f"{header}\n"))
    assert "ITK" not in str(caught.value)
    assert capfd.readouterr() == ("", "")
