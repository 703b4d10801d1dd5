"""The running average of a network's weights, which a finished run is used with."""

from __future__ import annotations

import torch
from torch import nn


class RunningAverage:
    """`values`: by name of the state, the average of what `network` held after each step.

    Counters and other whole numbers are copied.
    """

    def __init__(self, network: nn.Module, ema: float) -> None:
        state = network.state_dict()
        self.values = {name: value.detach().clone() for name, value in state.items()}
        self._pairs = {
            floating: [
                (self.values[name], value)
                for name, value in state.items()
                if value.dtype.is_floating_point is floating
            ]
            for floating in (True, False)
        }
        self._ema = ema

    def kept_share(self, step: int) -> float:
        """How much stays of the average at `step`, from 0: less at first, so that it does not
        lag the start."""
        return min(self._ema, (1 + step) / (10 + step))

    @torch.no_grad()
    def update(self, keep: float | torch.Tensor) -> None:
        """Move toward the network's weights of now, by 1 - `keep` of the way."""
        # All at once: one by one they would be hundreds of kernels. Optimizers do the same.
        averages, values = (list(part) for part in zip(*self._pairs[True], strict=True))
        moved = torch._foreach_sub(values, averages)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(moved, 1 - keep)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(averages, moved)  # pyright: ignore[reportPrivateImportUsage]
        for counter, value in self._pairs[False]:
            counter.copy_(value)
