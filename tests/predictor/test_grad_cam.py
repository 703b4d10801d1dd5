"""Grad-CAM on networks whose slopes are known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from groundglass.networks.covtanet import CovTANet
from groundglass.predictor.grad_cam import GradCam


class Said(NamedTuple):
    diagnosis: torch.Tensor
    severity: torch.Tensor


class Known(nn.Module):
    """Maps are the features themselves. Diagnosis: 3 times the mean of channel 0 of slice 1, less
    the mean of channel 1 of slice 1; severity: the mean of channel 1 of slice 2, negative."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Module()
        self.encoder.maps = lambda x: x  # pyright: ignore

    def head(self, encoded: torch.Tensor, mask: torch.Tensor) -> Said:
        assert bool(mask.all())
        means = encoded.mean(dim=(3, 4))
        return Said(3 * means[:, 1, 0] - means[:, 1, 1], -means[:, 2, 1])


def test_by_hand() -> None:
    """Slopes are 3/64 and -1/64 everywhere in an 8 x 8 map, and 0 in the other slices."""
    features = np.zeros((3, 2, 8, 8), np.float32)
    features[1, 0, 2, 3] = 2.0  # 3 * 2 - 0
    features[1, 0, 5, 5] = 1.0  # 3 * 1 - 1
    features[1, 1, 5, 5] = 1.0
    features[1, 1, 7, 7] = 9.0  # speaks against: cut off at 0
    features[0] = 5.0  # has no slope
    features[2, 1] = 4.0
    found = GradCam(Known()).maps([features[:2], features[2:]])
    expected = np.zeros((3, 8, 8), np.float32)
    expected[1, 2, 3], expected[1, 5, 5] = 1.0, 2 / 6
    np.testing.assert_allclose(found.diagnosis, expected, atol=1e-6)
    assert not found.severity.any()  # nothing speaks for it: zeros, no division by zero


def test_one_scale_for_all_slices() -> None:
    class Both(Known):
        def head(self, encoded: torch.Tensor, mask: torch.Tensor) -> Said:
            means = encoded.mean(dim=(3, 4))
            return Said(means[:, :, 0].sum(1), means[:, 0, 1])

    features = np.zeros((2, 2, 4, 4), np.float32)
    features[0, 0, 0, 0], features[1, 0, 1, 1] = 1.0, 4.0
    found = GradCam(Both()).maps([features])
    assert found.diagnosis[0].max() == pytest.approx(0.25)
    assert found.diagnosis[1].max() == pytest.approx(1.0)


def test_slopes_of_the_real_network_agree_with_finite_differences() -> None:
    """A channel's weight is the logit's change where all of its map in a slice rises alike."""
    torch.manual_seed(0)
    network = CovTANet(3, base=1).double().eval()
    for module in network.modules():
        if isinstance(module, nn.Linear) and module.bias is None:
            nn.init.normal_(module.weight)  # slice weights that differ
    features = torch.randn(4, 3, 16, 16, dtype=torch.float64)
    found = GradCam(network).maps([features.numpy()])
    mask = torch.ones(1, 4, dtype=torch.bool)
    with torch.no_grad():
        last = network.encoder.maps(features)  # pyright: ignore
        from groundglass.networks.regional_features import to_regions

        def logit(maps: torch.Tensor) -> float:
            return float(network.head(to_regions(maps)[None], mask).diagnosis)

        slopes = torch.zeros(last.shape[:2], dtype=torch.float64)
        for k in range(4):
            for c in range(last.shape[1]):
                up = last.clone()
                up[k, c] += 1e-6
                slopes[k, c] = (logit(up) - logit(last)) / 1e-6 / last[k, c].numel()
        maps = torch.relu((slopes[:, :, None, None] * last).sum(1))
    assert maps.max() > 0
    np.testing.assert_allclose(found.diagnosis, (maps / maps.max()).numpy(), atol=1e-3)
