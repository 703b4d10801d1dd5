"""`groundglass train covtanet`: Algorithm 1 of CovTANet in one folder, both phases resumable."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundglass.cli.train_progress import TimeIsUp, run_with_progress

if TYPE_CHECKING:
    from rich.console import Console

    from groundglass.training.joint_loop import JointTrainer
    from groundglass.training.loop import Trainer
    from groundglass.training.two_phases import TwoPhases


def train_covtanet(
    recipe: Path,
    out: Path,
    overrides: dict[str, Any],
    *,
    usable: Callable[[str], str],
    until: float | None,
) -> None:
    """Run or go on with a run of two phases, telling of it on stderr.

    `usable` gives what torch calls a device; `until`, by time.monotonic, is when to stop at the
    next checkpoint or scan. Raises: SettingsError as `TwoPhaseSettings.read` and `TwoPhases`.
    """
    from rich.console import Console

    from groundglass.training.ranks import Ranks
    from groundglass.training.two_phase_settings import TwoPhaseSettings
    from groundglass.training.two_phases import TwoPhases

    settings = TwoPhaseSettings.read(recipe, overrides)
    settings = settings.model_copy(update={"device": usable(settings.device)})
    ranks = Ranks.join(settings.device)
    console = Console(stderr=True, quiet=not ranks.is_first)
    run = TwoPhases(settings, out)
    held = ", ".join(row.scan_id for row in run.sides.held_out) or "none"
    console.print(f"{settings.name}: {len(run.sides.train)} scans to train on")
    console.print(f"held out of both phases: {held}", highlight=False)
    with contextlib.suppress(TimeIsUp):
        _run(run, console, until, alone=ranks.world == 1)
    if ranks.is_first:
        _draw_curves(out, console)
    ranks.leave()


def _run(run: TwoPhases, console: Console, until: float | None, *, alone: bool) -> None:
    count = 0

    def drive(trainer: Trainer | JointTrainer, what: str) -> None:
        console.print(f"{what}: {trainer.settings.name}", highlight=False)
        run_with_progress(trainer, console, until=until)

    def tell(scan_id: str, made: bool) -> None:
        nonlocal count
        count += 1
        if made:
            console.print(f"features {count}: {scan_id}", highlight=False)
        late = until is not None and time.monotonic() > until
        if late and alone:  # processes that stop between scans would wait for each other
            console.print("stopped between scans; the same command goes on from there")
            raise TimeIsUp

    run.run(drive, on_features=tell)


def _draw_curves(out: Path, console: Console) -> None:
    from groundglass.cli.train_command import draw_curve
    from groundglass.training.two_phases import PHASE_1, PHASE_2

    for name in (PHASE_1, PHASE_2):
        if (out / name / "curve.csv").exists():
            draw_curve(out / name, console)
