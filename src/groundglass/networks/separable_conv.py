"""Depthwise separable convolutions: per-channel k x k, then pointwise 1 x 1."""

from __future__ import annotations

import torch
from torch import nn


class SeparableConv2d(nn.Module):
    """Depthwise separable convolution (DSC).

    Source: CHS-Net Eq. 1, 5 and 6.
    Shape: (N, C, H, W) -> (N, out, H, W) at stride 1 and odd kernel ('same' padding);
    kernel 2 at stride 2 halves even sizes.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(
            in_channels,
            in_channels,
            kernel,
            stride=stride,
            padding=(kernel - 1) // 2,
            groups=in_channels,
            bias=False,
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class SeparableUp2d(nn.Module):
    """Separable transposed convolution 2 x 2 at stride 2: doubles the size.

    Source: CHS-Net Eq. 6, which writes every convolution as separable.
    Shape: (N, C, H, W) -> (N, out, 2H, 2W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.depthwise = nn.ConvTranspose2d(
            in_channels, in_channels, 2, stride=2, groups=in_channels, bias=False
        )
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))
