"""Confounders put into a drawn chest: gravity, plates, motion, kernel, scanner.

All arrays are (D, H, W) in axial order: H runs to the back.
"""

from __future__ import annotations

import cv2
import numpy as np

from groundglass.phantom.cohort.confounders import PADDING_HU, Confounders
from groundglass.phantom.grid import Grid
from groundglass.phantom.painting import Blob, Material, paint_blob
from groundglass.phantom.patient import Patient

_BASE_MM, _FADE_MM = 0.0, 22.0
_DENSEST_HU = -150.0


def add_dependent_density(
    hu: np.ndarray, lungs: np.ndarray, grid: Grid, patient: Patient, drawn: Confounders
) -> None:
    """Dense lung along the back of the bases, as in people who have lain for a while; in place.

    It follows gravity and fades evenly, whereas lesions are patches.
    """
    if drawn.dependent_hu == 0:
        return
    d, h, w = (np.arange(n) for n in hu.shape)
    x, y, z = grid.coordinates_mm((d, h, w))
    row_mm = float(np.linalg.norm(grid.affine[:3, 1]))
    inner = lungs > 0
    depth_mm = np.flip(np.cumsum(np.flip(inner, 1), axis=1, dtype=np.float32), 1) * row_mm
    base = 1 / (1 + np.exp((z - np.float32(_BASE_MM * patient.scale[2])) / _FADE_MM))
    at = tuple(np.broadcast_arrays(x * 0.6, y * 0.6, z * 0.6))
    uneven = np.clip(1 + 0.35 * patient.large.at(*at), 0.2, 1.8)
    thick = drawn.dependent_mm * base * uneven
    share = 1 / (1 + np.exp(np.minimum((depth_mm - thick) / (0.25 * drawn.dependent_mm), 30)))
    add = drawn.dependent_hu * base * share
    room = np.clip((_DENSEST_HU - hu) / (_DENSEST_HU - drawn.lung_hu), 0, 1)
    hu += np.rint(inner * add * room).astype(np.int16)


def add_plates(
    hu: np.ndarray, lungs: np.ndarray, grid: Grid, patient: Patient, *, count: int, seed: int
) -> None:
    """Bands of collapsed lung near the bases, thin in the slice and some way high; in place."""
    rng = np.random.default_rng([seed, 4])
    painted = hu.copy()
    for _ in range(count):
        side = rng.choice((-1, 1))
        place = np.array(
            [[side * rng.uniform(45, 100), rng.uniform(-40, 65), rng.uniform(-75, -15)]]
        )
        center = patient.from_template(place)[0]
        size = (float(rng.uniform(14, 38)), float(rng.uniform(1.5, 4)), float(rng.uniform(6, 18)))
        band = Material(float(rng.uniform(-350, 0)), rule="raise")
        where = (float(center[0]), float(center[1]), float(center[2]))
        paint_blob(painted, grid, Blob(where, size, band, float(rng.uniform(-60, 60))))
    np.copyto(hu, painted, where=lungs > 0)


def add_motion(hu: np.ndarray, row_mm: float, drawn: Confounders) -> None:
    """Some slices in a row blurred from front to back, or with a second outline; in place."""
    count = len(hu)
    first = int(drawn.motion_start * count)
    last = min(count, first + max(1, round(drawn.motion_share * count)))
    reach = max(1, round(drawn.motion_mm / row_mm))
    if drawn.motion == "none":
        return
    for image in hu[first:last]:
        source = image.astype(np.float32)
        if drawn.motion == "blurred":
            kernel = np.ones((reach + 1 - reach % 2, 1), np.float32)
            moved = cv2.filter2D(source, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)
        else:
            shifted = np.concatenate([source[reach:], np.repeat(source[-1:], reach, axis=0)])
            moved = 0.6 * source + 0.4 * shifted
        image[:] = np.rint(moved)


def apply_kernel(hu: np.ndarray, drawn: Confounders) -> None:
    """The reconstruction's sharpness, in place: soft blurs, sharp raises edges."""
    if drawn.kernel == "standard":
        return
    for image in hu:
        source = image.astype(np.float32)
        soft = cv2.GaussianBlur(source, (0, 0), drawn.kernel_px)
        out = soft if drawn.kernel == "soft" else source + 0.7 * (source - soft)
        image[:] = np.rint(out)


def apply_scanner(hu: np.ndarray, drawn: Confounders) -> np.ndarray:
    """Calibration, the window stored, and what is written outside the round field of view."""
    out = np.clip(hu * drawn.gain + drawn.offset_hu, drawn.low_hu, drawn.high_hu)
    out = np.rint(out).astype(np.int16)
    if drawn.padded:
        _, height, width = hu.shape
        y, x = np.ogrid[:height, :width]
        radius = np.hypot((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5)
        out[:, radius > 0.5] = PADDING_HU
    return out
