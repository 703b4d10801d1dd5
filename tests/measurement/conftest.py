"""A scan small enough to count by hand: two box lungs, 6 slices from the feet to the head."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from groundglass.intensity import Intensity
from groundglass.volume import Source, Volume

MakeScan = Callable[..., tuple[Volume, np.ndarray, np.ndarray]]


def axial_affine(step_mm: float = 10.0) -> np.ndarray:
    affine = np.zeros((4, 4))
    affine[2, 0] = affine[1, 1] = affine[0, 2] = step_mm
    affine[3, 3] = 1.0
    return affine


@pytest.fixture
def make_scan() -> MakeScan:
    """Volume (8, 6, 12) of 1 ml voxels, each lung 6 slices of 4x4 = 96 ml, no lesion."""

    def make(**changes: object) -> tuple[Volume, np.ndarray, np.ndarray]:
        lungs = np.zeros((8, 6, 12), dtype=np.uint8)
        lungs[1:7, 1:5, 1:5], lungs[1:7, 1:5, 7:11] = 1, 2
        array = np.where(lungs > 0, -800, 40).astype(np.int16)
        parts: dict = {
            "array": array,
            "affine": axial_affine(),
            "intensity": Intensity("hu", "header", "test"),
            "source": Source("scan", "nifti", "scan.nii"),
        }
        return Volume(**{**parts, **changes}), lungs, np.zeros_like(lungs)

    return make
