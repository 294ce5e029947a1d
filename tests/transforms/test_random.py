"""Draws: within their ranges, the same for the same seed, shared by image and labels, replayed, and under `jit`."""

import inspect
import json
import pickle
from functools import partial

import jax
import numpy as np
import pytest
import torch

from mia_functional import transforms as t
from mia_functional.geometry import Geometry

SHAPE = (8, 9, 10, 2)
SPATIAL = SHAPE[:-1]
IMAGE = np.random.default_rng(0).random(SHAPE).astype(np.float32)
LABELS = (IMAGE[..., :1] * 4).astype(np.uint8)
PAIRS = {
    "crop": (partial(t.random_crop, patch_shape=(4, 5, 6)), partial(t.crop, shape=(4, 5, 6))),
    "flip": (t.random_flip, t.flip),
    "shift": (partial(t.random_shift, max_offset=(2, 0, 3)), t.shift),
    "affine": (partial(t.random_affine, shear=15.0, translation=2.0, spacing=(2.0, 1.0, 1.0)), t.affine),
    "elastic": (t.random_elastic, t.elastic),
    "noise": (t.random_noise, t.noise),
    "rician_noise": (t.random_rician_noise, t.rician_noise),
    "gamma": (t.random_gamma, t.gamma),
    "bias_field": (t.random_bias_field, t.bias_field),
    "blur": (t.random_blur, partial(t.blur, radius=6)),
    "brightness": (partial(t.random_brightness, max_offset=0.2), t.brightness),
    "contrast": (t.random_contrast, t.contrast),
    "sharpen": (t.random_sharpen, partial(t.sharpen, radius=6)),
    # Few, as the image has few lines along each axis.
    "ghosting": (partial(t.random_ghosting, ghosts=(2, 3)), t.ghosting),
    "spikes": (partial(t.random_spikes, count=2), t.spikes),
    "motion": (t.random_motion, t.motion),
    "low_resolution": (t.random_low_resolution, t.low_resolution),
    "anisotropy": (t.random_anisotropy, t.low_resolution),
    "cutout": (partial(t.random_cutout, boxes=2), t.cutout),
    "swap": (partial(t.random_swap, patch_shape=(2, 3, 4)), partial(t.swap, patch_shape=(2, 3, 4))),
    "resized_crop": (t.random_resized_crop, partial(t.resized_crop, shape=(5, 6, 7))),
    "local_gamma": (t.random_local_gamma, t.local_gamma),
}


def generator(seed=0):
    """Return a NumPy generator."""
    return np.random.default_rng(seed)


def sizes(sampler):
    """Return what a sampler needs of the image."""
    taken = inspect.signature(sampler).parameters
    return {name: size for name, size in (("spatial_shape", SPATIAL), ("channels", 2)) if name in taken}


@pytest.mark.sampled(17)
@pytest.mark.parametrize("name", PAIRS)
def test_draws_apply_in_every_library_and_replay_after_storage(xp, name):
    sampler, function = PAIRS[name]
    draw = sampler(generator(), **sizes(sampler))
    assert type(draw)._fields
    stored = pickle.loads(pickle.dumps(draw))
    expected = function(IMAGE, *stored)
    assert name == "flip" or not np.array_equal(expected, IMAGE)
    np.testing.assert_allclose(
        xp.run(lambda image, *entries: function(image, *entries), IMAGE, *draw), expected, atol=5e-5
    )


@pytest.mark.parametrize("name", PAIRS)
def test_the_same_seed_draws_the_same_and_another_seed_does_not(name):
    sampler, _ = PAIRS[name]
    first, again = sampler(generator(7), **sizes(sampler)), sampler(generator(7), **sizes(sampler))
    others = [sampler(generator(seed), **sizes(sampler)) for seed in range(20)]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(first[0], other[0]) for other in others)


