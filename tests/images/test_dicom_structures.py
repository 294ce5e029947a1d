"""RT structure sets: contours of known shapes and of masks, on grids of every orientation; or one sentence."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.sequence import Sequence
from skimage.measure import find_contours

from mia_functional import images
from mia_functional.geometry import Geometry

from .cases import oblique
from .dicom_cases import heights, write_slice
from .structure_cases import FRAME, GRID, circle, contour, dataset, drawn, structure_set, write_structures

TURNED = replace(oblique(GRID.shape, seed=3), spacing=GRID.spacing)
RNG = np.random.default_rng(0)


def sphere(grid, centre, radius):
    """The contours of a sphere in each slice, and which voxel centres are inside; in millimetres along the axes."""
    contours = []
    for number in range(grid.shape[0]):
        square = radius**2 - (number * grid.spacing[0] - centre[0]) ** 2
        if square > 0:
            polygon = circle(centre[1:], np.sqrt(square)) / grid.spacing[1:]
            contours.append(contour(drawn(grid, number, polygon)))
    axes = [np.arange(n) * step for n, step in zip(grid.shape, grid.spacing, strict=True)]
    distances = sum((axis - start) ** 2 for axis, start in zip(np.meshgrid(*axes, indexing="ij"), centre, strict=True))
    return contours, distances < radius**2


@pytest.mark.parametrize("grid", [GRID, TURNED], ids=["axial", "oblique"])
@pytest.mark.parametrize("rule", ["pixel_centre", "area_fraction"])
def test_a_sphere_is_within_a_ring_of_pixels_and_two_percent(tmp_path, grid, rule):
    contours, inside = sphere(grid, (10.4, 14.3, 11.8), 9)
    found = images.read_structures(write_structures(tmp_path / "a.dcm", {"ball": contours}), grid, rule=rule)
    assert found.array.dtype == np.uint8
    assert abs(found.array.sum() / inside.sum() - 1) < 0.02
    volume = 4 / 3 * np.pi * 9**3 / np.prod(grid.spacing)
    assert abs(found.array.sum() / volume - 1) < 0.02
    if rule == "pixel_centre":  # a polygon of 200 corners is within 0.002 mm of its circle
        assert np.count_nonzero(found.array != inside) <= 4


def test_contours_of_a_mask_come_back_and_holes_with_them(tmp_path):
    """Marching squares of blobs with holes, in the decimals that files have."""
    masks = {name: np.zeros(TURNED.shape, bool) for name in "ab"}
    for mask in masks.values():
        mask[3:6, 1:39, 1:47] = RNG.random((3, 38, 46)) < 0.6
    structures = {
        name: [
            contour(drawn(TURNED, number, polygon[:-1], decimals=4))
            for number, plane in enumerate(mask)
            for polygon in find_contours(plane.astype(float), 0.5)
        ]
        for name, mask in masks.items()
    }
    path = write_structures(tmp_path / "a.dcm", structures)
    found = images.read_structures(path, TURNED)
    np.testing.assert_array_equal(found.array, np.stack(list(masks.values()), axis=-1))
    assert [segment.name for segment in found.segments] == ["a", "b"]
    with pytest.raises(ValueError, match="its structures overlap: their channels take 34560 bytes"):
        images.read_segmentation(path, TURNED, max_bytes=20000)


@pytest.mark.parametrize("encoding", ["two contours", "keyhole", "exclusive"])
def test_a_hole_is_one_however_it_is_drawn(tmp_path, encoding):
    outer, inner = circle((20, 24), 15), circle((20, 24), 6)
    kind = "CLOSEDPLANAR_XOR" if encoding == "exclusive" else "CLOSED_PLANAR"
    polygons = [outer, inner]
    if encoding == "keyhole":
        polygons = [np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])]
    contours = [contour(drawn(GRID, 4, polygon), kind=kind) for polygon in polygons]
    found = images.read_structures(write_structures(tmp_path / "a.dcm", {"ring": contours}), GRID)
    rows, columns = np.mgrid[:40, :48]
    distance = np.hypot(rows - 20, columns - 24)
    expected = (distance < 15) & (distance >= 6)
    off = found.array[4] != expected
    assert np.abs(distance[off] - 15).min(initial=9) < 0.01 or not off.any()
    assert found.array[4, 20, 24] == 0
    assert np.flatnonzero(found.array.any(axis=(1, 2))).tolist() == [4]


def test_voxels_are_those_of_plastimatch(tmp_path):
    """plastimatch 1.10.0 has the same masks of this keyhole and this disc, 502 and 625 voxels: recorded once."""
    outer, inner = circle((20.2, 24.3), 14.1), circle((20.2, 24.3), 6.3)
    structures = {
        "keyhole": [contour(drawn(GRID, 5, np.concatenate([outer, outer[:1], inner[::-1], inner[-1:]])))],
        "disc": [contour(drawn(GRID, 2, outer))],
    }
    found = images.read_structures(write_structures(tmp_path / "a.dcm", structures), GRID, channels=True)
    assert found.array.sum(axis=(0, 1, 2)).tolist() == [502, 625]


def test_names_numbers_colours_and_types_are_those_of_the_file(tmp_path):
    square = [contour(drawn(GRID, 2, np.array([[3, 3], [3, 9], [9, 9], [9, 3.0]])))]
    data = structure_set({"liver": square, "empty": []}, colours=[(255, 0, 51)])
    data.StructureSetROISequence[0].ROINumber = data.ROIContourSequence[0].ReferencedROINumber = 7
    data.StructureSetROISequence[0].ROIGenerationAlgorithm = "AUTOMATIC"
    data.RTROIObservationsSequence[0].ReferencedROINumber = 7
    code = dataset(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    data.RTROIObservationsSequence[0].RTROIIdentificationCodeSequence = Sequence([code])
    pydicom.dcmwrite(tmp_path / "RS.1.2.3", data, enforce_file_format=True)
    first, second = images.read_segments(tmp_path / "RS.1.2.3")
    assert (first.label, first.name, first.colour, first.interpreted_type) == (7, "liver", (1.0, 0.0, 0.2), "ORGAN")
    assert first.type == images.Code(value="10200004", scheme="SCT", meaning="Liver")
    assert first.algorithm_type == "AUTOMATIC"
    assert (second.label, second.name, second.colour) == (2, "empty", None)
    found = images.read_segmentation(tmp_path / "RS.1.2.3", GRID)
    assert found.segments == (first, second)
    assert np.unique(found.array, return_counts=True)[1].tolist() == [GRID.shape[0] * 40 * 48 - 36, 36]
    assert found.array.max() == 7
    channels = images.read_segmentation(tmp_path / "RS.1.2.3", GRID, channels=True)
    assert channels.array.sum(axis=(0, 1, 2)).tolist() == [36, 0]


def test_numbers_that_are_no_labels_are_counted_anew(tmp_path):
    square = np.array([[3, 3], [3, 9], [9, 9], [9, 3.0]])
    data = structure_set({"a": [contour(drawn(GRID, 2, square))], "b": [contour(drawn(GRID, 3, square))]})
    data.StructureSetROISequence[0].ROINumber = data.ROIContourSequence[0].ReferencedROINumber = 0
    pydicom.dcmwrite(tmp_path / "a.dcm", data, enforce_file_format=True)
    found = images.read_structures(tmp_path / "a.dcm", GRID)
    assert [segment.label for segment in found.segments] == [1, 2]
    assert found.array.max(axis=(1, 2)).tolist() == [0, 0, 1, 2, 0, 0, 0, 0, 0]


def levels(found):
    """The slices in which there is something."""
    return np.flatnonzero(found.array.any(axis=(1, 2))).tolist()


def test_slices_between_contours_are_what_the_caller_says(tmp_path):
    small, large = circle((20, 24), 6.2), circle((20, 24), 12.2)
    every_second = [contour(drawn(GRID, number, circle((20, 24), 6.2 + 3 * k))) for k, number in enumerate((1, 3, 5))]
    path = write_structures(tmp_path / "a.dcm", {"cone": every_second})
    with pytest.raises(ValueError, match=r"contours of 'cone' lie 2 slices apart; `between=\"empty\"`,"):
        images.read_structures(path, GRID)
    assert levels(images.read_structures(path, GRID, between="empty")) == [1, 3, 5]
    nearest = images.read_structures(path, GRID, between="nearest")
    assert levels(nearest) == [0, 1, 2, 3, 4, 5]
    np.testing.assert_array_equal(nearest.array[2], nearest.array[3])
    between = images.read_structures(path, GRID, between="interpolate")
    assert levels(between) == [0, 1, 2, 3, 4, 5]
    # Of concentric circles it is the one in the middle.
    rows, columns = np.mgrid[:40, :48]
    distance = np.hypot(rows - 20, columns - 24)
    for number, radius in ((2, 7.7), (4, 10.7)):
        np.testing.assert_array_less(np.abs(distance[between.array[number] != (distance < radius)] - radius), 0.8)
    # Planes that lie between slices.
    halfway = [contour(drawn(GRID, 2.5, small)), contour(drawn(GRID, 3.5, large))]
    path = write_structures(tmp_path / "b.dcm", {"step": halfway})
    for option in ("error", "empty"):
        with pytest.raises(ValueError, match=r"contours of 'step' lie between slices, at 2\.500; `between="):
            images.read_structures(path, GRID, between=option)
    assert levels(images.read_structures(path, GRID, between="nearest")) == [2, 3]
    assert levels(images.read_structures(path, GRID, between="interpolate")) == [2, 3]
    # A structure of two pieces keeps its gap.
    pieces = [contour(drawn(GRID, number, small)) for number in (0, 1, 2, 6, 7)]
    path = write_structures(tmp_path / "c.dcm", {"pieces": pieces})
    for option in ("error", "empty", "nearest", "interpolate"):
        assert levels(images.read_structures(path, GRID, between=option)) == [0, 1, 2, 6, 7]


def test_structures_of_a_name_are_read_whatever_the_others_are(tmp_path):
    tilted = drawn(GRID, 2, np.array([[3, 3], [3, 9], [9, 9.0]])) + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 2]])
    structures = {"good": [contour(drawn(GRID, 4, circle((20, 24), 9)))], "bad": [contour(tilted)]}
    path = write_structures(tmp_path / "a.dcm", structures)
    with pytest.raises(ValueError, match="do not lie in slices"):
        images.read_structures(path, GRID)
    found = images.read_structures(path, GRID, names=["good"])
    assert [segment.name for segment in found.segments] == ["good"]
    assert levels(found) == [4]
    with pytest.raises(ValueError, match="it names no structure 'other', but 'good', 'bad'"):
        images.read_structures(path, GRID, names=("good", "other"))
    with pytest.raises(TypeError, match=r"^read_structures: `names` must be a collection of names; got 'good'"):
        images.read_structures(path, GRID, names="good")


def test_contours_that_overlap_in_part_are_what_the_caller_says(tmp_path):
    squares = [np.array([[2, 2], [2, 12], [12, 12], [12, 2.0]]) + shift for shift in (0, 5)]
    path = write_structures(tmp_path / "a.dcm", {"x": [contour(drawn(GRID, 1, square)) for square in squares]})
    with pytest.raises(ValueError, match=r"contours of 'x' overlap in part at slice 1, where .*overlapping=\"union\""):
        images.read_structures(path, GRID)
    assert images.read_structures(path, GRID, overlapping="union").array.sum() == 200 - 25
    assert images.read_structures(path, GRID, overlapping="exclusive").array.sum() == 200 - 50
    contours = [contour(drawn(GRID, 1, square), kind="CLOSEDPLANAR_XOR") for square in squares]
    assert images.read_structures(write_structures(tmp_path / "b.dcm", {"x": contours}), GRID).array.sum() == 150


def test_planes_may_lie_across_any_axis(tmp_path):
    polygon = circle((20, 24), 9.3)
    path = write_structures(tmp_path / "a.dcm", {"x": [contour(drawn(GRID, 3, polygon))]})
    expected = images.read_structures(path, GRID).array
    for order in ((1, 0, 2), (2, 1, 0), (1, 2, 0)):
        direction = tuple(tuple(row[k] for k in order) for row in GRID.direction)
        turned = Geometry(
            shape=tuple(GRID.shape[k] for k in order), spacing=tuple(GRID.spacing[k] for k in order),
            origin=GRID.origin, direction=direction,
        )  # fmt: skip
        np.testing.assert_array_equal(images.read_structures(path, turned).array, expected.transpose(order))


@pytest.fixture
def series(tmp_path):
    """A series with a frame of reference."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number, position in enumerate(heights(np.arange(5) * 2.5)):
        write_slice(folder / f"{number}.dcm", np.zeros((20, 24), np.int16), position, FrameOfReferenceUID=FRAME)
    return folder


