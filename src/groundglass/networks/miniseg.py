"""MiniSeg: lesions with 83 thousand parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from groundglass.networks.dilated_depthwise import DilatedDepthwise
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.side_outputs import SideOutputs

STRIDE = 16
DILATIONS = (1, 2, 4, 8)
WIDTHS = (8, 24, 32, 64)
DEPTHS = (2, 3, 8, 6)


def _normalized(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.BatchNorm2d(channels), nn.PReLU(channels))


class PlainConv(nn.Module):
    """Convolution 3 x 3, batch norm, PReLU: the multi-scale path at its first stage.

    Shape: (N, C, H, W) -> (N, out, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.finish = _normalized(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.conv(x))


class DownsamplerBlock(nn.Module):
    """DB: Conv 1, depthwise convolution 5 x 5, batch norm, PReLU; of the shallow path.

    Shape: (N, C, H, W) -> (N, out, H / stride, W / stride).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        self.point = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.depth = nn.Conv2d(
            out_channels, out_channels, 5, stride, padding=2, groups=out_channels, bias=False
        )
        self.finish = _normalized(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.depth(self.point(x)))


class AttentiveSpatialPyramid(nn.Module):
    """AHSP: four depthwise convolutions, dilated 1, 2, 4 and 8, each building on the one before.

    Conv 1 to a quarter of the channels; four dilated branches, the first with the average of the
    neighborhood added, each later one with the branch before it; every branch F becomes
    F + F * sigmoid(its own one-channel convolution); grouped Conv 1 over all, batch norm, PReLU.

    Source: Qiu et al., AAAI 2021, section "Attentive Hierarchical Spatial Pyramid module".
    Shape: (N, C, H, W) -> (N, out, H / stride, W / stride), `out` a multiple of 4.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
        super().__init__()
        part, count = out_channels // len(DILATIONS), len(DILATIONS)
        self.reduce = nn.Conv2d(in_channels, part, 1, bias=False)
        self.branches = nn.ModuleList(
            DilatedDepthwise(part, 3, dilation=d, stride=stride) for d in DILATIONS
        )
        self.average = nn.AvgPool2d(3, stride, padding=1)
        self.attention = nn.Conv2d(out_channels, count, 1, groups=count, bias=False)
        self.fuse = nn.Conv2d(out_channels, out_channels, 1, groups=count, bias=False)
        self.finish = _normalized(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        coarser, maps = self.average(x), []
        for branch in self.branches:
            coarser = branch(x) + coarser
            maps.append(coarser)
        gates = torch.sigmoid(self.attention(torch.cat(maps, dim=1)))
        gated = [m + m * gates[:, i : i + 1] for i, m in enumerate(maps)]
        return self.finish(self.fuse(torch.cat(gated, dim=1)))


class TwoPathStage(nn.Module):
    """One stage of the encoder: a multi-scale path and a shallow one of half its depth.

    Both begin by halving the size; every block sees the sum of both paths and is residual.
    Shape: two maps (N, C, H, W) -> two maps (N, out, H / 2, W / 2), multi-scale first.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        depth: int,
        block: Callable[[int, int, int], nn.Module],
    ) -> None:
        super().__init__()
        self.down = block(in_channels, out_channels, 2)
        self.shallow_down = DownsamplerBlock(in_channels, out_channels, 2)
        self.blocks = nn.ModuleList(block(out_channels, out_channels, 1) for _ in range(depth))
        self.shallow_blocks = nn.ModuleList(
            DownsamplerBlock(out_channels, out_channels) for _ in range(depth // 2)
        )

    def forward(self, deep: Tensor, shallow: Tensor) -> tuple[Tensor, Tensor]:
        deep, shallow = self.down(deep), self.shallow_down(shallow)
        for i, block in enumerate(self.blocks):
            both = deep + shallow
            deep = deep + block(both)
            if i < len(self.shallow_blocks):
                shallow = shallow + self.shallow_blocks[i](both)
        return deep, shallow


class PathExchange(nn.Module):
    """What each path learns of the other between stages: concatenate, Conv 1, batch norm, add.

    Shape: two maps (N, C, H, W) -> two maps (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(2 * channels, 2 * channels, 1, bias=False), nn.BatchNorm2d(2 * channels)
        )

    def forward(self, deep: Tensor, shallow: Tensor) -> tuple[Tensor, Tensor]:
        for_shallow, for_deep = self.mix(torch.cat([shallow, deep], dim=1)).chunk(2, dim=1)
        return deep + for_deep, shallow + for_shallow


class DecoderStep(nn.Module):
    """The coarser map, upsampled, through two depthwise convolutions, plus Conv 1 of the finer.

    Shape: (N, C, h, w), (N, out, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        width = out_channels
        self.point = nn.Conv2d(in_channels, width, 1, bias=False)
        self.near, self.far = (DilatedDepthwise(width, 3, dilation=d) for d in (1, 2))
        self.norm = nn.BatchNorm2d(width)
        self.lateral = nn.Sequential(nn.Conv2d(width, width, 1), nn.BatchNorm2d(width))
        self.act = nn.PReLU(width)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        x = self.point(bilinear_to(coarse, (int(fine.shape[-2]), int(fine.shape[-1]))))
        return self.act(self.norm(self.near(x) + self.far(x)) + self.lateral(fine))


class MiniSeg(nn.Module):
    """A two-path encoder of AHSP modules, a light decoder, one output for each of four scales.

    Widths 8, 24, 32, 64; 2, 3, 8 and 6 blocks; the input is seen at 1/2, 1/4, 1/8 and 1/16.

    Source: Qiu, Liu, Li, Xu, "MiniSeg", AAAI 2021, and its final version, IEEE TNNLS 2022 (83 K
    parameters; a preprint of 2020 had 472 K). Sizes that the text leaves open are those of the
    authors' published network.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back); with `side_outputs` four masks, fine to coarse.
    Differs: one input channel in place of a gray image in three; one logit in place of two
    classes; no dropout (theirs: 1 % before the outputs).
    """

    has_side_outputs: ClassVar[bool] = True

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [max(4, round(w * base / 64) * 4) for w in WIDTHS]
        inputs = [1, *widths[:-1]]
        kinds = [PlainConv, *[AttentiveSpatialPyramid] * 3]
        self.stages = nn.ModuleList(
            TwoPathStage(i, w, n, kind)
            for i, w, n, kind in zip(inputs, widths, DEPTHS, kinds, strict=True)
        )
        self.exchanges = nn.ModuleList(PathExchange(w) for w in widths[:-1])
        self.top = nn.Sequential(nn.Conv2d(widths[-1], widths[-1], 1), *_normalized(widths[-1]))
        self.steps = nn.ModuleList(
            DecoderStep(widths[level + 1], widths[level]) for level in reversed(range(3))
        )
        self.heads = nn.ModuleList(nn.Conv2d(w, 1, 1) for w in reversed(widths))

    def forward(self, x: Tensor, *, side_outputs: bool = False) -> Tensor | SideOutputs:
        size = int(x.shape[-2]), int(x.shape[-1])
        x = pad_to_multiple(x, STRIDE)
        maps = self._encode(x)
        decoded = [self.top(maps[-1])]
        for step, fine in zip(self.steps, reversed(maps[:-1]), strict=True):
            decoded.append(step(decoded[-1], fine))
        padded = int(x.shape[-2]), int(x.shape[-1])

        def logits(level: int) -> Tensor:
            full = bilinear_to(self.heads[level](decoded[level]), padded)
            return full[..., : size[0], : size[1]]

        if not side_outputs:
            return logits(3)
        return SideOutputs(tuple(logits(level) for level in reversed(range(4))))

    def _encode(self, x: Tensor) -> list[Tensor]:
        """The multi-scale path's map at each stage, fine to coarse."""
        deep = shallow = x
        maps = []
        for i, stage in enumerate(self.stages):
            deep, shallow = stage(deep, shallow)
            maps.append(deep)
            if i < len(self.exchanges):
                deep, shallow = self.exchanges[i](deep, shallow)
        return maps


def miniseg(*, base: int = 16) -> MiniSeg:
    """MiniSeg in its published size at base 16; widths scale, in steps of four channels."""
    return MiniSeg(base=base)
