"""TA-SegNet, the segmentation network of CovTANet, and the versions of its ablation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from groundglass.errors import SettingsError
from groundglass.networks.efficientnet_encoder import LITE0, EfficientNetEncoder
from groundglass.networks.encoder import LEVELS, Encoder, PlainEncoder
from groundglass.networks.multi_scale_fusion import (
    DecoderFusion,
    EncoderDecoderFusion,
    FinestMap,
    Fusion,
)
from groundglass.networks.raiu_net import DoubleConv
from groundglass.networks.resizing import pad_to_multiple
from groundglass.networks.tri_level_attention import TriLevelAttention


@dataclass(frozen=True)
class TASegNetParts:
    """What a TA-SegNet is composed of; each makes one module.

    `encoder` from the base; `encoder_attention` and `decoder_attention` from the channels of a
    map, one a level; `fusion` from the channels of the encoder's and the decoder's maps and the
    common width.
    """

    encoder: Callable[..., Encoder]
    encoder_attention: Callable[[int], nn.Module]
    decoder_attention: Callable[[int], nn.Module]
    fusion: Callable[[Sequence[int], Sequence[int], int], Fusion]


class Segmented(NamedTuple):
    """`logits` (N, 1, H, W) and the map they were read from, `fusion` (N, F, H, W)."""

    logits: Tensor
    fusion: Tensor


class TASegNet(nn.Module):
    """U-Net whose maps pass attention, level by level, and are fused at full size.

    The map E_i of the encoder goes through a TAU into the decoder of its level; the map D_i of
    the decoder through another, from there into the next level. T(E_i) and T(D_i) of all levels
    make the fusion map F_fus; one convolution reads the mask from it. The second phase of
    CovTANet lives on F_fus: `fusion_map` and `forward_with_fusion` give it, `fusion.channels`
    is its width.

    Source: CovTANet section II-B, Eq. 7, Fig. 5.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded inside to a multiple of
    16, or 32 with an EfficientNet, and cropped back).
    Differs: widths are not given: those of RAIU-Net, 16 to 256 at base 16; the common width of
    the fusion is the base, so F_fus has 64 channels. Another encoder's decoder is as wide as the
    plain one's at the same size. The fusion runs over the four levels that have both maps; the
    bridge reaches it through the decoder. T(E_i) is one map, for the decoder and the fusion. The
    decoder goes on with T(D_i), else its TAUs would do nothing in the versions without fusion.
    The final convolution is 1 x 1, as the U-Net's, so that versions differ by the table alone.
    """

    def __init__(self, parts: TASegNetParts, *, base: int = 16) -> None:
        super().__init__()
        self.encoder = parts.encoder(base=base)
        *encoder_widths, bridge = self.encoder.widths
        widths = [base * self.encoder.finest * 2**level for level in range(LEVELS)]
        below = [*widths[1:], bridge]
        self.encoder_attention = nn.ModuleList(map(parts.encoder_attention, encoder_widths))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(b, w, 2, stride=2) for b, w in zip(below, widths, strict=True)
        )
        self.decoder = nn.ModuleList(
            DoubleConv(e + w, w) for e, w in zip(encoder_widths, widths, strict=True)
        )
        self.decoder_attention = nn.ModuleList(map(parts.decoder_attention, widths))
        self.fusion = parts.fusion(encoder_widths, widths, base)
        self.head = nn.Conv2d(self.fusion.channels, 1, 1)

    def _fused(self, x: Tensor) -> Tensor:
        """F_fus of the padded input."""
        x = pad_to_multiple(x, self.encoder.finest * 2**LEVELS)
        size = int(x.shape[-2]), int(x.shape[-1])
        *maps, x = self.encoder(x)
        encoded = [attention(e) for attention, e in zip(self.encoder_attention, maps, strict=True)]
        decoded: list[Tensor] = []
        for level in reversed(range(LEVELS)):
            joined = torch.cat([self.ups[level](x), encoded[level]], dim=1)
            x = self.decoder_attention[level](self.decoder[level](joined))
            decoded.append(x)
        return self.fusion(encoded, decoded[::-1], size)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        return self.head(self._fused(x))[..., :height, :width]

    def fusion_map(self, x: Tensor) -> Tensor:
        """F_fus: what the mask is read from; where a version has no fusion, its finest map.

        Shape: (N, 1, H, W) -> (N, `fusion.channels`, H, W).
        """
        return self._fused(x)[..., : int(x.shape[-2]), : int(x.shape[-1])]

    def forward_with_fusion(self, x: Tensor) -> Segmented:
        """The mask and F_fus of one pass. Shape: (N, 1, H, W) -> as `Segmented`."""
        height, width = int(x.shape[-2]), int(x.shape[-1])
        fused = self._fused(x)
        return Segmented(self.head(fused)[..., :height, :width], fused[..., :height, :width])


def _none(channels: int) -> nn.Module:
    return nn.Identity()


UNET_PARTS = TASegNetParts(PlainEncoder, _none, _none, FinestMap)
FULL_PARTS = TASegNetParts(PlainEncoder, TriLevelAttention, TriLevelAttention, EncoderDecoderFusion)


def ta_segnet_v1(*, base: int = 16) -> TASegNet:
    """The traditional U-Net. Source: CovTANet Table I, V1."""
    return TASegNet(UNET_PARTS, base=base)


def ta_segnet_v2(*, base: int = 16) -> TASegNet:
    """The decoder's maps in the fusion. Source: CovTANet Table I, V2."""
    return TASegNet(replace(UNET_PARTS, fusion=DecoderFusion), base=base)


