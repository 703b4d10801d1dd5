"""Lungs by threshold, for scans in HU: a reference where lungs are healthy, a check elsewhere.

Dense lesions are left out by nature; that is why the network finds the lungs and this does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from groundglass.ops.airways import AirwaySettings, find_airways
from groundglass.ops.body import body_mask
from groundglass.ops.coarse import CoarseGrid
from groundglass.ops.components import (
    disk_close,
    fill_holes,
    fill_holes_in_plane,
    grow_in_plane,
    label_components,
    shrink_in_plane,
)


@dataclass(frozen=True)
class ThresholdSettings:
    """`air_hu`: below is air; `gas_hu`: a component with a mean below it is bowel or stomach gas;
    `min_share`: of the largest component that a second lung must reach; `closing_mm`: radius up
    to which vessels and hilar notches are filled; `hole_mm2`: so are holes within a slice.
    """

    air_hu: float = -500.0
    gas_hu: float = -945.0
    min_share: float = 0.08
    closing_mm: float = 5.0
    hole_mm2: float = 300.0
    step_mm: float = 2.0
    airways: AirwaySettings = field(default_factory=AirwaySettings)


def threshold_lungs(
    hu: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    settings: ThresholdSettings | None = None,
) -> np.ndarray:
    """Aerated lungs, vessels filled, without trachea, main bronchi, bowel gas and outside air.

    Shape: `hu` (D, H, W) int16 in HU, axial order (D to the head, H to the back, W to the
    patient's left); `spacing_mm` in the same order. Returns bool (D, H, W), all False where
    nothing can be lung. Right where the body's outline is inside the field of view.
    """
    settings = settings or ThresholdSettings()
    grid = CoarseGrid.near(hu.shape, spacing_mm, step_mm=settings.step_mm)
    coarse = grid.down(hu)
    body = body_mask(coarse, grid.spacing_mm, air_hu=settings.air_hu)
    airways = find_airways(coarse, body, grid.spacing_mm, settings=settings.airways)
    air = body & (coarse < settings.air_hu) & ~airways
    core = _keep_lungs(air, coarse, settings)
    if not core.any():
        return np.zeros(hu.shape, dtype=bool)
    hole = round(settings.hole_mm2 / (grid.spacing_mm[1] * grid.spacing_mm[2]))
    closed = fill_holes(disk_close(core, settings.closing_mm, grid.spacing_mm))
    closed = fill_holes_in_plane(closed, max_voxels=hole) & body & ~airways
    inside = shrink_in_plane(closed) | (closed & ~core)
    edge = grid.up(grow_in_plane(core) & ~airways)
    return (edge & (hu < settings.air_hu)) | grid.up(inside)


def _keep_lungs(air: np.ndarray, hu: np.ndarray, settings: ThresholdSettings) -> np.ndarray:
    """The largest two components that are no gas."""
    labels, parts = label_components(air)
    kept: list[int] = []
    largest = 0
    for part in parts:
        if len(kept) == 2 or part.voxels < settings.min_share * largest:
            break
        here = hu[part.box][labels[part.box] == part.number]
        if float(here.mean()) >= settings.gas_hu:
            kept.append(part.number)
            largest = max(largest, part.voxels)
    return np.isin(labels, kept) if kept else np.zeros(air.shape, dtype=bool)
