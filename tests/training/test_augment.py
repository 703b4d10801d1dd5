"""Random changes keep shapes, types and ranges, and move image and mask together."""

from __future__ import annotations

import numpy as np
import pytest

from groundglass.training.augment import random_intensity, random_mask_errors, random_warp
from groundglass.training.settings import AugmentSettings

ALL = AugmentSettings(second_clahe=1, coarse=1, blur=1, flip_up_down=0.5)
NONE = AugmentSettings(
    scale=0,
    rotate_degrees=0,
    shift=0,
    flip_left_right=0,
    flip_up_down=0,
    gamma=0,
    contrast=0,
    brightness=0,
    noise=0,
    blur=0,
    coarse=0,
    second_clahe=0,
    mask_errors=0,
)


def blob(size: int = 64) -> np.ndarray:
    i, j = np.mgrid[:size, :size]
    return (((i - 30) / 18) ** 2 + ((j - 34) / 10) ** 2 < 1).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_intensities_stay_eight_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (40, 56)).astype(np.uint8)
    out = random_intensity(image, rng, ALL)
    assert (out.shape, out.dtype) == (image.shape, np.uint8)


def test_settings_of_zero_change_nothing() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (64, 64)).astype(np.uint8)
    assert np.array_equal(random_intensity(image, rng, NONE), image)
    warp = random_warp(rng, (31.5, 31.5), 1.0, (64, 64), settings=NONE)
    assert np.array_equal(warp.image(image), image)
    assert np.array_equal(warp.mask(blob()), blob())
    assert np.array_equal(random_mask_errors(blob(), blob(), rng, NONE), blob())


@pytest.mark.parametrize("seed", range(6))
def test_image_and_mask_move_together(seed: int) -> None:
    warp = random_warp(np.random.default_rng(seed), (31.5, 31.5), 1.0, (48, 64), settings=ALL)
    image, mask = warp.image(blob() * np.uint8(200)), warp.mask(blob())
    assert image.shape == mask.shape == (48, 64)
    assert set(np.unique(mask)) <= {0, 1}
    assert np.array_equal(image > 99, mask > 0)


def test_the_same_seed_gives_the_same_warp() -> None:
    a, b = (
        random_warp(np.random.default_rng(5), (31.5, 31.5), 2.0, (32, 32), settings=ALL)
        for _ in range(2)
    )
    assert np.array_equal(a.matrix, b.matrix)


def test_the_center_stays_without_shift() -> None:
    settings = ALL.model_copy(update={"shift": 0.0})
    for seed in range(4):
        warp = random_warp(
            np.random.default_rng(seed), (20.0, 30.0), 1.5, (33, 41), settings=settings
        )
        np.testing.assert_allclose(warp.matrix @ [20, 16, 1], [30, 20], atol=1e-9)


def test_mask_errors_grow_shrink_and_pierce_but_stay_masks() -> None:
    settings = AugmentSettings(mask_errors=1)
    lesions = np.zeros((64, 64), np.uint8)
    lesions[28:34, 30:38] = 1
    grown = shrunk = pierced = 0
    for seed in range(60):
        out = random_mask_errors(blob(), lesions, np.random.default_rng(seed), settings)
        assert out.dtype == np.uint8
        assert set(np.unique(out)) <= {0, 1}
        grown += bool((out & ~blob() & 1).any())
        shrunk += bool((blob() & ~out & 1).any())
        pierced += bool((lesions & ~out & 1).any())
    assert grown > 25
    assert shrunk > pierced > 0
