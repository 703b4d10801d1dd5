"""From frames to stacks: each a set of slices that belong to one volume, or says why it is none.

A series may hold a scout, a stray plane, slices sent twice or several passes over the patient.
It is taken apart by orientation, matrix, pixel spacing and scout mark, then by what tells the
passes apart where slices lie on each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from groundglass.errors import UnreadableError
from groundglass.io.dicom_frames import Frame
from groundglass.io.dicom_geometry import (
    SAME_PLACE_MM,
    Grid,
    distances_mm,
    fit_grid,
    is_orthonormal,
)
from groundglass.io.dicom_pixels import stored_values
from groundglass.volume import Finding

_COSINE_NOISE = 5e-3
_SPLITTERS: tuple[tuple[str, Callable[[Frame], object]], ...] = (
    ("AcquisitionNumber", lambda frame: frame.acquisition),
    ("ImageType", lambda frame: frame.image_type),
    ("TemporalPosition", lambda frame: frame.temporal),
    ("ConvolutionKernel", lambda frame: frame.kernel),
    ("SliceThickness", lambda frame: frame.thickness_mm),
    ("AcquisitionTime", lambda frame: frame.time),
)


@dataclass(frozen=True)
class Stack:
    """Frames sorted along their normal, with the grid they lie on.

    `part` counts the stacks of one series from 1, 0 where there is only one. `broken` says why
    no volume can be made; `unwanted` why it is not taken unless the user names the series.
    """

    frames: tuple[Frame, ...]
    grid: Grid | None
    part: int = 0
    broken: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def id(self) -> str:
        uid = self.frames[0].series_uid
        return f"{uid}#{self.part}" if self.part else uid

    @property
    def gaps(self) -> tuple[Finding, ...]:
        return self.grid.needs_allow_gaps if self.grid else ()


def build_stacks(frames: Sequence[Frame]) -> list[Stack]:
    """All stacks in `frames`, those of one series together and numbered."""
    series: dict[str, list[Frame]] = defaultdict(list)
    for frame in frames:
        series[frame.series_uid].append(frame)
    out: list[Stack] = []
    for members in series.values():
        groups = _groups(members)
        stacks = [stack for group in groups for stack in _stacks_of(group)]
        stacks = [_with_strays(stack, len(members), groups) for stack in stacks]
        stacks.sort(key=lambda stack: -len(stack.frames))
        numbered = len(stacks) > 1
        out += [replace(stack, part=i + 1 if numbered else 0) for i, stack in enumerate(stacks)]
    return out


def _is_localizer(frame: Frame) -> bool:
    return any(word in ("LOCALIZER", "SCOUT", "TOPOGRAM") for word in frame.image_type)


def _groups(frames: list[Frame]) -> list[list[Frame]]:
    """Frames that can share a volume: same plane direction, matrix, spacing, kind."""
    groups: list[list[Frame]] = []
    for frame in frames:
        for group in groups:
            if _alike(group[0], frame):
                group.append(frame)
                break
        else:
            groups.append([frame])
    return groups


def _alike(one: Frame, two: Frame) -> bool:
    if (one.rows, one.columns, one.modality) != (two.rows, two.columns, two.modality):
        return False
    if _is_localizer(one) != _is_localizer(two) or (one.position is None) != (two.position is None):
        return False
    if one.encoding.samples != two.encoding.samples:
        return False
    return _near(one.orientation, two.orientation, _COSINE_NOISE) and _near(
        one.spacing, two.spacing, 1e-3
    )


def _near(one: Sequence[float] | None, two: Sequence[float] | None, tolerance: float) -> bool:
    if one is None or two is None:
        return one is two
    return max(abs(a - b) for a, b in zip(one, two, strict=True)) <= tolerance


def _with_strays(stack: Stack, total: int, groups: list[list[Frame]]) -> Stack:
    """Say on every stack of a mixed series that it holds other planes, or a scout."""
    others = [group for group in groups if not _alike(group[0], stack.frames[0])]
    if not others or _is_localizer(stack.frames[0]):
        return stack
    findings = list(stack.findings)
    scouts = sum(len(group) for group in others if _is_localizer(group[0]))
    strays = sum(len(group) for group in others) - scouts
    if scouts:
        text = f"{scouts} scout images of the same series left out"
        findings.append(Finding("localizer", "info", text, (float(scouts),)))
    if strays:
        text = (
            f"{strays} of {total} images of the series have another orientation, matrix or "
            "pixel spacing and are left out"
        )
        findings.append(Finding("mixed_orientation", "warning", text, (float(strays),)))
    return replace(stack, findings=tuple(findings))


def _stacks_of(group: list[Frame]) -> list[Stack]:
    """The stacks of frames that are alike: one, or several where passes lie on each other."""
    unwanted = _unwanted(group[0])
    broken = _broken(group[0])
    if broken:
        return [Stack(tuple(group), None, broken=broken, unwanted=unwanted)]
    place = distances_mm(group)
    order = np.lexsort((np.array([frame.instance or 0 for frame in group]), place))
    frames = [group[i] for i in order]
    findings: list[Finding] = []
    doubled = sum(len(same) - 1 for same in _places(frames))
    parts = _split(frames) if 2 * doubled >= len(frames) - doubled else None
    if doubled and parts is None:
        frames, dropped = _drop_copies(frames)
        if dropped:
            text = f"{dropped} slices are there twice with identical pixels; one of each is used"
            findings.append(Finding("duplicate", "warning", text, (float(dropped),)))
        if any(len(same) > 1 for same in _places(frames)):
            parts = _split(frames)
            if parts is None:
                return [_conflict(frames, findings, unwanted)]
    if parts is None:
        return [_stack(frames, findings, unwanted)]
    finding = _split_finding(*parts)
    pieces = parts[1]
    return [_stack(piece, [*findings, finding], unwanted) for piece in pieces]


def _split_finding(name: str, pieces: list[list[Frame]]) -> Finding:
    """Passes over the same range are harmless; stations along the body each miss a part."""
    text = f"series holds {len(pieces)} stacks, told apart by {name}"
    spans = [distances_mm([piece[0], piece[-1]]) for piece in pieces]
    union = max(span[1] for span in spans) - min(span[0] for span in spans)
    if min(span[1] - span[0] for span in spans) < 0.8 * union:
        text += "; not all cover the same range, so one alone may miss a part of the lungs"
        return Finding("split", "warning", text, (float(len(pieces)),))
    return Finding("split", "info", text, (float(len(pieces)),))


def _stack(frames: list[Frame], findings: list[Finding], unwanted: tuple[str, ...]) -> Stack:
    grid = fit_grid(frames)
    findings = list(findings)
    if any(frame.encoding.lossy for frame in frames):
        findings.append(Finding("lossy", "warning", "pixels were compressed with losses"))
    if isinstance(grid, str):
        finding = Finding("shifted_slices", "error", grid)
        return Stack(
            tuple(frames), None, broken=(grid,), unwanted=unwanted, findings=(*findings, finding)
        )
    findings += grid.findings
    return Stack(tuple(frames), grid, unwanted=unwanted, findings=tuple(findings))


def _places(frames: list[Frame]) -> list[list[Frame]]:
    """Sorted frames, those at one position together."""
    place = distances_mm(frames)
    out: list[list[Frame]] = [[frames[0]]]
    for index in range(1, len(frames)):
        if place[index] - place[index - 1] < SAME_PLACE_MM:
            out[-1].append(frames[index])
        else:
            out.append([frames[index]])
    return out


def _drop_copies(frames: list[Frame]) -> tuple[list[Frame], int]:
    kept: list[Frame] = []
    for same in _places(frames):
        unique: list[tuple[Frame, np.ndarray | None]] = []
        for frame in same:
            pixels = _pixels_or_none(frame) if len(same) > 1 else None
            known = any(
                pixels is not None and other is not None and np.array_equal(pixels, other)
                for _, other in unique
            )
            if not known:
                unique.append((frame, pixels))
        kept += [frame for frame, _ in unique]
    return kept, len(frames) - len(kept)


def _pixels_or_none(frame: Frame) -> np.ndarray | None:
    try:
        return stored_values(frame) * frame.slope + frame.intercept
    except UnreadableError:  # reading the stack will say so; here it is only no copy of anything
        return None


def _split(frames: list[Frame]) -> tuple[str, list[list[Frame]]] | None:
    """Frames by the first attribute that yields stacks without doubles or gaps, or None."""
    for name, value_of in _SPLITTERS:
        parts: dict[object, list[Frame]] = defaultdict(list)
        for frame in frames:
            parts[value_of(frame)].append(frame)
        if len(parts) > 1 and all(_is_complete(part) for part in parts.values()):
            return name, list(parts.values())
    return None


def _is_complete(frames: list[Frame]) -> bool:
    if any(len(same) > 1 for same in _places(frames)):
        return False
    grid = fit_grid(frames)
    return not isinstance(grid, str) and not grid.needs_allow_gaps


def _conflict(frames: list[Frame], findings: list[Finding], unwanted: tuple[str, ...]) -> Stack:
    normal_mm = [
        float(distances_mm(frames[:1] + same[:1])[1]) for same in _places(frames) if len(same) > 1
    ]
    listed = ", ".join(f"{value:.1f}" for value in normal_mm[:12])
    text = (
        f"{len(normal_mm)} positions hold several slices with different pixels (at {listed} mm), "
        "and no attribute tells them apart"
    )
    finding = Finding("duplicate", "error", text, tuple(normal_mm))
    return Stack(
        tuple(frames), None, broken=(text,), unwanted=unwanted, findings=(*findings, finding)
    )


def _unwanted(frame: Frame) -> tuple[str, ...]:
    reasons = []
    if frame.modality != "CT":
        reasons.append(f"modality is {frame.modality or 'not given'}, not CT")
    if _is_localizer(frame):
        reasons.append("it is a scout (localizer)")
    return tuple(reasons)


def _broken(frame: Frame) -> tuple[str, ...]:
    reasons = []
    if frame.encoding.samples != 1:
        reasons.append("its images are in color")
    if frame.has_lut:
        reasons.append("its values go through a modality lookup table")
    if frame.position is None or frame.orientation is None:
        reasons.append("its images have no position or orientation")
    elif not is_orthonormal(frame.orientation):
        reasons.append("its orientation is not two perpendicular unit vectors")
    if frame.spacing is None or min(frame.spacing) <= 0:
        reasons.append("its images have no pixel spacing")
    return tuple(reasons)
