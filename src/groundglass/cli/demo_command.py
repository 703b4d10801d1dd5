"""`groundglass demo`: the whole main job on two real scans that ship with the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the results")] = Path(
        "groundglass-demo"
    ),
    engine: Annotated[str, typer.Option(help="auto, onnx, torch or openvino")] = "auto",
) -> None:
    """Analyze the shipped sample scans beside their reference, and say where the reports are.

    The first is 24 slices of a patient with COVID-19 pneumonia, the second a whole chest CT of
    64x64x79 voxels as zipped DICOM. Where the weights were trained on the first, it is said.
    """
    from groundglass.cli.analyze_command import summary_lines
    from groundglass.cli.load_cascade import load_cascade
    from groundglass.cli.speech import set_up_logging
    from groundglass.pipeline.analyze import AnalyzeOptions, analyze_scan
    from groundglass.samples import (
        CIP_REFERENCE,
        CIP_SCAN,
        COVID_CASE,
        COVID_REFERENCE,
        COVID_SCAN,
    )

    set_up_logging(quiet=False, verbose=False)
    cascade = load_cascade(engine=engine, device="auto")
    held_out = set[str].intersection(
        *(set(chosen.manifest.held_out) for chosen in cascade.weights.values())
    )
    jobs = (
        ("covid", COVID_SCAN, COVID_REFERENCE, AnalyzeOptions(nominal_spacing=True)),
        ("cip", CIP_SCAN, CIP_REFERENCE, AnalyzeOptions()),
    )
    for name, scan, reference, options in jobs:
        analysis = analyze_scan(
            scan, out / name, cascade, options=options, reference=reference, scan_id=name
        )
        typer.echo("\n".join(summary_lines(analysis)))
        for region, dice in analysis.agreement.items():
            typer.echo(f"  Dice with the reference, {region}: {dice:.3f}")
        if name == "covid" and COVID_CASE not in held_out:
            typer.echo("  (the weights were trained on this patient: no measure of accuracy)")
        typer.echo(f"  {analysis.run['seconds_total']:.1f} s")
    typer.echo("Research use only. Not a medical device.")
    typer.echo(f"Reports: {out / 'covid' / 'report.html'}")
    typer.echo(f"         {out / 'cip' / 'report.html'}")
