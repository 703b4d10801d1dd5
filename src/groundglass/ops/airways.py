"""Trachea and main bronchi in HU: region growing of very dark lumen that stops at a leak."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.ops.body import middle_columns
from groundglass.ops.coarse import CoarseGrid
from groundglass.ops.components import ball_dilate, bounding_box, label_components


@dataclass(frozen=True)
class AirwaySettings:
    """What counts as trachea, and when growing from it has leaked into lung.

    `offset_mm` is how far from the middle its center may lie, `mask_offset_mm` where only a mask
    tells. Areas are cross-sections of the tracheal lumen. Growing tries `lumen_hu` from the darkest
    on; it stops before the step that exceeds `max_volume_ml` or grows by more than `leak_factor`
    (beyond `leak_free_ml`). `wall_mm` is added around the lumen: partial volume and the wall.
    """

    air_hu: float = -800.0
    lumen_hu: tuple[float, ...] = (-975.0, -960.0, -945.0, -930.0, -915.0, -900.0)
    area_mm2: tuple[float, float] = (40.0, 700.0)
    offset_mm: float = 40.0
    mask_offset_mm: float = 20.0
    min_length_mm: float = 20.0
    max_volume_ml: float = 100.0
    leak_factor: float = 1.5
    leak_free_ml: float = 15.0
    wall_mm: float = 2.0
    step_mm: float = 2.0


def find_airways(
    hu: np.ndarray,
    body: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    settings: AirwaySettings | None = None,
) -> np.ndarray:
    """Trachea and main bronchi with their wall; all False where no trachea is seen.

    Shape: `hu` and `body` (D, H, W), axial order (D to the head); `body` is True inside the
    patient. Returns bool (D, H, W).
    """
    settings = settings or AirwaySettings()
    grid = CoarseGrid.near(hu.shape, spacing_mm, step_mm=settings.step_mm)
    inside, dark = grid.down(body), grid.down(hu)
    trachea = find_trachea(inside & (dark < settings.air_hu), inside, grid.spacing_mm, settings)
    if not trachea.any():
        return np.zeros(hu.shape, dtype=bool)
    lumen = _grow(dark, inside, trachea, grid.spacing_mm, settings)
    return grid.up(ball_dilate(lumen, settings.wall_mm, grid.spacing_mm))


def find_trachea(
    air: np.ndarray,
    body: np.ndarray,
    spacing_mm: tuple[float, float, float],
    settings: AirwaySettings,
) -> np.ndarray:
    """The longest stack of small compact air cross-sections near the body's middle.

    Lungs are too large, bowel too far off or too short, the esophagus too small. Shape: all
    (D, H, W). Returns bool, all False where no stack reaches `min_length_mm`.
    """
    labels, parts = label_components(air, in_plane=True)
    middle = middle_columns(body)
    area = spacing_mm[1] * spacing_mm[2]
    fits = np.zeros(len(parts) + 1, dtype=bool)
    for part in parts:
        d, rows, columns = part.box
        height = (rows.stop - rows.start) * spacing_mm[1]
        width = (columns.stop - columns.start) * spacing_mm[2]
        offset = abs((columns.start + columns.stop - 1) / 2 - middle[d.start]) * spacing_mm[2]
        fits[part.number] = (
            settings.area_mm2[0] <= part.voxels * area <= settings.area_mm2[1]
            and part.voxels * area >= 0.5 * height * width
            and max(height, width) <= 2.5 * min(height, width)
            and offset <= settings.offset_mm
        )
    stacks, found = label_components(fits[labels])
    best, best_score = None, 0.0
    for stack in found:
        length = (stack.box[0].stop - stack.box[0].start) * spacing_mm[0]
        top = stack.box[0].stop / air.shape[0]
        score = length * (0.5 + top)  # the trachea leaves through the top, bowel does not
        if length >= settings.min_length_mm and score > best_score:
            best, best_score = stack, score
    return stacks == best.number if best is not None else np.zeros(air.shape, dtype=bool)


def _grow(
    hu: np.ndarray,
    body: np.ndarray,
    trachea: np.ndarray,
    spacing_mm: tuple[float, float, float],
    settings: AirwaySettings,
) -> np.ndarray:
    """Darkest-first growing from the trachea; the last step before a leak wins."""
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    accepted = trachea
    volume = float(trachea.sum()) * voxel_ml
    for threshold in settings.lumen_hu:
        labels, parts = label_components((body & (hu < threshold)) | trachea)
        number = int(labels[trachea][0])
        grown_ml = next(part.voxels for part in parts if part.number == number) * voxel_ml
        limit = max(volume * settings.leak_factor, volume + settings.leak_free_ml)
        if grown_ml > min(limit, settings.max_volume_ml):
            break
        accepted, volume = labels == number, grown_ml
    return accepted


def find_trachea_in_mask(
    mask: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    middle: float,
    settings: AirwaySettings | None = None,
) -> np.ndarray:
    """A trachea that a lung mask took along, by shape alone: for scans without HU.

    A stack of small round cross-sections, at most `mask_offset_mm` off the lungs' middle, apart
    from the lungs in its slices, that reaches as high as the lungs do. Shape: bool (D, H, W) in
    axial order, in and out. Where lungs are on one side only nothing is found.
    """
    settings = settings or AirwaySettings()
    none = np.zeros(mask.shape, dtype=bool)
    box = bounding_box(mask)
    if box is None:
        return none
    labels, parts = label_components(mask, in_plane=True)
    pixel = spacing_mm[1] * spacing_mm[2]
    fits = np.zeros(len(parts) + 1, dtype=bool)
    for part in parts:
        _, rows, columns = part.box
        height = (rows.stop - rows.start) * spacing_mm[1]
        width = (columns.stop - columns.start) * spacing_mm[2]
        offset = abs((columns.start + columns.stop - 1) / 2 - middle) * spacing_mm[2]
        fits[part.number] = (
            settings.area_mm2[0] <= part.voxels * pixel <= settings.area_mm2[1]
            and part.voxels * pixel >= 0.6 * height * width
            and max(height, width) <= 1.8 * min(height, width)
            and offset <= settings.mask_offset_mm
        )
    stacks, found = label_components(fits[labels])
    for stack in found:
        slices = stack.box[0]
        length = (slices.stop - slices.start) * spacing_mm[0]
        below_top = (box[0].stop - slices.stop) * spacing_mm[0]
        if length >= settings.min_length_mm and below_top <= settings.min_length_mm:
            none |= stacks == stack.number
    return none
