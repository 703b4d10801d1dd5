"""The regional feature extractor: stages, sizes, and slices that do not see each other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from groundglass.networks.regional_features import RegionalFeatureExtractor, to_regions
from groundglass.networks.tri_level_attention import TriLevelAttention


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (32, 32), (45, 64)])
def test_any_size_gives_the_same_small_map(size: tuple[int, int]) -> None:
    extractor = RegionalFeatureExtractor(6, base=2).eval()
    with torch.no_grad():
        features = extractor(torch.rand(3, 6, *size))
    assert features.shape == (3, extractor.channels, 4, 4)
    assert torch.isfinite(features).all()


def test_stages_grow_in_channels_and_each_has_its_attention() -> None:
    extractor = RegionalFeatureExtractor(base=16)
    convs = [m for m in extractor.modules() if isinstance(m, nn.Conv2d) and m.bias is None]
    assert [(conv.in_channels, conv.out_channels) for conv in convs] == [
        (64, 64),
        (64, 96),
        (96, 128),
    ]
    for stage in extractor.stages:
        assert sum(isinstance(module, TriLevelAttention) for module in stage.modules()) == 1


def test_sizes_halve_between_stages() -> None:
    extractor = RegionalFeatureExtractor(6, base=1).eval()
    seen: list[tuple[int, ...]] = []
    for stage in extractor.stages:
        stage.register_forward_hook(lambda _m, _i, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        extractor(torch.rand(1, 6, 32, 48))
    assert seen == [(4, 32, 48), (6, 16, 24), (8, 8, 12)]


def test_regions_are_averages() -> None:
    x = torch.arange(64.0).reshape(1, 1, 8, 8)
    expected = x.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    assert torch.equal(to_regions(x), expected)


def test_a_slice_is_encoded_alone() -> None:
    extractor = RegionalFeatureExtractor(6, base=2).eval()
    x = torch.rand(3, 6, 16, 20)
    with torch.no_grad():
        torch.testing.assert_close(extractor(x)[1:2], extractor(x[1:2]))
