"""What happens to one batch: forward, loss, backward, update, running average."""

from __future__ import annotations

import threading
from collections.abc import Callable

import torch
from torch import nn

from groundglass.networks.side_outputs import SideOutputs
from groundglass.training.ranks import Ranks
from groundglass.training.running_average import RunningAverage

_WARM_UP = 3
"""Plain steps before one is recorded: libraries choose their algorithms and take memory then."""

_RECORDING = threading.Lock()
"""Runs may train side by side in threads, each on a stream of its own; they record in turn."""

_Compute = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class TrainingStep:
    """Trains `network` on one batch after another, and keeps `average` up to date.

    `ranks`: which of several processes this is, whose gradients are averaged. `graph`: on a GPU,
    record the step once per batch shape as a CUDA graph and replay it: a step is some
    thousand small kernels, and starting them one by one takes longer than they do. The optimizer
    must keep its rate and state in tensors on the GPU then.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: nn.Module,
        *,
        ema: float,
        mixed: bool,
        ranks: Ranks | None = None,
        graph: bool = False,
    ) -> None:
        self.network = network
        self._running = RunningAverage(network, ema)
        self.average = self._running.values
        self._optimizer, self._loss = optimizer, loss
        self._mixed = mixed
        self._sides = bool(getattr(network, "has_side_outputs", False))
        device = next(network.parameters()).device
        together = ranks or Ranks()
        self._wrapped, self._world = together.wrap(network, device), together.world
        self._keep = torch.zeros((), device=device)
        self._recorder = _Recorder(device) if graph else None

    def __call__(self, x: torch.Tensor, y: torch.Tensor, *, rate: float, step: int) -> torch.Tensor:
        """One step at learning rate `rate`; the loss, not waited for.

        Shape: x and y (N, 1, H, W) on the network's device. `step` is its number, from 0.
        """
        for group in self._optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        keep = self._running.kept_share(step)
        self.network.train()
        if self._recorder is None:
            return self._compute(x, y, keep)
        self._keep.fill_(keep)
        return self._recorder(lambda x, y: self._compute(x, y, self._keep), x, y)

    def _compute(
        self, x: torch.Tensor, y: torch.Tensor, keep: float | torch.Tensor
    ) -> torch.Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(
            x.device.type, torch.bfloat16, enabled=self._mixed, cache_enabled=False
        ):
            outputs = self._wrapped(x, side_outputs=True) if self._sides else self._wrapped(x)
        outputs = _in_float(outputs)
        loss = self._loss(outputs, y)
        if self._world > 1 and isinstance(outputs, SideOutputs) and outputs.edge is not None:
            loss = loss + 0.0 * outputs.edge.sum()  # processes wait for every weight's gradient
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self._optimizer.step()
        self._running.update(keep)
        return loss.detach()


class _Recorder:
    """Replays a computation on (x, y) as a CUDA graph, one for the shape that came last."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._shape: torch.Size | None = None
        self._warm = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, compute: _Compute, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if x.shape != self._shape:
            self._shape, self._warm, self._graph = x.shape, 0, None
        here = torch.cuda.current_stream(x.device)
        self._stream.wait_stream(here)
        with torch.cuda.stream(self._stream):
            if self._graph is None and self._warm < _WARM_UP:
                self._warm += 1
                loss = compute(x, y)
            else:
                if self._graph is None:
                    self._record(compute, x, y)
                assert self._graph is not None
                self._x.copy_(x)
                self._y.copy_(y)
                self._graph.replay()
                loss = self._loss.clone()
        here.wait_stream(self._stream)
        return loss

    def _record(self, compute: _Compute, x: torch.Tensor, y: torch.Tensor) -> None:
        self._x, self._y = x.clone(), y.clone()
        self._graph = torch.cuda.CUDAGraph()
        recording = torch.cuda.graph(
            self._graph, stream=self._stream, capture_error_mode="thread_local"
        )
        with _RECORDING, recording:
            self._loss = compute(self._x, self._y)


def _in_float(outputs: torch.Tensor | SideOutputs) -> torch.Tensor | SideOutputs:
    """Logits in float32, whatever the network computed in."""
    if isinstance(outputs, torch.Tensor):
        return outputs.float()
    edge = None if outputs.edge is None else outputs.edge.float()
    return SideOutputs(tuple(mask.float() for mask in outputs.masks), edge)
