"""Checks that tell a reader whether the numbers can be trusted."""

from __future__ import annotations

from typing import Literal

import numpy as np

from groundglass.findings import (
    EdgeCheck,
    GapCheck,
    IntensityCheck,
    LungVolumeCheck,
    Quality,
    TiltCheck,
)
from groundglass.geometry import shear_degrees
from groundglass.intensity import AIR_HU
from groundglass.measurement.settings import MeasureSettings
from groundglass.volume import Volume

Face = Literal["head", "feet", "front", "back", "right", "left"]

_SLICE_CODES = ("gap", "uneven_spacing", "shifted_slices")
_EIGHT_BIT = "8-bit intensities: densities in HU are not known and were not checked."


def check_quality(
    volume: Volume,
    axial_lungs: np.ndarray,
    *,
    lungs_ml: float | None,
    aerated_histogram: np.ndarray | None,
    settings: MeasureSettings,
) -> Quality:
    """All checks. `axial_lungs` (D, H, W) has D to the head; the histogram starts at AIR_HU."""
    return Quality(
        lung_volume=_check_volume(lungs_ml, settings.plausible_lungs_ml),
        edge=_check_edge(axial_lungs),
        gaps=_check_gaps(volume),
        tilt=_check_tilt(volume, settings.tilt_degrees),
        intensities=_check_intensities(aerated_histogram, settings),
    )


def _check_volume(lungs_ml: float | None, limits: tuple[float, float]) -> LungVolumeCheck:
    low, high = limits
    span = f"{low:.0f} to {high:.0f} ml"
    if lungs_ml is None:
        text = "No physical units, so the lung volume is not known and was not checked."
        return LungVolumeCheck(flag=False, text=text, range_ml=limits)
    flag = not low <= lungs_ml <= high
    verdict = "outside" if flag else "within"
    text = f"Lung volume {lungs_ml:.0f} ml, {verdict} the plausible {span} of an adult."
    if flag:
        text += " Lungs cut off, a wrong mask or wrong spacing are possible."
    return LungVolumeCheck(flag=flag, text=text, range_ml=limits)


def touched_faces(axial_lungs: np.ndarray) -> list[Face]:
    """Faces of the scan that hold lung voxels. Shape: (D, H, W), D to the head."""
    planes: dict[Face, np.ndarray] = {
        "head": axial_lungs[-1],
        "feet": axial_lungs[0],
        "front": axial_lungs[:, 0],
        "back": axial_lungs[:, -1],
        "right": axial_lungs[:, :, 0],
        "left": axial_lungs[:, :, -1],
    }
    return [name for name, plane in planes.items() if plane.any()]


def _check_edge(axial_lungs: np.ndarray) -> EdgeCheck:
    faces = touched_faces(axial_lungs)
    if not faces:
        return EdgeCheck(flag=False, text="The lungs lie wholly inside the scan.", faces=[])
    text = (
        f"The lungs reach the edge of the scan ({', '.join(faces)}): what lies beyond is "
        "missing from volumes and shares."
    )
    return EdgeCheck(flag=True, text=text, faces=faces)


def _check_gaps(volume: Volume) -> GapCheck:
    found = [f for f in volume.source.findings if f.code in _SLICE_CODES]
    if not found:
        return GapCheck(flag=False, text="No missing or unevenly spaced slices.", count=0)
    return GapCheck(
        flag=True,
        text=" ".join(f.message for f in found),
        count=sum(max(1, len(f.values)) for f in found),
    )


def _check_tilt(volume: Volume, limit: float) -> TiltCheck:
    degrees = round(shear_degrees(volume.affine), 2) + 0.0
    if degrees < limit:
        return TiltCheck(flag=False, text="No gantry tilt.", degrees=degrees)
    text = (
        f"Gantry tilt of {degrees:.1f} degrees: measured on the native slices with the true "
        "slice distance; coronal and sagittal views look sheared."
    )
    return TiltCheck(flag=True, text=text, degrees=degrees)


def _check_intensities(histogram: np.ndarray | None, settings: MeasureSettings) -> IntensityCheck:
    if histogram is None:
        return IntensityCheck(flag=False, text=_EIGHT_BIT, aerated_lung_median_hu=None)
    total = int(histogram.sum())
    if total == 0:
        text = "The lungs are marked as lesion throughout: no aerated lung to check."
        return IntensityCheck(flag=True, text=text, aerated_lung_median_hu=None)
    median = AIR_HU + int(np.searchsorted(np.cumsum(histogram), (total + 1) // 2))
    padding = 100.0 * float(histogram[0]) / total
    low, high = settings.plausible_aerated_median_hu
    problems = []
    if not low <= median <= high:
        problems.append(f"its median {median} HU is outside {low:.0f} to {high:.0f}")
    if padding > settings.most_padding_percent:
        problems.append(f"{padding:.0f} % of it is at the lowest value, {AIR_HU} HU")
    if problems:
        text = "The lung outside lesions looks unusual: " + "; ".join(problems) + "."
    else:
        text = f"The lung outside lesions has a median of {median} HU, as expected."
    return IntensityCheck(flag=bool(problems), text=text, aerated_lung_median_hu=float(median))
