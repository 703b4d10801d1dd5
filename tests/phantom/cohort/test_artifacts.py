from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groundglass.phantom.cohort.artifacts import (
    add_dependent_density,
    add_motion,
    add_plates,
    apply_kernel,
    apply_scanner,
)
from groundglass.phantom.cohort.confounders import PADDING_HU, Confounders
from groundglass.phantom.grid import Grid
from groundglass.phantom.patient import Patient

PLAIN = replace(
    Confounders.draw(np.random.default_rng(0), (12, 48)),
    lung_hu=-850.0, dependent_hu=0.0, plates=0, motion="none", motion_start=0.0, motion_share=0.5,
    motion_mm=9.0, kernel="standard", gain=1.0, offset_hu=0.0, low_hu=-1024, high_hu=3071,
    padded=False,
)  # fmt: skip


@pytest.fixture
def lung() -> tuple[np.ndarray, np.ndarray, Grid]:
    """Two slabs of lung in tissue, (9, 40, 50) voxels of 25 x 5 x 5 mm, mid-chest."""
    lungs = np.zeros((9, 40, 50), np.uint8)
    lungs[1:8, 8:32, 6:20] = 1
    lungs[1:8, 8:32, 30:44] = 2
    hu = np.where(lungs > 0, -850, 40).astype(np.int16)
    affine = np.array([[0, 0, 5, -122.5], [0, 5, 0, -97.5], [25, 0, 0, -100], [0, 0, 0, 1.0]])
    return hu, lungs, Grid((9, 40, 50), affine)


def test_dependent_density_lies_along_the_back_of_the_bases(
    lung: tuple[np.ndarray, np.ndarray, Grid],
) -> None:
    hu, lungs, grid = lung
    before = hu.copy()
    add_dependent_density(hu, lungs, grid, Patient.of_seed(0), PLAIN)
    assert np.array_equal(hu, before)
    drawn = replace(PLAIN, dependent_hu=300.0, dependent_mm=15.0)
    add_dependent_density(hu, lungs, grid, Patient.of_seed(0), drawn)
    more = hu.astype(int) - before
    assert not more[lungs == 0].any()
    back, front = more[:, 31], more[:, 10]
    assert back[1].max() > 150
    assert front.max() < 10
    assert back[1:3].mean() > 5 * back[6:8].mean()  # slice 1 is at the base
    assert hu[lungs > 0].max() < -150


def test_plates_are_bright_and_stay_in_the_lung(
    lung: tuple[np.ndarray, np.ndarray, Grid],
) -> None:
    hu, lungs, grid = lung
    before = hu.copy()
    add_plates(hu, lungs, grid, Patient.of_seed(0), count=0, seed=1)
    assert np.array_equal(hu, before)
    add_plates(hu, lungs, grid, Patient.of_seed(0), count=4, seed=1)
    changed = hu != before
    assert changed.any()
    assert not changed[lungs == 0].any()
    assert (hu >= before).all()
    assert changed.sum() < 0.05 * (lungs > 0).sum()


def line() -> np.ndarray:
    """Four slices, each black but for one row."""
    hu = np.zeros((4, 20, 8), np.int16)
    hu[:, 10] = 1000
    return hu


def test_doubled_slices_have_a_second_outline() -> None:
    hu = line()
    add_motion(hu, 3.0, replace(PLAIN, motion="doubled"))  # 9 mm are three rows
    assert np.array_equal(hu[2:], line()[2:])
    assert list(hu[0, :, 0].nonzero()[0]) == [7, 10]
    assert (hu[0, 7, 0], hu[0, 10, 0]) == (400, 600)


def test_blurred_slices_are_smeared_from_front_to_back() -> None:
    hu = line()
    add_motion(hu, 3.0, replace(PLAIN, motion="blurred", motion_start=0.5))
    assert np.array_equal(hu[:2], line()[:2])
    assert hu[3].sum() == pytest.approx(line()[3].sum(), rel=0.01)
    assert len(hu[3, :, 0].nonzero()[0]) == 3
    still = line()
    add_motion(still, 3.0, PLAIN)
    assert np.array_equal(still, line())


def test_kernels_blur_or_raise_edges() -> None:
    edge = np.zeros((1, 16, 16), np.int16)
    edge[:, :, 8:] = 500
    made = {}
    for kernel in ("standard", "soft", "sharp"):
        made[kernel] = edge.copy()
        apply_kernel(made[kernel], replace(PLAIN, kernel=kernel, kernel_px=0.8))
    assert np.array_equal(made["standard"], edge)
    assert 0 < made["soft"][0, 8, 7] < made["soft"][0, 8, 8] < 500
    assert made["sharp"].max() > 520
    assert made["sharp"].min() < -20


def test_scanner_calibrates_then_clips_then_pads() -> None:
    hu = np.array([-1024, -1000, 0, 100, 3000], np.int16).repeat(5).reshape(1, 5, 5)
    drawn = replace(PLAIN, gain=1.01, offset_hu=5.0, low_hu=-1000, high_hu=600)
    assert apply_scanner(hu, drawn)[0, :, 0].tolist() == [-1000, -1000, 5, 106, 600]
    padded = apply_scanner(hu, replace(PLAIN, padded=True))
    assert padded.dtype == np.int16
    corners = padded[0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners == PADDING_HU).all()
    assert np.array_equal(padded[0, 2], hu[0, 2])
