"""Encoders of a TA-SegNet: what they owe, and the plain one."""

from __future__ import annotations

from torch import Tensor, nn

from groundglass.networks.raiu_net import DoubleConv

LEVELS = 4
"""N: levels that have both an encoder map and a decoder map. The bridge lies below them."""


class Encoder(nn.Module):
    """From the image to N + 1 maps, each half the size of the one before; the last is the bridge.

    `widths`: their channels. `finest`: how many times smaller than the image the first map is;
    H and W must be multiples of `finest` times 16.
    """

    widths: tuple[int, ...]
    finest: int

    def forward(self, x: Tensor) -> list[Tensor]:
        """Shape: (N, 1, H, W) -> maps, fine to coarse."""
        raise NotImplementedError


class PlainEncoder(Encoder):
    """The encoder of a U-Net: two convolutions a level, max pooling between levels.

    Source: CovTANet section II-B, "sequential encoding stages ... similar to the Unet".
    Shape: (N, 1, H, W), multiples of 16 -> maps of (1, 2, 4, 8, 16) * `base` channels, the first
    of full size.
    """

    def __init__(self, *, base: int) -> None:
        super().__init__()
        self.widths = tuple(base * 2**level for level in range(LEVELS + 1))
        self.finest = 1
        inputs = (1, *self.widths[:-1])
        self.stages = nn.ModuleList(map(DoubleConv, inputs, self.widths))
        self.pool = nn.MaxPool2d(2)

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for stage in self.stages:
            maps.append(stage(self.pool(maps[-1]) if maps else x))
        return maps