def test_a_series_gives_the_grid_and_its_frame_of_reference(series, tmp_path):
    grid = images.read_geometry(series)
    contours = [contour(drawn(grid, 3, circle((9, 11), 5)))]
    path = write_structures(tmp_path / "a.dcm", {"x": contours})
    found = images.read_segmentation(path, series)
    assert found.geometry == grid
    assert levels(found) == [3]
    other = write_structures(tmp_path / "b.dcm", {"x": contours}, frame="1.2.9")
    with pytest.raises(ValueError, match=r"are in the frame of reference 1\.2\.9, and `reference` in 1\.2\.3\.4\.5"):
        images.read_segmentation(other, series)


def test_points_are_left_out_and_what_lies_beyond_is_cut_off(tmp_path):
    square = circle((20, 24), 8)
    structures = {
        "isocentre": [contour(drawn(GRID, 1, square[:1]), kind="POINT")],
        "organ": [contour(drawn(GRID, 1, square)), contour(drawn(GRID, 1, square[:2] + 9))],
    }
    path = write_structures(tmp_path / "a.dcm", structures)
    with pytest.warns(UserWarning, match=r"points and open lines have no voxels and are left out: 'isocentre' \(POINT"):
        found = images.read_structures(path, GRID)
    assert [segment.name for segment in images.read_segments(path)] == ["organ"]
    assert [segment.label for segment in found.segments] == [2]
    outside = {"arm": [contour(drawn(GRID, 1, circle((20, 44), 8)))], "feet": [contour(drawn(GRID, -3, square))]}
    path = write_structures(tmp_path / "b.dcm", outside)
    with pytest.warns(UserWarning, match="contours reach beyond the grid and are cut off there: 'arm', 'feet'"):
        assert levels(images.read_structures(path, GRID)) == [1]
    with pytest.raises(ValueError, match="all of its contours lie beyond the grid of `reference`"):
        images.read_structures(write_structures(tmp_path / "c.dcm", {"feet": outside["feet"]}), GRID)


