"""The loss of Inf-Net: weights, overlap, edge, sum over the outputs."""

from __future__ import annotations

import math

import pytest
import torch

from groundglass.losses.inf_net import InfNetLoss, WeightedOverlapLoss, edge_target
from groundglass.networks.side_outputs import SideOutputs


def test_the_edge_is_one_pixel_on_either_side() -> None:
    target = torch.zeros(1, 1, 7, 7)
    target[..., 2:5, 2:5] = 1
    expected = torch.zeros(1, 1, 7, 7)
    expected[..., 1:6, 1:6] = 1
    expected[..., 3, 3] = 0
    assert torch.equal(edge_target(target), expected)


def test_no_edge_where_a_mask_leaves_the_image_or_fills_it() -> None:
    assert not edge_target(torch.ones(1, 1, 5, 6)).any()
    assert not edge_target(torch.zeros(1, 1, 5, 6)).any()
    half = torch.zeros(1, 1, 4, 6)
    half[..., :3] = 1
    columns = edge_target(half)[0, 0].sum(dim=0)
    assert columns.tolist() == [0, 0, 4, 4, 0, 0]


def test_by_hand_on_two_pixels() -> None:
    """One pixel of two is target: the mean over 31 x 31, padded with zeros, is 1/961 at both."""
    p, q = 0.8, 0.4
    values = [math.log(p / (1 - p)), math.log(q / (1 - q))]
    logits = torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, 2)
    target = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    near = 1 / 961
    first, second = 1 + 5 * (1 - near), 1 + 5 * near
    entropy = -(first * math.log(p) + second * math.log(1 - q)) / (first + second)
    both, either = first * p, first * (p + 1) + second * q - first * p
    expected = entropy + 1 - (both + 1) / (either + 1)
    assert WeightedOverlapLoss()(logits, target).item() == pytest.approx(expected, abs=1e-12)


def test_each_slice_counts_alike() -> None:
    """A batch is the mean of its slices, however large their lesions are."""
    loss = WeightedOverlapLoss()
    target = torch.zeros(2, 1, 8, 8)
    target[0, 0, 2, 2], target[1, 0, 1:7, 1:7] = 1, 1
    x = torch.randn(2, 1, 8, 8)
    alone = (loss(x[:1], target[:1]) + loss(x[1:], target[1:])) / 2
    torch.testing.assert_close(loss(x, target), alone)


def test_an_empty_target_pulls_predictions_down() -> None:
    x = torch.zeros(2, 1, 8, 8, requires_grad=True)
    target = torch.zeros(2, 1, 8, 8)
    value = InfNetLoss()(SideOutputs((x, x), x), target)
    value.backward()
    assert torch.isfinite(value)
    assert x.grad is not None
    assert (x.grad > 0).all()
    clean = torch.full((2, 1, 8, 8), -40.0)
    assert InfNetLoss()(SideOutputs((clean, clean), clean), target).item() < 1e-6


def test_the_sum_over_all_outputs() -> None:
    target = (torch.rand(1, 1, 6, 6) > 0.5).float()
    a, b, edge = torch.randn(1, 1, 6, 6), torch.randn(1, 1, 6, 6), torch.randn(1, 1, 6, 6)
    loss, overlap = InfNetLoss(), WeightedOverlapLoss()
    parts = overlap(a, target) + overlap(b, target)
    torch.testing.assert_close(loss(SideOutputs((a, b)), target), parts)
    entropy = torch.nn.functional.binary_cross_entropy_with_logits(edge, edge_target(target))
    torch.testing.assert_close(loss(SideOutputs((a, b), edge), target), parts + entropy)
    torch.testing.assert_close(loss(a, target), overlap(a, target))
