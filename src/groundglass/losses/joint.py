"""The joint loss of CovTANet's second phase: diagnosis of all, severity of the infected."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from groundglass.errors import DatasetError
from groundglass.networks.covtanet import JointLogits


class JointTerms(NamedTuple):
    """L_d and L_s, scalars; their sum is the loss."""

    diagnosis: Tensor
    severity: Tensor


class JointLoss(nn.Module):
    """L = BCE of the diagnosis over all volumes + BCE of the severity over the infected, on logits.

    Each term is a mean over the volumes it counts. A severity counts where the diagnosis is 1 and
    the severity known, that is not NaN; a healthy volume's never does, whatever stands there.
    Without any, that term is zero, with a gradient of zero.

    Source: CovTANet section II-E, Eq. 8.
    Shape: `JointLogits` of B volumes, `diagnosis` (B,) of 0 or 1, `severity` (B,) of 0, 1 or NaN
    -> scalar.
    Differs: M_I counts the infected volumes whose severity is known; the paper knows all.
    Raises: DatasetError where a label is none of these.
    """

    def terms(self, logits: JointLogits, diagnosis: Tensor, severity: Tensor) -> JointTerms:
        """Both terms of the loss, to follow them apart."""
        infected = diagnosis == 1
        counted = infected & ~severity.isnan()
        _check(diagnosis, infected | (diagnosis == 0), "diagnosis", "0 or 1")
        _check(severity, ~counted | (severity == 0) | (severity == 1), "severity", "0, 1 or NaN")
        # NaN goes before the entropy: times zero behind it, it would be NaN still.
        known = torch.where(counted, severity, 0.0)
        entropy = _entropy(logits.severity, known) * counted
        return JointTerms(
            _entropy(logits.diagnosis, diagnosis).mean(), entropy.sum() / counted.sum().clamp_min(1)
        )

    def forward(self, logits: JointLogits, diagnosis: Tensor, severity: Tensor) -> Tensor:
        terms = self.terms(logits, diagnosis, severity)
        return terms.diagnosis + terms.severity


def _entropy(logits: Tensor, target: Tensor) -> Tensor:
    """BCE of each volume, in float32 at least, as autocast leaves the logits in half of it."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return functional.binary_cross_entropy_with_logits(
        logits, target.to(logits.dtype), reduction="none"
    )


def _check(labels: Tensor, good: Tensor, name: str, expected: str) -> None:
    if not bool(good.all()):
        raise DatasetError(f"{name} label is {labels[~good][0].item():g}", expected=expected)
