"""Inception convolution and the residual inception block built of two of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from groundglass.networks.separable_conv import SeparableConv2d

PoolBranch = Callable[[int, int], nn.Module]
"""Makes the fourth branch from (in_channels, out_channels); keeps the size."""


def _normalized(layer: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(layer, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class InceptionConv(nn.Module):
    """Four branches in parallel (DSC 1, 3, 5 and pooling), each normalized; then Conv 1.

    Source: CHS-Net section 3.1.2, Eq. 3-4, Fig. 9.
    Shape: (N, C, H, W) -> (N, out, H, W).
    Differs: section 1.4 names kernels 2, 3, 5; Eq. 3 and section 3.1 say 1, 3, 5: used here.
    """

    def __init__(self, in_channels: int, out_channels: int, pool_branch: PoolBranch) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _normalized(SeparableConv2d(in_channels, out_channels, kernel), out_channels)
            for kernel in (1, 3, 5)
        )
        self.branches.append(_normalized(pool_branch(in_channels, out_channels), out_channels))
        self.mix = _normalized(nn.Conv2d(4 * out_channels, out_channels, 1), out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat([branch(x) for branch in self.branches], dim=1))


class ResidualInceptionBlock(nn.Module):
    """Two inception convolutions in sequence; shortcut DSC 3 with batch norm; add; ReLU.

    Source: CHS-Net section 3.1 (RIB).
    Shape: (N, C, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, pool_branch: PoolBranch) -> None:
        super().__init__()
        self.body = nn.Sequential(
            InceptionConv(in_channels, out_channels, pool_branch),
            InceptionConv(out_channels, out_channels, pool_branch),
        )
        self.shortcut = nn.Sequential(
            SeparableConv2d(in_channels, out_channels, 3), nn.BatchNorm2d(out_channels)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))
