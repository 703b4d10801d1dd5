"""Gated U-Net: the attention gated network for segmentation, in its published form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from groundglass.networks.attention_gates import LEVELS, STRIDE, AttentionGate, GatedFrame
from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.resizing import bilinear_to, pad_to_multiple

GATES = 2


class MultiGate(nn.Module):
    """Several attention gates side by side on one skip, and convolutions that join them.

    Each gated map passes Conv 1 and batch norm; all are concatenated; Conv 1, batch norm, ReLU.

    Source: multi-dimensional attention coefficients of Schlemper et al. 2019; output
    transform and joining as in the authors' published network.
    Shape: fine (N, C, 2h, 2w), gating (N, G, h, w) -> (N, C, 2h, 2w).
    """

    def __init__(self, fine_channels: int, gating_channels: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(
            AttentionGate(fine_channels, gating_channels) for _ in range(GATES)
        )
        self.transforms = nn.ModuleList(
            ConvNormAct(fine_channels, fine_channels, 1, act=None) for _ in range(GATES)
        )
        self.join = ConvNormAct(GATES * fine_channels, fine_channels, 1)

    def forward(self, fine: Tensor, gating: Tensor) -> Tensor:
        pairs = zip(self.gates, self.transforms, strict=True)
        return self.join(torch.cat([turn(gate(fine, gating)) for gate, turn in pairs], dim=1))


class GatedUNet(nn.Module):
    """U-Net with two attention gates per skip, whose answer joins the logits of all levels.

    Source: Schlemper et al., "Attention Gated Networks: Learning to Leverage Salient Regions in
    Medical Images", Medical Image Analysis 2019, and the authors' published network for CT.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: 2-D where the paper has volumes. The paper's gate is that of Attention U-Net (same
    authors, same equation), so what sets the two apart here is our reading: this one has several
    gates per skip with an output transform each, a gating signal of its own (Conv 1, batch norm,
    ReLU of the bridge), and one answer joined from the upsampled logits of all four levels, which
    is the published network's deep supervision; so it has no side outputs.
    """

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        bridge = base * 2**LEVELS
        self.frame = GatedFrame(MultiGate, ConvNormAct(bridge, bridge, 1), base=base)
        self.heads = nn.ModuleList(nn.Conv2d(base * 2**level, 1, 1) for level in range(LEVELS))
        self.join = nn.Conv2d(LEVELS, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        x = pad_to_multiple(x, STRIDE)
        full = int(x.shape[-2]), int(x.shape[-1])
        pairs = zip(self.heads, self.frame(x), strict=True)
        logits = [bilinear_to(head(stage), full) for head, stage in pairs]
        return self.join(torch.cat(logits, dim=1))[..., :height, :width]


def gated_unet(*, base: int = 16) -> GatedUNet:
    """Gated U-Net with its published widths at base 16; every width scales with the base."""
    return GatedUNet(base=base)