@pytest.mark.slow
@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", PAIRS)
def test_keys_draw_under_jit_and_vmap(name):
    sampler, function = PAIRS[name]

    def augment(key, image):
        return function(image, *sampler(key, **sizes(sampler)))

    keys = jax.random.split(jax.random.key(0), 3)
    eager = [augment(key, jax.numpy.asarray(IMAGE)) for key in keys]
    together = jax.jit(jax.vmap(augment, (0, None)))(keys, IMAGE)
    np.testing.assert_allclose(together, np.stack(eager), atol=5e-5)
    assert len({np.asarray(result).tobytes() for result in eager}) > 1


def test_every_anchor_of_a_crop_is_drawn_the_last_one_too():
    rng = generator()
    starts = {tuple(t.random_crop(rng, spatial_shape=(5, 4), patch_shape=(3, 4)).start.tolist()) for _ in range(100)}
    assert starts == {(0, 0), (1, 0), (2, 0)}


def test_shifts_reach_both_limits_and_turns_are_four():
    rng = generator()
    assert {int(t.random_shift(rng, spatial_shape=(9,), max_offset=2).offset[0]) for _ in range(200)} == {
        -2,
        -1,
        0,
        1,
        2,
    }
    assert {int(t.random_rot90(rng, spatial_shape=(5, 5)).turns) for _ in range(100)} == {0, 1, 2, 3}


def test_a_rotation_keeps_lengths_in_millimetres_and_the_angle_stays_below_its_limit():
    spacing = np.array([3.0, 1.0, 0.5])
    for seed in range(50):
        matrix, offset = t.random_affine(
            generator(seed), spatial_shape=SPATIAL, rotation=(0, 0, 20), scale=0.0, spacing=tuple(spacing)
        )
        turn = matrix * spacing[:, None] / spacing[None, :]
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) <= 20 + 1e-6
        np.testing.assert_allclose(turn[0], [1, 0, 0], atol=1e-12)
        assert (offset == 0).all()


def test_a_shear_leans_each_axis_by_an_angle_in_millimetres_and_keeps_the_volume():
    spacing = np.array([3.0, 1.0, 0.5])
    limits = np.array([30.0, 0.0, 60.0])
    leans = []
    for seed in range(200):
        matrix, _ = t.random_affine(
            generator(seed), spatial_shape=SPATIAL, rotation=0.0, scale=0.0, shear=tuple(limits), spacing=tuple(spacing)
        )
        world = matrix * spacing[:, None] / spacing[None, :]
        np.testing.assert_allclose(np.tril(world), np.eye(3), atol=1e-12)
        leans.append(np.degrees(np.arctan(world[np.triu_indices(3, 1)])))
    assert (np.abs(leans) <= limits + 1e-9).all()
    np.testing.assert_allclose(np.min(leans, axis=0), -limits, atol=2)
    np.testing.assert_allclose(np.max(leans, axis=0), limits, atol=2)


def test_rotation_shear_and_scale_are_the_factors_of_the_matrix():
    """Any matrix is a rotation times a triangle with the scales on its diagonal: QR gives back what was drawn."""
    for seed in range(50):
        matrix, _ = t.random_affine(generator(seed), spatial_shape=SPATIAL, rotation=20.0, scale=0.2, shear=25.0)
        turn, triangle = np.linalg.qr(matrix)
        turn, triangle = turn * np.sign(np.diag(triangle)), triangle * np.sign(np.diag(triangle))[:, None]
        scales = np.diag(triangle)
        assert np.linalg.det(turn) == pytest.approx(1.0)
        assert (np.abs(np.log(scales)) <= np.log(1.2)).all()
        assert (np.abs(np.degrees(np.arctan((triangle / scales)[np.triu_indices(3, 1)]))) <= 25).all()


def test_scales_and_translations_stay_within_their_ranges():
    draws = [
        t.random_affine(generator(s), spatial_shape=SPATIAL, rotation=0.0, scale=0.25, translation=(0, 1, 2))
        for s in range(200)
    ]
    scales = np.array([np.diag(draw.matrix) for draw in draws])
    moves = np.abs([draw.offset for draw in draws])
    assert 0.8 <= scales.min() < 0.85
    assert 1.2 < scales.max() <= 1.25
    assert (moves <= [0, 1, 2]).all()
    assert moves[:, 2].max() > 1.8


