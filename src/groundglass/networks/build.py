"""From a catalog entry to a network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from groundglass.catalog import network_entry
from groundglass.classifier_catalog import classifier_entry
from groundglass.networks.covtanet import VolumeClassifier


def build_network(name: str, *, base: int = 16) -> nn.Module:
    """The network called `name` in the catalog, freshly initialized. Raises: SettingsError."""
    return _built(network_entry(name).builder, base)


def build_classifier(name: str, *, base: int = 16) -> VolumeClassifier:
    """The classifier called `name` in its catalog, freshly initialized.

    Raises: SettingsError; MissingExtraError where it needs a package that is not installed.
    """
    return _built(classifier_entry(name).builder, base)


def _built(builder: str, base: int) -> Any:
    module, function = builder.split(":")
    return getattr(import_module(module), function)(base=base)
