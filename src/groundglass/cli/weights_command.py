"""`groundglass weights`: what weights are here, where they come from, whether they are whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from groundglass.cli.pack_classifier_command import pack_classifier

if TYPE_CHECKING:
    from groundglass.weights.manifest import Stage

weights_app = typer.Typer(
    help="List, show, verify, import and export weights. Nothing is ever downloaded.",
    no_args_is_help=True,
)


@weights_app.command("list")
def list_() -> None:
    """All weights that can be used by name."""
    from groundglass.weights.store import list_all_weights

    for weights in list_all_weights():
        manifest = weights.manifest
        typer.echo(f"{manifest.name}  {manifest.version}  {manifest.license}  {weights.folder}")


@weights_app.command("show")
def show(
    name: Annotated[str, typer.Argument(help="Name, or folder")] = "chs-net",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole manifest")] = False,
) -> None:
    """Recipe, licence, training data and measured accuracy."""
    import json

    from groundglass.cli.classifier_text import classifier_lines
    from groundglass.weights.store import ClassifierWeights, find_any_weights

    found = find_any_weights(name)
    if as_json:
        typer.echo(found.manifest.to_json(), nl=False)
        return
    if isinstance(found, ClassifierWeights):
        for line in classifier_lines(found.manifest):
            typer.echo(line)
        return
    manifest = found.manifest
    typer.echo(f"{manifest.name} {manifest.version}: {manifest.title}")
    typer.echo(f"licence: {manifest.license}")
    typer.echo("trained on: " + "; ".join(manifest.training_data))
    typer.echo("held out: " + (", ".join(manifest.held_out) or "none"))
    for stage, entry in manifest.stages.items():
        typer.echo(f"{stage}: {entry.network}, {entry.parameters:,} parameters")
        typer.echo("  recipe: " + json.dumps(entry.recipe))
        typer.echo("  trained: " + json.dumps(entry.trained))
        typer.echo("  calibration: " + _calibration_text(entry))
    typer.echo("accuracy: " + json.dumps(manifest.accuracy, indent=1))


@weights_app.command("verify")
def verify(name: Annotated[str, typer.Argument(help="Name, or folder")] = "chs-net") -> None:
    """Check every file against its SHA-256; exit code 1 where one differs."""
    from groundglass.weights.store import find_any_weights

    for file, digest in find_any_weights(name).verify().items():
        typer.echo(f"ok  {digest}  {file}")


@weights_app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(help="Zip written by export, or a folder")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of one of the same name")
    ] = False,
) -> None:
    """Copy weights into the user's folder, checked first."""
    from groundglass.weights.transfer import import_weights

    weights = import_weights(source, replace=replace)
    typer.echo(f"{weights.manifest.name} {weights.manifest.version} is now in {weights.folder}")


@weights_app.command("export")
def export(
    name: Annotated[str, typer.Argument(help="Name, or folder")],
    destination: Annotated[Path, typer.Argument(help="Zip to write")],
) -> None:
    """Write weights with manifest, model card and licence as one zip."""
    from groundglass.weights.store import find_any_weights
    from groundglass.weights.transfer import export_weights

    typer.echo(str(export_weights(find_any_weights(name), destination)))


@weights_app.command("pack")
def pack(
    lesions: Annotated[Path, typer.Option(help="Run folder of `train lesions`")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the weights")],
    name: Annotated[str, typer.Option(help="Name that --weights or --lesion-model takes")],
    version: Annotated[str, typer.Option(help="Version of the weights")],
    title: Annotated[str, typer.Option(help="One line on what they are")],
    license_name: Annotated[str, typer.Option("--license", help="Licence of the weights")],
    data: Annotated[list[str], typer.Option(help="Training data, with source; repeatable")],
    lungs: Annotated[
        Path | None,
        typer.Option(help="Run folder of `train lungs`; left out: a lesion model alone"),
    ] = None,
    accuracy: Annotated[
        Path | None, typer.Option(help="JSON with what was measured, stored as it is")
    ] = None,
    hardware: Annotated[str, typer.Option(help="What the runs ran on")] = "",
    lesion_threshold: Annotated[
        float | None, typer.Option(help="Probability from which on a pixel is lesion")
    ] = None,
    lesion_temperature: Annotated[
        float | None, typer.Option(help="Divides the lesion network's logits")
    ] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="JSON on how well lesions are calibrated, with temperature")
    ] = None,
) -> None:
    """Make weights for analysis from one or two training runs (extra `train`)."""
    from groundglass.errors import MissingExtraError

    measured = read_json("--accuracy", accuracy)
    calibrated = read_json("--calibration", calibration)
    try:
        from groundglass.training.pack import PackSettings, pack_weights
    except ImportError as error:
        raise MissingExtraError("torch and onnx", "train", "weights pack") from error
    settings = PackSettings(
        name,
        version,
        title,
        license_name,
        tuple(data),
        measured,
        hardware=hardware,
        lesion_threshold=lesion_threshold,
        lesion_temperature=lesion_temperature,
        calibration=calibrated,
    )
    manifest = pack_weights(lungs, lesions, out, settings)
    for stage, entry in manifest.stages.items():
        typer.echo(f"{stage}: {entry.onnx.sha256}  {out / entry.onnx.file}")


_ = weights_app.command("pack-classifier")(pack_classifier)


def read_json(option: str, path: Path | None) -> dict[str, Any]:
    """The object in a JSON file; {} without one."""
    import json

    from groundglass.errors import SettingsError

    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{option} {path} is no JSON file: {error}") from error
    if not isinstance(found, dict):
        raise SettingsError(f"{option} {path} holds no object", expected="{...}")
    return found


def _calibration_text(stage: Stage) -> str:
    if not stage.is_calibrated:
        return "none; probabilities are the network's own"
    text = f"temperature {stage.temperature:.4g}"
    measured = [stage.calibration.get(name) for name in ("before", "after")]
    eces = [one.get("ece") if isinstance(one, dict) else None for one in measured]
    if all(isinstance(ece, int | float) for ece in eces):
        text += f", expected calibration error {eces[0]:.4f} before, {eces[1]:.4f} after"
    if "cases" in stage.calibration:
        text += f", {stage.calibration['cases']} cases"
    if stage.calibration.get("data"):
        text += f" ({stage.calibration['data']})"
    return text
