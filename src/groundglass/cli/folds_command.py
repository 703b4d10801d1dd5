"""`groundglass folds`: which scans each fold tests on, and whether anything leaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from groundglass.datasets.folds import Fold, FoldCheck, Folds
    from groundglass.datasets.index import IndexRow

_PROTOCOLS = ("patients", "slices")
_NAMED = 40
"""Scans of a fold that are listed by name; of more, their number."""


def folds(
    index: Annotated[
        Path,
        typer.Argument(
            help="Folder that prepare wrote, or its index.csv", metavar="INDEX", show_default=False
        ),
    ],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="patients (grouped folds) or slices (the paper's; it leaks)"
        ),
    ] = "patients",
    count: Annotated[int, typer.Option("--count", help="patients: number of folds")] = 5,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same folds")] = 0,
    test_share: Annotated[
        float, typer.Option("--test-share", help="slices: share of all slices that is tested")
    ] = 0.3,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folds file to write", show_default=False)
    ] = None,
) -> None:
    """Make folds, show them, and count what train and test share.

    Exit code 1 where folds of patients share a patient or a slice, which must not be.
    """
    from rich.console import Console
    from rich.text import Text

    from groundglass.cli.audit_command import index_folder
    from groundglass.datasets.folds import patient_folds, slice_split
    from groundglass.datasets.index import read_index
    from groundglass.errors import SettingsError

    if protocol not in _PROTOCOLS:
        raise SettingsError(f"--protocol is {protocol!r}", expected=" or ".join(_PROTOCOLS))
    rows = read_index(index_folder(index))
    made = (
        patient_folds(rows, count=count, seed=seed)
        if protocol == "patients"
        else slice_split(rows, test_share=test_share, seed=seed)
    )
    checks = made.check(rows)
    console = Console()
    console.print(_table(made, checks, rows))
    _show_labels(console, made, rows)
    leaks = _show_check(console, made, checks, rows)
    if protocol == "patients" and leaks:
        raise typer.Exit(1)
    if out is not None:
        made.save(out)
        console.print(Text(f"folds: {out}"))


def _table(made: Folds, checks: Sequence[FoldCheck], rows: Sequence[IndexRow]) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = f"{made.protocol}, seed {made.seed}: test side of each fold"
    table = Table(title=title, title_justify="left")
    table.add_column("fold", justify="right")
    table.add_column("scans", overflow="fold")
    for heading in ("groups", "slices", "lesion share", "train slices"):
        table.add_column(heading, justify="right")
    for fold, check in zip(made.folds, checks, strict=True):
        tested = [row for row in rows if fold.test_slices(row).size]
        table.add_row(
            str(fold.number),
            Text(_names(fold, tested)),
            str(len({row.group for row in tested})),
            f"{check.test_slices:,}",
            _lesion_share(tested, whole=made.protocol == "patients"),
            f"{check.train_slices:,}",
        )
    return table


def _show_labels(console: Console, made: Folds, rows: Sequence[IndexRow]) -> None:
    """Scans of each label on the test side of each fold, and those with lesions to measure."""
    from collections import Counter

    from rich.text import Text

    if not any(row.diagnosis for row in rows):
        return
    console.print(Text("labels of the tested scans, by CT findings, not PCR:"))
    for fold in made.folds:
        tested = [row for row in rows if fold.test_slices(row).size]
        names = [row.severity or row.diagnosis or "not graded" for row in tested]
        drawn = Counter(name for name, row in zip(names, tested, strict=True) if row.lesion_voxels)
        counts = Counter(names)
        order = [name for name in ("normal", "mild", "severe", "not graded") if counts[name]]
        parts = (
            f"{counts[name]} {name}" + (f" ({drawn[name]} drawn)" if drawn[name] else "")
            for name in order
        )
        console.print(Text(f"fold {fold.number}: {', '.join(parts)}"))


def _names(fold: Fold, tested: Sequence[IndexRow]) -> str:
    if len(tested) > _NAMED:
        return f"{len(tested)} scans"
    return ", ".join(
        row.scan_id
        if fold.test[row.scan_id] is None
        else f"{row.scan_id} ({fold.test_slices(row).size}/{row.slices})"
        for row in tested
    )


def _lesion_share(tested: Sequence[IndexRow], *, whole: bool) -> str:
    """Lesion voxels in percent of the lung's, of whole scans; the index knows no single slice."""
    lungs = sum(row.lung_voxels for row in tested)
    if not whole or not lungs:
        return "-"
    return f"{100 * sum(row.lesion_voxels for row in tested) / lungs:.1f} %"


def _show_check(
    console: Console, made: Folds, checks: Sequence[FoldCheck], rows: Sequence[IndexRow]
) -> bool:
    """Print what was computed; True where a group or a slice is on both sides."""
    from rich.text import Text

    for check in checks:
        console.print(
            Text(
                f"fold {check.fold}: {check.shared_slices} slices and "
                f"{len(check.shared_groups)} groups are in train and in test"
            )
        )
    shared = sum(len(check.shared_groups) for check in checks)
    slices = sum(check.shared_slices for check in checks)
    if made.protocol == "slices":
        leaking = set().union(*(check.shared_groups for check in checks))
        patients = {row.patient_id for row in rows if row.group in leaking}
        console.print(
            Text(f"the leak: {len(patients)} patients are on both sides", style="bold yellow")
        )
        return bool(shared or slices)
    for patient, numbers in _split_patients(made, rows).items():
        console.print(
            Text(
                f"note: patient {patient} was prepared as several groups; in train and in test "
                f"of fold {', '.join(map(str, numbers))}",
                style="yellow",
            )
        )
    times = _times_tested(made, rows)
    console.print(Text(f"slices tested other than once: {times}"))
    leaks = bool(shared or slices or times)
    console.print(
        Text("NOT disjoint", style="bold red")
        if leaks
        else Text(f"disjoint: groups shared between train and test = {shared}", style="bold green")
    )
    return leaks


def _split_patients(made: Folds, rows: Sequence[IndexRow]) -> dict[str, list[int]]:
    """Patients, by name and not by group, who are in train and in test: id -> folds."""
    found: dict[str, list[int]] = {}
    for fold in made.folds:
        test = {row.patient_id for row in rows if fold.test_slices(row).size}
        train = {row.patient_id for row in rows if fold.train_slices(row).size}
        for patient in sorted(test & train):
            found.setdefault(patient, []).append(fold.number)
    return found


def _times_tested(made: Folds, rows: Sequence[IndexRow]) -> int:
    """Slices that no fold tests, or more than one."""
    import numpy as np

    odd = 0
    for row in rows:
        times = np.zeros(row.slices, dtype=int)
        for fold in made.folds:
            times[fold.test_slices(row)] += 1
        odd += int((times != 1).sum())
    return odd
