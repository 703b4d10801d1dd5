"""`groundglass train`: one stage of CHS-Net from a prepared index, resumable to the exact step."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.training.loop import Progress, Trainer
    from groundglass.training.settings import TrainSettings

_STAGES = ("lungs", "lesions")
_LINE_EVERY = 10
"""Steps between lines of progress where stderr is no terminal."""


class _TimeIsUp(Exception):  # noqa: N818 - it is no error
    """Leaves the loop from its progress callback, right after a checkpoint."""


def train(
    stage: Annotated[
        str, typer.Argument(help="lungs or lesions", metavar="STAGE", show_default=False)
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
    device: Annotated[
        str | None, typer.Option("--device", help="cpu, cuda, cuda:N or auto; else the recipe's")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="CPU threads; left out, the recipe's")
    ] = None,
    stop_after: Annotated[
        float | None,
        typer.Option("--stop-after", help="Minutes, then stop at the next checkpoint"),
    ] = None,
) -> None:
    """Train a network, or go on where the run folder's checkpoint stands.

    The scans of `hold_out`, and all others of their groups, are never trained on.
    """
    from rich.console import Console

    from groundglass.errors import MissingExtraError, SettingsError

    if stage not in _STAGES:
        raise SettingsError(f"stage {stage!r} is unknown", expected=" or ".join(_STAGES))
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("torch", "train", "Training") from error
    from groundglass.training.loop import Trainer
    from groundglass.training.select import select_scans

    if device is not None:
        device = _device(device, cuda=torch.cuda.is_available())
    overrides = {"index": index and str(index), "device": device, "threads": threads}
    settings = _settings(recipe, stage, {k: v for k, v in overrides.items() if v is not None})
    console = Console(stderr=True)
    scans, held_out = select_scans(settings)
    slices = sum(scan.row.slices for scan in scans)
    console.print(f"{settings.name}: {len(scans)} scans, {slices} slices to train on")
    names = ", ".join(scan.row.scan_id for scan in held_out) or "none"
    console.print(f"held out: {names}", highlight=False)
    del held_out  # their frames are not needed, and a run is long
    _run(Trainer(scans, settings, out), console, stop_after)
    _plot(out, console)


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


def _run(trainer: Trainer, console: Console, stop_after: float | None) -> None:
    """Train with progress on stderr; with `stop_after` minutes, until the checkpoint after it."""
    began = time.monotonic()
    every = trainer.settings.checkpoint_every

    def watch(progress: Progress) -> None:
        # The callback comes before a step's checkpoint: the step after one is the place to stop.
        saved = progress.step > 1 and (progress.step - 1) % every == 0
        if stop_after is not None and saved and time.monotonic() - began > 60 * stop_after:
            raise _TimeIsUp

    if trainer.step:
        console.print(f"going on from step {trainer.step}", highlight=False)
    try:
        if console.is_terminal:
            _run_with_bar(trainer, console, watch)
        else:
            _run_with_lines(trainer, console, watch)
    except _TimeIsUp:
        console.print("stopped at a checkpoint; the same command goes on from there")


def _run_with_bar(trainer: Trainer, console: Console, watch: Callable[[Progress], None]) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    note = TextColumn("{task.fields[note]}")
    columns = (TextColumn("step"), MofNCompleteColumn(), BarColumn(), note)
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("", total=trainer.settings.total_steps, completed=trainer.step, note="")

        def show(progress: Progress) -> None:
            watch(progress)
            bar.update(task, completed=progress.step, note=_describe(progress))

        trainer.run(show)


def _run_with_lines(trainer: Trainer, console: Console, watch: Callable[[Progress], None]) -> None:
    def show(progress: Progress) -> None:
        watch(progress)
        if progress.step % _LINE_EVERY == 0 or progress.step == progress.total:
            line = f"{progress.step}/{progress.total}  {_describe(progress)}"
            console.print(line, highlight=False)

    trainer.run(show)


def _describe(progress: Progress) -> str:
    minutes, seconds = divmod(round(progress.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"loss {progress.loss:.4f}  {progress.slices_per_second:.2f} slices/s  "
        f"{hours}:{minutes:02}:{seconds:02} left"
    )


def _plot(out: Path, console: Console) -> None:
    from groundglass.errors import DatasetError, MissingExtraError
    from groundglass.training.curve import PICTURE, plot_curve
    from groundglass.training.loop import CURVE

    try:
        plot_curve(out / CURVE, out / PICTURE)
    except (DatasetError, MissingExtraError) as error:  # the weights are safe: no reason to fail
        console.print(f"no {PICTURE}: {error}", highlight=False)
    else:
        console.print(str(out / PICTURE), highlight=False, soft_wrap=True)
