"""The large shapes: skin, the cavity of the ribs, diaphragm, mediastinum, and so the lungs.

Template mm: x to the left, y to the back, z to the head; distances negative inside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.phantom.fields import (
    ellipsoid,
    inside,
    profile,
    smooth_max,
    smooth_min,
    superellipse,
)
from groundglass.phantom.patient import Patient


@dataclass(frozen=True)
class LungShape:
    """Where the lungs are, as fields that are smooth enough to interpolate.

    A point is lung where `wall` < 0 and |`middle`| > `half_gap`; the patient's right lung has
    `middle` < 0. `outer` is the distance to ribs and diaphragm alone, without the mediastinum.
    """

    wall: np.ndarray
    outer: np.ndarray
    middle: np.ndarray
    half_gap: np.ndarray

    def distance(self) -> np.ndarray:
        """Distance to the surface of the nearer lung, negative inside."""
        return np.maximum(self.wall, self.half_gap - np.abs(self.middle))


def skin_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray, patient: Patient) -> np.ndarray:
    """Distance to the skin; arms are up, as for a chest scan."""
    fat = np.float32(patient.fat_mm - 12)
    a = profile(z, [-170, -60, 40, 95, 125, 160], [163, 169, 172, 160, 118, 62]) + fat
    front = profile(z, [-170, -60, 20, 90, 130, 170], [116, 117, 112, 88, 72, 62]) + fat
    back = profile(z, [-170, 0, 90, 130, 170], [113, 118, 118, 113, 106]) + fat * np.float32(0.6)
    return superellipse(x, y, a, np.where(y < 0, front, back), 2.3)


def cavity_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Distance to the inner side of the ribs, with a dome over each lung at the top."""
    a = profile(z, [-150, -60, 0, 60, 100, 140], [137, 138, 133, 121, 106, 95])
    front = profile(z, [-150, -60, 0, 60, 100, 140], [95, 96, 91, 76, 58, 44])
    back = profile(z, [-150, -60, 0, 60, 100, 140], [88, 90, 90, 86, 78, 70])
    ribs = superellipse(x, y, a, np.where(y < 0, front, back), 2.35)
    up = np.maximum(z - 28, 0)
    dome = ellipsoid(np.abs(x), y, up, (50.0, 8.0, 0.0), (90.0, 108.0, 96.0))
    return smooth_max(ribs, dome, 8)


def diaphragm_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray, patient: Patient) -> np.ndarray:
    """Distance to the two domes, negative above them."""
    right, left = (np.float32(v) for v in patient.dome_mm)
    to_left = inside(-x, 30)
    top = right + (left - right) * to_left
    u = np.abs(x) - 62
    v = y + 8
    across = np.where(u > 0, np.float32(0.0095), np.float32(0.003)) * u * u
    along = np.where(v > 0, np.float32(0.0063), np.float32(0.0044)) * v * v
    slope = (0.019 * np.maximum(u, 0)) ** 2 + (0.011 * v) ** 2
    return (top - across - along - z) / np.sqrt(1 + slope)


def heart_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray, patient: Patient) -> np.ndarray:
    """Ventricles, tip to the left and front, and the atria behind."""
    k = patient.heart_scale
    base = (patient.dome_mm[1] + 68) * 0.5
    ventricles = ellipsoid(
        x, y, z, (27, -36, -38 + base), (55 * k, 39 * k, 44 * k), turn_degrees=-32
    )
    atria = ellipsoid(x, y, z, (-4, -12, -16 + base), (38 * k, 36 * k, 42 * k))
    return smooth_min(ventricles, atria, 12)


def great_vessel_distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Aorta (ascending, arch, descending), pulmonary trunk and upper vena cava."""
    ascending = np.maximum(np.hypot(x + 12, y + 24) - 16, np.abs(z - 28) - 34)
    along = np.clip((y + 22) / 62, 0, 1)  # the arch runs backward and to the left
    arch = np.sqrt((x + 12 - 32 * along) ** 2 + np.maximum(np.abs(y - 9) - 31, 0) ** 2
                   + (z - 58 - 8 * np.sin(np.pi * along)) ** 2) - 13  # fmt: skip
    descending = np.maximum(
        np.hypot(x - 21 + 0.05 * (z + 60), y - 42 - 0.06 * (40 - z)) - 12, z - 60
    )
    trunk = ellipsoid(x, y, z, (18, -22, 22), (17, 22, 26), turn_degrees=25)
    cava = np.maximum(np.hypot(x + 31, y + 10) - 9, np.abs(z - 50) - 46)
    out = np.minimum(np.minimum(ascending, arch), np.minimum(descending, trunk))
    return np.minimum(out, cava).astype(np.float32)


def spine_distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The soft outline of the spinal column, which the lungs bend around."""
    return superellipse(x, y - 72, 25, 27, 2.0)


def lung_shape(x: np.ndarray, y: np.ndarray, z: np.ndarray, patient: Patient) -> LungShape:
    """The lungs' fields at template positions; same shape, float32."""
    outer = smooth_max(cavity_distance(x, y, z), diaphragm_distance(x, y, z, patient), 3)
    wall = smooth_max(outer, 3.5 - heart_distance(x, y, z, patient), 6)
    wall = smooth_max(wall, -spine_distance(x, y), 6)
    descending = np.hypot(x - 21 + 0.05 * (z + 60), y - 42 - 0.06 * (40 - z)) - 13.5
    wall = smooth_max(wall, np.where(z < 62, -descending, np.float32(-20)), 5)
    sternum = superellipse(x, y + profile(z, [-80, 0, 60, 100], [100, 95, 82, 66]), 21, 10, 2.0)
    wall = smooth_max(wall, -sternum, 8)
    # The lungs almost touch in front of the great vessels; behind, the mediastinum is wide.
    width = profile(z, [-140, -40, 0, 24, 60, 90, 125], [15, 15, 19, 30, 31, 31, 26])
    front = profile(z, [-60, 0, 40, 65, 90, 110], [-45, -46, -46, -50, -76, -110])
    behind = inside(front - y + 8, 22)
    behind = behind * behind * (3 - 2 * behind)
    retrosternal = inside(y - front + 26, 18)
    # Each side of it bulges in its own way.
    bulge = patient.large.at(np.where(x > 0, np.float32(90), np.float32(-90)), y * 0.8, z * 0.8)
    width = width * (1 + 0.11 * np.clip(bulge, -2, 2))
    half_gap = 0.9 + (width - 0.9) * behind + 7 * retrosternal
    shift = np.float32(patient.junction_shift_mm) * inside(y + 35, 30)
    return LungShape(
        wall=wall.astype(np.float32),
        outer=outer.astype(np.float32),
        middle=(x - 2 - shift).astype(np.float32),
        half_gap=half_gap.astype(np.float32),
    )
