"""Cross entropy weighted by class: what a lesion pixel counts, and what one of background does."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from groundglass.losses.weighted_cross_entropy import LESION_SHARE, WeightedCrossEntropy


def test_rarer_counts_more_in_the_form_of_enet() -> None:
    loss = WeightedCrossEntropy(0.2)
    assert loss.lesion / loss.background == pytest.approx(math.log(1.9) / math.log(1.3))
    assert 0.2 * loss.lesion + 0.8 * loss.background == pytest.approx(1.0)


def test_halves_that_are_equally_frequent_weigh_alike() -> None:
    loss = WeightedCrossEntropy(0.5)
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    plain = functional.binary_cross_entropy_with_logits(logits, target)
    torch.testing.assert_close(loss(logits, target), plain)


def test_each_pixel_counts_by_its_class() -> None:
    loss = WeightedCrossEntropy()
    logits = torch.tensor([[[[2.0, -1.0]]]])
    target = torch.tensor([[[[1.0, 0.0]]]])
    missed, called = math.log1p(math.exp(-2.0)), math.log1p(math.exp(-1.0))
    expected = (loss.lesion * missed + loss.background * called) / 2
    assert float(loss(logits, target)) == pytest.approx(expected, rel=1e-6)


def test_batches_of_two_processes_add_up_to_the_one_of_one() -> None:
    loss = WeightedCrossEntropy()
    logits = torch.randn(4, 1, 8, 8)
    shares = torch.tensor([0.9, 0.1, 0.1, 0.1]).view(4, 1, 1, 1)
    target = (torch.rand(4, 1, 8, 8) < shares).float()
    halves = (loss(logits[:2], target[:2]) + loss(logits[2:], target[2:])) / 2
    torch.testing.assert_close(loss(logits, target), halves)


def test_calling_nothing_costs_more_than_without_weights() -> None:
    """A slice as they are: no lesion is called where there is one."""
    target = torch.zeros(1, 1, 20, 20)
    target.view(-1)[: round(400 * LESION_SHARE)] = 1.0
    nothing = torch.full_like(target, -6.0)
    plain = functional.binary_cross_entropy_with_logits(nothing, target)
    assert float(WeightedCrossEntropy()(nothing, target)) > 5 * float(plain)
