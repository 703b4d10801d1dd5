"""From finished runs to weights that analysis can use: ONNX, float16 safetensors, manifest."""

from __future__ import annotations

import hashlib
import logging
import platform
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.checkpoint import load_result
from groundglass.weights.manifest import MANIFEST_NAME, Stage, WeightsFile, WeightsManifest

log = logging.getLogger(__name__)

_SMALLEST_HALVED = 256
"""Initializers with fewer values stay float32: they weigh nothing."""


@dataclass(frozen=True)
class PackSettings:
    """What the manifest says besides what the runs know.

    `lesion_threshold` replaces the lesion recipe's. The threshold that is best for Dice lies at
    half the Dice that can be reached (Lipton et al. 2014), so below one half. It is one on the
    probability after `lesion_temperature`, which is `calibration`'s where it is None.
    """

    name: str
    version: str
    title: str
    license: str
    training_data: tuple[str, ...]
    accuracy: dict[str, Any]
    hardware: str = ""
    lesion_threshold: float | None = None
    lesion_temperature: float | None = None
    calibration: dict[str, Any] = field(default_factory=dict)

    def temperature(self) -> float:
        """Of the lesion network. Raises: SettingsError where two are given, or a bad one."""
        kept = self.calibration.get("temperature")
        chosen = self.lesion_temperature if self.lesion_temperature is not None else kept
        if chosen is None:
            if self.calibration:
                raise SettingsError(
                    "calibration names no temperature",
                    expected="a field 'temperature'",
                    remedy="Give --lesion-temperature",
                )
            return 1.0
        for value in (chosen, chosen if kept is None else kept):
            if type(value) not in (int, float) or not 0 < value < 1e6:
                raise SettingsError(f"lesion temperature is {value!r}", expected="a number above 0")
        if kept is not None and not np.isclose(kept, chosen, rtol=1e-3):
            raise SettingsError(
                f"lesion temperature is {chosen:g}, that of the calibration {kept:g}",
                expected="one of them, or the same",
            )
        return float(chosen)


def pack_weights(
    lungs: Path | None, lesions: Path, destination: Path, settings: PackSettings
) -> WeightsManifest:
    """Write `destination`: the networks' running averages as .onnx and .safetensors.

    `lungs`, `lesions`: run folders; without lungs the weights hold a lesion model alone, which
    is used beside the lungs of other weights. The numbers are rounded to float16 first, so that
    every engine computes with the same ones.
    Raises: WeightsError where a run is missing, of the wrong stage, or the export differs from
    the network; SettingsError as `PackSettings.temperature`.
    """
    temperature = settings.temperature()
    destination.mkdir(parents=True, exist_ok=True)
    stages: dict[str, Stage] = {}
    held_out: list[set[str]] = []
    runs = {"lesions": lesions} if lungs is None else {"lungs": lungs, "lesions": lesions}
    for name, run in runs.items():
        state = load_result(run)
        recipe = SliceRecipe.from_dict(state.settings["recipe"])
        if recipe.stage != name:
            raise WeightsError(f"run {run} trained {recipe.stage}", expected=name)
        if name == "lesions" and settings.lesion_threshold is not None:
            recipe = replace(recipe, threshold=settings.lesion_threshold)
        network = _rounded_network(state.settings, state.average)
        onnx_file, tensor_file = f"{name}.onnx", f"{name}.safetensors"
        half = {k: _half(v).contiguous() for k, v in network.state_dict().items()}
        save_file(half, destination / tensor_file, metadata={"format": "pt"})
        export_onnx(network, recipe.network_size, destination / onnx_file)
        held_out.append(set(state.settings["hold_out"]))
        stages[name] = Stage(
            network=state.settings["network"],
            base=state.settings["base"],
            parameters=sum(p.numel() for p in network.parameters()),
            recipe=recipe.to_dict(),
            onnx=_hashed(destination / onnx_file),
            safetensors=_hashed(destination / tensor_file),
            trained=_trained(state.settings, state.step, state.seconds, settings.hardware),
            temperature=temperature if name == "lesions" else 1.0,
            calibration=settings.calibration if name == "lesions" else {},
        )
    manifest = WeightsManifest(
        name=settings.name,
        version=settings.version,
        title=settings.title,
        license=settings.license,
        training_data=settings.training_data,
        held_out=tuple(sorted(set.intersection(*held_out))),
        accuracy=settings.accuracy,
        stages=stages,
    )
    (destination / MANIFEST_NAME).write_text(manifest.to_json(), encoding="utf-8")
    return manifest


