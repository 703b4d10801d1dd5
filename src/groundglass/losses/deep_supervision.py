"""Any loss of one mask, over all masks of a network with side outputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from groundglass.networks.side_outputs import SideOutputs


def halving_weights(count: int) -> tuple[float, ...]:
    """1, 1/2, 1/4 ... over their sum, so that the loss keeps its size. The main mask first."""
    raw = [0.5**i for i in range(count)]
    return tuple(value / sum(raw) for value in raw)


def miniseg_weights(count: int) -> tuple[float, ...]:
    """1 for the main mask, 0.4 for each other: MiniSeg's.

    Source: the authors' published training.
    """
    return (1.0, *(0.4,) * (count - 1))


class SupervisedSides(nn.Module):
    """`loss` on plain logits; on SideOutputs the weighted sum of it over the masks.

    An edge output is left out: a loss of one mask has no target for it.
    Shape: logits (N, 1, H, W) or SideOutputs, target (N, 1, H, W) -> scalar.
    """

    def __init__(self, loss: nn.Module, weights: Callable[[int], tuple[float, ...]]) -> None:
        super().__init__()
        self.loss = loss
        self.weights = weights

    def forward(self, outputs: torch.Tensor | SideOutputs, target: torch.Tensor) -> torch.Tensor:
        if isinstance(outputs, torch.Tensor):
            return self.loss(outputs, target)
        total = target.new_zeros(())
        weights = self.weights(len(outputs.masks))
        for mask, weight in zip(outputs.masks, weights, strict=True):
            total = total + weight * self.loss(mask, target)
        return total
