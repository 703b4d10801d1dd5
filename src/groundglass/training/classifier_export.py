"""Both networks of a classifier of whole scans as ONNX, checked against torch, and in float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundglass.networks.covtanet import JointHead, JointLogits, VolumeClassifier
from groundglass.networks.regional_features import REGIONS
from groundglass.networks.resizing import average_to
from groundglass.training.half_weights import load_rounded, save_half
from groundglass.training.onnx_export import OnnxNames, export_module

_CHECKED_SLICES = 40
"""More than the dilated convolutions reach, and not what the head was exported at."""


class SliceFeatures(nn.Module):
    """The fusion map of a segmenter, averaged to a grid.

    Shape: (N, 1, H, W) -> (N, C, *grid).
    """

    def __init__(self, segmenter: Any, grid: tuple[int, int]) -> None:
        super().__init__()
        self.segmenter, self.grid = segmenter, grid

    def forward(self, images: Tensor) -> Tensor:
        return average_to(self.segmenter.fusion_map(images), self.grid)


class WholeScan(nn.Module):
    """The joint head on one scan without padding. Shape: (1, K, R, 4, 4) -> `JointLogits`."""

    def __init__(self, head: JointHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, encoded: Tensor) -> JointLogits:
        mask = torch.ones(encoded.shape[:2], dtype=torch.bool, device=encoded.device)
        return self.head(encoded, mask)


def write_segmenter(
    network: nn.Module, size: tuple[int, int], grid: tuple[int, int], folder: Path
) -> int:
    """Write segmenter.onnx and segmenter.safetensors from a network rounded before.

    Returns the channels of its features. Raises: WeightsError as `export_module`.
    """
    save_half(network, folder / "segmenter.safetensors")
    whole = SliceFeatures(network, grid).eval()
    with torch.inference_mode():
        channels = int(whole(torch.zeros(1, 1, *size)).shape[1])
    export_module(whole, (1, *size), folder / "segmenter.onnx", OnnxNames("image", ("features",)))
    return channels


def write_second_phase(network: VolumeClassifier, grid: tuple[int, int], folder: Path) -> None:
    """Write encoder.onnx, head.onnx and classifier.safetensors from a network rounded before.

    The encoder takes any number of slices, the head one scan of any number: 600 slices of F_reg
    are 5 MB, and their feature maps need not be there together.
    Raises: WeightsError as `export_module`.
    """
    save_half(network, folder / "classifier.safetensors")
    encoder = network.encoder
    export_module(
        encoder,
        (encoder.in_channels, *grid),
        folder / "encoder.onnx",
        OnnxNames("features", ("encoded",)),
    )
    outputs = ("diagnosis", "severity", "diagnosis_weights", "severity_weights")
    export_module(
        WholeScan(network.head).eval(),
        (1, encoder.channels, REGIONS, REGIONS),
        folder / "head.onnx",
        OnnxNames("encoded", outputs, free_axis=1, output_axes=(None, None, 1, 1)),
        check=_CHECKED_SLICES,
    )


def rounded(network: Any, state: dict[str, Tensor]) -> Any:
    """A network with weights as float16 holds them, in evaluation mode."""
    load_rounded(network, state)
    return network.eval()
