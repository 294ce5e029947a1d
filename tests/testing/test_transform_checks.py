"""Checks of transforms, indices and assemblies: right ones pass, each mistake is found by a law that it breaks."""

import pytest

from mia_functional import indexing, testing, transforms

from .faulty_metrics import METRICS
from .faulty_transforms import INDEXINGS, RIGHT_INDEXINGS, RIGHT_TRANSFORMS, TRANSFORMS


def law_of(error):
    """Return the name of the law that an error names."""
    return str(error.value).split('the law "')[1].split('"')[0]


def test_there_are_sixty_mistakes_at_least():
    mistakes = [faulty.mistake for faulty in (*METRICS, *TRANSFORMS, *INDEXINGS)]
    assert len(set(mistakes)) == len(mistakes) >= 60


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("faulty", TRANSFORMS, ids=lambda faulty: faulty.mistake)
def test_every_mistake_of_a_transform_is_found(faulty):
    with pytest.raises(AssertionError) as error:
        testing.check_transform(faulty.function, examples=200, **faulty.options)
    assert law_of(error) in faulty.laws


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("faulty", INDEXINGS, ids=lambda faulty: faulty.mistake)
def test_every_mistake_of_indices_and_assemblies_is_found(faulty):
    with pytest.raises(AssertionError) as error:
        testing.check_indexing(faulty.function, examples=200, **faulty.options)
    assert law_of(error) in faulty.laws


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", RIGHT_TRANSFORMS)
def test_right_transforms_pass(name):
    function, options = RIGHT_TRANSFORMS[name]
    testing.check_transform(function, examples=40, **options)


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", RIGHT_INDEXINGS)
def test_right_indices_pass(name):
    function, options = RIGHT_INDEXINGS[name]
    testing.check_indexing(function, examples=40, **options)


@pytest.mark.full
@pytest.mark.parametrize("name", ["flip", "standardize", "flip of labels"])
def test_right_transforms_pass_on_every_library(name):
    function, options = RIGHT_TRANSFORMS[name]
    kept = {key: value for key, value in options.items() if key != "inverse"}
    testing.check_transform(function, xp=("jax", "torch", "strict"), examples=5, **kept)


@pytest.mark.slow
def test_the_smallest_example_is_shown():
    with pytest.raises(AssertionError) as error:
        testing.check_transform(lambda image: image + 1, inverse=lambda image: image)
    assert "\n  image = np.array([[0.0]], 'float32')" in str(error.value)
    with pytest.raises(AssertionError, match=r"2 voxels are in none, the first is \(1,\)") as error:
        testing.check_indexing(lambda _: [(0,)], dimensions=(1, 1), smallest=3)
    assert "shape = (3,)" in str(error.value)


@pytest.mark.parametrize(("result", "kind"), [(None, "NoneType"), ([0.0], "list")])
def test_a_transform_has_to_return_an_array(result, kind):
    with pytest.raises(AssertionError, match=f"TypeError: it returned {kind} and no array"):
        testing.check_transform(lambda _: result, examples=5)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: testing.check_transform("flip"), "check_transform: `function` must be a function"),
        (lambda: testing.check_transform(abs, laws=("inverse",)), "check_transform: `laws` must be laws that apply"),
        (lambda: testing.check_transform(abs, without=("x",)), "check_transform: `without` must be one of no mutation"),
        (lambda: testing.check_transform(abs, xp="matlab"), "check_transform: `xp` must be one of numpy"),
        (lambda: testing.check_indexing(3), "check_indexing: `function` must be a function"),
        (lambda: testing.check_indexing(indexing.slices, laws=("x",)), "check_indexing: `laws` must be one of inside"),
        (lambda: testing.check_indexing(indexing.slices, largest=0), "check_indexing: `largest` must be at least 1"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(call, words):
    with pytest.raises((TypeError, ValueError), match=f"^{words}"):
        call()


def test_a_flip_of_voxels_and_grid_keeps_places():
    testing.check_transform(lambda array: transforms.flip(array, (0, 1)), geometry=True, examples=10)
