"""The training loop: deterministic by (seed, step), checkpointed, resumable to the exact step."""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError, WeightsError
from groundglass.losses.segmentation import SegmentationLoss
from groundglass.networks.build import build_network
from groundglass.training.checkpoint import (
    STATE_NAME,
    TrainingState,
    flatten_optimizer,
    load_start,
    load_state,
    restore_optimizer,
    save_state,
)
from groundglass.training.samples import Samples
from groundglass.training.settings import Phase, TrainSettings

log = logging.getLogger(__name__)

CURVE = "curve.csv"


@dataclass(frozen=True)
class Progress:
    """What a progress display needs after a step."""

    step: int
    total: int
    loss: float
    slices_per_second: float
    seconds_left: float


def learning_rate(phase: Phase, step: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr_end` within the phase."""
    if step < phase.warmup:
        return phase.lr * (step + 1) / phase.warmup
    done = (step - phase.warmup) / max(1, phase.steps - phase.warmup)
    return phase.lr_end + (phase.lr - phase.lr_end) * 0.5 * (1 + math.cos(math.pi * done))


class Trainer:
    """One run in one folder: `state.safetensors` to go on from, `curve.csv` to look at.

    Raises: SettingsError where the folder holds a run with other settings.
    """

    def __init__(
        self, scans: Sequence[PreparedScan], settings: TrainSettings, folder: Path
    ) -> None:
        self.settings = settings
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if settings.threads:
            torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.device = torch.device(settings.device)
        self.samples = Samples(scans, settings)
        network = build_network(settings.network, base=settings.base)
        if settings.start_from is not None:
            _start_from(network, Path(settings.start_from))
        self.network = network.to(  # pyright: ignore[reportCallIssue] - torch's types lack it
            self.device, memory_format=torch.channels_last
        )
        self.optimizer = _optimizer(self.network, settings)
        self.loss = SegmentationLoss()
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.step = 0
        self.seconds = 0.0
        self._resume()

    def run(self, on_step: Callable[[Progress], None] | None = None) -> None:
        """Train to the end of the last phase, or go on to it."""
        total = self.settings.total_steps
        window: list[tuple[int, float]] = []
        rows: list[tuple[int, float, float]] = []
        while self.step < total:
            began = time.perf_counter()
            phase, within = self.settings.phase_at(self.step)
            rate = learning_rate(phase, within)
            loss = self._train_step(rate)
            self.step += 1
            spent = time.perf_counter() - began
            self.seconds += spent
            rows.append((self.step, loss, rate))
            window = [*window[-19:], (phase.batch, spent)]
            if on_step is not None:
                on_step(self._progress(loss, window))
            if self.step % self.settings.checkpoint_every == 0 or self.step == total:
                self._save(rows)
                rows = []

    def _train_step(self, rate: float) -> float:
        images, targets = self.samples.batch(self.step)
        x = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        y = torch.from_numpy(targets).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.settings.mixed_precision
        ):
            logits = self.network(x)
        loss = self.loss(logits.float(), y)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._update_average()
        return float(loss.detach())

    @torch.no_grad()
    def _update_average(self) -> None:
        """Running average of the weights; short at first so that it does not lag the start."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def _progress(self, loss: float, window: list[tuple[int, float]]) -> Progress:
        rate = sum(batch for batch, _ in window) / sum(spent for _, spent in window)
        phase, within = self.settings.phase_at(self.step - 1)
        pixels = phase.size[0] * phase.size[1]
        before = self.step - within - 1  # steps of earlier phases
        left = (phase.steps - within - 1) * phase.batch
        begin = 0
        for later in self.settings.phases:
            if begin > before:
                left += later.steps * later.batch * later.size[0] * later.size[1] / pixels
            begin += later.steps
        return Progress(self.step, self.settings.total_steps, loss, rate, left / rate)

    def _save(self, rows: list[tuple[int, float, float]]) -> None:
        state = TrainingState(
            self.step,
            self.seconds,
            self.settings.model_dump(mode="json"),
            self.network.state_dict(),
            self.average,
            flatten_optimizer(self.optimizer),
        )
        self._append_curve(rows)
        save_state(self.folder / STATE_NAME, state)

    def _append_curve(self, rows: list[tuple[int, float, float]]) -> None:
        path = self.folder / CURVE
        fresh = not path.exists()
        with path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            if fresh:
                writer.writerow(["step", "loss", "learning_rate"])
            writer.writerows((step, f"{loss:.6f}", f"{rate:.3e}") for step, loss, rate in rows)

    def _resume(self) -> None:
        path = self.folder / STATE_NAME
        if not path.exists():
            (self.folder / CURVE).unlink(missing_ok=True)
            return
        state = load_state(path)
        _check_same_run(state.settings, self.settings, self.folder)
        self.network.load_state_dict(state.model)
        self.average = {k: v.to(self.device) for k, v in state.average.items()}
        restore_optimizer(self.optimizer, state.optimizer)
        self.step, self.seconds = state.step, state.seconds
        self._trim_curve()
        log.info("going on from step %d of %d", self.step, self.settings.total_steps)

    def _trim_curve(self) -> None:
        """Drop curve rows written after the checkpoint by a run that was killed in between."""
        path = self.folder / CURVE
        if not path.exists():
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        kept = lines[:1] + [x for x in lines[1:] if int(x.split(",")[0]) <= self.step]
        path.write_text("\n".join(kept) + "\n", encoding="utf-8")


def _start_from(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_start(path))
    except RuntimeError as error:
        raise WeightsError(
            f"start_from {path} holds another network",
            expected="the network that this run trains",
        ) from error


_MAY_CHANGE = {"phases", "index", "start_from", "checkpoint_every", "threads", "device"}
"""What may differ when a run goes on; phases, to make it longer or finish it sooner."""


def _check_same_run(stored: dict, settings: TrainSettings, folder: Path) -> None:
    now = settings.model_dump(mode="json")
    known = {name: value for name, value in stored.items() if name in TrainSettings.model_fields}
    stored = TrainSettings.model_validate(known).model_dump(mode="json")  # newer names: defaults
    changed = sorted(
        name for name in now if name not in _MAY_CHANGE and stored.get(name) != now[name]
    )
    if changed:
        raise SettingsError(
            f"{folder} holds a run with other {', '.join(changed)}",
            expected=f"the same settings as before, but for {', '.join(sorted(_MAY_CHANGE))}",
            remedy="Choose another output folder, or delete this one to begin again",
        )


def _optimizer(network: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    lr = settings.phases[0].lr
    if settings.optimizer == "sgd":
        return torch.optim.SGD(
            network.parameters(), lr=lr, momentum=0.9, weight_decay=settings.weight_decay
        )
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(network.parameters(), lr=lr, weight_decay=settings.weight_decay)
