"""Surface distances on masks measured by hand, and against another implementation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from groundglass.errors import InputError, SettingsError
from groundglass.metrics.surface import surface_distances

SPACING_MM = (1.5, 2.0, 1.0)


def box(shape: tuple[int, int, int], *sides: slice) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[sides] = True
    return mask


def lesions(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(12, 32, 32))
    return ndimage.gaussian_filter(noise, (1, 3, 3)) > 0.06


def test_two_voxels_three_rows_apart() -> None:
    """Each voxel has 8 cells, 4 of them 2 rows (4 mm) from the other voxel and 4 of them 3."""
    a, b = np.zeros((3, 9, 3), bool), np.zeros((3, 9, 3), bool)
    a[1, 1, 1] = b[1, 4, 1] = True
    found = surface_distances(a, b, SPACING_MM, tolerance_mm=(3.9, 4.0, 6.0))
    assert found.average_mm == pytest.approx(5.0)
    assert found.hausdorff95_mm == pytest.approx(6.0)
    assert found.dice == pytest.approx((0.0, 0.5, 1.0))


def test_equal_masks() -> None:
    found = surface_distances(lesions(1), lesions(1), SPACING_MM, tolerance_mm=(0.0,))
    assert (found.hausdorff95_mm, found.average_mm, found.dice) == (0.0, 0.0, (1.0,))


def test_a_slab_with_one_side_moved() -> None:
    """A slab of 200 x 200 x 6 mm against one of 9 mm: one of its two faces lies 3 mm off.

    Both faces have 40,000 mm², the rims 800 mm around: 4,800 and 7,200 mm²; the 3 mm that one
    rim has more lie 1.5 mm off on average, and 2 mm of them more than 1 mm. Bevelled edges take
    a little of each.
    """
    a = box((10, 200, 200), slice(2, 6), slice(None), slice(None))
    b = box((10, 200, 200), slice(2, 8), slice(None), slice(None))
    found = surface_distances(a, b, (1.5, 1.0, 1.0), tolerance_mm=(1.0,))
    whole = 4 * 40_000 + 4_800 + 7_200
    assert found.hausdorff95_mm == pytest.approx(3.0)
    assert found.average_mm == pytest.approx((80_000 * 3 + 2_400 * 1.5) / whole, abs=0.02)
    assert found.dice[0] == pytest.approx(1 - (80_000 + 1_600) / whole, abs=0.01)


def test_faces_count_by_their_area() -> None:
    """A box of 10 x 10 x 100 mm, moved by 10 mm along its length: its two ends are off."""
    spacing = (1.0, 1.0, 10.0)
    a = box((12, 12, 30), slice(1, 11), slice(1, 11), slice(5, 15))
    b = box((12, 12, 30), slice(1, 11), slice(1, 11), slice(6, 16))
    found = surface_distances(a, b, spacing, tolerance_mm=(5.0,))
    # Cells at the far end and one column further lie apart: the end of 100 mm² and, of the sides
    # (4 x 10 mm around), half of one step of 10 mm, less the bevelled rim; of 4,200 mm² in all.
    assert found.dice[0] == pytest.approx(1 - (100 + 200) / 4200, abs=0.02)


def test_order_and_surroundings_do_not_matter() -> None:
    a, b = lesions(2), lesions(3)
    one = surface_distances(a, b, SPACING_MM, tolerance_mm=(1.0,))
    other = surface_distances(np.pad(b, 3), np.pad(a, 3), SPACING_MM, tolerance_mm=(1.0,))
    assert other.average_mm == pytest.approx(one.average_mm)
    assert other.hausdorff95_mm == pytest.approx(one.hausdorff95_mm)
    assert other.dice == pytest.approx(one.dice)


def test_empty_masks_have_no_distance() -> None:
    nothing = np.zeros((3, 4, 5), bool)
    for a, b in ((nothing, nothing), (nothing, ~nothing), (~nothing, nothing)):
        found = surface_distances(a, b, SPACING_MM, tolerance_mm=(1.0, 2.0))
        assert found.hausdorff95_mm is None
        assert found.average_mm is None
        assert found.dice == (None, None)


def test_bad_calls_are_refused() -> None:
    mask = np.ones((2, 2, 2), bool)
    with pytest.raises(InputError, match=r"\(2, 2, 2\) and reference \(2, 2, 3\)"):
        surface_distances(mask, np.ones((2, 2, 3), bool), SPACING_MM)
    with pytest.raises(SettingsError, match="spacing"):
        surface_distances(mask, mask, (1.0, 0.0, 1.0))
    with pytest.raises(SettingsError, match="tolerance"):
        surface_distances(mask, mask, SPACING_MM, tolerance_mm=(-1.0,))


def test_agrees_with_the_surface_distance_package() -> None:
    oracle = pytest.importorskip(
        "surface_distance", reason="the package surface-distance is not installed"
    )
    a, b = lesions(4), lesions(4) | lesions(5)
    theirs = oracle.compute_surface_distances(b, a, SPACING_MM)
    ours = surface_distances(a, b, SPACING_MM, tolerance_mm=(2.0,))
    assert ours.hausdorff95_mm == pytest.approx(oracle.compute_robust_hausdorff(theirs, 95))
    assert ours.dice[0] == pytest.approx(
        oracle.compute_surface_dice_at_tolerance(theirs, 2.0), abs=0.01
    )
