"""`groundglass weights pack-classifier`: from both trained phases to a classifier's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from groundglass.cli.moved_options import FoldsNow, IndexNow, SegmenterNow


def pack_classifier(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder of `train covtanet`, or a study's fold", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the weights: new or empty")],
    calibration: Annotated[
        Path, typer.Option(help="calibration.json of `groundglass calibrate-classifier`")
    ],
    name: Annotated[str, typer.Option(help="Name that --classifier takes")],
    version: Annotated[str, typer.Option(help="Version of the weights")],
    title: Annotated[str, typer.Option(help="One line on what they are")],
    license_name: Annotated[str, typer.Option("--license", help="Licence of the weights")],
    data: Annotated[list[str], typer.Option(help="Training data, with source; repeatable")],
    accuracy: Annotated[
        Path | None, typer.Option(help="JSON with what was measured besides, stored as it is")
    ] = None,
    hardware: Annotated[str, typer.Option(help="What the run ran on")] = "",
    index: IndexNow = None,
    folds: FoldsNow = None,
    segmenter: SegmenterNow = None,
) -> None:
    """Make weights that classify whole scans from a finished training (extra `train`)."""
    from groundglass.cli.weights_command import read_json
    from groundglass.errors import MissingExtraError

    measured = read_json("--accuracy", accuracy)
    try:
        from groundglass.training.classifier_calibration import ClassifierCalibration
        from groundglass.training.classifier_pack import ClassifierPackSettings
        from groundglass.training.classifier_pack import pack_classifier as pack
        from groundglass.training.finished_classifier import FinishedClassifier
    except ImportError as error:
        raise MissingExtraError("torch and onnx", "train", "weights pack-classifier") from error
    settings = ClassifierPackSettings(
        name, version, title, license_name, tuple(data), measured, hardware
    )
    found = ClassifierCalibration.read(calibration)
    finished = FinishedClassifier.of(run, index=index, folds=folds, segmenter=segmenter)
    manifest = pack(finished, found, out, settings)
    for what, entry in manifest.files.items():
        typer.echo(f"{what}: {entry.sha256}  {out / entry.file}")
    if manifest.phantoms:
        typer.echo("trained on phantoms: it abstains on every scan that is not one", err=True)
