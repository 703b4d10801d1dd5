"""CovTANet's second phase: a scan's slices to diagnosis and severity."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from groundglass.errors import InputError
from groundglass.networks.regional_features import RegionalFeatureExtractor, SliceEncoder
from groundglass.networks.volumetric_fusion import VolumetricFusion

SLICES_AT_ONCE = 32


class JointLogits(NamedTuple):
    """`diagnosis` and `severity` (B,), and which slices each was read from (B, S).

    `diagnosis`: findings or normal. `severity`: severe or mild; it means nothing where the
    diagnosis is normal. `diagnosis_weights`, `severity_weights`: the share of each slice, summing
    to one over a scan's slices, 0 for padding; see `SlicePool` for what they are and are not.
    """

    diagnosis: Tensor
    severity: Tensor
    diagnosis_weights: Tensor
    severity_weights: Tensor


class JointHead(nn.Module):
    """Two volumetric fusions over the same features, each with a TAU of its own.

    Source: CovTANet Fig. 1, section II-D, Algorithm 1 ("Aggregate volumetric features", "Generate
    predictions").
    Shape: F_reg (B, S, C, 4, 4) and mask (B, S), true for real slices, at least one in each scan
    -> `JointLogits`.
    Differs: Algorithm 1 writes one W_TAU; Fig. 1 and section II have separate ones.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.diagnosis = VolumetricFusion(channels)
        self.severity = VolumetricFusion(channels)

    def forward(self, features: Tensor, mask: Tensor) -> JointLogits:
        diagnosis, severity = self.diagnosis(features, mask), self.severity(features, mask)
        return JointLogits(diagnosis.logits, severity.logits, diagnosis.weights, severity.weights)


class VolumeClassifier(nn.Module):
    """An encoder of slices under the joint head.

    Only real slices are encoded, so that padding costs nothing and no norm sees it. In evaluation
    they pass the encoder `slices_at_once` at a time: 600 slices need the memory of 32. For scans
    too large to hold as slices, `encode` what comes and give the stack of it to `head`.

    Shape: slices (B, S, C, H, W) from the feet to the head, C and the least H and W those of the
    encoder, and mask (B, S), true for real slices (all, where None) -> `JointLogits`.
    Raises: InputError where the shapes do not fit or a scan has no slice.
    """

    def __init__(self, encoder: SliceEncoder, *, slices_at_once: int = SLICES_AT_ONCE) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = JointHead(encoder.channels)
        self.slices_at_once = slices_at_once

    def encode(self, slices: Tensor) -> Tensor:
        """F_reg of slices. Shape: (N, C, H, W) -> (N, `encoder.channels`, 4, 4)."""
        if self.training:  # at once: batch norms need the whole batch
            return self.encoder(slices)
        return torch.cat([self.encoder(part) for part in slices.split(self.slices_at_once)])

    def forward(self, slices: Tensor, mask: Tensor | None = None) -> JointLogits:
        if mask is None:
            mask = torch.ones(slices.shape[:2], dtype=torch.bool, device=slices.device)
        self._check(slices, mask)
        encoded = self.encode(slices[mask])
        features = encoded.new_zeros(*mask.shape, *encoded.shape[1:])
        features[mask] = encoded
        return self.head(features, mask)

    def _check(self, slices: Tensor, mask: Tensor) -> None:
        channels, smallest = self.encoder.in_channels, self.encoder.smallest
        shape = tuple(slices.shape)
        if len(shape) != 5 or shape[2] != channels or min(shape[3:]) < smallest:
            raise InputError(
                f"slices have the shape {shape}",
                expected=f"(B, S, {channels}, H, W), H and W of {smallest} or more",
            )
        if mask.dtype != torch.bool or tuple(mask.shape) != shape[:2]:
            raise InputError(
                f"mask of slices is {mask.dtype} of the shape {tuple(mask.shape)}",
                expected=f"torch.bool of {shape[:2]}, true where a slice is real",
            )
        if empty := (~mask.any(dim=1)).nonzero().flatten().tolist():
            raise InputError(
                f"scans {empty} of the batch have no slice",
                expected="at least one true value in each row of the mask",
                remedy="Leave them out; nothing can be said of a scan without slices",
            )


class CovTANet(VolumeClassifier):
    """The regional feature extractor and the joint head, on the fusion maps of TA-SegNet.

    Source: CovTANet section II, Fig. 1, Algorithm 1 ("Optimize the Classifier Unit").
    Shape: F_fus (B, S, `in_channels`, H, W), H and W of 16 or more, and mask (B, S) ->
    `JointLogits`.
    Differs: TA-SegNet is not inside: it is frozen in this phase, so its maps are made once, may be
    reduced, and are kept.
    """

    def __init__(self, in_channels: int = 64, *, base: int = 16) -> None:
        super().__init__(RegionalFeatureExtractor(in_channels, base=base))


def covtanet(*, base: int = 16) -> CovTANet:
    """CovTANet's second phase on F_fus of 64 channels at any base; its own widths scale with it."""
    return CovTANet(base=base)
