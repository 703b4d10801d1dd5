"""The network that a run of the second phase trains."""

from __future__ import annotations

from groundglass.networks.build import build_classifier
from groundglass.networks.covtanet import CovTANet, VolumeClassifier
from groundglass.training.joint_settings import JointSettings


def joint_network(settings: JointSettings) -> VolumeClassifier:
    """A classifier of the catalog, CovTANet for as many feature channels as there are.

    Raises: SettingsError; MissingExtraError where it needs a package that is not installed.
    """
    if settings.is_gray:
        return build_classifier(settings.classifier, base=settings.base)
    return CovTANet(settings.feature_channels, base=settings.base)
