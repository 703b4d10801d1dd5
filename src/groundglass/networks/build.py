"""From a catalog entry to a network."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from groundglass.catalog import network_entry


def build_network(name: str, *, base: int = 16) -> nn.Module:
    """The network called `name` in the catalog, freshly initialized. Raises: SettingsError."""
    module, function = network_entry(name).builder.split(":")
    return getattr(import_module(module), function)(base=base)
