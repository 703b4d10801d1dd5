"""A dilated depthwise convolution whose weights learn on every device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DilatedDepthwise(nn.Conv2d):
    """A depthwise convolution without bias; on a CPU in float32, whatever autocast says.

    In bfloat16 on a CPU, channels last, torch (2.13) gives dilated ones a wrong gradient of their
    weights, in maps from about 24 x 32 on: of the right size at best, often 1e30. The map itself
    and its own gradient are right, so nothing else tells.

    Shape: (N, C, H, W) -> (N, C, H / stride, W / stride), odd kernels.
    """

    def __init__(self, channels: int, kernel: int, *, dilation: int = 1, stride: int = 1) -> None:
        super().__init__(
            channels,
            channels,
            kernel,
            stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            groups=channels,
            bias=False,
        )

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(input.dtype)
