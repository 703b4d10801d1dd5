"""Engines of a classifier of whole scans: slices to features, features to F_reg, F_reg to answers.

Three calls and not one, so that a scan of any number of slices passes a few at a time.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np

from groundglass.errors import MissingExtraError, SettingsError, WeightsError
from groundglass.predictor.engine import OnnxEngine, OpenVinoEngine
from groundglass.weights.store import ClassifierWeights


class HeadOutputs(NamedTuple):
    """Both logits, and the share of each slice in either. Shape: weights (K,)."""

    diagnosis: float
    severity: float
    diagnosis_weights: np.ndarray
    severity_weights: np.ndarray


class ClassifierEngine(Protocol):
    """Both networks, loaded."""

    name: str

    def features(self, images: np.ndarray) -> np.ndarray:
        """Shape: (N, 1, H, W) -> (N, C, *grid), all float32."""
        ...

    def encode(self, features: np.ndarray) -> np.ndarray:
        """F_reg of each slice. Shape: (N, C, *grid) -> (N, R, 4, 4)."""
        ...

    def judge(self, encoded: np.ndarray) -> HeadOutputs:
        """Shape: F_reg of all slices (K, R, 4, 4)."""
        ...


def load_classifier_engine(
    weights: ClassifierWeights, *, engine: str, device: str
) -> ClassifierEngine:
    """Load both networks on a resolved engine. Raises: WeightsError, MissingExtraError."""
    if engine == "torch":
        return TorchClassifierEngine(weights, device)
    return FileClassifierEngine(weights, engine)


class FileClassifierEngine:
    """ONNX Runtime or OpenVINO on the CPU, from the three ONNX files."""

    def __init__(self, weights: ClassifierWeights, engine: str) -> None:
        self.name = engine
        make = OpenVinoEngine if engine == "openvino" else OnnxEngine
        self._segmenter, self._encoder, self._head = (
            make(weights.path(part)) for part in ("segmenter", "encoder", "head")
        )

    def features(self, images: np.ndarray) -> np.ndarray:
        return self._segmenter.logits(images)

    def encode(self, features: np.ndarray) -> np.ndarray:
        return self._encoder.logits(features)

    def judge(self, encoded: np.ndarray) -> HeadOutputs:
        diagnosis, severity, *weights = self._head.outputs(encoded[None])
        return HeadOutputs(float(diagnosis[0]), float(severity[0]), weights[0][0], weights[1][0])


class TorchClassifierEngine:
    """torch (extra `train`), from the float16 safetensors; CPU or CUDA."""

    name = "torch"

    def __init__(self, weights: ClassifierWeights, device: str) -> None:
        try:
            import torch
            from safetensors.torch import load_file
        except ImportError as error:
            raise MissingExtraError("torch", "train", "--engine torch") from error
        from groundglass.networks.build import build_network

        if device.startswith("cuda") and not torch.cuda.is_available():
            raise SettingsError(
                f"--device is {device!r}, but torch {torch.__version__} sees no CUDA device",
                expected="a CUDA build of torch and a working driver",
                remedy="Use --device cpu",
            )
        part = weights.manifest.segmenter
        segmenter = build_network(part.network, base=part.base)
        load_half(segmenter, load_file(weights.path("segmenter-safetensors")), part.network)
        self._torch, self._device, self._grid = torch, torch.device(device), part.grid
        self._segmenter: Any = segmenter.eval().to(self._device)
        self._classifier: Any = load_classifier_network(weights).to(self._device)

    def features(self, images: np.ndarray) -> np.ndarray:
        torch = self._torch
        with torch.inference_mode():
            fused = self._segmenter.fusion_map(self._tensor(images))
            return torch.nn.functional.adaptive_avg_pool2d(fused, self._grid).cpu().numpy()

    def encode(self, features: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            return self._classifier.encode(self._tensor(features)).cpu().numpy()

    def judge(self, encoded: np.ndarray) -> HeadOutputs:
        with self._torch.inference_mode():
            x = self._tensor(encoded)[None]
            mask = self._torch.ones(x.shape[:2], dtype=self._torch.bool, device=self._device)
            diagnosis, severity, *weights = self._classifier.head(x, mask)
        first, second = (one[0].cpu().numpy() for one in weights)
        return HeadOutputs(float(diagnosis[0]), float(severity[0]), first, second)

    def _tensor(self, array: np.ndarray) -> Any:
        return self._torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def load_classifier_network(weights: ClassifierWeights) -> Any:
    """The second phase as a torch module in float32, in evaluation mode, on the CPU.

    Raises: ImportError without torch or safetensors; WeightsError where the file does not fit.
    """
    from safetensors.torch import load_file

    from groundglass.networks.covtanet import CovTANet

    part = weights.manifest.classifier
    network = CovTANet(weights.manifest.segmenter.channels, base=part.base)
    load_half(network, load_file(weights.path("classifier-safetensors")), part.classifier)
    return network.eval()


def load_half(network: Any, tensors: dict[str, Any], name: str) -> None:
    """Put float16 tensors into a network. Raises: WeightsError where they do not fit it."""
    state = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"torch cannot load the weights of {name}: {error}") from error
