"""Is it plausible? What a reader should know about a pair of lungs, and how much air was missed."""

from __future__ import annotations

import numpy as np

from groundglass.labels import LEFT_LUNG, RIGHT_LUNG

_SMALL_SHARE = 0.35
_SPECK_ML = 20.0
_CUT_AREA_MM2 = 1500.0
_MOST_ML = 9500.0


def lung_notes(
    labels: np.ndarray,
    spacing_mm: tuple[float, float, float],
    *,
    parted_mm: float | None,
    dropped_ml: float = 0.0,
) -> tuple[str, ...]:
    """Sentences on what is unusual; empty for two plausible, whole, separate lungs.

    Shape: `labels` (D, H, W) with 1 right, 2 left, axial order. `parted_mm` is the erosion that
    separated touching lungs (0: not needed, None: one lung).
    """
    voxel_ml = float(np.prod(spacing_mm)) / 1000.0
    right_ml, left_ml = (
        int(np.count_nonzero(labels == side)) * voxel_ml for side in (RIGHT_LUNG, LEFT_LUNG)
    )
    notes = []
    if min(right_ml, left_ml) == 0:
        side = "right" if right_ml else "left"
        notes.append(
            f"Only one lung was found, the {side} one ({max(right_ml, left_ml):.0f} ml); its side "
            "is judged from its place in the field of view."
        )
    elif min(right_ml, left_ml) < _SMALL_SHARE * max(right_ml, left_ml):
        side = "right" if right_ml < left_ml else "left"
        share = min(right_ml, left_ml) / max(right_ml, left_ml)
        notes.append(f"The {side} lung has only {share:.0%} of the other lung's volume.")
    if parted_mm:
        notes.append(f"The lungs touched and were parted at their waist ({parted_mm:.1f} mm deep).")
    if dropped_ml >= _SPECK_ML:
        notes.append(f"{dropped_ml:.0f} ml apart from the lungs were taken out of the mask.")
    if right_ml + left_ml > _MOST_ML:
        notes.append(f"The lungs measure {right_ml + left_ml:.0f} ml, more than lungs hold.")
    notes += _cut_off(labels, spacing_mm)
    return tuple(notes)


def lungs_cross_check(labels: np.ndarray, threshold_mask: np.ndarray) -> float:
    """Share of the aerated lung found by threshold that the labels miss, 0 to 1.

    Shape: both (D, H, W), the second from `threshold_lungs` (HU scans only). 0 where the
    threshold found nothing: then it says nothing. A few per cent are outline; above 0.1 look.
    """
    aerated = int(threshold_mask.sum())
    if aerated == 0:
        return 0.0
    return float((threshold_mask & (labels == 0)).sum()) / aerated


def _cut_off(labels: np.ndarray, spacing_mm: tuple[float, float, float]) -> list[str]:
    """Which faces of the scan cut through a lung."""
    d, h, w = spacing_mm
    faces = {
        "the lowest slice": (labels[0], h * w),
        "the highest slice": (labels[-1], h * w),
        "the front edge": (labels[:, 0], d * w),
        "the back edge": (labels[:, -1], d * w),
        "the patient's right edge": (labels[:, :, 0], d * h),
        "the patient's left edge": (labels[:, :, -1], d * h),
    }
    cut = [name for name, (face, mm2) in faces.items() if (face > 0).sum() * mm2 > _CUT_AREA_MM2]
    return [f"The lungs are cut off at {' and '.join(cut)} of the scan."] if cut else []
