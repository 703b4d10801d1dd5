"""Inf-Net: a global map first, then its boundary, from coarse to fine."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from groundglass.networks.res2net import Res2Net50
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.side_outputs import SideOutputs

STRIDE = 32


def _size(x: Tensor) -> tuple[int, int]:
    return int(x.shape[-2]), int(x.shape[-1])


class NormedConv(nn.Sequential):
    """Convolution and batch norm, without activation. Keeps the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        dilation: int = 1,
    ) -> None:
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (high // 2), dilation * (wide // 2))
        super().__init__(
            nn.Conv2d(
                in_channels,
                out_channels,
                (high, wide),
                padding=padding,
                dilation=dilation,
                bias=False,
            ),
            nn.BatchNorm2d(out_channels),
        )


class ReceptiveFieldBlock(nn.Module):
    """One level's features in few channels: plain, and seen through windows of 3, 5 and 7.

    Source: the RFB of Liu, Huang, Wang 2018 as in the partial decoder of Wu, Su, Huang 2019.
    Shape: (N, C, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([NormedConv(in_channels, channels, 1)])
        for k in (3, 5, 7):
            self.branches.append(
                nn.Sequential(
                    NormedConv(in_channels, channels, 1),
                    NormedConv(channels, channels, (1, k)),
                    NormedConv(channels, channels, (k, 1)),
                    NormedConv(channels, channels, 3, dilation=k),
                )
            )
        self.join = NormedConv(4 * channels, channels, 3)
        self.shortcut = NormedConv(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = self.join(torch.cat([branch(x) for branch in self.branches], dim=1))
        return torch.relu(joined + self.shortcut(x))


class ParallelPartialDecoder(nn.Module):
    """The three high levels, multiplied and concatenated upward into one global map.

    Source: Fan et al. 2020; the aggregation is that of Wu, Su, Huang 2019.
    Shape: high (N, C, h, w), middle (2h, 2w), low (4h, 4w) -> logits (N, 1, 4h, 4w).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.high_to_middle, self.high_to_low, self.middle_to_low, self.high_beside = (
            NormedConv(channels, channels, 3) for _ in range(4)
        )
        self.join_middle = NormedConv(2 * channels, 2 * channels, 3)
        self.middle_beside = NormedConv(2 * channels, 2 * channels, 3)
        self.join_low = NormedConv(3 * channels, 3 * channels, 3)
        self.last = NormedConv(3 * channels, 3 * channels, 3)
        self.head = nn.Conv2d(3 * channels, 1, 1)

    def forward(self, high: Tensor, middle: Tensor, low: Tensor) -> Tensor:
        high_at_middle = bilinear_to(high, _size(middle))
        x = self.high_to_middle(high_at_middle) * middle
        x = self.join_middle(torch.cat([x, self.high_beside(high_at_middle)], dim=1))
        fine = self.high_to_low(bilinear_to(high, _size(low)))
        fine = fine * self.middle_to_low(bilinear_to(middle, _size(low))) * low
        beside = self.middle_beside(bilinear_to(x, _size(low)))
        return self.head(self.last(self.join_low(torch.cat([fine, beside], dim=1))))


class ReverseAttention(nn.Module):
    """What the coarser map missed: features where it says no, beside the edge features.

    The features times 1 - sigmoid(coarser logits), Conv 1, the edge features concatenated,
    convolutions to a correction that is added to the coarser logits.

    Source: reverse attention of Fan et al. 2020.
    Shape: features (N, C, H, W), edge (N, E, h, w), coarser logits (N, 1, h, w) -> logits
    (N, 1, H, W).
    """

    def __init__(self, reduce: nn.Module, body: list[nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.reduce = reduce
        self.body = nn.ModuleList(body)
        self.head = head

    def forward(self, features: Tensor, edge: Tensor, logits: Tensor) -> Tensor:
        coarser = bilinear_to(logits, _size(features))
        x = self.reduce(features * (1.0 - torch.sigmoid(coarser)))
        x = torch.cat([x, bilinear_to(edge, _size(features))], dim=1)
        for conv in self.body:
            x = torch.relu(conv(x))
        return self.head(x) + coarser


def _reverse(in_channels: int, channels: int, edge: int, *, kernels: tuple[int, ...]) -> nn.Module:
    """One module; `kernels` of its convolutions, the last that of its one-channel head."""
    widths = [channels + edge, *[channels] * (len(kernels) - 1)]
    body: list[nn.Module] = [
        NormedConv(i, channels, k) for i, k in zip(widths, kernels[:-1], strict=False)
    ]
    head = NormedConv(channels, 1, kernels[-1])
    return ReverseAttention(NormedConv(in_channels, channels, 1), body, head)


class InfNet(nn.Module):
    """Inf-Net: Res2Net, edge attention, parallel partial decoder, three reverse attentions.

    Source: Fan et al., "Inf-Net: Automatic COVID-19 Lung Infection Segmentation from CT Images",
    IEEE TMI 2020, Fig. 2; widths that its text leaves open are those of the authors' published
    network. Semi-Inf-Net is the same network, trained with pseudo labels.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 32 and
    cropped back); with `side_outputs` the masks S3 (the main one), S4, S5, Sg, and the edge.
    Differs: the gray image is repeated to three channels inside; the backbone starts from
    scratch where the paper's starts from ImageNet.
    """

    has_side_outputs: ClassVar[bool] = True

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        planes, few, edge = 4 * base, 2 * base, 4 * base
        self.backbone = Res2Net50(planes=planes)
        low, middle, high = (planes * factor for factor in (8, 16, 32))
        self.fields = nn.ModuleList(ReceptiveFieldBlock(w, few) for w in (low, middle, high))
        self.decoder = ParallelPartialDecoder(few)
        self.edge = nn.Sequential(
            NormedConv(4 * planes, edge, 1), NormedConv(edge, edge, 3), NormedConv(edge, edge, 3)
        )
        self.edge_head = NormedConv(edge, 1, 3)
        self.reverse = nn.ModuleList(
            [
                _reverse(high, 16 * base, edge, kernels=(5, 5, 5, 1)),
                _reverse(middle, 4 * base, edge, kernels=(3, 3, 3)),
                _reverse(low, 4 * base, edge, kernels=(3, 3, 3)),
            ]
        )

    def forward(self, x: Tensor, *, side_outputs: bool = False) -> Tensor | SideOutputs:
        size = _size(x)
        x = pad_to_multiple(x, STRIDE)
        padded = _size(x)
        first, low, middle, high = self.backbone(x.repeat(1, 3, 1, 1))
        edge = self.edge(first)
        levels = (low, middle, high)
        fields = [field(level) for field, level in zip(self.fields, levels, strict=True)]
        masks = [self.decoder(*reversed(fields))]
        for module, level in zip(self.reverse, reversed(levels), strict=True):
            masks.append(module(level, edge, masks[-1]))

        def full(logits: Tensor) -> Tensor:
            return bilinear_to(logits, padded)[..., : size[0], : size[1]]

        if not side_outputs:
            return full(masks[-1])
        return SideOutputs(tuple(full(m) for m in reversed(masks)), full(self.edge_head(edge)))


def inf_net(*, base: int = 16) -> InfNet:
    """Inf-Net in its published size at base 16; every width scales with the base."""
    return InfNet(base=base)
