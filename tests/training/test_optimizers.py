"""The optimizer that was asked for; bfloat16 only where it is computed in hardware."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from groundglass.training.hypergradient import HypergradientSGD
from groundglass.training.optimizers import build_optimizer, mixes_precision
from groundglass.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adamw", torch.optim.AdamW),
        ("adam", torch.optim.Adam),
        ("sgd", torch.optim.SGD),
        ("sgd-hypergradient", HypergradientSGD),
    ],
)
def test_by_name(values: dict[str, Any], name: str, kind: type) -> None:
    settings = TrainSettings.model_validate({**values, "optimizer": name, "weight_decay": 0.25})
    optimizer = build_optimizer(nn.Conv2d(1, 1, 1), settings)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (1e-2, 0.25)
    assert group.get("momentum", 0.9) == 0.9


@pytest.mark.parametrize(
    ("capabilities", "mixed"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({}, False),
    ],
)
def test_auto_on_a_cpu_asks_the_cpu(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], mixed: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert mixes_precision("auto", "cpu") is mixed
    assert mixes_precision(True, "cpu") is True
    assert mixes_precision(False, "cpu") is False


def test_auto_without_a_word_is_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert mixes_precision("auto", "cpu") is False
    assert mixes_precision("auto", "mps") is False


@pytest.mark.parametrize("native", [True, False])
def test_auto_on_a_gpu_does_not_count_emulation(
    monkeypatch: pytest.MonkeyPatch, native: bool
) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert mixes_precision("auto", "cuda") is native
