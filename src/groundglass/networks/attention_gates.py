"""Attention U-Net: additive gates let a skip pass where the coarser map asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from groundglass.networks.raiu_net import DoubleConv
from groundglass.networks.resizing import bilinear_to, pad_to_multiple
from groundglass.networks.side_outputs import SideOutputs

LEVELS = 4
STRIDE = 2**LEVELS


class AttentionGate(nn.Module):
    """The finer map times one number per place, 0 to 1, computed on the coarser map's grid.

    A strided convolution 2 x 2 of the finer map plus Conv 1 of the gating signal, ReLU, Conv 1 to
    one channel, sigmoid; the result is interpolated to the finer map's size and multiplied.

    Source: Oktay et al. 2018, section 2, Eq. 1 and 2, Fig. 2.
    Shape: fine (N, C, 2h, 2w), gating (N, G, h, w) -> (N, C, 2h, 2w).
    Differs: as many inner channels as the finer map has, as in the authors' published network.
    """

    def __init__(self, fine_channels: int, gating_channels: int) -> None:
        super().__init__()
        self.theta = nn.Conv2d(fine_channels, fine_channels, 2, stride=2, bias=False)
        self.phi = nn.Conv2d(gating_channels, fine_channels, 1)
        self.psi = nn.Conv2d(fine_channels, 1, 1)

    def coefficients(self, fine: Tensor, gating: Tensor) -> Tensor:
        """What the finer map is multiplied with. Shape: -> (N, 1, 2h, 2w), 0 to 1."""
        asked = torch.sigmoid(self.psi(torch.relu(self.theta(fine) + self.phi(gating))))
        return bilinear_to(asked, (int(fine.shape[-2]), int(fine.shape[-1])))

    def forward(self, fine: Tensor, gating: Tensor) -> Tensor:
        return fine * self.coefficients(fine, gating)


class GatedFrame(nn.Module):
    """A U-Net whose three deeper skips pass a gate; the first one does not.

    `gate` makes a module of (finer, coarser) channels. `signal` turns the bridge into the gating
    signal of the deepest gate; further up it is the decoder's map of the level below.
    Shape: (N, 1, H, W), multiples of 16 -> the decoder's four maps, fine to coarse.
    """

    def __init__(
        self, gate: Callable[[int, int], nn.Module], signal: nn.Module, *, base: int
    ) -> None:
        super().__init__()
        widths = [base * 2**level for level in range(LEVELS + 1)]
        inputs = [1, *widths[:-1]]
        self.encoder = nn.ModuleList(DoubleConv(i, o) for i, o in zip(inputs, widths, strict=True))
        self.pool = nn.MaxPool2d(2)
        self.signal = signal
        self.gates = nn.ModuleList(gate(w, 2 * w) for w in widths[1:-1])
        self.decoder = nn.ModuleList(DoubleConv(3 * w, w) for w in widths[:-1])

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = [self.encoder[0](x)]
        for block in self.encoder[1:]:
            maps.append(block(self.pool(maps[-1])))
        x = maps[-1]
        gating, decoded = self.signal(x), []
        for level in reversed(range(LEVELS)):
            fine = maps[level]
            skip = self.gates[level - 1](fine, gating) if level else fine
            up = bilinear_to(x, (int(fine.shape[-2]), int(fine.shape[-1])))
            x = gating = self.decoder[level](torch.cat([skip, up], dim=1))
            decoded.insert(0, x)
        return decoded


class AttentionUNet(nn.Module):
    """U-Net with an additive attention gate on its skips, and deep supervision.

    With `side_outputs` one mask per level of the decoder, fine to coarse.

    Source: Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas", MIDL 2018,
    section 2, Fig. 1; widths 16 to 256 are those of the authors' published network.
    Shape: (N, 1, H, W) -> logits (N, 1, H, W), any H and W (zero-padded to a multiple of 16 and
    cropped back).
    Differs: 2-D where the paper has volumes. One gate per skip, Eq. 1 for one class; the paper has
    several for several classes. Deep supervision as a logit per level with a loss of its own; the
    authors' published network joins the levels' logits instead (`gated-unet` does).
    """

    has_side_outputs: ClassVar[bool] = True

    def __init__(self, *, base: int = 16) -> None:
        super().__init__()
        self.frame = GatedFrame(AttentionGate, nn.Identity(), base=base)
        self.heads = nn.ModuleList(nn.Conv2d(base * 2**level, 1, 1) for level in range(LEVELS))

    def forward(self, x: Tensor, *, side_outputs: bool = False) -> Tensor | SideOutputs:
        height, width = int(x.shape[-2]), int(x.shape[-1])
        decoded = self.frame(pad_to_multiple(x, STRIDE))
        fine = self.heads[0](decoded[0])
        if not side_outputs:
            return fine[..., :height, :width]
        full = int(fine.shape[-2]), int(fine.shape[-1])
        masks = [fine]
        for head, stage in zip(self.heads[1:], decoded[1:], strict=True):
            masks.append(bilinear_to(head(stage), full))
        return SideOutputs(tuple(mask[..., :height, :width] for mask in masks))


def attention_gate_unet(*, base: int = 16) -> AttentionUNet:
    """Attention U-Net with its published widths at base 16; every width scales with the base."""
    return AttentionUNet(base=base)
