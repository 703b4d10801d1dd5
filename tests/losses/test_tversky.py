"""Tversky and focal Tversky, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from groundglass.losses.tversky import FocalTverskyLoss, TverskyLoss


def logits(*probabilities: float) -> Tensor:
    values = [math.log(p / (1 - p)) for p in probabilities]
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


def row(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, 1, 1, -1)


def test_by_hand() -> None:
    """p = 0.8, 0.4, 0.1 on target 1, 1, 0: TP 1.2, FN 0.8, FP 0.1."""
    index = 1.2 / (1.2 + 0.7 * 0.8 + 0.3 * 0.1)
    x, y = logits(0.8, 0.4, 0.1), row(1, 1, 0)
    assert TverskyLoss(smooth=0.0)(x, y).item() == pytest.approx(1 - index, abs=1e-12)
    smoothed = (1.2 + 1) / (1.2 + 0.7 * 0.8 + 0.3 * 0.1 + 1)
    assert TverskyLoss()(x, y).item() == pytest.approx(1 - smoothed, abs=1e-12)
    focal = FocalTverskyLoss(smooth=0.0)(x, y).item()
    assert focal == pytest.approx((1 - index) ** 0.75, abs=1e-12)


def test_equal_weights_of_one_half_are_dice() -> None:
    x, y = logits(0.8, 0.4, 0.1), row(1, 1, 0)
    dice = 2 * 1.2 / (1.3 + 2)
    loss = TverskyLoss(alpha=0.5, beta=0.5, smooth=0.0)(x, y).item()
    assert loss == pytest.approx(1 - dice, abs=1e-12)


def test_a_missed_pixel_costs_more_than_a_false_one() -> None:
    missed = TverskyLoss()(logits(0.9, 0.1, 0.1), row(1, 1, 0))
    false = TverskyLoss()(logits(0.9, 0.9, 0.1), row(1, 0, 0))
    assert missed > false


@pytest.mark.parametrize("loss", [TverskyLoss(), FocalTverskyLoss()], ids=["plain", "focal"])
def test_an_empty_target_pulls_predictions_down(loss: TverskyLoss) -> None:
    x = torch.zeros(2, 1, 4, 4, requires_grad=True)
    value = loss(x, torch.zeros(2, 1, 4, 4))
    value.backward()
    assert torch.isfinite(value)
    assert x.grad is not None
    assert (x.grad > 0).all()
    assert loss(torch.full((2, 1, 4, 4), -30.0), torch.zeros(2, 1, 4, 4)).item() < 1e-4


def test_an_empty_target_by_hand() -> None:
    """p = 0.5 on four pixels, none of them target: FP 2, so 1 - TI = 0.6 / 1.6; nothing: 0."""
    x, y = logits(0.5, 0.5, 0.5, 0.5), row(0, 0, 0, 0)
    assert TverskyLoss()(x, y).item() == pytest.approx(0.375, abs=1e-12)
    assert FocalTverskyLoss()(x, y).item() == pytest.approx(0.375**0.75, abs=1e-12)
    nothing = torch.full_like(y, -200.0)
    assert FocalTverskyLoss()(nothing, y).item() == pytest.approx(1e-6**0.75, rel=1e-9)


def test_half_precision_logits_are_summed_in_full() -> None:
    """As under autocast: sums over a batch would not fit bfloat16's eight bits."""
    x, y = torch.randn(4, 1, 64, 64), (torch.rand(4, 1, 64, 64) > 0.9).float()
    value = FocalTverskyLoss()(x.bfloat16(), y)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(FocalTverskyLoss()(x, y).item(), rel=2e-3)


def test_a_perfect_answer_has_a_finite_gradient() -> None:
    """The slope of (1 - TI) ** 0.75 has no bound at TI = 1; the clamp keeps it finite."""
    y = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    x = torch.tensor([200.0, -200.0]).reshape(1, 1, 1, 2).requires_grad_()
    FocalTverskyLoss()(x, y).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_gradients_pass() -> None:
    y = row(1, 0, 1)
    x = torch.randn(1, 1, 1, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda z: FocalTverskyLoss()(z, y), x)
