"""Inception-v3: branches of factorized convolutions beside each other."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.conv_norm_act import he_init

Kernel = int | tuple[int, int]


class _Conv(nn.Sequential):
    """Convolution, batch norm, ReLU, zero-padded: only a stride changes the size."""

    def __init__(self, in_channels: int, out_channels: int, kernel: Kernel, stride: int) -> None:
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = size[0] // 2, size[1] // 2
        super().__init__(
            nn.Conv2d(in_channels, out_channels, size, stride, padding=padding, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Branches(nn.ModuleList):
    """Modules beside each other on one map, their maps concatenated; all keep one size."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


class _Modules:
    """Makes the modules; widths are given as at base 16, all multiples of 16, and scaled here."""

    def __init__(self, base: int) -> None:
        self.base = base

    def width(self, full: int) -> int:
        return full // 16 * self.base

    def chain(
        self, inputs: int, *steps: tuple[int, Kernel], stride: int = 1, split: int = 0
    ) -> nn.Sequential:
        """Convolutions in a row, of (width, kernel) each, the last with `stride`.

        With `split`, two of that width end it, 1 x 3 and 3 x 1, side by side.
        """
        layers: list[nn.Module] = []
        channels = self.width(inputs)
        for i, (full, kernel) in enumerate(steps):
            last = i == len(steps) - 1
            layers.append(_Conv(channels, self.width(full), kernel, stride if last else 1))
            channels = self.width(full)
        if split:
            ends = (_Conv(channels, self.width(split), kernel, 1) for kernel in ((1, 3), (3, 1)))
            layers.append(Branches(ends))
        return nn.Sequential(*layers)

    def pooled(self, inputs: int, full: int) -> nn.Sequential:
        pool = nn.AvgPool2d(3, 1, padding=1, count_include_pad=False)
        return nn.Sequential(pool, self.chain(inputs, (full, 1)))

    def fine(self, inputs: int, pool: int) -> Branches:
        """Fig. 5: a 5 x 5 window by two 3 x 3, and beside it a plain one."""
        return Branches(
            [
                self.chain(inputs, (64, 1)),
                self.chain(inputs, (48, 1), (64, 5)),
                self.chain(inputs, (64, 1), (96, 3), (96, 3)),
                self.pooled(inputs, pool),
            ]
        )

    def fine_to_middle(self) -> Branches:
        """Fig. 10: convolutions and pooling of stride 2 beside each other; 288 to 768 channels."""
        return Branches(
            [
                self.chain(288, (384, 3), stride=2),
                self.chain(288, (64, 1), (96, 3), (96, 3), stride=2),
                nn.MaxPool2d(3, 2, padding=1),
            ]
        )

    def middle(self, inner: int) -> Branches:
        """Fig. 6: 7 x 7 windows by 1 x 7 and 7 x 1; 768 channels."""
        wide, high = (1, 7), (7, 1)
        return Branches(
            [
                self.chain(768, (192, 1)),
                self.chain(768, (inner, 1), (inner, wide), (192, high)),
                self.chain(
                    768, (inner, 1), (inner, high), (inner, wide), (inner, high), (192, wide)
                ),
                self.pooled(768, 192),
            ]
        )

    def middle_to_coarse(self) -> Branches:
        """As Fig. 10; 768 to 1280 channels."""
        return Branches(
            [
                self.chain(768, (192, 1), (320, 3), stride=2),
                self.chain(768, (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3), stride=2),
                nn.MaxPool2d(3, 2, padding=1),
            ]
        )

    def coarse(self, inputs: int) -> Branches:
        """Fig. 7: the filter banks spread out, 1 x 3 and 3 x 1 side by side; to 2048 channels."""
        return Branches(
            [
                self.chain(inputs, (320, 1)),
                self.chain(inputs, (384, 1), split=384),
                self.chain(inputs, (448, 1), (384, 3), split=384),
                self.pooled(inputs, 192),
            ]
        )


class InceptionV3(nn.Module):
    """Inception-v3 without its classifiers, auxiliary and main.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for
    Computer Vision", CVPR 2016, section 6, Table 1, Fig. 5-7 and 10; widths within the branches,
    which its text leaves open, are those of the authors' published network.
    Shape: (N, 1, H, W) -> (N, `channels`, H / 32, W / 32), rounded up; 2048 channels at base 16.
    Differs: one gray channel; every convolution and pooling is zero-padded, where the stem and the
    reductions of the paper's lose a border: a slice of 64 x 64 would be used up before the end.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        of = _Modules(base)
        self.channels = of.width(2048)
        self.stem = nn.Sequential(
            _Conv(1, of.width(32), 3, 2),
            of.chain(32, (32, 3), (64, 3)),
            nn.MaxPool2d(3, 2, padding=1),
            of.chain(64, (80, 1), (192, 3)),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.fine = nn.Sequential(of.fine(192, 32), of.fine(256, 64), of.fine(288, 64))
        self.middle = nn.Sequential(of.fine_to_middle(), *map(of.middle, (128, 160, 160, 192)))
        self.coarse = nn.Sequential(of.middle_to_coarse(), of.coarse(1280), of.coarse(2048))
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        return self.coarse(self.middle(self.fine(self.stem(x))))
