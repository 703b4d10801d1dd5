"""The learned learning rate goes up where steps are too small and down where they are too large."""

from __future__ import annotations

import pytest
import torch

from groundglass.training.hypergradient import HypergradientSGD


def descend(optimizer_of, steps: int = 30) -> tuple[float, torch.optim.Optimizer]:
    """Minimize x^2 / 2 from (1, -2); the loss at the end."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    optimizer = optimizer_of([weight])
    for _ in range(steps):
        optimizer.zero_grad()
        (weight.square().sum() / 2).backward()
        optimizer.step()
    return float(weight.detach().square().sum() / 2), optimizer


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_too_small_a_rate_grows(momentum: float) -> None:
    plain, _ = descend(lambda p: torch.optim.SGD(p, lr=1e-3, momentum=momentum))
    loss, optimizer = descend(lambda p: HypergradientSGD(p, lr=1e-3, momentum=momentum))
    assert isinstance(optimizer, HypergradientSGD)
    assert optimizer.scale == pytest.approx(1.02**29, rel=0.1)  # Adam: about rate_lr a step
    assert loss < plain


def test_too_large_a_rate_shrinks() -> None:
    """At 1.9 each step overshoots to the other side; plain SGD hardly gets nearer."""
    plain, _ = descend(lambda p: torch.optim.SGD(p, lr=1.9))
    loss, optimizer = descend(lambda p: HypergradientSGD(p, lr=1.9, momentum=0.0))
    assert isinstance(optimizer, HypergradientSGD)
    assert optimizer.scale < 0.7
    assert loss < 0.01 * plain


def test_the_first_step_is_the_schedules_and_zero_gradients_change_nothing() -> None:
    _, optimizer = descend(lambda p: HypergradientSGD(p, lr=0.1, momentum=0.0), steps=1)
    assert isinstance(optimizer, HypergradientSGD)
    assert optimizer.scale == 1.0
    (weight,) = optimizer.param_groups[0]["params"]
    torch.testing.assert_close(weight.detach(), torch.tensor([0.9, -1.8]))
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert optimizer.scale == 1.0
    torch.testing.assert_close(weight.detach(), torch.tensor([0.9, -1.8]))


def test_weight_decay_is_decoupled() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer = HypergradientSGD([weight], lr=0.1, weight_decay=0.5)
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert float(weight.detach()) == pytest.approx(0.95)


def test_weights_without_a_gradient_are_left_alone() -> None:
    one, other = (torch.nn.Parameter(torch.tensor([1.0])) for _ in range(2))
    optimizer = HypergradientSGD([one, other], lr=0.1)
    for _ in range(3):
        other.grad = torch.ones_like(other)
        optimizer.step()
    assert float(one.detach()) == 1.0
    assert float(other.detach()) < 1.0
    assert optimizer.scale > 1.0
