"""Dilated depthwise convolutions: their weights' gradient, which bfloat16 on a CPU gets wrong."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from groundglass.catalog import NETWORKS
from groundglass.networks.build import build_network
from groundglass.networks.dilated_depthwise import DilatedDepthwise


@pytest.mark.parametrize("dilation", [1, 2, 8])
@pytest.mark.parametrize("stride", [1, 2])
def test_it_is_the_plain_convolution(dilation: int, stride: int) -> None:
    conv = DilatedDepthwise(4, 3, dilation=dilation, stride=stride)
    plain = nn.Conv2d(4, 4, 3, stride, dilation, dilation, groups=4, bias=False)
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 4, 9, 12)
    assert torch.equal(conv(x), plain(x))
    assert conv(x).shape[-2:] == (-(-9 // stride), -(-12 // stride))


@pytest.mark.parametrize("dilation", [2, 4, 8])
def test_its_gradient_under_autocast_is_that_of_float32(dilation: int) -> None:
    conv = DilatedDepthwise(16, 3, dilation=dilation).to(memory_format=torch.channels_last)
    x = torch.randn(2, 16, 32, 32).contiguous(memory_format=torch.channels_last).bfloat16()
    weights = torch.randn(2, 16, 32, 32).contiguous(memory_format=torch.channels_last).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x)
    assert out.dtype == torch.bfloat16
    (got,) = torch.autograd.grad(out, conv.weight, weights)
    (right,) = torch.autograd.grad(conv(x.float()), conv.weight, weights.float())
    torch.testing.assert_close(got, right, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", [entry.name for entry in NETWORKS if not entry.needs])
def test_no_network_has_another_kind(name: str) -> None:
    with torch.device("meta"):
        modules = build_network(name, base=4).modules()
    for module in modules:
        if isinstance(module, nn.Conv2d) and module.groups > 1 and max(module.dilation) > 1:
            assert isinstance(module, DilatedDepthwise)
