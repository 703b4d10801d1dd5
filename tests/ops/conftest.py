"""A small synthetic chest for the tests of lung operations: known lungs, known sides."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

SPACING_MM = (5.0, 3.0, 3.0)
SHAPE = (40, 80, 112)


def ellipsoid(
    center: tuple[float, float, float],
    radii: tuple[float, float, float],
    shape: tuple[int, int, int] = SHAPE,
) -> np.ndarray:
    """Voxels inside an ellipsoid; center and radii in voxels. bool (D, H, W)."""
    d, h, w = np.ogrid[: shape[0], : shape[1], : shape[2]]
    return (
        ((d - center[0]) / radii[0]) ** 2
        + ((h - center[1]) / radii[1]) ** 2
        + ((w - center[2]) / radii[2]) ** 2
    ) <= 1


def touching_lungs(thickness: int = 4) -> np.ndarray:
    """Lungs that meet in front of the heart, `thickness` rows thick."""
    out = lungs(gap=10.0)
    bridge = np.zeros(SHAPE, dtype=bool)
    bridge[12:28, 24 : 24 + thickness, 36:76] = True
    out[bridge & (np.arange(SHAPE[2]) < 56)] = 1
    out[bridge & (np.arange(SHAPE[2]) >= 56)] = 2
    return out


def lungs(gap: float = 14.0, left_scale: float = 1.0) -> np.ndarray:
    """Labels 1 right, 2 left (D, H, W) uint8; `gap` columns between them, below 0 they overlap."""
    half = 20.0
    right = ellipsoid((20, 40, 55.5 - gap / 2 - half), (15, 24, half))
    left = ellipsoid(
        (20, 40, 55.5 + gap / 2 + half * left_scale),
        (15 * left_scale, 24 * left_scale, half * left_scale),
    )
    out = np.zeros(SHAPE, dtype=np.uint8)
    out[right] = 1
    out[left & ~right] = 2
    return out


def trachea() -> np.ndarray:
    """A tube in the middle, from the top to above the carina. bool (D, H, W)."""
    _, h, w = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    tube = np.broadcast_to((h - 40) ** 2 + (w - 55.5) ** 2 <= 3**2, SHAPE).copy()
    tube[:24] = False
    return tube


def chest_hu(labels: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """HU (D, H, W) int16: body in air on a table, lungs -850, airway and stomach gas -1000."""
    rng = np.random.default_rng(seed)
    hu = np.full(SHAPE, -1000.0)
    _, h, w = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    body = ((h - 40) / 33) ** 2 + ((w - 55.5) / 53) ** 2 <= 1
    hu[np.broadcast_to(body, SHAPE)] = 40
    hu[:, 76:78] = 60
    hu[labels > 0] = -850
    hu[trachea() & (labels == 0)] = -1000
    hu[stomach_gas() & (labels == 0)] = -1000
    return np.rint(hu + rng.normal(0, 10, SHAPE)).astype(np.int16)


def stomach_gas() -> np.ndarray:
    """A bubble in front, below the left lung. bool (D, H, W)."""
    return ellipsoid((3.0, 22, 80), (2, 6, 8))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Dice of two bool masks; 1 where both are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2.0 * int((a & b).sum()) / total if total else 1.0


@pytest.fixture(scope="session")
def chest() -> SimpleNamespace:
    """The functions of this file, for tests that build their own chest."""
    return SimpleNamespace(
        SHAPE=SHAPE,
        SPACING_MM=SPACING_MM,
        ellipsoid=ellipsoid,
        lungs=lungs,
        touching_lungs=touching_lungs,
        trachea=trachea,
        chest_hu=chest_hu,
        stomach_gas=stomach_gas,
        dice=dice,
    )