def test_noise_has_the_deviation_that_was_asked_for():
    field = t.random_noise(generator(), spatial_shape=(60, 60, 60), channels=1, sigma=(0.2, 0.2)).field
    assert field.dtype == np.float32
    assert field.std() == pytest.approx(0.2, rel=0.02)
    assert field.mean() == pytest.approx(0.0, abs=0.002)
    real, imaginary = t.random_rician_noise(generator(), spatial_shape=(60, 60, 60), channels=1, sigma=(0.2, 0.2))
    assert real.dtype == imaginary.dtype == np.float32
    assert real.std() == pytest.approx(0.2, rel=0.02)
    assert imaginary.std() == pytest.approx(0.2, rel=0.02)
    assert np.corrcoef(real.ravel(), imaginary.ravel())[0, 1] == pytest.approx(0.0, abs=0.01)
    control = t.random_elastic(generator(), spatial_shape=(9, 9, 9), points=20, sigma=(1.0, 2.0, 0.0)).control
    np.testing.assert_allclose(control.std(axis=(1, 2, 3)), [1, 2, 0], rtol=0.05)


def sample(rng):
    """Return a sample with a source of randomness."""
    return {"images": IMAGE, "labels": LABELS, "subject": "A", "rng": rng}


def test_image_and_labels_share_one_draw():
    augment = t.compose(
        t.randomly(("labels", "images"), t.random_flip, t.flip),
        t.randomly(("labels", "images"), t.random_crop, partial(t.crop, shape=(5, 5, 5)), patch_shape=(5, 5, 5)),
    )
    after = augment(sample(generator()))
    np.testing.assert_array_equal(after["labels"], (after["images"][..., :1] * 4).astype(np.uint8))
    assert after["images"].shape == (5, 5, 5, 2)
    again = augment(sample(generator()))
    np.testing.assert_array_equal(after["images"], again["images"])


def test_categories_that_share_a_draw_may_have_options_of_their_own():
    functions = {"labels": t.affine, "images": partial(t.affine, fill_value=-1000.0)}
    augment = t.randomly(("images", "labels"), t.random_affine, functions, rotation=60.0)
    after = pickle.loads(pickle.dumps(augment))(sample(generator(1)))
    outside = after["images"][..., 0] == -1000
    assert 0.05 < outside.mean() < 0.5
    assert (after["labels"][outside] == 0).all()
    same = t.randomly(("images", "labels"), t.random_affine, t.affine, rotation=60.0)(sample(generator(1)))
    np.testing.assert_array_equal(after["labels"], same["labels"])
    np.testing.assert_array_equal(after["images"][~outside], same["images"][~outside])


