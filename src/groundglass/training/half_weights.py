"""Weights rounded to float16: in the network that is exported, and on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from groundglass.weights.manifest import WeightsFile


def load_rounded(network: nn.Module, state: Mapping[str, torch.Tensor]) -> None:
    """Put weights into a network as float16 would hold them, so that every engine has the same."""
    network.load_state_dict(
        {k: _half(v).float() if v.is_floating_point() else v for k, v in state.items()}
    )


def save_half(network: nn.Module, path: Path) -> None:
    """Write a network's weights in float16; whole numbers stay what they are."""
    half = {k: _half(v).contiguous() for k, v in network.state_dict().items()}
    save_file(half, path, metadata={"format": "pt"})


def hashed(path: Path) -> WeightsFile:
    """A file's entry in a manifest."""
    return WeightsFile(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor
