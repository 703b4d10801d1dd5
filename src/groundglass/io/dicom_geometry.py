"""From slice positions to a grid: spacing, gaps, uneven steps, tilt; nothing is guessed.

Positions are projected on the slice normal. The spacing comes from them alone: SliceThickness
and SpacingBetweenSlices say how thick a slice is, not how far the next one lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from groundglass.geometry import shear_degrees
from groundglass.io.dicom_frames import Frame
from groundglass.io.limits import LIMITS
from groundglass.volume import Finding

SAME_PLACE_MM = 0.01
"""Slices closer than this along the normal are at one position."""
_ROUNDING_MM = 0.06
"""Headers round positions, often to 0.1 mm: a slice may be off by half of that."""
_EVEN_SHARE = 0.02
_NEARLY_EVEN_SHARE = 0.1
_TILT_DEGREES = 0.1
_FEW_SLICES = 10
_LISTED = 12


@dataclass(frozen=True)
class Grid:
    """Where the frames of a stack (sorted) lie on a regular grid.

    `affine` maps index (d, h, w) to LPS mm; `planes[i]` is the plane of frame i, as a whole
    number where the frame lies on a plane, and `missing` the planes without a frame. Where
    `is_even` is False, planes are fractions and slices must be resampled.
    """

    affine: np.ndarray
    depth: int
    planes: np.ndarray
    missing: tuple[int, ...]
    is_even: bool
    findings: tuple[Finding, ...]

    @property
    def needs_allow_gaps(self) -> tuple[Finding, ...]:
        """What stands against using this grid unless the user insists."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def slice_normal(orientation: Sequence[float]) -> np.ndarray:
    """Unit normal of a plane with these six direction cosines."""
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / max(float(np.linalg.norm(normal)), 1e-12)


def is_orthonormal(orientation: Sequence[float]) -> bool:
    """Whether the six cosines are two unit vectors at a right angle (to 1 %)."""
    row, column = np.asarray(orientation[:3]), np.asarray(orientation[3:])
    return bool(
        abs(row @ row - 1) < 0.02 and abs(column @ column - 1) < 0.02 and abs(row @ column) < 0.01
    )


def distances_mm(frames: Sequence[Frame]) -> np.ndarray:
    """Projection of each frame's position on the normal of the first, in mm."""
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    return positions @ slice_normal(frames[0].orientation or ())


def fit_grid(frames: Sequence[Frame]) -> Grid | str:
    """The grid of frames sorted along the normal, no two at one position.

    Returns a sentence instead where the slices cannot make a volume at all.
    """
    if len(frames) == 1:
        return _single(frames[0])
    place = distances_mm(frames)
    steps = np.diff(place)
    nominal = float(np.median(steps))
    spanned = float(place[-1] - place[0]) / nominal
    if spanned > LIMITS.planes:
        return (
            f"slices span {spanned:.0f} times their usual step of {nominal:.3g} mm, more than the "
            f"{LIMITS.planes} a body can have"
        )
    counts = np.maximum(1, np.rint(steps / nominal)).astype(int)
    planes = np.concatenate([[0], np.cumsum(counts)])
    slope, start = np.polyfit(planes, place, 1)
    residual = float(np.abs(place - (start + slope * planes)).max())
    nearly = residual <= max(_NEARLY_EVEN_SHARE * slope, _ROUNDING_MM)
    # Truly uneven slices lie between planes: fractions of the median step.
    along = planes.astype(float) if nearly else (place - place[0]) / nominal
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    design = np.stack([along, np.ones_like(along)], axis=1)
    (step, origin), *_ = np.linalg.lstsq(design, positions, rcond=None)
    step, origin = np.round(step, 9), np.round(origin, 9)  # without the noise of the fit
    off = positions - design @ np.stack([step, origin])
    normal = slice_normal(frames[0].orientation or ())
    sideways = float(np.linalg.norm(off - np.outer(off @ normal, normal), axis=1).max())
    row_mm, column_mm = frames[0].spacing or (1.0, 1.0)
    if sideways > max(0.5 * min(row_mm, column_mm), _ROUNDING_MM * 2):
        return f"slices are shifted sideways by up to {sideways:.1f} mm against a straight stack"
    affine = _affine(frames[0], step, origin)
    findings = _shape_findings(affine, len(frames))
    if not nearly:
        findings.append(_uneven(steps, nominal, "error"))
        depth = int(np.floor(along[-1] + 1e-6)) + 1
        return Grid(affine, depth, along, (), False, tuple(findings))
    if residual > max(_EVEN_SHARE * slope, _ROUNDING_MM):
        findings.append(_uneven(steps, nominal, "warning"))
    depth = int(planes[-1]) + 1
    missing = tuple(sorted(set(range(depth)) - set(planes.tolist())))
    if missing:
        findings.append(_gap(frames, place, planes, missing, float(slope)))
    return Grid(affine, depth, along, missing, True, tuple(findings))


