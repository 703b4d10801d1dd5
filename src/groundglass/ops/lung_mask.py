"""From a raw lung probability or mask to clean right and left lungs.

The order: airways out, components that are lung kept, sides parted, each side closed and filled
for itself (so that nothing bridges from lung to lung), the result brought back to the full grid.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from groundglass.errors import NoLungError, SettingsError
from groundglass.labels import LEFT_LUNG, RIGHT_LUNG
from groundglass.ops.airways import AirwaySettings, find_airways, find_trachea_in_mask
from groundglass.ops.body import body_mask, middle_columns
from groundglass.ops.coarse import CoarseGrid
from groundglass.ops.components import (
    Box,
    ball_dilate,
    ball_erode,
    bounding_box,
    grow_in_plane,
    shrink_in_plane,
)
from groundglass.ops.lung_fill import FillSettings, fill_lung
from groundglass.ops.lung_notes import lung_notes
from groundglass.ops.lung_parts import PartSettings, Surroundings, keep_lungs
from groundglass.ops.lung_sides import SideSettings, split_sides

_BRONCHUS_MM = 4.0
"""Radius, wall included, from which on an airway is a main one and is not filled again."""


@dataclass(frozen=True)
class LungSettings:
    """How a raw mask becomes lungs.

    `threshold`: from this probability on a voxel is lung. `step_mm`: grid on which shape is
    judged. `max_airway_share`: an airway tree that takes more of the mask than this has leaked
    and is ignored. `min_area_mm2`: what the largest slice must hold for lungs to be there at all.
    """

    threshold: float = 0.5
    step_mm: float = 2.0
    max_airway_share: float = 0.05
    min_area_mm2: float = 300.0
    parts: PartSettings = field(default_factory=PartSettings)
    sides: SideSettings = field(default_factory=SideSettings)
    fill: FillSettings = field(default_factory=FillSettings)
    airways: AirwaySettings = field(default_factory=AirwaySettings)

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1 or self.step_mm <= 0:
            raise SettingsError(
                f"lung settings have threshold {self.threshold:g} and step {self.step_mm:g} mm",
                expected="a threshold between 0 and 1 and a step above 0",
            )


@dataclass(frozen=True)
class LungResult:
    """`labels` (D, H, W) uint8: 1 right, 2 left; `notes`: what a reader should know, sentences."""

    labels: np.ndarray
    notes: tuple[str, ...] = ()


def clean_lungs(
    mask_or_probability: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    hu: np.ndarray | None = None,
    settings: LungSettings | None = None,
) -> LungResult:
    """Right and left lung from what a network (or a threshold) gave.

    Shape: (D, H, W) in axial order (D to the head, H to the back, W to the patient's left); bool,
    0/1 integers, or floats that are probabilities. `hu`, of the same shape, helps where there is
    one: airways by their lumen, gas by its darkness, bone kept out of what is filled.
    Raises: NoLungError where nothing can be a lung.
    """
    settings = settings or LungSettings()
    mask = _as_mask(mask_or_probability, settings.threshold)
    margin = int(np.ceil((settings.fill.reach_mm + settings.step_mm) / min(spacing_mm))) + 1
    box = bounding_box(mask, margin=margin)
    if box is None:
        raise _no_lung(0.0, settings)
    inner = mask[box]
    grid = CoarseGrid.near(inner.shape, spacing_mm, step_mm=settings.step_mm)
    around = _surroundings(mask.shape, box, grid, hu=hu, spacing_mm=spacing_mm)
    raw = grid.down(inner)
    airways = _airways(raw, around, settings)
    kept = keep_lungs(raw & ~airways, around, settings=settings.parts)
    area_mm2 = float(kept.sum(axis=(1, 2)).max()) * grid.spacing_mm[1] * grid.spacing_mm[2]
    if area_mm2 < settings.min_area_mm2:
        raise _no_lung(area_mm2, settings)
    split = split_sides(kept, grid.spacing_mm, middle=around.middle, settings=settings.sides)
    filled = _fill_sides(split.labels, airways, around, settings.fill)
    labels = np.zeros(mask.shape, dtype=np.uint8)
    labels[box] = _to_full(inner, kept, filled, airways, grid)
    dropped_ml = float((raw & ~kept & ~airways & (filled == 0)).sum()) * around.voxel_ml
    notes = lung_notes(labels, spacing_mm, parted_mm=split.erosion_mm, dropped_ml=dropped_ml)
    return LungResult(labels, notes)


def _as_mask(values: np.ndarray, threshold: float) -> np.ndarray:
    if values.dtype == bool:
        return values
    return values >= threshold if np.issubdtype(values.dtype, np.floating) else values != 0


def _no_lung(area_mm2: float, settings: LungSettings) -> NoLungError:
    return NoLungError(
        f"Lung mask covers at most {area_mm2:.0f} mm2 of a slice",
        expected=f"at least {settings.min_area_mm2:.0f} mm2",
        remedy="Check that the scan shows the chest and that its intensities were understood",
    )


def _surroundings(
    shape: tuple[int, ...],
    box: Box,
    grid: CoarseGrid,
    *,
    hu: np.ndarray | None,
    spacing_mm: tuple[float, float, float],
) -> Surroundings:
    """What HU tell on the coarse grid of the box, and where the body's middle is."""
    middle = (shape[2] - 1) / 2
    coarse_hu = body = None
    if hu is not None:
        coarse_hu = grid.down(hu[box])
        whole = body_mask(hu[box[0]], spacing_mm)
        if whole.any():
            middle = float(np.median(middle_columns(whole)))
            body = grid.down(whole[:, box[1], box[2]])
    column = (middle - box[2].start) / grid.strides[2]
    return Surroundings(grid.spacing_mm, column, coarse_hu, body)


def _airways(mask: np.ndarray, around: Surroundings, settings: LungSettings) -> np.ndarray:
    """Airways to take out; nothing where that would take too much of the mask."""
    if around.hu is not None and around.body is not None:
        airways = find_airways(around.hu, around.body, around.spacing_mm, settings=settings.airways)
    else:
        columns = np.flatnonzero(mask.any(axis=(0, 1)))
        airways = find_trachea_in_mask(
            mask,
            around.spacing_mm,
            middle=float(columns[0] + columns[-1]) / 2,
            settings=settings.airways,
        )
    if (airways & mask).sum() > settings.max_airway_share * mask.sum():
        return np.zeros_like(airways)
    return airways


def _fill_sides(
    sides: np.ndarray, airways: np.ndarray, around: Surroundings, settings: FillSettings
) -> np.ndarray:
    """Each lung filled for itself; where both would take a voxel the larger claim is the right's.

    Bronchi inside the lungs are filled again, trachea and main bronchi are not.
    """
    main = ball_erode(airways, _BRONCHUS_MM, around.spacing_mm)
    blocked = ball_dilate(main, _BRONCHUS_MM, around.spacing_mm) & airways
    if around.hu is not None:
        blocked |= around.hu >= settings.bone_hu
    out = sides.copy()
    for label in (RIGHT_LUNG, LEFT_LUNG):
        lung = sides == label
        if lung.any():
            others = blocked | ((out != label) & (out > 0))
            filled = fill_lung(
                lung, others, around.spacing_mm, middle=around.middle, settings=settings
            )
            out[filled] = label
    return out


def _to_full(
    mask: np.ndarray,
    kept: np.ndarray,
    filled: np.ndarray,
    airways: np.ndarray,
    grid: CoarseGrid,
) -> np.ndarray:
    """Coarse labels on the full grid: the mask's own outline, filled parts added."""
    lungs = filled > 0
    if max(grid.strides) == 1:
        return filled
    sides = grid.up(np.where(lungs, filled, grow_in_plane(filled)))
    near = grow_in_plane(kept) & ~(airways & ~lungs)
    certain = (lungs & ~kept) | shrink_in_plane(lungs)
    sides[~((mask & grid.up(near)) | grid.up(certain))] = 0
    return sides