SQUARE = np.array([[3, 3], [3, 9], [9, 9], [9, 3.0]])
ONE = drawn(GRID, 2, SQUARE)


def damaged(**tags):
    """A structure set of one square whose contour has other elements."""
    item = contour(ONE)
    for name, value in tags.items():
        setattr(item, name, value)
    return structure_set({"x": [item]})


def without(name):
    """A structure set that lacks an element."""
    data = structure_set({"x": [contour(ONE)]})
    delattr(data, name)
    return data


def renumbered(sequence, number):
    """A structure set of two with the number of the second changed."""
    data = structure_set({"x": [contour(ONE)], "y": [contour(ONE)]})
    item = data[sequence].value[1]
    setattr(item, "ROINumber" if "ROINumber" in item else "ReferencedROINumber", number)
    return data


TILTED = ONE + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 0.9], [0, 0, 0.9]])

HOSTILE = {
    "no structures": (lambda: without("StructureSetROISequence"), "it names no structures"),
    "no contours": (lambda: without("ROIContourSequence"), ""),
    "contours without a name": (lambda: renumbered("ROIContourSequence", 9), r"has contours of the structures \[9\]"),
    "a number twice": (lambda: renumbered("StructureSetROISequence", 1), "it describes the structure 1 twice"),
    "contours twice": (lambda: renumbered("ROIContourSequence", 1), "it describes the structure 1 twice"),
    "two coordinates": (lambda: damaged(ContourData=["1", "2"]), "has 2 coordinates for 4 points"),
    "fewer points than stated": (lambda: damaged(NumberOfContourPoints=5), "has 12 coordinates for 5 points"),
    "billions of points": (lambda: damaged(NumberOfContourPoints=2**31 - 1), "has 12 coordinates for 2147483647"),
    "no points": (lambda: damaged(ContourData=None, NumberOfContourPoints=0), ""),
    "infinite": (lambda: damaged(ContourData=["1e400", *["1"] * 11]), "is farther than 1e.06 mm away, or nowhere"),
    "far away": (lambda: damaged(ContourData=["1e300", *["1"] * 11]), "is farther than 1e.06 mm away, or nowhere"),
    "not a number": (lambda: damaged(ContourData=["nan", *["1"] * 11]), "is farther than 1e.06 mm away, or nowhere"),
    "tilted": (lambda: structure_set({"x": [contour(TILTED)]}), "do not lie in slices of .* spans 0.9 mm across them"),
    "points alone": (lambda: damaged(ContourGeometricType="POINT"), "it holds no closed contours"),
    "of no kind": (lambda: damaged(ContourGeometricType=None), "it holds no closed contours"),
    "of two kinds": (
        lambda: structure_set({"x": [contour(ONE), contour(ONE, kind="CLOSEDPLANAR_XOR")]}),
        "the contours of 'x' are CLOSED_PLANAR and CLOSEDPLANAR_XOR",
    ),
    "drawn twice": (lambda: structure_set({"x": [contour(ONE), contour(ONE)]}), "overlap in part at slice 2"),
    "another object": (lambda: structure_set({}, SOPClassUID="1.2.840.10008.5.1.4.1.1.481.5"), "it is no RT structure"),
    "a class of its own": (lambda: structure_set({}, SOPClassUID="1.2"), "it is no RT structure set"),
    "no number": (lambda: without_number(), "pydicom cannot parse its header"),
}  # fmt: skip


