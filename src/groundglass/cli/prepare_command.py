"""`groundglass prepare`: a published data set becomes frames, masks and an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.datasets.index import IndexRow

_DATASETS = ("covid19-ct-seg", "covid19-ct-seg-nr2", "mosmed", "healthy-scan")
_SHOWN = 100
"""More scans than these are summed up, not listed one by one."""


def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            help="covid19-ct-seg (20 cases), covid19-ct-seg-nr2 (9 volumes), "
            "mosmed (50 or 1,110 studies), healthy-scan (in HU)",
            metavar="DATASET",
            show_default=False,
        ),
    ],
    source: Annotated[
        Path, typer.Argument(help="Folder of the data set, or the scan", show_default=False)
    ],
    destination: Annotated[
        Path,
        typer.Argument(help="Folder for frames and index; may hold others", show_default=False),
    ],
    scan_id: Annotated[
        str | None,
        typer.Option("--scan-id", help="healthy-scan: its name; left out, that of SOURCE"),
    ] = None,
    blocks: Annotated[
        int, typer.Option("--blocks", help="healthy-scan: stretches of slices dealt to two rows")
    ] = 8,
    license: Annotated[
        str | None, typer.Option("--license", help="healthy-scan: its terms, kept in the index")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="mosmed: all graded studies, not only those with a mask")
    ] = False,
    masks_by_index: Annotated[
        bool,
        typer.Option("--masks-by-index", help="mosmed: masks voxel for voxel, affine unread"),
    ] = False,
) -> None:
    """Prepare a data set for training; one that is there already is written anew."""
    from groundglass.cli.speech import set_up_logging
    from groundglass.datasets.healthy_scan import LICENSE, prepare_healthy_scan
    from groundglass.errors import SettingsError

    if dataset not in _DATASETS:
        raise SettingsError(f"data set {dataset!r} is unknown", expected=" or ".join(_DATASETS))
    set_up_logging(quiet=False, verbose=False)
    named = scan_id is not None or license is not None
    _refuse(dataset, "healthy-scan", ("--scan-id", "--license"), given=named)
    _refuse(dataset, "mosmed", ("--all", "--masks-by-index"), given=every or masks_by_index)
    if dataset == "healthy-scan":
        rows = prepare_healthy_scan(
            source,
            destination,
            scan_id=scan_id or source.resolve().name.split(".")[0],
            blocks=blocks,
            license=license or LICENSE,
        )
    else:
        rows = _prepare(dataset, source, destination, every=every, masks_by_index=masks_by_index)
    _show(rows, destination)


def _prepare(
    dataset: str, source: Path, destination: Path, *, every: bool, masks_by_index: bool
) -> list[IndexRow]:
    """One of the sets with masks."""
    from groundglass.datasets.covid19_ct_seg import prepare_covid19_ct_seg
    from groundglass.datasets.covid19_ct_seg_nr2 import prepare_covid19_ct_seg_nr2
    from groundglass.datasets.mosmed import prepare_mosmed

    if dataset == "covid19-ct-seg":
        return prepare_covid19_ct_seg(source, destination, progress=_tell)
    if dataset == "covid19-ct-seg-nr2":
        return prepare_covid19_ct_seg_nr2(source, destination, progress=_tell)
    return prepare_mosmed(
        source, destination, every=every, masks_by_index=masks_by_index, progress=_tell
    )


def _refuse(dataset: str, only: str, options: tuple[str, ...], *, given: bool) -> None:
    """Options of one data set given with another have no effect: say so."""
    from groundglass.errors import SettingsError

    if given and dataset != only:
        raise SettingsError(
            f"{' and '.join(options)} do not apply to {dataset}",
            expected=f"them with {only} only",
            remedy="Leave them out",
        )


def _tell(done: int, total: int, scan_id: str) -> None:
    typer.echo(f"{done}/{total} {scan_id}", err=True)


def _show(rows: list[IndexRow], destination: Path) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(str(destination)), title_justify="left")
    table.add_column("scan", overflow="fold")
    table.add_column("group", overflow="fold")
    table.add_column("values")
    for heading in ("slices", "lung voxels", "lesion voxels", "lesion share"):
        table.add_column(heading, justify="right")
    for row in rows if len(rows) <= _SHOWN else ():
        share = f"{100 * row.lesion_voxels / row.lung_voxels:.1f} %" if row.lung_voxels else "-"
        counts = (row.slices, row.lung_voxels, row.lesion_voxels)
        table.add_row(row.scan_id, row.group, row.domain, *(f"{n:,}" for n in counts), share)
    slices, lungs, lesions = (
        sum(getattr(row, name) for row in rows)
        for name in ("slices", "lung_voxels", "lesion_voxels")
    )
    groups = len({row.group for row in rows})
    table.add_section()
    table.add_row(
        f"{len(rows)} scans", f"{groups} groups", "", f"{slices:,}", f"{lungs:,}", f"{lesions:,}"
    )
    console = Console()
    console.print(table)
    dark = sum(row.dark_slices or 0 for row in rows)
    console.print(Text(f"dark slices dropped: {dark:,}"))
    _show_labels(console, rows)
    if any(row.is_phantom for row in rows):
        text = "made-up phantoms: no figure from them says anything about patients"
        console.print(Text(text, style="yellow"))
    console.print(Text(f"license: {', '.join(sorted({row.license for row in rows}))}"))


def _show_labels(console: Console, rows: list[IndexRow]) -> None:
    """How many scans have which label, and what the label is not."""
    from collections import Counter

    from rich.text import Text

    labels = Counter(row.severity or row.diagnosis for row in rows if row.diagnosis)
    if not labels:
        return
    named = ", ".join(f"{n:,} {name}" for name, n in sorted(labels.items()))
    console.print(Text(f"labels: {named} (COVID-related findings in the CT, not a PCR result)"))
    if unknown := sum(not row.lesions_are_known for row in rows):
        console.print(
            Text(
                f"{unknown:,} scans with findings have no drawn lesions: their empty masks say "
                "nothing, no lesion network may learn from them",
                style="yellow",
            )
        )
