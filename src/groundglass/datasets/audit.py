"""One look at a whole prepared data set: integrity, what is in it, and what is in it twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundglass.datasets.composition import (
    Composition,
    GradeCount,
    compose,
    count_grades,
    counted,
)
from groundglass.datasets.duplicates import (
    THRESHOLD,
    DuplicatePair,
    find_duplicates,
    fingerprint,
    merge_groups,
)
from groundglass.datasets.index import read_index, write_index
from groundglass.datasets.integrity import Problem, examine
from groundglass.errors import DatasetError, SettingsError


@dataclass(frozen=True)
class Audit:
    """What was found. `split_patients`: patient id -> its groups, where there are several."""

    scans: int
    problems: tuple[Problem, ...]
    composition: tuple[Composition, ...]
    threshold: float
    duplicates: tuple[DuplicatePair, ...]
    duplicates_across_groups: tuple[DuplicatePair, ...]
    split_patients: dict[str, tuple[str, ...]]
    merged: tuple[str, ...] = ()
    grades: tuple[GradeCount, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def audit_index(
    folder: Path,
    *,
    threshold: float = THRESHOLD,
    merge: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Audit:
    """Read every scan of the index once; with `merge`, put scans that are alike into one group.

    `progress` is called with (scans done, scans in all, scan id). Nothing is written without
    `merge`; with it the index's groups and provenance are.
    Raises: DatasetError where there is no index, or with `merge` a file is missing or damaged,
    as duplicates may hide there; SettingsError where `threshold` is not between 0 and 1.
    """
    if not 0 < threshold < 1:
        raise SettingsError(f"threshold is {threshold}", expected="a correlation between 0 and 1")
    rows = read_index(folder)
    problems, prints, counts = [], [], {}
    for done, row in enumerate(rows, start=1):
        scan, found = examine(folder, row)
        problems += found
        counts[row.scan_id] = counted(row, scan)
        if scan is not None:
            prints.append(fingerprint(scan))
        if progress is not None:
            progress(done, len(rows), row.scan_id)
    if merge and len(prints) < len(rows):
        raise DatasetError(
            f"{folder} has unusable files: " + "; ".join(map(str, problems)),
            expected="all scans readable before groups are merged",
            remedy="Prepare them again, or take their rows out of the index",
        )
    pairs = find_duplicates(prints, threshold=threshold)
    group = {row.scan_id: row.group for row in rows}
    across = [pair for pair in pairs if group[pair.first] != group[pair.second]]
    merged: list[str] = []
    if merge and across:
        rows, merged = merge_groups(rows, across)
        write_index(folder, rows)
    patients: dict[str, set[str]] = {}
    for row in rows:
        patients.setdefault(row.patient_id, set()).add(row.group)
    return Audit(
        scans=len(rows),
        problems=tuple(problems),
        composition=tuple(compose(rows, counts)),
        threshold=threshold,
        duplicates=tuple(pairs),
        duplicates_across_groups=tuple(across),
        split_patients={k: tuple(sorted(v)) for k, v in sorted(patients.items()) if len(v) > 1},
        merged=tuple(merged),
        grades=tuple(count_grades(rows)),
    )
