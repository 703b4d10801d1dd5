"""Which numbers of the findings go into the measurement report, and by what code each is known.

Volumes have standard codes. Involvement, grades and scores have none, so they carry codes of our
own scheme, whose meaning the report states in words.
"""

from __future__ import annotations

from dataclasses import dataclass

from groundglass.findings import Findings
from groundglass.outputs.dicom.segments import Coded

SCHEME = "99GROUNDGLASS"
VOLUME: Coded = ("118565006", "SCT", "Volume")
INVOLVEMENT: Coded = ("INVOLVEMENT", SCHEME, "Lesion share of lung volume")
MOSMED: Coded = ("MOSMED", SCHEME, "MosMed CT grade of measured involvement")
MOSMED_DEFINITION: Coded = ("MOSMED-DEF", SCHEME, "Definition of the MosMed grade")
ZONAL_SCORE: Coded = ("ZONAL-SCORE", SCHEME, "Zonal CT severity score")
ZONAL_MAXIMUM: Coded = ("ZONAL-SCORE-MAX", SCHEME, "Highest possible zonal score")
ZONAL_DEFINITION: Coded = ("ZONAL-DEF", SCHEME, "Definition of the zonal score")
_CHANCE_OF_FINDINGS: Coded = ("LEARNED-FINDINGS", SCHEME, "Probability of findings by classifier")
_CHANCE_OF_SEVERE: Coded = ("LEARNED-SEVERE", SCHEME, "Probability of severe by classifier")

MILLILITER: Coded = ("ml", "UCUM", "milliliter")
PERCENT: Coded = ("%", "UCUM", "percent")
POINTS: Coded = ("{score}", "UCUM", "score")
SHARE: Coded = ("1", "UCUM", "no units")
WHOLE, LEARNED = "both_lungs", "learned_classifier"
"""Tracking identifiers of groups about both lungs; the others have the names of segments."""


@dataclass(frozen=True)
class Number:
    """One number of a group: by its code, with its unit."""

    group: str
    code: Coded
    unit: Coded
    value: float | int


def report_numbers(findings: Findings) -> tuple[Number, ...]:
    """The numbers of a report, those that are not known left out (ml without physical units)."""
    lungs, lesions, severity = findings.lungs, findings.lesions, findings.severity
    score = severity.zonal_score
    findings_chance, severe_chance = _chances(findings)
    rows = (
        ("right_lung", VOLUME, MILLILITER, lungs.right.volume_ml),
        ("right_lung", INVOLVEMENT, PERCENT, lesions.right.involvement_percent),
        ("left_lung", VOLUME, MILLILITER, lungs.left.volume_ml),
        ("left_lung", INVOLVEMENT, PERCENT, lesions.left.involvement_percent),
        ("lesion", VOLUME, MILLILITER, lesions.volume_ml),
        (WHOLE, VOLUME, MILLILITER, lungs.total.volume_ml),
        (WHOLE, INVOLVEMENT, PERCENT, lesions.involvement_percent),
        (WHOLE, ZONAL_SCORE, POINTS, score.value),
        (WHOLE, ZONAL_MAXIMUM, POINTS, score.maximum if score.value is not None else None),
        (LEARNED, _CHANCE_OF_FINDINGS, SHARE, findings_chance),
        (LEARNED, _CHANCE_OF_SEVERE, SHARE, severe_chance),
    )
    return tuple(
        Number(group, code, unit, value) for group, code, unit, value in rows if value is not None
    )


def has_usable_head(findings: Findings) -> bool:
    """Whether a classifier gave an answer that stands for patients."""
    learned = findings.routes.learned
    return learned is not None and learned.answer is not None and not learned.is_phantom_trained


def _chances(findings: Findings) -> tuple[float | None, float | None]:
    """Probabilities of findings and of severe; the latter is not asked of a normal scan."""
    learned = findings.routes.learned
    if learned is None or not has_usable_head(findings):
        return None, None
    severe = None if learned.answer == "normal" else round(learned.severity.probability, 6)
    return round(learned.diagnosis.probability, 6), severe


def grade_code(findings: Findings) -> Coded:
    """The MosMed grade as a code of our own; its meaning names the band."""
    grade = findings.severity.mosmed
    return (f"MOSMED-{grade.name}", SCHEME, f"{grade.name}: {grade.band}"[:64])
