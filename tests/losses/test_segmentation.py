"""Half cross entropy, half Dice."""

from __future__ import annotations

import math

import pytest
import torch

from groundglass.losses.segmentation import SegmentationLoss


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_by_hand() -> None:
    """p = 0.8 and 0.4 on target 1 and 0; smoothing 1."""
    logits = torch.tensor([logit(0.8), logit(0.4)], dtype=torch.float64).reshape(1, 1, 1, 2)
    target = torch.tensor([1.0, 0.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    entropy = -(math.log(0.8) + math.log(0.6)) / 2
    dice = (2 * 0.8 + 1) / (0.64 + 0.16 + 1 + 1)
    expected = 0.5 * entropy + 0.5 * (1 - dice)
    assert SegmentationLoss()(logits, target).item() == pytest.approx(expected, abs=1e-12)


def test_a_perfect_answer_costs_nothing() -> None:
    target = (torch.rand(2, 1, 8, 8) > 0.5).float()
    assert SegmentationLoss()((target * 2 - 1) * 40, target).item() == pytest.approx(0, abs=1e-6)


def test_an_empty_target_never_divides_by_zero() -> None:
    loss, target = SegmentationLoss(), torch.zeros(2, 1, 8, 8)
    clean = loss(torch.full((2, 1, 8, 8), -40.0), target)
    wrong = loss(torch.full((2, 1, 8, 8), 4.0), target)
    assert clean.item() == pytest.approx(0, abs=1e-6)
    assert wrong.item() > 1


def test_entropy_is_a_mean_over_pixels() -> None:
    """Twice the pixels, the same loss where smoothing does not matter."""
    loss = SegmentationLoss(smooth=0.0)
    logits, target = torch.randn(1, 1, 8, 8), (torch.rand(1, 1, 8, 8) > 0.5).float()
    twice = loss(torch.cat([logits, logits]), torch.cat([target, target]))
    assert twice.item() == pytest.approx(loss(logits, target).item(), rel=1e-5)


def test_gradients_pass() -> None:
    target = (torch.rand(1, 1, 3, 4, dtype=torch.float64) > 0.5).double()
    logits = torch.randn(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: SegmentationLoss()(x, target), logits)


def test_descent_finds_the_target() -> None:
    target = (torch.rand(1, 1, 6, 6) > 0.5).float()
    logits = torch.zeros(1, 1, 6, 6, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(40):
        optimizer.zero_grad()
        SegmentationLoss()(logits, target).backward()
        optimizer.step()
    assert ((logits > 0).float() == target).all()
