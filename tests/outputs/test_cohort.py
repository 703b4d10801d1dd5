"""cohort.csv: one row per scan, stable columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from groundglass.errors import OutputError
from groundglass.findings import Findings
from groundglass.measurement import MeasureSettings, measure
from groundglass.measurement.learned_route import with_learned
from groundglass.outputs.cohort import COLUMNS, CohortRow, write_cohort

from ..made_classification import made_classification


def test_rows_hold_figures_or_the_error(tmp_path: Path, case) -> None:
    path = tmp_path / "cohort.csv"
    rows = [
        CohortRow("a", "in/a", "done", findings=case.findings, seconds=1.234),
        CohortRow("b", "in/b", "failed", error='b, with "quotes"\nand a line'),
    ]
    write_cohort(path, rows)
    with path.open(newline="", encoding="utf-8") as stream:
        first, second = csv.DictReader(stream)
    assert list(first) == list(COLUMNS)
    assert float(first["involvement_percent"]) == case.findings.lesions.involvement_percent
    zone = case.findings.lesions.right.zones.lower.involvement_percent
    assert float(first["right_lower_involvement_percent"]) == zone
    assert first["mosmed_grade"] == "CT-1"
    assert first["seconds"] == "1.23"
    assert second["error"] == 'b, with "quotes"\nand a line'
    assert second["involvement_percent"] == ""
    assert [p.name for p in tmp_path.iterdir()] == ["cohort.csv"]


def test_first_columns_are_pinned() -> None:
    assert list(COLUMNS)[:4] == ["scan_id", "input", "status", "error"]
    assert len(COLUMNS) == 35
    assert all(COLUMNS.values())


def columns(tmp_path: Path, findings: Findings) -> dict[str, str]:
    write_cohort(tmp_path / "cohort.csv", [CohortRow("a", "a", "done", findings=findings)])
    with (tmp_path / "cohort.csv").open(newline="", encoding="utf-8") as stream:
        (row,) = csv.DictReader(stream)
    names = list(COLUMNS)[27:]
    assert names[0] == "measured_class"
    assert names[-1] == "routes"
    return {name: row[name] for name in names if row[name]}


def test_columns_of_both_routes(tmp_path: Path, case) -> None:
    fine = MeasureSettings(coarsest_pixel_mm=6.0)
    findings = measure(case.volume, case.lungs, case.lesions, settings=fine)
    assert columns(tmp_path, findings) == {"measured_class": "mild", "routes": "not_compared"}
    severe = with_learned(findings, made_classification(0.9, 0.8))
    assert columns(tmp_path, severe) == {
        "measured_class": "mild",
        "learned_class": "severe",
        "learned_findings_probability": "0.9",
        "learned_severe_probability": "0.8",
        "routes": "differ",
    }
    normal = with_learned(findings, made_classification(0.1, 0.8))
    assert "learned_severe_probability" not in columns(tmp_path, normal)


def test_what_is_no_answer_stays_out_of_the_columns(tmp_path: Path, case) -> None:
    """The case has pixels of 6 mm, and the head abstains: reasons, and no figure of either."""
    said = made_classification(0.9, 0.8, abstained=("Too thick.", "Too odd."))
    row = columns(tmp_path, with_learned(case.findings, said))
    assert row.pop("measured_not_reliable").startswith("Pixels of 6.0 mm are coarser")
    assert row == {"learned_abstained": "Too thick. Too odd.", "routes": "not_compared"}


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        write_cohort(tmp_path / "nowhere" / "cohort.csv", [])
