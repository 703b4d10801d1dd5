"""The loss of Inf-Net: hard pixels weigh more, on every side output, and the edge."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from groundglass.networks.side_outputs import SideOutputs


def edge_target(target: torch.Tensor) -> torch.Tensor:
    """The edge of a mask: 3 x 3 dilation less 3 x 3 erosion; no edge along the image's border.

    Shape: (N, 1, H, W) -> (N, 1, H, W), values 0 to 1.
    """
    grown = functional.max_pool2d(target, 3, stride=1, padding=1)
    shrunk = -functional.max_pool2d(-target, 3, stride=1, padding=1)
    return grown - shrunk


class WeightedOverlapLoss(nn.Module):
    """Weighted IoU plus weighted BCE; pixels unlike their neighborhood weigh up to 6.

    w = 1 + 5 |mean of the target over 31 x 31 - target|; each slice counts alike.
    Source: Wei et al., F3Net, AAAI 2020, as taken over by Fan et al. 2020.
    Shape: logits and target (N, 1, H, W) -> scalar.
    Differs: IoU is smoothed by one pixel above and below, so that a slice without any target
    pixel costs nothing when nothing is predicted and pulls predictions down otherwise.
    """

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        near = functional.avg_pool2d(target, 31, stride=1, padding=15)
        weight = 1.0 + 5.0 * (near - target).abs()
        entropy = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
        pixels = (1, 2, 3)
        weighted = (weight * entropy).sum(dim=pixels) / weight.sum(dim=pixels)
        probability = torch.sigmoid(logits)
        both = (weight * probability * target).sum(dim=pixels)
        either = (weight * (probability + target)).sum(dim=pixels) - both
        return (weighted + 1.0 - (both + 1.0) / (either + 1.0)).mean()


class InfNetLoss(nn.Module):
    """The overlap loss summed over all masks, plus BCE on the edge where there is one.

    Source: Fan et al., Inf-Net, IEEE TMI 2020.
    Shape: logits (N, 1, H, W) or SideOutputs, target (N, 1, H, W) -> scalar.
    Differs: the paper takes the edge from the gradient of the reference; here `edge_target`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.overlap = WeightedOverlapLoss()

    def forward(self, outputs: torch.Tensor | SideOutputs, target: torch.Tensor) -> torch.Tensor:
        if isinstance(outputs, torch.Tensor):
            return self.overlap(outputs, target)
        total = torch.stack([self.overlap(mask, target) for mask in outputs.masks]).sum()
        if outputs.edge is not None:
            total = total + functional.binary_cross_entropy_with_logits(
                outputs.edge, edge_target(target)
            )
        return total
