"""Which numbers a report has, by hand."""

from __future__ import annotations

from pathlib import Path

from groundglass.outputs.dicom.report_numbers import grade_code, report_numbers

from ..conftest import build_case
from .made_objects import made_axial


def test_numbers_are_those_of_the_findings(tmp_path: Path) -> None:
    findings = made_axial(tmp_path / "scan").findings
    numbers = {(n.group, n.code[0]): (n.value, n.unit[0]) for n in report_numbers(findings)}
    assert numbers == {
        ("right_lung", "118565006"): (findings.lungs.right.volume_ml, "ml"),
        ("right_lung", "INVOLVEMENT"): (findings.lesions.right.involvement_percent, "%"),
        ("left_lung", "118565006"): (findings.lungs.left.volume_ml, "ml"),
        ("left_lung", "INVOLVEMENT"): (findings.lesions.left.involvement_percent, "%"),
        ("lesion", "118565006"): (findings.lesions.volume_ml, "ml"),
        ("both_lungs", "118565006"): (findings.lungs.total.volume_ml, "ml"),
        ("both_lungs", "INVOLVEMENT"): (findings.lesions.involvement_percent, "%"),
        ("both_lungs", "ZONAL-SCORE"): (findings.severity.zonal_score.value, "{score}"),
        ("both_lungs", "ZONAL-SCORE-MAX"): (findings.severity.zonal_score.maximum, "{score}"),
    }


def test_without_physical_units_there_are_no_volumes() -> None:
    findings = build_case(spacing_is_real=False).findings
    codes = {number.code[0] for number in report_numbers(findings)}
    assert codes == {"INVOLVEMENT", "ZONAL-SCORE", "ZONAL-SCORE-MAX"}


def test_the_grade_is_named_with_its_band() -> None:
    code, scheme, meaning = grade_code(build_case().findings)
    assert scheme == "99GROUNDGLASS"
    assert code == "MOSMED-CT-1"
    assert meaning == "CT-1: less than 25 % of the lungs"
    assert len(code) <= 16