def ta_segnet_v3(*, base: int = 16) -> TASegNet:
    """The maps of encoder and decoder in the fusion, no TAU. Source: CovTANet Table I, V3.

    Differs: the table's marks for V3 repeat V4's; the text (section III-C) says fusion.
    """
    return TASegNet(replace(UNET_PARTS, fusion=EncoderDecoderFusion), base=base)


def ta_segnet_v4(*, base: int = 16) -> TASegNet:
    """TAUs on the encoder's maps, no fusion. Source: CovTANet Table I, V4."""
    return TASegNet(replace(UNET_PARTS, encoder_attention=TriLevelAttention), base=base)


def ta_segnet_v5(*, base: int = 16) -> TASegNet:
    """TAUs on the decoder's maps, no fusion. Source: CovTANet Table I, V5."""
    return TASegNet(replace(UNET_PARTS, decoder_attention=TriLevelAttention), base=base)


def ta_segnet_v6(*, base: int = 16) -> TASegNet:
    """TAUs on the maps of encoder and decoder, no fusion. Source: CovTANet Table I, V6."""
    return TASegNet(replace(FULL_PARTS, fusion=FinestMap), base=base)


def ta_segnet_v7(*, base: int = 16) -> TASegNet:
    """Both TAUs, both in the fusion: TA-SegNet from scratch. Source: CovTANet Table I, V7."""
    return TASegNet(FULL_PARTS, base=base)


def ta_segnet_v8(*, base: int = 16, pretrained: Path | None = None) -> TASegNet:
    """V7 with an EfficientNet encoder. Source: CovTANet Table I, V8.

    `pretrained`: a file of encoder weights, EfficientNet-B0 on ImageNet in the paper's case.
    Raises: MissingExtraError without MONAI; SettingsError where the file does not fit.
    """
    encoder = partial(EfficientNetEncoder, pretrained=pretrained)
    return TASegNet(replace(FULL_PARTS, encoder=encoder), base=base)


def ta_segnet_lite0(*, base: int = 16, pretrained: Path | None = None) -> TASegNet:
    """V3 on an EfficientNet-Lite0: an encoder that begins with what ImageNet taught it, no TAUs.

    An option beside the paper, for few scans: `pretrained` names a file of encoder weights. The
    encoder is as wide as Lite0 at base 16, the decoder half as wide as V8's, as most of a U-Net's
    operations are in its finest maps.
    Raises: MissingExtraError without MONAI; SettingsError where `base` is odd, or the file does
    not fit.
    """
    if base % 2 or base < 2:
        raise SettingsError(f"base of ta-segnet-lite0 is {base}", expected="an even number")

    def encoder(*, base: int) -> Encoder:
        return EfficientNetEncoder(base=2 * base, kind=LITE0, pretrained=pretrained)

    parts = replace(UNET_PARTS, encoder=encoder, fusion=EncoderDecoderFusion)
    return TASegNet(parts, base=base // 2)
