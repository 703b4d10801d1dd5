"""From the maps of all levels to the one map that the mask is read from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from groundglass.networks.resizing import bilinear_to


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return x if tuple(x.shape[-2:]) == size else bilinear_to(x, size)


class Fusion(nn.Module):
    """What makes one map of full size from those of all levels; `channels` is its width."""

    channels: int

    def forward(
        self, encoded: Sequence[Tensor], decoded: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        """Both from fine to coarse, one map a level. Returns (N, `channels`, *size)."""
        raise NotImplementedError


class FinestMap(Fusion):
    """No fusion: the finest map of the decoder, as in a U-Net.

    Source: CovTANet Table I, V1 and V4 to V6.
    """

    def __init__(
        self, encoder_widths: Sequence[int], decoder_widths: Sequence[int], common: int
    ) -> None:
        super().__init__()
        self.channels = decoder_widths[0]

    def forward(
        self, encoded: Sequence[Tensor], decoded: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        return _resized(decoded[0], size)


class DecoderFusion(Fusion):
    """The decoder's maps: each reduced to a common width and upsampled, then all concatenated.

    Source: CovTANet section II-B, Eq. 7 without E_i; Table I, V2.
    Differs: widths and kernels are not given: Conv 3, batch norm, ReLU to `common` channels.
    """

    def __init__(
        self, encoder_widths: Sequence[int], decoder_widths: Sequence[int], common: int
    ) -> None:
        super().__init__()
        widths = self._joined_widths(encoder_widths, decoder_widths)
        self.channels = common * len(widths)
        self.reduce = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, common, 3, padding=1, bias=False),
                nn.BatchNorm2d(common),
                nn.ReLU(inplace=True),
            )
            for width in widths
        )

    def _joined_widths(self, encoder: Sequence[int], decoder: Sequence[int]) -> list[int]:
        return list(decoder)

    def _joined(self, encoded: Sequence[Tensor], decoded: Sequence[Tensor]) -> list[Tensor]:
        return list(decoded)

    def forward(
        self, encoded: Sequence[Tensor], decoded: Sequence[Tensor], size: tuple[int, int]
    ) -> Tensor:
        levels = zip(self.reduce, self._joined(encoded, decoded), strict=True)
        return torch.cat([_resized(reduce(level), size) for reduce, level in levels], dim=1)


class EncoderDecoderFusion(DecoderFusion):
    """The maps of encoder and decoder, concatenated level by level, reduced and joined likewise.

    Source: CovTANet section II-B, Eq. 7; Table I, V3, V7 and V8.
    """

    def _joined_widths(self, encoder: Sequence[int], decoder: Sequence[int]) -> list[int]:
        return [e + d for e, d in zip(encoder, decoder, strict=True)]

    def _joined(self, encoded: Sequence[Tensor], decoded: Sequence[Tensor]) -> list[Tensor]:
        return [torch.cat(pair, dim=1) for pair in zip(encoded, decoded, strict=True)]
