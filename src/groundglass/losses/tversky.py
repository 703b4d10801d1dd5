"""Tversky and focal Tversky losses: missed pixels cost more than false ones."""

from __future__ import annotations

import torch
from torch import nn


class TverskyLoss(nn.Module):
    """1 - TI, TI = TP / (TP + a FN + b FP), on logits; a = 0.7 weighs missed pixels.

    Source: Salehi et al. 2017; a and b as in CovTANet.
    Shape: logits and target (N, 1, H, W), target 0 to 1 -> scalar.
    Differs: the sums run over the pixels of the whole batch and `smooth` is added above and
    below, so that without any target pixel TI = smooth / (smooth + b FP): 1 when nothing is
    predicted, and with a gradient when something is.
    """

    def __init__(self, *, alpha: float = 0.7, beta: float = 0.3, smooth: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        probability = torch.sigmoid(logits)
        found = (probability * target).sum()
        missed = ((1.0 - probability) * target).sum()
        wrong = (probability * (1.0 - target)).sum()
        amiss = self.alpha * missed + self.beta * wrong
        return amiss / (found + amiss + self.smooth)


class FocalTverskyLoss(TverskyLoss):
    """(1 - TI) ** (1 / g), g = 4/3: exponent 3/4.

    Source: Abraham & Khan 2019, and CovTANet with the same exponent. It is below one, so the slope
    *grows* as TI nears 1. Zhou, Canu & Ruan 2020 name it without an exponent in their abstract.
    Differs: 1 - TI is kept above 1e-6, where that slope would have no bound.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.7,
        beta: float = 0.3,
        gamma: float = 4.0 / 3.0,
        smooth: float = 1.0,
    ) -> None:
        super().__init__(alpha=alpha, beta=beta, smooth=smooth)
        self.gamma = gamma

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return super().forward(logits, target).clamp_min(1e-6) ** (1.0 / self.gamma)
