"""What is in a path: every series or image, its geometry, and what `analyze` would take and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from groundglass.errors import GroundglassError, InputError, MissingExtraError
from groundglass.geometry import (
    axis_codes,
    axis_spacing_mm,
    checked_affine,
    shear_degrees,
    slice_distance_mm,
)
from groundglass.intensity import IntensityChoice, resolve_intensity
from groundglass.io.dicom import find_stacks, resolve_dicom
from groundglass.io.dicom_choice import choose_stack
from groundglass.io.dicom_pixels import decode_into
from groundglass.io.dicom_stacks import Stack
from groundglass.io.found import Found, locate, scan_id_of
from groundglass.io.limits import check_array
from groundglass.io.read import read_raw
from groundglass.volume import Finding

_SAMPLED_SLICES = 9


@dataclass(frozen=True)
class Candidate:
    """One series (or one stack of it), volume file or set of pictures.

    `orientation` has a letter for each array axis (D, H, W). `missing_mm` are positions along
    the slice normal. `intensity` is '' where it was not looked at. `fit` says whether `analyze`
    could take it, `reasons` why not.
    """

    id: str
    description: str
    modality: str
    kernel: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    spacing_is_real: bool
    orientation: str
    tilt_degrees: float
    missing_mm: tuple[float, ...]
    duplicates: int
    mixed_orientation: bool
    intensity: str
    intensity_evidence: str
    fit: bool
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Inspection:
    """`chosen` is the id of the candidate that would be analyzed, '' with `error` if none."""

    path: str
    scan_id: str
    kind: str
    candidates: tuple[Candidate, ...]
    chosen: str
    choice: str
    error: str
    ignored: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """For JSON: plain dicts, lists, strings, numbers."""
        return asdict(self)


def inspect_input(
    path: Path,
    *,
    series: str | None = None,
    intensity: IntensityChoice | None = None,
    allow_gaps: bool = False,
) -> Inspection:
    """Look at `path` as `read_scan` would with the same options.

    Input that cannot be analyzed is an answer, not an exception: see `Inspection.error`.
    """
    path = Path(path)
    try:
        with locate(path) as found:
            if found.kind == "dicom":
                return _dicom(found, path, series, intensity, allow_gaps)
            return _other(found, path, intensity)
    except (InputError, MissingExtraError) as error:
        return Inspection(str(path), scan_id_of(path), "", (), "", "", str(error), {})


def _dicom(
    found: Found,
    path: Path,
    series: str | None,
    intensity: IntensityChoice | None,
    allow_gaps: bool,
) -> Inspection:
    stacks, ignored = find_stacks(found.files)
    chosen, choice, error = "", "", ""
    candidates = {stack.id: _candidate(stack, intensity, allow_gaps) for stack in stacks}
    try:
        stack, why = choose_stack(stacks, name=found.scan_id, series=series, allow_gaps=allow_gaps)
        pixels = [reason for reason in candidates[stack.id].reasons if reason.startswith("pixels")]
        if pixels:
            error = f"series {stack.id} would be taken, but: {'; '.join(pixels)}"
        else:
            chosen, choice = stack.id, why
    except GroundglassError as caught:
        error = str(caught)
    return Inspection(
        path=str(path),
        scan_id=found.scan_id,
        kind=found.kind,
        candidates=tuple(candidates.values()),
        chosen=chosen,
        choice=choice,
        error=error,
        ignored=dict(Counter(reason for _, reason in ignored)),
    )


def _candidate(stack: Stack, intensity: IntensityChoice | None, allow_gaps: bool) -> Candidate:
    frame = stack.frames[0]
    reasons = [*stack.unwanted, *stack.broken]
    if not allow_gaps:
        reasons += [f"{finding.message} (see --allow-gaps)" for finding in stack.gaps]
    domain = evidence = ""
    findings = stack.findings
    if stack.grid is not None:
        try:
            domain, evidence, more = _sampled_intensity(stack, intensity)
            findings = (*findings, *more)
        except InputError as error:
            reasons.append(f"pixels: {error}")
    affine = stack.grid.affine if stack.grid else None
    depth = stack.grid.depth if stack.grid else len(stack.frames)
    return Candidate(
        id=stack.id,
        description=frame.description,
        modality=frame.modality,
        kernel=frame.kernel,
        shape=(depth, frame.rows, frame.columns),
        spacing_mm=() if affine is None else _spacing(affine),
        spacing_is_real=affine is not None and (depth > 1 or (frame.thickness_mm or 0) > 0),
        orientation="" if affine is None else axis_codes(affine),
        tilt_degrees=0.0 if affine is None else round(shear_degrees(affine), 2),
        missing_mm=_values(findings, "gap"),
        duplicates=sum(int(value) for value in _values(findings, "duplicate", "warning"))
        + len(_values(findings, "duplicate", "error")),
        mixed_orientation=any(finding.code == "mixed_orientation" for finding in findings),
        intensity=domain,
        intensity_evidence=evidence,
        fit=not reasons,
        reasons=tuple(reasons),
        findings=tuple(findings),
    )


def _sampled_intensity(
    stack: Stack, choice: IntensityChoice | None
) -> tuple[str, str, list[Finding]]:
    """The domain judged on a few slices spread over the stack. Raises: InputError."""
    count = min(_SAMPLED_SLICES, len(stack.frames))
    spread = np.linspace(0, len(stack.frames) - 1, count).round().astype(int)
    frames = [stack.frames[index] for index in sorted(set(spread.tolist()))]
    check_array((len(frames), frames[0].rows, frames[0].columns), 2, f"series {stack.id}")
    raw = np.empty((len(frames), frames[0].rows, frames[0].columns), np.int16)
    decode_into(raw, frames, range(len(frames)))
    _, found, findings = resolve_dicom(raw, stack, choice, name=f"series {stack.id}")
    return found.domain, f"{found.evidence} ({len(frames)} slices looked at)", findings


def _other(found: Found, path: Path, intensity: IntensityChoice | None) -> Inspection:
    raw = read_raw(found)
    reasons: list[str] = []
    domain = evidence = ""
    spacing: tuple[float, ...] = ()
    codes, tilt = "", 0.0
    try:
        affine = checked_affine(raw.affine)
        spacing, codes = _spacing(affine), axis_codes(affine)
        tilt = round(shear_degrees(affine), 2)
        _, resolved = resolve_intensity(raw.array, intensity, name=found.scan_id)
        domain, evidence = resolved.domain, resolved.evidence
    except InputError as error:
        reasons.append(str(error))
    candidate = Candidate(
        id=found.scan_id,
        description=found.files[0].name if len(found.files) == 1 else f"{len(found.files)} files",
        modality="",
        kernel="",
        shape=raw.array.shape,
        spacing_mm=spacing,
        spacing_is_real=raw.spacing_is_real,
        orientation=codes,
        tilt_degrees=tilt,
        missing_mm=(),
        duplicates=0,
        mixed_orientation=False,
        intensity=domain,
        intensity_evidence=evidence,
        fit=not reasons,
        reasons=tuple(reasons),
        findings=raw.findings,
    )
    return Inspection(
        path=str(path),
        scan_id=found.scan_id,
        kind=found.kind,
        candidates=(candidate,),
        chosen="" if reasons else candidate.id,
        choice="" if reasons else "the only scan there",
        error="; ".join(reasons),
        ignored={},
    )


def _spacing(affine: np.ndarray) -> tuple[float, float, float]:
    _, height, width = axis_spacing_mm(affine)
    step = slice_distance_mm(affine)
    return round(step, 4), round(height, 4), round(width, 4)


def _values(findings: Sequence[Finding], code: str, severity: str = "") -> tuple[float, ...]:
    return tuple(
        value
        for finding in findings
        if finding.code == code and severity in ("", finding.severity)
        for value in finding.values
    )
