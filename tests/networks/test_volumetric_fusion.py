"""Volumetric fusion: how far it looks, how it pools, and that padding is nothing."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from groundglass.networks.volumetric_fusion import (
    RATES,
    RealSliceNorm,
    SlicePool,
    VolumeConv,
    VolumetricFusion,
)

CHANNELS = 8


def fusion(*, seed: int = 0) -> VolumetricFusion:
    """With slice scores that are not the zeros of the start."""
    torch.manual_seed(seed)
    made = VolumetricFusion(CHANNELS)
    torch.nn.init.normal_(made.pool.score.weight)
    return made


def real(*lengths: int, of: int) -> Tensor:
    return torch.arange(of) < torch.tensor(lengths).unsqueeze(1)


class TestSlicePool:
    def test_starts_as_the_plain_average_of_real_slices(self) -> None:
        x, mask = torch.rand(2, 3, 4, 4, 4), real(4, 2, of=4)
        features, weights = SlicePool(3)(x, mask)
        torch.testing.assert_close(features[0], x[0].mean(dim=(1, 2, 3)))
        torch.testing.assert_close(features[1], x[1, :, :2].mean(dim=(1, 2, 3)))
        assert weights.tolist() == [[0.25] * 4, [0.5, 0.5, 0.0, 0.0]]

    def test_by_hand(self) -> None:
        """Averages 1 and 3, score ln 3 / 2 times the average: weights as 1 to 3."""
        pool = SlicePool(1)
        with torch.no_grad():
            pool.score.weight.fill_(math.log(3) / 2)
        x = torch.tensor([[0.0, 2.0], [3.0, 3.0]]).reshape(1, 1, 2, 1, 2)
        features, weights = pool(x, real(2, of=2))
        torch.testing.assert_close(weights, torch.tensor([[0.25, 0.75]]))
        torch.testing.assert_close(features, torch.tensor([[0.25 * 1 + 0.75 * 3]]))

    def test_one_slice_has_all_the_weight(self) -> None:
        pool = SlicePool(2)
        torch.nn.init.normal_(pool.score.weight)
        _, weights = pool(torch.randn(1, 2, 3, 4, 4), real(1, of=3))
        assert weights.tolist() == [[1.0, 0.0, 0.0]]


class TestVolumeConv:
    @pytest.mark.parametrize(("rate", "aside"), [(1, 1), (2, 2), (4, 2)])
    def test_looks_as_far_as_its_rate(self, rate: int, aside: int) -> None:
        """Up and down by `rate` slices exactly, aside no farther than the map is wide."""
        conv = VolumeConv(1, 1, 3, rate=rate).eval()
        with torch.no_grad():
            conv.conv.weight.fill_(1.0)
        x = torch.zeros(1, 1, 11, 4, 4)
        x[0, 0, 5, 1, 1] = 1
        with torch.no_grad():
            moved = conv(x, real(11, of=11))[0, 0].nonzero()
        assert sorted(set(moved[:, 0].tolist())) == [5 - rate, 5, 5 + rate]
        assert sorted(set(moved[:, 1].tolist())) == [c for c in (1 - aside, 1, 1 + aside) if c >= 0]

    def test_the_rates_are_the_papers(self) -> None:
        assert RATES == (1, 2, 4)
        assert [branch.conv.dilation[0] for branch in fusion().branches] == [1, 2, 4]


class TestRealSliceNorm:
    def test_statistics_are_those_of_the_real_slices(self) -> None:
        norm, mask = RealSliceNorm(2).train(), real(3, 1, of=4)
        x = 5 + 3 * torch.randn(2, 2, 4, 4, 4)
        slices = x.transpose(1, 2)[mask]
        normed = norm(x, mask)
        torch.testing.assert_close(
            normed.transpose(1, 2)[mask].mean(dim=(0, 2, 3)), torch.zeros(2), atol=1e-5, rtol=0
        )
        assert not normed.transpose(1, 2)[~mask].any()
        torch.testing.assert_close(norm.norm.running_mean, 0.1 * slices.mean(dim=(0, 2, 3)))

    def test_padding_comes_out_as_zeros_in_evaluation(self) -> None:
        norm, mask = RealSliceNorm(2).eval(), real(3, 1, of=4)
        with torch.no_grad():
            norm.norm.bias.fill_(7.0)
            normed = norm(torch.randn(2, 2, 4, 4, 4), mask).transpose(1, 2)
        assert not normed[~mask].any()
        assert normed[mask].mean().item() == pytest.approx(7.0, abs=1.0)


@settings(max_examples=8, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3), more=st.integers(1, 6))
def test_padding_is_nothing(lengths: list[int], more: int) -> None:
    """A scan alone, and behind others and NaN: the same logit, weights and no gradient beyond."""
    torch.set_num_threads(1)
    network, of = fusion(seed=sum(lengths)).eval(), max(lengths) + more
    mask = real(*lengths, of=of)
    x = torch.randn(len(lengths), of, CHANNELS, 4, 4)
    x = x.where(mask[:, :, None, None, None], torch.nan).requires_grad_()
    together = network(x, mask)
    together.logits.sum().backward()
    assert x.grad is not None
    assert not x.grad[~mask].any()
    assert not together.weights[~mask].any()
    torch.testing.assert_close(together.weights.sum(dim=1), torch.ones(len(lengths)))
    for i, length in enumerate(lengths):
        alone = network(x[i : i + 1, :length].detach(), real(length, of=length))
        torch.testing.assert_close(alone.logits, together.logits[i : i + 1], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(
            alone.weights[0], together.weights[i, :length], atol=1e-6, rtol=1e-6
        )


def test_a_hole_in_the_mask_is_no_slice() -> None:
    """Padding in the middle parts a scan: what it holds does not matter there either."""
    network, mask = fusion().eval(), torch.tensor([[True, True, False, True]])
    x = torch.randn(1, 4, CHANNELS, 4, 4)
    other = x.clone()
    other[0, 2] = 1e6
    with torch.no_grad():
        one, two = network(x, mask), network(other, mask)
    assert torch.equal(one.logits, two.logits)
    assert torch.equal(one.weights, two.weights)


def test_six_hundred_slices_weigh_one_together() -> None:
    with torch.no_grad():
        fused = fusion().eval()(torch.randn(1, 600, CHANNELS, 4, 4), real(600, of=600))
    assert torch.isfinite(fused.logits).all()
    assert fused.weights.sum().item() == pytest.approx(1.0, abs=1e-5)
