"""`cohort.csv`: one row per scan of a run, with the main figures."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from groundglass.errors import OutputError
from groundglass.findings import Findings, ZoneBurden
from groundglass.findings.routes import Routes

_ZONES = ("upper", "middle", "lower")

COLUMNS: dict[str, str] = {
    "scan_id": "Name of the scan, and of its folder beside this file.",
    "input": "The input as given.",
    "status": "done, skipped (was there already), or failed.",
    "error": "Why it failed; empty otherwise.",
    "lung_volume_ml": "Both lungs.",
    "right_lung_volume_ml": "Patient's right lung.",
    "left_lung_volume_ml": "Patient's left lung.",
    "lesion_volume_ml": "Lesions inside the lungs.",
    "involvement_percent": "Lesion share of both lungs.",
    "right_involvement_percent": "Lesion share of the right lung.",
    "left_involvement_percent": "Lesion share of the left lung.",
    **{
        f"{side}_{zone}_involvement_percent": f"Lesion share of the {side} lung's {zone} zone."
        for side in ("right", "left")
        for zone in _ZONES
    },
    "lesion_count": "Connected lesions.",
    "ground_glass_percent": "Share of the lesion volume; empty without HU.",
    "consolidation_percent": "Share of the lesion volume; empty without HU.",
    "mosmed_grade": "CT-0 to CT-4.",
    "zonal_score": "Sum of 0 to 5 points over the zones.",
    "zonal_score_maximum": "30 for two whole lungs.",
    "diagnosis": "The sentence.",
    "quality_flags": "Names of the raised quality checks, separated by spaces.",
    "warnings": "How many warnings there are.",
    "seconds": "Wall time of the analysis.",
    "measured_class": "normal, mild or severe by the measured share; empty where not reliable.",
    "measured_certainty": "clear or borderline; empty where not reliable.",
    "measured_not_reliable": "Why the share is no answer; empty otherwise.",
    "learned_class": "The same by the classifier; empty without one and where it abstains.",
    "learned_findings_probability": "Of findings; empty as learned_class.",
    "learned_severe_probability": "Of severe; empty as learned_class, and where that is normal.",
    "learned_abstained": "Why the classifier abstains; empty otherwise.",
    "routes": "agree, differ or not_compared.",
}
"""Name and meaning of every column, in order. New columns are added at the end only."""


@dataclass(frozen=True)
class CohortRow:
    """One scan of a run. `findings` is None where it failed, and `error` says why."""

    scan_id: str
    input: str
    status: str
    error: str = ""
    findings: Findings | None = None
    seconds: float | None = None


def write_cohort(path: Path, rows: Iterable[CohortRow]) -> None:
    """Write `cohort.csv` (UTF-8, one header line); an older one is replaced in one step.

    Raises: OutputError where it cannot be written.
    """
    beside = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        with beside.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(COLUMNS))
            writer.writeheader()
            for row in rows:
                writer.writerow(_cells(row))
        os.replace(beside, path)
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror or error})",
            remedy="Check that the folder exists, is writable and has room",
        ) from error
    finally:
        beside.unlink(missing_ok=True)


def _cells(row: CohortRow) -> dict[str, object]:
    cells: dict[str, object] = {name: None for name in COLUMNS}  # noqa: C420  wider value type
    cells.update(
        scan_id=row.scan_id,
        input=row.input,
        status=row.status,
        error=row.error,
        seconds=None if row.seconds is None else round(row.seconds, 2),
    )
    if row.findings is not None:
        cells.update(_figures(row.findings))
    return cells


def _figures(findings: Findings) -> dict[str, object]:
    lesions, lungs, severity = findings.lesions, findings.lungs, findings.severity
    out: dict[str, object] = {
        "lung_volume_ml": lungs.total.volume_ml,
        "right_lung_volume_ml": lungs.right.volume_ml,
        "left_lung_volume_ml": lungs.left.volume_ml,
        "lesion_volume_ml": lesions.volume_ml,
        "involvement_percent": lesions.involvement_percent,
        "lesion_count": lesions.count,
        "ground_glass_percent": lesions.ground_glass_percent,
        "consolidation_percent": lesions.consolidation_percent,
        "mosmed_grade": severity.mosmed.name,
        "zonal_score": severity.zonal_score.value,
        "zonal_score_maximum": severity.zonal_score.maximum,
        "diagnosis": findings.diagnosis.statement,
        "quality_flags": " ".join(name for name, check in findings.quality if check.flag),
        "warnings": len(findings.warnings),
    }
    out.update(_routes(findings.routes))
    for side, lung in (("right", lesions.right), ("left", lesions.left)):
        out[f"{side}_involvement_percent"] = lung.involvement_percent
        for name in _ZONES:
            zone: ZoneBurden = getattr(lung.zones, name)
            out[f"{side}_{name}_involvement_percent"] = zone.involvement_percent
    return out


def _routes(routes: Routes) -> dict[str, object]:
    """Columns of both routes. What an abstaining head computed is no answer and stays out."""
    measured, learned = routes.measured, routes.learned
    out: dict[str, object] = {
        "measured_class": measured.answer,
        "measured_certainty": measured.certainty,
        "measured_not_reliable": " ".join(measured.not_reliable),
        "routes": routes.agreement.state,
    }
    if learned is not None:
        out["learned_class"] = learned.answer
        out["learned_abstained"] = " ".join(learned.abstained)
        if learned.answer is not None:
            out["learned_findings_probability"] = round(learned.diagnosis.probability, 6)
            if learned.answer != "normal":
                out["learned_severe_probability"] = round(learned.severity.probability, 6)
    return out
