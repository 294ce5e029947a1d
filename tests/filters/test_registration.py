"""Registration finds a motion that was made, across modalities, and repeats itself to the bit."""

import numpy as np
import pytest
import SimpleITK

from mia_functional import filters, phantoms
from mia_functional.geometry import Geometry, index_to_world
from mia_functional.transforms import affine, resample_onto

HEAD = phantoms.head((24, 28, 24), spacing=(2.0, 1.5, 2.0), rng=np.random.default_rng(0), bias=0.4)
CLEAN = phantoms.head((24, 28, 24), spacing=(2.0, 1.5, 2.0))
GRID = HEAD.geometry
FLAT = Geometry(shape=(28, 24), spacing=(1.5, 2.0))
THIN = Geometry(shape=(3, 24), spacing=(1.5, 2.0))


def move(image, geometry, rotation, shift, fill_value=0.0):
    """Return an image whose content is rotated about axis 0 by degrees and shifted by voxels."""
    angle, spacing = np.radians(rotation), np.array(geometry.spacing)
    turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    return affine(image, turn * spacing / spacing[:, None], np.array(shift, float), fill_value=fill_value)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["rigid", "affine"])
def test_register_undoes_a_motion_across_modalities(whole):
    moving = move(CLEAN.t2, GRID, 6.0, (1.0, -2.0, 1.5))
    labels = move(CLEAN.labels, GRID, 6.0, (1.0, -2.0, 1.5))
    place = filters.register((moving, GRID), (CLEAN.t1, GRID), affine=whole, seed=3, sampling=1.0, shrink=(2, 1))
    back = resample_onto(labels, place, GRID)

    def overlap(found):
        return 2 * ((found == 1) & (CLEAN.labels == 1)).sum() / ((found == 1).sum() + (CLEAN.labels == 1).sum())

    assert overlap(labels) < 0.85
    assert overlap(back) > (0.95 if whole else 0.97)
    if not whole:
        assert place.spacing == pytest.approx(GRID.spacing)
        centre = index_to_world(place, (11.5, 13.5, 11.5))
        away = np.array(index_to_world(GRID, (11.5, 13.5, 11.5))) - centre
        assert np.linalg.norm(away) == pytest.approx(np.linalg.norm([2.0, 3.0, 3.0]), abs=0.8)


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["rigid", "affine"])
def test_register_repeats_itself_to_the_bit_with_the_same_seed_however_many_threads_there_are(whole):
    moving = move(CLEAN.t1, GRID, 3.0, (0.0, 1.0, 0.0))
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    found = []
    for seed, threads in ((0, 1), (0, 2), (0, 4), (1, 2)):
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
        found.append(filters.register((moving, GRID), (CLEAN.t1, GRID), affine=whole, seed=seed))
        assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert found[0] == found[1] == found[2] != found[3]


def test_register_in_two_dimensions():
    grid = Geometry(shape=(28, 24), spacing=(1.5, 2.0))
    fixed = CLEAN.t1[10]
    place = filters.register((np.roll(fixed, 2, axis=0), grid), (fixed, grid), shrink=(2, 1), sampling=1.0)
    assert place.origin == pytest.approx((-3.0, 0.0), abs=0.3)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda: filters.register(HEAD.t1, (HEAD.t1, GRID)), TypeError, "`moving` must be an image and its Geometry"),
        (lambda: filters.register((HEAD.t1 * 0, GRID), (HEAD.t1, GRID)), ValueError, "`moving` must be finite and not"),
        (lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), shrink=()), ValueError, "`shrink` must hold a"),
        (
            lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), shrink=(64,)),
            ValueError,
            "`shrink, sampling` must",
        ),
        (
            lambda: filters.register((HEAD.t1[10, :3], THIN), (HEAD.t1[10], FLAT)),
            ValueError,
            "`moving` must have at least 4",
        ),
        (lambda: filters.register((HEAD.t1, GRID), (HEAD.t1, GRID), sampling=0), ValueError, "`sampling` must lie"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
