"""V-Net, read in two dimensions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.resizing import pad_to_multiple

STRIDE = 16
DEPTHS = (1, 2, 3, 3, 3)
"""Convolutions per stage on the way down; the way up has those of the same level."""


class ResidualStage(nn.Module):
    """One to three convolutions 5 x 5, the stage's input added before the last PReLU.

    A gray image is added to every channel of the first stage; on the way up the input is the
    upsampled map beside the skip.
    Source: Milletari, Navab, Ahmadi 2016, section 2, Fig. 2.
    Shape: (N, C, H, W) -> (N, out, H, W), C either `out` or 1.
    """

    def __init__(self, in_channels: int, channels: int, depth: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(in_channels if i == 0 else channels, channels, 5, padding=2, bias=False),
                nn.BatchNorm2d(channels),
            )
            for i in range(depth)
        )
        self.acts = nn.ModuleList(nn.PReLU(channels) for _ in range(depth))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i, (conv, act) in enumerate(zip(self.convs, self.acts, strict=True), start=1):
            y = conv(y)
            y = act(y + x if i == len(self.convs) else y)
        return y


def _resize(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.PReLU(channels))


class VNet(nn.Module):
    """Residual stages of convolutions 5 x 5; strided convolutions 2 x 2 in place of pooling.

    Widths 16 to 256 on the way down; on the way up each stage runs on the upsampled map beside the
    skip of its level, together twice the level's width.

    Source: Milletari, Navab, Ahmadi, "V-Net", 3DV 2016, section 2, Fig. 2.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: a 2-D reading, because all rows are compared on slices: 5 x 5 x 5 and 2 x 2 x 2 kernels
    become 5 x 5 and 2 x 2, volumes become slices, stages, depths and widths stay; so it has about a
    fifth of the parameters. Batch norm, which the paper does not have; one logit for two classes.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(len(DEPTHS))]
        self.down_stages = nn.ModuleList(
            ResidualStage(1 if i == 0 else width, width, depth)
            for i, (width, depth) in enumerate(zip(widths, DEPTHS, strict=True))
        )
        self.downs = nn.ModuleList(
            _resize(nn.Conv2d(w, 2 * w, 2, stride=2, bias=False), 2 * w) for w in widths[:-1]
        )
        levels = list(zip(widths[:-1], DEPTHS[:-1], strict=True))
        # Below level i comes the bottom (16 * base) or an up stage, twice its level's width.
        below = [4 * w for w in widths[:-2]] + [widths[-1]]
        self.ups = nn.ModuleList(
            _resize(nn.ConvTranspose2d(b, w, 2, stride=2, bias=False), w)
            for b, (w, _) in zip(below, levels, strict=True)
        )
        self.up_stages = nn.ModuleList(ResidualStage(2 * w, 2 * w, depth) for w, depth in levels)
        self.head = nn.Conv2d(2 * base, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = self.down_stages[0](pad_to_multiple(x, STRIDE))
        skips = []
        for down, stage in zip(self.downs, self.down_stages[1:], strict=True):
            skips.append(x)
            x = stage(down(x))
        for level in reversed(range(len(skips))):
            x = self.up_stages[level](torch.cat([self.ups[level](x), skips[level]], dim=1))
        return self.head(x)[..., :height, :width]


def v_net(*, base: int = 16) -> VNet:
    """V-Net on slices, with the paper's widths at base 16; every width scales with the base."""
    return VNet(base=base)
