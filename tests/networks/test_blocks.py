"""The blocks that RAIU-Net is composed of."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from groundglass.networks.hybrid_pool import HybridPool2d, MaxPoolBranch2d
from groundglass.networks.inception import InceptionConv, ResidualInceptionBlock
from groundglass.networks.separable_conv import SeparableConv2d, SeparableUp2d
from groundglass.networks.spectral_pool import SpectralLowPass2d, SpectralPool2d
from groundglass.networks.ssd_attention import DepthAttention, SpatialAttention, SSDAttention


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def fill(module: nn.Module, value: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)


class TestSeparableConv:
    @pytest.mark.parametrize(("kernel", "expected"), [(1, 3 + 15), (3, 27 + 15), (5, 75 + 15)])
    def test_parameters_are_depthwise_plus_pointwise(self, kernel: int, expected: int) -> None:
        assert count(SeparableConv2d(3, 5, kernel)) == expected  # k * k * C + C * out

    @pytest.mark.parametrize("kernel", [1, 3, 5])
    def test_size_stays_at_stride_one(self, kernel: int) -> None:
        assert SeparableConv2d(2, 4, kernel)(torch.randn(1, 2, 7, 10)).shape == (1, 4, 7, 10)

    def test_stride_two_halves(self) -> None:
        layer = SeparableConv2d(2, 4, 2, stride=2)
        assert layer(torch.randn(1, 2, 6, 10)).shape == (1, 4, 3, 5)

    def test_it_is_the_product_of_its_two_kernels(self) -> None:
        layer = SeparableConv2d(2, 3, 3)
        x = torch.randn(1, 2, 6, 5)
        full = torch.einsum("oi,ikl->oikl", layer.pointwise.weight[..., 0, 0], _kernels(layer))
        expected = nn.functional.conv2d(x, full, padding=1)
        torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-5)

    @pytest.mark.parametrize(
        "layer",
        [*(SeparableConv2d(6, 10, kernel) for kernel in (1, 3, 5)),
         SeparableConv2d(6, 10, 2, stride=2), SeparableUp2d(6, 10)],
        ids=["1", "3", "5", "strided", "transposed"],
    )  # fmt: skip
    def test_the_dense_form_is_the_same_map(self, layer: SeparableConv2d | SeparableUp2d) -> None:
        """What GPUs compute; gradients reach both kernels through it."""
        x = torch.randn(2, 6, 12, 16)
        torch.testing.assert_close(layer.dense(x), layer(x), atol=1e-5, rtol=1e-5)
        layer.dense(x).square().mean().backward()
        assert layer.depthwise.weight.grad is not None
        assert layer.depthwise.weight.grad.any()

    def test_transposed_doubles_the_size_and_is_separable(self) -> None:
        layer = SeparableUp2d(4, 2)
        assert layer(torch.randn(1, 4, 3, 5)).shape == (1, 2, 6, 10)
        assert count(layer) == 4 * 4 + 4 * 2 + 2


def _kernels(layer: SeparableConv2d) -> torch.Tensor:
    return layer.depthwise.weight[:, 0]


class TestHybridPool:
    def test_valid_halves_the_size(self) -> None:
        pool = HybridPool2d(3, 5)
        assert pool(torch.randn(2, 3, 8, 12)).shape == (2, 5, 4, 6)
        assert isinstance(pool.spectral_pool, SpectralPool2d)

    def test_same_keeps_the_size(self) -> None:
        pool = HybridPool2d(3, 5, same=True)
        assert pool(torch.randn(2, 3, 8, 12)).shape == (2, 5, 8, 12)
        assert isinstance(pool.spectral_pool, SpectralLowPass2d)

    def test_both_halves_are_seen(self) -> None:
        """With the mix set to pick one input, the output is that pooling alone."""
        pool = HybridPool2d(1, 1)
        x = torch.randn(1, 1, 8, 8)
        for pick, expected in ((0, nn.functional.max_pool2d(x, 2)), (1, SpectralPool2d(2)(x))):
            fill(pool.mix, 0.0)
            with torch.no_grad():
                pool.mix.weight[0, pick] = 1.0
            torch.testing.assert_close(pool(x), expected)

    def test_the_branch_without_it_is_max_pooling(self) -> None:
        branch = MaxPoolBranch2d(1, 1)
        fill(branch.mix, 0.0)
        with torch.no_grad():
            branch.mix.weight.fill_(1.0)
        x = torch.zeros(1, 1, 5, 5)
        x[0, 0, 2, 2] = 1.0
        expected = torch.zeros(1, 1, 5, 5)
        expected[0, 0, 1:4, 1:4] = 1.0
        torch.testing.assert_close(branch(x), expected)


class TestInception:
    def test_branches_are_one_three_five_and_pooling(self) -> None:
        block = InceptionConv(2, 4, partial(HybridPool2d, same=True))
        firsts = [branch[0] for branch in block.branches]
        assert [layer.depthwise.kernel_size for layer in firsts[:3]] == [(1, 1), (3, 3), (5, 5)]
        assert isinstance(firsts[3], HybridPool2d)
        for branch in block.branches:
            assert [type(layer) for layer in branch[1:]] == [nn.BatchNorm2d, nn.ReLU]

    def test_shape_and_sign(self) -> None:
        out = InceptionConv(2, 4, MaxPoolBranch2d)(torch.randn(2, 2, 7, 9))
        assert out.shape == (2, 4, 7, 9)
        assert out.min() >= 0

    def test_residual_block_adds_its_shortcut(self) -> None:
        block = ResidualInceptionBlock(2, 4, MaxPoolBranch2d).eval()
        x = torch.randn(2, 2, 7, 9)
        with torch.no_grad():
            torch.testing.assert_close(block(x), torch.relu(block.body(x) + block.shortcut(x)))
        assert [type(layer) for layer in block.body] == [InceptionConv, InceptionConv]
        assert block.shortcut[0].depthwise.kernel_size == (3, 3)


class TestSSDAttention:
    def test_shapes(self) -> None:
        out = SSDAttention(4)(torch.randn(2, 4, 8, 12), torch.randn(2, 8, 4, 6))
        assert out.shape == (2, 4, 8, 12)

    def test_depth_by_hand(self) -> None:
        """Means 1 and 3; every weight 1, no bias: hidden 4, gates 4 and 4; values times 4."""
        layer = DepthAttention(2).eval()
        fill(layer.descriptor, 1.0)
        for conv in (layer.descriptor[1], layer.descriptor[3]):
            nn.init.zeros_(conv.bias)
        _identity(layer.refine[0])
        x = torch.zeros(1, 2, 2, 2)
        x[0, 0] = torch.tensor([[0.0, 2.0], [0.0, 2.0]])
        x[0, 1] = 3.0
        torch.testing.assert_close(layer(x), 4 * x, atol=1e-4, rtol=1e-4)

    def test_spatial_by_hand(self) -> None:
        """Constant maps 1 and 1: 4 + 2 = 6 in both joined channels, gate 12, 12 times the map."""
        layer = SpatialAttention(1).eval()
        for part in (layer.from_fine, layer.from_coarse, layer.descriptor):
            fill(part, 1.0)
        nn.init.zeros_(layer.descriptor[0].bias)
        _identity(layer.refine[0])
        fine, coarse = torch.ones(1, 1, 4, 4), torch.ones(1, 2, 2, 2)
        torch.testing.assert_close(layer(fine, coarse), 12 * fine, atol=1e-3, rtol=1e-3)

    def test_gates_start_near_one(self) -> None:
        layer = SSDAttention(4)
        assert layer.depth.descriptor[3].bias.min() == 1
        assert layer.spatial.descriptor[0].bias.item() == 1

    def test_the_coarse_map_decides_where_to_look(self) -> None:
        layer = SpatialAttention(1).eval()
        fill(layer.from_fine, 0.0)
        fill(layer.from_coarse, 1.0)
        fill(layer.descriptor, 1.0)
        nn.init.zeros_(layer.descriptor[0].bias)
        _identity(layer.refine[0])
        coarse = torch.zeros(1, 2, 2, 2)
        coarse[..., 0, 0] = 1.0
        out = layer(torch.ones(1, 1, 4, 4), coarse)[0, 0]
        assert out[0, 0] == out.max()
        assert out[3, 3].abs() < 1e-4


def _identity(conv: nn.Conv2d) -> None:
    with torch.no_grad():
        conv.weight.copy_(torch.eye(conv.out_channels)[..., None, None])
