"""`groundglass prepare`: a published data set becomes frames, masks and an index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from groundglass.datasets.index import IndexRow

_DATASETS = ("covid19-ct-seg", "covid19-ct-seg-nr2", "healthy-scan")


def prepare(
    dataset: Annotated[
        str,
        typer.Argument(
            help="covid19-ct-seg (20 cases), covid19-ct-seg-nr2 (9 volumes), healthy-scan (in HU)",
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
) -> None:
    """Prepare a data set for training; one that is there already is written anew."""
    from groundglass.cli.speech import set_up_logging
    from groundglass.datasets.covid19_ct_seg import prepare_covid19_ct_seg
    from groundglass.datasets.covid19_ct_seg_nr2 import prepare_covid19_ct_seg_nr2
    from groundglass.datasets.healthy_scan import LICENSE, prepare_healthy_scan
    from groundglass.errors import SettingsError

    if dataset not in _DATASETS:
        raise SettingsError(f"data set {dataset!r} is unknown", expected=" or ".join(_DATASETS))
    set_up_logging(quiet=False, verbose=False)
    if dataset != "healthy-scan":
        if scan_id is not None or license is not None:
            raise SettingsError(
                f"--scan-id and --license do not apply to {dataset}",
                expected="them with healthy-scan only",
                remedy="Leave them out",
            )
        nr2 = dataset == "covid19-ct-seg-nr2"
        prepare_folders = prepare_covid19_ct_seg_nr2 if nr2 else prepare_covid19_ct_seg
        rows = prepare_folders(source, destination, progress=_tell)
    else:
        rows = prepare_healthy_scan(
            source,
            destination,
            scan_id=scan_id or source.resolve().name.split(".")[0],
            blocks=blocks,
            license=license or LICENSE,
        )
    _show(rows, destination)


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
    for row in rows:
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
    console.print(Text(f"license: {', '.join(sorted({row.license for row in rows}))}"))
