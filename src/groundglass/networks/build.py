"""From a catalog entry to a network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from groundglass.catalog import check_encoder_weights, network_entry
from groundglass.classifier_catalog import classifier_entry
from groundglass.networks.covtanet import VolumeClassifier


def build_network(name: str, *, base: int = 16, encoder_weights: Path | None = None) -> nn.Module:
    """The network called `name` in the catalog, freshly initialized.

    `encoder_weights`: a file that its encoder begins with; weights of the whole network, loaded
    afterwards, need none.
    Raises: SettingsError where there is no such network, or its encoder does not take that file;
    MissingExtraError where a package is missing that it is built with.
    """
    builder = _builder(network_entry(name).builder)
    if encoder_weights is None:
        return builder(base=base)
    check_encoder_weights(name, str(encoder_weights))
    return builder(base=base, pretrained=encoder_weights)


def build_classifier(name: str, *, base: int = 16) -> VolumeClassifier:
    """The classifier called `name` in its catalog, freshly initialized.

    Raises: SettingsError; MissingExtraError where it needs a package that is not installed.
    """
    return _builder(classifier_entry(name).builder)(base=base)


def _builder(name: str) -> Any:
    module, function = name.split(":")
    return getattr(import_module(module), function)
