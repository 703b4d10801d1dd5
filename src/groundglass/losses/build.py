"""From a loss's name to the loss."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from groundglass.errors import SettingsError
from groundglass.losses.deep_supervision import SupervisedSides, halving_weights, miniseg_weights
from groundglass.losses.inf_net import InfNetLoss
from groundglass.losses.segmentation import SegmentationLoss
from groundglass.losses.tversky import FocalTverskyLoss, TverskyLoss
from groundglass.losses.weighted_cross_entropy import WeightedCrossEntropy

_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "bce-dice": lambda: SupervisedSides(SegmentationLoss(), halving_weights),
    "tversky": lambda: SupervisedSides(TverskyLoss(), halving_weights),
    "focal-tversky": lambda: SupervisedSides(FocalTverskyLoss(), halving_weights),
    "inf-net": InfNetLoss,
    "miniseg": lambda: SupervisedSides(WeightedCrossEntropy(), miniseg_weights),
}

LOSSES = tuple(_BUILDERS)
"""The names that `build_loss` knows."""


def build_loss(name: str) -> nn.Module:
    """The loss called `name`: `loss(outputs, target)`, outputs logits or SideOutputs.

    Shape: logits and target (N, 1, H, W), target 0 to 1 -> scalar.
    Raises: SettingsError listing what there is.
    """
    if name not in _BUILDERS:
        raise SettingsError(f"loss {name!r} is unknown", expected=", ".join(LOSSES))
    return _BUILDERS[name]()
