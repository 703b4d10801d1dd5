"""CPF-Net: global context on the skips, several scales at the bottom."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.dilated_depthwise import DilatedDepthwise
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.resnet import ResNet34

STRIDE = 32
SCALES = (1, 2, 4)


def _size(x: Tensor) -> tuple[int, int]:
    return int(x.shape[-2]), int(x.shape[-1])


class _SeparableBranch(nn.Sequential):
    """A dilated depthwise convolution, batch norm, Conv 1, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__(
            DilatedDepthwise(in_channels, 3, dilation=dilation),
            nn.BatchNorm2d(in_channels),
            ConvNormAct(in_channels, out_channels, 1),
        )


class GlobalPyramidGuidance(nn.Module):
    """GPG: what replaces a skip: this level's map beside all deeper ones, seen at several scales.

    Each map passes a convolution 3 x 3 to the level's width and is brought to the level's size; as
    many separable convolutions as there are maps, dilated 1, 2, 4, ..., look at all of them; Conv 1
    and batch norm join them.

    Source: GPG of Feng et al. 2020.
    Shape: maps from this level's (N, C, H, W) to the deepest -> (N, C, H, W).
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        width, count = channels[0], len(channels)
        self.reduce = nn.ModuleList(ConvNormAct(c, width) for c in channels)
        self.branches = nn.ModuleList(
            _SeparableBranch(count * width, width, 2**i) for i in range(count)
        )
        self.join = ConvNormAct(count * width, width, 1, act=None)

    def forward(self, maps: list[Tensor]) -> Tensor:
        pairs = zip(self.reduce, maps, strict=True)
        x = torch.cat([bilinear_to(reduce(m), _size(maps[0])) for reduce, m in pairs], dim=1)
        return self.join(torch.cat([branch(x) for branch in self.branches], dim=1))


class ScaleAwareModule(nn.Module):
    """Two maps of different scale, mixed place by place with weights that sum to one.

    Source: Feng et al. 2020, SAPF. Shape: twice (N, C, H, W) -> (N, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = max(1, channels // 2)
        self.select = nn.Sequential(
            nn.Conv2d(2 * channels, channels, 1),
            nn.ReLU(),
            nn.Conv2d(channels, half, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(half, 2, 3, padding=1),
        )

    def forward(self, near: Tensor, far: Tensor) -> Tensor:
        weights = torch.softmax(self.select(torch.cat([near, far], dim=1)), dim=1)
        return weights[:, :1] * near + weights[:, 1:] * far


class ScaleAwarePyramidFusion(nn.Module):
    """SAPF: one convolution at dilations 1, 2 and 4, fused by two scale-aware modules.

    The three share their weights, not their batch norms. A learned number mixes the outcome with
    the input; ReLU; Conv 1, batch norm, ReLU.

    Source: SAPF of Feng et al. 2020.
    Shape: (N, C, H, W) -> the same.
    Differs: the learned number starts at one half (the authors': at 0, input only); the second
    module has weights of its own, as the authors' published network registers it (its forward pass
    uses the first one twice).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shared = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in SCALES)
        self.near, self.far = ScaleAwareModule(channels), ScaleAwareModule(channels)
        self.share = nn.Parameter(torch.full((1,), 0.5))
        self.last = ConvNormAct(channels, channels, 1)

    def scales(self, x: Tensor) -> list[Tensor]:
        """The same weights at every dilation. Shape: (N, C, H, W) -> three of the same."""
        weight = self.shared.weight
        return [
            norm(functional.conv2d(x, weight, padding=d, dilation=d))
            for norm, d in zip(self.norms, SCALES, strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        one, two, four = self.scales(x)
        fused = self.far(self.near(one, two), four)
        return self.last(torch.relu(self.share * fused + (1.0 - self.share) * x))


class CPFNet(nn.Module):
    """ResNet-34, pyramid guidance in place of the three inner skips, pyramid fusion below.

    Source: Feng et al., "CPFNet: Context Pyramid Fusion Network for Medical Image Segmentation",
    IEEE TMI 2020; sizes that its text leaves open are those of the authors'
    published network.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 32 and
    cropped back).
    Differs: one gray channel; the encoder starts from scratch where the paper's starts from
    ImageNet; corners are not aligned in bilinear upsampling.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [4 * base * factor for factor in (1, 2, 4, 8)]
        self.encoder = ResNet34(planes=widths[0])
        self.guides = nn.ModuleList(GlobalPyramidGuidance(widths[i:]) for i in range(3))
        self.fusion = ScaleAwarePyramidFusion(widths[3])
        before = [ConvNormAct(w, w) for w in widths[:3]]
        self.before = nn.ModuleList([*before, nn.Identity()])
        self.narrow = nn.ModuleList(
            ConvNormAct(w, o, 1) for w, o in zip(widths, [widths[0], *widths[:3]], strict=True)
        )
        few = 2 * base
        self.head = nn.Sequential(
            ConvNormAct(widths[0], few, 1), ConvNormAct(few, few), nn.Conv2d(few, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        height, width = _size(x)
        x = pad_to_multiple(x, STRIDE)
        padded = _size(x)
        first, *maps = self.encoder(x)
        x = self.fusion(maps[3])
        for level in (3, 2, 1):
            guide = self.guides[level - 1](maps[level - 1 :])
            x = torch.relu(self._up(x, level, guide) + guide)
        x = self._up(x, 0, first) + first
        return self.head(bilinear_to(x, padded))[..., :height, :width]

    def _up(self, x: Tensor, level: int, like: Tensor) -> Tensor:
        """The decoder's step from `level`'s map to the size of the one above."""
        return self.narrow[level](bilinear_to(self.before[level](x), _size(like)))


def cpf_net(*, base: int = 16) -> CPFNet:
    """CPF-Net in its published size at base 16; every width scales with the base."""
    return CPFNet(base=base)
