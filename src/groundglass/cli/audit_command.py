"""`groundglass audit`: is a prepared data set whole, what is in it, and what is in it twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from groundglass.datasets.audit import Audit
    from groundglass.datasets.composition import Composition, GradeCount


def audit(
    index: Annotated[
        Path,
        typer.Argument(
            help="Folder that prepare wrote, or its index.csv", metavar="INDEX", show_default=False
        ),
    ],
    threshold: Annotated[
        float, typer.Option("--threshold", help="Correlation from which on two slices are alike")
    ] = 0.9,
    merge_groups: Annotated[
        bool, typer.Option("--merge-groups", help="Put scans that are alike into one group")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Name missing, damaged and empty files; count slices per source; find scans that are alike.

    Exit code 1 where a file is missing, damaged, empty, or not what the index says.
    """
    from groundglass.cli.speech import set_up_logging
    from groundglass.datasets.audit import audit_index

    set_up_logging(quiet=as_json, verbose=False)
    found = audit_index(
        index_folder(index),
        threshold=threshold,
        merge=merge_groups,
        progress=None if as_json else _tell,
    )
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        _show(found, merging=merge_groups)
    if found.problems:
        raise typer.Exit(1)


def index_folder(path: Path) -> Path:
    """The prepared folder, where its index.csv itself was given."""
    return path.parent if path.is_file() else path


def _tell(done: int, total: int, scan_id: str) -> None:
    if done == total or done % 10 == 0:
        typer.echo(f"{done}/{total} {scan_id}", err=True)


def _show(found: Audit, *, merging: bool) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if found.problems:
        console.print(Text(f"files: {len(found.problems)} problems", style="bold red"))
        for problem in found.problems:
            console.print(Text(f"  {problem}"))
    else:
        console.print(Text(f"files: all {found.scans} scans whole"))
    console.print(_table(found.composition))
    if found.grades:
        console.print(_grades(found.grades))
    _show_duplicates(console, found, merging=merging)


def _table(lines: tuple[Composition, ...]) -> Table:
    """What was found, and below each source the paper's Table 1."""
    from rich.table import Table

    title = "what was found, beside the paper's Table 1 (? nobody counted, - not given)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    table.add_column("source", overflow="fold")
    table.add_column("volumes", justify="right")
    table.add_column("groups", justify="right")
    table.add_column("size", no_wrap=True)
    for heading in ("slices", "lung", "infection", "dark"):
        table.add_column(heading, justify="right")
    for line in lines:
        slices = (line.slices, line.lung_slices, line.lesion_slices, line.dark_slices)
        table.add_row(
            line.source,
            f"{line.volumes:,}",
            f"{line.groups:,}",
            "\n".join(line.dimensions) or "?",
            *(_number(number, "?") for number in slices),
        )
        if line.paper_volumes is not None:
            slices = (line.paper_slices, line.paper_lung_slices, line.paper_lesion_slices)
            table.add_row(
                "- in the paper",
                f"{line.paper_volumes:,}",
                "-",
                line.paper_dimensions.replace(", ", "\n") or "-",
                *(_number(number, "-") for number in (*slices, None)),
                style="dim",
            )
    return table


def _grades(lines: tuple[GradeCount, ...]) -> Table:
    """Scans of each grade, beside the numbers published."""
    from rich.table import Table

    title = "grades by CT findings, not PCR (scans, and those with drawn lesions)"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for heading in ("source", "grade", "label"):
        table.add_column(heading)
    for heading in ("volumes", "published", "drawn", "published"):
        table.add_column(heading, justify="right")
    for line in lines:
        table.add_row(
            line.source,
            line.grade,
            line.severity or line.diagnosis,
            f"{line.volumes:,}",
            _number(line.published_volumes, "-"),
            f"{line.with_mask:,}",
            _number(line.published_with_mask, "-"),
        )
    return table


def _number(value: int | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:,}"


def _show_duplicates(console: Console, found: Audit, *, merging: bool) -> None:
    from rich.text import Text

    across = set(found.duplicates_across_groups)
    console.print(
        Text(
            f"alike (correlation {found.threshold:g} or more): {len(found.duplicates)} pairs of "
            f"scans, {len(across)} of them in different groups"
        )
    )
    for pair in found.duplicates:
        where = "in different groups" if pair in across else "in one group"
        console.print(Text(f"  {pair}; {where}"))
    for patient, groups in found.split_patients.items():
        console.print(Text(f"patient {patient} is in {len(groups)} groups: {', '.join(groups)}"))
    for reason in found.merged:
        console.print(Text(f"merged: {reason}"))
    if across and not merging:
        console.print(Text("--merge-groups puts them into one group, so that folds do not leak"))
