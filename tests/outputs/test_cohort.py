"""cohort.csv: one row per scan, stable columns."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from groundglass.errors import OutputError
from groundglass.outputs.cohort import COLUMNS, CohortRow, write_cohort


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


def test_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="could not be written"):
        write_cohort(tmp_path / "nowhere" / "cohort.csv", [])
