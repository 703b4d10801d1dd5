"""Batches made on the training device are those of `Samples` in kind, and follow their seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from groundglass.datasets.index import PreparedScan
from groundglass.recipe import SliceRecipe
from groundglass.training.augment import random_warp
from groundglass.training.device_samples import DeviceSamples
from groundglass.training.maps import save_map
from groundglass.training.samples import Samples
from groundglass.training.settings import AugmentSettings, TrainSettings
from groundglass.training.slice_bank import CODE_EDGE, CODE_STEP, SliceBank

CPU = torch.device("cpu")
NONE = dict.fromkeys(AugmentSettings.model_fields, 0)


def settings_of(values: dict[str, Any], **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate({**values, **changes})


@pytest.mark.parametrize("stage", ["lungs", "lesions", "direct"])
def test_shapes_and_values(scans: list[PreparedScan], values: dict[str, Any], stage: str) -> None:
    changed = {**values, "stage": stage, "recipe": {**values["recipe"], "stage": stage}}
    settings = settings_of(changed)
    recipe = SliceRecipe.from_dict(settings.recipe)
    lowest, highest = -recipe.mean / recipe.std, (1 - recipe.mean) / recipe.std
    samples = DeviceSamples(scans, settings, CPU)
    for step, size in ((0, (16, 24)), (2, (32, 48))):
        images, targets = samples.batch(step)
        assert images.shape == targets.shape == (2, 1, *size)
        assert images.dtype == targets.dtype == torch.float32
        assert set(targets.unique().tolist()) <= {0.0, 1.0}
        assert float(images.min()) >= lowest - 1e-5
        assert float(images.max()) <= highest + 1e-5


def test_equal_seed_and_step_give_equal_batches(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    one = DeviceSamples(scans, settings_of(values), CPU)
    other = DeviceSamples(scans, settings_of(values), CPU)
    for step in (5, 0, 3):  # in any order, whatever was drawn before
        other.batch(1)
        for a, b in zip(one.batch(step), other.batch(step), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one.batch(3)[0], one.batch(4)[0])
    changed = DeviceSamples(scans, settings_of(values, seed=1), CPU)
    assert not torch.equal(one.batch(3)[0], changed.batch(3)[0])


def test_two_processes_share_the_batch_of_one(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    samples = DeviceSamples(scans, settings_of(values, augment={**NONE, "scale": 0.2}), CPU)
    whole = samples.batch(4)
    parts = [samples.batch(4, rank=rank, world=2) for rank in range(2)]
    for index in range(2):
        for place in range(2):
            assert torch.equal(whole[index][place::2], parts[place][index])


@pytest.mark.parametrize("stage", ["lungs", "lesions"])
def test_unchanged_slices_are_those_of_the_host(
    scans: list[PreparedScan], values: dict[str, Any], stage: str
) -> None:
    """Without augmentation both show the same slice at the same place, but for interpolation:
    OpenCV rounds places to 1/32 of a pixel."""
    changed = {**values, "stage": stage, "recipe": {**values["recipe"], "stage": stage}}
    settings = settings_of(changed, augment=NONE, healthy_share=0.0)
    recipe = SliceRecipe.from_dict(settings.recipe)
    host, device = Samples(scans, settings), DeviceSamples(scans, settings, CPU)
    size = (32, 48)
    images, targets = device.batch(2)
    rng = np.random.default_rng([settings.seed, 2])
    for place in range(2):
        entry, _, which = device._pick(rng)
        index = int(entry.source.slices[which - entry.first])
        center, step = host.place(entry.source, size)
        warp = random_warp(rng, center, step, size, settings=settings.augment)
        # random_warp draws even what it does not use: a generator of its own keeps ours in step
        rng = np.random.default_rng([settings.seed, 2])
        for _ in range(place + 1):
            device._pick(rng)
        expected = warp.image(host.image(entry.source, index, rng)).astype(np.float32)
        lungs = warp.mask(entry.source.lungs[index])
        target = lungs
        if stage == "lesions":
            expected, target = expected * lungs, warp.mask(entry.source.scan.lesions[index]) * lungs
        found = (images[place, 0].numpy() * recipe.std + recipe.mean) * 255
        assert np.mean(np.abs(found - expected)) < 1.5
        assert np.mean(targets[place, 0].numpy() != target) < 0.02


def test_every_kind_of_slice_gets_its_share(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    settings = settings_of(values, healthy_share=0.3, lesion_free_share=0.4)
    samples = DeviceSamples(scans, settings, CPU)
    rng = np.random.default_rng(0)
    picks = [samples._pick(rng) for _ in range(800)]
    healthy = np.mean([entry.source.scan.row.is_healthy for entry, _, _ in picks])
    assert healthy == pytest.approx(0.3, abs=0.06)
    for entry, image, which in picks:
        assert entry.first <= which < entry.first + entry.slices
        assert (image - entry.first_image) % entry.slices == which - entry.first


def test_lung_planes_hold_the_distance_to_the_edge(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    settings = settings_of(values)
    bank = SliceBank.build(Samples(scans, settings), settings, CPU)
    for entry in (*bank.sick, *bank.healthy):
        lungs = entry.source.lungs[entry.source.slices] > 0
        plane = bank.lungs[entry.first : entry.first + entry.slices].numpy().astype(int)
        assert np.array_equal(plane <= CODE_EDGE, lungs)
        grown = plane <= CODE_EDGE + CODE_STEP
        assert np.all(grown >= lungs)
        assert grown.sum() > lungs.sum()


def test_errors_of_the_lungs_grow_shrink_and_pierce_them(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    """What is shown is not always the reference lungs, and is them where no errors are wanted."""

    def shown_pixels(share: float) -> set[int]:
        settings = settings_of(values, augment={**NONE, "mask_errors": share}, healthy_share=0.0)
        samples = DeviceSamples(scans[:1], settings, CPU)
        low = samples.batch(0)[0].min()
        return {
            int((samples.batch(step)[0] > low + 1e-6).sum(dim=(1, 2, 3))[place])
            for step in range(2, 3)
            for place in range(2)
        } | {int((samples.batch(step)[0] > low + 1e-6).sum()) for step in range(2)}

    assert shown_pixels(1.0) != shown_pixels(0.0)


def test_soft_targets_are_mixed_in(
    tmp_path: Path, scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    for scan in scans:
        save_map(tmp_path, scan.row.scan_id, np.full(scan.image.shape, 102, np.uint8))
    settings = settings_of(values, soft_targets=str(tmp_path), soft_weight=0.5, augment=NONE)
    targets = DeviceSamples(scans, settings, CPU).batch(0)[1]
    found = {round(value, 3) for value in targets.unique().tolist()}
    assert found <= {0.0, 0.2, 0.7}  # outside the lungs; no lesion, half of 0.4; a lesion
    assert 0.2 in found
