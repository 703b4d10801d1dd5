"""MultiResUNet: several window sizes in each block, convolutions along each skip."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.resizing import pad_to_multiple

LEVELS = 4
STRIDE = 2**LEVELS
ALPHA = 1.67
SHARES = (0.167, 0.333, 0.5)


class MultiResBlock(nn.Module):
    """Three convolutions 3 x 3 in a row, all three results beside each other, plus a shortcut.

    The row sees windows of 3, 5 and 7. Of W = 1.67 U filters, with U the filters of a U-Net at this
    place, they get a sixth, a third and a half. `channels` is what comes out, about W.

    Source: Ibtehaz, Rahman 2020, section 4, Fig. 3(c); batch norms as in the authors' network.
    Shape: (N, C, H, W) -> (N, channels, H, W).
    """

    def __init__(self, in_channels: int, unet_width: int) -> None:
        super().__init__()
        widths = [max(1, int(ALPHA * unet_width * share)) for share in SHARES]
        self.channels = sum(widths)
        inputs = [in_channels, *widths[:-1]]
        self.row = nn.ModuleList(ConvNormAct(i, o) for i, o in zip(inputs, widths, strict=True))
        self.norm = nn.BatchNorm2d(self.channels)
        self.shortcut = ConvNormAct(in_channels, self.channels, 1, act=None)
        self.last_norm = nn.BatchNorm2d(self.channels)

    def forward(self, x: Tensor) -> Tensor:
        maps, y = [], x
        for conv in self.row:
            y = conv(y)
            maps.append(y)
        joined = self.norm(torch.cat(maps, dim=1))
        return self.last_norm(torch.relu(joined + self.shortcut(x)))


class _PathStep(nn.Module):
    """One convolution 3 x 3 with a Conv 1 shortcut. Shape: (N, C, H, W) -> (N, out, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvNormAct(in_channels, out_channels)
        self.shortcut = ConvNormAct(in_channels, out_channels, 1, act=None)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(torch.relu(self.conv(x) + self.shortcut(x)))


class ResPath(nn.Sequential):
    """What stands on a skip: as many residual steps as encoder and decoder are apart.

    Source: Ibtehaz, Rahman 2020, section 4, Fig. 4: 4, 3, 2 and 1 steps from the top down.
    Shape: (N, C, H, W) -> (N, out, H, W).
    """

    def __init__(self, in_channels: int, out_channels: int, length: int) -> None:
        inputs = [in_channels, *[out_channels] * (length - 1)]
        super().__init__(*(_PathStep(i, out_channels) for i in inputs))


class MultiResUNet(nn.Module):
    """U-Net of MultiRes blocks, with a Res path on every skip.

    Source: Ibtehaz, Rahman, "MultiResUNet", Neural Networks 2020, section 4, Table 1, Fig. 5.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: batch norms scale as well as shift (most of the authors' shift only); no batch norm on
    the logit.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [2 * base * 2**level for level in range(LEVELS + 1)]
        channels, down = 1, []
        for width in widths:
            down.append(MultiResBlock(channels, width))
            channels = down[-1].channels
        paths, ups, up_blocks = [], [], []
        for level in reversed(range(LEVELS)):
            width = widths[level]
            paths.insert(0, ResPath(down[level].channels, width, LEVELS - level))
            ups.insert(0, nn.ConvTranspose2d(channels, width, 2, stride=2))
            up_blocks.insert(0, MultiResBlock(2 * width, width))
            channels = up_blocks[0].channels
        self.down_blocks, self.paths = nn.ModuleList(down), nn.ModuleList(paths)
        self.ups, self.up_blocks = nn.ModuleList(ups), nn.ModuleList(up_blocks)
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = self.down_blocks[0](pad_to_multiple(x, STRIDE))
        skips = []
        for path, block in zip(self.paths, self.down_blocks[1:], strict=True):
            skips.append(path(x))
            x = block(self.pool(x))
        for level in reversed(range(LEVELS)):
            x = self.up_blocks[level](torch.cat([self.ups[level](x), skips[level]], dim=1))
        return self.head(x)[..., :height, :width]


def multires_unet(*, base: int = 16) -> MultiResUNet:
    """MultiResUNet in its published size at base 16; every width scales with the base."""
    return MultiResUNet(base=base)
