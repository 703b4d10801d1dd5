"""The regional feature extractor of CovTANet, and what every encoder of slices owes."""

from __future__ import annotations

from torch import Tensor, nn

from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.resizing import average_to
from groundglass.networks.tri_level_attention import TriLevelAttention

REGIONS = 4
"""F_reg has this many regions along H and along W, whatever the size of a slice."""


def to_regions(x: Tensor) -> Tensor:
    """The average of each region. Shape: (N, C, H, W), any size -> (N, C, 4, 4)."""
    return average_to(x, (REGIONS, REGIONS))


class SliceEncoder(nn.Module):
    """From slices to their regional features F_reg, each slice alone.

    `in_channels`: of a slice. `channels`: of F_reg. `smallest`: the least H and W it takes.
    """

    in_channels: int
    channels: int
    smallest: int

    def forward(self, x: Tensor) -> Tensor:
        """Shape: (N, `in_channels`, H, W) -> (N, `channels`, 4, 4)."""
        raise NotImplementedError


class RegionalFeatureExtractor(SliceEncoder):
    """RFex: stages of convolution, TAU and pooling, from F_fus of a slice to its F_reg.

    The attention of the early stages sees detail; deeper, pooling spreads fewer places over more
    channels, and the attention weighs what is general.

    Source: CovTANet section II-C, Fig. 6; W_RFex of Algorithm 1.
    Shape: F_fus (N, `in_channels`, H, W), H and W of 16 or more -> F_reg (N, 8 base, 4, 4).
    Differs: stages and widths are not given: three of 4, 6 and 8 times the base (64, 96, 128), each
    Conv 3, batch norm, ReLU, TAU; max pooling between them, and last the averages of 4 x 4
    regions, so that slices of any size give maps of one size. "Separate" extractors are, as in
    Algorithm 1, one set of weights that is run on each slice separately.
    """

    def __init__(self, in_channels: int = 64, *, base: int = 16) -> None:
        super().__init__()
        widths = (4 * base, 6 * base, 8 * base)
        self.in_channels = in_channels
        self.channels = widths[-1]
        self.smallest = 4 * REGIONS  # halved twice, each region still has a place of its own
        self.stages = nn.ModuleList(
            nn.Sequential(ConvNormAct(before, width), TriLevelAttention(width))
            for before, width in zip((in_channels, *widths[:-1]), widths, strict=True)
        )
        self.pool = nn.MaxPool2d(2)

    def maps(self, x: Tensor) -> Tensor:
        """The last stage's maps, before they are averaged: Grad-CAM reads them.

        Shape: (N, `in_channels`, H, W) -> (N, `channels`, H // 4, W // 4).
        """
        for i, stage in enumerate(self.stages):
            x = stage(self.pool(x) if i else x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        return to_regions(self.maps(x))
