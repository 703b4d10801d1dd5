"""Small parts that the anatomy is made of: smooth noise, distances to shapes, soft edges.

Distances are in mm and approximate (exact at the surface), negative inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

_REACH_MM = 200.0


@dataclass(frozen=True)
class SmoothNoise:
    """Random smooth function of position, mean 0 and standard deviation 1.

    `sigma_mm` is its correlation length. Beyond 200 mm from the middle it is mirrored.
    """

    lattice: np.ndarray
    step_mm: float

    @classmethod
    def make(cls, rng: np.random.Generator, sigma_mm: float) -> SmoothNoise:
        step = sigma_mm / 1.3
        count = max(8, int(np.ceil(2 * _REACH_MM / step)) + 1)
        white = rng.standard_normal((count, count, count), dtype=np.float32)
        smooth = ndimage.gaussian_filter(white, 1.3, mode="wrap", truncate=3.0)
        smooth -= smooth.mean()
        smooth /= smooth.std()
        return cls(smooth, step)

    def at(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Values at positions in mm; same shape, float32."""
        middle = (self.lattice.shape[0] - 1) / 2
        index = np.stack([v / self.step_mm + middle for v in (x, y, z)]).astype(np.float32)
        return ndimage.map_coordinates(self.lattice, index, order=1, mode="mirror", prefilter=False)


def smooth_max(a: np.ndarray, b: np.ndarray, radius_mm: float) -> np.ndarray:
    """Intersection of two shapes by their distances, with a rounded edge."""
    overlap = np.maximum(radius_mm - np.abs(a - b), 0)
    return np.maximum(a, b) + overlap * overlap / (4 * radius_mm)


def smooth_min(a: np.ndarray, b: np.ndarray, radius_mm: float) -> np.ndarray:
    """Union of two shapes by their distances, with a filled groove."""
    return -smooth_max(-a, -b, radius_mm)


def inside(distance: np.ndarray, width_mm: float | np.float32) -> np.ndarray:
    """Share of a voxel within the shape: 1 inside, 0 outside, linear over `width_mm`."""
    return np.minimum(np.maximum(0.5 - distance / width_mm, 0), 1)


def ellipsoid(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, center: tuple[float, float, float],
    radii: tuple[float, float, float], *, turn_degrees: float = 0.0,
) -> np.ndarray:  # fmt: skip
    """Distance along the ray from the center; `turn_degrees` about z, left side to the back."""
    c, s = np.cos(np.radians(turn_degrees)), np.sin(np.radians(turn_degrees))
    u, v, w = x - center[0], y - center[1], z - center[2]
    u, v = c * u + s * v, c * v - s * u
    length = np.sqrt(u * u + v * v + w * w)
    q = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2 + (w / radii[2]) ** 2)
    return length - length / np.maximum(q, 1e-3)


def superellipse(
    x: np.ndarray, y: np.ndarray, a: np.ndarray | float, b: np.ndarray | float, power: float
) -> np.ndarray:
    """Distance, along the ray from the axis, to |x/a|^p + |y/b|^p = 1."""
    q = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power)
    length = np.sqrt(x * x + y * y)
    return length - length / np.maximum(q, 1e-3)


def profile(z: np.ndarray, knots: list[float], values: list[float]) -> np.ndarray:
    """Smooth function of height through the knots, constant beyond them; float32."""
    heights, smooth = _profile_table(tuple(knots), tuple(values))
    return np.interp(z, heights, smooth).astype(np.float32)


@lru_cache(maxsize=64)
def _profile_table(
    knots: tuple[float, ...], values: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The curve every 2 mm: looking it up is much quicker than the spline."""
    heights = np.linspace(knots[0], knots[-1], int((knots[-1] - knots[0]) / 2) + 2)
    return heights, PchipInterpolator(knots, values)(heights)
