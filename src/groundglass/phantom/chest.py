"""`make_phantom`: a procedural chest CT in HU whose lungs and lesions are known.

For tests, demonstrations and benchmarks. It is no substitute for real scans: whatever is
right on phantoms may be wrong on patients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from groundglass.geometry import voxel_volume_ml
from groundglass.intensity import Intensity
from groundglass.labels import LEFT_LUNG, LESION, RIGHT_LUNG
from groundglass.phantom.branches import paint_branches, remove_main_airways
from groundglass.phantom.fields import inside
from groundglass.phantom.grid import CoarseGrid, Grid, make_grid
from groundglass.phantom.lesions import (
    LesionPlan,
    consolidation_score,
    diseased_hu,
    ground_glass_hu,
    lesion_score,
    parenchyma_hu,
)
from groundglass.phantom.noise import add_noise
from groundglass.phantom.organs import FAT_HU, tissue_hu
from groundglass.phantom.painting import Blob, Material, paint_blob
from groundglass.phantom.patient import Patient
from groundglass.phantom.settings import PhantomSettings
from groundglass.phantom.skeleton import paint_skeleton
from groundglass.phantom.thorax import LungShape, lung_shape, skin_distance
from groundglass.volume import Source, Volume

_COARSE_MM = 2.2
_SKIN_MM = 12.0
_GAS = Material(-960)


@dataclass(frozen=True)
class Phantom:
    """A scan and the truth about it, all on one grid.

    Shape: `volume.array` (D, H, W) int16 HU; `lungs` uint8 (1 right, 2 left, lesions and vessels
    included, trachea and main bronchi not); `lesions` uint8 (1, within the lungs). `truth` is
    JSON-ready: the settings, volumes in ml and shares in percent, counted from the masks.
    """

    volume: Volume
    lungs: np.ndarray
    lesions: np.ndarray
    truth: dict[str, Any]
    settings: PhantomSettings


def make_phantom(settings: PhantomSettings) -> Phantom:
    """Build the chest CT that `settings` describes. The same settings give the same voxels.

    The involved share in the truth is counted in the field of view; it differs from the one
    asked for by the grid's coarseness, and more where the grid shows only part of the lungs.
    """
    grid, order, world = make_grid(settings)
    patient = Patient.of_seed(settings.seed)
    plan = LesionPlan.make(patient, settings)
    drawn = draw_chest(grid, patient, plan)
    add_noise(drawn.hu, settings.noise_hu, seed=settings.seed)
    hu, lungs, lesions, dense = (
        np.ascontiguousarray(order.undo(a))
        for a in (drawn.hu, drawn.lungs, drawn.lesions, drawn.dense)
    )
    volume = Volume(
        array=hu,
        affine=world,
        intensity=Intensity("hu", "given", "HU, made by the phantom"),
        source=Source(scan_id=f"phantom-{settings.seed}", kind="phantom", path=""),
    )
    truth = _truth(settings, lungs, lesions, dense, world)
    return Phantom(volume, lungs, lesions, truth, settings)


@dataclass(frozen=True)
class DrawnChest:
    """A chest without noise on an axial grid.

    Shape: `hu` (D, H, W) int16; `lungs`, `lesions` as in `Phantom`; `dense` uint8, the part of
    the lesions that is consolidated.
    """

    hu: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    dense: np.ndarray


def draw_chest(grid: Grid, patient: Patient, plan: LesionPlan) -> DrawnChest:
    """Draw one person with the lesions of `plan` on a grid in axial order."""
    hu, lungs, lesions, dense = _smooth_parts(grid, patient, plan)
    paint_branches(hu, grid, patient, plan)
    paint_skeleton(hu, grid, patient)
    _paint_gas(hu, grid, patient)
    remove_main_airways(lungs, grid, patient)
    lesions[lungs == 0] = 0
    dense &= lesions
    return DrawnChest(hu, lungs, lesions, dense)


@dataclass(frozen=True)
class _Layers:
    """Rows of the stack of smooth fields."""

    skin: int = 0
    table: int = 1
    tissue: int = 2
    wall: int = 3
    middle: int = 4
    half_gap: int = 5
    healthy: int = 6
    ground_glass: int = 7
    score: int = 8
    dense: int = 9


_ROW = _Layers()


def _coarse_fields(coarse: CoarseGrid, patient: Patient) -> np.ndarray:
    """All smooth fields on the coarse grid, (10, d, h, w) float32, in the order of `_Layers`."""
    x, y, z = coarse.coordinates_mm()
    fields = np.zeros((10, *x.shape), np.float32)
    template = patient.to_template(x, y, z)
    fields[_ROW.skin] = skin_distance(*template, patient)
    fields[_ROW.table] = _table_distance(x, y, patient)
    edge = max(3.0, 2.0 * min(coarse.step_mm, 4.0))
    fields[_ROW.tissue] = tissue_hu(*template, patient, edge_mm=edge)
    shape = lung_shape(*template, patient)
    fields[_ROW.wall], fields[_ROW.middle] = shape.wall, shape.middle
    fields[_ROW.half_gap] = shape.half_gap
    # What is inside a lung is only needed there, and one step around it to interpolate.
    near = shape.distance() < 2.5 * coarse.step_mm + 2
    at = (x[near], y[near], z[near])
    local = LungShape(shape.wall[near], shape.outer[near], shape.middle[near], shape.half_gap[near])
    score = lesion_score(at, local, patient)
    fields[_ROW.healthy][near] = parenchyma_hu(at, patient)
    fields[_ROW.ground_glass][near] = ground_glass_hu(at, patient)
    fields[_ROW.score][near] = score
    fields[_ROW.dense][near] = consolidation_score(at, score, patient)
    return fields


def _table_distance(x: np.ndarray, y: np.ndarray, patient: Patient) -> np.ndarray:
    """Distance to the curved table top under the patient."""
    top = patient.scale[1] * (118 + 0.6 * (patient.fat_mm - 12))
    height = y - np.float32(top + 11) + 0.0008 * x * x
    return np.maximum(np.abs(height) - 8, np.abs(x) - 205)


def _smooth_parts(
    grid: Grid, patient: Patient, plan: LesionPlan
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """HU without bones and branches; masks of lungs, lesions and consolidation."""
    coarse = CoarseGrid.of(grid, _COARSE_MM)
    fields = _coarse_fields(coarse, patient)
    hu = np.empty(grid.shape, np.int16)
    lungs, lesions, dense = (np.zeros(grid.shape, np.uint8) for _ in range(3))
    blur = grid.blur_mm
    for d, f in enumerate(coarse.fine_slices(fields)):
        image = _outside_lungs(f, blur)
        distance = np.maximum(f[_ROW.wall], f[_ROW.half_gap] - np.abs(f[_ROW.middle]))
        rows = np.flatnonzero((distance < blur).any(axis=1))
        if rows.size:
            columns = np.flatnonzero((distance < blur).any(axis=0))
            box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            f, near = f[(slice(None), *box)], distance[box]
            lung = near < 0
            lungs[d][box] = np.where(f[_ROW.middle] > 0, LEFT_LUNG, RIGHT_LUNG) * lung
            lesions[d][box] = (lung & (f[_ROW.score] > plan.threshold)) * LESION
            dense[d][box] = lung & (f[_ROW.dense] > plan.consolidation_threshold)
            inner = diseased_hu(
                f[_ROW.healthy], f[_ROW.ground_glass], f[_ROW.score], f[_ROW.dense], plan
            )
            image[box] += inside(near, blur) * (inner - image[box])
        hu[d] = np.rint(image)
    return hu, lungs, lesions, dense & lesions


def _outside_lungs(f: np.ndarray, blur: float) -> np.ndarray:
    """Air, table, skin, fat and what lies under it; (H, W) float32."""
    image = np.full(f.shape[1:], -1000, np.float32)
    table = f[_ROW.table]
    shell = inside(np.abs(table + 1) - 1, blur)
    image += inside(table, blur) * (50 + 750 * shell)
    skin = f[_ROW.skin]
    under = FAT_HU + inside(skin + _SKIN_MM, blur + 1) * (f[_ROW.tissue] - FAT_HU)
    under += inside(-skin - 1.5, blur) * (10 - under)
    image += inside(skin, blur) * (under - image)
    return image


def _paint_gas(hu: np.ndarray, grid: Grid, patient: Patient) -> None:
    """Gas in the stomach's front and in the bowel, under the left dome."""
    spots = np.array([[66.0, -46, -108], [96, -40, -138], [20, -70, -140], [-40, -76, -150]])
    radii = [(24, 13, 19), (13, 12, 11), (19, 9, 9), (14, 8, 8)]
    for center, size in zip(patient.from_template(spots), radii, strict=True):
        paint_blob(hu, grid, Blob((center[0], center[1], center[2]), size, _GAS))


