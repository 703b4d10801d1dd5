"""Labels of whole scans for learning and for the three comparisons of CovTANet's Table IV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from groundglass.datasets.grades import LABELS
from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, SettingsError

ScanClass = Literal["normal", "mild", "severe"]
Head = Literal["diagnosis", "severity"]
_NAMED = 20
"""Scans that a message names one by one."""


@dataclass(frozen=True)
class ClassTask:
    """One comparison: `positive` against `negative`; scans of the third class take no part.

    `head`: which of the two predictions is judged.
    """

    key: str
    label: str
    head: Head
    negative: ScanClass
    positive: ScanClass


TASKS: tuple[ClassTask, ...] = (
    ClassTask("normal-mild", "Normal vs. Mild", "diagnosis", "normal", "mild"),
    ClassTask("normal-severe", "Normal vs. Severe", "diagnosis", "normal", "severe"),
    ClassTask("mild-severe", "Mild vs. Severe", "severity", "mild", "severe"),
)
"""Table IV's column groups in their order.

Source: CovTANet, Table IV: the first two are diagnostic prediction, the third is severity
prediction. Which class counts as positive it does not say: the worse one here.
"""


def find_task(key: str) -> ClassTask:
    """The task called `key`. Raises: SettingsError listing what there is."""
    for task in TASKS:
        if task.key == key:
            return task
    raise SettingsError(f"task {key!r} is unknown", expected=" or ".join(t.key for t in TASKS))


@dataclass(frozen=True, eq=False)
class TaskLabels:
    """The scans that take part in a task, in the order given, and whether each is positive.

    Shape: `labels` (N,) bool.
    """

    task: ClassTask
    rows: tuple[IndexRow, ...]
    labels: np.ndarray

    @property
    def groups(self) -> tuple[str, ...]:
        """The patient of each scan, as bootstraps and folds keep them together."""
        return tuple(row.group for row in self.rows)


@dataclass(frozen=True, eq=False)
class JointLabels:
    """What the joint loss (Eq. 8) learns from: Y_d and Y_s of each scan.

    `severity` counts only where `diagnosis` is 1; elsewhere it is 0 and means nothing.
    Shape: both (N,) float32, 0 or 1.
    """

    diagnosis: np.ndarray
    severity: np.ndarray


def task_labels(task: ClassTask, rows: Sequence[IndexRow]) -> TaskLabels:
    """The task's scans among `rows`. Raises: DatasetError naming scans without a label."""
    classes = scan_classes(rows)
    wanted = (task.negative, task.positive)
    part = [(row, one) for row, one in zip(rows, classes, strict=True) if one in wanted]
    return TaskLabels(
        task,
        tuple(row for row, _ in part),
        np.array([one == task.positive for _, one in part], dtype=bool),
    )


def joint_labels(rows: Sequence[IndexRow]) -> JointLabels:
    """Labels of all scans for both heads. Raises: DatasetError naming scans without a label."""
    classes = scan_classes(rows)
    return JointLabels(
        np.array([one != "normal" for one in classes], dtype=np.float32),
        np.array([one == "severe" for one in classes], dtype=np.float32),
    )


def scan_classes(rows: Sequence[IndexRow]) -> tuple[ScanClass, ...]:
    """The class of each scan, by its diagnosis and severity.

    Raises: DatasetError naming scans that were never graded, or whose labels contradict.
    """
    bare = [row.scan_id for row in rows if not row.diagnosis]
    if bare:
        raise DatasetError(
            f"{len(bare)} of {len(rows)} scans have no diagnosis: {_listed(bare)}",
            expected="every scan graded, as in MosMedData",
            remedy="Leave them out, or prepare a graded set: groundglass prepare mosmed --all",
        )
    odd = [row.scan_id for row in rows if (row.diagnosis, row.severity) not in LABELS]
    if odd:
        raise DatasetError(
            f"labels of {_listed(odd)} are not a diagnosis with its severity",
            expected="normal, findings and mild, or findings and severe",
        )
    return tuple(_class(row) for row in rows)


def _class(row: IndexRow) -> ScanClass:
    if row.diagnosis == "normal":
        return "normal"
    return "severe" if row.severity == "severe" else "mild"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
