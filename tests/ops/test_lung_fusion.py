"""Lungs joined with what density proves, in HU and in plain 8 bit."""

from __future__ import annotations

import numpy as np

from groundglass.ops.lung_fusion import estimate_hu, fuse_lungs
from groundglass.phantom.chest import make_phantom
from groundglass.phantom.settings import PhantomSettings


def _scan() -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    phantom = make_phantom(PhantomSettings(shape=(40, 96, 96), seed=4, involvement=0.0))
    return phantom.volume.array, phantom.lungs > 0, phantom.volume.spacing_mm


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * float((one & other).sum()) / float(one.sum() + other.sum())


def test_a_network_that_misses_apex_and_base_is_helped_and_the_reader_told() -> None:
    hu, lungs, spacing = _scan()
    inside = np.flatnonzero(lungs.any(axis=(1, 2)))
    network = lungs.copy()
    network[: inside[8]] = False
    network[inside[-8] :] = False
    before = _dice(network, lungs)
    mask, notes = fuse_lungs(network, hu, spacing)
    assert _dice(mask, lungs) > max(0.96, before)
    assert (mask & network).sum() == network.sum()  # nothing the network found is lost
    assert len(notes) == 1
    assert "missed" in notes[0]


def test_a_whole_network_mask_raises_no_note() -> None:
    hu, lungs, spacing = _scan()
    _, notes = fuse_lungs(lungs, hu, spacing)
    assert notes == ()


def test_gas_that_does_not_meet_the_lungs_is_left_alone() -> None:
    hu, lungs, spacing = _scan()
    elsewhere = np.zeros_like(lungs)
    elsewhere[0, 0, 0] = True
    mask, notes = fuse_lungs(elsewhere, hu, spacing)
    assert mask is elsewhere
    assert notes == ()


def test_hu_are_estimated_from_a_lung_window_by_its_anchors() -> None:
    hu, lungs, _ = _scan()
    low, high = -1350.0, 150.0
    eight_bit = np.clip(np.rint((hu - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    exact = estimate_hu(eight_bit, lungs, (low, high))
    guessed = estimate_hu(eight_bit, lungs, None)
    assert exact is not None
    assert guessed is not None
    clipped = np.clip(hu, -1024, high)
    assert np.abs(exact.astype(int) - clipped).max() <= 4
    air, tissue = hu < -700, (hu > 0) & (hu < 100)
    assert np.median(guessed[air]) < -700
    assert np.median(guessed[tissue]) > -150


def test_no_contrast_gives_no_estimate() -> None:
    _, lungs, _ = _scan()
    flat = np.full(lungs.shape, 90, np.uint8)
    assert estimate_hu(flat, lungs, None) is None
    assert estimate_hu(flat, np.ones_like(lungs), None) is None
