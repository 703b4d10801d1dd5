"""`groundglass evaluate`: anybody's predictions against references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table


def evaluate(
    prediction: Annotated[
        Path,
        typer.Argument(help="Mask, or folder of masks", metavar="PREDICTION", show_default=False),
    ],
    reference: Annotated[
        Path,
        typer.Argument(help="Mask, or folder of masks", metavar="REFERENCE", show_default=False),
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for tables and figures")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="Label that counts, by number or name; repeat for several"),
    ] = None,
    reference_label: Annotated[
        list[str] | None, typer.Option(help="The same for the reference, where it differs")
    ] = None,
    prediction_file: Annotated[
        str | None, typer.Option(help="Pattern of the file names that count")
    ] = None,
    reference_file: Annotated[str | None, typer.Option(help="The same for the reference")] = None,
    pairs: Annotated[
        Path | None, typer.Option(help="CSV: prediction, reference, and case and group if wanted")
    ] = None,
    group_by: Annotated[
        str | None, typer.Option(help="Patients: expression over case names, or a CSV")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Count missing predictions and go on")
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="Scans, as the backdrop of the figure")
    ] = None,
    tolerance_mm: Annotated[
        list[float] | None, typer.Option(help="Tolerance of the surface Dice; default 2")
    ] = None,
    spacing_is_nominal: Annotated[
        bool, typer.Option("--spacing-is-nominal", help="Headers' spacing was not measured")
    ] = False,
    ignore_affine: Annotated[
        bool, typer.Option("--ignore-affine", help="Compare in file order, whatever headers say")
    ] = False,
    level: Annotated[float, typer.Option(help="Level of the intervals")] = 0.95,
    draws: Annotated[int, typer.Option(help="Draws of the bootstrap")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole document")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Errors only")] = False,
) -> None:
    """Compare masks with references: overlap, surfaces, lesions, volumes, with intervals.

    Two files, or two folders paired by name; masks of any tool.
    """
    from groundglass.cli.speech import set_up_logging
    from groundglass.evaluation.document import Inputs, build_document
    from groundglass.evaluation.evaluate import EvaluateSettings, evaluate_pairs
    from groundglass.evaluation.masks import MaskRules
    from groundglass.evaluation.pair_lists import read_pairs, with_groups, with_images
    from groundglass.evaluation.pairing import pair_paths
    from groundglass.evaluation.write import check_folder, write_evaluation

    set_up_logging(quiet=quiet, verbose=False)
    settings = EvaluateSettings(
        rules=MaskRules(
            labels=tuple(label or ()),
            reference_labels=tuple(reference_label or ()),
            spacing_is_nominal=spacing_is_nominal,
            ignore_affine=ignore_affine,
        ),
        tolerance_mm=tuple(tolerance_mm or (2.0,)),
        level=level,
        draws=draws,
        seed=seed,
    )
    if out is not None:
        check_folder(out)
    if pairs is not None:
        found = read_pairs(pairs, prediction, reference, allow_missing=allow_missing)
    else:
        found = pair_paths(
            prediction, reference, prediction_file=prediction_file,
            reference_file=reference_file, allow_missing=allow_missing,
        )  # fmt: skip
    cases = with_groups(found.pairs, group_by)
    if images is not None:
        cases = with_images(cases, images)
    results = evaluate_pairs(cases, settings, progress=None if quiet else _say)
    inputs = Inputs(str(prediction), str(reference), found.unused)
    document = build_document(results, settings, inputs)
    skipped = write_evaluation(out, document, results, settings) if out is not None else []
    if as_json:
        import json

        typer.echo(json.dumps(document, indent=1, allow_nan=False))
    elif not quiet:
        _show(document)
    if not quiet:
        for text in skipped:
            typer.echo(text, err=True)
        if out is not None:
            typer.echo(f"tables and figures: {out}", err=True)


def _say(done: int, whole: int, case: str) -> None:
    if whole > 1:
        typer.echo(f"{done} of {whole}: {case}", err=True)


def _show(document: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(_overlap(document))
    groups = document["group_count"]
    level = f"{100 * document['settings']['level']:g} %"
    brackets = f"in brackets: {level} interval over {groups} groups; " if groups > 1 else ""
    console.print(Text(f"{brackets}definitions: --json, or evaluation.md with -o"))
    scores = document["scores"]
    for kind in ("volumes", "slices"):
        empty = scores[f"empty_{kind}"]
        if empty["count"]:
            console.print(
                f"{kind} with an empty reference, in no mean: {empty['count']}, of them "
                f"{empty['clean']} with an empty prediction; {empty['false_positive_voxels']} "
                "false positive voxels"
            )
    console.print(_others(document))
    for reason, count in document["surface"]["left_out_because"].items():
        console.print(Text(f"no surface distances for {count} cases: {reason}"))
    for text in document["warnings"]:
        console.print(Text(f"warning: {text}", style="yellow"))


def _overlap(document: dict[str, Any]) -> Table:
    from rich.table import Table

    scores = document["scores"]
    title = f"{document['case_count']} cases, {document['group_count']} groups"
    table = Table(title=title, title_justify="left")
    volumes, slices = (scores[k]["dice"]["count"] for k in ("per_volume", "per_slice"))
    for heading in ("", "pooled", f"{volumes} volumes", f"{slices} slices"):
        table.add_column(heading)
    for name in scores["pooled"]:
        kinds = ("pooled", "per_volume", "per_slice")
        table.add_row(name, *(_short(scores[kind][name]) for kind in kinds))
    return table


def _short(found: dict[str, Any]) -> str:
    """Value and interval, short enough for three beside each other."""
    value = found["value"] if "value" in found else found["mean"]
    if value is None:
        return "-"
    ends = found["interval"]
    return f"{value:.3f}" + (f" [{ends[0]:.2f}, {ends[1]:.2f}]" if ends else "")


def _others(document: dict[str, Any]) -> Table:
    from rich.table import Table

    from groundglass.evaluation.tables import summary

    table = Table(show_header=False)
    surface, lesions, volumes = (document[k] for k in ("surface", "lesions", "volumes"))
    if surface["hausdorff95_mm"]["count"]:
        table.add_row("95 % Hausdorff distance, mm", summary(surface["hausdorff95_mm"]))
        table.add_row(
            "average surface distance, mm", summary(surface["average_surface_distance_mm"])
        )
        for one in surface["surface_dice"]:
            table.add_row(f"surface Dice at {one['tolerance_mm']:g} mm", summary(one))
    found = lesions["all"]
    table.add_row("lesions detected", f"{found['detected']} of {found['reference']}")
    table.add_row("predicted lesions that are false", f"{found['false']} of {found['predicted']}")
    unit = volumes["unit"]
    table.add_row(f"volume error, {unit}", summary(volumes["volume_error"], 1))
    table.add_row(f"absolute volume error, {unit}", summary(volumes["absolute_volume_error"], 1))
    return table
