"""Solid parts drawn straight on the fine grid: tubes, drums and ellipsoids with soft edges."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from groundglass.phantom.fields import ellipsoid, inside
from groundglass.phantom.grid import Box, Grid


@dataclass(frozen=True)
class Material:
    """HU inside and of a shell of `shell_mm` under the surface (bone: marrow and cortex).

    `rule`: 'cover' replaces what is there, 'raise' only brightens (vessels in a dense lesion).
    """

    hu: float
    shell_hu: float = 0.0
    shell_mm: float = 0.0
    rule: str = "cover"


@dataclass(frozen=True)
class Tubes:
    """Straight pieces from `start` to `end` (N, 3) in mm with a radius at each end (N,).

    `flat` > 1 makes them that much higher (z) than thick, as ribs are.
    """

    start: np.ndarray
    end: np.ndarray
    start_radius: np.ndarray
    end_radius: np.ndarray
    material: Material
    flat: float = 1.0

    @classmethod
    def along(
        cls, path: np.ndarray, radius: float | np.ndarray, material: Material, flat: float = 1.0
    ) -> Tubes:
        """A bent tube through the points of `path` (N, 3)."""
        radii = np.broadcast_to(np.asarray(radius, dtype=np.float64), (len(path),))
        return cls(path[:-1], path[1:], radii[:-1], radii[1:], material, flat)


@dataclass(frozen=True)
class Blob:
    """An ellipsoid in mm; `turn_degrees` about z."""

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    material: Material
    turn_degrees: float = 0.0


def paint_tubes(hu: np.ndarray, grid: Grid, tubes: Tubes) -> None:
    """Draw tubes into an int16 (D, H, W) array in place."""
    blur = grid.blur_mm
    for i, box, distance in tube_distances(grid, tubes, blur):
        radius = 0.5 * float(tubes.start_radius[i] + tubes.end_radius[i])
        paint(hu[box], distance, tubes.material, blur, _presence(radius, blur))


def tube_distances(
    grid: Grid, tubes: Tubes, margin_mm: float
) -> Iterator[tuple[int, Box, np.ndarray]]:
    """For each piece in the grid its number, the index box around it with `margin_mm`, and the
    distance to its surface there."""
    reach = np.maximum(tubes.start_radius, tubes.end_radius)[:, None] + margin_mm
    spread = reach * (1.0, 1.0, tubes.flat)
    low = np.minimum(tubes.start, tubes.end) - spread
    high = np.maximum(tubes.start, tubes.end) + spread
    for i, box in enumerate(grid.boxes_around(low, high)):
        if box is not None:
            yield i, box, _tube_distance(grid, tubes, i, box)


def _tube_distance(grid: Grid, tubes: Tubes, i: int, box: Box) -> np.ndarray:
    p, q = tubes.start[i], tubes.end[i]
    x, y, z = grid.coordinates_in(box)
    squeeze = np.float32(1 / tubes.flat)
    x, y, z = x - np.float32(p[0]), y - np.float32(p[1]), (z - np.float32(p[2])) * squeeze
    v = (q - p) * (1, 1, squeeze)
    v = v.astype(np.float32)
    t = (x * v[0] + y * v[1] + z * v[2]) / max(float(v @ v), 1e-6)
    t = np.minimum(np.maximum(t, 0), 1)
    square = (x - t * v[0]) ** 2 + (y - t * v[1]) ** 2 + (z - t * v[2]) ** 2
    radius = tubes.start_radius[i] + t * np.float32(tubes.end_radius[i] - tubes.start_radius[i])
    return np.sqrt(square) - radius


def paint_blob(hu: np.ndarray, grid: Grid, blob: Blob) -> None:
    """Draw an ellipsoid into an int16 (D, H, W) array in place."""
    reach = max(blob.radii[0], blob.radii[1]) + grid.blur_mm
    spread = np.array([reach, reach, blob.radii[2] + grid.blur_mm])
    box = grid.box_around(np.array(blob.center) - spread, np.array(blob.center) + spread)
    if box is not None:
        x, y, z = grid.coordinates_in(box)
        distance = ellipsoid(x, y, z, blob.center, blob.radii, turn_degrees=blob.turn_degrees)
        paint(hu[box], distance, blob.material, grid.blur_mm)


def paint_drum(
    hu: np.ndarray, grid: Grid, center: np.ndarray, size_mm: tuple[float, float, float],
    material: Material,
) -> None:  # fmt: skip
    """Draw an upright elliptic cylinder with radii and half height `size_mm` (a vertebra)."""
    spread = np.array(size_mm) + grid.blur_mm
    box = grid.box_around(center - spread, center + spread)
    if box is not None:
        x, y, z = grid.coordinates_in(box)
        flat = ellipsoid(x, y, np.zeros_like(x), (center[0], center[1], 0.0), (*size_mm[:2], 1.0))
        distance = np.maximum(flat, np.abs(z - np.float32(center[2])) - size_mm[2])
        paint(hu[box], distance, material, grid.blur_mm)


def paint(
    hu: np.ndarray, distance: np.ndarray, material: Material, blur_mm: float, presence: float = 1.0
) -> None:
    """Blend a material into `hu` (a view) where `distance` says that it is."""
    share = inside(distance, np.float32(blur_mm)) * np.float32(presence)
    value: np.ndarray | np.float32 = np.float32(material.hu)
    if material.shell_mm > 0:
        shell = inside(-distance - np.float32(material.shell_mm), np.float32(blur_mm))
        value = value + shell * np.float32(material.shell_hu - material.hu)
    change = share * (value - hu)
    if material.rule == "raise":
        change = np.maximum(change, 0)
    hu += np.rint(change).astype(np.int16)


def _presence(radius_mm: float, blur_mm: float) -> float:
    """How strongly a tube thinner than the blur shows, so that its total density is right."""
    if radius_mm < blur_mm / 2:
        return 3 * blur_mm * radius_mm**2 / (radius_mm + blur_mm / 2) ** 3
    return min(1.0, 0.75 + 0.5 * (radius_mm / blur_mm - 0.5))