def _single(frame: Frame) -> Grid:
    thickness = frame.thickness_mm or 0.0
    step = slice_normal(frame.orientation or ()) * (thickness if thickness > 0 else 1.0)
    origin = np.asarray(frame.position, dtype=np.float64)
    said = f"SliceThickness {thickness:g} mm is used" if thickness > 0 else "1 mm is assumed"
    finding = Finding(
        "single_slice", "warning", f"one slice only: slice distance unknown, {said}", (thickness,)
    )
    return Grid(_affine(frame, step, origin), 1, np.zeros(1), (), True, (finding,))


def _affine(frame: Frame, step: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """Index (d, h, w) to LPS mm. h runs down the rows' side, w along a row."""
    row_mm, column_mm = frame.spacing or (1.0, 1.0)
    orientation = np.asarray(frame.orientation, dtype=np.float64)
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = orientation[3:] * row_mm
    affine[:3, 2] = orientation[:3] * column_mm
    affine[:3, 3] = origin
    return affine


def _shape_findings(affine: np.ndarray, count: int) -> list[Finding]:
    findings = []
    tilt = shear_degrees(affine)
    if tilt > _TILT_DEGREES:
        findings.append(
            Finding(
                "tilt",
                "warning",
                f"slices are sheared by {tilt:.1f} degrees against their normal (gantry tilt); "
                "volumes use the distance along the normal",
                (tilt,),
            )
        )
    if count < _FEW_SLICES:
        findings.append(Finding("few_slices", "warning", f"only {count} slices", (float(count),)))
    return findings


def _uneven(steps: np.ndarray, nominal: float, severity: str) -> Finding:
    low, high = float(steps.min()), float(steps.max())
    text = f"slice steps vary from {low:.3g} to {high:.3g} mm (median {nominal:.3g} mm)"
    if severity == "warning":
        text += "; the mean step is used, slices unchanged"
    return Finding("uneven_spacing", severity, text, (low, high, nominal))


def _gap(
    frames: Sequence[Frame],
    place: np.ndarray,
    planes: np.ndarray,
    missing: tuple[int, ...],
    spacing_mm: float,
) -> Finding:
    """One finding for all missing slices; `values` are their positions along the normal."""
    at_mm = tuple(round(float(place[0] + spacing_mm * plane), 4) for plane in missing)
    between = []
    for index in np.flatnonzero(np.diff(planes) > 1).tolist():
        before, after = frames[index].instance, frames[index + 1].instance
        between.append(f"{'?' if before is None else before} and {'?' if after is None else after}")
    listed = ", ".join(f"{value:.1f}" for value in at_mm[:_LISTED])
    more = f" and {len(at_mm) - _LISTED} more" if len(at_mm) > _LISTED else ""
    holes = "; ".join(between[:_LISTED])
    text = (
        f"{len(missing)} missing slices at {listed}{more} mm along the slice normal, "
        f"between instances {holes} (spacing {spacing_mm:.3g} mm)"
    )
    return Finding("gap", "error", text, at_mm)
