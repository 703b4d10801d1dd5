"""COPLE-Net: a U-Net for COVID-19 pneumonia lesions that pools by maximum and by average."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.resizing import bilinear_to, pad_to_multiple

LEVELS = 4
STRIDE = 2**LEVELS
DILATIONS = (1, 2, 4, 6)
SQUEEZE = 2


class ResidualSqueeze(nn.Module):
    """Squeeze and excitation with a shortcut: every channel times 1 + its gate, 0 or more.

    Global average, Conv 1 to half, leaky ReLU, Conv 1 back, ReLU.

    Source: the SE block of Wang et al. 2020, in the form of their published network.
    Shape: (N, C, H, W) -> the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(1, channels // SQUEEZE)
        self.gate = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), nn.LeakyReLU(), nn.Conv2d(hidden, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + x * torch.relu(self.gate(x.mean(dim=(2, 3), keepdim=True)))


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions 3 x 3 with batch norm and leaky ReLU, then squeeze and excitation."""
    return nn.Sequential(
        ConvNormAct(in_channels, out_channels, act=nn.LeakyReLU),
        ConvNormAct(out_channels, out_channels, act=nn.LeakyReLU),
        ResidualSqueeze(out_channels),
    )


class MaxAveragePool(nn.Module):
    """Max pooling beside average pooling: half the size, twice the channels.

    Source: Wang et al. 2020. Shape: (N, C, H, W) -> (N, 2C, H / 2, W / 2).
    """

    def __init__(self) -> None:
        super().__init__()
        self.max, self.average = nn.MaxPool2d(2), nn.AvgPool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.max(x), self.average(x)], dim=1)


class AtrousPyramid(nn.Module):
    """ASPP: Conv 1 and convolutions 3 x 3 dilated 2, 4 and 6, a quarter of the channels each.

    Source: Wang et al. 2020. Shape: (N, C, H, W) -> the same, C a multiple of 4.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        part = channels // len(DILATIONS)
        self.branches = nn.ModuleList(
            nn.Conv2d(channels, part, 1 if d == 1 else 3, padding=d * (d > 1), dilation=d)
            for d in DILATIONS
        )
        self.join = ConvNormAct(channels, channels, 1, act=nn.LeakyReLU)

    def forward(self, x: Tensor) -> Tensor:
        return self.join(torch.cat([branch(x) for branch in self.branches], dim=1))


class COPLENet(nn.Module):
    """U-Net with max beside average pooling, bridges on the skips, and ASPP at the bottom.

    A bridge is Conv 1 to half the channels, so that what comes up weighs as much as the skip, and
    every block below the first has a shortcut around it. Widths 32 to 512.

    Source: Wang et al., "A Noise-Robust Framework for Automatic Segmentation of COVID-19 Pneumonia
    Lesions From CT Images", IEEE TMI 2020; sizes that its text leaves open are those
    of the authors' published network as MONAI's research code has it.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: one logit in place of two classes; no dropout (theirs: 30 to 50 % in the deep blocks).
    Its noise-robust Dice loss and its self-ensembling are not part of the network.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [2 * base * 2**level for level in range(LEVELS + 1)]
        self.enter = _block(1, widths[0])
        self.pool = MaxAveragePool()
        self.down_blocks = nn.ModuleList(_block(w, w) for w in widths[1:])
        self.pyramid = AtrousPyramid(widths[-1])
        self.bridges = nn.ModuleList(
            ConvNormAct(w, w // 2, 1, act=nn.LeakyReLU) for w in widths[:-1]
        )
        self.narrows = nn.ModuleList(nn.Conv2d(2 * w, w // 2, 1) for w in widths[:-1])
        self.up_blocks = nn.ModuleList(_block(w, w) for w in widths[:-1])
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = self.enter(pad_to_multiple(x, STRIDE))
        skips = []
        for bridge, block in zip(self.bridges, self.down_blocks, strict=True):
            skips.append(bridge(x))
            x = self.pool(x)
            x = block(x) + x
        x = self.pyramid(x)
        for level in reversed(range(LEVELS)):
            skip = skips[level]
            up = bilinear_to(self.narrows[level](x), (int(skip.shape[-2]), int(skip.shape[-1])))
            x = torch.cat([skip, up], dim=1)
            x = self.up_blocks[level](x) + x
        return self.head(x)[..., :height, :width]


def cople_net(*, base: int = 16) -> COPLENet:
    """COPLE-Net in its published size at base 16; every width scales with the base."""
    return COPLENet(base=base)
