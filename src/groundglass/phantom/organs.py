"""HU of everything soft that is not lung: fat, muscle, heart, vessels, liver, spleen, stomach."""

from __future__ import annotations

import numpy as np

from groundglass.phantom.fields import ellipsoid, inside, superellipse
from groundglass.phantom.patient import Patient
from groundglass.phantom.thorax import (
    cavity_distance,
    diaphragm_distance,
    great_vessel_distance,
    heart_distance,
)

FAT_HU = -102.0
MUSCLE_HU = 52.0
BLOOD_HU = 42.0


def tissue_hu(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, patient: Patient, *, edge_mm: float
) -> np.ndarray:
    """HU under the subcutaneous fat at template positions; same shape, float32.

    `edge_mm` is the width of the transitions: no less than twice the grid's step, so that
    they can be interpolated.
    """
    streaks = patient.large.at(x * 1.7, y * 1.7, z * 0.8)
    out = _layer(np.full(x.shape, MUSCLE_HU, np.float32), FAT_HU + 20, (0.95 - streaks) * 6, 6)
    cavity = cavity_distance(x, y, z)
    diaphragm = diaphragm_distance(x, y, z, patient)
    out = _layer(out, FAT_HU, cavity + 2, edge_mm)
    above = np.maximum(cavity, diaphragm)
    out = _layer(out, BLOOD_HU + 4, np.maximum(great_vessel_distance(x, y, z), above - 30), edge_mm)
    esophagus = superellipse(x - 4, y - 32, 8.0, 6.0, 2.0)
    out = _layer(out, 32.0, np.maximum(esophagus, np.abs(z + 5) - 130), edge_mm)
    out = _layer(out, BLOOD_HU, heart_distance(x, y, z, patient) + 2, edge_mm)
    out = _abdomen(out, x, y, z, np.maximum(cavity + 4, 3 - diaphragm), streaks, edge_mm=edge_mm)
    # The diaphragm itself, a sheet of muscle.
    sheet = np.maximum(np.abs(diaphragm + 0.0) - 2.5, cavity)
    return _layer(out, MUSCLE_HU, sheet, edge_mm)


def _abdomen(
    out: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, below: np.ndarray,
    streaks: np.ndarray, *, edge_mm: float,
) -> np.ndarray:  # fmt: skip
    """Liver, spleen and stomach where `below` (the space under the diaphragm) is negative."""
    liver = np.maximum(below, 0.9 * (x - 18 + 0.12 * (y + 40)) + 3 * streaks)
    spine = 30 - np.hypot(x, y - 72)
    out = _layer(out, 57.0, np.maximum(liver, spine), edge_mm)
    spleen = np.maximum(ellipsoid(x, y, z, (92, 42, -118), (36, 42, 46)), below)
    out = _layer(out, 50.0, spleen, edge_mm)
    stomach = np.maximum(ellipsoid(x, y, z, (62, -20, -112), (42, 46, 40)), below)
    return _layer(out, 28.0, stomach, edge_mm)


def _layer(base: np.ndarray, hu: float, distance: np.ndarray, edge_mm: float) -> np.ndarray:
    """Lay one tissue over what is there."""
    share = inside(distance, edge_mm).astype(np.float32)
    return base + share * (np.float32(hu) - base)
