"""UNet++: the U-Net's skips as nested, dense columns of blocks."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from groundglass.networks.raiu_net import DoubleConv
from groundglass.networks.resizing import pad_to_multiple
from groundglass.networks.side_outputs import SideOutputs

LEVELS = 4
STRIDE = 2**LEVELS


class UNetPlusPlus(nn.Module):
    """Node X(i, j): level i, the j-th block along its skip; j = 0 is the encoder.

    A node sees all nodes before it on its level, and the upsampled one below, X(i + 1, j - 1).
    Widths 32 to 512. With `side_outputs` the masks of X(0, 4), X(0, 3), X(0, 2), X(0, 1).

    Source: Zhou, Siddiquee, Tajbakhsh, Liang, "UNet++", DLMIA 2018, section 3, Eq. 1, Fig. 1.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: the plain answer is X(0, 4)'s, the paper's "fast mode" unpruned; its "accurate mode"
    averages the four. Batch norm; no dropout. The loss weighs the four masks 1, 1/2, 1/4, 1/8 where
    the paper's weighs them alike.
    """

    has_side_outputs: ClassVar[bool] = True

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [2 * base * 2**level for level in range(LEVELS + 1)]
        self.pool = nn.MaxPool2d(2)
        self.nodes, self.ups = nn.ModuleDict(), nn.ModuleDict()
        for i, width in enumerate(widths):
            self.nodes[f"{i}_0"] = DoubleConv(widths[i - 1] if i else 1, width)
            for j in range(1, LEVELS + 1 - i):
                self.ups[f"{i}_{j}"] = nn.ConvTranspose2d(widths[i + 1], width, 2, stride=2)
                self.nodes[f"{i}_{j}"] = DoubleConv((j + 1) * width, width)
        self.heads = nn.ModuleList(nn.Conv2d(widths[0], 1, 1) for _ in range(LEVELS))

    def forward(self, x: Tensor, *, side_outputs: bool = False) -> Tensor | SideOutputs:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = pad_to_multiple(x, STRIDE)
        row: list[Tensor] = []  # the nodes i_0, ..., 0_i of one diagonal of the triangle
        top: list[list[Tensor]] = []  # per level, its nodes so far
        for i in range(LEVELS + 1):
            row = [self.nodes[f"{i}_0"](self.pool(top[-1][0]) if top else x)]
            top.append([row[0]])
            for j in range(1, i + 1):
                level = i - j
                up = self.ups[f"{level}_{j}"](row[-1])
                row.append(self.nodes[f"{level}_{j}"](torch.cat([*top[level], up], dim=1)))
                top[level].append(row[-1])
        if not side_outputs:
            return self.heads[-1](top[0][-1])[..., :height, :width]
        masks = [head(node) for head, node in zip(self.heads, top[0][1:], strict=True)]
        return SideOutputs(tuple(mask[..., :height, :width] for mask in reversed(masks)))


def unet_plus_plus(*, base: int = 16) -> UNetPlusPlus:
    """UNet++ in its published size at base 16; every width scales with the base."""
    return UNetPlusPlus(base=base)
