"""`groundglass calibrate-classifier`: temperatures and thresholds from scans it never saw."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundglass.cli.moved_options import FoldsNow, IndexNow, SegmenterNow

if TYPE_CHECKING:
    from groundglass.training.classifier_calibration import ClassifierCalibration


def calibrate_classifier(
    run: Annotated[
        Path,
        typer.Argument(
            help="Run folder of `train covtanet`, or a study's fold", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for JSON and picture")],
    scans: Annotated[
        str | None,
        typer.Option("--scans", help="Scan ids, with commas; left out: those held out in training"),
    ] = None,
    sensitivity: Annotated[
        float | None,
        typer.Option(
            "--sensitivity", help="Thresholds with at least this one; left out: Youden's index"
        ),
    ] = None,
    slices: Annotated[
        int | None,
        typer.Option("--slices", help="Most slices shown of a scan; left out: as in training"),
    ] = None,
    index: IndexNow = None,
    folds: FoldsNow = None,
    segmenter: SegmenterNow = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N")] = "cpu",
) -> None:
    """Fit temperatures and choose thresholds of a classifier of whole scans (extra `train`).

    The scans that it uses are no test of the classifier any more.
    """
    from groundglass.errors import MissingExtraError

    try:
        from groundglass.training.classifier_calibration import calibrate_classifier as measure
        from groundglass.training.finished_classifier import FinishedClassifier
    except ImportError as error:
        raise MissingExtraError("torch", "train", "calibrate-classifier") from error
    from groundglass.training.reliability_plot import draw_reliability

    finished = FinishedClassifier.of(run, index=index, folds=folds, segmenter=segmenter)
    rows = finished.test_rows(None if scans is None else scans.split(","))
    record, curves = measure(
        finished,
        rows,
        slices=slices,
        sensitivity=sensitivity,
        device=device,
        progress=lambda name: typer.echo(name, err=True),
    )
    out.mkdir(parents=True, exist_ok=True)
    made_up = " (made-up phantoms)" if record.phantoms else ""
    draw_reliability(
        curves,
        out / "reliability.png",
        title=f"{finished.settings.name}{made_up}",
        share="share that is positive",
        counted="scans",
    )
    target = out / "calibration.json"
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(record.to_json(), encoding="utf-8")
    partial.replace(target)
    for line in _lines(record):
        typer.echo(line)
    typer.echo(str(target))


def _lines(record: ClassifierCalibration) -> Iterator[str]:
    """Which scans, then a line a head, then what that costs."""
    counts = ", ".join(f"{count} {name}" for name, count in record.counts.items())
    made_up = " (made-up phantoms)" if record.phantoms else ""
    yield f"{len(record.scans)} scans of {record.patients} patients{made_up}: {counts}"
    for name, head in (("diagnosis", record.diagnosis), ("severity", record.severity)):
        found = f"no temperature ({head.measured['no_temperature']})"
        if head.temperature is not None:
            found = f"temperature {head.temperature:.3f}"
        yield f"{name}: {found}; threshold {head.threshold:.3f}: {head.threshold_rule}"
    yield record.note
