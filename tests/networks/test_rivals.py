"""Blocks of the rivals: what their papers say, on small maps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from groundglass.networks.attention_unet import SpatialChannelAttention, attention_unet
from groundglass.networks.build import build_network
from groundglass.networks.inf_net import InfNet, ReverseAttention
from groundglass.networks.miniseg import (
    AttentiveSpatialPyramid,
    MiniSeg,
    PlainConv,
    TwoPathStage,
)
from groundglass.networks.raiu_net import raiu_net, raiu_net_deep
from groundglass.networks.res2net import Res2Block, Res2Net50
from groundglass.networks.resizing import pad_to_multiple
from groundglass.training.onnx_export import export_onnx


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def reach(module: nn.Module, channels: int, size: int = 41) -> int:
    """How far from the middle, in pixels, an input still moves the middle's output."""
    x = torch.rand(1, channels, size, size, requires_grad=True)
    module.eval()(x)[..., size // 2, size // 2].sum().backward()
    assert x.grad is not None
    moved = x.grad.abs().sum(dim=(0, 1)).nonzero()
    return int((moved - size // 2).abs().max())


def test_the_pyramid_sees_the_sum_of_no_more_than_its_widest_branch() -> None:
    """Branches run in parallel and add up, so the reach is that of dilation 8, not 1+2+4+8."""
    assert reach(AttentiveSpatialPyramid(8, 8), 8) == 8


def test_each_branch_of_the_pyramid_builds_on_the_one_before() -> None:
    """With the other branches silent, what the first sees arrives in every group of channels."""
    pyramid = AttentiveSpatialPyramid(4, 4).eval()
    with torch.no_grad():
        for branch in pyramid.branches:
            branch.weight.zero_()
        pyramid.reduce.weight.fill_(1.0)
        pyramid.attention.weight.zero_()  # gates of one half: F + F / 2
        pyramid.fuse.weight.fill_(1.0)
        x = torch.rand(1, 4, 5, 5)
        out = pyramid(x)
        averaged = 1.5 * pyramid.average(x.sum(dim=1, keepdim=True))
    torch.testing.assert_close(out, averaged.expand(1, 4, 5, 5), atol=1e-4, rtol=1e-4)


def test_the_shallow_path_has_half_the_depth() -> None:
    stage = TwoPathStage(3, 4, 5, PlainConv)
    assert (len(stage.blocks), len(stage.shallow_blocks)) == (5, 2)
    deep, shallow = stage(torch.rand(2, 3, 8, 12), torch.rand(2, 3, 8, 12))
    assert deep.shape == shallow.shape == (2, 4, 4, 6)


def test_miniseg_counts_what_its_paper_prints() -> None:
    """With the paper's three input channels and two classes: 82,912, printed as 83K."""
    network = MiniSeg()
    channels = 2 * (8 + 8 * 9)  # of the first Conv 1 and the first Conv 3
    classes = sum(head.in_channels + 1 for head in network.heads)
    assert count(network) + channels + classes == 82_912


def test_inf_net_counts_what_its_paper_prints() -> None:
    """With the unused classifier of its backbone, 2048 to 1000: 33.122 M."""
    with torch.device("meta"):
        network = InfNet()
    assert round((count(network) + 2048 * 1000 + 1000) / 1e6, 3) == 33.122


def test_reverse_attention_looks_where_the_coarser_map_says_no() -> None:
    module = ReverseAttention(nn.Identity(), [nn.Identity()], nn.Conv2d(3, 1, 1, bias=False))
    with torch.no_grad():
        module.head.weight.copy_(torch.tensor([1.0, 1.0, 0.0]).reshape(1, 3, 1, 1))
    features, edge = torch.ones(1, 2, 2, 2), torch.ones(1, 1, 2, 2)
    coarser = torch.tensor([[-40.0, 40.0], [40.0, -40.0]]).reshape(1, 1, 2, 2)
    correction = module(features, edge, coarser) - coarser
    torch.testing.assert_close(correction[0, 0], torch.tensor([[2.0, 0.0], [0.0, 2.0]]))


def test_res2net_halves_to_one_thirty_second() -> None:
    with torch.no_grad():
        maps = Res2Net50(planes=4).eval()(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (16, 16, 24),
        (32, 8, 12),
        (64, 4, 6),
        (128, 2, 3),
    ]


def test_groups_of_a_res2net_block_pass_on_what_they_saw() -> None:
    """Three convolutions in a row: reach 3; in a stage's first block each stands alone: 1."""
    assert reach(Res2Block(128, 32, first=False), 128, size=11) == 3
    assert reach(Res2Block(128, 32, first=True), 128, size=11) == 1


def test_attention_adds_both_gated_maps() -> None:
    attention = SpatialChannelAttention(4)
    with torch.no_grad():
        for parameter in attention.parameters():
            parameter.zero_()
        fine = torch.rand(2, 4, 3, 5)
        torch.testing.assert_close(attention(fine, fine), fine)  # both gates one half
        attention.place.bias.fill_(-40.0)
        torch.testing.assert_close(attention(fine, fine), fine / 2)


def test_attention_sits_on_every_skip() -> None:
    network = attention_unet(base=2)
    assert all(isinstance(skip, SpatialChannelAttention) for skip in network.skips)


def test_deep_supervision_keeps_the_trunk() -> None:
    """Weights of the plain network fit but for the side heads, and the answer is the same."""
    plain, deep = raiu_net(base=2).eval(), raiu_net_deep(base=2).eval()
    missing, unexpected = deep.load_state_dict(plain.state_dict(), strict=False)
    assert not unexpected
    assert {name.split(".")[0] for name in missing} == {"side_heads"}
    x = torch.rand(1, 1, 20, 33)
    with torch.no_grad():
        assert torch.equal(plain(x), deep(x))


def test_padding_adds_nothing_where_the_size_fits() -> None:
    x = torch.rand(1, 1, 32, 64)
    assert pad_to_multiple(x, 32) is x
    assert pad_to_multiple(x[..., :30], 32).shape == (1, 1, 32, 32)


@pytest.mark.parametrize("name", ["miniseg", "inf-net", "attention-unet-ftl", "raiu-net-deep"])
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
