"""`groundglass train`: a network or both phases of CovTANet, resumable to the exact step."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.training.loop import Trainer
    from groundglass.training.settings import TrainSettings

_STAGES = ("lungs", "lesions", "direct", "covtanet")


def train(
    stage: Annotated[
        str,
        typer.Argument(
            help="lungs, lesions, direct or covtanet", metavar="STAGE", show_default=False
        ),
    ],
    recipe: Annotated[
        Path, typer.Option("--recipe", help="Run file, such as recipes/chs-net-lungs.yaml")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Run folder: checkpoint and curve; goes on there")
    ],
    index: Annotated[
        Path | None, typer.Option("--index", help="Prepared folder; left out, the recipe's")
    ] = None,
    folds: Annotated[
        Path | None, typer.Option("--folds", help="Folds file; left out, the recipe's, if any")
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", min=0, help="Its fold to leave out, from 0")
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Of all draws; left out, the recipe's")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, cuda:N or auto; else the recipe's")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; left out, the recipe's")
    ] = None,
    encoder_weights: Annotated[
        Path | None,
        typer.Option(
            "--encoder-weights",
            help="File the encoder begins with (ta-segnet-v8); else the recipe's",
        ),
    ] = None,
    stop_after: Annotated[
        float | None,
        typer.Option("--stop-after", help="Minutes, then stop at the next checkpoint"),
    ] = None,
) -> None:
    """Train a network, or go on where the run folder's checkpoint stands.

    The scans of `hold_out`, all others of their groups, and the test side of the fold are never
    trained on. Under torchrun, several processes share the work. `covtanet` trains TA-SegNet, then
    the classifier of whole scans on its feature maps.
    """
    from rich.console import Console

    from groundglass.errors import MissingExtraError, SettingsError

    if stage not in _STAGES:
        raise SettingsError(f"stage {stage!r} is unknown", expected=", ".join(_STAGES))
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train", "Training") from error
    overrides = {
        "index": index and str(index),
        "folds": folds and str(folds),
        "fold": fold,
        "seed": seed,
        "device": device,
        "threads": threads,
        "encoder_weights": encoder_weights and str(encoder_weights),
    }
    given = {k: v for k, v in overrides.items() if v is not None}
    has_gpu = torch.cuda.is_available()
    until = None if stop_after is None else time.monotonic() + 60 * stop_after
    if stage == "covtanet":
        from groundglass.cli.train_covtanet import train_covtanet

        train_covtanet(
            recipe, out, given, usable=lambda name: _device(name, cuda=has_gpu), until=until
        )
        return
    from groundglass.cli.train_progress import TimeIsUp, run_with_progress
    from groundglass.training.loop import Trainer
    from groundglass.training.ranks import Ranks
    from groundglass.training.select import select_scans

    settings = _settings(recipe, stage, given)
    usable = _device(settings.device, cuda=has_gpu)
    settings = settings.model_copy(update={"device": usable})
    ranks = Ranks.join(settings.device)
    console = Console(stderr=True, quiet=not ranks.is_first)
    chosen = select_scans(settings)
    slices = sum(len(scan.image) for scan in chosen.train)
    console.print(f"{settings.name}: {len(chosen.train)} scans, {slices} slices to train on")
    for name, scans in (("validation", chosen.validation), ("held out", chosen.held_out)):
        names = ", ".join(scan.row.scan_id for scan in scans) or "none"
        console.print(f"{name}: {names}", highlight=False)
    trainer = Trainer(chosen.train, settings, out, validation=chosen.validation)
    del chosen  # the frames held out are not needed, and a run is long
    with contextlib.suppress(TimeIsUp):
        run_with_progress(trainer, console, until=until)
        _tell_validation(trainer, console)
    if ranks.is_first:
        draw_curve(out, console)
    ranks.leave()


def _device(name: str, *, cuda: bool) -> str:
    """What torch calls it. Raises: SettingsError."""
    from groundglass.errors import SettingsError

    if name == "auto":
        return "cuda" if cuda else "cpu"
    kind, _, number = name.partition(":")
    if not (name == "cpu" or (cuda and kind == "cuda" and (name == "cuda" or number.isdigit()))):
        raise SettingsError(
            f"device is {name!r}",
            expected="auto, cpu, cuda or cuda:N" if cuda else "auto or cpu: no GPU is usable here",
        )
    return name


def _settings(recipe: Path, stage: str, overrides: dict[str, Any]) -> TrainSettings:
    from groundglass.errors import SettingsError
    from groundglass.training.settings import TrainSettings

    settings = TrainSettings.read(recipe, overrides)
    if settings.stage != stage:
        raise SettingsError(
            f"{recipe} is for stage {settings.stage!r}, and {stage!r} was asked for",
            expected=f"a recipe for {stage}",
            remedy=f"Give another --recipe, or run: groundglass train {settings.stage}",
        )
    return settings


def _tell_validation(trainer: Trainer, console: Console) -> None:
    best = trainer.watch.best
    if best is not None:
        early = "stopped early at" if trainer.step < trainer.settings.total_steps else "ended at"
        console.print(
            f"{early} step {trainer.step}; best validation Dice {best[1]:.4f} at step {best[0]}",
            highlight=False,
        )


def draw_curve(out: Path, console: Console) -> None:
    """Draw the curve of a run folder; say so, or why not."""
    from groundglass.errors import DatasetError, MissingExtraError
    from groundglass.training.curve import PICTURE, plot_curve
    from groundglass.training.loop import CURVE

    try:
        plot_curve(out / CURVE, out / PICTURE)
    except (DatasetError, MissingExtraError) as error:  # the weights are safe: no reason to fail
        console.print(f"no {PICTURE}: {error}", highlight=False)
    else:
        console.print(str(out / PICTURE), highlight=False, soft_wrap=True)
