"""Bones: twelve pairs of ribs, spine, sternum, clavicles, scapulae."""

from __future__ import annotations

import numpy as np

from groundglass.phantom.grid import Grid
from groundglass.phantom.painting import (
    Blob,
    Material,
    Tubes,
    paint_blob,
    paint_drum,
    paint_tubes,
)
from groundglass.phantom.patient import Patient
from groundglass.phantom.thorax import cavity_distance

_RIB = Material(210, shell_hu=720, shell_mm=1.3)
_VERTEBRA = Material(170, shell_hu=480, shell_mm=1.5)
_ARCH = Material(280, shell_hu=620, shell_mm=1.3)
_FLAT_BONE = Material(140, shell_hu=520, shell_mm=1.4)
_CARTILAGE = Material(95, shell_hu=150, shell_mm=1.2)
_DISC = Material(80)
_CORD = Material(32)

_LEVEL_MM = 22.0
_TOP_MM = 130.0


def paint_skeleton(hu: np.ndarray, grid: Grid, patient: Patient) -> None:
    """Draw all bones into an int16 (D, H, W) array in place."""
    for bone in (*_ribs(patient), *_girdle(patient)):
        paint_tubes(hu, grid, bone)
    for side in (-1, 1):
        center = patient.from_template(np.array([[side * 84.0, 86.0, 46.0]]))[0]
        blade = Blob((center[0], center[1], center[2]), (34, 4.5, 46), _FLAT_BONE, -side * 26.0)
        paint_blob(hu, grid, blade)
    _paint_spine(hu, grid, patient)


def _ribs(patient: Patient) -> list[Tubes]:
    paths, ends = [], []
    angle = np.linspace(0.115, 0.945, 42) * np.pi
    for number in range(12):
        level = _TOP_MM - 9 - _LEVEL_MM * 0.97 * number
        drop = np.interp(number, [0, 3, 9, 11], [34.0, 62.0, 78.0, 36.0])
        end = [0.80, 0.42][number >= 10]
        # Ribs fall from the spine to their front end; the cartilage rises again.
        t = angle / (end * np.pi)
        z = level - drop * (np.minimum(t, 1) - 1.6 * np.maximum(t - 1, 0))
        for side in (-1, 1):
            paths.append(np.stack([np.full(len(z), side), angle, z]))
            ends.append(int(np.searchsorted(angle, end * np.pi)))
    side, around, height = np.concatenate(paths, axis=1)
    points = patient.from_template(_on_cavity(around, height, side))
    out = []
    for path, bone in zip(points.reshape(24, -1, 3), ends, strict=True):
        out.append(Tubes.along(path[:bone], 3.7, _RIB, flat=1.6))
        if bone > 25:  # the lowest two pairs end freely
            out.append(Tubes.along(path[bone - 1 :], 3.9, _CARTILAGE, flat=1.5))
    return out


def _on_cavity(angle: np.ndarray, z: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Points (N, 3) just outside the cavity, `angle` from the spine around to the front."""
    z = z.astype(np.float32)
    at = np.minimum(z, 96)  # above, the lung's dome closes; ribs stay on its widest ring
    low, high = np.zeros(len(z)), np.full(len(z), 220.0)
    for _ in range(24):
        middle = (low + high) / 2
        x, y = side * middle * np.sin(angle), middle * np.cos(angle)
        outside = cavity_distance(x.astype(np.float32), y.astype(np.float32), at) > 6.0
        low, high = np.where(outside, low, middle), np.where(outside, middle, high)
    radius = (low + high) / 2
    return np.stack([side * radius * np.sin(angle), radius * np.cos(angle), z], axis=1)


def _girdle(patient: Patient) -> list[Tubes]:
    """Sternum as two side by side rods, and the clavicles."""
    out = []
    heights = np.linspace(88, -62, 16)
    y = -np.interp(heights, [-80, 0, 60, 100], [102, 97, 84, 68])
    for x in np.linspace(-13, 13, 5):
        width = np.interp(heights, [-62, -40, 60, 88], [0.25, 1.0, 0.8, 1.35])
        path = patient.from_template(np.stack([x * width, y, heights], 1))
        out.append(Tubes.along(path, 5.5, Material(130, shell_hu=260, shell_mm=1.0)))
    for side in (-1, 1):
        t = np.linspace(0, 1, 12)
        path = np.stack(
            [side * (16 + 92 * t), -66 + 52 * t + 10 * np.sin(2 * np.pi * t), 92 + 24 * t], axis=1
        )
        out.append(Tubes.along(patient.from_template(path), 5.5, _RIB))
    return out


def _paint_spine(hu: np.ndarray, grid: Grid, patient: Patient) -> None:
    heights = np.arange(_TOP_MM + 2 * _LEVEL_MM, -190, -_LEVEL_MM)
    canal = patient.from_template(
        np.array([[0, 86.5, z] for z in np.arange(190, -200, -8.0)], dtype=np.float64)
    )
    for z in heights:
        size = float(np.interp(z, [-180, 120, 180], [20.0, 14.5, 11.0]))
        spots = [[0, 63, z], [0, 63, z - _LEVEL_MM / 2]]
        body, disc = patient.from_template(np.array(spots, dtype=np.float64))
        paint_drum(hu, grid, disc, (size, size * 0.8, 3.5), _DISC)
        paint_drum(hu, grid, body, (size, size * 0.8, 9.0), _VERTEBRA)
        for path, radius in _arch(z):
            paint_tubes(hu, grid, Tubes.along(patient.from_template(path), radius, _ARCH))
    paint_tubes(hu, grid, Tubes.along(canal, 8.0, Material(5)))
    paint_tubes(hu, grid, Tubes.along(canal, 4.5, _CORD))


def _arch(z: float) -> list[tuple[np.ndarray, float]]:
    """Pedicles, laminae, transverse and spinous processes of the vertebra at height z."""
    out = [(np.array([[0, 99, z - 4], [0, 106, z - 16]], dtype=np.float64), 3.0)]
    for side in (-1, 1):
        ring = [[11, 72, z + 3], [12.5, 86, z + 1], [8, 95, z - 2], [0, 100, z - 5]]
        wing = [[11, 88, z + 2], [32, 98, z + 4]]
        for points, radius in ((ring, 3.4), (wing, 3.6)):
            out.append((np.array(points, dtype=np.float64) * (side, 1, 1), radius))
    return out
