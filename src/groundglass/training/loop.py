"""The training loop: deterministic by (seed, step), checkpointed, resumable to the exact step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from groundglass.catalog import network_entry
from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError, WeightsError
from groundglass.losses.build import build_loss
from groundglass.networks.build import build_network
from groundglass.networks.side_outputs import SideOutputs
from groundglass.recipe import SliceRecipe
from groundglass.training.batch_norm import refresh_batch_norm
from groundglass.training.checkpoint import (
    BEST_NAME,
    RESULT_NAME,
    STATE_NAME,
    TrainingState,
    flatten_optimizer,
    load_start,
    load_state,
    restore_optimizer,
    save_state,
)
from groundglass.training.curve import CURVE, LOOKS, append_curve, trim_curve, write_looks
from groundglass.training.early_stopping import ValidationWatch
from groundglass.training.optimizers import build_optimizer, mixes_precision
from groundglass.training.predict import ScanPredictor, pooled_dice
from groundglass.training.ranks import Ranks
from groundglass.training.same_run import check_same_run
from groundglass.training.samples import Samples
from groundglass.training.settings import EarlyStopping, Phase, TrainSettings

log = logging.getLogger(__name__)

_REFRESH_BATCHES = 16
"""Batches that the statistics of a finished run are computed from, drawn as its last ones were."""


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

    With early stopping, `best.safetensors` is the state that did best on `validation`, and
    `validation.csv` holds all looks. Under torchrun every process makes one, in the same folder:
    gradients are averaged, only the first process writes. On a CPU equal settings and scans give
    equal weights, interrupted or not.
    Raises: SettingsError where the folder holds a run with other settings, or early stopping
    has no scan to look at.
    """

    def __init__(
        self,
        scans: Sequence[PreparedScan],
        settings: TrainSettings,
        folder: Path,
        *,
        validation: Sequence[PreparedScan] = (),
    ) -> None:
        self.settings = settings
        self.folder = folder
        if settings.early_stopping is not None and not validation:
            raise SettingsError(
                f"run {settings.name!r} stops early and was given no scan to look at",
                expected="the scans of early_stopping",
            )
        if settings.threads:
            torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.ranks = Ranks.join(settings.device)
        for phase in settings.phases:
            self.ranks.check_batch(phase.batch)
        self.device = self.ranks.device(settings.device)
        if self.ranks.is_first:
            folder.mkdir(parents=True, exist_ok=True)
        self.samples = Samples(scans, settings)
        self.validation = validation
        network = build_network(settings.network, base=settings.base)
        if settings.start_from is not None:
            _start_from(network, Path(settings.start_from))
        self.network = network.to(  # pyright: ignore[reportCallIssue] - torch's types lack it
            self.device, memory_format=torch.channels_last
        )
        self._wrapped = self.ranks.wrap(self.network, self.device)
        self._sides = bool(getattr(network, "has_side_outputs", False))
        self.mixed = mixes_precision(settings.mixed_precision, self.device.type)
        self.optimizer = build_optimizer(self.network, settings)
        self.loss = build_loss(settings.loss or network_entry(settings.network).loss)
        self.average = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        self.step = 0
        self.seconds = 0.0
        self.watch = ValidationWatch()
        self._resume()

    def run(self, on_step: Callable[[Progress], None] | None = None) -> None:
        """Train to the end of the last phase or the early stop, or go on to it."""
        total = self.settings.total_steps
        window: list[tuple[int, float]] = []
        rows: list[tuple[int, float, float]] = []
        stop = self.settings.early_stopping
        while self.step < total and not (stop and self.watch.is_over(stop.patience)):
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
            looks = stop is not None and (self.step % stop.every == 0 or self.step == total)
            better = self._validate(stop) if looks and stop is not None else False
            if looks or self.step % self.settings.checkpoint_every == 0 or self.step == total:
                self._save(rows, better=better)
                rows = []
        self._finish()

    def _finish(self) -> None:
        """Write `result.safetensors`: the best average with batch statistics of its own."""
        path = self.folder / RESULT_NAME
        if self.ranks.is_first and not (path.exists() and load_state(path).step == self.step):
            best = self.folder / BEST_NAME
            state = load_state(best if best.exists() else self.folder / STATE_NAME)
            network = self._with_own_statistics(state.average)
            average = network.state_dict()
            result = replace(state, step=self.step, average=average, model={}, optimizer={})
            save_state(path, result)
        self.ranks.wait()

    def _with_own_statistics(self, average: dict[str, torch.Tensor]) -> nn.Module:
        """A network of averaged weights, its batch statistics from the last steps' slices."""
        network = build_network(self.settings.network, base=self.settings.base)
        network.load_state_dict(average)
        network = network.to(  # pyright: ignore[reportCallIssue] - torch's types lack it
            self.device, memory_format=torch.channels_last
        )
        batches = (
            torch.from_numpy(self.samples.batch(step)[0]).to(
                self.device, memory_format=torch.channels_last
            )
            for step in range(max(0, self.step - _REFRESH_BATCHES), self.step)
        )
        refresh_batch_norm(network, batches, mixed_precision=self.mixed)
        return network

    def _train_step(self, rate: float) -> float:
        images, targets = self.samples.batch(
            self.step, rank=self.ranks.rank, world=self.ranks.world
        )
        x = torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)
        y = torch.from_numpy(targets).to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            outputs = self._wrapped(x, side_outputs=True) if self._sides else self._wrapped(x)
        outputs = _in_float(outputs)
        loss = self.loss(outputs, y)
        if self.ranks.world > 1 and isinstance(outputs, SideOutputs) and outputs.edge is not None:
            loss = loss + 0.0 * outputs.edge.sum()  # processes wait for every weight's gradient
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._update_average()
        return float(loss.detach())

    def _validate(self, stop: EarlyStopping) -> bool:
        """Look at the validation scans; whether the running average is the best so far."""
        dice = 0.0
        if self.ranks.is_first:
            network = self._with_own_statistics(self.average)
            recipe = SliceRecipe.from_dict(self.settings.recipe)
            predictor = ScanPredictor(
                network, recipe, device=str(self.device), mixed_precision=self.mixed
            )
            dice = pooled_dice(predictor, self.validation, recipe, stop.stride)
        dice = self.ranks.agree(dice)
        better = self.watch.look(self.step, dice)
        log.info("step %d: validation Dice %.4f%s", self.step, dice, ", best" if better else "")
        return better

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

    def _save(self, rows: list[tuple[int, float, float]], *, better: bool) -> None:
        if self.ranks.is_first:
            state = TrainingState(
                self.step,
                self.seconds,
                self.settings.model_dump(mode="json"),
                self.network.state_dict(),
                self.average,
                flatten_optimizer(self.optimizer),
                validation=self.watch.looks,
            )
            append_curve(self.folder / CURVE, rows)
            if self.watch.looks:
                write_looks(self.folder / LOOKS, self.watch.looks)
            if better:
                save_state(self.folder / BEST_NAME, replace(state, optimizer={}))
            (self.folder / RESULT_NAME).unlink(missing_ok=True)  # of a run that was made longer
            save_state(self.folder / STATE_NAME, state)
        self.ranks.wait()

    def _resume(self) -> None:
        path = self.folder / STATE_NAME
        self.ranks.wait()
        self.ranks.check_shared(path)
        if not path.exists():
            if self.ranks.is_first:
                # What a run left whose state was deleted.
                for name in (CURVE, LOOKS, BEST_NAME, RESULT_NAME):
                    (self.folder / name).unlink(missing_ok=True)
            return
        state = load_state(path)
        check_same_run(state.settings, self.settings, self.folder)
        self.network.load_state_dict(state.model)
        with torch.no_grad():
            for name, value in self.average.items():  # copied, so that memory formats stay
                value.copy_(state.average[name])
        restore_optimizer(self.optimizer, state.optimizer)
        self.step, self.seconds = state.step, state.seconds
        self.watch = ValidationWatch(state.validation)
        if self.ranks.is_first:
            trim_curve(self.folder / CURVE, self.step)
            if self.watch.looks:
                write_looks(self.folder / LOOKS, self.watch.looks)
        log.info("going on from step %d of %d", self.step, self.settings.total_steps)


def _start_from(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_start(path))
    except RuntimeError as error:
        raise WeightsError(
            f"start_from {path} holds another network",
            expected="the network that this run trains",
        ) from error


def _in_float(outputs: torch.Tensor | SideOutputs) -> torch.Tensor | SideOutputs:
    """Logits in float32, whatever the network computed in."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float()
    edge = None if outputs.edge is None else outputs.edge.float()
    return SideOutputs(tuple(mask.float() for mask in outputs.masks), edge)
