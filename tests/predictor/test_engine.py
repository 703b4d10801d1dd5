"""Engines: all of them compute the same network, and say what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from groundglass.errors import MissingExtraError, SettingsError, WeightsError
from groundglass.predictor import engine as engine_module
from groundglass.predictor.engine import choose_engine, load_engine, usable_threads
from groundglass.weights.store import Weights, find_weights

from ..made_weights import write_tiny_weights, write_weights

STAGES = ("lungs", "lesions")


@pytest.fixture(autouse=True)
def _one_torch_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def probabilities(weights: Weights, stage: str, engine: str, batch: np.ndarray) -> np.ndarray:
    logits = load_engine(weights, stage, engine=engine, device="cpu").logits(batch)
    assert logits.shape == batch.shape
    assert logits.dtype == np.float32
    return 1 / (1 + np.exp(-logits.astype(float)))


def batch_for(weights: Weights, stage: str, count: int) -> np.ndarray:
    """Blobs at the network's size: something to disagree about."""
    height, width = weights.manifest.stages[stage].slice_recipe().network_size
    rng = np.random.default_rng(0)
    coarse = rng.normal(0, 1, (count, 1, height // 16, width // 16))
    fine = rng.normal(0, 0.2, (count, 1, height, width))
    return (np.kron(coarse, np.ones((1, 1, 16, 16))) + fine).astype(np.float32)


@pytest.mark.parametrize("stage", STAGES)
def test_engines_agree_on_a_tiny_network(tiny_weights: Weights, stage: str) -> None:
    batch = batch_for(tiny_weights, stage, 3)
    expected = probabilities(tiny_weights, stage, "torch", batch)
    assert np.ptp(expected) > 1e-3
    for engine in ("onnx", "openvino"):
        found = probabilities(tiny_weights, stage, engine, batch)
        assert np.abs(found - expected).max() < 1e-4
        one = probabilities(tiny_weights, stage, engine, batch[:1])  # the batch axis is free
        assert np.abs(one - expected[:1]).max() < 1e-4


def test_engines_agree_on_a_lesion_model_alone(tmp_path: Path) -> None:
    weights = write_tiny_weights(tmp_path / "w", network="ta-segnet", alone=True)
    assert list(weights.manifest.stages) == ["lesions"]
    assert weights.manifest.held_out == ("held-by-both", "held-lesions")
    batch = batch_for(weights, "lesions", 3)
    expected = probabilities(weights, "lesions", "torch", batch)
    assert np.ptp(expected) > 1e-3
    for engine in ("onnx", "openvino"):
        assert np.abs(probabilities(weights, "lesions", engine, batch) - expected).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "stage"), [("chs-net", "lungs"), ("chs-net", "lesions"), ("ta-segnet", "lesions")]
)
def test_engines_agree_on_the_shipped_weights(name: str, stage: str) -> None:
    try:
        weights = find_weights(name)
    except WeightsError as error:
        pytest.skip(f"no shipped weights: {error}")
    batch = batch_for(weights, stage, 1)
    found = [probabilities(weights, stage, name, batch) for name in ("onnx", "torch", "openvino")]
    assert np.abs(found[0] - found[1]).max() < 1e-3
    assert np.abs(found[0] - found[2]).max() < 1e-3


def test_the_same_scan_gives_the_same_bits(tiny_weights: Weights) -> None:
    batch = batch_for(tiny_weights, "lungs", 2)
    first, again = (probabilities(tiny_weights, "lungs", "onnx", batch) for _ in range(2))
    assert np.array_equal(first, again)


def test_what_was_packed_says_how_it_was_made(tiny_weights: Weights) -> None:
    manifest = tiny_weights.manifest
    assert manifest.held_out == ("held-by-both",)
    for name in STAGES:
        stage = manifest.stages[name]
        assert stage.trained["steps"] == 6
        assert stage.trained["slices"] == 4 * 3 + 2 * 2
        assert stage.trained["hours"] == 0.01
        assert (stage.network, stage.base) == ("raiu-net", 2)
        assert 0 < stage.parameters < 100_000
    tiny_weights.verify()


class TestChooseEngine:
    @pytest.fixture(params=[True, False])
    def cuda(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
        monkeypatch.setattr(engine_module, "_has_cuda", lambda: request.param)
        return request.param

    def test_auto(self, cuda: bool) -> None:
        best = ("torch", "cuda") if cuda else ("onnx", "cpu")
        assert choose_engine("auto", "auto") == best
        assert choose_engine("torch", "auto") == ("torch", "cuda" if cuda else "cpu")
        assert choose_engine("onnx", "auto") == ("onnx", "cpu")
        assert choose_engine("auto", "cpu") == ("onnx", "cpu")
        assert choose_engine("auto", "cuda:1") == ("torch", "cuda:1")

    @pytest.mark.parametrize(
        ("engine", "device", "message"),
        [
            ("tensorrt", "cpu", "--engine is 'tensorrt'; expected auto, onnx, torch, openvino"),
            ("auto", "gpu", "--device is 'gpu'; expected auto, cpu, cuda or cuda:N"),
            ("auto", "cuda:x", "--device is 'cuda:x'"),
            ("onnx", "cuda", "--engine onnx runs on the CPU here, not on cuda"),
            ("openvino", "cuda:0", "--engine openvino runs on the CPU"),
        ],
    )
    def test_what_cannot_be(self, engine: str, device: str, message: str) -> None:
        with pytest.raises(SettingsError, match=message):
            choose_engine(engine, device)


class TestMissing:
    @pytest.mark.parametrize(
        ("engine", "package", "extra"),
        [("torch", "torch", "train"), ("openvino", "openvino", "openvino")],
    )
    def test_a_package_that_is_not_installed(
        self,
        rule_weights: Weights,
        monkeypatch: pytest.MonkeyPatch,
        engine: str,
        package: str,
        extra: str,
    ) -> None:
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'groundglass\[{extra}\]'"):
            load_engine(rule_weights, "lungs", engine=engine, device="cpu")

    def test_a_cuda_device_that_is_not_there(self, tiny_weights: Weights) -> None:
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device")
        with pytest.raises(SettingsError, match=r"sees no CUDA device.*Use --device cpu"):
            load_engine(tiny_weights, "lungs", engine="torch", device="cuda")

    @pytest.mark.parametrize("engine", ["onnx", "openvino", "torch"])
    def test_files_that_are_no_network(self, tmp_path: Path, engine: str) -> None:
        """Their hashes are right, so the manifest was made with them."""
        with pytest.raises(WeightsError, match="cannot load"):
            load_engine(write_weights(tmp_path), "lungs", engine=engine, device="cpu")

    def test_tensors_of_another_network(self, tiny_weights: Weights, tmp_path: Path) -> None:
        content = (tiny_weights.folder / "lungs.safetensors").read_bytes()
        weights = write_weights(tmp_path, files={"lungs.safetensors": content})
        stage = weights.manifest.stages["lungs"].model_copy(update={"base": 3})
        stages = {**weights.manifest.stages, "lungs": stage}
        manifest = weights.manifest.model_copy(update={"stages": stages})
        with pytest.raises(WeightsError, match="into raiu-net of base 3"):
            load_engine(Weights(tmp_path, manifest), "lungs", engine="torch", device="cpu")


def test_there_is_a_core_to_use() -> None:
    assert usable_threads() >= 1
