"""Xception: separable convolutions in residual blocks."""

from __future__ import annotations

from torch import Tensor, nn

from groundglass.networks.separable_conv import SeparableConv2d

MIDDLE_BLOCKS = 8


def _conv(in_channels: int, out_channels: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def _separable(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [SeparableConv2d(in_channels, out_channels, 3), nn.BatchNorm2d(out_channels)]


class XceptionBlock(nn.Module):
    """Separable convolutions, each after a ReLU, plus a shortcut.

    Where the size is halved, max pooling ends the block and the shortcut is Conv 1 of stride 2
    with batch norm; else the shortcut is the input. `relu_first` is false in the first block,
    whose input has just passed one.

    Source: Chollet, "Xception", CVPR 2017, Fig. 5.
    Shape: (N, widths[0], H, W) -> (N, widths[-1], H, W), or half of H and W, rounded up.
    """

    def __init__(self, *widths: int, halved: bool, relu_first: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i in range(len(widths) - 1):
            # Not in place: the first one's input is the shortcut's too.
            layers += [nn.ReLU()] if i or relu_first else []
            layers += _separable(widths[i], widths[i + 1])
        self.shortcut: nn.Module = nn.Identity()
        if halved:
            layers.append(nn.MaxPool2d(3, 2, padding=1))
            self.shortcut = nn.Sequential(
                nn.Conv2d(widths[0], widths[-1], 1, 2, bias=False), nn.BatchNorm2d(widths[-1])
            )
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Xception(nn.Module):
    """Xception without its classifier: entry flow, eight middle blocks, exit flow.

    Source: Chollet, "Xception: Deep Learning with Depthwise Separable Convolutions", CVPR 2017,
    Fig. 5.
    Shape: (N, 1, H, W) -> (N, `channels`, H / 32, W / 32), rounded up; 2048 channels at base 16.
    Differs: one gray channel; the two convolutions of the stem are zero-padded as all others are,
    so that small slices keep their edges.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()

        def scaled(*widths: int) -> tuple[int, ...]:
            return tuple(max(1, width * base // 16) for width in widths)

        first, second = scaled(32, 64)
        w128, w256, w728, w1024, w1536, self.channels = scaled(128, 256, 728, 1024, 1536, 2048)
        self.stem = nn.Sequential(*_conv(1, first, 2), *_conv(first, second, 1))
        self.entry = nn.Sequential(
            XceptionBlock(second, w128, w128, halved=True, relu_first=False),
            XceptionBlock(w128, w256, w256, halved=True),
            XceptionBlock(w256, w728, w728, halved=True),
        )
        self.middle = nn.Sequential(
            *(XceptionBlock(w728, w728, w728, w728, halved=False) for _ in range(MIDDLE_BLOCKS))
        )
        self.exit = nn.Sequential(
            XceptionBlock(w728, w728, w1024, halved=True),
            *_separable(w1024, w1536),
            nn.ReLU(inplace=True),
            *_separable(w1536, self.channels),
            nn.ReLU(inplace=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.exit(self.middle(self.entry(self.stem(x))))
