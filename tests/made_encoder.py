"""A file of EfficientNet-B0's weights, random, as a user may have one of ImageNet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn


def made_backbone(*, base: int = 16) -> nn.Module:
    """MONAI's EfficientNetBN of three channels at a width; skips the test without MONAI."""
    efficientnet = pytest.importorskip("monai.networks.nets.efficientnet")
    torch.manual_seed(5)
    if base == 16:
        return efficientnet.EfficientNetBN("efficientnet-b0", pretrained=False)
    from groundglass.networks.efficientnet_encoder import _B0

    return efficientnet.EfficientNet(list(_B0), width_coefficient=base / 16)


def write_encoder(path: Path, *, base: int = 16, names: str = "monai") -> Path:
    """Its state dict at `path`. `names`: MONAI's, or those of "imagenet" files, which number blocks
    alone."""
    state = made_backbone(base=base).state_dict()
    if names == "imagenet":
        state = {re.sub(r"^_blocks\.\d+\.", "_blocks.", name): x for name, x in state.items()}
    torch.save(dict(state), path)
    return path
