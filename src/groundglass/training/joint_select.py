"""Which scans the second phase trains on, and which it must not see."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groundglass.datasets.class_tasks import scan_classes
from groundglass.datasets.folds import read_folds
from groundglass.datasets.index import IndexRow, read_index
from groundglass.errors import DatasetError, SettingsError
from groundglass.training.joint_settings import JointSettings
from groundglass.training.select import chosen_fold, split_rows


@dataclass(frozen=True)
class JointSides:
    """Scans to train on, and scans held out: `hold_out` with its groups, and the fold's test side.

    Both keep the order of the index.
    """

    train: tuple[IndexRow, ...]
    held_out: tuple[IndexRow, ...]


def select_rows(settings: JointSettings) -> JointSides:
    """The scans of `settings.index` by side; nothing is loaded.

    Raises: SettingsError where folds part a scan, the fold or a scan of `hold_out` is not there, or
    the training side lacks a label that a head is to learn; DatasetError as `scan_classes`, or
    where the folds are of another index.
    """
    rows = read_index(Path(settings.index))
    kept, held = split_rows(rows, settings.hold_out)
    tested: set[str] = set()
    if settings.folds is not None:
        if read_folds(Path(settings.folds)).protocol != "patients":
            raise SettingsError(
                f"{settings.folds} parts the slices of a scan",
                expected="folds of whole patients",
                remedy="Make them with groundglass folds INDEX -o FILE",
            )
        fold = chosen_fold(settings.folds, settings.fold, rows)
        tested = set(fold.test)
    out = {row.scan_id for row in held} | tested
    sides = JointSides(
        tuple(row for row in kept if row.scan_id not in out),
        tuple(row for row in rows if row.scan_id in out),
    )
    _check_labels(settings, sides)
    return sides


def _check_labels(settings: JointSettings, sides: JointSides) -> None:
    if not sides.train:
        raise DatasetError(f"run {settings.name!r} has no scan left to train on")
    found = scan_classes(sides.train)
    scan_classes(sides.held_out)
    missing = [name for name in ("normal", "mild", "severe") if name not in found]
    if missing:
        raise SettingsError(
            f"the training side of run {settings.name!r} has no {' and no '.join(missing)} scan",
            expected="normal, mild and severe scans: two heads learn to tell them apart",
            remedy="Prepare more scans, or choose another fold",
        )
