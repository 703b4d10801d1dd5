"""Which prepared scans a run trains on, and which it must not see."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundglass.datasets.folds import Fold, read_folds
from groundglass.datasets.index import IndexRow, PreparedScan, load_prepared, read_index
from groundglass.errors import DatasetError, SettingsError
from groundglass.training.settings import TrainSettings


def split_rows(
    rows: Sequence[IndexRow], hold_out: Sequence[str]
) -> tuple[list[IndexRow], list[IndexRow]]:
    """Rows to train on and rows held out: those named and all others of their groups.

    Both keep the order of `rows`, which the draw of samples depends on.
    Raises: SettingsError where a name is not among the rows.
    """
    known = {row.scan_id for row in rows}
    unknown = sorted(set(hold_out) - known)
    if unknown:
        raise SettingsError(
            f"hold_out names {', '.join(unknown)}, not in the index",
            expected=f"some of {', '.join(sorted(known)) or 'no scans: the index is empty'}",
            remedy="Prepare the missing scans, or correct hold_out",
        )
    groups = {row.group for row in rows if row.scan_id in set(hold_out)}
    return (
        [row for row in rows if row.group not in groups],
        [row for row in rows if row.group in groups],
    )


def has_masks(row: IndexRow, stage: str) -> bool:
    """Whether a scan has the masks that `stage` learns and is judged by."""
    return row.lungs_by != "none" if stage == "lungs" else row.lesions_are_known


@dataclass(frozen=True)
class Selection:
    """What a run trains on, what it stops early by, and what it never sees."""

    train: list[PreparedScan]
    validation: list[PreparedScan]
    held_out: list[PreparedScan]


def select_scans(settings: TrainSettings) -> Selection:
    """Load the scans of `settings.index`, by side.

    Scans without the masks that the stage learns are on no side: their lesions or lungs were never
    drawn, and an empty mask would say that there are none.
    Held out are the scans of `hold_out` with their groups and the test side of `fold`; scans of
    a slice split are there twice, reduced to either side's slices.
    Raises: DatasetError where the index or a scan is missing, or the folds are of another index
    or part a patient that they promise to keep whole; SettingsError as `split_rows`, where the
    fold is not there, or where early stopping has nothing to look for.
    """
    folder = Path(settings.index)
    rows = read_index(folder)
    kept, held_rows = (
        [row for row in side if has_masks(row, settings.stage)]
        for side in split_rows(rows, settings.hold_out)
    )
    with ThreadPoolExecutor() as pool:  # decompression lets go of the interpreter
        held_out = list(pool.map(lambda row: load_prepared(folder, row), held_rows))
        loaded = list(pool.map(lambda row: load_prepared(folder, row), kept))
    stop = settings.early_stopping
    train: list[PreparedScan] = []
    fold = None if settings.folds is None else chosen_fold(settings.folds, settings.fold, rows)
    for row, scan in zip(kept, loaded, strict=True):
        trained = np.arange(row.slices) if fold is None else fold.train_slices(row)
        tested = np.arange(0) if fold is None else fold.test_slices(row)
        if trained.size:
            train.append(scan.take(trained) if tested.size else scan)
        if tested.size:
            held_out.append(scan.take(tested) if trained.size else scan)
    if stop is None:
        return Selection(train, [], held_out)
    here = {scan.row.scan_id for scan in train}
    if absent := sorted(set(stop.scans) - here):
        raise SettingsError(
            f"early_stopping names {', '.join(absent)}, not on the training side",
            expected=f"some of {', '.join(sorted(here))}",
        )
    groups = {scan.row.group for scan in train if scan.row.scan_id in stop.scans}
    validation = [scan for scan in train if scan.row.group in groups]
    if settings.stage != "lungs" and not any(scan.lesions.any() for scan in validation):
        raise SettingsError(
            f"early_stopping looks at {', '.join(stop.scans)}, without any lesion",
            expected="at least one scan with lesions",
        )
    return Selection([scan for scan in train if scan.row.group not in groups], validation, held_out)


def chosen_fold(path: str, number: int, rows: Sequence[IndexRow]) -> Fold:
    """A fold of a folds file made from the index of these rows.

    Raises: SettingsError where it is not there; DatasetError where the folds are of another index
    or part a patient that they promise to keep whole.
    """
    folds = read_folds(Path(path))
    checks = folds.check(rows)
    if number >= len(folds.folds):
        raise SettingsError(
            f"fold is {number} and {path} has {len(folds.folds)}",
            expected=f"0 to {len(folds.folds) - 1}",
        )
    shared = checks[number].shared_groups
    if folds.protocol == "patients" and shared:
        raise DatasetError(
            f"fold {number} of {path} has {', '.join(shared)} on both sides",
            expected="patients kept whole",
            remedy="The index changed since: make the folds anew with groundglass folds",
        )
    return folds.folds[number]
