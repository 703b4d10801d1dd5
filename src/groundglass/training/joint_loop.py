"""Training of CovTANet's second phase: by (seed, step) alone, resumable to the exact step."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from groundglass.datasets.index import IndexRow
from groundglass.losses.joint import JointLoss
from groundglass.training.batch_norm import refresh_batch_norm
from groundglass.training.checkpoint import (
    RESULT_NAME,
    STATE_NAME,
    TrainingState,
    flatten_optimizer,
    load_state,
    restore_optimizer,
    save_state,
)
from groundglass.training.curve import CURVE, append_curve, trim_curve
from groundglass.training.joint_network import joint_network
from groundglass.training.joint_samples import JointBatch, JointSamples
from groundglass.training.joint_settings import JointSettings
from groundglass.training.loop import Progress
from groundglass.training.optimizers import build_optimizer, learning_rate, mixes_precision
from groundglass.training.ranks import Ranks
from groundglass.training.running_average import RunningAverage
from groundglass.training.same_run import check_same_run
from groundglass.training.slice_sources import SliceSource

log = logging.getLogger(__name__)

_SEEDING = threading.Lock()
_MAY_CHANGE = frozenset(
    {"steps", "lr_end", "index", "folds", "checkpoint_every", "threads", "device"}
)
"""What may differ when a run goes on; `steps`, to make it longer or finish it sooner."""

_REFRESH_BATCHES = 16
"""Batches that the statistics of a finished run are computed from, drawn as its last ones were."""

_WINDOW = 20
"""Steps that the speed is told of."""


class JointTrainer:
    """One run in one folder: `state.safetensors` to go on from, `curve.csv`, `result.safetensors`.

    The classifier learns both heads by `JointLoss` on scans of `rows`, its slices from `source`.
    Under torchrun every process makes one, in the same folder, and the gradient is that of the
    whole batch; on CPUs batch norm sees a process's share alone. Equal settings, rows and slices
    give equal weights on a CPU, interrupted or not.
    Source: CovTANet, Algorithm 1, "Optimize the Classifier Unit".
    Differs: a number of steps in place of a loss threshold.
    Raises: SettingsError where the folder holds a run with other settings, or a batch cannot be
    dealt to the processes.
    """

    def __init__(
        self,
        rows: Sequence[IndexRow],
        source: SliceSource,
        settings: JointSettings,
        folder: Path,
    ) -> None:
        self.settings, self.folder = settings, folder
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.ranks = Ranks.join(settings.device)
        self.ranks.check_batch(settings.batch)
        self.device = self.ranks.device(settings.device)
        if self.ranks.is_first:
            folder.mkdir(parents=True, exist_ok=True)
        self.samples = JointSamples(rows, source, settings)
        with _SEEDING:
            torch.manual_seed(settings.seed)
            network = joint_network(settings)
        self.network: nn.Module = network.to(self.device)
        self.mixed = mixes_precision(settings.mixed_precision, self.device.type)
        self.optimizer = build_optimizer(self.network, settings)
        self.loss = JointLoss()
        self._running = RunningAverage(self.network, settings.ema)
        self._wrapped = self.ranks.wrap(self.network, self.device)
        self.step, self.seconds = 0, 0.0
        self._resume()

    @property
    def average(self) -> dict[str, Tensor]:
        """The running average of the weights."""
        return self._running.values

    def run(self, on_step: Callable[[Progress], None] | None = None) -> None:
        """Train to the last step, or go on to it."""
        settings = self.settings
        window: list[tuple[int, float]] = []
        rows: list[tuple[int, float, float]] = []
        while self.step < settings.steps:
            began = time.perf_counter()
            rate = learning_rate(settings, self.step)
            batch = self.samples.batch(self.step, rank=self.ranks.rank, world=self.ranks.world)
            loss = self._train(batch, rate)
            self.step += 1
            spent = time.perf_counter() - began
            self.seconds += spent
            rows.append((self.step, loss, rate))
            window = [*window[1 - _WINDOW :], (int(batch.mask.sum()) * self.ranks.world, spent)]
            if on_step is not None:
                on_step(self._progress(loss, window))
            if self.step % settings.checkpoint_every == 0 or self.step == settings.steps:
                self._save(rows)
                rows = []
        self._finish()

    def _train(self, batch: JointBatch, rate: float) -> float:
        """One step at learning rate `rate`; its loss on this process's scans."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.mixed):
            logits = self._wrapped(*self._inputs(batch))
        terms = self.loss.terms(logits, self._tensor(batch.diagnosis), self._tensor(batch.severity))
        loss = terms.diagnosis + batch.severity_weight * terms.severity
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self._running.update(self._running.kept_share(self.step))
        return float(loss.detach())

    def _inputs(self, batch: JointBatch) -> tuple[Tensor, Tensor]:
        return self._tensor(batch.slices), self._tensor(batch.mask)

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array).to(self.device)

    def _progress(self, loss: float, window: list[tuple[int, float]]) -> Progress:
        spent = sum(seconds for _, seconds in window)
        left = (self.settings.steps - self.step) * spent / len(window)
        return Progress(
            self.step, self.settings.steps, loss, sum(n for n, _ in window) / spent, left
        )

    def _finish(self) -> None:
        """Write `result.safetensors`: the running average with batch statistics of its own."""
        path = self.folder / RESULT_NAME
        if self.ranks.is_first and not (path.exists() and load_state(path).step == self.step):
            state = load_state(self.folder / STATE_NAME)
            network = joint_network(self.settings)
            network.load_state_dict(state.average)
            network = network.to(self.device)
            steps = range(max(0, self.step - _REFRESH_BATCHES), self.step)
            batches = (self._inputs(self.samples.batch(step)) for step in steps)
            refresh_batch_norm(network, batches, mixed_precision=self.mixed)
            average = network.state_dict()
            save_state(path, replace(state, average=average, model={}, optimizer={}))
        self.ranks.wait()

    def _save(self, rows: list[tuple[int, float, float]]) -> None:
        if self.ranks.is_first:
            state = TrainingState(
                self.step,
                self.seconds,
                self.settings.model_dump(mode="json"),
                self.network.state_dict(),
                self.average,
                flatten_optimizer(self.optimizer),
            )
            append_curve(self.folder / CURVE, rows)
            (self.folder / RESULT_NAME).unlink(missing_ok=True)  # of a run that was made longer
            save_state(self.folder / STATE_NAME, state)
        if not all(math.isfinite(loss) for _, loss, _ in rows):
            log.warning("the loss of step %d is not finite", rows[-1][0])
        self.ranks.wait()

    def _resume(self) -> None:
        path = self.folder / STATE_NAME
        self.ranks.wait()
        self.ranks.check_shared(path)
        if not path.exists():
            if self.ranks.is_first:
                for name in (CURVE, RESULT_NAME):  # of a run whose state was deleted
                    (self.folder / name).unlink(missing_ok=True)
            return
        state = load_state(path)
        check_same_run(state.settings, self.settings, self.folder, may_change=_MAY_CHANGE)
        self.network.load_state_dict(state.model)
        with torch.no_grad():
            for name, value in self.average.items():
                value.copy_(state.average[name])
        restore_optimizer(self.optimizer, state.optimizer)
        self.step, self.seconds = state.step, state.seconds
        if self.ranks.is_first:
            trim_curve(self.folder / CURVE, self.step)
        log.info("going on from step %d of %d", self.step, self.settings.steps)
