"""Spectral spatial and depth (SSD) attention."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from groundglass.networks.separable_conv import SeparableConv2d


def _starts_open(layer: nn.Conv2d) -> nn.Conv2d:
    """Bias 1, so that a ReLU gate begins near one and cannot die before it has learned."""
    if layer.bias is not None:
        nn.init.ones_(layer.bias)
    return layer


class DepthAttention(nn.Module):
    """Weights channels by a descriptor of the globally pooled spectrum.

    Source: CHS-Net section 3.2.1, Eq. 8-9, Fig. 10.
    Shape: (N, C, H, W) -> the same.
    Differs: pooling the spectrum to 1 x 1 keeps its DC term alone, which under the
    mean-preserving scale *is* global average pooling, and is computed that way (a test shows
    both equal). The gate's last bias starts at one; the paper does not say.
    """

    def __init__(self, channels: int, *, gate: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.descriptor = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 2, 1),
            nn.ReLU(inplace=True),
            _starts_open(nn.Conv2d(channels // 2, channels, 1)),
            gate(),
        )
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.refine(self.descriptor(x) * x)


class SpatialAttention(nn.Module):
    """Gates the depth-attended map of level l - 1 by the map of level l.

    Source: CHS-Net section 3.2.2, Eq. 10-12, Fig. 11.
    Shape: (N, C, 2H, 2W) and (N, 2C, H, W) -> (N, C, 2H, 2W).
    Differs: the gate is the paper's ReLU unless told otherwise (attention gates usually have
    a sigmoid; that is the option); its bias starts at one.
    """

    def __init__(self, channels: int, *, gate: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.from_fine = SeparableConv2d(channels, 2 * channels, 2, stride=2)
        self.from_coarse = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.joined = nn.Sequential(nn.BatchNorm2d(2 * channels), nn.ReLU(inplace=True))
        self.descriptor = nn.Sequential(_starts_open(nn.Conv2d(2 * channels, 1, 1)), gate())
        self.refine = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        joined = self.joined(self.from_fine(fine) + self.from_coarse(coarse))
        attention = functional.interpolate(
            self.descriptor(joined), scale_factor=2.0, mode="bilinear", align_corners=False
        )
        return self.refine(attention * fine)


class SSDAttention(nn.Module):
    """Depth attention on the finer map, then spatial attention gated by the coarser one.

    Source: CHS-Net section 3.2.
    Shape: (N, C, 2H, 2W) and (N, 2C, H, W) -> (N, C, 2H, 2W).
    """

    def __init__(self, channels: int, *, gate: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        self.depth = DepthAttention(channels, gate=gate)
        self.spatial = SpatialAttention(channels, gate=gate)

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        return self.spatial(self.depth(fine), coarse)
