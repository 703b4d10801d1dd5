"""Masks on disk, as tools write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from groundglass.geometry import LPS_FROM_RAS, reversed_axes_affine

AFFINE_LPS = np.array([[0, 0, 0.8, -20.0], [0, 0.7, 0, -30.0], [2.5, 0, 0, -100.0], [0, 0, 0, 1.0]])
"""Axial: index (d, h, w) to LPS mm; 2.5 mm slices of 0.7 x 0.8 mm pixels."""

WriteMask = Callable[..., Path]


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray = AFFINE_LPS) -> Path:
    """`array` (D, H, W) on an LPS affine, as NIfTI."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ras = LPS_FROM_RAS @ reversed_axes_affine(affine)
    nib.save(nib.Nifti1Image(np.asarray(array, dtype=np.uint8).T, ras), path)
    return path


@pytest.fixture(scope="session")
def write_mask() -> WriteMask:
    return write_nifti


@pytest.fixture
def masks() -> tuple[np.ndarray, np.ndarray]:
    """Prediction and reference (6, 12, 14): two lesions each, one of them shared in part.

    TP 16, FP 8 + 1, FN 8 + 2; slices 0, 3 and 5 have no reference.
    """
    prediction, reference = np.zeros((6, 12, 14), bool), np.zeros((6, 12, 14), bool)
    reference[1:3, 2:5, 2:6] = True  # 24 voxels
    prediction[1:3, 3:6, 2:6] = True  # 16 of them, and 8 more
    reference[4, 9, 9:11] = True  # missed
    prediction[5, 0, 0] = True  # invented
    return prediction, reference
