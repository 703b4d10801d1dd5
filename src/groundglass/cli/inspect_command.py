"""`groundglass inspect`: what is in an input, and what `analyze` would take and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from groundglass.io.inspect import Candidate, Inspection


def inspect(
    input: Annotated[
        Path,
        typer.Argument(
            help="DICOM folder, zip or file; NIfTI, NRRD, MHA/MHD; PNG or JPEG slices",
            metavar="INPUT",
            show_default=False,
        ),
    ],
    series: Annotated[
        str | None,
        typer.Option("--series", help="SeriesInstanceUID, or its unique end", show_default=False),
    ] = None,
    intensity: Annotated[
        str, typer.Option("--intensity", help="auto, hu, uint8 or window:LO,HI")
    ] = "auto",
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Count missing slices as no obstacle")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show series, geometry, gaps, tilt, intensities, and which scan would be analyzed and why.

    Exit code 1 where nothing can be analyzed.
    """
    from groundglass.errors import SettingsError
    from groundglass.intensity import IntensityChoice
    from groundglass.io.inspect import inspect_input

    try:
        choice = IntensityChoice.parse(intensity)
    except SettingsError as error:
        raise typer.BadParameter(str(error), param_hint="--intensity") from error
    found = inspect_input(input, series=series, intensity=choice, allow_gaps=allow_gaps)
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _show(found)
    if not found.chosen:
        raise typer.Exit(1)


def _show(found: Inspection) -> None:
    from rich.console import Console

    console = Console()
    if found.candidates:
        console.print(_table(found))
    for number, candidate in enumerate(found.candidates, 1):
        _show_notes(console, number, candidate)
    for reason, count in found.ignored.items():
        _say(console, f"left out: {count} file{'' if count == 1 else 's'}, {reason}")
    if found.chosen:
        _say(console, f"analyze takes {found.chosen}: {found.choice}", "bold green")
    else:
        _say(console, f"nothing can be analyzed: {found.error}", "bold red")


def _say(console: Console, text: str, style: str = "") -> None:
    """One line however long, so that a UID can be copied whole."""
    from rich.text import Text

    console.print(Text(text, style=style), soft_wrap=True)


def _table(found: Inspection) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(f"{found.path} ({found.kind})"), title_justify="left")
    for heading in ("", "#", "scan", "description", "shape", "spacing mm", "axes", "values", "fit"):
        table.add_column(heading, overflow="fold")
    for number, candidate in enumerate(found.candidates, 1):
        spacing = " x ".join(f"{value:.3g}" for value in candidate.spacing_mm)
        words = (candidate.modality, candidate.description, candidate.kernel)
        table.add_row(
            ">" if candidate.id == found.chosen else "",
            str(number),
            Text(_short(candidate.id)),
            Text(" ".join(word for word in words if word)),
            " x ".join(map(str, candidate.shape)),
            spacing if candidate.spacing_is_real else "unknown",
            candidate.orientation,
            candidate.intensity,
            "yes" if candidate.fit else "no",
        )
    return table


def _short(name: str) -> str:
    """The end of a UID, which `--series` takes as well."""
    return name if len(name) <= 20 else f"..{name[-16:]}"


def _show_notes(console: Console, number: int, candidate: Candidate) -> None:
    _say(console, f"{number}: {candidate.id}")
    if candidate.intensity_evidence:
        _say(console, f"   {candidate.intensity_evidence}", "dim")
    for reason in candidate.reasons:
        _say(console, f"   unfit: {reason}", "red")
    for finding in candidate.findings:
        if not any(finding.message in reason for reason in candidate.reasons):
            _say(console, f"   {finding.severity}: {finding.message}")
