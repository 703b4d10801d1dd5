"""What `torchrun` runs in test_torchrun.py: every process trains the same runs."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from groundglass.cli.app import main
from groundglass.training import first_network, loop
from groundglass.training.loop import Progress, Trainer
from groundglass.training.select import select_scans
from groundglass.training.settings import TrainSettings


class KilledError(Exception):
    """Stands for a kill of all processes in the middle of a run."""


def plain_network(name: str, *, base: int, encoder_weights: Path | None = None) -> nn.Module:
    """Two convolutions without batch statistics."""
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


def kill_after_three(progress: Progress) -> None:
    if progress.step == 3:
        raise KilledError


def run(settings: TrainSettings, folder: Path, *, killed: bool = False) -> Trainer:
    chosen = select_scans(settings)
    trainer = Trainer(chosen.train, settings, folder, validation=chosen.validation)
    with contextlib.suppress(KilledError):
        trainer.run(kill_after_three if killed else None)
    return trainer


def train_plain(work: Path) -> None:
    """Once in one go, once with a kill; what each process ends with goes into a file."""
    settings = TrainSettings.read(work / "plain.yaml")
    build_network = loop.build_network
    loop.build_network = first_network.build_network = plain_network
    whole = run(settings, work / "whole")
    run(settings, work / "killed", killed=True)
    gone_on = run(settings, work / "killed")
    loop.build_network = first_network.build_network = build_network
    for name, trainer in (("whole", whole), ("killed", gone_on)):
        state = {k: v.contiguous() for k, v in trainer.network.state_dict().items()}
        save_file(state, work / f"{name}-{trainer.ranks.rank}.safetensors")


def train_by_command(work: Path) -> None:
    """A run with early stopping, killed and gone on with by the command."""
    run(TrainSettings.read(work / "command.yaml"), work / "command", killed=True)
    sys.argv = ["groundglass", "train", "lesions", "--recipe", str(work / "command.yaml")]
    sys.argv += ["--out", str(work / "command")]
    main()


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_plain(Path(sys.argv[1]))
    train_by_command(Path(sys.argv[1]))
