"""RAIU-Net, and the U-Net frame that it and its ablations are built from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import nn

from groundglass.networks.hybrid_pool import HybridPool2d, MaxPoolBranch2d
from groundglass.networks.inception import ResidualInceptionBlock
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.separable_conv import SeparableUp2d
from groundglass.networks.side_outputs import SideOutputs
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
        return self.head(self._expanded(x)[-1])[..., :height, :width]

    def _expanded(self, x: torch.Tensor) -> list[torch.Tensor]:
        """The map of each expansion stage, coarse to fine, of the padded input."""
        x = pad_to_multiple(x, STRIDE)
        maps = []
        for block, pool in zip(self.contraction, self.pools, strict=True):
            maps.append(block(x))
            x = pool(maps[-1])
        x = self.bridge(x)
        coarser = [*maps[1:], x]
        expanded = []
        for level in reversed(range(LEVELS)):
            skip = self.skips[level](maps[level], coarser[level])
            x = self.expansion[level](torch.cat([self.ups[level](x), skip], dim=1))
            expanded.append(x)
        return expanded


class SupervisedUNetFrame(UNetFrame):
    """The same frame with a logit of its own on every expansion stage, for training.

    Called plainly it is the frame: same weights (plus `side_heads`), same output, same cost.
    Source: deep supervision of Lee et al. 2015; not in CHS-Net.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W); with `side_outputs` four masks, fine to coarse,
    each upsampled to (H, W).
    """

    has_side_outputs: ClassVar[bool] = True

    def __init__(self, parts: UNetParts, *, base: int = 16, in_channels: int = 1) -> None:
        super().__init__(parts, base=base, in_channels=in_channels)
        self.side_heads = nn.ModuleList(nn.Conv2d(base * 2**i, 1, 1) for i in range(1, LEVELS))

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - a tensor unless asked
        self, x: torch.Tensor, *, side_outputs: bool = False
    ) -> torch.Tensor | SideOutputs:
        if not side_outputs:
            return super().forward(x)
        height, width = int(x.shape[-2]), int(x.shape[-1])
        *coarse, fine = self._expanded(x)
        masks = [self.head(fine)]
        full = int(fine.shape[-2]), int(fine.shape[-1])
        for head, stage in zip(self.side_heads, reversed(coarse), strict=True):
            masks.append(bilinear_to(head(stage), full))
        return SideOutputs(tuple(mask[..., :height, :width] for mask in masks))


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


def raiu_net_sigmoid(*, base: int = 16) -> UNetFrame:
    """RAIU-Net with sigmoid gates, as attention gates usually have; not in CHS-Net."""
    return raiu_net(base=base, gate=nn.Sigmoid)


def raiu_net_deep(*, base: int = 16) -> SupervisedUNetFrame:
    """RAIU-Net with deep supervision of its expansion stages; not in CHS-Net."""
    skip = partial(SSDAttention, gate=nn.ReLU)
    parts = UNetParts(_hybrid_block, _hybrid_pool, SeparableUp2d, skip)
    return SupervisedUNetFrame(parts, base=base)
