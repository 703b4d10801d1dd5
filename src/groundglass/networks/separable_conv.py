"""Depthwise separable convolutions: per-channel k x k, then pointwise 1 x 1."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


def _is_cheaper_dense(x: torch.Tensor) -> bool:
    """On a GPU, with many channels: both steps in one dense convolution by the kernels' product.

    Nothing stands between the two, so the result is the same. A dense convolution counts up to 25
    times the operations, but they run on matrix units that wait for memory anyway, and the map
    between the two steps is neither written nor read. On a CPU operations are what is short; with
    few channels the matrix units stay empty.
    """
    return x.is_cuda and x.shape[1] >= 32


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
        if _is_cheaper_dense(x):
            return self.dense(x)
        return self.pointwise(self.depthwise(x))

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """The same map by one dense convolution."""
        kernel = self.pointwise.weight * self.depthwise.weight.transpose(0, 1)
        stride, padding = self.depthwise.stride, self.depthwise.padding
        return functional.conv2d(x, kernel, stride=stride, padding=padding)  # pyright: ignore[reportArgumentType]


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
        if _is_cheaper_dense(x):
            return self.dense(x)
        return self.pointwise(self.depthwise(x))

    def dense(self, x: torch.Tensor) -> torch.Tensor:
        """The same map by one dense transposed convolution."""
        kernel = self.depthwise.weight * self.pointwise.weight.transpose(0, 1)
        return functional.conv_transpose2d(x, kernel, self.pointwise.bias, stride=2)
