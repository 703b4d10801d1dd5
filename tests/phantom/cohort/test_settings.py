from __future__ import annotations

from typing import Any

import pytest

from groundglass.datasets.grades import GRADES as PUBLISHED_GRADES
from groundglass.datasets.mosmed_registry import PUBLISHED
from groundglass.errors import SettingsError
from groundglass.phantom.cohort.settings import (
    CLASSES,
    GRADES,
    SHARES,
    CohortSettings,
    grade_of,
)


@pytest.mark.parametrize(
    ("percent", "grade"),
    [
        (0.0, "CT-0"), (0.001, "CT-1"), (24.999, "CT-1"), (25.0, "CT-2"), (49.9, "CT-2"),
        (50.0, "CT-3"), (74.9, "CT-3"), (75.0, "CT-4"), (100.0, "CT-4"),
    ],
)  # fmt: skip
def test_grades_by_the_involved_share(percent: float, grade: str) -> None:
    assert grade_of(percent) == grade


def test_grades_and_shares_are_those_of_the_data_set() -> None:
    assert dict(zip(GRADES, SHARES["mosmed"], strict=True)) == PUBLISHED
    assert {g: (s or d) for g, (d, s) in PUBLISHED_GRADES.items()} == CLASSES
    normal, mild, *severe = SHARES["balanced"]
    assert normal == mild == sum(severe)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, r"count is 0; expected 1 to 9999"),
        ({"count": 10_000}, r"count is 10000"),
        ({"seed": -1}, r"seed is -1"),
        ({"size": 16}, r"size is 16; expected 32 to 1024"),
        ({"slices": (3, 8)}, r"slices are 3 to 8; expected fewest and most"),
        ({"slices": (9, 8)}, r"slices are 9 to 8"),
        ({"shares": (1, 2)}, r"shares are \(1, 2\); expected five numbers, of CT-0, CT-1"),
        ({"shares": (1, 1, 1, 1, -1)}, r"shares are"),
        ({"shares": (0, 0, 0, 0, 0)}, r"not all 0"),
        ({"masks": 1.5}, r"masks is 1\.5; expected 0 to 1"),
        ({"edge_flips": 2.0}, r"edge_flips is 2\.0"),
        ({"edge_flips": float("nan")}, r"edge_flips is nan"),
    ],
)
def test_bad_settings_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        CohortSettings(**{"count": 4, **change})
