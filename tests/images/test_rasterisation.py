"""Polygons to masks: against exact fractions on small grids, known areas, shared edges, and contours of masks."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from skimage.measure import find_contours

from mia_functional.images.rasterisation import RULES, boxed_mask, overlapping_polygon, polygon_mask

SHAPE = (9, 11)
RNG = np.random.default_rng(0)


def circle(centre, radius, points=400):
    """A circle as a polygon, clockwise in (row, column)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.array(centre) + radius * np.column_stack([np.sin(angle), np.cos(angle)])


def fractions(polygons):
    """Every edge as two points of exact fractions."""
    for polygon in polygons:
        exact = [tuple(map(Fraction, map(float, point))) for point in polygon]
        yield from zip(exact, exact[1:] + exact[:1], strict=True)


def is_inside(polygons, row, column):
    """Whether a point is inside by a ray to the left of it, point after point, in exact numbers."""
    crossings = 0
    for (y0, x0), (y1, x1) in fractions(polygons):
        if (y0 <= row < y1) or (y1 <= row < y0):
            crossings += x0 + (row - y0) * (x1 - x0) / (y1 - y0) <= column
    return crossings % 2 == 1


def is_on_edge(polygons, row, column):
    """Whether a point lies on an edge, in exact numbers."""
    return any(
        (x1 - x0) * (row - y0) == (y1 - y0) * (column - x0)
        and min(y0, y1) <= row <= max(y0, y1)
        and min(x0, x1) <= column <= max(x0, x1)
        for (y0, x0), (y1, x1) in fractions(polygons)
    )


def by_definition(polygons, test):
    """The mask whose pixels pass a test."""
    return np.array([[test(polygons, row, column) for column in range(SHAPE[1])] for row in range(SHAPE[0])])


def random_polygons(seed):
    """Up to three polygons that cross themselves and each other, on multiples of a quarter, and beyond the grid."""
    rng = np.random.default_rng(seed)
    step = int(rng.choice([1, 2, 4]))
    return [
        rng.integers(-2 * step, 13 * step, (int(rng.integers(3, 8)), 2)) / step for _ in range(int(rng.integers(1, 4)))
    ]


@pytest.mark.sampled(15)
@pytest.mark.parametrize("seed", range(40))
def test_pixels_are_those_of_exact_fractions(seed):
    polygons = random_polygons(seed)
    inside = by_definition(polygons, is_inside)
    np.testing.assert_array_equal(polygon_mask(polygons, SHAPE), inside)
    on_edge = by_definition(polygons, is_on_edge)
    np.testing.assert_array_equal(polygon_mask(polygons, SHAPE, rule="pixel_centre_or_edge"), inside | on_edge)


@pytest.mark.parametrize("seed", range(10))
def test_areas_are_those_of_many_points_in_each_pixel(seed):
    polygons, count = random_polygons(seed), 64
    fine = [(polygon + 0.5) * count - 0.5 for polygon in polygons]
    many = polygon_mask(fine, (SHAPE[0] * count, SHAPE[1] * count))
    fractions_inside = many.reshape(SHAPE[0], count, SHAPE[1], count).mean(axis=(1, 3))
    wrong = polygon_mask(polygons, SHAPE, rule="area_fraction") != (fractions_inside >= 0.5)
    # Of half a pixel, either count is off by less than a line.
    assert np.all(np.abs(fractions_inside[wrong] - 0.5) < 1 / 16)


def keyhole(inner):
    """A ring as one outline, which walks along a channel of no width to the hole and back."""
    outer = circle((30.3, 34.6), 24)
    return [np.concatenate([outer, outer[:1], inner, inner[:1]])]


TURN = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
HOLE = circle((30.3, 34.6), 11)
RING = np.pi * (24**2 - 11**2)

SHAPES = {
    "disc": ([circle((30.3, 34.6), 12)], np.pi * 12**2),
    "ring": ([circle((30.3, 34.6), 24), HOLE], RING),
    "ring of two directions": ([circle((30.3, 34.6), 24), HOLE[::-1]], RING),
    "keyhole": (keyhole(HOLE), RING),
    "keyhole of two directions": (keyhole(HOLE[::-1]), RING),
    "two discs": ([circle((16, 17), 14), circle((44.4, 50.7), 13)], np.pi * (14**2 + 13**2)),
    "turned rectangle": ([np.array([[-9, -17], [-9, 17], [9, 17], [9, -17]]) @ TURN + (30, 34)], 18 * 34),
}


@pytest.mark.parametrize("rule", ["pixel_centre", "area_fraction"])
@pytest.mark.parametrize("name", SHAPES)
def test_areas_of_shapes_are_within_two_percent(name, rule):
    polygons, area = SHAPES[name]
    mask = polygon_mask(polygons, (62, 70), rule=rule)
    assert abs(mask.sum() - area) <= 0.02 * area
    if "ring" in name or "keyhole" in name:
        assert not mask[20:41, 34].any()
    assert overlapping_polygon(polygons, (62, 70)) is None


def test_discs_are_off_by_chance_and_by_less_than_their_rim():
    """Centres in a disc scatter around its area: of 150 to 300 pixels by 2.6 % at most, and on average by none."""
    rng = np.random.default_rng(0)
    radii = rng.uniform(7, 10, 200)
    counts = [polygon_mask([circle(rng.uniform(15, 16, 2), radius)], (32, 32)).sum() for radius in radii]
    errors = np.array(counts) / (np.pi * radii**2) - 1
    assert abs(errors.mean()) < 0.002
    assert np.abs(errors).max() < 0.03


