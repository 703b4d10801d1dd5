"""From graded index rows to the labels of three comparisons and two heads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from groundglass.datasets.class_tasks import (
    TASKS,
    find_task,
    joint_labels,
    scan_classes,
    task_labels,
)
from groundglass.datasets.grades import GRADES
from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, SettingsError

ROW = IndexRow("a", "p", "g", "a.npz", "hu", 2, 5, 0, "threshold", "none", "made-up")


def graded(grade: str, *, number: int = 0) -> IndexRow:
    diagnosis, severity = GRADES[grade]
    name = f"{grade}-{number}"
    return replace(
        ROW, scan_id=name, group=f"patient {name}", diagnosis=diagnosis, severity=severity
    )


ROWS = [graded(grade) for grade in ("CT-2", "CT-0", "CT-1", "CT-4", "CT-3")]


def test_classes_of_all_grades() -> None:
    assert scan_classes(ROWS) == ("severe", "normal", "mild", "severe", "severe")
    assert scan_classes([]) == ()


@pytest.mark.parametrize(
    ("key", "scans", "labels"),
    [
        ("normal-mild", ["CT-0-0", "CT-1-0"], [False, True]),
        ("normal-severe", ["CT-2-0", "CT-0-0", "CT-4-0", "CT-3-0"], [True, False, True, True]),
        ("mild-severe", ["CT-2-0", "CT-1-0", "CT-4-0", "CT-3-0"], [True, False, True, True]),
    ],
)
def test_a_task_has_two_classes_in_the_order_given(
    key: str, scans: list[str], labels: list[bool]
) -> None:
    found = task_labels(find_task(key), ROWS)
    assert [row.scan_id for row in found.rows] == scans
    assert found.labels.tolist() == labels
    assert found.labels.dtype == bool
    assert found.groups == tuple(f"patient {name}" for name in scans)


def test_the_tasks_are_those_of_table_4() -> None:
    assert [task.label for task in TASKS] == [
        "Normal vs. Mild", "Normal vs. Severe", "Mild vs. Severe",
    ]  # fmt: skip
    assert [task.head for task in TASKS] == ["diagnosis", "diagnosis", "severity"]
    with pytest.raises(SettingsError, match="'x' is unknown; expected normal-mild or"):
        find_task("x")


def test_both_heads_learn_from_one_row_each() -> None:
    found = joint_labels(ROWS)
    assert found.diagnosis.tolist() == [1, 0, 1, 1, 1]
    assert found.severity.tolist() == [1, 0, 0, 1, 1]
    assert found.diagnosis.dtype == found.severity.dtype == "float32"


def test_a_task_without_one_class_has_one_label() -> None:
    found = task_labels(find_task("mild-severe"), [graded("CT-1"), graded("CT-0")])
    assert found.labels.tolist() == [False]


@pytest.mark.parametrize(
    "read", [scan_classes, joint_labels, lambda rows: task_labels(TASKS[0], rows)]
)
def test_a_scan_without_a_label_is_refused_by_name(read) -> None:
    with pytest.raises(
        DatasetError, match=r"1 of 6 scans have no diagnosis: bare; .* mosmed --all"
    ):
        read([*ROWS, replace(ROW, scan_id="bare")])
    many = [replace(ROW, scan_id=f"s{i:02d}") for i in range(23)]
    with pytest.raises(DatasetError, match="s19 and 3 more"):
        read(many)


@pytest.mark.parametrize(("diagnosis", "severity"), [("findings", ""), ("normal", "mild")])
def test_labels_that_contradict_are_refused(diagnosis: str, severity: str) -> None:
    odd = replace(ROW, scan_id="odd", diagnosis=diagnosis, severity=severity)
    with pytest.raises(DatasetError, match="labels of odd are not a diagnosis with its severity"):
        scan_classes([*ROWS, odd])
