"""Which stack of slices is taken, and why.

Among those that can be analyzed the order is: axial before other planes; original before
reformatted; not named after another body part; most of the body covered (within a fifth);
without gaps; at most 3 mm from slice to slice; a soft kernel before a sharp one (sharp kernels
raise noise and overshoot at edges, which moves HU); the most slices; the UID, so that the
answer never depends on file order. What the user names is taken as named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from groundglass.errors import GeometryError, SeriesError
from groundglass.geometry import slice_distance_mm
from groundglass.io.dicom_geometry import slice_normal
from groundglass.io.dicom_stacks import Stack

_THIN_MM = 3.05
_SOFT = re.compile(r"STANDARD|SOFT|STND|^FC0|^FC1|^[ABC]$|BODY", re.I)
_SHARP = re.compile(r"LUNG|BONE|EDGE|DETAIL|SHARP|^FC[3-9]|^[DEL]$|^Y", re.I)
_SIEMENS = re.compile(r"^[A-Z]{1,2}(\d\d)", re.I)
_ELSEWHERE = re.compile(r"HEAD|BRAIN|SKULL|NECK|ABDOM|PELVIS|KNEE|FOOT|HAND|HIP|LEG|SPINE", re.I)
_DERIVED = frozenset(("DERIVED", "SECONDARY", "REFORMATTED", "MPR", "MIP", "MINIP"))
_CHEST = re.compile(r"CHEST|THORAX|LUNG|THOR", re.I)


def kernel_kind(kernel: str) -> str:
    """'soft', 'sharp' or 'unknown' from ConvolutionKernel, for the usual makers' names."""
    name = kernel.strip()
    numbered = _SIEMENS.match(name)
    if numbered and not name.upper().startswith("FC"):
        return "soft" if int(numbered[1]) < 50 else "sharp"
    if _SHARP.search(name):
        return "sharp"
    return "soft" if _SOFT.search(name) else "unknown"


def choose_stack(
    stacks: Sequence[Stack], *, name: str, series: str | None = None, allow_gaps: bool = False
) -> tuple[Stack, str]:
    """The stack to read and a sentence why.

    Raises: SeriesError where nothing fits or `series` names none or several; GeometryError
    where the best one has gaps and `allow_gaps` is False, or is broken.
    """
    if not stacks:
        raise SeriesError(f"{name} holds no image series", expected="a CT series")
    if series:
        return _named(stacks, series, name, allow_gaps)
    fit = [stack for stack in stacks if not stack.broken and not stack.unwanted]
    if not fit:
        raise _nothing_fits(stacks, name)
    best = min(fit, key=_rank(fit))
    _check_gaps(best, name, allow_gaps)
    return best, _reason(best, fit, len(stacks))


def _named(stacks: Sequence[Stack], series: str, name: str, allow_gaps: bool) -> tuple[Stack, str]:
    wanted, _, part = series.partition("#")
    uids = {stack.frames[0].series_uid for stack in stacks}
    hits = {wanted} if wanted in uids else {uid for uid in uids if uid.endswith(wanted)}
    listed = ", ".join(sorted(stack.id for stack in stacks)[:20])
    if len(hits) != 1:
        found = "no series" if not hits else f"{len(hits)} series"
        raise SeriesError(
            f"--series {series!r} matches {found} in {name}",
            expected=f"one of {listed}",
            remedy="Give the whole UID; see groundglass inspect",
        )
    uid = hits.pop()
    same = [stack for stack in stacks if stack.frames[0].series_uid == uid]
    if part:
        same = [stack for stack in same if str(stack.part) == part]
        if not same:
            raise SeriesError(f"--series {series!r} names no part", expected=f"one of {listed}")
    usable = [stack for stack in same if not stack.broken]
    if not usable:
        raise GeometryError(
            f"series {uid} in {name} cannot make a volume: {'; '.join(same[0].broken)}",
            expected="gray CT slices with positions",
            remedy="Choose another series; see groundglass inspect",
        )
    wanted_ones = [stack for stack in usable if not stack.unwanted] or usable
    best = min(wanted_ones, key=_rank(wanted_ones))
    _check_gaps(best, name, allow_gaps)
    despite = f", although {'; '.join(best.unwanted)}" if best.unwanted else ""
    return best, f"named by the user{despite}"


