"""Res2Net-50, the backbone of Inf-Net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

SCALE = 4
EXPANSION = 4
LAYERS = (3, 4, 6, 3)


class Res2Block(nn.Module):
    """A bottleneck whose 3 x 3 convolution is a hierarchy over four groups of channels.

    After Conv 1 the channels are split in four; three groups pass a 3 x 3 convolution, each with
    the outcome of the group before it added; the last passes as it is. The first block of a
    stage changes the size, so there the groups stand alone and the last is average-pooled.

    Source: Gao et al., "Res2Net", IEEE TPAMI 2019, section 3.1, Fig. 2(b); 26 channels per group
    for 64. Shape: (N, C, H, W) -> (N, 4 planes, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, planes: int, *, stride: int = 1, first: bool) -> None:
        super().__init__()
        width, out_channels = max(1, planes * 26 // 64), planes * EXPANSION
        self.first = first
        self.enter = nn.Sequential(
            nn.Conv2d(in_channels, width * SCALE, 1, bias=False),
            nn.BatchNorm2d(width * SCALE),
            nn.ReLU(inplace=True),
        )
        self.groups = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for _ in range(SCALE - 1)
        )
        self.last = nn.AvgPool2d(3, stride, padding=1) if first else nn.Identity()
        self.leave = nn.Sequential(
            nn.Conv2d(width * SCALE, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
        )
        self.shortcut = _shortcut(in_channels, out_channels, stride) if first else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        parts = self.enter(x).chunk(SCALE, dim=1)
        maps: list[Tensor] = []
        for group, part in zip(self.groups, parts[:-1], strict=True):
            maps.append(group(part if self.first or not maps else part + maps[-1]))
        joined = torch.cat([*maps, self.last(parts[-1])], dim=1)
        return torch.relu(self.leave(joined) + self.shortcut(x))


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Sequential(
        nn.AvgPool2d(stride, stride),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class Res2Net50(nn.Module):
    """Res2Net-50 26w-4s without its classifier: a stem and four stages.

    The stem is three 3 x 3 convolutions, and shortcuts pool before they convolve ("v1b").
    Shape: (N, 3, H, W), H and W multiples of 32 -> four maps of (4, 8, 16, 32) * `planes`
    channels at 1/4, 1/8, 1/16 and 1/32 of the size.
    """

    def __init__(self, *, planes: int = 64) -> None:
        super().__init__()
        half = max(1, planes // 2)
        self.stem = nn.Sequential(
            *_conv(3, half, 2), *_conv(half, half, 1), *_conv(half, planes, 1)
        )
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        stages, channels = [], planes
        for i, count in enumerate(LAYERS):
            width, stride = planes * 2**i, 1 if i == 0 else 2
            blocks = [Res2Block(channels, width, stride=stride, first=True)]
            channels = width * EXPANSION
            blocks += [Res2Block(channels, width, first=False) for _ in range(count - 1)]
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.pool(self.stem(x))
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)


def _conv(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]
