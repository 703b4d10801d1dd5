"""Grades at and around their bounds."""

from __future__ import annotations

import pytest

from groundglass.measurement.severity import grade_mosmed, grade_severity, zone_points


@pytest.mark.parametrize(
    ("share", "name"),
    [
        (0.0, "CT-0"),
        (0.29, "CT-0"),
        (0.3, "CT-1"),
        (24.999, "CT-1"),
        (25.0, "CT-2"),
        (49.999, "CT-2"),
        (50.0, "CT-3"),
        (75.0, "CT-3"),
        (75.001, "CT-4"),
        (100.0, "CT-4"),
    ],
)
def test_mosmed_bands(share: float, name: str) -> None:
    assert grade_mosmed(share, 0.3).name == name


@pytest.mark.parametrize(
    ("share", "points"),
    [
        *((None, None), (0, 0), (0.2, 0), (0.3, 1), (4.99, 1), (5, 2), (25, 2), (25.1, 3)),
        *((50, 3), (50.1, 4), (75, 4), (75.1, 5), (100, 5)),
    ],
)
def test_zone_points(share: float | None, points: int | None) -> None:
    assert zone_points(share, 0.3) == points


def test_without_a_floor_zero_is_still_zero() -> None:
    assert zone_points(0.0, 0.0) == 0
    assert grade_mosmed(0.0, 0.0).name == "CT-0"


def test_score_says_why_it_is_not_the_lobar_one() -> None:
    severity = grade_severity(80, (90, 90, 90), (80, 80, 80), noise_floor_percent=0.3)
    assert (severity.zonal_score.value, severity.zonal_score.maximum) == (30, 30)
    assert "lobes are not segmented" in severity.zonal_score.note