class _MainMask(nn.Module):
    """A network with side outputs as its main mask alone: the exporter would pass the keyword."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)


def export_onnx(network: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Write ONNX with a free batch axis and float16 weights that decode to float32 on loading.

    Raises: WeightsError where ONNX Runtime's answer is not the network's.
    """
    example = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings():
        # The tracing exporter announces its retirement; its successor takes ten times as long
        # here and folds batch norms into weights that float16 no longer holds exactly.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _MainMask(network) if getattr(network, "has_side_outputs", False) else network,
            (example,),
            path,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
            opset_version=17,
            dynamo=False,
            training=torch.onnx.TrainingMode.PRESERVE,
        )
    model = onnx.load(path)
    _share_constants(model)
    _halve_weights(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    _check_export(network, example, path)


def _share_constants(model: onnx.ModelProto) -> None:
    """Equal constant matrices (spectral pooling repeats them) become one initializer each."""
    graph = model.graph
    names: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    for node in list(graph.node):
        if node.op_type != "Constant" or node.attribute[0].name != "value":
            continue
        tensor = node.attribute[0].t
        key = numpy_helper.to_array(tensor).tobytes() + str(tuple(tensor.dims)).encode()
        if len(key) < _SMALLEST_HALVED:
            continue
        if key not in names:
            names[key] = node.output[0]
            tensor.name = node.output[0]
            graph.initializer.append(tensor)
        renamed[node.output[0]] = names[key]
        graph.node.remove(node)
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)


def _halve_weights(model: onnx.ModelProto) -> None:
    """Store large initializers that float16 holds exactly as float16, each behind a Cast."""
    graph = model.graph
    casts = []
    for tensor in list(graph.initializer):
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        small = values.astype(np.float16)
        if values.size < _SMALLEST_HALVED or not np.array_equal(small.astype(np.float32), values):
            continue
        graph.initializer.remove(tensor)
        graph.initializer.append(numpy_helper.from_array(small, f"{tensor.name}_f16"))
        casts.append(
            helper.make_node("Cast", [f"{tensor.name}_f16"], [tensor.name], to=TensorProto.FLOAT)
        )
    for node in reversed(casts):
        graph.node.insert(0, node)
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del graph.value_info[:]


def _check_export(network: nn.Module, example: torch.Tensor, path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = network(example).numpy()
    found = np.asarray(session.run(None, {"image": example.numpy()})[0])
    worst = float(np.abs(found - expected).max())
    if worst > 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise WeightsError(
            f"exported {path.name} differs from the network by {worst:.2g} in logits",
            expected="at most a thousandth of their range",
        )
    log.info("%s agrees with torch to %.2g", path.name, worst)


def _rounded_network(settings: dict[str, Any], average: dict[str, torch.Tensor]) -> nn.Module:
    network = build_network(settings["network"], base=settings["base"])
    network.load_state_dict(
        {k: _half(v).float() if v.is_floating_point() else v for k, v in average.items()}
    )
    return network.eval()


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _hashed(path: Path) -> WeightsFile:
    return WeightsFile(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def _trained(settings: dict[str, Any], step: int, seconds: float, hardware: str) -> dict[str, Any]:
    left, slices = step, 0
    for phase in settings["phases"]:
        taken = min(left, phase["steps"])
        slices += taken * phase["batch"]
        left -= taken
    return {
        "steps": step,
        "slices": slices,
        "held_out": settings["hold_out"],
        "started_from": Path(settings["start_from"]).name if settings.get("start_from") else None,
        "hours": round(seconds / 3600, 2),
        "hardware": hardware or platform.processor() or platform.machine(),
        "seed": settings["seed"],
        "phases": settings["phases"],
        "torch": torch.__version__,
    }
