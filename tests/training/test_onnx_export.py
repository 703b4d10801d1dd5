"""Networks leave torch at any grid and any number of slices, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from groundglass.errors import WeightsError
from groundglass.networks.build import build_network
from groundglass.networks.covtanet import CovTANet
from groundglass.training import onnx_export
from groundglass.training.classifier_export import rounded, write_second_phase, write_segmenter


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("grid", [(16, 16), (24, 20)])
def test_features_averaged_to_a_grid(tmp_path: Path, grid: tuple[int, int]) -> None:
    """24 x 20 cells do not divide 64 x 48, nor 4 regions their quarter."""
    torch.manual_seed(0)
    network = build_network("ta-segnet", base=1)
    network = rounded(network, network.state_dict())
    assert write_segmenter(network, (64, 48), grid, tmp_path) == 4
    images = torch.randn(3, 1, 64, 48)
    (found,) = session(tmp_path / "segmenter.onnx").run(None, {"image": images.numpy()})
    with torch.no_grad():
        expected = nn.functional.adaptive_avg_pool2d(network.fusion_map(images), grid)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-4)


@pytest.mark.parametrize("grid", [(16, 16), (24, 20)])
@pytest.mark.parametrize("count", [1, 7])
def test_any_number_of_slices(tmp_path: Path, grid: tuple[int, int], count: int) -> None:
    torch.manual_seed(1)
    network = CovTANet(4, base=1)
    for fusion in (network.head.diagnosis, network.head.severity):
        nn.init.normal_(fusion.pool.score.weight)
    network = rounded(network, network.state_dict())
    write_second_phase(network, grid, tmp_path)
    features = torch.randn(count, 4, *grid)
    (encoded,) = session(tmp_path / "encoder.onnx").run(None, {"features": features.numpy()})
    found = session(tmp_path / "head.onnx").run(None, {"encoded": encoded[None]})
    with torch.no_grad():
        expected = network(features[None])
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=1e-4)


def test_another_answer_than_torchs_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(model) -> None:
        for tensor in model.graph.initializer:
            values = onnx_export.numpy_helper.to_array(tensor) + 1
            tensor.CopyFrom(onnx_export.numpy_helper.from_array(values, tensor.name))

    monkeypatch.setattr(onnx_export, "_halve_weights", spoil)
    with pytest.raises(WeightsError, match=r"exported a\.onnx differs from the network by"):
        onnx_export.export_onnx(nn.Conv2d(1, 1, 3, padding=1).eval(), (8, 8), tmp_path / "a.onnx")


def test_what_onnx_cannot_say_is_an_error(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.pinv(x)

    with pytest.raises(WeightsError, match=r"a\.onnx cannot be written as ONNX"):
        onnx_export.export_onnx(Odd().eval(), (8, 8), tmp_path / "a.onnx")
