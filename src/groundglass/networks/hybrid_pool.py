"""Hybrid pooling: what max pooling and spectral pooling see, joined."""

from __future__ import annotations

import torch
from torch import nn

from groundglass.networks.spectral_pool import SpectralLowPass2d, SpectralPool2d


class HybridPool2d(nn.Module):
    """Max pooling beside spectral pooling, concatenated, then convolution 1 x 1.

    Source: CHS-Net section 3.1.1. `same=False` halves the size and joins the stages;
    `same=True` keeps it (max 3 x 3 at stride 1, low-pass) and is the inception block's branch.
    Shape: (N, C, H, W) -> (N, out, H / 2, W / 2), H and W even; or (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, *, same: bool = False) -> None:
        super().__init__()
        self.max_pool = nn.MaxPool2d(3, stride=1, padding=1) if same else nn.MaxPool2d(2)
        self.spectral_pool = SpectralLowPass2d() if same else SpectralPool2d(2)
        self.mix = nn.Conv2d(2 * in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(torch.cat([self.max_pool(x), self.spectral_pool(x)], dim=1))


class MaxPoolBranch2d(nn.Module):
    """Max pooling 3 x 3 at full size, then convolution 1 x 1: the branch without hybrid pooling.

    Source: CHS-Net Tables 4 and 5, row BU+RIB.
    Shape: (N, C, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.max_pool = nn.MaxPool2d(3, stride=1, padding=1)
        self.mix = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mix(self.max_pool(x))
