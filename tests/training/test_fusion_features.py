"""Per-slice features of a frozen network, by networks whose maps are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from groundglass.datasets.index import PreparedScan
from groundglass.errors import SettingsError, WeightsError
from groundglass.networks.build import build_network
from groundglass.recipe import SliceRecipe
from groundglass.training.fusion_features import FeatureSettings, FusionFeatures, weights_sha256
from groundglass.training.scan_inputs import ScanInputs

from .conftest import RECIPE

DIRECT = SliceRecipe.from_dict({**RECIPE, "stage": "direct"})


class Twice(nn.Module):
    """Two maps: the input, and its double. Remembers how many slices it was shown at once."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.shown: list[int] = []

    def fusion_map(self, x: torch.Tensor) -> torch.Tensor:
        assert not self.training
        assert torch.is_inference_mode_enabled()
        self.shown.append(len(x))
        return torch.cat([x, 2 * x], dim=1) * self.weight


def all_features(source: FusionFeatures, scan: PreparedScan) -> np.ndarray:
    return np.concatenate(list(source.batches(ScanInputs.of(scan, source.recipe))))


def test_each_cell_is_the_mean_of_its_part(scans: list[PreparedScan]) -> None:
    source = FusionFeatures(Twice(), DIRECT, FeatureSettings(grid=(4, 6)))
    scan = scans[1]
    shown = ScanInputs.of(scan, DIRECT).batch(np.arange(5))[:, 0]
    means = shown.reshape(5, 4, 8, 6, 8).mean(axis=(2, 4))
    found = all_features(source, scan)
    assert found.shape == (5, 2, 4, 6)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], means, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], 2 * means, atol=1e-5)


def test_slices_come_a_few_at_a_time(scans: list[PreparedScan]) -> None:
    network = Twice()
    scan = scans[1].take(np.arange(19) % 5)
    found = all_features(FusionFeatures(network, DIRECT, FeatureSettings(grid=(2, 2))), scan)
    assert network.shown == [8, 8, 3]
    assert np.array_equal(found[:5], found[10:15])


def test_ta_segnet_gives_its_fusion_map(scans: list[PreparedScan]) -> None:
    torch.manual_seed(0)
    network = build_network("ta-segnet", base=4)
    source = FusionFeatures(network, DIRECT, FeatureSettings(grid=(32, 48)))  # nothing averaged
    batch = torch.from_numpy(ScanInputs.of(scans[1], DIRECT).batch(np.arange(5)))
    with torch.no_grad():
        expected = network.eval().fusion_map(batch).numpy()  # pyright: ignore
    assert expected.shape == (5, 16, 32, 48)
    np.testing.assert_allclose(all_features(source, scans[1]), expected, atol=1e-5)


def test_the_key_knows_weights_recipe_and_settings() -> None:
    def key(recipe: SliceRecipe = DIRECT, weight: float = 1.0, **settings) -> str:
        network = Twice()
        nn.init.constant_(network.weight, weight)
        return FusionFeatures(network, recipe, FeatureSettings(**settings)).key

    others = [
        key(grid=(4, 4)),
        key(storage="float16", grid=(2, 2)),
        key(mixed_precision=True, grid=(2, 2)),
        key(weight=1.5, grid=(2, 2)),
        key(replace(DIRECT, stage="lesions"), grid=(2, 2)),
        key(replace(DIRECT, network_size=(16, 16)), grid=(2, 2)),
    ]
    assert key(grid=(2, 2)) == key(grid=(2, 2))
    assert len({key(grid=(2, 2)), *others}) == 7


def test_the_hash_of_weights_is_of_names_types_shapes_and_bytes() -> None:
    a, b = torch.arange(4.0), torch.tensor(3)
    state = {"a": a, "b": b}
    found = weights_sha256(state)
    assert len(found) == 64
    assert found == weights_sha256({"b": b.clone(), "a": a.clone()})
    changed = [
        {"a": a + 1e-6, "b": b},
        {"a": a.reshape(2, 2), "b": b},
        {"a": a.view(torch.int32), "b": b},
        {"c": a, "b": b},
        {"a": a},
        {"a": a.bfloat16(), "b": b},
    ]
    assert len({found, *map(weights_sha256, changed)}) == 7
    assert weights_sha256({"a": a[::2]}) == weights_sha256({"a": a[::2].contiguous()})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"grid": (0, 4)}, r"grid is \(0, 4\); expected two sizes of 1 or more"),
        ({"grid": (4,)}, r"grid is \(4,\)"),
        ({"storage": "int4"}, "storage is 'int4'; expected uint8 or float16"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Sequence], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        FeatureSettings(**settings)  # pyright: ignore


def test_what_has_no_map_of_that_size_is_refused() -> None:
    with pytest.raises(SettingsError, match="Conv2d has no fusion map; expected a network with"):
        FusionFeatures(nn.Conv2d(1, 1, 1), DIRECT)
    with pytest.raises(SettingsError, match=r"grid is \(33, 4\); expected no more .* \(32, 48\)"):
        FusionFeatures(Twice(), DIRECT, FeatureSettings(grid=(33, 4)))


def test_maps_that_are_not_finite_are_refused(scans: list[PreparedScan]) -> None:
    network = Twice()
    nn.init.constant_(network.weight, float("nan"))
    source = FusionFeatures(network, DIRECT, FeatureSettings(grid=(2, 2)))
    with pytest.raises(WeightsError, match="fusion map of scan three is not finite"):
        all_features(source, scans[1])
