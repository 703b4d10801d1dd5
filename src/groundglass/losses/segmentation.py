"""The segmentation loss of CHS-Net: half binary cross entropy, half Dice."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class SegmentationLoss(nn.Module):
    """L = BCE / 2 + Dice loss / 2 on logits.

    Source: CHS-Net section 3.3, Eq. 13-15.
    Shape: logits and target (N, 1, H, W), target 0 or 1 -> scalar.
    Differs: BCE is the mean over pixels (the sum of Eq. 13 would drown the Dice term); the Dice
    loss runs over the pixels of the whole batch, smoothed, so that slices without any target
    pixel count by their false positives and never divide by zero.
    """

    def __init__(self, *, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        cross_entropy = functional.binary_cross_entropy_with_logits(logits, target)
        probability = torch.sigmoid(logits)
        overlap = 2.0 * (probability * target).sum() + self.smooth
        total = probability.square().sum() + target.square().sum() + self.smooth
        return 0.5 * cross_entropy + 0.5 * (1.0 - overlap / total)
