"""The plain U-Net, in its own width."""

from __future__ import annotations

from groundglass.networks.raiu_net import UNetFrame, baseline_unet


def unet(*, base: int = 16) -> UNetFrame:
    """U-Net with widths 64 to 1024 at base 16; other bases scale them.

    Source: Ronneberger, Fischer, Brox, MICCAI 2015, Fig. 1.
    Differs: zero-padded convolutions, so that the output has the size of the input; batch norm;
    one logit. Four times as wide as `bu`, the baseline of CHS-Net's ablation.
    """
    return baseline_unet(base=4 * base)
