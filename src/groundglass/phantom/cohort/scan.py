"""`make_cohort_scan`: one scan of a cohort with its mask and the truth about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from groundglass.phantom.chest import draw_chest
from groundglass.phantom.cohort.artifacts import (
    add_dependent_density,
    add_motion,
    add_plates,
    apply_kernel,
    apply_scanner,
)
from groundglass.phantom.cohort.plan import ScanPlan
from groundglass.phantom.cohort.settings import (
    CLASSES,
    EDGE_PERCENT,
    EDGE_WIDTH_PERCENT,
    CohortSettings,
    grade_of,
)
from groundglass.phantom.grid import Grid, make_grid
from groundglass.phantom.lesions import LesionPlan
from groundglass.phantom.looks import LungLook
from groundglass.phantom.noise import add_noise
from groundglass.phantom.patient import Patient
from groundglass.phantom.settings import PhantomSettings

_LUNGS_MM, _MIDDLE_MM = 262.0, -15.0
"""Height of the lungs, and where its middle lies, in the template."""
_HALF_BODY_MM = 172.0
_ONE_SIDED = 0.9
_PLAN_STEP_MM = 5.0


@dataclass(frozen=True)
class CohortScan:
    """Shape: `hu` (D, H, W) int16, axial; `lungs` uint8 (1 right, 2 left, with their lesions),
    `lesions` uint8 0/1; `affine` (4, 4) index to LPS mm. `truth` is one line of the truth table.
    """

    plan: ScanPlan
    hu: np.ndarray
    lungs: np.ndarray
    lesions: np.ndarray
    affine: np.ndarray
    truth: dict[str, Any]

    @property
    def label(self) -> str:
        """The grade that is written, right or wrong."""
        return self.truth["label_grade"]

    @property
    def has_mask(self) -> bool:
        return bool(self.truth["mask"])


def make_cohort_scan(settings: CohortSettings, number: int) -> CohortScan:
    """Make scan `number` of a cohort alone: the same settings give the same voxels.

    Involvement is counted in the painted masks, on the scan's own grid.
    """
    plan = ScanPlan.draw(settings, number)
    drawn = plan.confounders
    patient = _patient(plan)
    grid, world, lesion_settings = _grid(settings, plan, patient)
    chest = draw_chest(
        grid, patient, LesionPlan.make(patient, lesion_settings, step_mm=_PLAN_STEP_MM)
    )
    hu = chest.hu
    add_dependent_density(hu, chest.lungs, grid, patient, drawn)
    add_plates(hu, chest.lungs, grid, patient, count=drawn.plates, seed=plan.patient_seed)
    add_motion(hu, float(np.linalg.norm(grid.affine[:3, 1])), drawn)
    apply_kernel(hu, drawn)
    add_noise(hu, drawn.noise_hu, seed=plan.patient_seed, grain_px=drawn.grain_px)
    truth = _truth(settings, plan, chest.lungs, chest.lesions, chest.dense)
    hu = apply_scanner(hu, drawn)
    return CohortScan(plan, hu, chest.lungs, chest.lesions, world, truth)


def _patient(plan: ScanPlan) -> Patient:
    """The person of the seed, in the drawn size and with the drawn looks."""
    person, drawn = Patient.of_seed(plan.patient_seed), plan.confounders
    sx, sy, sz = (drawn.body_scale * s for s in person.scale)
    right, left = person.side_weight
    lean = _ONE_SIDED * plan.disease.one_sided
    return replace(
        person,
        scale=(sx, sy, sz),
        fat_mm=drawn.fat_mm,
        side_weight=(right - lean, left + lean),
        lung=LungLook(
            hu=drawn.lung_hu,
            hu_per_mm_to_back=drawn.gravity_hu_per_mm,
            vessel_share=drawn.vessel_share,
        ),
        lesion=plan.disease.look,
    )


def _grid(
    settings: CohortSettings, plan: ScanPlan, patient: Patient
) -> tuple[Grid, np.ndarray, PhantomSettings]:
    """The scan's grid in the body, its affine as written, and the settings of its lesions."""
    drawn, (sx, _, sz) = plan.confounders, patient.scale
    pixel_mm = 2 * sx * (_HALF_BODY_MM + patient.fat_mm - 12) * drawn.view / settings.size
    slice_mm = _LUNGS_MM * sz * drawn.coverage / drawn.slices
    phantom = PhantomSettings(
        shape=(drawn.slices, settings.size, settings.size),
        spacing_mm=(round(slice_mm, 3), round(pixel_mm, 4), round(pixel_mm, 4)),
        seed=plan.patient_seed,
        involvement=plan.disease.involvement,
        consolidation_share=plan.disease.consolidation_share,
        noise_hu=drawn.noise_hu,
    )
    centered, _, world = make_grid(phantom)
    shift = np.zeros((4, 4))
    shift[:3, 3] = (drawn.shift_x_mm, drawn.shift_y_mm, drawn.shift_z_mm + _MIDDLE_MM * sz + 5)
    return Grid(centered.shape, centered.affine + shift), world + shift, phantom


def _truth(
    settings: CohortSettings, plan: ScanPlan, lungs: np.ndarray, lesions: np.ndarray,
    dense: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """One line of the truth table: what was painted, what is written, what else was drawn."""
    ill, lung = int(np.count_nonzero(lesions)), int(np.count_nonzero(lungs))
    percent = 100.0 * ill / lung
    grade = grade_of(percent)
    chance = flip_chance(percent, settings.edge_flips)
    flipped = plan.flip_draw < chance
    label = {"CT-1": "CT-2", "CT-2": "CT-1"}[grade] if flipped else grade
    disease = plan.disease
    return {
        "scan": plan.name,
        "number": plan.number,
        "involvement_percent": percent,
        "painted_grade": grade,
        "painted_class": CLASSES[grade],
        "label_grade": label,
        "label_class": CLASSES[label],
        "flipped": int(flipped),
        "flip_chance": round(chance, 6),
        "mask": int(has_mask(settings, plan, label)),
        "lung_voxels": lung,
        "lesion_voxels": ill,
        "consolidation_percent": 100.0 * int(np.count_nonzero(dense)) / ill if ill else 0.0,
        "aimed_percent": 100.0 * disease.involvement,
        "lesion_kind": disease.kind if ill else "",
        "one_sided": disease.one_sided if ill else 0,
        "patient_seed": plan.patient_seed,
        **{
            name: int(value) if isinstance(value, bool) else value
            for name, value in asdict(plan.confounders).items()
        },
    }


def flip_chance(involvement_percent: float, edge_flips: float) -> float:
    """Chance of the label on the other side of 25 %; 0 where that is not the neighboring grade."""
    if grade_of(involvement_percent) not in ("CT-1", "CT-2"):
        return 0.0
    away = abs(involvement_percent - EDGE_PERCENT)
    return float(edge_flips * np.exp(-away / EDGE_WIDTH_PERCENT))


def has_mask(settings: CohortSettings, plan: ScanPlan, label: str) -> bool:
    """Whether the lesion mask is written: of every scan, or of a share of those labeled CT-1."""
    if settings.masks == "all":
        return True
    return label == "CT-1" and plan.place < settings.masks
