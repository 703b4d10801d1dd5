"""ResNet-34, the encoder of CPF-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.conv_norm_act import he_init

LAYERS = (3, 4, 6, 3)


class BasicBlock(nn.Module):
    """Two convolutions 3 x 3 with batch norm, plus a shortcut; ReLU after the sum.

    Source: He, Zhang, Ren, Sun, CVPR 2016, Fig. 2; option B where size or channels change.
    Shape: (N, C, H, W) -> (N, out, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


class ResNet34(nn.Module):
    """ResNet-34 without its classifier, for gray images: a stem and four stages.

    Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, Table 1.
    Shape: (N, 1, H, W), H and W multiples of 32 -> five maps of (1, 1, 2, 4, 8) * `planes` channels
    at 1/2, 1/4, 1/8, 1/16 and 1/32 of the size.
    """

    def __init__(self, *, planes: int = 64) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, planes, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(planes),
            nn.ReLU(inplace=True),
        )
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        stages, channels = [], planes
        for i, count in enumerate(LAYERS):
            width = planes * 2**i
            blocks = [BasicBlock(channels, width, stride=1 if i == 0 else 2)]
            blocks += [BasicBlock(width, width) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
            channels = width
        self.stages = nn.ModuleList(stages)
        he_init(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.stem(x)]
        x = self.pool(maps[0])
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps
