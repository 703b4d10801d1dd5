"""`analyze` with the report as PDF beside the HTML."""

from __future__ import annotations

from pathlib import Path

from groundglass.outputs.result_folder import RESULT_FILES
from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
from groundglass.predictor.cascade import Cascade


def test_pdf_is_written_where_asked_and_replaced(
    inputs: dict[str, Path], rule_cascade: Cascade, tmp_path: Path
) -> None:
    """A folder that holds one is a result of ours: the next run replaces it whole."""
    folder = tmp_path / "out"
    analyze_scan(inputs["nifti"], folder, rule_cascade, options=AnalyzeOptions(pdf=True))
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert "report.pdf" in RESULT_FILES
    analyze_scan(inputs["nifti"], folder, rule_cascade, options=AnalyzeOptions())
    assert (folder / "report.html").is_file()
    assert not (folder / "report.pdf").exists()
