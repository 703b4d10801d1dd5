"""FCN-8s: VGG-16 made convolutional, its coarse answer refined twice."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.conv_norm_act import he_init
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.vgg import VGG_16, WIDTHS, vgg_stages

STRIDE = 32
CLASSIFIER_WIDTH = 4096


def _double() -> nn.ConvTranspose2d:
    """A learned doubling of one map that starts as bilinear interpolation."""
    up = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False)
    tent = torch.tensor([0.25, 0.75, 0.75, 0.25])
    with torch.no_grad():
        up.weight.copy_(torch.outer(tent, tent).expand_as(up.weight))
    return up


class FCN8s(nn.Module):
    """VGG-16 with its fully connected layers as convolutions 7 x 7 and 1 x 1, and two skips.

    The last layer's score is doubled and added to a score of pool4, doubled and added to a score
    of pool3, and brought to full size.

    Source: Long, Shelhamer, Darrell, "Fully Convolutional Networks for Semantic Segmentation",
    CVPR 2015, sections 4.1 and 4.2, Fig. 3; VGG-16 is configuration D of Simonyan, Zisserman 2015.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 32 and
    cropped back).
    Differs: batch norm in the trunk and He's start, because the paper's trunk starts from ImageNet
    and ours from scratch; no dropout; one gray channel and one logit in place of 21 classes;
    zero-padded by 3 before the 7 x 7 in place of 100 pixels around the image; the last upsampling,
    a fixed bilinear deconvolution there, is bilinear interpolation; scores start small and random,
    not at zero.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        widths = [max(1, width * base // 16) for width in WIDTHS]
        channels = widths[-1]
        self.stages = vgg_stages(VGG_16, base=base)
        wide = max(1, CLASSIFIER_WIDTH * base // 16)
        self.classifier = nn.Sequential(
            nn.Conv2d(channels, wide, 7, padding=3), nn.ReLU(), nn.Conv2d(wide, wide, 1), nn.ReLU()
        )
        he_init(self)
        self.score = nn.Conv2d(wide, 1, 1)
        self.score_pool4, self.score_pool3 = nn.Conv2d(widths[3], 1, 1), nn.Conv2d(widths[2], 1, 1)
        self.double_score, self.double_sum = _double(), _double()

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = pad_to_multiple(x, STRIDE)
        padded = int(x.shape[-2]), int(x.shape[-1])
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        score = self.double_score(self.score(self.classifier(x))) + self.score_pool4(maps[3])
        score = self.double_sum(score) + self.score_pool3(maps[2])
        return bilinear_to(score, padded)[..., :height, :width]


def fcn_8s(*, base: int = 16) -> FCN8s:
    """FCN-8s in its published size at base 16; every width scales with the base."""
    return FCN8s(base=base)
