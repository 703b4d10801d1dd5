"""A training run on the terminal: bar or lines, and a stop at a checkpoint after some minutes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.training.joint_loop import JointTrainer
    from groundglass.training.loop import Progress, Trainer

_LINE_EVERY = 10
"""Steps between lines of progress where stderr is no terminal."""


class TimeIsUp(Exception):  # noqa: N818 - it is no error
    """Leaves a run from its progress callback, right after a checkpoint."""


def run_with_progress(
    trainer: Trainer | JointTrainer, console: Console, *, until: float | None
) -> None:
    """Train with progress on stderr; with `until` (by time.monotonic), to the checkpoint after it.

    Raises: TimeIsUp where it stopped before the end.
    """
    every = trainer.settings.checkpoint_every

    def watch(progress: Progress) -> None:
        # The callback comes before a step's checkpoint: the step after one is the place to stop.
        if until is None or progress.step == 1 or (progress.step - 1) % every:
            return
        late = time.monotonic() > until
        if trainer.ranks.agree(float(late)):  # all stop at one step, or they wait for each other
            raise TimeIsUp

    if trainer.step:
        console.print(f"going on from step {trainer.step}", highlight=False)
    try:
        if console.is_terminal and not console.quiet:
            _run_with_bar(trainer, console, watch)
        else:
            _run_with_lines(trainer, console, watch)
    except TimeIsUp:
        console.print("stopped at a checkpoint; the same command goes on from there")
        raise


def _run_with_bar(
    trainer: Trainer | JointTrainer, console: Console, watch: Callable[[Progress], None]
) -> None:
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


def _run_with_lines(
    trainer: Trainer | JointTrainer, console: Console, watch: Callable[[Progress], None]
) -> None:
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
