"""A small scan with two ellipsoid lungs, lesions in both, and its findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from groundglass.findings import Findings
from groundglass.intensity import Intensity
from groundglass.measurement import measure
from groundglass.volume import Source, Volume


@dataclass(frozen=True)
class Case:
    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    findings: Findings


def build_case(shape: tuple[int, int, int] = (24, 40, 48), **changes: object) -> Case:
    """Lungs over the whole extent; a ball of ground glass low in the right lung."""
    d, h, w = ((np.arange(n) + 0.5) * 2 / n - 1 for n in shape)
    z, y, x = d[:, None, None], h[None, :, None], w[None, None, :]
    lungs = np.zeros(shape, dtype=np.uint8)
    for label, middle in ((1, -0.45), (2, 0.45)):
        lungs[(z / 0.9) ** 2 + (y / 0.7) ** 2 + ((x - middle) / 0.35) ** 2 < 1] = label
    lesions = ((z + 0.4) ** 2 + (y - 0.2) ** 2 + (x + 0.5) ** 2 < 0.06) & (lungs > 0)
    array = np.where(lungs > 0, -850, 40).astype(np.int16)
    array[lesions] = -550
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = 8.0, 6.0, 6.0, 1.0
    affine[:3, 3] = (-140, -120, -300)
    parts: dict = {
        "array": array,
        "affine": affine,
        "intensity": Intensity("hu", "header", "HU: test"),
        "source": Source("case-1", "nifti", "case-1.nii.gz"),
    }
    volume = Volume(**{**parts, **changes})
    mask = lesions.astype(np.uint8)
    return Case(volume, lungs, mask, measure(volume, lungs, mask))


@pytest.fixture(scope="session")
def case() -> Case:
    return build_case()


@pytest.fixture(scope="session")
def make_case():
    return build_case
