"""Blocks of the rivals of CovTANet's Tables II and III: what their papers say, on small maps."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from groundglass.networks.attention_gates import AttentionGate, AttentionUNet
from groundglass.networks.conv_norm_act import ConvNormAct
from groundglass.networks.cople_net import AtrousPyramid, COPLENet, MaxAveragePool, ResidualSqueeze
from groundglass.networks.cpf_net import (
    CPFNet,
    GlobalPyramidGuidance,
    ScaleAwareModule,
    ScaleAwarePyramidFusion,
)
from groundglass.networks.fcn import FCN8s
from groundglass.networks.gated_unet import GatedUNet, MultiGate
from groundglass.networks.multires_unet import MultiResBlock, MultiResUNet, ResPath
from groundglass.networks.resnet import ResNet34
from groundglass.networks.unet_plus_plus import UNetPlusPlus
from groundglass.networks.v_net import ResidualStage, VNet


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def reach(module: nn.Module, channels: int, size: int = 41) -> int:
    """How far from the middle, in pixels, an input still moves the middle's output."""
    x = torch.rand(1, channels, size, size, requires_grad=True)
    module.eval()(x)[..., size // 2, size // 2].sum().backward()
    assert x.grad is not None
    moved = x.grad.abs().sum(dim=(0, 1)).nonzero()
    return int((moved - size // 2).abs().max())


def silence(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()


class TestFCN:
    def test_counts_what_its_paper_prints(self) -> None:
        """With 21 classes and three input channels, without batch norm: printed as 134M."""
        with torch.device("meta"):
            network = FCN8s()
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        biases_for_norms = sum(norm.num_features for norm in norms)  # of each scale and shift, one
        more_classes = 20 * (4096 + 1 + 512 + 1 + 256 + 1)
        theirs = count(network) - biases_for_norms + 2 * 64 * 9 + more_classes
        assert round(theirs / 1e6) == 134

    def test_doubling_starts_as_bilinear_interpolation(self) -> None:
        x = torch.rand(1, 1, 6, 7)
        with torch.no_grad():
            doubled = FCN8s(base=1).double_score(x)
        bilinear = functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(doubled[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])

    def test_pool3_refines_what_the_coarser_scores_say(self) -> None:
        """With the two coarser scores silent, one cell of pool3's score is one block of 8."""
        network = FCN8s(base=1).eval()
        for part in (network.score, network.score_pool4, network.score_pool3):
            silence(part)
        with torch.no_grad():
            network.score_pool3.bias.fill_(2.5)
            torch.testing.assert_close(
                network(torch.rand(1, 1, 40, 33)), torch.full((1, 1, 40, 33), 2.5)
            )

    def test_the_widest_kernel_learns_on_small_slices_too(self) -> None:
        """At 32 x 32 its map is one cell: only the middle weight meets it, the others get zeros,
        not what was in memory (torch, CPU, bfloat16)."""
        torch.manual_seed(0)
        network = FCN8s(base=4).to(memory_format=torch.channels_last).train()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = network(torch.randn(4, 1, 32, 32))
        out.float().square().mean().backward()
        gradient = network.classifier[0].weight.grad
        assert gradient[..., 3, 3].any()
        gradient[..., 3, 3] = 0
        assert not gradient.any()


class TestVNet:
    def test_a_stage_adds_its_input(self) -> None:
        stage = ResidualStage(4, 4, 3).eval()
        for conv in stage.convs:
            silence(conv)
        x = torch.rand(2, 4, 5, 6)  # positive: PReLU leaves it
        with torch.no_grad():
            assert torch.equal(stage(x), x)

    def test_a_gray_image_is_added_to_every_channel(self) -> None:
        stage = ResidualStage(1, 3, 1).eval()
        silence(stage.convs[0])
        x = torch.rand(1, 1, 4, 4)
        with torch.no_grad():
            assert torch.equal(stage(x), x.expand(1, 3, 4, 4))

    def test_windows_are_five_wide_and_stages_one_to_three_deep(self) -> None:
        network = VNet(base=2)
        assert reach(network.down_stages[0], 1) == 2
        assert [len(stage.convs) for stage in network.down_stages] == [1, 2, 3, 3, 3]
        assert [len(stage.convs) for stage in network.up_stages] == [1, 2, 3, 3]
        widths = [stage.acts[0].num_parameters for stage in network.up_stages]
        assert widths == [4, 8, 16, 32]  # twice the level's width: 32, 64, 128, 256 at base 16


class TestUNetPlusPlus:
    def test_counts_what_its_paper_prints(self) -> None:
        """With biases for batch norms and three input channels: 9,042,276, printed as 9.04M."""
        network = UNetPlusPlus()
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        theirs = count(network) - sum(norm.num_features for norm in norms) + 2 * 32 * 9
        assert theirs == 9_042_276

    def test_has_a_triangle_of_nodes(self) -> None:
        """Five encoder nodes and ten along the skips, X(i, j) fed by j nodes and one from below."""
        network = UNetPlusPlus(base=1)
        assert len(network.nodes) == 15
        assert sum(not name.endswith("_0") for name in network.nodes) == 10
        for name, node in network.nodes.items():
            i, j = (int(part) for part in name.split("_"))
            width = 2 * 2**i
            seen = next(m for m in node.modules() if isinstance(m, nn.Conv2d)).in_channels
            assert seen == ((j + 1) * width if j else (width // 2 if i else 1))

    def test_each_mask_needs_no_node_below_its_own_triangle(self) -> None:
        """So it can be pruned: X(0, j) is the same whatever the levels below j do."""
        network = UNetPlusPlus(base=4).eval()
        x = torch.rand(1, 1, 32, 32)
        with torch.no_grad():
            before = network(x, side_outputs=True).masks
            silence(network.nodes["3_0"])
            after = network(x, side_outputs=True).masks
        same = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
        assert same == [False, False, True, True]  # X(0, 4), X(0, 3); X(0, 2), X(0, 1)


class TestCPFNet:
    def test_resnet_34_counts_what_is_known_of_it(self) -> None:
        """21,797,672 with three input channels and the classifier of 512 to 1000."""
        assert count(ResNet34()) + 2 * 64 * 49 + 512 * 1000 + 1000 == 21_797_672

    def test_guidance_has_a_dilation_for_every_level_it_sees(self) -> None:
        seen = []
        for guide in CPFNet(base=1).guides:
            convs = [branch[0] for branch in guide.branches]
            seen.append([conv.dilation[0] for conv in convs if isinstance(conv, nn.Conv2d)])
        assert seen == [[1, 2, 4, 8], [1, 2, 4], [1, 2]]

    def test_guidance_keeps_its_levels_size_and_width(self) -> None:
        maps = [torch.rand(1, c, s, s) for c, s in ((4, 16), (8, 8), (16, 4))]
        with torch.no_grad():
            assert GlobalPyramidGuidance([4, 8, 16]).eval()(maps).shape == (1, 4, 16, 16)

    def test_one_convolution_sees_three_scales(self) -> None:
        fusion = ScaleAwarePyramidFusion(4).eval()
        x = torch.zeros(1, 4, 17, 17)
        x[..., 8, 8] = 1.0
        with torch.no_grad():
            maps = [scale[0].abs().sum(dim=0) for scale in fusion.scales(x)]
        assert [int((m.nonzero() - 8).abs().max()) for m in maps] == [1, 2, 4]
        torch.testing.assert_close(maps[0][7:10, 7:10], maps[1][6:11:2, 6:11:2])

    def test_the_mix_of_scales_sums_to_one_everywhere(self) -> None:
        near, far = torch.rand(1, 4, 6, 6), torch.rand(1, 4, 6, 6)
        module = ScaleAwareModule(4)
        with torch.no_grad():
            mixed = module(near, far)
            assert torch.all(mixed <= torch.maximum(near, far) + 1e-6)
            assert torch.all(mixed >= torch.minimum(near, far) - 1e-6)
            silence(module)
            torch.testing.assert_close(module(near, far), (near + far) / 2)


class TestCOPLENet:
    def test_pools_by_maximum_and_by_average(self) -> None:
        x = torch.tensor([[1.0, 2.0], [3.0, 6.0]]).reshape(1, 1, 2, 2)
        assert MaxAveragePool()(x).flatten().tolist() == [6.0, 3.0]

    def test_a_closed_gate_leaves_the_map_as_it_is(self) -> None:
        squeeze = ResidualSqueeze(4)
        x = torch.rand(2, 4, 3, 5)
        silence(squeeze)
        with torch.no_grad():
            assert torch.equal(squeeze(x), x)
            squeeze.gate[2].bias.fill_(1.5)
            torch.testing.assert_close(squeeze(x), 2.5 * x)

    def test_the_pyramid_sees_six_pixels_far(self) -> None:
        assert reach(AtrousPyramid(8), 8) == 6

    def test_bridges_halve_so_that_skip_and_below_weigh_alike(self) -> None:
        network = COPLENet(base=2)
        for level, (bridge, narrow) in enumerate(
            zip(network.bridges, network.narrows, strict=True)
        ):
            assert bridge[0].out_channels == narrow.out_channels == 2 * 2**level


class TestMultiResUNet:
    def test_counts_what_its_paper_prints(self) -> None:
        """With three input channels, norms that only shift, and running statistics: 7,262,750."""
        network = MultiResUNet()
        units = [m for m in network.modules() if isinstance(m, ConvNormAct)]
        scales = sum(unit[1].num_features for unit in units)
        norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        statistics = 2 * sum(norm.num_features for norm in norms) + 2  # and of the logit's norm
        first = network.down_blocks[0]
        channels = 2 * (9 * first.row[0][0].out_channels + first.channels)
        assert count(network) - scales + statistics + channels == 7_262_750

    def test_a_block_sees_windows_of_3_5_and_7(self) -> None:
        block = MultiResBlock(2, 16)
        widths = [unit[0].out_channels for unit in block.row]
        assert widths == [4, 8, 13]  # a sixth, a third and a half of 1.67 * 16, rounded down
        assert [reach(nn.Sequential(*block.row[:n]), 2) for n in (1, 2, 3)] == [1, 2, 3]
        assert reach(block, 2) == 3

    def test_paths_shorten_with_depth(self) -> None:
        paths = MultiResUNet(base=1).paths
        assert [len(path) for path in paths] == [4, 3, 2, 1]
        assert reach(ResPath(3, 4, 2), 3) == 2


class TestAttentionGates:
    def test_a_gate_lies_between_zero_and_one_and_begins_near_one_half(self) -> None:
        gate = AttentionGate(4, 8)
        fine, gating = torch.randn(2, 4, 6, 8), torch.randn(2, 8, 3, 4)
        with torch.no_grad():
            asked = gate.coefficients(fine, gating)
            assert asked.shape == (2, 1, 6, 8)
            assert 0 < asked.min() < asked.max() < 1
            silence(gate)
            torch.testing.assert_close(gate(fine, gating), fine / 2)
            gate.psi.bias.fill_(-40.0)
            torch.testing.assert_close(gate(fine, gating), torch.zeros_like(fine))

    def test_the_coarser_map_decides_where(self) -> None:
        """Only the gating signal differs, and only where it does the gate moves."""
        gate = AttentionGate(2, 4)
        fine, gating = torch.randn(1, 2, 16, 16), torch.randn(1, 4, 8, 8)
        other = gating.clone()
        other[..., :2, :2] += 5.0
        with torch.no_grad():
            moved = gate.coefficients(fine, gating) != gate.coefficients(fine, other)
        assert moved[..., :4, :4].any()
        assert not moved[..., 5:, :].any()

    def test_the_first_skip_has_no_gate(self) -> None:
        network = AttentionUNet(base=2)
        fine = [gate.theta.in_channels for gate in network.frame.gates]
        assert fine == [4, 8, 16]  # levels 1 to 3; level 0, of width 2, passes as it is

    def test_a_gated_unet_has_two_gates_per_skip_and_one_answer(self) -> None:
        network = GatedUNet(base=2).eval()
        assert [len(gate.gates) for gate in network.frame.gates] == [2, 2, 2]
        assert all(isinstance(gate, MultiGate) for gate in network.frame.gates)
        with torch.no_grad():
            network.join.weight.zero_()
            network.join.weight[:, 3] = 1.0  # the coarsest level's logits alone
            network.join.bias.zero_()
            network.heads[3].weight.zero_()
            network.heads[3].bias.fill_(-1.5)
            logits = network(torch.rand(1, 1, 20, 17))
        torch.testing.assert_close(logits, torch.full((1, 1, 20, 17), -1.5))
