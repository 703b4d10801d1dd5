"""The rule for slices that show nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from groundglass.intensity import Intensity
from groundglass.io.read import read_scan
from groundglass.ops.dark_slices import dark_slices

HU, GRAY = Intensity("hu", "given", ""), Intensity("uint8", "given", "")


def body(side: int, *, air: int, tissue: int, dtype: type) -> np.ndarray:
    """One slice of 100x100 pixels with a square body."""
    image = np.full((100, 100), air, dtype)
    image[:side, :side] = tissue
    return image


@pytest.mark.parametrize(("side", "dark"), [(0, True), (22, True), (23, False), (80, False)])
def test_a_slice_needs_a_twentieth_of_brighter_pixels(side: int, dark: bool) -> None:
    hu = body(side, air=-1000, tissue=30, dtype=np.int16)
    gray = body(side, air=5, tissue=120, dtype=np.uint8)
    assert dark_slices(hu[None], HU).tolist() == [dark]
    assert dark_slices(gray[None], GRAY).tolist() == [dark]


def test_noisy_air_with_a_table_is_dark_and_a_lung_in_a_body_is_not() -> None:
    rng = np.random.default_rng(0)
    air = rng.normal(-1000, 30, (100, 100)).astype(np.int16)
    air[90:93] = -200
    chest = body(90, air=-1000, tissue=30, dtype=np.int16)
    chest[5:85, 5:85] = -860
    assert dark_slices(np.stack([air, chest]), HU).tolist() == [True, False]


def test_one_value_is_dark_however_bright() -> None:
    flat = np.full((1, 100, 100), 200, np.uint8)
    assert dark_slices(flat, GRAY).tolist() == [True]
    assert dark_slices(flat.astype(np.int16), HU).tolist() == [True]


def test_another_slice_does_not_move_the_level() -> None:
    """A scan of air alone is dark throughout; a piece of metal elsewhere changes nothing."""
    rng = np.random.default_rng(0)
    air = rng.normal(-1000, 30, (2, 100, 100)).astype(np.int16)
    metal = body(80, air=-1000, tissue=3000, dtype=np.int16)
    assert dark_slices(air, HU).all()
    assert dark_slices(np.stack([*air, metal]), HU).tolist() == [True, True, False]


def test_no_slice_of_a_whole_real_chest_is_dark(cip_dir: Path) -> None:
    volume, _ = read_scan(cip_dir / "ct-64.nrrd").to_axial()
    assert not dark_slices(volume.array, volume.intensity).any()
    shown = np.clip((volume.array + 1350.0) * (255 / 1500), 0, 255).astype(np.uint8)
    assert not dark_slices(shown, replace(GRAY, domain="window")).any()
