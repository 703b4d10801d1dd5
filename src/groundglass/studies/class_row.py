"""One row of a table of classifiers: what it said of every test scan, fold by fold, on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundglass.datasets.class_tasks import find_task
from groundglass.datasets.index import IndexRow
from groundglass.errors import DatasetError, InputError, SettingsError
from groundglass.metrics.scored_cases import ScoredCases

if TYPE_CHECKING:
    from torch import nn

FORMAT = "groundglass-class-row-1"


@dataclass(frozen=True)
class TaskCases:
    """Test scans of one fold in one comparison. A score of `threshold` or more calls positive.

    `ranks`: False where all scores are one constant, which ranks nothing.
    """

    fold: int
    task: str
    threshold: float
    scans: tuple[str, ...]
    groups: tuple[str, ...]
    labels: tuple[bool, ...]
    scores: tuple[float, ...]
    ranks: bool = True

    @property
    def cases(self) -> ScoredCases:
        """Raises: InputError as `ScoredCases.of`."""
        return ScoredCases.of(self.scores, self.labels, self.groups)


@dataclass(frozen=True)
class ClassRow:
    """One classifier on some folds. `key` is the catalog's or the baseline's name.

    `parameters` counts what was trained for it and is 0 for a rule; `minutes` of all its folds,
    shared first phases included.
    """

    key: str
    label: str
    parameters: int
    minutes: float
    parts: tuple[TaskCases, ...]

    def of_task(self, task: str) -> tuple[TaskCases, ...]:
        """Its folds in one comparison."""
        return tuple(part for part in self.parts if part.task == task)

    @property
    def folds(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(part.fold for part in self.parts))


def joined_folds(rows: list[ClassRow]) -> ClassRow:
    """Rows of one classifier, a fold each, as one."""
    first = rows[0]
    parts = tuple(part for row in rows for part in row.parts)
    minutes = sum(row.minutes for row in rows)
    return ClassRow(first.key, first.label, first.parameters, minutes, parts)


def write_class_row(path: Path, row: ClassRow, made_with: str) -> None:
    """Store as JSON, whole or not at all. `made_with` says under which settings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    values = {"format": FORMAT, "made_with": made_with, **asdict(row)}
    partial.write_text(json.dumps(values) + "\n", encoding="utf-8")
    partial.replace(path)


def read_class_row(path: Path, made_with: str) -> ClassRow:
    """Read what `write_class_row` stored.

    Raises: DatasetError where it is damaged; SettingsError where it was made with other settings.
    """
    remedy = "Delete it and run the study again"
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise ValueError(f"its format is {values['format']!r}")
        stored = str(values["made_with"])
        parts = tuple(_part(one) for one in values["parts"])
        row = ClassRow(
            str(values["key"]),
            str(values["label"]),
            int(values["parameters"]),
            float(values["minutes"]),
            parts,
        )
    except (OSError, KeyError, TypeError, ValueError, InputError, SettingsError) as error:
        raise DatasetError(
            f"row {path} cannot be read: {type(error).__name__} {error}", remedy=remedy
        ) from error
    if stored != made_with:
        raise SettingsError(
            f"row {path} was made with {stored}",
            expected=made_with,
            remedy="Choose another --work folder, or delete the row to make it again",
        )
    return row


def _part(values: dict[str, Any]) -> TaskCases:
    find_task(values["task"])
    part = TaskCases(
        int(values["fold"]),
        str(values["task"]),
        float(values["threshold"]),
        tuple(map(str, values["scans"])),
        tuple(map(str, values["groups"])),
        tuple(map(bool, values["labels"])),
        tuple(map(float, values["scores"])),
        bool(values["ranks"]),
    )
    _ = part.cases
    return part


def task_cases(
    fold: int,
    task: str,
    rows: Sequence[IndexRow],
    labels: np.ndarray,
    scores: Sequence[float] | np.ndarray,
    threshold: float,
    *,
    ranks: bool = True,
) -> TaskCases:
    """One score for each of some scans."""
    return TaskCases(
        fold,
        task,
        float(threshold),
        tuple(row.scan_id for row in rows),
        tuple(row.group for row in rows),
        tuple(bool(label) for label in labels),
        tuple(float(score) for score in scores),
        ranks,
    )


def count_weights(network: nn.Module) -> int:
    """Trained numbers of a network."""
    return sum(weight.numel() for weight in network.parameters())
