"""The training loop: deterministic by (seed, step), checkpointed, resumable to the exact step."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from groundglass.catalog import network_entry
from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError
from groundglass.losses.build import build_loss
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.batch_norm import refresh_batch_norm
from groundglass.training.checkpoint import (
    BEST_NAME,
    RESULT_NAME,
    STATE_NAME,
    TrainingState,
    flatten_optimizer,
    load_state,
    restore_optimizer,
    save_state,
)
from groundglass.training.curve import CURVE, LOOKS, append_curve, trim_curve, write_looks
from groundglass.training.device_samples import DeviceSamples
from groundglass.training.early_stopping import ValidationWatch
from groundglass.training.first_network import first_network
from groundglass.training.optimizers import build_optimizer, learning_rate, mixes_precision
from groundglass.training.predict import ScanPredictor, pooled_dice
from groundglass.training.ranks import Ranks
from groundglass.training.same_run import check_same_run
from groundglass.training.samples import Samples
from groundglass.training.settings import EarlyStopping, TrainSettings
from groundglass.training.step import TrainingStep

log = logging.getLogger(__name__)

_READ_EVERY = 20
"""Steps between looks at the loss on a GPU, which would else wait at each one."""

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


class Trainer:
    """One run in one folder: `state.safetensors` to go on from, `curve.csv` to look at.

    With early stopping, `best.safetensors` is the state that did best on `validation`, and
    `validation.csv` holds all looks. Under torchrun every process makes one, in the same folder:
    gradients are averaged, only the first process writes. On a CPU equal settings and scans give
    equal weights, interrupted or not.
    Raises: SettingsError where the folder holds a run with other settings, early stopping has no
    scan to look at, or the encoder does not take its weights; WeightsError where those to begin
    with, or the checkpoint, cannot be used.
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
        self.ranks = Ranks.join(settings.device)
        for phase in settings.phases:
            self.ranks.check_batch(phase.batch)
        self.device = self.ranks.device(settings.device)
        if self.ranks.is_first:
            folder.mkdir(parents=True, exist_ok=True)
        self.samples = (
            DeviceSamples(scans, settings, self.device)
            if settings.samples_on_device
            else Samples(scans, settings)
        )
        self.validation = validation
        network = first_network(settings, goes_on=(folder / STATE_NAME).exists())
        self.network = network.to(  # pyright: ignore[reportCallIssue] - torch's types lack it
            self.device, memory_format=torch.channels_last
        )
        if settings.compile:
            self.network.compile()
        self.mixed = mixes_precision(settings.mixed_precision, self.device.type)
        self.optimizer = build_optimizer(self.network, settings)
        self.loss = build_loss(settings.loss or network_entry(settings.network).loss)
        self._train = TrainingStep(
            self.network,
            self.optimizer,
            self.loss,
            ema=settings.ema,
            mixed=self.mixed,
            ranks=self.ranks,
            graph=settings.records_steps,
        )
        self.average = self._train.average
        self.step = 0
        self.seconds = 0.0
        self.watch = ValidationWatch()
        self._resume()

    def run(self, on_step: Callable[[Progress], None] | None = None) -> None:
        """Train to the end of the last phase or the early stop, or go on to it."""
        total = self.settings.total_steps
        window: list[tuple[int, float]] = []
        rows: list[tuple[int, Tensor, float]] = []
        loss = math.nan
        stop = self.settings.early_stopping
        while self.step < total and not (stop and self.watch.is_over(stop.patience)):
            began = time.perf_counter()
            phase, within = self.settings.phase_at(self.step)
            rate = learning_rate(phase, within)
            x, y = self._batch(self.step, rank=self.ranks.rank, world=self.ranks.world)
            lost = self._train(x, y, rate=rate, step=self.step)
            self.step += 1
            looks = stop is not None and (self.step % stop.every == 0 or self.step == total)
            saves = looks or self.step % self.settings.checkpoint_every == 0 or self.step == total
            if saves or self.device.type == "cpu" or self.step % _READ_EVERY == 1:
                loss = float(lost)
            spent = time.perf_counter() - began
            self.seconds += spent
            rows.append((self.step, lost, rate))
            window = [*window[1 - _READ_EVERY :], (phase.batch, spent)]
            if on_step is not None:
                on_step(self._progress(loss, window))
            better = self._validate(stop) if looks and stop is not None else False
            if saves:
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
            self._batch(step)[0] for step in range(max(0, self.step - _REFRESH_BATCHES), self.step)
        )
        refresh_batch_norm(network, batches, mixed_precision=self.mixed)
        return network

    def _batch(self, step: int, *, rank: int = 0, world: int = 1) -> tuple[Tensor, Tensor]:
        """Input, in the memory format that the network computes in, and target of a step."""
        x, y = (
            torch.as_tensor(part).to(self.device)
            for part in self.samples.batch(step, rank=rank, world=world)
        )
        return _lying_channels_last(x), y

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

    def _save(self, rows: list[tuple[int, Tensor, float]], *, better: bool) -> None:
        if self.ranks.is_first:
            losses = torch.stack([lost for _, lost, _ in rows]).tolist()
            state = TrainingState(
                self.step,
                self.seconds,
                self.settings.model_dump(mode="json"),
                self.network.state_dict(),
                self.average,
                flatten_optimizer(self.optimizer),
                validation=self.watch.looks,
            )
            curve = [(step, loss, rate) for (step, _, rate), loss in zip(rows, losses, strict=True)]
            append_curve(self.folder / CURVE, curve)
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


def _lying_channels_last(x: Tensor) -> Tensor:
    """Gray images (N, 1, H, W) with the strides of channels last, which one channel leaves open."""
    count, channels, height, width = x.shape
    strides = (height * width, 1, width, 1)
    return x.contiguous().as_strided((count, channels, height, width), strides)