def _truth(
    settings: PhantomSettings, lungs: np.ndarray, lesions: np.ndarray, dense: np.ndarray,
    affine: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """Volumes and shares, counted; a share of nothing is None."""
    ml = voxel_volume_ml(affine)
    ill = lesions > 0
    sides = {"right": lungs == RIGHT_LUNG, "left": lungs == LEFT_LUNG, "total": lungs > 0}

    def percent(part: np.ndarray, whole: np.ndarray) -> float | None:
        size = int(np.count_nonzero(whole))
        return 100.0 * int(np.count_nonzero(part)) / size if size else None

    return {
        "note": "A procedural phantom: no substitute for real scans.",
        "settings": settings.to_dict(),
        "voxel_volume_ml": ml,
        "lungs": {k: {"volume_ml": int(np.count_nonzero(m)) * ml} for k, m in sides.items()},
        "lesions": {
            "volume_ml": int(np.count_nonzero(ill)) * ml,
            "involvement_percent": percent(ill, sides["total"]),
            "right_involvement_percent": percent(ill & sides["right"], sides["right"]),
            "left_involvement_percent": percent(ill & sides["left"], sides["left"]),
            "consolidation_percent_of_lesions": percent(dense, ill),
            "ground_glass_percent_of_lesions": percent(ill & (dense == 0), ill),
        },
    }
