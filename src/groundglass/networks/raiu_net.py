"""RAIU-Net, and the U-Net frame that it and its ablations are built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional

from groundglass.networks.hybrid_pool import HybridPool2d, MaxPoolBranch2d
from groundglass.networks.inception import ResidualInceptionBlock
from groundglass.networks.separable_conv import SeparableUp2d
from groundglass.networks.ssd_attention import SSDAttention

LEVELS = 4
STRIDE = 2**LEVELS


class PlainSkip(nn.Module):
    """The skip connection of a U-Net without attention: the finer map as it is."""

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        return fine


class DoubleConv(nn.Module):
    """Two standard convolutions 3 x 3, each with batch norm and ReLU.

    Source: Ronneberger et al. 2015, with batch norm; the baseline U-Net (BU) of CHS-Net
    Tables 4 and 5. Shape: (N, C, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in (in_channels, out_channels):
            layers += [
                nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(inplace=True),
            ]
        self.body = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


@dataclass(frozen=True)
class UNetParts:
    """What a U-Net is composed of; each makes one module.

    `block` and `up` from (in, out) channels, `pool` and `skip` from channels.
    """

    block: Callable[[int, int], nn.Module]
    pool: Callable[[int], nn.Module]
    up: Callable[[int, int], nn.Module]
    skip: Callable[[int], nn.Module]


class UNetFrame(nn.Module):
    """Four contraction stages, a bridge, four expansion stages, one logit.

    Each contraction stage halves the size and doubles the channels; each expansion stage
    doubles the size, concatenates what the skip makes of the same level, and runs a block.

    Source: CHS-Net section 3.1, Fig. 7.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16
    inside and cropped back).
    Differs: "increase depth by 50 %" contradicts Eq. 10-12 (p/2 to p): channels double.
    """

    def __init__(self, parts: UNetParts, *, base: int = 16, in_channels: int = 1) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(LEVELS + 1)]
        inputs = [in_channels, *widths[:-1]]
        pairs = list(zip(inputs, widths, strict=True))
        self.contraction = nn.ModuleList(parts.block(i, o) for i, o in pairs[:-1])
        self.pools = nn.ModuleList(parts.pool(w) for w in widths[:-1])
        self.bridge = parts.block(*pairs[-1])
        self.skips = nn.ModuleList(parts.skip(w) for w in widths[:-1])
        self.ups = nn.ModuleList(parts.up(2 * w, w) for w in widths[:-1])
        self.expansion = nn.ModuleList(parts.block(2 * w, w) for w in widths[:-1])
        self.head = nn.Conv2d(base, 1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        pad_h, pad_w = -height % STRIDE, -width % STRIDE
        if pad_h or pad_w:
            x = functional.pad(x, (0, pad_w, 0, pad_h))
        maps = []
        for block, pool in zip(self.contraction, self.pools, strict=True):
            maps.append(block(x))
            x = pool(maps[-1])
        x = self.bridge(x)
        coarser = [*maps[1:], x]
        for level in reversed(range(LEVELS)):
            skip = self.skips[level](maps[level], coarser[level])
            x = self.expansion[level](torch.cat([self.ups[level](x), skip], dim=1))
        return self.head(x)[..., :height, :width]


def _max_pool(channels: int) -> nn.Module:
    return nn.MaxPool2d(2)


def _plain_skip(channels: int) -> nn.Module:
    return PlainSkip()


def baseline_unet(*, base: int = 16) -> UNetFrame:
    """BU: standard convolutions and max pooling. Source: CHS-Net Tables 4 and 5, row 1."""

    def up(in_channels: int, out_channels: int) -> nn.Module:
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)

    return UNetFrame(UNetParts(DoubleConv, _max_pool, up, _plain_skip), base=base)


def unet_rib(*, base: int = 16) -> UNetFrame:
    """BU+RIB: residual inception blocks, max pooling as their fourth branch and between stages."""
    block = partial(ResidualInceptionBlock, pool_branch=MaxPoolBranch2d)
    return UNetFrame(UNetParts(block, _max_pool, SeparableUp2d, _plain_skip), base=base)


def _hybrid_block(in_channels: int, out_channels: int) -> nn.Module:
    return ResidualInceptionBlock(in_channels, out_channels, partial(HybridPool2d, same=True))


def _hybrid_pool(channels: int) -> nn.Module:
    return HybridPool2d(channels, channels)


def unet_rib_hp(*, base: int = 16) -> UNetFrame:
    """BU+RIB+HP: hybrid pooling as the fourth branch and between stages."""
    return UNetFrame(UNetParts(_hybrid_block, _hybrid_pool, SeparableUp2d, _plain_skip), base=base)


def raiu_net(*, base: int = 16, gate: type[nn.Module] = nn.ReLU) -> UNetFrame:
    """RAIU-Net (BU+RIB+HP+SSD), one stage of CHS-Net.

    Source: CHS-Net section 3, Tables 4 and 5, last row. Options beside the paper: `gate`
    (nn.Sigmoid in place of its ReLU), `base` (first width; the paper gives none).
    """
    skip = partial(SSDAttention, gate=gate)
    return UNetFrame(UNetParts(_hybrid_block, _hybrid_pool, SeparableUp2d, skip), base=base)
