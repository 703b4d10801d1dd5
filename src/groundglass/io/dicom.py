"""DICOM: from files to one `Volume`, by way of frames, stacks and the choice among them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from groundglass.errors import IntensityError, UnreadableError
from groundglass.intensity import Intensity, IntensityChoice, resolve_intensity
from groundglass.io.dicom_choice import choose_stack
from groundglass.io.dicom_frames import read_frames
from groundglass.io.dicom_geometry import Grid
from groundglass.io.dicom_pixels import decode_into
from groundglass.io.dicom_stacks import Stack, build_stacks
from groundglass.volume import Finding, Source, Volume


def find_stacks(paths: Sequence[Path]) -> tuple[list[Stack], list[tuple[Path, str]]]:
    """All stacks in these files, and the files left out with the reason.

    Raises: UnreadableError where not one file is a DICOM image.
    """
    frames, ignored = read_frames(paths)
    if not frames:
        reasons = sorted({reason for _, reason in ignored})
        raise UnreadableError(
            f"none of {len(paths)} files is a DICOM image that can be read ({', '.join(reasons)})",
            expected="a folder with the slices of a CT series",
        )
    return build_stacks(frames), ignored


def read_dicom(
    paths: Sequence[Path],
    *,
    scan_id: str,
    path: str,
    series: str | None = None,
    intensity: IntensityChoice | None = None,
    allow_gaps: bool = False,
) -> Volume:
    """The best (or the named) series among these files as one volume.

    Raises: UnreadableError, SeriesError, GeometryError, IntensityError.
    """
    stacks, ignored = find_stacks(paths)
    stack, why = choose_stack(stacks, name=scan_id, series=series, allow_gaps=allow_gaps)
    extra = []
    damaged = [file for file, reason in ignored if reason.startswith("damaged")]
    if damaged:
        text = f"{len(damaged)} DICOM files have a damaged header and are left out"
        extra.append(Finding("damaged_file", "warning", text, (float(len(damaged)),)))
    return _volume(stack, why, extra, scan_id=scan_id, path=path, intensity=intensity)


def _volume(
    stack: Stack,
    why: str,
    extra: list[Finding],
    *,
    scan_id: str,
    path: str,
    intensity: IntensityChoice | None,
) -> Volume:
    grid = stack.grid
    if grid is None:
        raise UnreadableError(f"series {stack.id} in {scan_id} has no grid")
    raw, origin = _assemble(stack, grid)
    array, domain, found = resolve_dicom(raw, stack, intensity, name=scan_id)
    frame = stack.frames[0]
    findings = [_as_used(finding, grid) for finding in stack.findings] + extra + found
    single = grid.depth == 1 and not (frame.thickness_mm or 0) > 0
    source = Source(
        scan_id=scan_id,
        kind="dicom",
        path=path,
        series_uid=frame.series_uid,
        description=frame.description,
        choice=why,
        slice_uids=tuple("" if i is None else stack.frames[i].uid for i in origin),
        findings=tuple(findings),
        header=_header(stack, origin),
    )
    return Volume(array, grid.affine, domain, source, spacing_is_real=not single)


def resolve_dicom(
    raw: np.ndarray, stack: Stack, choice: IntensityChoice | None, *, name: str
) -> tuple[np.ndarray, Intensity, list[Finding]]:
    """The intensity domain: HU as the header says, unless the values contradict it.

    Raises: IntensityError.
    """
    frame = stack.frames[0]
    low, high = int(raw.min()), int(raw.max())
    trusted = frame.modality == "CT" and frame.has_rescale
    said = f"modality CT with rescale in the header; values {low} to {high}"
    asked = choice is not None and choice.kind != "auto"
    try:
        array, found = resolve_intensity(raw, choice, name=name)
    except IntensityError:
        # Little air or tissue in view (a crop, a phantom): the header stands if air is there.
        if asked or not trusted or low >= -200 or low == high:
            raise
        array, found = resolve_intensity(raw, IntensityChoice("hu"), name=name)
        return array, Intensity("hu", "header", said + "; little air or tissue in view"), []
    if asked or not trusted:
        return array, found, []
    if found.domain == "hu" and low < -100:
        return array, Intensity("hu", "header", said), []
    finding = Finding(
        "intensity_contradicts_header", "warning", f"not HU as the header says: {found.evidence}"
    )
    return array, found, [finding]


def _assemble(stack: Stack, grid: Grid) -> tuple[np.ndarray, list[int | None]]:
    """Rescaled values (D, H, W) int16 on the grid, and the frame behind each plane."""
    frames = stack.frames
    height, width = frames[0].rows, frames[0].columns
    origin: list[int | None] = [None] * grid.depth
    if not grid.is_even:
        measured = np.empty((len(frames), height, width), np.int16)
        decode_into(measured, frames, range(len(frames)))
        out = np.empty((grid.depth, height, width), np.int16)
        for plane in range(grid.depth):
            right = int(np.clip(np.searchsorted(grid.planes, plane), 1, len(frames) - 1))
            left = right - 1
            span = grid.planes[right] - grid.planes[left]
            share = (plane - grid.planes[left]) / span
            _blend(out[plane], measured[left], measured[right], share)
            nearest = left if share < 0.5 else right
            if abs(grid.planes[nearest] - plane) < 1e-3:
                origin[plane] = nearest
        return out, origin
    planes = np.rint(grid.planes).astype(int)
    out = np.empty((grid.depth, height, width), np.int16)
    decode_into(out, frames, planes.tolist())
    for index, plane in enumerate(planes.tolist()):
        origin[plane] = index
    for plane in grid.missing:
        above = int(np.searchsorted(planes, plane))
        left, right = int(planes[above - 1]), int(planes[above])
        _blend(out[plane], out[left], out[right], (plane - left) / (right - left))
    return out, origin


def _blend(target: np.ndarray, one: np.ndarray, two: np.ndarray, share: float) -> None:
    target[...] = np.rint(one * np.float32(1 - share) + two * np.float32(share))


def _as_used(finding: Finding, grid: Grid) -> Finding:
    """What was an error until the user allowed gaps is now a warning that says what was done."""
    if finding.severity != "error":
        return finding
    done = (
        "; filled in by linear interpolation"
        if grid.is_even
        else "; all slices resampled linearly on even steps"
    )
    return Finding(finding.code, "warning", finding.message + done, finding.values)


def _header(stack: Stack, origin: list[int | None]) -> dict[str, Any]:
    """For DICOM output: file, frame and position behind each slice, and the first one's header."""
    frames = stack.frames
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the same file's oddities were met in the header pass
        dataset = pydicom.dcmread(frames[0].path, stop_before_pixels=True, force=True)
    return {
        "paths": tuple("" if i is None else str(frames[i].path) for i in origin),
        "frames": tuple(0 if i is None else frames[i].index for i in origin),
        "positions": tuple(None if i is None else frames[i].position for i in origin),
        "orientation": frames[0].orientation,
        "pixel_spacing": frames[0].spacing,
        "slice_thickness_mm": frames[0].thickness_mm,
        "dataset": dataset,
    }
