"""The convolutions of VGG: 16 of them for FCN-8s, 19 as an encoder of slices."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from groundglass.networks.conv_norm_act import ConvNormAct, he_init

WIDTHS = (64, 128, 256, 512, 512)
VGG_16 = (2, 2, 3, 3, 3)
VGG_19 = (2, 2, 4, 4, 4)


def vgg_stages(depths: Sequence[int], *, base: int) -> nn.ModuleList:
    """Five stages of `depths` convolutions 3 x 3, each halving H and W at its end.

    Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
    Recognition", ICLR 2015, Table 1.
    Differs: one gray channel; batch norm after each convolution in place of its bias, as there
    are no weights from ImageNet to start from.
    """
    stages, channels = nn.ModuleList(), 1
    for full_width, depth in zip(WIDTHS, depths, strict=True):
        width = max(1, full_width * base // 16)
        units = [ConvNormAct(channels if i == 0 else width, width) for i in range(depth)]
        stages.append(nn.Sequential(*units, nn.MaxPool2d(2)))
        channels = width
    return stages


class VGG19(nn.Module):
    """VGG-19, configuration E, without its classifier.

    Source, Differs: as `vgg_stages`; He's start.
    Shape: (N, 1, H, W), 32 or more -> (N, `channels`, H // 32, W // 32), 512 channels at base 16.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        self.stages = vgg_stages(VGG_19, base=base)
        self.channels = max(1, WIDTHS[-1] * base // 16)
        he_init(self)

    def forward(self, x: Tensor) -> Tensor:
        for stage in self.stages:
            x = stage(x)
        return x
