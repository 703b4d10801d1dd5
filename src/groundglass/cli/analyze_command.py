"""`groundglass analyze`: the main job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundglass.cli.deidentify_option import asked_deidentification
from groundglass.cli.load_cascade import asked_models, load_cascade
from groundglass.pipeline.load_classifier import load_classifier

if TYPE_CHECKING:
    from groundglass.outputs.cohort import CohortRow
    from groundglass.pipeline.analyze import Analysis, AnalyzeOptions
    from groundglass.pipeline.classify import LoadedClassifier
    from groundglass.pipeline.resume import AskedModels
    from groundglass.predictor.cascade import Cascade


@dataclass(frozen=True)
class _Models:
    """How to load what an analysis needs; nothing is loaded before it is needed."""

    cascade: Callable[[], Cascade]
    classifier: Callable[[], LoadedClassifier | None]
    asked: Callable[[], AskedModels]


def analyze(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            help="DICOM folder, zip or file; NIfTI, NRRD, MHA/MHD; PNG or JPEG slices",
            metavar="INPUT...",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for the results", show_default=False)
    ],
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N")] = "auto",
    engine: Annotated[str, typer.Option(help="auto, onnx, torch or openvino")] = "auto",
    lesion_model: Annotated[
        str | None,
        typer.Option(
            help="Lesion network: chs-net, ta-segnet, or any weights by name or folder; left out, "
            "that of --weights; without it ta-segnet",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Weights by name or folder, for lungs and lesions; left out, chs-net for lungs",
            show_default=False,
        ),
    ] = None,
    classifier: Annotated[
        str | None,
        typer.Option(
            help="Weights of a classifier by name or folder: diagnosis and severity by a learned "
            "head too, beside the measured share",
            show_default=False,
        ),
    ] = None,
    series: Annotated[
        str | None,
        typer.Option(help="SeriesInstanceUID, or its unique end", show_default=False),
    ] = None,
    intensity: Annotated[str, typer.Option(help="auto, hu, window:LO,HI or uint8")] = "auto",
    allow_gaps: Annotated[
        bool, typer.Option("--allow-gaps", help="Go on where slices are missing")
    ] = False,
    nominal_spacing: Annotated[
        bool, typer.Option("--nominal-spacing", help="The header's spacing is not real: no ml")
    ] = False,
    probability: Annotated[
        bool, typer.Option("--probability", help="Also write lesion_probability.nii.gz")
    ] = False,
    pdf: Annotated[bool, typer.Option("--pdf", help="Also write report.pdf")] = False,
    dicom: Annotated[
        str | None,
        typer.Option(
            help="DICOM objects to write: some of seg,sr,pdf,sc, or none; left out, seg,sr,pdf for "
            "DICOM input",
            show_default=False,
        ),
    ] = None,
    exact_lungs: Annotated[
        bool, typer.Option("--exact-lungs", help="Lung network on every slice, not every 3 mm")
    ] = False,
    flips: Annotated[
        bool,
        typer.Option(
            "--flips", help="Test-time flips: lesions over mirrored slices too; twice the time"
        ),
    ] = False,
    deidentify: Annotated[
        str | None,
        typer.Option(
            help="Write no name, id, date, UID or file name; profile basic, longitudinal or "
            "research",
            metavar="PROFILE",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(help="Secret key file for --deidentify, as in deidentify", show_default=False),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Keep whole results that are what is asked for, do the rest"),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Stages with seconds")] = False,
) -> None:
    """Segment lungs and lesions, measure them, and write masks, findings and a report.

    One input gives OUT itself, several give OUT/<scan_id>/ and OUT/cohort.csv.
    Research use only. Not a medical device.
    """
    from groundglass.cli.speech import set_up_logging
    from groundglass.intensity import IntensityChoice
    from groundglass.outputs.dicom.write import parse_dicom_kinds
    from groundglass.pipeline.analyze import AnalyzeOptions
    from groundglass.pipeline.cohort import check_outputs

    set_up_logging(quiet=quiet, verbose=verbose)
    options = AnalyzeOptions(
        series=series,
        intensity=IntensityChoice.parse(intensity),
        allow_gaps=allow_gaps,
        probability=probability,
        nominal_spacing=nominal_spacing,
        pdf=pdf,
        dicom=None if dicom is None else parse_dicom_kinds(dicom),
        deidentification=asked_deidentification(deidentify, key, resume=resume),
    )
    check_outputs(inputs, out)

    models = _Models(
        lambda: load_cascade(
            weights, lesion_model, engine=engine, device=device, exact=exact_lungs, flips=flips
        ),
        lambda: load_classifier(classifier, engine=engine, device=device),
        lambda: asked_models(weights, lesion_model, classifier, exact=exact_lungs, flips=flips),
    )
    if len(inputs) == 1:
        _one(inputs[0], out, models, options=options, resume=resume, as_json=as_json, quiet=quiet,
             verbose=verbose)  # fmt: skip
    else:
        _many(inputs, out, models, options=options, resume=resume, as_json=as_json, quiet=quiet)


def summary_lines(analysis: Analysis) -> list[str]:
    """The result in a few lines for a person."""
    from groundglass.cli.routes_line import routes_line

    found = analysis.findings
    lungs, lesions = found.lungs, found.lesions
    lines = [f"{found.scan.id}: {found.diagnosis.statement}"]
    if lungs.total.volume_ml is not None:
        lines.append(
            f"  lungs {lungs.total.volume_ml:.0f} ml (right {lungs.right.volume_ml or 0:.0f}, "
            f"left {lungs.left.volume_ml or 0:.0f}), lesions {lesions.volume_ml or 0:.1f} ml"
        )
    known, between = lesions.uncertainty, ""
    if known is not None:
        between = (
            f" (range {known.involvement_low_percent:.1f} to {known.involvement_high_percent:.1f}"
            f"{'' if known.is_calibrated else ', not calibrated'})"
        )
    lines.append(
        f"  involved: {lesions.involvement_percent:.1f} % of the lungs{between}; intensities: "
        f"{found.scan.intensity.evidence}"
    )
    lines.append(f"  {routes_line(found)}")
    if analysis.run["series"]["chosen_because"]:
        lines.append(f"  series: {analysis.run['series']['chosen_because']}")
    lines += [f"  warning: {text}" for text in found.warnings]
    return lines


def _one(
    path: Path,
    out: Path,
    models: _Models,
    *,
    options: AnalyzeOptions,
    resume: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from groundglass.pipeline.analyze import analyze_scan
    from groundglass.pipeline.resume import result_to_keep

    if resume and result_to_keep(out, path, options, models.asked()) is not None:
        if as_json:
            typer.echo((out / "findings.json").read_text(encoding="utf-8"), nl=False)
        elif not quiet:
            typer.echo(f"{out} holds a whole result already", err=True)
        return
    analysis = analyze_scan(
        path, out, models.cascade(), options=options, classifier=models.classifier()
    )
    if as_json:
        typer.echo(analysis.findings.model_dump_json(indent=1))
    elif not quiet:
        typer.echo("\n".join(summary_lines(analysis)))
        typer.echo(f"  report: {out / 'report.html'}")
        if analysis.run["dicom"]["files"]:
            typer.echo(f"  DICOM objects: {out / 'dicom'}")
    if verbose:
        for stage, seconds in analysis.run["seconds"].items():
            typer.echo(f"  {seconds:8.2f} s  {stage}", err=True)
        if analysis.run["peak_memory_mib"] is not None:
            typer.echo(f"  {analysis.run['peak_memory_mib']:8.0f} MiB peak memory", err=True)


def _many(
    inputs: list[Path],
    out: Path,
    models: _Models,
    *,
    options: AnalyzeOptions,
    resume: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    import json

    from groundglass.cli.routes_line import routes_line
    from groundglass.pipeline.cohort import analyze_cohort, plan_cohort

    how = options.deidentification
    jobs = plan_cohort(inputs, out, None if how is None else how.key)

    def say(row: CohortRow) -> None:
        if row.status == "failed":
            typer.echo(f"{row.scan_id}: failed: {row.error}", err=True)
        elif not quiet and row.findings is not None:
            share = row.findings.lesions.involvement_percent
            typer.echo(f"{row.scan_id}: {row.status}, {share:.1f} % involved", err=True)
            if row.findings.routes.agreement.state == "differ":
                typer.echo(f"  {routes_line(row.findings)}", err=True)

    rows = analyze_cohort(
        jobs,
        out,
        models.cascade,
        options=options,
        resume=models.asked() if resume else False,
        on_row=say,
        load_classifier=models.classifier,
    )
    if as_json:
        whole = {
            row.scan_id: row.findings.model_dump(mode="json")
            if row.findings
            else {"error": row.error}
            for row in rows
        }
        typer.echo(json.dumps(whole, indent=1))
    failed = sum(row.status == "failed" for row in rows)
    if not quiet:
        typer.echo(f"{len(rows) - failed} of {len(rows)} done; {out / 'cohort.csv'}", err=True)
    if failed:
        raise typer.Exit(1)
