"""A network's answer on prepared scans, by networks whose answer can be told by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from groundglass.datasets.index import PreparedScan
from groundglass.ops.slice_image import LungBox, frame_image, lesion_input, lung_input
from groundglass.recipe import SliceRecipe
from groundglass.training.predict import ScanPredictor, pooled_dice, score_scan

from .conftest import RECIPE, SIZE

LUNGS = SliceRecipe.from_dict({**RECIPE, "stage": "lungs", "network_size": [SIZE, SIZE]})
LESIONS = replace(LUNGS, stage="lesions", network_size=(48, 56))
DIRECT = replace(LUNGS, stage="direct")


class Rule(nn.Module):
    """Calls out what is brighter than a level; remembers what it was shown."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level
        self.shown: list[np.ndarray] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.shown += list(x[:, 0].numpy())
        return (x - self.level) * 50


class LeftToRight(nn.Module):
    """Sure on the left, against it on the right."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linspace(8, -8, x.shape[-1]).expand_as(x)


def plain_images(scan: PreparedScan, recipe: SliceRecipe) -> list[np.ndarray]:
    return [frame_image(one, recipe, is_hu=scan.is_hu, is_equalized=False) for one in scan.image]


@pytest.mark.parametrize("recipe", [LUNGS, DIRECT], ids=["lungs", "direct"])
def test_whole_slices_are_shown_as_in_use(scans: list[PreparedScan], recipe: SliceRecipe) -> None:
    scan, network = scans[3], Rule(0.0)  # in HU
    chance = ScanPredictor(network, recipe).probability(scan)
    expected = [lung_input(image, recipe) for image in plain_images(scan, recipe)]
    assert np.array_equal(np.stack(network.shown), np.stack(expected))
    assert np.array_equal(chance >= 0.5, np.stack(expected) >= 0)
    assert chance.dtype == np.float32


def test_lesions_are_looked_for_in_the_box_and_lungs(scans: list[PreparedScan]) -> None:
    scan, network = scans[3], Rule(-99.0)
    chance = ScanPredictor(network, LESIONS).probability(scan)
    box = LungBox.around(scan.lungs.any(axis=0), LESIONS)
    images = plain_images(scan, LESIONS)
    expected = [lesion_input(images[d], scan.lungs[d], box, LESIONS) for d in (1, 2, 3)]
    assert np.array_equal(np.stack(network.shown), np.stack(expected))  # slice 0 has no lung
    assert np.array_equal(chance > 0.5, scan.lungs > 0)
    other = scan.lungs.copy()
    other[:, :, :32] = 0
    assert np.array_equal(ScanPredictor(network, LESIONS).probability(scan, other) > 0, other > 0)
    nothing = np.zeros_like(other)
    assert not ScanPredictor(network, LESIONS).probability(scan, nothing).any()


def test_only_the_slices_asked_for_are_looked_at(scans: list[PreparedScan]) -> None:
    scan, network = scans[1], Rule(-99.0)
    predictor = ScanPredictor(network, LUNGS)
    chance = predictor.probability(scan, slices=np.array([0, 3]))
    assert chance.any(axis=(1, 2)).tolist() == [True, False, False, True, False]
    assert len(network.shown) == 2
    some = ScanPredictor(Rule(0.0), LUNGS).probability(scan, slices=np.array([3]))
    assert np.array_equal(some[3], ScanPredictor(Rule(0.0), LUNGS).probability(scan)[3])


def test_more_slices_than_a_batch(scans: list[PreparedScan]) -> None:
    scan = scans[1].take(np.arange(19) % 5)
    chance = ScanPredictor(Rule(0.0), LUNGS).probability(scan)
    assert np.array_equal(chance[:5], chance[10:15])
    assert len(np.unique(chance.sum(axis=(1, 2)))) > 1


def test_flips_average_both_ways_of_looking(scans: list[PreparedScan]) -> None:
    predictor = ScanPredictor(LeftToRight(), LUNGS)
    once = predictor.probability(scans[1])
    assert once[0, 0, 0] > 0.99
    assert once[0, 0, -1] < 0.01
    both = predictor.probability(scans[1], flips=True)
    np.testing.assert_allclose(both, 0.5, atol=1e-6)


def test_scores_are_of_the_recipes_stage(scans: list[PreparedScan]) -> None:
    scan = scans[1]
    for recipe, reference in ((LUNGS, scan.lungs), (LESIONS, scan.lesions), (DIRECT, scan.lesions)):
        perfect = score_scan(scan, reference.astype(np.float32), recipe)
        assert (perfect.case_id, perfect.group) == ("three", "three")
        assert perfect.total.dice == 1.0
        assert len(perfect.slices) == 5
    edge = score_scan(scan, np.full(scan.image.shape, 0.5, np.float32), LESIONS, case_id="other")
    assert edge.case_id == "other"
    assert edge.total.fn == 0  # the threshold itself counts


def test_pooled_dice_is_over_all_pixels_of_every_nth_slice(scans: list[PreparedScan]) -> None:
    predictor = ScanPredictor(Rule(-99.0), LESIONS)  # calls all lung a lesion
    chosen = [scans[0], scans[1]]
    overlap = sum(int(scan.lesions[::2].sum()) for scan in chosen)
    lungs = sum(int(scan.lungs[::2].sum()) for scan in chosen)
    dice = pooled_dice(predictor, chosen, LESIONS, 2)
    assert dice == pytest.approx(2 * overlap / (lungs + overlap))
    assert pooled_dice(predictor, [], LESIONS, 1) == 0.0
