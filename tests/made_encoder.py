"""A file of an EfficientNet's weights, random, as a user may have one of ImageNet."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from groundglass.networks.efficientnet_encoder import B0, EfficientNetKind


def made_backbone(*, base: int = 16, kind: EfficientNetKind = B0) -> nn.Module:
    """MONAI's EfficientNet of three channels at a width; skips the test without MONAI."""
    efficientnet = pytest.importorskip("monai.networks.nets.efficientnet")
    torch.manual_seed(5)
    if base == 16 and kind is B0:
        return efficientnet.EfficientNetBN("efficientnet-b0", pretrained=False)
    return efficientnet.EfficientNet(list(kind.blocks), width_coefficient=base / 16)


def write_encoder(
    path: Path, *, base: int = 16, names: str = "monai", kind: EfficientNetKind = B0
) -> Path:
    """Its state dict at `path`. `names`: MONAI's, or those of "imagenet" files, which number blocks
    alone."""
    state = made_backbone(base=base, kind=kind).state_dict()
    if names == "imagenet":
        state = {re.sub(r"^_blocks\.\d+\.", "_blocks.", name): x for name, x in state.items()}
    torch.save(dict(state), path)
    return path