def without_number():
    """A structure set whose structure has no number."""
    data = structure_set({"x": [contour(ONE)]})
    del data.StructureSetROISequence[0].ROINumber
    return data


@pytest.mark.filterwarnings("ignore:.*points and open lines", "ignore:Invalid value", "ignore:Value")
@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_damaged_or_ambiguous_is_one_sentence(tmp_path, name):
    make, expected = HOSTILE[name]
    pydicom.dcmwrite(tmp_path / "a.dcm", make(), enforce_file_format=True)
    if not expected:  # structures without contours are empty
        assert not images.read_structures(tmp_path / "a.dcm", GRID).array.any()
        return
    with pytest.raises(ValueError, match=rf"^read_structures: `path` must name a complete.*a\.dcm: .*{expected}"):
        images.read_structures(tmp_path / "a.dcm", GRID)


def test_files_that_end_early_and_arguments_that_are_wrong(tmp_path):
    path = write_structures(tmp_path / "a.dcm", {"x": [contour(ONE)]})
    whole = path.read_bytes()
    for length in (0, 100, 132, 140, 300, len(whole) // 2, len(whole) - 1):
        (tmp_path / "b.dcm").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"^read_structures: `path` must name a complete"):
            images.read_structures(tmp_path / "b.dcm", GRID)
    for options in ({"rule": "corner"}, {"between": "linear"}, {"overlapping": "both"}):
        with pytest.raises(ValueError, match=f"^read_structures: `{next(iter(options))}` must be one of"):
            images.read_structures(path, GRID, **options)
    with pytest.raises(ValueError, match="its contours need a grid of 3 axes, and that of `reference` has 2"):
        images.read_structures(path, Geometry(shape=(3, 4), spacing=(1, 1)))
    with pytest.raises(ValueError, match="its structures take 17280 bytes on that grid, and `max_bytes` is 17000"):
        images.read_structures(path, GRID, max_bytes=17000)
    for function in (images.read, images.read_labels, images.read_geometry):
        with pytest.raises(ValueError, match=rf"^{function.__name__}: .* it holds contours, which have no voxels"):
            function(path)
    with pytest.raises(ValueError, match="it holds contours, which have no grid of their own: pass the series"):
        images.read_segmentation(path)
