"""Where the disease is: patches with soft, irregular edges, at the pleura and the base first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from groundglass.phantom.fields import inside
from groundglass.phantom.patient import Patient
from groundglass.phantom.settings import PhantomSettings
from groundglass.phantom.thorax import LungShape, lung_shape

PLAN_STEP_MM = 4.0
_NEVER = np.float32(-10.0)
_EDGE = 0.16


@dataclass(frozen=True)
class LesionPlan:
    """Scores above which lung is diseased, and consolidated; chosen for the shares wanted.

    Fixed on a grid of the patient alone, so that they do not depend on the scan's grid.
    `lung_points_mm` (N, 3) in the patient's mm with their `depth_mm` and `is_left` serve the
    vessels too.
    """

    threshold: float
    consolidation_threshold: float
    lung_points_mm: np.ndarray
    depth_mm: np.ndarray
    is_left: np.ndarray

    @classmethod
    def make(
        cls, patient: Patient, settings: PhantomSettings, *, step_mm: float = PLAN_STEP_MM
    ) -> LesionPlan:
        """`step_mm`: of the patient's grid; another one is another plan, if a like one."""
        axes = [np.arange(-r, r + 1, step_mm, dtype=np.float32) for r in (156, 116, 152)]
        points = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
        template = patient.to_template(points[0], points[1], points[2])
        shape = lung_shape(*template, patient)
        lung = shape.distance() < 0
        inner = LungShape(
            shape.wall[lung], shape.outer[lung], shape.middle[lung], shape.half_gap[lung]
        )
        x, y, z = points[:, lung]
        score = lesion_score((x, y, z), inner, patient)
        dense = consolidation_score((x, y, z), score, patient)
        threshold = consolidation = np.inf
        if settings.involvement > 0:
            threshold = float(np.quantile(score, 1 - settings.involvement))
            if settings.consolidation_share > 0:
                among = dense[score > threshold]
                consolidation = float(np.quantile(among, 1 - settings.consolidation_share))
        return cls(threshold, consolidation, np.stack([x, y, z], 1).astype(np.float64),
                   -inner.distance(), inner.middle > 0)  # fmt: skip


def lesion_score(
    at_mm: tuple[np.ndarray, np.ndarray, np.ndarray], shape: LungShape, patient: Patient
) -> np.ndarray:
    """How readily each point falls ill; positions in the patient's mm."""
    x, y, z = at_mm
    peripheral = np.exp(np.minimum(shape.outer, 0) / 16)
    right, left = patient.side_weight
    side = np.where(shape.middle > 0, np.float32(left), np.float32(right))
    look, k = patient.lesion, patient.lesion.patch_scale
    score = look.large * patient.large.at(x / k, y / k, z / k)
    score = score + look.small * patient.small.at(x, y, z) + look.peripheral * peripheral
    score = score + look.per_mm_to_head * z + look.per_mm_to_back * y
    return (score + side).astype(np.float32)


def consolidation_score(
    at_mm: tuple[np.ndarray, np.ndarray, np.ndarray], score: np.ndarray, patient: Patient
) -> np.ndarray:
    """How readily an ill point is consolidated: the cores, and at random."""
    x, y, z = at_mm
    noise = patient.large.at(x * 1.3 + 40, y * 1.3 - 25, z * 1.3 + 10)
    return (score + 0.45 * noise + 0.15 * patient.small.at(-x, y, -z)).astype(np.float32)


def parenchyma_hu(at_mm: tuple[np.ndarray, np.ndarray, np.ndarray], patient: Patient) -> np.ndarray:
    """Healthy lung: denser toward the back (lying patient) and the base, finely uneven."""
    x, y, z = at_mm
    look, uneven = patient.lung, patient.lung.texture_hu * patient.texture.at(x, y, z)
    slope = look.hu + look.hu_per_mm_to_back * y + look.hu_per_mm_to_head * z
    return (slope + uneven).astype(np.float32)


def ground_glass_hu(
    at_mm: tuple[np.ndarray, np.ndarray, np.ndarray], patient: Patient
) -> np.ndarray:
    """Ground glass at full strength."""
    x, y, z = at_mm
    middle = patient.lesion.ground_glass_hu
    hu = np.clip(middle + 75 * patient.density.at(x, y, z), middle - 120, middle + 200)
    return hu.astype(np.float32)


def diseased_hu(
    healthy: np.ndarray, ground_glass: np.ndarray, score: np.ndarray, dense: np.ndarray,
    plan: LesionPlan,
) -> np.ndarray:  # fmt: skip
    """HU of lung with its lesions; half strength lies on the mask's edge."""
    ill = inside(plan.threshold - score, _EDGE)
    out = healthy + ill * (ground_glass - healthy)
    solid = inside(plan.consolidation_threshold - dense, _EDGE) * ill
    firm = 18 + 0.1 * (ground_glass + 520)
    return out + solid * (firm - out)
