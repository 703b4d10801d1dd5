"""Which prepared scans a run trains on, and which it must not see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groundglass.datasets.index import IndexRow, PreparedScan, load_prepared, read_index
from groundglass.errors import SettingsError
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


def select_scans(settings: TrainSettings) -> tuple[list[PreparedScan], list[PreparedScan]]:
    """The scans of `settings.index` to train on, and those held out.

    Raises: DatasetError where the index or a scan is missing; SettingsError as `split_rows`.
    """
    folder = Path(settings.index)
    train, held_out = split_rows(read_index(folder), settings.hold_out)
    return (
        [load_prepared(folder, row) for row in train],
        [load_prepared(folder, row) for row in held_out],
    )
