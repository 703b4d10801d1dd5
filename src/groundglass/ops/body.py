"""The inside of the patient in HU: table, blankets and the air around the body left out."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from groundglass.ops.coarse import CoarseGrid
from groundglass.ops.components import fill_holes_in_plane, label_components

_CROSS = ndimage.generate_binary_structure(2, 1)[None]


def body_mask(
    hu: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    air_hu: float = -500.0,
    opening_mm: float = 4.0,
    step_mm: float = 3.0,
) -> np.ndarray:
    """The largest solid above `air_hu`, its holes filled per slice, a few mm inside the skin.

    `opening_mm` cuts off what touches the body by less than twice that; the work is done on a
    grid of about `step_mm`. Shape: (D, H, W) in, bool (D, H, W) out, all False without a solid.
    Lungs open to the edge of the field of view are not inside.
    """
    grid = CoarseGrid.near(hu.shape, spacing_mm, step_mm=step_mm)
    steps = max(1, round(opening_mm / max(grid.spacing_mm[1:])))
    solid = ndimage.binary_erosion(grid.down(hu) > air_hu, _CROSS, iterations=steps)
    labels, parts = label_components(solid)
    if not parts:
        return np.zeros(hu.shape, dtype=bool)
    body = ndimage.binary_dilation(labels == parts[0].number, _CROSS, iterations=steps)
    inside = ndimage.binary_erosion(fill_holes_in_plane(body), _CROSS, border_value=1)
    return grid.up(inside)


def middle_columns(body: np.ndarray) -> np.ndarray:
    """Column of the body's middle in each slice; the volume's where a slice is empty. (D,)."""
    counts = body.sum(axis=1, dtype=np.int64)
    totals = counts.sum(axis=1)
    weighted = (counts * np.arange(body.shape[2])).sum(axis=1)
    middle = weighted.sum() / totals.sum() if totals.sum() else (body.shape[2] - 1) / 2
    return np.where(totals > 0, weighted / np.maximum(totals, 1), middle)
