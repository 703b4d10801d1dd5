"""Grades and what they stand for."""

from __future__ import annotations

from groundglass.datasets.grades import GRADES, LABELS
from groundglass.measurement.severity import grade_mosmed


def test_the_grades_are_those_that_severity_gives_and_mild_ends_at_a_quarter() -> None:
    shares = {"CT-0": 0.0, "CT-1": 24.9, "CT-2": 25.0, "CT-3": 60.0, "CT-4": 80.0}
    assert list(shares) == list(GRADES)
    for grade, share in shares.items():
        assert grade_mosmed(share, 1.0).name == grade
        expected = "" if share == 0 else "mild" if share < 25 else "severe"
        assert GRADES[grade] == ("findings" if share else "normal", expected)


def test_nobody_graded_is_a_label_too() -> None:
    assert {("", ""), ("normal", ""), ("findings", "mild"), ("findings", "severe")} == LABELS
