"""From a catalog entry to a network."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from torch import nn

from groundglass.catalog import check_encoder_weights, network_entry


def build_network(name: str, *, base: int = 16, encoder_weights: Path | None = None) -> nn.Module:
    """The network called `name` in the catalog, freshly initialized.

    `encoder_weights`: a file that its encoder begins with; weights of the whole network, loaded
    afterwards, need none.
    Raises: SettingsError where there is no such network, or its encoder does not take that file;
    MissingExtraError where a package is missing that it is built with.
    """
    module, function = network_entry(name).builder.split(":")
    builder = getattr(import_module(module), function)
    if encoder_weights is None:
        return builder(base=base)
    check_encoder_weights(name, str(encoder_weights))
    return builder(base=base, pretrained=encoder_weights)
