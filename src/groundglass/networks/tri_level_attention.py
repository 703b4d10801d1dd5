"""The tri-level attention unit (TAU): channels, places and single pixels, each weighed."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from groundglass.networks.resizing import bilinear_to

EXPANSION = 2
"""r: the recalibrating phase goes through r times the channels."""

SQUEEZE = 8
"""q: the generalizing phase goes through a q-th of the values."""

FEWEST = 4
"""Hidden channels are never fewer: with one or two a ReLU can close a phase for good."""

_SPATIAL_STRIDE = 4
_SPATIAL_CHANNELS = _SPATIAL_STRIDE**2 // SQUEEZE


def _hidden(fine: int, hidden: int, kernel: int = 1) -> nn.Sequential:
    """Convolution to `hidden` channels, ReLU, convolution back to `fine`, sigmoid."""
    return nn.Sequential(
        nn.Conv2d(fine, hidden, kernel, padding=kernel // 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, fine, kernel, padding=kernel // 2),
        nn.Sigmoid(),
    )


def expand_and_restore(channels: int) -> nn.Sequential:
    """Conv 1 to r times the channels, ReLU, Conv 1 back, sigmoid: A_r of a descriptor.

    Source: CovTANet section II-A, Eq. 1-2, W_E and W_R.
    Shape: (N, C, H, W) -> the same, 0 to 1.
    Differs: the ReLU, without which both would be one linear map; r = 2, which is not given.
    """
    return _hidden(channels, max(FEWEST, EXPANSION * channels))


def squeeze_and_restore(channels: int) -> nn.Sequential:
    """Conv 1 to a q-th of the channels, ReLU, Conv 1 back, sigmoid: A of a descriptor.

    Source: CovTANet section II-A, Eq. 3, W_S and W_R'.
    Shape: (N, C, H, W) -> the same, 0 to 1.
    Differs: the ReLU; q = 8, which is not given, with no fewer than 4 channels.
    """
    return _hidden(channels, max(FEWEST, channels // SQUEEZE))


class ChannelAttention(nn.Module):
    """A_C: how much each channel counts.

    Source: CovTANet section II-A, Eq. 1-3; D is the average of each channel, W fully connected.
    Shape: (N, C, H, W) -> (N, C, 1, 1), 0 to 1.
    Differs: the average of F * A_r is computed as A_r times the average of F, which is the same
    number (A_r does not vary over a channel) and spares a full map (a test shows both equal).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.recalibrate = expand_and_restore(channels)
        self.generalize = squeeze_and_restore(channels)

    def forward(self, x: Tensor) -> Tensor:
        average = x.mean(dim=(2, 3), keepdim=True)
        return self.generalize(average * self.recalibrate(average))


class StridedSqueeze(nn.Module):
    """One map squeezed by a strided convolution, ReLU, Conv 3, back to its size, sigmoid.

    Source: CovTANet section II-A, Eq. 3, W_S and W_R' of the spatial attention.
    Shape: (N, 1, H, W) -> the same, 0 to 1, any H and W.
    Differs: stride 4 into two channels, which makes an eighth of the values, q; back by bilinear
    upsampling to the size itself, so that odd sizes come back exactly.
    """

    def __init__(self) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(
            nn.Conv2d(1, _SPATIAL_CHANNELS, 5, _SPATIAL_STRIDE, padding=2), nn.ReLU(inplace=True)
        )
        self.restore = nn.Conv2d(_SPATIAL_CHANNELS, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        size = int(x.shape[-2]), int(x.shape[-1])
        return torch.sigmoid(bilinear_to(self.restore(self.squeeze(x)), size))


class SpatialAttention(nn.Module):
    """A_S: how much each place counts, all channels alike.

    Source: CovTANet section II-A, Eq. 1-3; D is a convolution to one channel, W convolutions.
    Shape: (N, C, H, W) -> (N, 1, H, W), 0 to 1, any H and W.
    Differs: sizes are not given: 3 x 3; the one channel of D is expanded to four.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.describe = nn.Conv2d(channels, 1, 3, padding=1)
        self.recalibrate = _hidden(1, FEWEST, 3)
        self.describe_again = nn.Conv2d(channels, 1, 3, padding=1)
        self.generalize = StridedSqueeze()

    def forward(self, x: Tensor) -> Tensor:
        recalibrated = x * self.recalibrate(self.describe(x))
        return self.generalize(self.describe_again(recalibrated))


class PixelAttention(nn.Module):
    """A_P: how much each value counts.

    Source: CovTANet section II-A, Eq. 1-3; D is the map itself, W are Conv 1.
    Shape: (N, C, H, W) -> the same, 0 to 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.recalibrate = expand_and_restore(channels)
        self.generalize = squeeze_and_restore(channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.generalize(x * self.recalibrate(x))


class BoundedMixing(nn.Module):
    """alpha as the sigmoid of what is learned: always within 0 to 1, one half to begin with."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.zeros(()))

    def forward(self) -> Tensor:
        return torch.sigmoid(self.logit)


class RawMixing(nn.Module):
    """alpha itself is learned, the paper's letter; one half to begin with, any value later."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.full((), 0.5))

    def forward(self) -> Tensor:
        return self.alpha


class TriLevelAttention(nn.Module):
    """The tri-level attention unit, TAU: T(F) = alpha F + (1 - alpha) F * A_T.

    A_T = A_P * (A_S * A_C), the attention to pixels, places and channels, broadcast; each comes
    from a phase that recalibrates (expand, restore) and one that generalizes (squeeze, restore).

    Source: CovTANet section II-A, Eq. 1-6, Fig. 3 and 4.
    Shape: (N, C, H, W) -> the same, any H and W.
    Differs: alpha is kept within 0 to 1 and starts at one half (`mixing=RawMixing` is the
    paper's letter, which bounds nothing and gives no start).
    """

    def __init__(self, channels: int, *, mixing: Callable[[], nn.Module] = BoundedMixing) -> None:
        super().__init__()
        self.channel = ChannelAttention(channels)
        self.spatial = SpatialAttention(channels)
        self.pixel = PixelAttention(channels)
        self.mixing = mixing()

    def attention(self, x: Tensor) -> Tensor:
        """A_T, Eq. 4. Shape: (N, C, H, W) -> the same, 0 to 1."""
        return self.pixel(x) * (self.spatial(x) * self.channel(x))

    def forward(self, x: Tensor) -> Tensor:
        alpha = self.mixing()
        return x * (alpha + (1.0 - alpha) * self.attention(x))  # Eq. 5 and 6, F taken out
