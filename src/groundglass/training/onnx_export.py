"""A torch network as an ONNX file that ONNX Runtime answers alike."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from groundglass.errors import WeightsError

log = logging.getLogger(__name__)

_SMALLEST_HALVED = 256
"""Initializers with fewer values stay float32: they weigh nothing."""


@dataclass(frozen=True)
class OnnxNames:
    """What a file calls its input and its outputs, and the axis of each that is free."""

    input: str
    outputs: tuple[str, ...]
    free_axis: int = 0
    output_axes: tuple[int | None, ...] = (0,)

    @property
    def dynamic_axes(self) -> dict[str, dict[int, str]]:
        axes = {self.input: {self.free_axis: "count"}}
        for name, axis in zip(self.outputs, self.output_axes, strict=True):
            if axis is not None:
                axes[name] = {axis: "count"}
        return axes


class _MainMask(nn.Module):
    """A network with side outputs as its main mask alone: the exporter would pass the keyword."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.network(x)


def export_onnx(network: nn.Module, size: tuple[int, int], path: Path) -> None:
    """Write a segmentation network with a free batch axis, as `export_module` does.

    Raises: WeightsError where ONNX Runtime's answer is not the network's.
    """
    whole = _MainMask(network) if getattr(network, "has_side_outputs", False) else network
    export_module(whole, (1, *size), path, OnnxNames("image", ("logits",)))


def export_module(
    module: nn.Module, shape: tuple[int, ...], path: Path, names: OnnxNames, *, check: int = 3
) -> None:
    """Write ONNX with float16 weights that decode to float32 on loading.

    `shape`: of the input without its free axis. Exported at 2 along that axis, compared with torch
    at 2 and at `check`.
    Raises: WeightsError where the exporter cannot write the module, or ONNX Runtime's answer is
    not its own.
    """
    example = _example(shape, names, 2)
    with warnings.catch_warnings():
        # The tracing exporter announces its retirement; its successor takes ten times as long
        # here and folds batch norms into weights that float16 no longer holds exactly.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                (example,),
                path,
                input_names=[names.input],
                output_names=list(names.outputs),
                dynamic_axes=names.dynamic_axes,
                opset_version=17,
                dynamo=False,
                training=torch.onnx.TrainingMode.PRESERVE,
            )
        except torch.onnx.errors.OnnxExporterError as error:
            first = str(error).splitlines()[0]
            raise WeightsError(f"{path.name} cannot be written as ONNX: {first}") from error
    model = onnx.load(path)
    _share_constants(model)
    _halve_weights(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    for count in (2, check):
        _check_export(module, _example(shape, names, count), path)


def _example(shape: tuple[int, ...], names: OnnxNames, count: int) -> torch.Tensor:
    full = (*shape[: names.free_axis], count, *shape[names.free_axis :])
    return torch.randn(*full, generator=torch.Generator().manual_seed(0))


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


def _check_export(module: nn.Module, example: torch.Tensor, path: Path) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    with torch.inference_mode():
        said = module(example)
    wanted = [said] if isinstance(said, torch.Tensor) else list(said)
    found = session.run(None, {session.get_inputs()[0].name: example.numpy()})
    for output, expected in zip(found, wanted, strict=True):
        answer = expected.numpy()
        worst = float(np.abs(np.asarray(output) - answer).max())
        if worst > 1e-3 * max(1.0, float(np.abs(answer).max())):
            raise WeightsError(
                f"exported {path.name} differs from the network by {worst:.2g}",
                expected="at most a thousandth of its range",
            )
        log.info("%s agrees with torch to %.2g", path.name, worst)
