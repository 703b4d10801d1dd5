"""Whose masks taught a segmentation run: those patients may not test what is built upon it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groundglass.datasets.index import IndexRow, read_index
from groundglass.errors import DatasetError, SettingsError, WeightsError
from groundglass.training.checkpoint import STATE_NAME, load_state
from groundglass.training.select import chosen_fold, has_masks, split_rows
from groundglass.training.settings import TrainSettings

_NAMED = 20


def refuse_seen_masks(settings: TrainSettings, tested: Sequence[IndexRow], *, index: Path) -> None:
    """Raises: SettingsError naming the tested scans of patients whose mask the run has seen.

    `index`: the folder that `tested` come from, taken in place of the run's own where that is the
    same by name and has moved. Raises as `seen_groups` too.
    """
    seen = seen_groups(settings, index=index)
    leaks = sorted(row.scan_id for row in tested if row.group in seen)
    if leaks:
        more = f" and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
        raise SettingsError(
            f"the masks of {', '.join(leaks[:_NAMED])}{more} taught phase 1 ({settings.name}), and "
            "phase 2 holds these patients out",
            expected="no patient that phase 1 learned from on the test side of phase 2",
            remedy="Give both phases the same folds, fold and hold_out, or train phase 1 anew",
        )


def seen_groups(settings: TrainSettings, *, index: Path) -> frozenset[str]:
    """Patient groups with a mask that a run trained on, stopped early by, or began from.

    Raises: SettingsError where what it began from, or its index or folds, cannot be known any more.
    """
    seen: set[str] = set()
    if settings.start_from is not None:
        try:
            path = Path(settings.start_from)
            before = load_state(path / STATE_NAME if path.is_dir() else path).settings
        except WeightsError as error:
            raise SettingsError(
                f"phase 1 ({settings.name}) began from {settings.start_from}, and what that was "
                "trained on is not known",
                expected="a run folder or checkpoint, which says so",
            ) from error
        seen |= seen_groups(TrainSettings.model_validate(before), index=index)
    own = Path(settings.index)
    if not own.exists() and own.name == index.name:
        own = index
    try:
        rows = read_index(own)
        kept, _ = split_rows(rows, settings.hold_out)
        fold = None
        if settings.folds is not None:
            fold = chosen_fold(settings.folds, settings.fold, rows)
    except DatasetError as error:
        raise SettingsError(
            f"what phase 1 ({settings.name}) was trained on cannot be looked up: {error.problem}",
            expected="the index and the folds that its settings name",
            remedy="Put them back, or train phase 1 in this run",
        ) from error
    for row in kept:
        trained = row.slices if fold is None else fold.train_slices(row).size
        if trained and has_masks(row, settings.stage):
            seen.add(row.group)
    return frozenset(seen)
