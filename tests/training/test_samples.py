"""What the network sees is drawn from (seed, step) alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from groundglass.datasets.index import PreparedScan
from groundglass.errors import DatasetError
from groundglass.recipe import SliceRecipe
from groundglass.training.samples import Samples
from groundglass.training.settings import TrainSettings


def settings_of(values: dict[str, Any], **changes: Any) -> TrainSettings:
    return TrainSettings.model_validate({**values, **changes})


@pytest.mark.parametrize("stage", ["lungs", "lesions"])
def test_shapes_and_values(
    scans: list[PreparedScan], values: dict[str, Any], lungs_values: dict[str, Any], stage: str
) -> None:
    settings = settings_of(values if stage == "lesions" else lungs_values)
    recipe = SliceRecipe.from_dict(settings.recipe)
    lowest, highest = -recipe.mean / recipe.std, (1 - recipe.mean) / recipe.std
    samples = Samples(scans, settings)
    for step, size in ((0, (16, 24)), (2, (32, 48))):
        images, targets = samples.batch(step)
        assert images.shape == targets.shape == (2, 1, *size)
        assert images.dtype == targets.dtype == np.float32
        assert set(np.unique(targets)) <= {0.0, 1.0}
        assert images.min() >= lowest - 1e-5
        assert images.max() <= highest + 1e-5


def test_equal_seed_and_step_give_equal_batches(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    one, other = Samples(scans, settings_of(values)), Samples(scans, settings_of(values))
    for step in (5, 0, 3):  # in any order, whatever was drawn before
        other.batch(1)
        for a, b in zip(one.batch(step), other.batch(step), strict=True):
            assert np.array_equal(a, b)
    assert not np.array_equal(one.batch(3)[0], one.batch(4)[0])
    changed = Samples(scans, settings_of(values, seed=1))
    assert not np.array_equal(one.batch(3)[0], changed.batch(3)[0])


def test_lesion_slices_show_lungs_only(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    """Outside the lung mask the input is black, as it is in use."""
    settings = settings_of(values)
    recipe = SliceRecipe.from_dict(settings.recipe)
    for step in range(2, 6):
        images, _ = Samples(scans, settings).batch(step)
        shown = images > -recipe.mean / recipe.std + 1e-4
        assert 0.05 < shown.mean() < 0.9


def test_healthy_scans_get_their_share_and_no_target(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    only = Samples(scans, settings_of(values, healthy_share=1.0))
    never = Samples(scans, settings_of(values, healthy_share=0.0))
    for step in range(4):
        assert not only.batch(step)[1].any()
    assert any(never.batch(step)[1].any() for step in range(2, 6))


def test_healthy_lungs_are_a_target_of_the_lung_stage(
    scans: list[PreparedScan], lungs_values: dict[str, Any]
) -> None:
    samples = Samples(scans, settings_of(lungs_values, healthy_share=1.0))
    assert any(samples.batch(step)[1].any() for step in range(4))


def test_slices_without_lung_are_left_to_the_lung_stage(
    scans: list[PreparedScan], values: dict[str, Any], lungs_values: dict[str, Any]
) -> None:
    for chosen, first in ((values, 1), (lungs_values, 0)):
        source = Samples(scans, settings_of(chosen))._sick[0]
        assert source.slices[0] == first


def test_every_takes_every_nth_slice(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    assert [s.slices.tolist() for s in Samples(scans, settings_of(values, every=3))._sick] == [
        [1],
        [1, 4],
        [1],
    ]


def test_nothing_to_train_on_is_refused(scans: list[PreparedScan], values: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match="run 'tiny' has no scan with lesions left"):
        Samples([scan for scan in scans if scan.row.is_healthy], settings_of(values))


def test_a_scan_without_lungs_is_skipped_by_the_lesion_stage(
    scans: list[PreparedScan], values: dict[str, Any]
) -> None:
    bare = replace(scans[0], lungs=np.zeros_like(scans[0].lungs))
    samples = Samples([bare, *scans[1:]], settings_of(values))
    assert len(samples._sick) == 2
