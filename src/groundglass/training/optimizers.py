"""The optimizer and the learning rate a run asks for, and whether it computes in bfloat16."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import torch
from torch import nn

from groundglass.training.hypergradient import HypergradientSGD
from groundglass.training.settings import OptimizerName


class OptimizerChoice(Protocol):
    """The settings of a run that its optimizer depends on."""

    @property
    def optimizer(self) -> OptimizerName: ...
    @property
    def peak_lr(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def records_steps(self) -> bool: ...


class Schedule(Protocol):
    """A stretch of training: its steps, warm-up, and learning rate from peak to end."""

    @property
    def steps(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def lr(self) -> float: ...
    @property
    def lr_end(self) -> float: ...


def learning_rate(schedule: Schedule, step: int) -> float:
    """Linear warm-up, then a cosine from `lr` to `lr_end` within the schedule."""
    if step < schedule.warmup:
        return schedule.lr * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.lr_end + (schedule.lr - schedule.lr_end) * 0.5 * (1 + math.cos(math.pi * done))


def build_optimizer(network: nn.Module, settings: OptimizerChoice) -> torch.optim.Optimizer:
    """AdamW (default), Adam, SGD with momentum 0.9, or SGD whose rate Adam learns.

    All but the last take their learning rate from the schedule; the last multiplies it.
    """
    lr, decay = settings.peak_lr, settings.weight_decay
    if settings.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9, weight_decay=decay)
    if settings.optimizer == "sgd-hypergradient":
        return HypergradientSGD(network.parameters(), lr=lr, weight_decay=decay)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    if settings.records_steps:  # what a recorded step reads and writes must be on the GPU
        device = next(network.parameters()).device
        rate = torch.tensor(lr, device=device)
        weights = network.parameters()
        return kind(weights, lr=rate, weight_decay=decay, fused=True, capturable=True)
    return kind(network.parameters(), lr=lr, weight_decay=decay)


def mixes_precision(wanted: bool | Literal["auto"], device: str) -> bool:
    """Whether to compute in bfloat16. "auto": where the hardware has it.

    On a CPU without it autocast falls back to emulation, which is several times slower than
    float32, so nothing but the hardware's own word counts.
    """
    if wanted != "auto":
        return wanted
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != "cpu":
        return False
    probe = getattr(torch.cpu, "get_capabilities", None)  # older torch: no word, so float32
    capabilities = {} if probe is None else probe()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
