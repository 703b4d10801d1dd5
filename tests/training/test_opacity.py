"""A veil over lungs: where it lies, what it does, and that it comes from the draws alone."""

from __future__ import annotations

import numpy as np

from groundglass.training.opacity import add_opacity

SHAPE = (64, 80)


def chest() -> tuple[np.ndarray, np.ndarray]:
    """A body of 180 with two lungs of 40, a vessel of 150 in one; and the lungs."""
    image, lungs = np.full(SHAPE, 180, np.uint8), np.zeros(SHAPE, np.uint8)
    for columns in (slice(8, 36), slice(44, 72)):
        image[10:54, columns] = 40
        lungs[10:54, columns] = 1
    image[30, 10:30] = 150
    return image, lungs


def test_the_veil_is_inside_the_lungs_and_larger_or_smaller() -> None:
    image, lungs = chest()
    shares = []
    for seed in range(40):
        before = image.copy()
        none = np.zeros(SHAPE, np.uint8)
        veiled, target = add_opacity(image, none, lungs, np.random.default_rng(seed))
        assert (veiled.dtype, veiled.shape, target.dtype) == (np.uint8, SHAPE, np.uint8)
        assert not target[lungs == 0].any()
        assert np.array_equal(image, before)
        assert not none.any()
        shares.append(target.sum() / lungs.sum())
    assert 0.14 <= min(shares) < 0.35
    assert 0.75 < max(shares) <= 0.96


def test_without_another_equalization_it_is_a_veil_and_nothing_else() -> None:
    image, lungs = chest()
    none = np.zeros(SHAPE, np.uint8)
    seen = 0
    for seed in range(40):
        veiled, target = add_opacity(image, none, lungs, np.random.default_rng(seed))
        if not np.array_equal(veiled[lungs == 0], image[lungs == 0]):
            continue  # equalized again
        seen += 1
        gain = veiled.astype(int) - image
        middle = (target > 0) & (image == 40)
        assert gain[middle].max() >= round(0.15 * (180 - 40)) - 1
        assert gain.max() <= round(0.6 * (180 - 40)) + 1
        assert (gain[image == 40] >= 0).all()
        assert (veiled[30, 10:30] >= veiled[29, 10:30]).all()  # the vessel still shows
    assert 2 <= seen <= 18


def test_lesions_that_were_there_stay_and_equal_draws_give_equal_veils() -> None:
    image, lungs = chest()
    soft = lungs * np.float32(0.25)
    one = add_opacity(image, soft, lungs, np.random.default_rng(3))
    other = add_opacity(image, soft, lungs, np.random.default_rng(3))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert set(np.unique(one[1])) == {0.0, 0.25, 1.0}


def test_tips_of_lungs_are_left_alone() -> None:
    image, lungs = chest()
    lungs[:, :] = 0
    lungs[10:20, 10:20] = 1
    veiled, target = add_opacity(image, lungs, lungs, np.random.default_rng(0))
    assert veiled is image
    assert target is lungs
