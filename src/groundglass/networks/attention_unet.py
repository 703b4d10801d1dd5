"""U-Net with spatial and channel attention on its skips."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.raiu_net import UNetFrame, UNetParts

REDUCTION = 2


class SpatialChannelAttention(nn.Module):
    """The finer map, re-weighted by channel plus re-weighted by place.

    Channel: global average, Conv 1 to half, ReLU, Conv 1 back, sigmoid. Place: Conv 1 to one
    channel, sigmoid. The two gated maps are added.

    Source: spatial and channel attention of Zhou, Canu, Ruan, IJIST 2020 (arXiv 2004.06673), in
    the form of concurrent squeeze and excitation of Roy, Navab, Wachinger 2018.
    Shape: fine (N, C, H, W), coarse (not used) -> (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // REDUCTION)
        self.channel = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.ReLU(inplace=True), nn.Conv2d(hidden, channels, 1)
        )
        self.place = nn.Conv2d(channels, 1, 1)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        by_channel = torch.sigmoid(self.channel(fine.mean(dim=(2, 3), keepdim=True)))
        return fine * by_channel + fine * torch.sigmoid(self.place(fine))


class ResidualDilatedBlock(nn.Module):
    """Convolution 3 x 3, then two dilated ones (2 and 4) with a shortcut around them.

    Shape: (N, C, H, W) -> (N, out, H, W).
    Differs: our reading; what is known of the network of Zhou, Canu, Ruan here is its abstract.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.enter = self._unit(in_channels, out_channels, 1)
        self.body = nn.Sequential(
            self._unit(out_channels, out_channels, 2), self._unit(out_channels, out_channels, 4)
        )

    @staticmethod
    def _unit(in_channels: int, out_channels: int, dilation: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(
                in_channels, out_channels, 3, padding=dilation, dilation=dilation, bias=False
            ),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        return x + self.body(x)


def _strided(channels: int) -> nn.Module:
    return nn.Conv2d(channels, channels, 3, stride=2, padding=1)


def _up(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def attention_unet(*, base: int = 16) -> UNetFrame:
    """The network of Zhou, Canu, Ruan 2020, trained with the focal Tversky loss.

    U-Net of residual dilated blocks; strided convolutions halve the size, nearest upsampling
    and a convolution double it; attention on every skip.

    Differs: from its abstract come U-Net, both attentions on the encoder's features and the
    loss; blocks, resizing and widths 16 to 256 are our reading.
    """
    parts = UNetParts(ResidualDilatedBlock, _strided, _up, SpatialChannelAttention)
    return UNetFrame(parts, base=base)
