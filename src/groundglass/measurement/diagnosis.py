"""Diagnosis by rule: one plain sentence and the evidence for it.

A rule on a lesion mask cannot name a cause, and no output claims one: the sentence says what
the findings are consistent with.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.findings import Diagnosis, LesionFindings, LungBurden

_UNNAMED = "The image alone does not tell the cause."


@dataclass(frozen=True)
class _Pattern:
    """What the sentence is built from; None means that it cannot be judged."""

    sides: tuple[str, ...]
    has_both_lungs: bool
    zone: str | None
    zone_share_percent: float
    mostly_ground_glass: bool | None


def diagnose(
    lesions: LesionFindings,
    *,
    lesion_voxels_by_zone: dict[str, int],
    has_both_lungs: bool,
    noise_floor_percent: float,
) -> Diagnosis:
    """The sentence for these lesions. `lesion_voxels_by_zone`: upper, middle, lower, pooled."""
    has_findings = lesions.involvement_percent >= noise_floor_percent and (
        lesions.involvement_percent > 0
    )
    pattern = _pattern(lesions, lesion_voxels_by_zone, has_both_lungs, noise_floor_percent)
    if has_findings:
        statement = _positive_statement(pattern)
        evidence = _evidence(lesions, pattern)
    elif lesions.involvement_percent > 0:
        statement = "No findings of lung opacities above the noise floor."
        evidence = [
            f"{lesions.involvement_percent:.2g} % of the lungs were marked as lesion, below the "
            f"{noise_floor_percent:g} % that are marked in healthy lungs too."
        ]
    else:
        statement = "No findings of lung opacities."
        evidence = ["No part of the lungs was marked as lesion."]
    return Diagnosis(
        statement=statement,
        has_findings=has_findings,
        evidence=evidence,
        basis="rule",
        definition=(
            "Rule on the segmented lesions, not a learned diagnosis and not a test for any "
            f"virus. Findings: lesions take up at least {noise_floor_percent:g} % of the lungs. "
            "Viral pneumonia is named as a possibility where both lungs are involved (each at "
            "that share or more) and at least half of the lesion volume is ground glass."
        ),
    )


def _pattern(
    lesions: LesionFindings, by_zone: dict[str, int], has_both_lungs: bool, floor: float
) -> _Pattern:
    sides = tuple(
        name
        for name, lung in (("right", lesions.right), ("left", lesions.left))
        if lung.involvement_percent and lung.involvement_percent >= floor
    )
    total = sum(by_zone.values())
    zone, share = None, 0.0
    if total:
        zone = max(by_zone, key=lambda name: by_zone[name])
        share = 100.0 * by_zone[zone] / total
    glass = lesions.ground_glass_percent
    return _Pattern(
        sides=sides,
        has_both_lungs=has_both_lungs,
        zone=zone if share > 50 else None,
        zone_share_percent=share,
        mostly_ground_glass=None if glass is None else glass >= 50,
    )


def _positive_statement(pattern: _Pattern) -> str:
    both = len(pattern.sides) == 2
    where = "bilateral" if both else f"{pattern.sides[0]}-sided" if pattern.sides else "scattered"
    what = {True: "mostly ground-glass", False: "mostly consolidated", None: ""}
    words = [where, what[pattern.mostly_ground_glass], "lung opacities"]
    text = ", ".join(word for word in words[:2] if word) + " " + words[2]
    if pattern.zone:
        text += f", mainly in the {pattern.zone} zones"
    if both and pattern.mostly_ground_glass:
        cause = "viral pneumonia, such as COVID-19, among other causes"
    elif both and pattern.mostly_ground_glass is None:
        cause = "pneumonia, viral or other"
    else:
        cause = "pneumonia or another cause of lung opacities"
    return f"Findings consistent with {cause}: {text}. {_UNNAMED}"


def _evidence(lesions: LesionFindings, pattern: _Pattern) -> list[str]:
    out = [
        f"Lesions take up {lesions.involvement_percent:.1f} % of the lungs "
        f"({_share('right', lesions.right)}, {_share('left', lesions.left)})."
    ]
    if len(pattern.sides) == 2:
        out.append("Both lungs are involved.")
    elif not pattern.has_both_lungs:
        out.append("Only one lung was found, so whether both are involved cannot be judged.")
    elif pattern.sides:
        out.append(f"Only the {pattern.sides[0]} lung is involved.")
    zones = [
        zone.involvement_percent
        for lung in (lesions.right, lesions.left)
        for zone in (lung.zones.upper, lung.zones.middle, lung.zones.lower)
    ]
    known = [share for share in zones if share is not None]
    if known:
        text = f"{sum(share > 0 for share in known)} of {len(known)} zones hold lesions"
        if pattern.zone:
            share = pattern.zone_share_percent
            text += f"; {share:.0f} % of the lesion volume lies in the {pattern.zone} zones"
        out.append(text + ".")
    if lesions.ground_glass_percent is None or lesions.consolidation_percent is None:
        out.append("Ground glass and consolidation are not told apart: intensities are not HU.")
    else:
        out.append(
            f"{lesions.ground_glass_percent:.0f} % of the lesion volume is ground glass, "
            f"{lesions.consolidation_percent:.0f} % consolidation, by density."
        )
    if lesions.count and lesions.largest_share_percent is not None:
        noun = "lesion" if lesions.count == 1 else "lesions"
        out.append(
            f"{lesions.count} connected {noun}; the largest holds "
            f"{lesions.largest_share_percent:.0f} % of the lesion volume."
        )
    return out


def _share(name: str, lung: LungBurden) -> str:
    value = lung.involvement_percent
    return f"{name} not found" if value is None else f"{name} {value:.1f} %"