def test_a_star_has_a_hole_where_its_line_goes_round_twice():
    star = circle((15, 15), 13, points=5)[[0, 2, 4, 1, 3]]
    mask = polygon_mask([star], (30, 30))
    assert not mask[15, 15]
    # The pentagon in the middle is smaller by the square of the golden ratio, and turned by half a turn.
    middle = circle((15, 15), -13 / ((1 + np.sqrt(5)) / 2) ** 2, points=5)
    tips = np.stack([circle((15, 15), 13, points=5), np.roll(middle, 2, axis=0)], axis=1).reshape(10, 2)
    whole = polygon_mask([tips], (30, 30))
    np.testing.assert_array_equal(mask, whole & ~polygon_mask([middle], (30, 30)))


@pytest.mark.parametrize("seed", range(6))
def test_triangles_that_share_edges_share_no_pixel_and_leave_none_out(seed):
    """A square in triangles around a point within it: half-open edges, through pixel centres as well."""
    rng = np.random.default_rng(seed)
    corners = np.array([[0, 0], [0, 8], [8, 8], [8, 0]])
    middle = rng.integers(1, 8, 2) if seed % 2 else rng.uniform(1, 7, 2)
    triangles = [np.array([a, b, middle]) for a, b in itertools.pairwise([*corners, corners[0]])]
    total = sum(polygon_mask([triangle[:: rng.choice([1, -1])]], SHAPE).astype(int) for triangle in triangles)
    np.testing.assert_array_equal(total, polygon_mask([corners], SHAPE))
    assert total.sum() == 64


@pytest.mark.parametrize("seed", range(6))
def test_contours_of_a_mask_give_the_mask(seed):
    """Marching squares cut between centres, so that every rule on centres has the same mask back."""
    rng = np.random.default_rng(seed)
    mask = np.pad(rng.random((14, 17)) < (0.2, 0.5, 0.8)[seed % 3], 1)
    contours = [contour[:-1] for contour in find_contours(mask.astype(float), 0.5)]
    for rule in ("pixel_centre", "pixel_centre_or_edge"):
        np.testing.assert_array_equal(polygon_mask(contours, mask.shape, rule=rule), mask)
    assert overlapping_polygon(contours, mask.shape) is None


def test_contours_through_the_outermost_centres_need_the_edge():
    rows = np.array([[1, 1], [1, 6], [4, 6], [4, 1]])
    expected = np.zeros(SHAPE, bool)
    expected[1:5, 1:7] = True
    np.testing.assert_array_equal(polygon_mask([rows], SHAPE, rule="pixel_centre_or_edge"), expected)
    np.testing.assert_array_equal(polygon_mask([rows + 1e-4], SHAPE, rule="pixel_centre_or_edge"), expected)
    expected[4], expected[:, 6] = False, False
    np.testing.assert_array_equal(polygon_mask([rows], SHAPE), expected)
    np.testing.assert_array_equal(polygon_mask([rows + 1e-9], SHAPE), expected)


def test_outlines_of_one_and_two_pixels_are_points_and_lines():
    pieces = [np.array([[2.0, 3]]), np.array([[4.0, 5], [5, 6]]), np.array([[7.0, 1], [7, 4]]), np.array([[20.0, 3]])]
    expected = np.zeros(SHAPE, bool)
    expected[2, 3] = expected[4, 5] = expected[5, 6] = expected[7, 1:5] = True
    np.testing.assert_array_equal(polygon_mask(pieces, SHAPE, rule="pixel_centre_or_edge"), expected)
    assert not polygon_mask(pieces, SHAPE).any()


def test_polygons_that_neither_contain_nor_avoid_each_other_are_found():
    outer, inner = circle((20, 20), 15), circle((20, 20), 6)
    plane = (42, 50)
    assert overlapping_polygon([inner, outer, circle((20, 20), 2), circle((20, 40), 3)], plane) is None
    assert overlapping_polygon([outer, circle((20, 33), 6)], plane) == 1
    assert overlapping_polygon([circle((20, 33), 6), outer], plane) == 0
    assert overlapping_polygon([outer, inner, inner[::-1]], plane) == 2
    # Two that share an edge, and one of no pixel at all.
    left, right = np.array([[2, 2], [9, 2], [9, 7], [2, 7]]), np.array([[2, 7], [9, 7], [9, 9], [2, 9]])
    assert overlapping_polygon([left, right, np.array([[3.2, 3.2], [3.2, 3.4], [3.4, 3.3]])], plane) is None


@pytest.mark.parametrize("rule", RULES)
def test_what_lies_beyond_the_grid_is_cut_off_at_no_cost(rule):
    everything = np.array([[-1e9, -1e9], [-1e9, 1e9], [1e9, 1e9], [1e9, -1e9]])
    assert polygon_mask([everything], SHAPE, rule=rule).all()
    assert not polygon_mask([everything + 1e10], SHAPE, rule=rule).any()
    assert not polygon_mask([], SHAPE, rule=rule).any()
    assert overlapping_polygon([everything, everything + 1e10], SHAPE) is None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("seed", range(5))
def test_a_box_has_all_that_is_inside(seed, rule):
    polygons = random_polygons(seed)
    whole = np.zeros(SHAPE, bool)
    box, mask = boxed_mask(polygons, SHAPE, rule=rule)
    whole[box] = mask
    np.testing.assert_array_equal(whole, polygon_mask(polygons, SHAPE, rule=rule))


def test_many_crossings_are_counted_piece_by_piece(monkeypatch):
    polygons = [RNG.uniform(0, 9, (30, 2))]
    expected = {rule: polygon_mask(polygons, SHAPE, rule=rule) for rule in RULES}
    monkeypatch.setattr("mia_functional.images.rasterisation._MAX_CROSSINGS", 8)
    for rule in RULES:
        np.testing.assert_array_equal(polygon_mask(polygons, SHAPE, rule=rule), expected[rule])
