"""The network that a run begins with."""

from __future__ import annotations

import threading
from pathlib import Path

import torch
from torch import nn

from groundglass.errors import WeightsError
from groundglass.networks.build import build_network
from groundglass.training.checkpoint import load_start
from groundglass.training.settings import TrainSettings

_SEEDING = threading.Lock()
"""Runs may begin side by side in threads, and torch has one seed for all of them."""


def first_network(settings: TrainSettings, *, goes_on: bool) -> nn.Module:
    """The network of `settings`, drawn by their seed, then filled with the weights they name.

    `goes_on`: a checkpoint will give all weights, so that none are read, and their files may be
    gone.
    Raises: SettingsError where the encoder does not take `encoder_weights`; WeightsError where
    `start_from` cannot be read or is of another network.
    """
    file = None if goes_on or settings.encoder_weights is None else Path(settings.encoder_weights)
    with _SEEDING:
        torch.manual_seed(settings.seed)
        network = build_network(settings.network, base=settings.base, encoder_weights=file)
    if settings.start_from is not None and not goes_on:
        _start_from(network, Path(settings.start_from))
    return network


def _start_from(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_start(path))
    except RuntimeError as error:
        raise WeightsError(
            f"start_from {path} holds another network",
            expected="the network that this run trains",
        ) from error
