"""Volumetric feature aggregation and fusion: the slices of a scan, any number, to one logit."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from groundglass.networks.regional_features import REGIONS
from groundglass.networks.tri_level_attention import TriLevelAttention

RATES = (1, 2, 4)


class FusedVolume(NamedTuple):
    """`logits` (B,) of scans, and `weights` (B, S): the share of each slice in the pooled features.

    Weights are 0 or more, sum to one over a scan's slices, and are exactly 0 for padding.
    """

    logits: Tensor
    weights: Tensor


def without_padding(slices: Tensor, mask: Tensor) -> Tensor:
    """`slices` (B, S, C, h, w) with zeros where `mask` (B, S) is false."""
    return slices.masked_fill(~mask[:, :, None, None, None], 0.0)


class SlicePool(nn.Module):
    """Global pooling with a weight per slice: a softmax over the real slices of a learned score.

    The score starts at zero, so that the pooling starts as the plain average over all slices and
    places, which is how the paper's "global pooling" reads; what it learns is which slices to
    average over. A weight says how much of a slice, as the convolutions before have mixed it with
    its neighbors, went into the answer; it is no proof that the slice is why.

    Source: CovTANet section II-D, "global pooling".
    Shape: maps (B, C, S, h, w) and mask (B, S) -> features (B, C) and weights (B, S).
    Differs: the weights; severity and "few of the slices contain infected lesions" (section II-D)
    ask for different averages, and the report shows them. The score has no bias: a softmax would
    not see it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Linear(channels, 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        slices = x.mean(dim=(3, 4)).transpose(1, 2)
        scores = self.score(slices).squeeze(2).masked_fill(~mask, -torch.inf)
        weights = torch.softmax(scores, dim=1)
        return (weights.unsqueeze(2) * slices).sum(dim=1), weights


class RealSliceNorm(nn.Module):
    """Batch norm whose statistics are those of the real slices; padding comes out as zeros.

    Shape: maps (B, C, S, h, w) and mask (B, S) -> the same as the maps.
    Differs: the paper names no norm. One per slice (group or layer norm) would know nothing of
    padding either, but it hides how a slice stands out from the others, and learned far slower.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        slices = x.transpose(1, 2)
        if self.training:
            real = self.norm(slices[mask])
            normed = real.new_zeros(slices.shape)
            normed[mask] = real
        else:  # no statistics are taken, so all slices may pass, which exports with fixed shapes
            normed = without_padding(self.norm(slices.flatten(0, 1)).view_as(slices), mask)
        return normed.transpose(1, 2)


class VolumeConv(nn.Module):
    """Convolution within and across slices, `RealSliceNorm`, ReLU.

    `rate`: how many slices up and down the outer taps lie, and how many places to the side: there
    it stops at 2, as four places away there is nothing on a map of 4 x 4.

    Shape: maps (B, in, S, 4, 4), padding zero, and mask (B, S) -> (B, out, S, 4, 4), padding zero.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, rate: int = 1) -> None:
        super().__init__()
        aside, reach = min(rate, REGIONS // 2), kernel // 2
        self.conv = nn.Conv3d(
            in_channels,
            out_channels,
            kernel,
            padding=(rate * reach, aside * reach, aside * reach),
            dilation=(rate, aside, aside),
            bias=False,
        )
        self.norm = RealSliceNorm(out_channels)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x), mask))


class VolumetricFusion(nn.Module):
    """F_reg of all slices, behind a TAU, to one logit; one for the diagnosis, one for the severity.

    The slices' F_reg are stacked to F_agg; a pointwise convolution reduces their depth; dilated
    convolutions of rates 1, 2 and 4 run beside each other; their maps are concatenated and pass a
    convolution, global pooling and fully connected layers.

    Slices are stacked along an axis of their own, and the convolutions (3 x 3 x 3) run along and
    across slices: the rates are distances to the neighbors within a slice and to the slices above
    and below. Were the slices stacked as channels, the pointwise convolution would hold a weight
    for every slice place, hence one fixed number of slices, and no neighborhood.

    Padding has no influence in any mode, whatever its slices hold, NaN too: it is zero in front of
    every convolution, as what lies beyond the end of an unpadded scan; the norms do not count it;
    the pooling gives it no weight. In train mode a scan's logit depends on the other scans of its
    batch, as with any batch norm; in evaluation it does not.

    Source: CovTANet section II-D, Fig. 7; W_TAU, W_Fd, W_Fs, W_fc of Algorithm 1.
    Shape: F_reg (B, S, C, 4, 4) and mask (B, S), true for real slices, at least one in each scan ->
    `FusedVolume` of (B,) and (B, S); S from 1 on.
    Differs: widths are not given: C / 4 in the branches, C / 2 behind them, two fully connected
    layers. The pooling has weights (`SlicePool`). Within a slice rate 4 is 2 (`VolumeConv`). Rates
    count slices, not mm.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow, wide = max(1, channels // 4), max(1, channels // 2)
        self.attention = TriLevelAttention(channels)
        self.reduce = VolumeConv(channels, narrow, 1)
        self.branches = nn.ModuleList(VolumeConv(narrow, narrow, 3, rate=rate) for rate in RATES)
        self.join = VolumeConv(narrow * len(RATES), wide, 3)
        self.pool = SlicePool(wide)
        self.classify = nn.Sequential(
            nn.Linear(wide, wide), nn.ReLU(inplace=True), nn.Linear(wide, 1)
        )

    def forward(self, features: Tensor, mask: Tensor) -> FusedVolume:
        x = without_padding(features, mask)
        attended = self.attention(x.flatten(0, 1)).view_as(x)
        x = self.reduce(attended.transpose(1, 2), mask)
        x = torch.cat([branch(x, mask) for branch in self.branches], dim=1)
        pooled, weights = self.pool(self.join(x, mask), mask)
        return FusedVolume(self.classify(pooled).squeeze(1), weights)
