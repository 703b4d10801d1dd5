"""`groundglass calibrate`: temperature and threshold of weights, from scans they never saw."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    weights: Annotated[str, typer.Argument(help="Name, or folder of weights", show_default=False)],
    index: Annotated[Path, typer.Option("--index", help="Prepared folder with the scans")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for JSON and picture")],
    scans: Annotated[
        str | None,
        typer.Option("--scans", help="Scan ids, with commas; left out: those held out in training"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N")] = "cpu",
) -> None:
    """Measure how far lesion probabilities can be believed; fit a temperature (extra `train`).

    Use scans that the weights were not trained on: on others any network looks well calibrated.
    A classifier of whole scans has `groundglass calibrate-classifier`, which takes its run.
    """
    import json

    from groundglass.errors import MissingExtraError, SettingsError

    try:
        from groundglass.training.calibrate import calibrate_weights
    except ImportError as error:
        raise MissingExtraError("torch", "train", "Calibration") from error
    from groundglass.datasets.index import load_prepared, read_index
    from groundglass.training.reliability_plot import draw_reliability
    from groundglass.weights.store import find_weights

    _refuse_classifier(weights)
    found = find_weights(weights)
    rows = {row.scan_id: row for row in read_index(index)}
    wanted = found.manifest.held_out if scans is None else tuple(scans.split(","))
    names = [name for name in wanted if name in rows and not rows[name].is_healthy]
    if len({rows[name].group for name in names}) < 2 or (scans and len(names) < len(wanted)):
        raise SettingsError(
            f"of {', '.join(wanted) or 'no scan'} the index {index} has "
            f"{', '.join(names) or 'none'} with lesions",
            expected="all of --scans, and two patients or more",
            remedy="Name scans with --scans that the weights were not trained on",
        )
    record, curves = calibrate_weights(
        found,
        [load_prepared(index, rows[name]) for name in names],
        data=f"pixels inside the reference lungs of {', '.join(names)}",
        device=device,
        progress=lambda name: typer.echo(name, err=True),
    )
    out.mkdir(parents=True, exist_ok=True)
    target = out / "calibration.json"
    partial = target.with_name(f".{target.name}.partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    partial.replace(target)
    phantoms = " (made-up phantoms)" if any(rows[name].is_phantom for name in names) else ""
    title = f"{found.manifest.name} lesions{phantoms}"
    draw_reliability(curves, out / "reliability.png", title=title)
    point = record["operating_point"]
    typer.echo(f"temperature {record['temperature']:.3f}")
    typer.echo(
        f"threshold {point['threshold']:.2f} on the calibrated probability: pooled Dice "
        f"{point['dice']:.3f} ({point['dice_left_out']:.3f} with each patient judged by the "
        f"others' threshold, {point['dice_at_half']:.3f} at 0.5)"
    )
    typer.echo(str(target))


def _refuse_classifier(name: str) -> None:
    """Raises: WeightsError for what `calibrate-classifier` is for: weights or a run's folder."""
    from groundglass.errors import WeightsError
    from groundglass.training.two_phases import PHASE_1, PHASE_2
    from groundglass.weights.store import is_classifier

    folder = Path(name)
    is_run = all((folder / phase).is_dir() for phase in (PHASE_1, PHASE_2))
    if not is_run and not is_classifier(name):
        return
    what = "a run of both phases of a classifier" if is_run else "the weights of a classifier"
    run = name if is_run else "RUN"
    raise WeightsError(
        f"{name!r} is {what} of whole scans",
        expected="weights that segment",
        remedy=f"Calibrate a classifier from its run, before it is packed: "
        f"groundglass calibrate-classifier {run} -o OUT",
    )
