from __future__ import annotations

import pytest
import torch
from torch import nn

from groundglass.training.batch_norm import refresh_batch_norm


def test_statistics_are_the_plain_mean_over_batches() -> None:
    network = nn.Sequential(nn.BatchNorm2d(1))
    norm = network[0]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.running_mean.fill_(99.0)  # pyright: ignore[reportOptionalMemberAccess]
    batches = [torch.full((2, 1, 2, 2), value) + torch.randn(2, 1, 2, 2) for value in (1.0, 3.0)]
    refresh_batch_norm(network, batches)
    expected = torch.stack([batch.mean() for batch in batches]).mean()
    torch.testing.assert_close(norm.running_mean, expected[None])
    variances = torch.stack([batch.var() for batch in batches]).mean()
    torch.testing.assert_close(norm.running_var, variances[None])
    assert norm.momentum == pytest.approx(0.1)
    assert not network.training


def test_weights_stay_and_no_gradient_is_kept() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    before = {name: value.clone() for name, value in network.named_parameters()}
    refresh_batch_norm(network, [torch.randn(2, 1, 8, 8)])
    for name, value in network.named_parameters():
        assert torch.equal(value, before[name])
        assert value.grad is None


def test_a_network_without_batch_norm_sees_no_batch() -> None:
    def never():
        raise AssertionError("a batch was drawn")
        yield

    network = nn.Conv2d(1, 1, 3)
    refresh_batch_norm(network, never())
    assert not network.training
