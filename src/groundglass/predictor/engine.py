"""Engines: what runs a network. One protocol; ONNX Runtime by default, torch, OpenVINO beside."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import numpy as np

from groundglass.errors import MissingExtraError, SettingsError, WeightsError
from groundglass.weights.store import Weights

ENGINES = ("auto", "onnx", "torch", "openvino")


class Engine(Protocol):
    """A loaded network."""

    name: str

    def logits(self, batch: np.ndarray) -> np.ndarray:
        """(N, 1, H, W) float32 -> (N, 1, H, W) float32 logits, H and W as the recipe says."""
        ...


def usable_threads() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_engine(engine: str, device: str) -> tuple[str, str]:
    """(engine, device) with 'auto' resolved: a CUDA device asks for torch, else ONNX on the CPU.

    Raises: SettingsError for an unknown name or an impossible pair.
    """
    if engine not in ENGINES:
        raise SettingsError(f"--engine is {engine!r}", expected=", ".join(ENGINES))
    is_cuda = device == "cuda" or (device.startswith("cuda:") and device[5:].isdigit())
    if device not in ("auto", "cpu") and not is_cuda:
        raise SettingsError(f"--device is {device!r}", expected="auto, cpu, cuda or cuda:N")
    if is_cuda and engine in ("onnx", "openvino"):
        raise SettingsError(
            f"--engine {engine} runs on the CPU here, not on {device}",
            expected="--engine torch with a CUDA device",
            remedy="Leave --engine at auto",
        )
    if engine == "auto":
        engine = "torch" if is_cuda or (device == "auto" and _has_cuda()) else "onnx"
    if device == "auto":
        device = "cuda" if engine == "torch" and _has_cuda() else "cpu"
    return engine, device


def load_engine(weights: Weights, stage: str, *, engine: str, device: str) -> Engine:
    """Load one stage's network on a resolved engine. Raises: WeightsError, MissingExtraError."""
    if engine == "torch":
        return TorchEngine(weights, stage, device)
    path = weights.path(stage, "onnx")
    return OpenVinoEngine(path) if engine == "openvino" else OnnxEngine(path)


class OnnxEngine:
    """ONNX Runtime on the CPU."""

    name = "onnx"

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = usable_threads()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise WeightsError(f"ONNX Runtime cannot load {path}: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return self.outputs(batch)[0]

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        """All that the network answers, in its order."""
        return [np.asarray(one) for one in self._session.run(None, {self._input: batch})]


class OpenVinoEngine:
    """OpenVINO on the CPU (extra `openvino`), from the same ONNX file."""

    name = "openvino"

    def __init__(self, path: Path) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("openvino", "openvino", "--engine openvino") from error
        core = openvino.Core()
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": usable_threads()}
        try:
            model = core.read_model(model=path.read_bytes())
            self._model = core.compile_model(model, "CPU", hints)
        except Exception as error:
            raise WeightsError(f"OpenVINO cannot load {path}: {error}") from error

    def logits(self, batch: np.ndarray) -> np.ndarray:
        return self.outputs(batch)[0]

    def outputs(self, batch: np.ndarray) -> list[np.ndarray]:
        """All that the network answers, in its order."""
        found = self._model(batch)
        return [np.asarray(found[n]) for n in range(len(self._model.outputs))]


class TorchEngine:
    """torch (extra `train`), from the float16 safetensors; CPU or CUDA."""

    name = "torch"

    def __init__(self, weights: Weights, stage: str, device: str) -> None:
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
        entry = weights.stage(stage)
        path = weights.path(stage, "safetensors")
        network = build_network(entry.network, base=entry.base)
        try:
            tensors = load_file(path)
            state = {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}
            network.load_state_dict(state)
        except Exception as error:
            raise WeightsError(
                f"torch cannot load {path} into {entry.network} of base {entry.base}: {error}"
            ) from error
        self._torch = torch
        self._device = torch.device(device)
        self._network = network.eval().to(  # pyright: ignore[reportCallIssue] - torch's types lack it
            self._device, memory_format=torch.channels_last
        )

    def logits(self, batch: np.ndarray) -> np.ndarray:
        with self._torch.inference_mode():
            x = self._torch.from_numpy(batch).to(
                self._device, memory_format=self._torch.channels_last
            )
            return self._network(x).float().cpu().contiguous().numpy()


def _has_cuda() -> bool:
    """Whether torch is installed and sees a CUDA device, without importing it in vain."""
    from importlib.util import find_spec

    if find_spec("torch") is None or not any(
        Path(p).exists() for p in ("/dev/nvidia0", "/proc/driver/nvidia", "/dev/dxg")
    ):
        return False
    import torch

    return torch.cuda.is_available()
