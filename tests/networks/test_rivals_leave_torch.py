"""The rivals of CovTANet's Tables II and III outside plain torch: CUDA graphs, ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from groundglass.networks.build import build_network
from groundglass.training.onnx_export import export_onnx

RIVALS = (
    "fcn",
    "v-net",
    "unet-plus-plus",
    "cpf-net",
    "cople-net",
    "multires-unet",
    "attention-unet",
    "gated-unet",
)


class _HostTraffic(TorchDispatchMode):
    """Notes every operation that reads a value back or makes a tensor from host memory."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in {"_local_scalar_dense", "lift_fresh", "_to_copy", "nonzero", "copy_"}:
            self.seen.add(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", RIVALS)
def test_a_forward_pass_can_be_captured(name: str) -> None:
    """No value is read back and no tensor comes from the host, so a CUDA graph can hold it."""
    network = build_network(name, base=2).train()
    x = torch.randn(2, 1, 33, 47)
    with _HostTraffic() as traffic:
        if getattr(network, "has_side_outputs", False):
            network(x, side_outputs=True)
        network(x)
    assert traffic.seen == set()


def test_host_traffic_would_be_seen() -> None:
    with _HostTraffic() as traffic:
        torch.tensor(np.ones(2)).float().sum().item()
    assert traffic.seen >= {"_local_scalar_dense", "_to_copy"}


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_export(name: str, tmp_path: Path) -> None:
    """`export_onnx` itself compares ONNX Runtime's answer with the network's."""
    torch.manual_seed(0)
    network = build_network(name, base=4).train()
    with torch.no_grad():
        for _ in range(20):  # running statistics near the data's
            network(torch.randn(2, 1, 32, 48))
    network.eval().half().float()  # as packed
    export_onnx(network, (32, 48), tmp_path / "network.onnx")
    assert (tmp_path / "network.onnx").stat().st_size > 1000