def _nothing_fits(stacks: Sequence[Stack], name: str) -> GeometryError | SeriesError:
    reasons = "; ".join(
        f"series {stack.id}: {', '.join((*stack.unwanted, *stack.broken))}" for stack in stacks[:8]
    )
    only_broken = [stack for stack in stacks if not stack.unwanted]
    kind = GeometryError if only_broken else SeriesError
    return kind(
        f"{name} holds {len(stacks)} series and none fits: {reasons}",
        expected="a CT series of slices with positions",
        remedy="Name a series with --series UID, or see groundglass inspect",
    )


def _check_gaps(stack: Stack, name: str, allow_gaps: bool) -> None:
    if not stack.gaps:
        return
    said = "; ".join(finding.message for finding in stack.gaps)
    planes = stack.grid.depth if stack.grid else 0
    if planes > 2 * len(stack.frames) + 1:
        raise GeometryError(
            f"series {stack.id} in {name} has {len(stack.frames)} slices for {planes} planes: "
            f"{said}",
            expected="at least half of the slices",
            remedy="Export the series again, or choose another with --series",
        )
    if not allow_gaps:
        raise GeometryError(
            f"series {stack.id} in {name} has {said}",
            expected="evenly spaced slices without holes",
            remedy="Export the series again, or go on with --allow-gaps",
        )


def _coverage_mm(stack: Stack) -> float:
    """Length of the body the stack covers, along the slice normal."""
    if stack.grid is None:
        return 0.0
    return stack.grid.depth * slice_distance_mm(stack.grid.affine)


def _traits(stack: Stack, longest_mm: float) -> list[tuple[str, bool]]:
    """What speaks for a stack, the weightiest first."""
    frame = stack.frames[0]
    normal = slice_normal(frame.orientation or ())
    words = f"{frame.description} {frame.body_part}"
    elsewhere = bool(_ELSEWHERE.search(words)) and not _CHEST.search(words)
    step_mm = slice_distance_mm(stack.grid.affine) if stack.grid else float("inf")
    return [
        ("axial", bool(abs(normal[2]) > 0.7)),
        ("original, not reformatted", not _DERIVED.intersection(frame.image_type)),
        ("not of another body part", not elsewhere),
        ("of the longest coverage", _coverage_mm(stack) >= 0.8 * longest_mm),
        ("without gaps", not stack.gaps),
        ("of thin slices", step_mm <= _THIN_MM),
        ("without a sharp kernel", kernel_kind(frame.kernel) != "sharp"),
        ("of a soft kernel", kernel_kind(frame.kernel) == "soft"),
    ]


def _rank(stacks: Sequence[Stack]) -> Callable[[Stack], tuple[object, ...]]:
    """Sort key among `stacks`: smallest is best."""
    longest_mm = max(_coverage_mm(stack) for stack in stacks)

    def key(stack: Stack) -> tuple[object, ...]:
        held = [not holds for _, holds in _traits(stack, longest_mm)]
        return (*held, -len(stack.frames), stack.id)

    return key


def _reason(best: Stack, fit: Sequence[Stack], total: int) -> str:
    if len(fit) == 1:
        return "the only series" if total == 1 else f"the only one of {total} series that fits"
    longest_mm = max(_coverage_mm(stack) for stack in fit)
    second = sorted(fit, key=_rank(fit))[1]
    pairs = zip(_traits(best, longest_mm), _traits(second, longest_mm), strict=True)
    told = next((name for (name, holds), (_, other) in pairs if holds and not other), "")
    if not told:
        more = len(best.frames) - len(second.frames)
        told = f"has {more} slices more" if more else "comes first by UID, as they are alike"
        return f"of {len(fit)} series that fit it {told}"
    return f"of {len(fit)} series that fit it is the one {told} (the next is series {second.id})"
