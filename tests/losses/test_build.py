"""Every loss by its name, on plain logits and on side outputs."""

from __future__ import annotations

import pytest
import torch

from groundglass.catalog import NETWORKS
from groundglass.errors import SettingsError
from groundglass.losses.build import LOSSES, build_loss
from groundglass.losses.deep_supervision import SupervisedSides, halving_weights, miniseg_weights
from groundglass.losses.weighted_cross_entropy import WeightedCrossEntropy
from groundglass.networks.side_outputs import SideOutputs


@pytest.mark.parametrize("name", LOSSES)
def test_soft_and_empty_targets_are_defined(name: str) -> None:
    loss = build_loss(name)
    for target in (torch.rand(2, 1, 5, 6), torch.zeros(2, 1, 5, 6), torch.ones(2, 1, 5, 6)):
        x = torch.randn(2, 1, 5, 6, requires_grad=True)
        value = loss(SideOutputs((x, 0.5 * x), x), target)
        value.backward()
        assert value.shape == ()
        assert torch.isfinite(value)
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
        assert x.grad.any()


@pytest.mark.parametrize("name", LOSSES)
def test_the_right_answer_costs_less_than_the_wrong_one(name: str) -> None:
    loss = build_loss(name)
    target = torch.zeros(1, 1, 8, 8)
    target[..., 2:6, 2:6] = 1
    right, wrong = (2 * target - 1) * 9, (1 - 2 * target) * 9
    assert loss(right, target) < 0.1 * loss(wrong, target)


def test_weights_of_the_sides() -> None:
    assert halving_weights(1) == (1.0,)
    assert halving_weights(3) == pytest.approx((4 / 7, 2 / 7, 1 / 7))
    assert miniseg_weights(4) == (1.0, 0.4, 0.4, 0.4)


def test_a_side_counts_by_its_weight_and_the_edge_not_at_all() -> None:
    entropy = torch.nn.BCEWithLogitsLoss()
    loss = SupervisedSides(entropy, miniseg_weights)
    target = (torch.rand(1, 1, 4, 4) > 0.5).float()
    a, b, edge = torch.randn(1, 1, 4, 4), torch.randn(1, 1, 4, 4), torch.randn(1, 1, 4, 4)
    expected = entropy(a, target) + 0.4 * entropy(b, target)
    torch.testing.assert_close(loss(SideOutputs((a, b), edge), target), expected)
    torch.testing.assert_close(loss(a, target), entropy(a, target))


def test_minisegs_loss_weighs_the_classes() -> None:
    weighted = WeightedCrossEntropy()
    target = (torch.rand(1, 1, 4, 4) > 0.5).float()
    a, b = torch.randn(1, 1, 4, 4), torch.randn(1, 1, 4, 4)
    expected = weighted(a, target) + 0.4 * weighted(b, target)
    torch.testing.assert_close(build_loss("miniseg")(SideOutputs((a, b)), target), expected)


def test_every_network_names_a_loss_there_is() -> None:
    assert {entry.loss for entry in NETWORKS} <= set(LOSSES)


def test_an_unknown_loss_is_refused_with_the_list() -> None:
    with pytest.raises(SettingsError, match=r"'dice' is unknown; expected bce-dice, .*miniseg"):
        build_loss("dice")