def test_probability_zero_never_and_one_always():
    for probability, expected in ((0.0, 0), (1.0, 50), (0.5, None)):
        add = t.randomly("images", t.random_noise, t.noise, probability=probability, sigma=(1.0, 1.0))
        changed = sum(add(sample(generator(seed)))["images"] is not IMAGE for seed in range(50))
        assert changed == expected if expected is not None else 15 < changed < 35
    np.testing.assert_array_equal(IMAGE, generator().random(SHAPE).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("asarray", [np.asarray, jax.numpy.asarray, torch.asarray])
def test_chance_does_not_decide_the_dtype_of_integers(asarray):
    images = asarray((IMAGE * 100).astype(np.int16))
    given = {"images": images, "labels": asarray(LABELS)}
    functions = {"images": t.gamma, "labels": lambda labels, _: labels}
    add = t.randomly(("images", "labels"), t.random_gamma, functions, probability=0.5)
    after = [add({**given, "rng": generator(seed)}) for seed in range(8)]
    assert {str(sample["images"].dtype).split(".")[-1] for sample in after} == {"float32"}
    assert all(sample["labels"] is given["labels"] or sample["labels"].dtype == LABELS.dtype for sample in after)
    spared = [bool((sample["images"] == images).all()) for sample in after]
    assert 0 < sum(spared) < 8


@pytest.mark.slow
def test_the_dtype_of_integers_is_the_same_under_jit():
    add = t.randomly("images", t.random_noise, t.noise, probability=0.5)
    images = jax.numpy.asarray((IMAGE * 100).astype(np.int16))
    for seed in range(4):
        given = {"images": images, "rng": jax.random.key(seed)}
        eager, compiled = add(given)["images"], jax.jit(add)(given)["images"]
        assert eager.dtype == compiled.dtype == np.float32
        np.testing.assert_allclose(compiled, eager, rtol=1e-6)


def test_what_is_spared_takes_no_numbers_from_the_source():
    add = t.randomly("images", t.random_noise, t.noise, probability=0.0)
    rng, other = generator(), generator()
    found = add({"images": (IMAGE * 100).astype(np.int16), "rng": rng})
    add({"images": IMAGE, "rng": other})
    assert rng.random() == other.random()
    np.testing.assert_array_equal(found["images"], (IMAGE * 100).astype(np.int16))
    assert pickle.loads(pickle.dumps(add))({**found, "rng": rng})["images"].dtype == np.float32


def test_a_sample_without_geometry_stays_without():
    mirror = t.randomly(("images", "geometry"), partial(t.random_flip, probability=1.0), t.flip)
    after = mirror({**sample(generator()), "geometry": None})
    assert after["geometry"] is None
    np.testing.assert_array_equal(after["images"], IMAGE[::-1, ::-1, ::-1])
    only = t.randomly("geometry", t.random_flip, t.flip)({**sample(generator()), "geometry": None})
    assert only["geometry"] is None


@pytest.mark.parametrize("name", PAIRS)
def test_a_draw_that_was_stored_as_text_replays(name):
    sampler, function = PAIRS[name]
    draw = sampler(generator(), **sizes(sampler))
    stored = json.loads(json.dumps([np.asarray(entry).tolist() for entry in draw]))
    np.testing.assert_allclose(function(IMAGE, *stored), function(IMAGE, *draw), atol=1e-6)


@pytest.mark.full
def test_a_chain_of_random_transforms_runs_in_one_jit():
    augment = t.compose(
        t.randomly(("images", "labels"), t.random_affine, t.affine, probability=0.5),
        t.randomly("images", t.random_gamma, t.gamma),
        t.randomly("images", t.random_noise, t.noise, probability=0.5),
    )

    def run(key, images, labels):
        after = augment({"images": images, "labels": labels, "rng": key})
        return after["images"], after["labels"]

    for seed in range(4):
        key = jax.random.key(seed)
        eager = run(key, jax.numpy.asarray(IMAGE), jax.numpy.asarray(LABELS))
        compiled = jax.jit(run)(key, IMAGE, LABELS)
        np.testing.assert_allclose(compiled[0], eager[0], atol=1e-5)
        assert (np.asarray(compiled[1]) == np.asarray(eager[1])).mean() > 0.999
        assert compiled[1].dtype == np.uint8


def test_a_sampler_gets_by_name_what_it_needs():
    given = []

    def noting(_, **sizes):
        given.append(sizes)
        return (0,)

    def of_channels(_, *, channels):
        given.append(channels)
        return (0,)

    def of_nothing(_):
        given.append(None)
        return (0,)

    for sampler in (noting, of_channels, of_nothing):
        t.randomly(("geometry", "images"), sampler, t.flip)({**sample(generator()), "geometry": None})
    grid = Geometry(shape=SPATIAL, spacing=(1.0, 2.0, 3.0))
    t.randomly("geometry", noting, t.flip)({**sample(generator()), "geometry": grid})
    assert given == [{"spatial_shape": SPATIAL, "channels": 2}, 2, None, {"spatial_shape": SPATIAL}]


def test_lifted_transforms_pickle():
    augment = t.randomly("images", t.random_gamma, t.gamma, probability=0.9)
    copied = pickle.loads(pickle.dumps(augment))
    np.testing.assert_array_equal(copied(sample(generator(3)))["images"], augment(sample(generator(3)))["images"])


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda: t.random_flip(0, spatial_shape=SPATIAL),
            TypeError,
            "`rng` must be a numpy.random.Generator or a JAX key; got int",
        ),
        (
            lambda: t.random_crop(generator(), spatial_shape=(4, 4), patch_shape=(5, 4)),
            ValueError,
            r"fit into \(4, 4\)",
        ),
        (
            lambda: t.random_shift(generator(), spatial_shape=SPATIAL, max_offset=(1, 2)),
            ValueError,
            "`max_offset` must be one number or 3",
        ),
        (
            lambda: t.random_affine(generator(), spatial_shape=SPATIAL, rotation=-1.0),
            ValueError,
            "`rotation` must be finite and not",
        ),
        (
            lambda: t.random_affine(generator(), spatial_shape=SPATIAL, shear=90),
            ValueError,
            "`shear` must be below 90 degrees; got 90",
        ),
        (
            lambda: t.random_affine(generator(), spatial_shape=SPATIAL, shear=(1, 2)),
            ValueError,
            "`shear` must be one number or 3",
        ),
        (
            lambda: t.random_rician_noise(generator(), spatial_shape=SPATIAL, channels=2, sigma=(1, 0)),
            ValueError,
            "`sigma` must be in order",
        ),
        (
            lambda: t.random_elastic(generator(), spatial_shape=SPATIAL, points=3),
            ValueError,
            "`points` must be at least 4",
        ),
        (
            lambda: t.random_blur(generator(), spatial_shape=SPATIAL, sigma=(2.0, 1.0)),
            ValueError,
            "`sigma` must be in order",
        ),
        (lambda: t.random_rot90(generator(), spatial_shape=(4,)), ValueError, "`spatial_shape` must have two axes"),
        (lambda: t.randomly("images", t.random_flip, t.flip, probability=2), ValueError, "lie within 0 and 1"),
        (
            lambda: t.randomly("images", t.random_flip, t.flip, probability=(0.0, 0.5, 0.5)),
            TypeError,
            r"randomly: `probability` must be one number \(.*functools.partial\); got \(0.0, 0.5, 0.5\)\.",
        ),
        (
            lambda: t.randomly("images", t.random_flip, t.flip, probability=np.array([0.5])),
            TypeError,
            "`probability` must be one number",
        ),
        (
            lambda: t.randomly("images", t.random_flip, t.flip)({"images": IMAGE}),
            ValueError,
            "have a source of randomness",
        ),
        (lambda: t.randomly(("a", "b"), t.random_flip, {"a": t.flip}), ValueError, "for each of a, b; got a"),
        (lambda: t.randomly("a", t.random_flip, {"a": t.flip, "b": t.flip}), ValueError, "for each of a; got a, b"),
        (lambda: t.random_affine(generator(), SHAPE), TypeError, "takes 1 positional argument"),
        (
            lambda: t.random_flip(generator(), spatial_shape=np.zeros((4, 5, 6))),
            TypeError,
            r"^random_flip: `spatial_shape` must be a sequence of whole numbers; got an array of shape \(4, 5, 6\)\.$",
        ),
        (
            lambda: t.randomly("a", lambda _, shape: shape, t.flip),
            TypeError,
            r"`spatial_shape` or `channels` \(give options a value\); got shape",
        ),
        (
            lambda: t.randomly("images", lambda _: np.array([True, False, True]), t.flip)(sample(generator())),
            TypeError,
            r"^randomly: `sampler` must return a tuple of parameters; got an array of shape \(3,\)",
        ),
        (
            lambda: t.randomly("images", lambda _: None, t.flip, probability=0.0)(
                {"images": np.zeros((2, 2, 1), np.int16), "rng": generator()}
            ),
            TypeError,
            "`sampler` must return a tuple of parameters; got None",
        ),
        (
            lambda: t.randomly("images", t.random_flip, t.flip)(
                {**sample(generator()), "geometry": Geometry(shape=SHAPE, spacing=(1.0,) * 4)}
            ),
            ValueError,
            r"`sample` must hold images as \(\*spatial, channel\); got the shape \(8, 9, 10, 2\) of its geometry",
        ),
        (lambda: t.randomly("a", t.random_flip, {"a": 3}), TypeError, "`function` must be a function"),
        (lambda: t.randomly((), t.random_flip, t.flip), TypeError, "be a name or a tuple of names"),
    ],
)
def test_bad_input(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
